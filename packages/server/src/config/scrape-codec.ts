// How a scrape job is read, completed from `global`, checked and printed.
import { checkHttpClient, httpClientKeys, joinHttpPaths, joinPath, newHttpClient } from "../lib/http-config-codec.ts";
import {
  bool,
  dictionary,
  duration,
  field,
  float64,
  inline,
  list,
  maybe,
  pointers,
  rejectHoles,
  size,
  string,
  stringOf,
  type Struct,
  struct,
  uint,
  unchecked,
} from "../lib/yaml-codecs.ts";
import { type Codec, ConfigError, FAILED, quoteText } from "../lib/yaml-decode.ts";
import {
  checkStaticTargets,
  collectDiscovery,
  discoveryFields,
  joinDiscoveryPaths,
} from "../ingest/discovery/codecs.ts";
import { checkRelabelConfig, relabelConfigCodec } from "../ingest/relabel/index.ts";
import type { NameScheme, RelabelConfig } from "../ingest/relabel/config.ts";
import {
  DEFAULT_PROTOCOLS,
  type EscapingScheme,
  PROTO_FIRST_PROTOCOLS,
  PROTOCOL_HEADERS,
  type ScrapeConfig,
  type ScrapeDefaults,
  type ScrapeProtocol,
} from "../ingest/scrape/config.ts";

/** nameSchemeCodec reads "utf8" or "legacy"; "" is unset. */
export const nameSchemeCodec: Codec<NameScheme> = {
  ...unchecked<NameScheme>("string"),
  read(decoder, node, current) {
    const text = stringOf("string").read(decoder, node, current);
    if (text === FAILED) return FAILED;
    if (text !== "" && text !== "utf8" && text !== "legacy") {
      throw new ConfigError(`unrecognized ValidationScheme: ${quoteText(text)}`);
    }
    return text as NameScheme;
  },
};

export const protocolCodec: Codec<ScrapeProtocol> = unchecked<ScrapeProtocol>("config.ScrapeProtocol");

/** relabelRules reads a list of relabelling rules. */
export const relabelRules: Codec<readonly RelabelConfig[]> = pointers(relabelConfigCodec, "[]*relabel.Config");

// Keys that a job may leave to `global` are undefined until `completeScrapeConfig` has run.
interface ScrapeKeys extends Omit<
  ScrapeConfig,
  | "scrapeProtocols"
  | "scrapeNativeHistograms"
  | "alwaysScrapeClassicHistograms"
  | "convertClassicHistogramsToNhcb"
  | "extraScrapeMetrics"
  | "nameScheme"
  | "escapingScheme"
> {
  scrapeProtocols: readonly ScrapeProtocol[] | undefined;
  scrapeNativeHistograms: boolean | undefined;
  alwaysScrapeClassicHistograms: boolean | undefined;
  convertClassicHistogramsToNhcb: boolean | undefined;
  extraScrapeMetrics: boolean | undefined;
  nameScheme: NameScheme | "";
  escapingScheme: EscapingScheme | "";
}

function noJob(): ScrapeKeys {
  return {
    jobName: "",
    honorLabels: false,
    honorTimestamps: false,
    trackTimestampsStaleness: false,
    params: new Map(),
    scrapeIntervalMs: 0,
    scrapeTimeoutMs: 0,
    scrapeProtocols: undefined,
    fallbackScrapeProtocol: "",
    scrapeNativeHistograms: undefined,
    alwaysScrapeClassicHistograms: undefined,
    convertClassicHistogramsToNhcb: undefined,
    scrapeFailureLogFile: "",
    metricsPath: "",
    scheme: "",
    enableCompression: false,
    bodySizeLimit: 0,
    sampleLimit: 0,
    targetLimit: 0,
    labelLimit: 0,
    labelNameLengthLimit: 0,
    labelValueLengthLimit: 0,
    nativeHistogramBucketLimit: 0,
    nativeHistogramMinBucketFactor: 0,
    keepDroppedTargets: 0,
    nameScheme: "",
    escapingScheme: "",
    extraScrapeMetrics: undefined,
    discovery: [],
    http: httpClientKeys.zero(),
    relabelConfigs: [],
    metricRelabelConfigs: [],
  };
}

const protocols = list(protocolCodec, { goType: "[]config.ScrapeProtocol" });

