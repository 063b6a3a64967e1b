// How prometheus.yml as a whole is read, completed, checked and printed. The meaning and the order of the checks are
// upstream's (config/config.go of Prometheus 3).
import {
  checkHttpClient,
  httpClientKeys,
  joinHttpPaths,
  joinPath,
  joinTlsPaths,
  newHttpClient,
  tlsConfigCodec,
} from "../lib/http-config-codec.ts";
import { noTls } from "../lib/http-config.ts";
import {
  bool,
  dictionary,
  duration,
  enumeration,
  field,
  float64,
  inline,
  int,
  int64,
  list,
  maybe,
  pointers,
  rejectHoles,
  size,
  string,
  type Struct,
  struct,
  unchecked,
} from "../lib/yaml-codecs.ts";
import { type Codec, ConfigError, type Place, quoteText, type YamlDecoder } from "../lib/yaml-decode.ts";
import {
  checkStaticTargets,
  collectDiscovery,
  discoveryFields,
  joinDiscoveryPaths,
} from "../ingest/discovery/codecs.ts";
import { checkRelabelConfig } from "../ingest/relabel/index.ts";
import { defaultGlobalConfig, globalCodec } from "./global-codec.ts";
import type {
  AlertingConfig,
  AlertmanagerConfig,
  OtlpConfig,
  PrometheusConfig,
  StorageConfig,
  TracingConfig,
  TranslationStrategy,
  TsdbConfig,
} from "./prometheus-config.ts";
import { checkHeaders, remoteReadCodec, remoteWriteCodec, sigv4Codec } from "./remote-codec.ts";
import { completeScrapeConfig, joinScrapePaths, relabelRules, scrapeConfigCodec } from "./scrape-codec.ts";

const runtimeCodec = struct<PrometheusConfig["runtime"]>({
  goType: "config.RuntimeConfig",
  zero: defaultRuntime,
  fields: [field("gogc", "gogc", int, { doc: "Accepted for compatibility; there is no Go here." })],
});

function defaultRuntime(): PrometheusConfig["runtime"] {
  return { gogc: 75 };
}

function zeroAlertmanager(): AlertmanagerConfig {
  return {
    discovery: [],
    http: httpClientKeys.zero(),
    sigv4: undefined,
    scheme: "",
    pathPrefix: "",
    timeoutMs: 0,
    apiVersion: "",
    relabelConfigs: [],
    alertRelabelConfigs: [],
  };
}

const apiVersion: Codec<string> = enumeration("string", (text) => {
  if (text !== "v2") throw new ConfigError(`expected Alertmanager api version to be one of [v2] but got ${text}`);
  return text;
});

const alertmanagerCodec: Struct<AlertmanagerConfig> = struct<AlertmanagerConfig>({
  goType: "config.AlertmanagerConfig",
  zero: zeroAlertmanager,
  defaults: () => ({
    ...zeroAlertmanager(),
    scheme: "http",
    timeoutMs: 10_000,
    apiVersion: "v2",
    http: newHttpClient(),
  }),
  fields: [
    ...inline<AlertmanagerConfig, "http">("http", httpClientKeys),
    field("sigv4", "sigv4", maybe(sigv4Codec), { doc: "Sign requests for AWS." }),
    field("scheme", "scheme", string, { doc: "http or https. Default http." }),
    field("path_prefix", "pathPrefix", string, { doc: "Path before /api." }),
    field("timeout", "timeoutMs", duration, { doc: "When a request is given up. Default 10s." }),
    field("api_version", "apiVersion", apiVersion, { keep: true, doc: "v2." }),
    field("relabel_configs", "relabelConfigs", relabelRules, { doc: "Rules for the Alertmanagers found." }),
    field("alert_relabel_configs", "alertRelabelConfigs", relabelRules, { doc: "Rules for alerts sent to them." }),
    ...discoveryFields<AlertmanagerConfig>(),
  ],
  check(config) {
    collectDiscovery(config);
    checkHttpClient(config.http);
    const { basicAuth, authorization, oauth2 } = config.http;
    if (config.sigv4 !== undefined && (basicAuth ?? authorization ?? oauth2) !== undefined) {
      throw new ConfigError("at most one of basic_auth, authorization, oauth2, & sigv4 must be configured");
    }
    if (config.relabelConfigs.length === 0) checkStaticTargets(config.discovery);
    rejectHoles(config.relabelConfigs, "empty or null Alertmanager target relabeling rule");
    rejectHoles(config.alertRelabelConfigs, "empty or null Alertmanager alert relabeling rule");
  },
});

