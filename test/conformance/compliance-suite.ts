// The public PromQL compliance suite: its queries are asked of Debian's Prometheus and of ours, on the same samples.
//
// All queries are compared three times. First at times that never lie a whole range after a sample, where even an
// older Prometheus must agree in everything; then at times where samples and subquery steps lie on range boundaries.
//
// BELFRY_COMPLIANCE=server asks `belfry serve`, fed by remote write as the reference is, instead of the bare engine.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isInstalled, type Peer, startPeer } from "../../bench/peers.ts";
import { Engine } from "../../packages/server/src/metrics/engine/index.ts";
import { engineApi, httpApi, type RangeApi } from "./compliance/api.ts";
import { compareQuery, type ComplianceQuery, type Window } from "./compliance/compare.ts";
import { DEMO_INSTANCES, type DemoSeries, generateDemoData } from "./compliance/demo-service.ts";
import { remoteWrite } from "./compliance/remote-write.ts";
import { CONFORMANCE_ROOT } from "./data.ts";
import { MemoryStorage } from "./promqltest/memory-storage.ts";
import type { ConformanceSuite, SuiteRow } from "./suite.ts";

const QUERIES = "promql/compliance/promql_expanded_queries.json";
const MINUTE = 60_000;
const STEP_MS = 10_000;

/** PASSES name the three comparisons by where their times lie within a step. */
const PASSES = [
  { name: "off the grid", offsetMs: 1633, older: false },
  { name: "on samples", offsetMs: DEMO_INSTANCES[0].offsetMs, older: true },
  { name: "on subquery steps", offsetMs: 0, older: true },
] as const;

/** isComplianceRunnable tells whether the reference is installed. */
export function isComplianceRunnable(): boolean {
  return isInstalled("prometheus");
}

const notes: string[] = [];

export const suite: ConformanceSuite = {
  name: "compliance: the public compliance suite against Debian's Prometheus",
  data: QUERIES,
  notes: () => notes,
  async run({ filter }) {
    notes.length = 0;
    if (!isComplianceRunnable()) {
      notes.push("skipped: /usr/bin/prometheus is not installed (apt-get install prometheus)");
      return [];
    }
    const queries = (JSON.parse(readFileSync(join(CONFORMANCE_ROOT, QUERIES), "utf8")) as ComplianceQuery[]).filter(
      ({ query }) => query.includes(filter),
    );
    // As the public tester: ten minutes, of which the last is twelve minutes ago. The longest range is an hour.
    const endMs = Math.floor((Date.now() - 12 * MINUTE) / STEP_MS) * STEP_MS;
    const startMs = endMs - 10 * MINUTE;
    const data = generateDemoData(startMs - 72 * MINUTE, endMs + 11 * MINUTE);
    const reference = await startPeer("prometheus");
    let ours: Peer | undefined;
    try {
      await remoteWrite(reference.url, data);
      ours = process.env["BELFRY_COMPLIANCE"] === "server" ? await startPeer("belfry") : undefined;
      if (ours) await remoteWrite(ours.url, data);
      notes.push(ours ? "asked: belfry serve, over HTTP" : "asked: the engine in this process");
      const api = ours ? httpApi(ours.url) : engineApi(new Engine(), storageOf(data));
      const rows: SuiteRow[] = [];
      for (const pass of PASSES) {
        const window = { startMs: startMs + pass.offsetMs, endMs: endMs + pass.offsetMs, stepMs: STEP_MS };
        rows.push(await runPass(pass, queries, window, httpApi(reference.url), api));
      }
      return rows;
    } finally {
      await reference.remove();
      await ours?.remove();
    }
  },
};

async function runPass(
  pass: (typeof PASSES)[number],
  queries: readonly ComplianceQuery[],
  window: Window,
  reference: RangeApi,
  ours: RangeApi,
): Promise<SuiteRow> {
  const row: SuiteRow = { name: pass.name, passed: 0, failed: 0, skipped: 0, failures: [] };
  const older = new Map<string, number>();
  for (const query of queries) {
    const verdict = await compareQuery(query, window, reference, ours);
    if (verdict.kind === "older" && (pass.older || verdict.rule === "UTF-8 label names")) {
      older.set(verdict.rule, (older.get(verdict.rule) ?? 0) + 1);
      row.passed++;
    } else if (verdict.kind === "same") {
      row.passed++;
    } else {
      row.failed++;
      const message = verdict.kind === "older" ? `differs by ${verdict.rule}, which cannot be here` : verdict.message;
      row.failures.push({ where: pass.name, input: query.query, message });
    }
  }
  for (const [rule, count] of older) {
    notes.push(`${pass.name}: ${count} of the passed differ only because Prometheus 2.42 is older: ${rule}`);
  }
  return row;
}

function storageOf(data: readonly DemoSeries[]): MemoryStorage {
  const storage = new MemoryStorage();
  for (const { labels, times, values } of data) {
    storage.append(
      labels,
      times.map((timeMs, i) => ({ timeMs, value: values[i] ?? NaN, stale: values[i] === undefined })),
    );
  }
  return storage;
}