/** scrapeConfigCodec reads one job; `completeScrapeConfig` makes it whole. */
export const scrapeConfigCodec: Struct<ScrapeConfig> = struct<ScrapeKeys>({
  goType: "config.ScrapeConfig",
  zero: noJob,
  defaults: () => ({
    ...noJob(),
    metricsPath: "/metrics",
    scheme: "http",
    honorTimestamps: true,
    http: newHttpClient(),
    enableCompression: true,
  }),
  fields: [
    field("job_name", "jobName", string, {
      keep: true,
      doc: "Name of the job: the label job of everything it scrapes.",
    }),
    field("honor_labels", "honorLabels", bool, {
      doc: "Keep scraped labels that collide with the target's. Default false.",
    }),
    field("honor_timestamps", "honorTimestamps", bool, { keep: true, doc: "Keep scraped timestamps. Default true." }),
    field("track_timestamps_staleness", "trackTimestampsStaleness", bool, {
      keep: true,
      doc: "Mark series with own timestamps stale too when they are gone. Default false.",
    }),
    field("params", "params", dictionary(list(string), { goType: "url.Values" }), { doc: "Query parameters." }),
    field("scrape_interval", "scrapeIntervalMs", duration, { doc: "Time between scrapes." }),
    field("scrape_timeout", "scrapeTimeoutMs", duration, {
      doc: "When a scrape is given up; not more than the interval.",
    }),
    field("scrape_protocols", "scrapeProtocols", maybe(protocols), { doc: "Formats to ask for, most wanted first." }),
    field(
      "fallback_scrape_protocol",
      "fallbackScrapeProtocol",
      unchecked<ScrapeProtocol | "">("config.ScrapeProtocol"),
      {
        doc: "Format of a target that names none.",
      },
    ),
    field("scrape_native_histograms", "scrapeNativeHistograms", maybe(bool), { doc: "Take native histograms." }),
    field("always_scrape_classic_histograms", "alwaysScrapeClassicHistograms", maybe(bool), {
      doc: "Take the classic buckets too where there is a native histogram.",
    }),
    field("convert_classic_histograms_to_nhcb", "convertClassicHistogramsToNhcb", maybe(bool), {
      doc: "Store classic histograms as native ones with custom buckets.",
    }),
    field("scrape_failure_log_file", "scrapeFailureLogFile", string, {
      doc: "File that failed scrapes are written to.",
    }),
    field("metrics_path", "metricsPath", string, { doc: "Path of the metrics. Default /metrics." }),
    field("scheme", "scheme", string, { doc: "http or https. Default http." }),
    field("enable_compression", "enableCompression", bool, {
      keep: true,
      doc: "Ask for a compressed body. Default true.",
    }),
    field("body_size_limit", "bodySizeLimit", size, { doc: "Largest body, uncompressed; more fails the scrape." }),
    field("sample_limit", "sampleLimit", uint, { doc: "Most samples after relabelling; more fails the scrape." }),
    field("target_limit", "targetLimit", uint, { doc: "Most targets; more fails all of them." }),
    field("label_limit", "labelLimit", uint, { doc: "Most labels of a sample." }),
    field("label_name_length_limit", "labelNameLengthLimit", uint, { doc: "Longest label name in bytes." }),
    field("label_value_length_limit", "labelValueLengthLimit", uint, { doc: "Longest label value in bytes." }),
    field("native_histogram_bucket_limit", "nativeHistogramBucketLimit", uint, {
      doc: "Most buckets of a native histogram; more lowers its resolution.",
    }),
    field("native_histogram_min_bucket_factor", "nativeHistogramMinBucketFactor", float64, {
      doc: "Smallest growth from bucket to bucket; less lowers the resolution.",
    }),
    field("keep_dropped_targets", "keepDroppedTargets", uint, {
      doc: "Most dropped targets that are kept to be shown.",
    }),
    field("metric_name_validation_scheme", "nameScheme", nameSchemeCodec as Codec<NameScheme | "">, {
      doc: "Names that are allowed: utf8 or legacy.",
    }),
    field("metric_name_escaping_scheme", "escapingScheme", unchecked<EscapingScheme | "">("string"), {
      doc: "How targets are asked to write other names: allow-utf-8, underscores, dots or values.",
    }),
    field("extra_scrape_metrics", "extraScrapeMetrics", maybe(bool), {
      doc: "Store scrape_timeout_seconds, scrape_sample_limit and scrape_body_size_bytes.",
    }),
    ...inline<ScrapeKeys, "http">("http", httpClientKeys),
    field("relabel_configs", "relabelConfigs", relabelRules, { doc: "Rules for targets." }),
    field("metric_relabel_configs", "metricRelabelConfigs", relabelRules, { doc: "Rules for scraped samples." }),
    ...discoveryFields<ScrapeKeys>(),
  ],
  check(job) {
    collectDiscovery(job);
    if (job.jobName === "") throw new ConfigError("job_name is empty");
    checkHttpClient(job.http);
    if (job.relabelConfigs.length === 0) checkStaticTargets(job.discovery);
    rejectHoles(job.relabelConfigs, "empty or null target relabeling rule in scrape config");
    rejectHoles(job.metricRelabelConfigs, "empty or null metric relabeling rule in scrape config");
  },
}) as unknown as Struct<ScrapeConfig>;

/** checkProtocols throws for a list of protocols that is empty, repeats itself or names an unknown one. */
export function checkProtocols(protocols: readonly ScrapeProtocol[]): void {
  if (protocols.length === 0) throw new ConfigError("scrape_protocols cannot be empty");
  const seen = new Set<string>();
  for (const protocol of protocols) {
    if (seen.has(protocol.toLowerCase())) {
      throw new ConfigError(`duplicated protocol in scrape_protocols, got [${protocols.join(" ")}]`);
    }
    const problem = protocolProblem(protocol);
    if (problem !== undefined) throw new ConfigError(`scrape_protocols: ${problem}`);
    seen.add(protocol.toLowerCase());
  }
}

