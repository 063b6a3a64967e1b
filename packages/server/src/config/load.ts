// From a file to a configuration that can be run. Nothing here changes what is running: a file that is wrong throws,
// and whoever asked keeps what it has.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Labels } from "@belfry/core/model";
import { pointers, type Struct, struct, field } from "../lib/yaml-codecs.ts";
import { ConfigError, decodeYaml, type Place, quoteText, YamlDecoder } from "../lib/yaml-decode.ts";
import { renderYaml } from "../lib/yaml-encode.ts";
import { decodeYamlText, parseYaml, type YamlDocument, YamlError } from "../lib/yaml-node.ts";
import { joinPath } from "../lib/http-config-codec.ts";
import { glob, GlobError } from "../ingest/discovery/glob.ts";
import type { ScrapeConfig } from "../ingest/scrape/config.ts";
import { belfryCodec, type BudgetConfig, OWN_SECTIONS, type RetentionConfig } from "./belfry-codec.ts";
import { expandEnvironment } from "./global-codec.ts";
import { checkLoaded, defaultPrometheusConfig, joinPaths, prometheusCodec } from "./prometheus-codec.ts";
import type { PrometheusConfig } from "./prometheus-config.ts";
import { completeScrapeConfig, joinScrapePaths, scrapeConfigCodec } from "./scrape-codec.ts";
import { type Notice, unsupportedNotices } from "./unsupported.ts";

/** LoadedConfig is a configuration file, read and checked. */
export interface LoadedConfig {
  /** kind says what the file was: Prometheus' own, or belfry.yml. */
  kind: "prometheus" | "belfry";
  prometheus: PrometheusConfig;
  /** scrapeConfigs are all jobs, those of scrape_config_files included. */
  scrapeConfigs: readonly ScrapeConfig[];
  retention: RetentionConfig;
  budget: BudgetConfig;
  /** notices name what the configuration asks for and does not get. */
  notices: readonly Notice[];
  /** hash is the SHA-256 of all files that were read, in hex: equal for an unchanged configuration. */
  hash: string;
}

/** LoadOptions replaces parts of the world in tests. */
export interface LoadOptions {
  /** environment is where ${VARIABLES} of external labels come from. */
  environment?: Readonly<Record<string, string | undefined>>;
}

const NO_RETENTION: RetentionConfig = { metricsMs: 0, logsMs: 0, tracesMs: 0 };
const NO_BUDGET: BudgetConfig = { memoryBytes: 0, diskBytes: 0 };

/** loadConfig reads a file. Throws ConfigError for one that is wrong, the file system's error for one that cannot be read. */
export function loadConfig(path: string, options: LoadOptions = {}): LoadedConfig {
  const reader = new Reader(options);
  return reader.load(path);
}

/** loadConfigText reads the text of a file that would lie in `folder`. Throws ConfigError. */
export function loadConfigText(text: string, options: LoadOptions & { folder?: string } = {}): LoadedConfig {
  const reader = new Reader(options);
  return reader.read(text, options.folder ?? ".");
}

/** parsePrometheusConfig reads the text of a prometheus.yml without the files it names. Throws ConfigError. */
export function parsePrometheusConfig(text: string, options: LoadOptions = {}): PrometheusConfig {
  return new Reader(options).parsePrometheus(parseChecked(text));
}

/** renderConfig prints a configuration as /api/v1/status/config shows it, secrets as `<secret>`. */
export function renderConfig(config: PrometheusConfig): string {
  return renderYaml(prometheusCodec.print(config));
}

/** renderScrapeConfig prints one job. */
export function renderScrapeConfig(job: ScrapeConfig): string {
  return renderYaml(scrapeConfigCodec.print(job));
}

// One load: it remembers what it has read, for the hash, and where things stood, for the notices.
class Reader {
  private readonly environment: Readonly<Record<string, string | undefined>>;
  private readonly hash = createHash("sha256");
  private readonly notices: Notice[] = [];
  private decoder = new YamlDecoder();

  constructor(options: LoadOptions) {
    this.environment = options.environment ?? process.env;
  }

  load(path: string): LoadedConfig {
    const bytes = readFileSync(path);
    return inFile(`parsing YAML file ${path}: `, () => this.read(textOf(bytes), dirname(path)));
  }

  read(text: string, folder: string): LoadedConfig {
    this.note("", text);
    const document = parseChecked(text);
    if (document.documents > 1) {
      this.warn(`only the first of ${document.documents} YAML documents is read`);
    }
    if (!isBelfry(document)) return this.finish("prometheus", this.parsePrometheus(document), folder);
    const belfry = decodeChecked(() => decodeYaml(document, belfryCodec, belfryCodec.zero(), this.decoder));
    for (const { section, line } of belfry.present) {
      this.warn(`${section} is not supported yet: the section is not read`, { line, path: section });
    }
    for (const [key, ms] of [
      ["retention.logs", belfry.retention.logsMs],
      ["retention.traces", belfry.retention.tracesMs],
    ] as const) {
      if (ms !== 0) this.warn(`${key} is not supported yet: it has no effect`);
    }
    const extra = { retention: belfry.retention, budget: belfry.budget };
    const { file, config } = belfry.metrics;
    if (file !== "") {
      const path = joinPath(folder, file);
      const inner = readNamed(path);
      this.note(path, inner);
      const prometheus = inFile(`parsing YAML file ${path}: `, () => this.parsePrometheus(parseChecked(inner)));
      return { ...this.finish("belfry", prometheus, dirname(path)), ...extra };
    }
    const prometheus = config ?? defaultPrometheusConfig();
    this.complete(prometheus);
    return { ...this.finish("belfry", prometheus, folder), ...extra };
  }

