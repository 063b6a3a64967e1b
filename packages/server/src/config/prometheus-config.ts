// The shape of prometheus.yml after reading: defaults filled in, paths joined to the file's folder, everything
// checked. Durations are milliseconds, sizes bytes; a limit of 0 means none; an empty string is unset.
import type { Labels } from "@belfry/core/model";
import type { HttpClientConfig, TlsConfig } from "../lib/http-config.ts";
import type { DiscoveryConfig } from "../ingest/discovery/config.ts";
import type { RelabelConfig } from "../ingest/relabel/config.ts";
import type { ScrapeConfig, ScrapeDefaults, ScrapeProtocol } from "../ingest/scrape/config.ts";

/** PrometheusConfig is a whole prometheus.yml. */
export interface PrometheusConfig {
  global: GlobalConfig;
  runtime: RuntimeConfig;
  alerting: AlertingConfig;
  ruleFiles: readonly string[];
  scrapeConfigFiles: readonly string[];
  /** scrapeConfigs are those of the main file; `allScrapeConfigs` of a loaded configuration adds the files'. */
  scrapeConfigs: readonly ScrapeConfig[];
  storage: StorageConfig;
  tracing: TracingConfig | undefined;
  remoteWrite: readonly RemoteWriteConfig[];
  remoteRead: readonly RemoteReadConfig[];
  otlp: OtlpConfig;
}

/** GlobalConfig holds what jobs and rules fall back to. */
export interface GlobalConfig extends ScrapeDefaults {
  /** scrapeProtocols is undefined when unset: each job then decides by whether it wants native histograms. */
  scrapeProtocols: readonly ScrapeProtocol[] | undefined;
  evaluationIntervalMs: number;
  ruleQueryOffsetMs: number;
  queryLogFile: string;
  /** externalLabels have had ${VARIABLES} of the environment put in. */
  externalLabels: Labels;
}

/** RuntimeConfig tunes the process upstream; it has no meaning here and is kept for display. */
export interface RuntimeConfig {
  gogc: number;
}

/** AlertingConfig says where alerts go. */
export interface AlertingConfig {
  alertRelabelConfigs: readonly RelabelConfig[];
  alertmanagers: readonly AlertmanagerConfig[];
}

/** AlertmanagerConfig is a group of Alertmanagers that are sent alerts. */
export interface AlertmanagerConfig {
  discovery: readonly DiscoveryConfig[];
  http: HttpClientConfig;
  sigv4: SigV4Config | undefined;
  scheme: string;
  pathPrefix: string;
  timeoutMs: number;
  apiVersion: string;
  relabelConfigs: readonly RelabelConfig[];
  alertRelabelConfigs: readonly RelabelConfig[];
}

/** SigV4Config signs requests for AWS. */
export interface SigV4Config {
  region: string;
  accessKey: string;
  secretKey: string;
  profile: string;
  roleArn: string;
  externalId: string;
  useFipsStsEndpoint: boolean;
  serviceName: string;
}

/** StorageConfig holds what upstream can change about its store while running. */
export interface StorageConfig {
  tsdb: TsdbConfig | undefined;
  exemplars: { maxExemplars: number } | undefined;
}

/** TsdbConfig: retention of 0 means that the flags decide. */
export interface TsdbConfig {
  outOfOrderTimeWindowMs: number;
  staleSeriesCompactionThreshold: number;
  retention: { timeMs: number; sizeBytes: number; percentage: number } | undefined;
  chunkEncoding: { floats: string } | undefined;
}

/** TracingConfig says where the server's own spans go. */
export interface TracingConfig {
  clientType: "http" | "grpc";
  endpoint: string;
  samplingFraction: number;
  insecure: boolean;
  tls: TlsConfig;
  headers: ReadonlyMap<string, string>;
  compression: string;
  timeoutMs: number;
}

/** RemoteWriteMessage is the protobuf message that is sent. */
export type RemoteWriteMessage = "prometheus.WriteRequest" | "io.prometheus.write.v2.Request";

/** RemoteWriteConfig is a place that samples are sent to. */
export interface RemoteWriteConfig {
  url: string;
  remoteTimeoutMs: number;
  headers: ReadonlyMap<string, string>;
  writeRelabelConfigs: readonly RelabelConfig[];
  name: string;
  sendExemplars: boolean;
  sendNativeHistograms: boolean;
  roundRobinDns: boolean;
  protobufMessage: RemoteWriteMessage;
  http: HttpClientConfig;
  queue: QueueConfig;
  metadata: MetadataConfig;
  sigv4: SigV4Config | undefined;
  azureAd: Readonly<Record<string, unknown>> | undefined;
  googleIam: Readonly<Record<string, unknown>> | undefined;
}

/** QueueConfig bounds the queue in front of a remote write endpoint. */
export interface QueueConfig {
  capacity: number;
  maxShards: number;
  minShards: number;
  maxSamplesPerSend: number;
  batchSendDeadlineMs: number;
  minBackoffMs: number;
  maxBackoffMs: number;
  retryOnRateLimit: boolean;
  sampleAgeLimitMs: number;
}

/** MetadataConfig says whether and how often types and help texts are sent. */
export interface MetadataConfig {
  send: boolean;
  sendIntervalMs: number;
  maxSamplesPerSend: number;
}

/** RemoteReadConfig is a place that older samples are read from. */
export interface RemoteReadConfig {
  url: string;
  remoteTimeoutMs: number;
  chunkedReadLimit: number;
  headers: ReadonlyMap<string, string>;
  readRecent: boolean;
  name: string;
  http: HttpClientConfig;
  requiredMatchers: ReadonlyMap<string, string>;
  filterExternalLabels: boolean;
}

/** TranslationStrategy says how OpenTelemetry names become metric and label names. */
export type TranslationStrategy =
  | "UnderscoreEscapingWithSuffixes"
  | "UnderscoreEscapingWithoutSuffixes"
  | "NoUTF8EscapingWithSuffixes"
  | "NoTranslation";

/** OtlpConfig configures what is made of metrics received by OTLP. */
export interface OtlpConfig {
  promoteAllResourceAttributes: boolean;
  promoteResourceAttributes: readonly string[];
  ignoreResourceAttributes: readonly string[];
  translationStrategy: TranslationStrategy;
  keepIdentifyingResourceAttributes: boolean;
  convertHistogramsToNhcb: boolean;
  promoteScopeMetadata: boolean;
  labelNameUnderscoreSanitization: boolean;
  labelNamePreserveMultipleUnderscores: boolean;
}
