// `belfry check config`: what promtool says of a configuration, in its words, and what Belfry does not do yet.
import { readFileSync, statSync } from "node:fs";
import { formatDuration } from "@belfry/core/format";
import { Labels } from "@belfry/core/model";
import { fileErrorCode } from "../lib/files.ts";
import type { TlsConfig } from "../lib/http-config.ts";
import { checkTlsVersions } from "../lib/http-config-codec.ts";
import { ConfigError, quoteText } from "../lib/yaml-decode.ts";
import { YamlError } from "../lib/yaml-node.ts";
import type { DiscoveryConfig } from "../ingest/discovery/config.ts";
import { checkTargetAddress } from "../ingest/discovery/codecs.ts";
import { glob } from "../ingest/discovery/glob.ts";
import { NilGroupError, parseTargetGroups } from "../ingest/discovery/target-groups.ts";
import type { TargetGroup } from "../ingest/discovery/target-group.ts";
import { Relabeller } from "../ingest/relabel/index.ts";
import type { ScrapeConfig } from "../ingest/scrape/config.ts";
import { discoveredLabels, populateLabels } from "../ingest/scrape/populate-labels.ts";
import { type LoadedConfig, loadConfig, type LoadOptions } from "./load.ts";
import type { AlertmanagerConfig } from "./prometheus-config.ts";
import { describeNotice } from "./unsupported.ts";

/** CheckLine is one line of output; errors go to standard error. */
export interface CheckLine {
  text: string;
  isError: boolean;
}

/** CheckReport is the outcome of a check. */
export interface CheckReport {
  /** ok is false when the file cannot be used. */
  ok: boolean;
  /** lint is true when the file can be used but a chosen lint found something. */
  lint: boolean;
  lines: readonly CheckLine[];
  /** config is what was read, when it could be. */
  config: LoadedConfig | undefined;
}

/** CheckOptions choose what is checked. */
export interface CheckOptions extends LoadOptions {
  /** syntaxOnly leaves out whether the files exist that the configuration names. */
  syntaxOnly?: boolean;
  /** lookbackDeltaMs, when given, lints jobs whose interval is so long that their series would look stale. */
  lookbackDeltaMs?: number;
}

/** checkConfig checks one file. It throws only what is no fault of the file: the file cannot be read at all. */
export function checkConfig(path: string, options: CheckOptions = {}): CheckReport {
  const lines: CheckLine[] = [{ text: `Checking ${path}`, isError: false }];
  const say = (text: string, isError = false): void => void lines.push({ text, isError });
  let config: LoadedConfig | undefined;
  let lint = false;
  try {
    config = loadConfig(path, options);
    const ruleFiles = options.syntaxOnly === true ? [] : checkRuleFiles(config.prometheus.ruleFiles);
    for (const job of config.scrapeConfigs) checkJob(job, options.syntaxOnly === true, say);
    for (const alertmanager of config.prometheus.alerting.alertmanagers) {
      checkAlertmanager(alertmanager, options.syntaxOnly === true, say);
    }
    for (const notice of config.notices) say(`  WARNING: ${describeNotice(notice)}`);
    if (ruleFiles.length > 0) say(`  SUCCESS: ${ruleFiles.length} rule files found`);
    say(` SUCCESS: ${path} is valid ${config.kind === "belfry" ? "belfry" : "prometheus"} config file syntax`);
    say("");
    const { lookbackDeltaMs } = options;
    if (lookbackDeltaMs !== undefined) lint = lintIntervals(config.scrapeConfigs, lookbackDeltaMs, say);
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof YamlError) && fileErrorCode(error) === undefined)
      throw error;
    say(`  FAILED: ${(error as Error).message}`, true);
    if (error instanceof ConfigError && error.where !== "") say(`          at ${error.where}`, true);
    say("");
    return { ok: false, lint, lines, config: undefined };
  }
  return { ok: true, lint, lines, config };
}

type Say = (text: string, isError?: boolean) => void;

function checkRuleFiles(patterns: readonly string[]): string[] {
  const out: string[] = [];
  for (const pattern of patterns) {
    const found = glob(pattern);
    if (!pattern.includes("*")) {
      if (found.length === 0) throw new ConfigError(`${quoteText(pattern)} does not point to an existing file`);
      checkFile(found[0]!, `error checking rule file ${quoteText(found[0]!)}`);
    }
    out.push(...found);
  }
  return out;
}

