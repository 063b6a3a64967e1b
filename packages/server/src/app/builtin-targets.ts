// The targets that need no configuration: this process and this machine. They run through the ordinary scrape
// loop, so `up`, staleness and the scrape_* series are there as for any other target.
import { hostname } from "node:os";
import { Labels } from "@belfry/core/model";
import type { PoolSettings, TargetGroup } from "../ingest/scrape/index.ts";

/** BuiltinTarget is a job whose exposition is rendered in this process. */
export interface BuiltinTarget {
  settings: PoolSettings;
  groups: TargetGroup[];
}

// Ten seconds make a first screen that moves, for half a percent of a core.
const INTERVAL_MS = 10_000;

/** builtinTarget describes one job with one target. */
export function builtinTarget(jobName: string, instance: string, collect: () => Promise<Uint8Array>): BuiltinTarget {
  return {
    settings: {
      jobName,
      scrapeIntervalMs: INTERVAL_MS,
      scrapeTimeoutMs: INTERVAL_MS,
      metricsPath: "/metrics",
      scheme: "http",
      params: {},
      labelLimit: 0,
      labelNameLengthLimit: 0,
      labelValueLengthLimit: 0,
      honorLabels: false,
      honorTimestamps: true,
      trackTimestampsStaleness: false,
      enableCompression: false,
      scrapeProtocols: ["PrometheusText0.0.4"],
      fallbackProtocol: "PrometheusText0.0.4",
      bodySizeLimitBytes: 0,
      sampleLimit: 0,
      targetLimit: 0,
      keepDroppedTargets: 0,
      nativeHistogramBucketLimit: 0,
      nativeHistogramMinBucketFactor: 0,
      scrapeNativeHistograms: false,
      alwaysScrapeClassicHistograms: false,
      convertClassicHistogramsToNhcb: false,
      extraScrapeMetrics: false,
      nameValidation: "utf8",
      nameEscaping: "allow-utf-8",
      relabel: (labels) => labels,
      metricRelabel: (labels) => labels,
      collect,
      // One key for all times: a reload leaves built-in jobs alone.
      key: `builtin:${jobName}:${instance}`,
      samplesKey: `builtin:${jobName}`,
    },
    groups: [
      {
        source: "builtin",
        targets: [Labels.fromRecord({ __address__: instance })],
        labels: Labels.fromRecord({}),
      },
    ],
  };
}

/** hostInstance is the `instance` of the machine's own metrics, in the form that node_exporter's would have. */
export function hostInstance(): string {
  return `${hostname()}:9100`;
}
