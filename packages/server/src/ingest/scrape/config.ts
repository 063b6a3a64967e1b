import type { HttpClientConfig } from "../../lib/http-config.ts";
import type { DiscoveryConfig } from "../discovery/config.ts";
import type { NameScheme, RelabelConfig } from "../relabel/config.ts";

/** ScrapeProtocol names an exposition format as the configuration does. */
export type ScrapeProtocol =
  | "PrometheusProto"
  | "PrometheusText0.0.4"
  | "PrometheusText1.0.0"
  | "OpenMetricsText0.0.1"
  | "OpenMetricsText1.0.0";

/** EscapingScheme says how a target is asked to write names outside the classic characters. */
export type EscapingScheme = "allow-utf-8" | "underscores" | "dots" | "values";

/**
 * ScrapeConfig is one job, complete: what it leaves out has been filled in from `global`. Limits: 0 means none.
 */
export interface ScrapeConfig {
  jobName: string;
  honorLabels: boolean;
  honorTimestamps: boolean;
  trackTimestampsStaleness: boolean;
  params: ReadonlyMap<string, readonly string[]>;
  scrapeIntervalMs: number;
  /** scrapeTimeoutMs is never greater than the interval. */
  scrapeTimeoutMs: number;
  /** scrapeProtocols lists the formats asked for, most wanted first; never empty. */
  scrapeProtocols: readonly ScrapeProtocol[];
  /** fallbackScrapeProtocol is used where a target names no known content type; "" makes that an error. */
  fallbackScrapeProtocol: ScrapeProtocol | "";
  scrapeNativeHistograms: boolean;
  alwaysScrapeClassicHistograms: boolean;
  convertClassicHistogramsToNhcb: boolean;
  scrapeFailureLogFile: string;
  metricsPath: string;
  scheme: string;
  enableCompression: boolean;
  /** bodySizeLimit counts uncompressed bytes. */
  bodySizeLimit: number;
  sampleLimit: number;
  targetLimit: number;
  labelLimit: number;
  labelNameLengthLimit: number;
  labelValueLengthLimit: number;
  nativeHistogramBucketLimit: number;
  nativeHistogramMinBucketFactor: number;
  keepDroppedTargets: number;
  nameScheme: NameScheme;
  escapingScheme: EscapingScheme;
  extraScrapeMetrics: boolean;
  discovery: readonly DiscoveryConfig[];
  http: HttpClientConfig;
  relabelConfigs: readonly RelabelConfig[];
  metricRelabelConfigs: readonly RelabelConfig[];
}

/** PROTOCOL_HEADERS maps each protocol to its media type with parameters, as in an Accept header. */
export const PROTOCOL_HEADERS: Readonly<Record<ScrapeProtocol, string>> = {
  PrometheusProto: "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
  "PrometheusText0.0.4": "text/plain;version=0.0.4",
  "PrometheusText1.0.0": "text/plain;version=1.0.0",
  "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
  "OpenMetricsText1.0.0": "application/openmetrics-text;version=1.0.0",
};

/** DEFAULT_PROTOCOLS is asked for when nothing is configured. */
export const DEFAULT_PROTOCOLS: readonly ScrapeProtocol[] = [
  "OpenMetricsText1.0.0",
  "OpenMetricsText0.0.1",
  "PrometheusText1.0.0",
  "PrometheusText0.0.4",
];

/** PROTO_FIRST_PROTOCOLS is asked for when native histograms are wanted: only protobuf carries them. */
export const PROTO_FIRST_PROTOCOLS: readonly ScrapeProtocol[] = ["PrometheusProto", ...DEFAULT_PROTOCOLS];

/** ScrapeDefaults are what a job takes where it says nothing itself: the `global` section. */
export interface ScrapeDefaults {
  scrapeIntervalMs: number;
  scrapeTimeoutMs: number;
  scrapeProtocols: readonly ScrapeProtocol[] | undefined;
  scrapeFailureLogFile: string;
  bodySizeLimit: number;
  sampleLimit: number;
  targetLimit: number;
  labelLimit: number;
  labelNameLengthLimit: number;
  labelValueLengthLimit: number;
  keepDroppedTargets: number;
  nameScheme: NameScheme;
  escapingScheme: EscapingScheme | "";
  scrapeNativeHistograms: boolean;
  convertClassicHistogramsToNhcb: boolean;
  alwaysScrapeClassicHistograms: boolean;
  extraScrapeMetrics: boolean;
}
