// `belfry check`: promtool's checks, in promtool's words.
import { text as readAll } from "node:stream/consumers";
import { checkConfig, type CheckReport, loadConfig } from "../config/index.ts";
import { createDiscoverer, type TargetGroup } from "../ingest/discovery/index.ts";
import { checkMetrics } from "../ingest/exposition/index.ts";
import { discoveredLabels, poolSettings, populateLabels } from "../ingest/scrape/index.ts";
import { joinTargetLabels } from "../app/target-labels.ts";
import { systemClock } from "../lib/clock.ts";
import { HttpClient } from "../lib/http-client.ts";
import { createLogger } from "../lib/log.ts";
import { MetricsRegistry } from "../lib/metrics-registry.ts";
import type { Output } from "./cli.ts";
import { type Flags, UsageError } from "./flags.ts";

// Upstream's exit code for what is valid but bad style.
const LINT_CODE = 3;

/** checkConfigCommand checks configuration files; 1 when one of them cannot be used. */
export function checkConfigCommand(flags: Flags, output: Output): Promise<number> {
  if (flags.positional.length === 0) throw new UsageError("required argument 'config-files' not provided");
  const reports: { file: string; report: CheckReport }[] = [];
  for (const file of flags.positional) {
    reports.push({ file, report: checkConfig(file, { syntaxOnly: flags.boolean("syntax-only") }) });
  }
  if (flags.boolean("json")) {
    const list = reports.map(({ file, report }) => ({
      file,
      ok: report.ok,
      messages: report.lines.map((line) => line.text.trim()).filter((line) => line !== ""),
    }));
    output.out(`${JSON.stringify(list)}\n`);
  } else {
    for (const { report } of reports) {
      for (const line of report.lines) (line.isError ? output.err : output.out).call(output, `${line.text}\n`);
    }
  }
  return Promise.resolve(reports.every(({ report }) => report.ok) ? 0 : 1);
}

/** checkMetricsCommand checks an exposition from standard input. */
export async function checkMetricsCommand(flags: Flags, output: Output): Promise<number> {
  const lint = flags.string("lint");
  if (lint !== "all" && lint !== "none")
    throw new UsageError(`--lint: expected all or none, got ${JSON.stringify(lint)}`);
  const input = new TextEncoder().encode(await readAll(process.stdin));
  const report = checkMetrics(input, { openMetrics: flags.boolean("openmetrics") });
  if (report.error !== undefined) {
    output.err(`error while linting: ${report.error}\n`);
    return 1;
  }
  const problems = lint === "none" ? [] : report.problems;
  for (const { metric, text } of problems) output.err(`${metric} ${text}\n`);
  if (flags.boolean("extended")) output.out(cardinalityTable(report.cardinality));
  return problems.length > 0 ? LINT_CODE : 0;
}

function cardinalityTable(rows: readonly { metric: string; series: number }[]): string {
  const total = rows.reduce((sum, row) => sum + row.series, 0);
  const width = Math.max(6, ...rows.map((row) => row.metric.length));
  const lines = rows
    .toSorted((a, b) => b.series - a.series)
    .map(
      (row) =>
        `${row.metric.padEnd(width)}  ${String(row.series).padStart(11)}  ${((100 * row.series) / total).toFixed(2).padStart(10)}%`,
    );
  return `${"Metric".padEnd(width)}  Cardinality   Percentage\n${lines.join("\n")}\n\nTotal: ${total}\n`;
}

/** checkServiceDiscoveryCommand discovers the targets of a job and prints them before and after relabelling. */
export async function checkServiceDiscoveryCommand(flags: Flags, output: Output): Promise<number> {
  const [file, jobName] = flags.positional;
  if (file === undefined || jobName === undefined) throw new UsageError("expected a configuration file and a job name");
  const { scrapeConfigs } = loadConfig(file);
  const job = scrapeConfigs.find((candidate) => candidate.jobName === jobName);
  if (!job) {
    output.err(`Job ${jobName} not found. Select one of:\n`);
    for (const candidate of scrapeConfigs) output.err(`\t${candidate.jobName}\n`);
    return 1;
  }
  const groups = new Map<string, TargetGroup>();
  const end = AbortSignal.timeout(flags.durationMs("timeout")!);
  const registry = new MetricsRegistry();
  const log = createLogger("warn", "logfmt");
  await Promise.all(
    job.discovery.map(async (config, i) => {
      const discoverer = createDiscoverer(config, {
        clock: systemClock,
        log,
        registry,
        httpClient: (http) => new HttpClient(http),
      });
      const answered = new AbortController();
      // The timers of discovery do not keep a process alive; this one waits for the first answer.
      const keepAlive = setInterval(() => {}, 1000);
      try {
        await discoverer.run(
          (found) => {
            for (const group of found) groups.set(`${i}/${group.source}`, group);
            answered.abort();
          },
          AbortSignal.any([end, answered.signal]),
        );
      } finally {
        clearInterval(keepAlive);
      }
    }),
  );
  const settings = poolSettings(job);
  const seen = new Set<string>();
  const results: unknown[] = [];
  for (const group of groups.values()) {
    for (const target of joinTargetLabels(group).targets) {
      const discovered = discoveredLabels(target, joinTargetLabels(group).labels, settings);
      const populated = populateLabels(discovered, (labels) => settings.relabel(labels));
      const result = {
        discoveredLabels: discovered.toRecord(),
        labels: populated.kind === "kept" ? populated.labels.toRecord() : {},
        ...(populated.kind === "failed" ? { error: populated.error } : {}),
      };
      const key = JSON.stringify(result);
      if (seen.has(key)) continue;
      seen.add(key);
      results.push(result);
    }
  }
  output.out(`${JSON.stringify(results, null, 2)}\n`);
  return 0;
}
