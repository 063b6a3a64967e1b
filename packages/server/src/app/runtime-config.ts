// Loads the configuration file and turns it into what the running process applies.
import { EMPTY_LABELS, type Labels } from "@belfry/core/model";
import { describeNotice, type LoadedConfig, loadConfig, renderConfig, renderScrapeConfig } from "../config/index.ts";
import type { DiscoveryConfig } from "../ingest/discovery/index.ts";
import { type RelabelConfig, Relabeller } from "../ingest/relabel/index.ts";
import { type PoolSettings, poolSettings } from "../ingest/scrape/index.ts";

/** RelabelStep is one rule of a pool with what it made of the labels. */
export interface RelabelStep {
  rule: unknown;
  output: Record<string, string>;
  keep: boolean;
}

/** RuntimeConfig is one loaded configuration, ready to be applied. */
export interface RuntimeConfig {
  /** yaml is what /api/v1/status/config shows; secrets are hidden in it. */
  yaml: string;
  /** warnings and errors name what the file asks for and does not get; errors cost targets or samples. */
  warnings: readonly string[];
  errors: readonly string[];
  externalLabels: Labels;
  pools: readonly PoolSettings[];
  /** poolYaml is the configuration of each pool by name. */
  poolYaml: ReadonlyMap<string, string>;
  discovery: ReadonlyMap<string, readonly DiscoveryConfig[]>;
  /** relabelSteps applies a pool's rules one by one; undefined for an unknown pool. */
  relabelSteps(pool: string, labels: Labels): RelabelStep[] | undefined;
  /** builtinTargets says whether the built-in targets run when the command line leaves it open. */
  builtinTargets: boolean;
  evaluationIntervalMs: number;
  outOfOrderWindowMs: number;
  maxExemplars: number | undefined;
  retentionMs: number | undefined;
  memoryBudgetBytes: number | undefined;
  diskBudgetBytes: number | undefined;
}

// One minute, as upstream.
const DEFAULT_EVALUATION_INTERVAL_MS = 60_000;

/** loadRuntimeConfig reads a file, or gives the built-in defaults for undefined. Throws ConfigError, or what the file system says. */
export function loadRuntimeConfig(file: string | undefined): RuntimeConfig {
  return file === undefined ? DEFAULTS : fromLoaded(loadConfig(file));
}

const DEFAULTS: RuntimeConfig = {
  yaml: "",
  warnings: [],
  errors: [],
  externalLabels: EMPTY_LABELS,
  pools: [],
  poolYaml: new Map(),
  discovery: new Map(),
  relabelSteps: () => undefined,
  builtinTargets: true,
  evaluationIntervalMs: DEFAULT_EVALUATION_INTERVAL_MS,
  outOfOrderWindowMs: 0,
  maxExemplars: undefined,
  retentionMs: undefined,
  memoryBudgetBytes: undefined,
  diskBudgetBytes: undefined,
};

function fromLoaded(loaded: LoadedConfig): RuntimeConfig {
  const { prometheus, scrapeConfigs } = loaded;
  const rules = new Map(scrapeConfigs.map((job) => [job.jobName, job.relabelConfigs]));
  const tsdb = prometheus.storage.tsdb;
  const notices = (severity: "warning" | "error"): string[] =>
    loaded.notices.filter((notice) => notice.severity === severity).map(describeNotice);
  return {
    yaml: renderConfig(prometheus),
    warnings: notices("warning"),
    errors: notices("error"),
    externalLabels: prometheus.global.externalLabels,
    pools: scrapeConfigs.map(poolSettings),
    poolYaml: new Map(scrapeConfigs.map((job) => [job.jobName, renderScrapeConfig(job)])),
    // What is not supported has been named among the errors; the rest of the job goes on.
    discovery: new Map(
      scrapeConfigs.map((job) => [job.jobName, job.discovery.filter(({ kind }) => kind !== "unsupported")]),
    ),
    relabelSteps(pool, labels) {
      const configs = rules.get(pool);
      if (configs === undefined) return undefined;
      return new Relabeller(configs)
        .steps(labels)
        .map(({ rule, output, keep }) => ({ rule: ruleJson(rule), output: output.toRecord(), keep }));
    },
    // Whoever brings a whole prometheus.yml has said what to scrape.
    builtinTargets: loaded.kind === "belfry",
    evaluationIntervalMs: prometheus.global.evaluationIntervalMs,
    outOfOrderWindowMs: tsdb?.outOfOrderTimeWindowMs ?? 0,
    maxExemplars: prometheus.storage.exemplars?.maxExemplars,
    retentionMs: positive(loaded.retention.metricsMs) ?? positive(tsdb?.retention?.timeMs),
    memoryBudgetBytes: positive(loaded.budget.memoryBytes),
    diskBudgetBytes: positive(loaded.budget.diskBytes) ?? positive(tsdb?.retention?.sizeBytes),
  };
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

// A rule with upstream's names, defaults left out.
function ruleJson(rule: RelabelConfig): Record<string, unknown> {
  return {
    ...(rule.sourceLabels.length > 0 ? { source_labels: rule.sourceLabels } : {}),
    separator: rule.separator,
    regex: rule.regex,
    ...(rule.modulus > 0n ? { modulus: Number(rule.modulus) } : {}),
    ...(rule.targetLabel === "" ? {} : { target_label: rule.targetLabel }),
    replacement: rule.replacement,
    action: rule.action,
  };
}
