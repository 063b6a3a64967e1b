export { checkConfig, type CheckLine, type CheckOptions, type CheckReport } from "./check.ts";
export {
  loadConfig,
  loadConfigText,
  type LoadedConfig,
  type LoadOptions,
  parsePrometheusConfig,
  renderConfig,
  renderScrapeConfig,
} from "./load.ts";
export type { BudgetConfig, RetentionConfig } from "./belfry-codec.ts";
export type {
  AlertingConfig,
  AlertmanagerConfig,
  GlobalConfig,
  MetadataConfig,
  OtlpConfig,
  PrometheusConfig,
  QueueConfig,
  RemoteReadConfig,
  RemoteWriteConfig,
  RemoteWriteMessage,
  RuntimeConfig,
  SigV4Config,
  StorageConfig,
  TracingConfig,
  TranslationStrategy,
  TsdbConfig,
} from "./prometheus-config.ts";
export { describeNotice, type Notice } from "./unsupported.ts";