const alertingCodec: Struct<AlertingConfig> = struct<AlertingConfig>({
  goType: "config.plain",
  zero: noAlerting,
  defaults: noAlerting,
  fields: [
    field("alert_relabel_configs", "alertRelabelConfigs", relabelRules, { doc: "Rules for all alerts." }),
    field("alertmanagers", "alertmanagers", pointers(alertmanagerCodec, "config.AlertmanagerConfigs"), {
      doc: "Where alerts are sent.",
    }),
  ],
  check(config) {
    rejectHoles(config.alertRelabelConfigs, "empty or null alert relabeling rule");
  },
});

function noAlerting(): AlertingConfig {
  return { alertRelabelConfigs: [], alertmanagers: [] };
}

type Retention = NonNullable<TsdbConfig["retention"]>;

const retentionCodec: Struct<Retention> = struct<Retention>({
  goType: "config.plain",
  zero: () => ({ timeMs: 0, sizeBytes: 0, percentage: 0 }),
  defaults: () => ({ timeMs: 0, sizeBytes: 0, percentage: 0 }),
  fields: [
    field("time", "timeMs", duration, { doc: "How long samples are kept." }),
    field("size", "sizeBytes", size, { doc: "Most bytes that are kept." }),
    field("percentage", "percentage", float64, {
      doc: "Most of the disk that is used, in percent. Not supported yet.",
    }),
  ],
  check(config) {
    if (config.sizeBytes < 0) {
      throw new ConfigError("'storage.tsdb.retention.size' must be greater than or equal to 0");
    }
    if (!(config.percentage >= 0 && config.percentage <= 100)) {
      throw new ConfigError(
        `'storage.tsdb.retention.percentage' must be in the range [0, 100], got ${config.percentage}`,
      );
    }
  },
});

type ChunkEncoding = NonNullable<TsdbConfig["chunkEncoding"]>;

const chunkEncodingCodec: Struct<ChunkEncoding> = struct<ChunkEncoding>({
  goType: "config.plain",
  zero: () => ({ floats: "" }),
  defaults: () => ({ floats: "" }),
  fields: [field("floats", "floats", string, { doc: "Accepted for compatibility: xor or xor2." })],
  check({ floats }) {
    if (floats !== "" && floats !== "xor" && floats !== "xor2") {
      throw new ConfigError(
        `'storage.tsdb.chunk_encoding.floats' must be 'xor' or 'xor2', or the field must be omitted entirely, got ${quoteText(floats)}`,
      );
    }
  },
});

const tsdbCodec: Struct<TsdbConfig> = struct<TsdbConfig>({
  goType: "config.plain",
  zero: noTsdb,
  defaults: noTsdb,
  fields: [
    field("out_of_order_time_window", "outOfOrderTimeWindowMs", duration, {
      doc: "How far back in time samples of a series may still arrive.",
    }),
    field("stale_series_compaction_threshold", "staleSeriesCompactionThreshold", float64, {
      doc: "Accepted for compatibility.",
    }),
    field("retention", "retention", maybe(retentionCodec), { doc: "What is kept." }),
    field("chunk_encoding", "chunkEncoding", maybe(chunkEncodingCodec), { doc: "Encoding of chunks." }),
  ],
});

function noTsdb(): TsdbConfig {
  return {
    outOfOrderTimeWindowMs: 0,
    staleSeriesCompactionThreshold: 0,
    retention: undefined,
    chunkEncoding: undefined,
  };
}

const storageCodec: Struct<StorageConfig> = struct<StorageConfig>({
  goType: "config.StorageConfig",
  zero: () => ({ tsdb: undefined, exemplars: undefined }),
  fields: [
    field("tsdb", "tsdb", maybe(tsdbCodec), { doc: "The store of samples." }),
    field(
      "exemplars",
      "exemplars",
      maybe(
        struct<{ maxExemplars: number }>({
          goType: "config.ExemplarsConfig",
          zero: () => ({ maxExemplars: 0 }),
          fields: [field("max_exemplars", "maxExemplars", int64, { doc: "Most exemplars that are kept in memory." })],
        }),
      ),
      { doc: "The store of exemplars." },
    ),
  ],
});

