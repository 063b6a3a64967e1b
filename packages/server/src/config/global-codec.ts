// How the `global` section is read, completed, checked and printed.
import { Labels } from "@belfry/core/model";
import {
  bool,
  dictionary,
  duration,
  field,
  list,
  maybe,
  size,
  string,
  type Struct,
  struct,
  uint,
  unchecked,
} from "../lib/yaml-codecs.ts";
import { type Codec, ConfigError, FAILED, isValidUtf8, quoteText } from "../lib/yaml-decode.ts";
import { isValidLabelName } from "../ingest/relabel/index.ts";
import { type EscapingScheme, PROTOCOL_HEADERS } from "../ingest/scrape/config.ts";
import type { GlobalConfig } from "./prometheus-config.ts";
import { checkFor, checkProtocols, nameSchemeCodec, protocolCodec } from "./scrape-codec.ts";

const DEFAULT_INTERVAL_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 10_000;

const labelMap = dictionary(string);

/** labelsCodec reads a mapping of label names to values. */
const labelsCodec: Codec<Labels> = {
  goType: labelMap.goType,
  outline: labelMap.outline,
  zero: () => new Labels([]),
  isZero: (labels) => labels.size === 0,
  read(decoder, node) {
    const map = labelMap.read(decoder, node, new Map());
    return map === FAILED ? FAILED : Labels.fromEntries(map);
  },
  print: (labels) => labelMap.print(new Map(labels)),
};

/** defaultGlobalConfig is what an absent `global` means. */
export function defaultGlobalConfig(): GlobalConfig {
  return {
    ...zeroGlobal(),
    scrapeIntervalMs: DEFAULT_INTERVAL_MS,
    scrapeTimeoutMs: DEFAULT_TIMEOUT_MS,
    evaluationIntervalMs: DEFAULT_INTERVAL_MS,
    nameScheme: "utf8",
    escapingScheme: "allow-utf-8",
  };
}

function zeroGlobal(): GlobalConfig {
  return {
    scrapeIntervalMs: 0,
    scrapeTimeoutMs: 0,
    scrapeProtocols: undefined,
    evaluationIntervalMs: 0,
    ruleQueryOffsetMs: 0,
    queryLogFile: "",
    scrapeFailureLogFile: "",
    externalLabels: new Labels([]),
    bodySizeLimit: 0,
    sampleLimit: 0,
    targetLimit: 0,
    labelLimit: 0,
    labelNameLengthLimit: 0,
    labelValueLengthLimit: 0,
    keepDroppedTargets: 0,
    nameScheme: "utf8",
    escapingScheme: "",
    scrapeNativeHistograms: false,
    convertClassicHistogramsToNhcb: false,
    alwaysScrapeClassicHistograms: false,
    extraScrapeMetrics: false,
  };
}

// Upstream keeps a pointer here and prints it whenever it is set, which after reading it always is.
const alwaysPrinted: Codec<boolean> = { ...bool, isZero: () => false };