function protocolProblem(protocol: string): string | undefined {
  if (Object.hasOwn(PROTOCOL_HEADERS, protocol)) return undefined;
  return `unknown scrape protocol ${protocol}, supported: [${Object.keys(PROTOCOL_HEADERS).toSorted().join(" ")}]`;
}

const ESCAPING: readonly EscapingScheme[] = ["allow-utf-8", "underscores", "dots", "values"];

function escapingNames(): string {
  return `'${ESCAPING.slice(0, -1).join("', '")}', or '${ESCAPING.at(-1)}'`;
}

/** completeScrapeConfig fills in what a job leaves to `global` and checks it. Throws ConfigError. */
export function completeScrapeConfig(job: ScrapeConfig, global: ScrapeDefaults): void {
  const keys = job as ScrapeKeys;
  const forJob = `for scrape config with job name ${quoteText(job.jobName)}`;
  if (job.scrapeIntervalMs === 0) job.scrapeIntervalMs = global.scrapeIntervalMs;
  if (job.scrapeTimeoutMs > job.scrapeIntervalMs) {
    throw new ConfigError(`scrape timeout greater than scrape interval ${forJob}`);
  }
  if (job.scrapeTimeoutMs === 0) job.scrapeTimeoutMs = Math.min(global.scrapeTimeoutMs, job.scrapeIntervalMs);
  for (const limit of [
    "bodySizeLimit",
    "sampleLimit",
    "targetLimit",
    "labelLimit",
    "labelNameLengthLimit",
    "labelValueLengthLimit",
    "keepDroppedTargets",
  ] as const) {
    if (job[limit] === 0) job[limit] = global[limit];
  }
  if (job.scrapeFailureLogFile === "") job.scrapeFailureLogFile = global.scrapeFailureLogFile;
  job.scrapeNativeHistograms = keys.scrapeNativeHistograms ?? global.scrapeNativeHistograms;
  job.extraScrapeMetrics = keys.extraScrapeMetrics ?? global.extraScrapeMetrics;
  job.scrapeProtocols =
    keys.scrapeProtocols ??
    global.scrapeProtocols ??
    (job.scrapeNativeHistograms ? PROTO_FIRST_PROTOCOLS : DEFAULT_PROTOCOLS);
  checkFor(forJob, () => checkProtocols(job.scrapeProtocols));
  if (job.fallbackScrapeProtocol !== "") {
    const problem = protocolProblem(job.fallbackScrapeProtocol);
    if (problem !== undefined) throw new ConfigError(`invalid fallback_scrape_protocol ${forJob}: ${problem}`);
  }
  completeNames(keys, global);
  job.convertClassicHistogramsToNhcb = keys.convertClassicHistogramsToNhcb ?? global.convertClassicHistogramsToNhcb;
  job.alwaysScrapeClassicHistograms = keys.alwaysScrapeClassicHistograms ?? global.alwaysScrapeClassicHistograms;
  for (const rule of [...job.relabelConfigs, ...job.metricRelabelConfigs]) checkRelabelConfig(rule, job.nameScheme);
}

/** checkFor adds for whom a check was made to what it throws. */
export function checkFor(whom: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`${error.message} ${whom}`, error.place);
    throw error;
  }
}

// A job that restricts itself to legacy names must not take `allow-utf-8` from global: it then escapes.
function completeNames(job: ScrapeKeys, global: ScrapeDefaults): void {
  const own = job.nameScheme;
  job.nameScheme = own === "" ? global.nameScheme : own;
  let globalEscaping = global.escapingScheme;
  if (globalEscaping === "") globalEscaping = escapingFor(global.nameScheme);
  else if (!ESCAPING.includes(globalEscaping)) {
    throw new ConfigError(
      `unknown global name escaping method specified, must be one of ${escapingNames()}, got ${quoteText(globalEscaping)}`,
    );
  }
  if (job.escapingScheme === "") job.escapingScheme = own === "" ? globalEscaping : escapingFor(own);
  if (!ESCAPING.includes(job.escapingScheme)) {
    throw new ConfigError(
      `unknown scrape config name escaping method specified, must be one of ${escapingNames()}, got ${quoteText(job.escapingScheme)}`,
    );
  }
  if (job.escapingScheme === "allow-utf-8" && job.nameScheme !== "utf8") {
    throw new ConfigError("utf8 metric names requested but validation scheme is not set to UTF8");
  }
}

function escapingFor(scheme: NameScheme): EscapingScheme {
  return scheme === "legacy" ? "underscores" : "allow-utf-8";
}

/** joinScrapePaths makes the paths of a job relative to a folder. */
export function joinScrapePaths(job: ScrapeConfig, folder: string): void {
  for (const discovery of job.discovery) joinDiscoveryPaths(discovery, folder);
  joinHttpPaths(job.http, folder);
  job.scrapeFailureLogFile = joinPath(folder, job.scrapeFailureLogFile);
}
