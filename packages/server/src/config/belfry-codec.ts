// belfry.yml: one file for what a whole stack needs several for. `metrics` is a prometheus.yml, in place or named;
// the other sections name or hold the files of the other tools, or say what is Belfry's own.
import { duration, field, size, string, type Struct, struct } from "../lib/yaml-codecs.ts";
import { type Codec, FAILED } from "../lib/yaml-decode.ts";
import { yamlMapping, yamlString } from "../lib/yaml-encode.ts";
import type { YamlNode } from "../lib/yaml-node.ts";
import type { PrometheusConfig } from "./prometheus-config.ts";
import { prometheusCodec } from "./prometheus-codec.ts";

/** RetentionConfig says how long data is kept; 0 leaves it to the flags and the defaults. */
export interface RetentionConfig {
  metricsMs: number;
  logsMs: number;
  tracesMs: number;
}

/** BudgetConfig bounds the process; 0 leaves it to the flags and the defaults. */
export interface BudgetConfig {
  memoryBytes: number;
  diskBytes: number;
}

/** BelfryConfig is a belfry.yml as it was read. */
export interface BelfryConfig {
  /** metrics holds the prometheus.yml keys, or names the file that does. */
  metrics: { file: string; config: PrometheusConfig | undefined };
  retention: RetentionConfig;
  budget: BudgetConfig;
  /** present lists the sections that were given but that this version does not read. */
  present: readonly { section: string; line: number }[];
}

/** LATER_SECTIONS are accepted without being read. */
export const LATER_SECTIONS: readonly string[] = ["rules", "alerting", "logs", "traces", "dashboards", "auth"];

/** OWN_SECTIONS are keys that prometheus.yml does not have: one of them makes a file a belfry.yml. */
export const OWN_SECTIONS: readonly string[] = [
  "metrics",
  "retention",
  "budget",
  ...LATER_SECTIONS.filter((section) => section !== "alerting"),
];

interface Keys extends BelfryConfig {
  present: { section: string; line: number }[];
}

const metricsCodec: Codec<BelfryConfig["metrics"]> = {
  goType: "prometheus.yml",
  outline: prometheusCodec.outline,
  zero: () => ({ file: "", config: undefined }),
  isZero: ({ file, config }) => file === "" && config === undefined,
  read(decoder, node) {
    if (node.kind === "scalar") {
      const file = string.read(decoder, node, "");
      return file === FAILED ? FAILED : { file, config: undefined };
    }
    const config = prometheusCodec.read(decoder, node, prometheusCodec.zero());
    return config === FAILED ? FAILED : { file: "", config };
  },
  print: ({ file, config }) => (config === undefined ? yamlString(file) : prometheusCodec.print(config)),
};

const retentionCodec: Struct<RetentionConfig> = struct<RetentionConfig>({
  goType: "retention",
  zero: () => ({ metricsMs: 0, logsMs: 0, tracesMs: 0 }),
  fields: [
    field("metrics", "metricsMs", duration, { doc: "How long metrics are kept. Default 15d." }),
    field("logs", "logsMs", duration, { doc: "How long logs are kept." }),
    field("traces", "tracesMs", duration, { doc: "How long traces are kept." }),
  ],
});

const budgetCodec: Struct<BudgetConfig> = struct<BudgetConfig>({
  goType: "budget",
  zero: () => ({ memoryBytes: 0, diskBytes: 0 }),
  fields: [
    field("memory", "memoryBytes", size, { doc: "Most memory of the process. Default 1GB." }),
    field("disk", "diskBytes", size, { doc: "Most disk of all data; the oldest goes first." }),
  ],
});

/** belfryCodec reads belfry.yml. */
export const belfryCodec: Struct<BelfryConfig> = struct<Keys>({
  goType: "belfry.yml",
  zero: newBelfryConfig,
  defaults: newBelfryConfig,
  fields: [
    field("metrics", "metrics", metricsCodec, { doc: "The keys of prometheus.yml, or the name of such a file." }),
    field("retention", "retention", retentionCodec, { doc: "How long data is kept." }),
    field("budget", "budget", budgetCodec, { doc: "What the process may use." }),
    ...LATER_SECTIONS.map((section) => ({
      key: section,
      doc: "Not supported yet.",
      outline: "anything",
      keep: false,
      isZero: () => true,
      read(_decoder: unknown, node: YamlNode, object: Keys) {
        object.present.push({ section, line: node.line });
        return true;
      },
      print: () => yamlMapping([]),
    })),
  ],
}) as unknown as Struct<BelfryConfig>;

function newBelfryConfig(): Keys {
  return {
    metrics: metricsCodec.zero(),
    retention: retentionCodec.zero(),
    budget: budgetCodec.zero(),
    present: [],
  };
}
