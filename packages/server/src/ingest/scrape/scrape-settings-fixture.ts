// Settings that tests and benchmarks start from: upstream's defaults.
import type { LoopSettings } from "./scrape-loop.ts";
import type { PoolSettings } from "./scrape-pool.ts";

/** loopSettings are the defaults of a loop, with what is given changed. */
export function loopSettings(changed: Partial<LoopSettings> = {}): LoopSettings {
  return {
    intervalMs: 15_000,
    timeoutMs: 10_000,
    extraMetrics: false,
    honorLabels: false,
    honorTimestamps: true,
    trackTimestampsStaleness: false,
    sampleLimit: 0,
    labelLimit: 0,
    labelNameLengthLimit: 0,
    labelValueLengthLimit: 0,
    bucketLimit: 0,
    maxSchema: 8,
    nameValidation: "utf8",
    metricRelabel: (labels) => labels,
    startTimestamps: false,
    fallbackMediaType: "",
    ...changed,
  };
}

/** poolDefaults are the defaults of a pool, with what is given changed. */
export function poolDefaults(changed: Partial<PoolSettings> = {}): PoolSettings {
  return {
    jobName: "job",
    scrapeIntervalMs: 15_000,
    scrapeTimeoutMs: 10_000,
    metricsPath: "/metrics",
    scheme: "http",
    params: {},
    labelLimit: 0,
    labelNameLengthLimit: 0,
    labelValueLengthLimit: 0,
    honorLabels: false,
    honorTimestamps: true,
    trackTimestampsStaleness: false,
    enableCompression: true,
    scrapeProtocols: ["OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4"],
    fallbackProtocol: "",
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
    ...changed,
  };
}