const clientType: Codec<"http" | "grpc"> = enumeration("config.plain", (text) => {
  if (text !== "http" && text !== "grpc") {
    throw new ConfigError(`expected tracing client type to be to be http or grpc, but got ${text}`);
  }
  return text;
});

const tracingCodec: Struct<TracingConfig> = struct<TracingConfig>({
  goType: "config.plain",
  zero: newTracing,
  defaults: newTracing,
  fields: [
    field("client_type", "clientType", clientType, { doc: "http or grpc (default)." }),
    field("endpoint", "endpoint", string, { doc: "Where spans are sent." }),
    field("sampling_fraction", "samplingFraction", float64, { doc: "Share of requests that are traced." }),
    field("insecure", "insecure", bool, { doc: "Without TLS. Default false." }),
    field("tls_config", "tls", tlsConfigCodec, { doc: "TLS settings." }),
    field("headers", "headers", dictionary(string), { doc: "Headers added to every request." }),
    field("compression", "compression", string, { doc: "gzip." }),
    field("timeout", "timeoutMs", duration, { doc: "When a request is given up." }),
  ],
  check(config) {
    checkHeaders(config.headers, "custom authorization header configuration is not yet supported");
    if (config.endpoint === "") throw new ConfigError("tracing endpoint must be set");
    if (config.compression !== "" && config.compression !== "gzip") {
      throw new ConfigError(`invalid compression type ${config.compression} provided, valid options: gzip`);
    }
  },
});

function newTracing(): TracingConfig {
  return {
    clientType: "grpc",
    endpoint: "",
    samplingFraction: 0,
    insecure: false,
    tls: noTls(),
    headers: new Map(),
    compression: "",
    timeoutMs: 0,
  };
}

/** defaultOtlpConfig is what an absent `otlp` means. */
export function defaultOtlpConfig(): OtlpConfig {
  return {
    promoteAllResourceAttributes: false,
    promoteResourceAttributes: [],
    ignoreResourceAttributes: [],
    translationStrategy: "UnderscoreEscapingWithSuffixes",
    keepIdentifyingResourceAttributes: false,
    convertHistogramsToNhcb: false,
    promoteScopeMetadata: false,
    labelNameUnderscoreSanitization: true,
    labelNamePreserveMultipleUnderscores: true,
  };
}

const otlpCodec: Struct<OtlpConfig> = struct<OtlpConfig>({
  goType: "config.plain",
  // An `otlp:` without anything in it means the defaults, as its absence does.
  zero: defaultOtlpConfig,
  defaults: defaultOtlpConfig,
  fields: [
    field("promote_all_resource_attributes", "promoteAllResourceAttributes", bool, {
      doc: "Make labels of all resource attributes. Default false.",
    }),
    field("promote_resource_attributes", "promoteResourceAttributes", list(string), {
      doc: "Resource attributes that become labels.",
    }),
    field("ignore_resource_attributes", "ignoreResourceAttributes", list(string), {
      doc: "Resource attributes that do not, when all others do.",
    }),
    field(
      "translation_strategy",
      "translationStrategy",
      unchecked<TranslationStrategy>("otlptranslator.TranslationStrategyOption"),
      {
        doc: "How names are translated. Default UnderscoreEscapingWithSuffixes.",
      },
    ),
    field("keep_identifying_resource_attributes", "keepIdentifyingResourceAttributes", bool, {
      doc: "Keep service.name, service.namespace and service.instance.id in target_info. Default false.",
    }),
    field("convert_histograms_to_nhcb", "convertHistogramsToNhcb", bool, {
      doc: "Store explicit histograms as native ones with custom buckets. Default false.",
    }),
    field("promote_scope_metadata", "promoteScopeMetadata", bool, { doc: "Make labels of the scope. Default false." }),
    field("label_name_underscore_sanitization", "labelNameUnderscoreSanitization", bool, {
      doc: "Prefix labels that begin with one underscore with key_. Default true.",
    }),
    field("label_name_preserve_multiple_underscores", "labelNamePreserveMultipleUnderscores", bool, {
      doc: "Keep runs of underscores in label names. Default true.",
    }),
  ],
  check(config) {
    if (config.promoteAllResourceAttributes) {
      if (config.promoteResourceAttributes.length > 0) {
        throw new ConfigError(
          "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously",
        );
      }
      config.ignoreResourceAttributes = tidy(config.ignoreResourceAttributes, "ignore_resource_attributes", "ignored");
      return;
    }
    if (config.ignoreResourceAttributes.length > 0) {
      throw new ConfigError(
        "'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes' is true",
      );
    }
    config.promoteResourceAttributes = tidy(
      config.promoteResourceAttributes,
      "promote_resource_attributes",
      "promoted",
    );
  },
});