  parsePrometheus(document: YamlDocument): PrometheusConfig {
    this.decoder = new YamlDecoder();
    const config = decodeChecked(() => decodeYaml(document, prometheusCodec, defaultPrometheusConfig(), this.decoder));
    this.complete(config);
    return config;
  }

  private complete(config: PrometheusConfig): void {
    const expanded: [string, string][] = [];
    for (const [name, value] of config.global.externalLabels) {
      const missing = (variable: string): void => {
        this.warn(`external label ${quoteText(name)}: the environment variable ${variable} is empty or not set`);
      };
      expanded.push([name, expandEnvironment(value, this.environment, missing)]);
    }
    config.global.externalLabels = Labels.fromEntries(expanded);
    checkLoaded(config);
  }

  private finish(kind: LoadedConfig["kind"], prometheus: PrometheusConfig, folder: string): LoadedConfig {
    joinPaths(prometheus, folder);
    const scrapeConfigs = this.scrapeConfigs(prometheus);
    for (const path of prometheus.ruleFiles.flatMap((pattern) => globOr(pattern))) this.noteFile(path);
    const notices = unsupportedNotices(prometheus, scrapeConfigs, (value) => this.decoder.placeOf(value));
    return {
      kind,
      prometheus,
      scrapeConfigs,
      retention: NO_RETENTION,
      budget: NO_BUDGET,
      notices: [...this.notices, ...notices],
      hash: this.hash.digest("hex"),
    };
  }

  // All jobs: those of the file, then those of scrape_config_files in the order of the patterns and names.
  private scrapeConfigs(config: PrometheusConfig): ScrapeConfig[] {
    const out = [...config.scrapeConfigs];
    const origins = new Map(out.map((job) => [job.jobName, "main config file"]));
    for (const pattern of config.scrapeConfigFiles) {
      let paths: string[];
      try {
        paths = glob(pattern);
      } catch (error) {
        if (!(error instanceof GlobError)) throw error;
        throw new ConfigError(`error retrieving scrape config files for ${quoteText(pattern)}: ${error.message}`);
      }
      for (const path of paths) {
        const text = readNamed(path);
        this.note(path, text);
        const absolute = resolve(path);
        const jobs = inFile(`${quoteText(absolute)}: `, () => readJobs(text, config));
        for (const job of jobs) {
          const first = origins.get(job.jobName);
          if (first !== undefined) {
            throw new ConfigError(
              `${quoteText(absolute)}: found multiple scrape configs with job name ${quoteText(job.jobName)}, first found in ${first}`,
            );
          }
          origins.set(job.jobName, quoteText(absolute));
          joinScrapePaths(job, dirname(path));
          out.push(job);
        }
      }
    }
    return out;
  }

  private warn(message: string, place?: Place): void {
    this.notices.push({ severity: "warning", message, place });
  }

  private note(path: string, text: string): void {
    this.hash.update(`${path}\0${text}\0`);
  }

  private noteFile(path: string): void {
    try {
      this.note(path, readFileSync(path, "utf8"));
    } catch {
      // A file that cannot be read counts as absent; whoever needs it says so.
    }
  }
}

interface JobsFile {
  scrapeConfigs: readonly ScrapeConfig[];
}

const jobsFileCodec: Struct<JobsFile> = struct<JobsFile>({
  goType: "config.ScrapeConfigs",
  zero: () => ({ scrapeConfigs: [] }),
  fields: [field("scrape_configs", "scrapeConfigs", pointers(scrapeConfigCodec, "[]*config.ScrapeConfig"))],
});

function readJobs(text: string, config: PrometheusConfig): readonly ScrapeConfig[] {
  const { scrapeConfigs } = decodeChecked(() => decodeYaml(parseChecked(text), jobsFileCodec, jobsFileCodec.zero()));
  for (const job of scrapeConfigs as readonly (ScrapeConfig | undefined)[]) {
    if (job === undefined) throw new ConfigError("empty or null scrape config section");
    completeScrapeConfig(job, config.global);
  }
  return scrapeConfigs;
}

// A file that is named by another one: its absence is a fault of that one.
function readNamed(path: string): string {
  try {
    return textOf(readFileSync(path));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`could not read ${path}: ${(error as Error).message}`, undefined, { cause: error });
  }
}

function globOr(pattern: string): string[] {
  try {
    return glob(pattern);
  } catch {
    return [];
  }
}

function textOf(bytes: Uint8Array): string {
  return decodeChecked(() => decodeYamlText(bytes));
}

function parseChecked(text: string): YamlDocument {
  return decodeChecked(() => parseYaml(text));
}

// A text that is no YAML is a wrong configuration like any other.
function decodeChecked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new ConfigError(error.message, error.line === 0 ? undefined : { line: error.line, path: "" }, {
      cause: error,
    });
  }
}

function inFile<T>(prefix: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(prefix + error.message, error.place, { cause: error });
  }
}

function isBelfry(document: YamlDocument): boolean {
  const { root } = document;
  if (root?.kind !== "mapping") return false;
  return root.entries.some(([key]) => key.kind === "scalar" && OWN_SECTIONS.includes(key.value));
}