/** globalCodec reads `global`. */
export const globalCodec: Struct<GlobalConfig> = struct<GlobalConfig>({
  goType: "config.plain",
  zero: defaultGlobalConfig,
  defaults: zeroGlobal,
  fields: [
    field("scrape_interval", "scrapeIntervalMs", duration, { doc: "Time between scrapes of a target. Default 1m." }),
    field("scrape_timeout", "scrapeTimeoutMs", duration, { doc: "When a scrape is given up. Default 10s." }),
    field("scrape_protocols", "scrapeProtocols", maybe(list(protocolCodec, { goType: "[]config.ScrapeProtocol" })), {
      doc: `Formats to ask targets for, most wanted first: ${Object.keys(PROTOCOL_HEADERS).join(", ")}.`,
    }),
    field("evaluation_interval", "evaluationIntervalMs", duration, {
      doc: "Time between evaluations of rules. Default 1m.",
    }),
    field("rule_query_offset", "ruleQueryOffsetMs", duration, { doc: "How far in the past rules are evaluated." }),
    field("query_log_file", "queryLogFile", string, { doc: "File that queries are written to. Not supported yet." }),
    field("scrape_failure_log_file", "scrapeFailureLogFile", string, {
      doc: "File that failed scrapes are written to.",
    }),
    field("external_labels", "externalLabels", labelsCodec, {
      doc: "Labels added to what leaves this server; ${VARIABLE} is taken from the environment.",
    }),
    field("body_size_limit", "bodySizeLimit", size, { doc: "Largest body, uncompressed; more fails the scrape." }),
    field("sample_limit", "sampleLimit", uint, { doc: "Most samples after relabelling; more fails the scrape." }),
    field("target_limit", "targetLimit", uint, { doc: "Most targets of a job; more fails all of them." }),
    field("label_limit", "labelLimit", uint, { doc: "Most labels of a sample." }),
    field("label_name_length_limit", "labelNameLengthLimit", uint, { doc: "Longest label name in bytes." }),
    field("label_value_length_limit", "labelValueLengthLimit", uint, { doc: "Longest label value in bytes." }),
    field("keep_dropped_targets", "keepDroppedTargets", uint, {
      doc: "Most dropped targets of a job that are kept to be shown.",
    }),
    field("metric_name_validation_scheme", "nameScheme", nameSchemeCodec, {
      doc: "Names that are allowed: utf8 (default) or legacy.",
    }),
    field("metric_name_escaping_scheme", "escapingScheme", unchecked<EscapingScheme | "">("string"), {
      doc: "How targets are asked to write other names: allow-utf-8, underscores, dots or values.",
    }),
    field("scrape_native_histograms", "scrapeNativeHistograms", alwaysPrinted, {
      doc: "Take native histograms. Default false.",
    }),
    field("convert_classic_histograms_to_nhcb", "convertClassicHistogramsToNhcb", bool, {
      doc: "Store classic histograms as native ones with custom buckets. Default false.",
    }),
    field("always_scrape_classic_histograms", "alwaysScrapeClassicHistograms", bool, {
      doc: "Take the classic buckets too where there is a native histogram. Default false.",
    }),
    field("extra_scrape_metrics", "extraScrapeMetrics", bool, {
      doc: "Store scrape_timeout_seconds, scrape_sample_limit and scrape_body_size_bytes. Default false.",
    }),
  ],
  check: completeGlobal,
});

function completeGlobal(global: GlobalConfig): void {
  if ((global.nameScheme as string) === "") global.nameScheme = "utf8";
  for (const [name, value] of global.externalLabels) {
    if (!isValidLabelName(name, global.nameScheme)) {
      throw new ConfigError(`${quoteText(name)} is not a valid label name`);
    }
    if (!isValidUtf8(value)) throw new ConfigError(`${quoteText(value)} is not a valid label value`);
  }
  if (global.scrapeIntervalMs === 0) global.scrapeIntervalMs = DEFAULT_INTERVAL_MS;
  if (global.scrapeTimeoutMs > global.scrapeIntervalMs) {
    throw new ConfigError("global scrape timeout greater than scrape interval");
  }
  if (global.scrapeTimeoutMs === 0) global.scrapeTimeoutMs = Math.min(DEFAULT_TIMEOUT_MS, global.scrapeIntervalMs);
  if (global.evaluationIntervalMs === 0) global.evaluationIntervalMs = DEFAULT_INTERVAL_MS;
  if (global.scrapeProtocols !== undefined) {
    const { scrapeProtocols } = global;
    checkFor("for global config", () => checkProtocols(scrapeProtocols));
  }
}

const SHELL_SPECIAL = new Set("*#$@!?-0123456789");

/**
 * expandEnvironment replaces $NAME and ${NAME} as Go's os.Expand does; `$$` is a dollar sign. What is not set is
 * empty and named to `missing`.
 */
export function expandEnvironment(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
  missing: (name: string) => void,
): string {
  let out = "";
  for (let i = 0; i < text.length;) {
    if (text[i] !== "$" || i + 1 >= text.length) {
      out += text[i++];
      continue;
    }
    const { name, length } = shellName(text.slice(i + 1));
    i += 1 + length;
    if (name === "" && length === 0) out += "$";
    else if (name === "$") out += "$";
    else if (name !== "") {
      const value = environment[name] ?? "";
      if (value === "") missing(name);
      out += value;
    }
  }
  return out;
}

// The name after a dollar sign and how many characters it takes; bad syntax is swallowed with an empty name.
function shellName(rest: string): { name: string; length: number } {
  if (rest.startsWith("{")) {
    if (rest.length > 2 && SHELL_SPECIAL.has(rest[1]!) && rest[2] === "}") return { name: rest[1]!, length: 3 };
    const end = rest.indexOf("}");
    if (end === -1) return { name: "", length: 1 };
    return end === 1 ? { name: "", length: 2 } : { name: rest.slice(1, end), length: end + 1 };
  }
  if (SHELL_SPECIAL.has(rest[0]!)) return { name: rest[0]!, length: 1 };
  const name = /^[A-Za-z0-9_]*/.exec(rest)![0];
  return { name, length: name.length };
}