// Names lose the spaces around them; all that is wrong with the list is told at once.
function tidy(names: readonly string[], key: string, adjective: string): string[] {
  const seen = new Set<string>();
  const problems: string[] = [];
  for (const name of names.map((n) => n.trim())) {
    if (name === "") problems.push(`empty ${adjective} OTel resource attribute`);
    else if (seen.has(name)) problems.push(`duplicated ${adjective} OTel resource attribute ${quoteText(name)}`);
    else seen.add(name);
  }
  if (problems.length > 0) throw new ConfigError(`invalid '${key}': ${problems.join("\n")}`);
  return [...seen];
}

/** defaultPrometheusConfig is what an empty file means. */
export function defaultPrometheusConfig(): PrometheusConfig {
  return {
    global: defaultGlobalConfig(),
    runtime: defaultRuntime(),
    alerting: noAlerting(),
    ruleFiles: [],
    scrapeConfigFiles: [],
    scrapeConfigs: [],
    storage: { tsdb: undefined, exemplars: undefined },
    tracing: undefined,
    remoteWrite: [],
    remoteRead: [],
    otlp: defaultOtlpConfig(),
  };
}

const RULE_PATH = /^[^*]*(\*[^/]*)?$/;

/** prometheusCodec reads prometheus.yml. */
export const prometheusCodec: Struct<PrometheusConfig> = struct<PrometheusConfig>({
  goType: "config.plain",
  zero: defaultPrometheusConfig,
  defaults: defaultPrometheusConfig,
  fields: [
    field("global", "global", globalCodec, { keep: true, doc: "What jobs and rules fall back to." }),
    field("runtime", "runtime", runtimeCodec, { doc: "Tuning of the process." }),
    field("alerting", "alerting", alertingCodec, { doc: "Sending of alerts. Not supported yet." }),
    field("rule_files", "ruleFiles", list(string), {
      doc: "Files with rules; the last part may hold *. Not supported yet.",
    }),
    field("scrape_config_files", "scrapeConfigFiles", list(string), {
      doc: "Files with further scrape_configs; the last part may hold *.",
    }),
    field("scrape_configs", "scrapeConfigs", pointers(scrapeConfigCodec, "[]*config.ScrapeConfig"), {
      doc: "Jobs: what is scraped, and how.",
    }),
    field("storage", "storage", storageCodec, { doc: "The store." }),
    field("tracing", "tracing", maybe(tracingCodec), { doc: "Where the server's own spans go. Not supported yet." }),
    field("remote_write", "remoteWrite", pointers(remoteWriteCodec, "[]*config.RemoteWriteConfig"), {
      doc: "Where samples are sent. Not supported yet.",
    }),
    field("remote_read", "remoteRead", pointers(remoteReadCodec, "[]*config.RemoteReadConfig"), {
      doc: "Where older samples are read. Not supported yet.",
    }),
    field("otlp", "otlp", otlpCodec, { doc: "What becomes of metrics received by OTLP." }),
  ],
  check: completeConfig,
});