// An empty path names no file.
function checkFile(path: string, context: string): void {
  if (path === "") return;
  try {
    statSync(path);
  } catch (error) {
    const code = fileErrorCode(error);
    const reason =
      code === "ENOENT"
        ? "no such file or directory"
        : code === "EACCES"
          ? "permission denied"
          : code === "ENOTDIR"
            ? "not a directory"
            : (error as Error).message;
    throw new ConfigError(`${context}: stat ${path}: ${reason}`);
  }
}

function checkTlsFiles(tls: TlsConfig): void {
  checkFile(tls.certFile, `error checking client cert file ${quoteText(tls.certFile)}`);
  checkFile(tls.keyFile, `error checking client key file ${quoteText(tls.keyFile)}`);
}

function checkJob(job: ScrapeConfig, syntaxOnly: boolean, say: Say): void {
  const { authorization, tls } = job.http;
  if (!syntaxOnly) {
    if (authorization !== undefined) {
      const file = authorization.credentialsFile;
      checkFile(file, `error checking authorization credentials or bearer token file ${quoteText(file)}`);
    }
    checkTlsFiles(tls);
  }
  checkTlsVersions(tls);
  for (const section of job.discovery) {
    if (section.kind === "kubernetes" && !syntaxOnly) checkTlsFiles(section.http.tls);
    const missing = (file: string): void =>
      say(`  WARNING: file ${quoteText(file)} for file_sd in scrape job ${quoteText(job.jobName)} does not exist`);
    for (const groups of groupsOf(section, syntaxOnly, missing)) checkTargets(groups, job);
  }
}

function checkAlertmanager(config: AlertmanagerConfig, syntaxOnly: boolean, say: Say): void {
  const relabeller = new Relabeller(config.relabelConfigs);
  for (const section of config.discovery) {
    const missing = (file: string): void =>
      say(`  WARNING: file ${quoteText(file)} for file_sd in alertmanager config does not exist`);
    for (const group of groupsOf(section, syntaxOnly, missing).flat()) {
      for (const target of group.targets) {
        const labels = Labels.fromEntries([
          ...group.labels,
          ...target,
          ["__scheme__", config.scheme],
          ["__alerts_path__", `${config.pathPrefix}/api/v2/alerts`],
        ]);
        const relabelled = relabeller.relabel(labels);
        if (relabelled !== undefined) checkTargetAddress(relabelled.get("__address__"));
      }
    }
  }
}

// The targets that are known without asking anybody: those of the configuration and of files.
function groupsOf(
  section: DiscoveryConfig,
  syntaxOnly: boolean,
  missing: (file: string) => void,
): (readonly TargetGroup[])[] {
  if (section.kind === "static") return [section.groups];
  if (section.kind !== "file" || syntaxOnly) return [];
  const out: (readonly TargetGroup[])[] = [];
  for (const pattern of section.files) {
    const files = glob(pattern);
    if (files.length === 0) missing(pattern);
    for (const file of files) out.push(readGroups(file, pattern));
  }
  return out;
}

function readGroups(file: string, pattern: string): TargetGroup[] {
  try {
    return parseTargetGroups(readFileSync(file), file).map((group, i) => ({
      ...group,
      source: `${file}:${i}`,
    }));
  } catch (error) {
    const reason =
      error instanceof NilGroupError ? `${error.message} (index ${error.index})` : (error as Error).message;
    throw new ConfigError(`checking SD file ${quoteText(pattern)}: ${reason}`, undefined, { cause: error });
  }
}

function checkTargets(groups: readonly TargetGroup[], job: ScrapeConfig): void {
  const relabeller = new Relabeller(job.relabelConfigs);
  const defaults = { ...job, params: Object.fromEntries(job.params) };
  for (const group of groups) {
    group.targets.forEach((target, i) => {
      const outcome = populateLabels(discoveredLabels(target, group.labels, defaults), (labels) =>
        relabeller.relabel(labels),
      );
      if (outcome.kind === "failed") {
        throw new ConfigError(`instance ${i} in group ${group.source}: ${outcome.error}`);
      }
    });
  }
}

function lintIntervals(jobs: readonly ScrapeConfig[], lookbackDeltaMs: number, say: Say): boolean {
  let found = false;
  for (const job of jobs) {
    if (job.scrapeIntervalMs < lookbackDeltaMs) continue;
    found = true;
    say(
      `  FAILED: lint error: too long scrape interval found, data point will be marked as stale - job: ${job.jobName}, interval: ${formatDuration(job.scrapeIntervalMs)}`,
      true,
    );
  }
  return found;
}
