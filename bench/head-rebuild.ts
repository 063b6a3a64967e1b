// The store with its database: what committing costs, how long a start with stored samples takes, and reading
// beyond the head. node bench/head-rebuild.ts [series] [samples per series]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Matcher, SampleBuffer } from "@belfry/core/model";
import { openDatabase } from "../packages/server/src/database/index.ts";
import { systemClock } from "../packages/server/src/lib/clock.ts";
import { type MetricStore, openMetricStore } from "../packages/server/src/metrics/index.ts";
import { kindOf, labelsOf, nextValue, random } from "./head-fixture.ts";

const SERIES = Number(process.argv[2] ?? 5000);
const SAMPLES = Number(process.argv[3] ?? 720);
const STEP_MS = 15_000;
const path = mkdtempSync(join(tmpdir(), "belfry-bench-"));
const database = await openDatabase({ path });
const context = { signal: new AbortController().signal, budget: { charge() {}, release() {} } };
const endMs = Date.now();
const startMs = endMs - SAMPLES * STEP_MS;

let store = await openMetricStore({ database, clock: systemClock });
await store.rebuilt;
const cpu = process.cpuUsage();
let begin = performance.now();
const commitMs = await write(store);
const { user, system } = process.cpuUsage(cpu);
const total = SERIES * SAMPLES;
console.log(
  `write: ${total} samples in ${seconds(begin)} s; append and commit ${((commitMs * 1e6) / total).toFixed(0)} ns/sample ` +
    `in the main thread, ${(((user + system) * 1e3) / total).toFixed(0)} ns/sample of CPU in all`,
);
await store.close();

begin = performance.now();
store = await openMetricStore({ database, clock: systemClock });
await store.ready;
const readySeconds = seconds(begin);
await store.rebuilt;
const { samples, series, totalSteps } = store.rebuildStatus();
console.log(
  `start: newest ten minutes after ${readySeconds} s, ${samples} samples of ${series} series in ${totalSteps} steps after ` +
    `${seconds(begin)} s; head ${(store.stats().head.usedBytes / samples).toFixed(2)} B/sample`,
);
await store.close();

// A head of ten minutes: everything else is read from the database.
store = await openMetricStore({ database, clock: systemClock, windowMs: 600_000 });
await store.rebuilt;
for (const [what, matchers, hours] of [
  [
    "1 series, 1 h",
    [
      new Matcher("=", "__name__", "app_3_total"),
      new Matcher("=", "path", "/api/v1/resource/7"),
      new Matcher("=", "instance", "10.0.0.0:9100"),
    ],
    1,
  ],
  ["1 metric (100 series per 5,000), 1 h", [new Matcher("=", "__name__", "app_3_total")], 1],
  ["everything, 1 h", [], 1],
  ["everything, 3 h", [], 3],
] as const) {
  const times: number[] = [];
  let read = 0;
  for (let run = 0; run < 7; run++) {
    const at = performance.now();
    const from = endMs - hours * 3_600_000;
    const set = await store.select(
      matchers,
      { startMs: from, endMs, stepMs: 0, rangeMs: 0, func: "", limit: 0 },
      context,
    );
    const buffer = new SampleBuffer();
    read = 0;
    for (const one of set.series) {
      buffer.clear();
      one.read(from, endMs, buffer);
      read += buffer.length;
    }
    times.push(performance.now() - at);
  }
  console.log(`beyond the head: ${what}: ${read} samples, median ${times.toSorted((a, b) => a - b)[3]!.toFixed(1)} ms`);
}
const disk = await database.query<{ table: string; rows: string; bytes: string }>(
  "SELECT table, toString(sum(rows)) AS rows, toString(sum(bytes_on_disk)) AS bytes FROM system.parts WHERE active AND table = 'metric_samples' GROUP BY table",
);
console.log(`disk: ${(Number(disk[0]!.bytes) / Number(disk[0]!.rows)).toFixed(2)} B/sample`);
await store.close();
await database.close();
rmSync(path, { recursive: true, force: true });

async function write(to: MetricStore): Promise<number> {
  const labels = Array.from({ length: SERIES }, (_, i) => labelsOf(i));
  const refs = new Float64Array(SERIES);
  const last = new Float64Array(SERIES);
  const next = random(42);
  for (let i = 0; i < SERIES; i++) last[i] = Math.floor(next() * 1e6);
  let spent = 0;
  for (let s = 0; s < SAMPLES; s++) {
    for (let from = 0; from < SERIES; from += 1000) {
      const until = Math.min(SERIES, from + 1000);
      for (let i = from; i < until; i++) last[i] = nextValue(kindOf(i), last[i]!, next);
      const at = performance.now();
      const appender = to.appender({ scrape: true });
      const timeMs = startMs + s * STEP_MS + (from % STEP_MS);
      for (let i = from; i < until; i++) refs[i] = appender.append(refs[i]!, labels[i]!, timeMs, last[i]!);
      void appender.commit();
      spent += performance.now() - at;
    }
    // About one insert per ten rounds, as scrapes in real time would make.
    if (s % 10 === 9) await to.flush();
  }
  await to.flush();
  return spent;
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(2);
}