function completeConfig(config: PrometheusConfig, decoder: YamlDecoder): void {
  for (const path of config.ruleFiles) {
    if (!RULE_PATH.test(path)) throw new ConfigError(`invalid rule file path ${quoteText(path)}`);
  }
  for (const path of config.scrapeConfigFiles) {
    if (!RULE_PATH.test(path)) throw new ConfigError(`invalid scrape config file path ${quoteText(path)}`);
  }
  const jobs = new Set<string>();
  for (const job of config.scrapeConfigs as readonly (PrometheusConfig["scrapeConfigs"][number] | undefined)[]) {
    if (job === undefined) throw new ConfigError("empty or null scrape config section");
    at(decoder.placeOf(job), () => {
      completeScrapeConfig(job, config.global);
      if (jobs.has(job.jobName)) {
        throw new ConfigError(`found multiple scrape configs with job name ${quoteText(job.jobName)}`);
      }
    });
    jobs.add(job.jobName);
  }
  const { nameScheme } = config.global;
  for (const rule of config.alerting.alertRelabelConfigs) {
    at(decoder.placeOf(rule), () => checkRelabelConfig(rule, nameScheme));
  }
  for (const { alertRelabelConfigs, relabelConfigs } of config.alerting.alertmanagers) {
    for (const rule of [...alertRelabelConfigs, ...relabelConfigs]) {
      at(decoder.placeOf(rule), () => checkRelabelConfig(rule, nameScheme));
    }
  }
  rejectHoles(config.remoteWrite, "empty or null remote write config section");
  checkNames(config.remoteWrite, "remote write", decoder, (entry) => {
    for (const rule of entry.writeRelabelConfigs) checkRelabelConfig(rule, nameScheme);
  });
  rejectHoles(config.remoteRead, "empty or null remote read config section");
  checkNames(config.remoteRead, "remote read", decoder, () => undefined);
}

// Entries without a name get one later, so only given names can collide.
function checkNames<T extends { name: string }>(
  entries: readonly T[],
  what: string,
  decoder: YamlDecoder,
  check: (entry: T) => void,
): void {
  const names = new Set<string>();
  for (const entry of entries) {
    at(decoder.placeOf(entry), () => {
      if (entry.name !== "" && names.has(entry.name)) {
        throw new ConfigError(`found multiple ${what} configs with job name ${quoteText(entry.name)}`);
      }
      check(entry);
    });
    names.add(entry.name);
  }
}

// at says where a check failed that runs after its section was read.
function at(place: Place | undefined, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof ConfigError && error.place === undefined) throw new ConfigError(error.message, place);
    throw error;
  }
}

/** checkLoaded makes the checks that upstream makes once everything is read. Throws ConfigError. */
export function checkLoaded(config: PrometheusConfig): void {
  const strategy = config.otlp.translationStrategy;
  switch (strategy) {
    case "UnderscoreEscapingWithSuffixes":
    case "UnderscoreEscapingWithoutSuffixes":
      return;
    case "NoTranslation":
    case "NoUTF8EscapingWithSuffixes":
      if (config.global.nameScheme === "legacy") {
        throw new ConfigError(`OTLP translation strategy ${quoteText(strategy)} is not allowed when UTF8 is disabled`);
      }
      return;
    default:
      if (strategy === "") config.otlp.translationStrategy = "UnderscoreEscapingWithSuffixes";
      else throw new ConfigError(`unsupported OTLP translation strategy ${quoteText(strategy)}`);
  }
}

/** joinPaths makes all relative paths relative to the folder of the file. */
export function joinPaths(config: PrometheusConfig, folder: string): void {
  const { global } = config;
  global.queryLogFile = joinPath(folder, global.queryLogFile);
  global.scrapeFailureLogFile = joinPath(folder, global.scrapeFailureLogFile);
  for (const alertmanager of config.alerting.alertmanagers) {
    for (const discovery of alertmanager.discovery) joinDiscoveryPaths(discovery, folder);
    joinHttpPaths(alertmanager.http, folder);
  }
  if (config.tracing) joinTlsPaths(config.tracing.tls, folder);
  config.ruleFiles = config.ruleFiles.map((path) => joinPath(folder, path));
  config.scrapeConfigFiles = config.scrapeConfigFiles.map((path) => joinPath(folder, path));
  for (const job of config.scrapeConfigs) joinScrapePaths(job, folder);
  for (const entry of [...config.remoteWrite, ...config.remoteRead]) joinHttpPaths(entry.http, folder);
}
