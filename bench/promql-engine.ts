// node bench/promql-engine.ts [series] [--json]: engine time of typical queries over series held as typed arrays, without
// storage, JSON or HTTP. The first row is the one of the design: 10,000 series of 240 samples (one hour, 15 s),
// 220 steps. Medians and best of 15 runs after warming up.
import { Labels } from "@belfry/core/model";
import { ArrayStorage } from "../packages/server/src/metrics/engine/array-storage.ts";
import { Engine } from "../packages/server/src/metrics/engine/index.ts";

const SAMPLES = 240;
const INTERVAL_MS = 15_000;
const START_MS = 1_700_000_000_000;
const END_MS = START_MS + (SAMPLES - 1) * INTERVAL_MS;
const STEP_MS = 15_000;
const RUNS = 15;

function storageOf(count: number): ArrayStorage {
  const storage = new ArrayStorage();
  const paths = 20;
  for (let i = 0; i < count; i++) {
    const values = new Float64Array(SAMPLES);
    // A hundred series come from one target; a target's samples share their times.
    const offset = (Math.floor(i / 100) * 7919) % INTERVAL_MS;
    let value = i % 1000;
    for (let j = 0; j < SAMPLES; j++) {
      value += (i * 31 + j * 17) % 23;
      // Every hundredth series restarts once.
      if (i % 100 === 0 && j === 120) value = 0;
      values[j] = value;
    }
    const labels = {
      __name__: "http_requests_total",
      code: i % 3 === 0 ? "500" : "200",
      instance: `host-${Math.floor(i / 100)}:9100`,
      job: "api",
      method: i % 2 === 0 ? "GET" : "POST",
      path: `/v1/resource/${i % paths}`,
      shard: String(i),
    };
    storage.add(Labels.fromRecord(labels), START_MS - offset, INTERVAL_MS, values);
    if (i % 20 === 0) {
      const bound = ["0.1", "0.5", "1", "5", "+Inf"][(i / 20) % 5]!;
      const bucket = { __name__: "latency_seconds_bucket", le: bound, shard: String(Math.floor(i / 100)) };
      storage.add(Labels.fromRecord(bucket), START_MS - offset, INTERVAL_MS, values);
    }
  }
  return storage;
}

const QUERIES = [
  "sum by (path) (rate(http_requests_total[5m]))",
  "sum(rate(http_requests_total[5m]))",
  "rate(http_requests_total[5m])",
  "http_requests_total",
  "sum by (path) (http_requests_total)",
  "avg_over_time(http_requests_total[5m])",
  "max by (instance) (max_over_time(http_requests_total[5m]))",
  "topk(5, rate(http_requests_total[5m]))",
  'sum(rate(http_requests_total{code="500"}[5m])) / sum(rate(http_requests_total[5m]))',
  "http_requests_total - http_requests_total offset 5m",
  "histogram_quantile(0.9, sum by (le) (rate(latency_seconds_bucket[5m])))",
  "max_over_time(sum(rate(http_requests_total[5m]))[30m:1m])",
];

interface Times {
  median: number;
  best: number;
}

async function measure(run: () => Promise<unknown>, runs: number): Promise<Times> {
  const times: number[] = [];
  for (let i = 0; i < runs + 3; i++) {
    const started = performance.now();
    await run();
    if (i >= 3) times.push(performance.now() - started);
  }
  const sorted = times.toSorted((a, b) => a - b);
  return { median: round(sorted[Math.floor(sorted.length / 2)]!), best: round(sorted[0]!) };
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

async function main(args: readonly string[]): Promise<void> {
  const count = Number(args.find((arg) => /^\d+$/.test(arg)) ?? 10_000);
  const filter = args.find((arg) => arg.startsWith("--query="))?.slice("--query=".length);
  const storage = storageOf(count);
  const engine = new Engine();
  const rows: { query: string; rangeMs: number; rangeBestMs: number; instantMs: number; instantBestMs: number }[] = [];
  for (const query of filter === undefined ? QUERIES : [filter]) {
    const range = await measure(() => engine.range(storage, query, END_MS - 219 * STEP_MS, END_MS, STEP_MS), RUNS);
    const instant = await measure(() => engine.instant(storage, query, END_MS), RUNS);
    rows.push({
      query,
      rangeMs: range.median,
      rangeBestMs: range.best,
      instantMs: instant.median,
      instantBestMs: instant.best,
    });
  }
  if (args.includes("--json")) console.log(JSON.stringify({ series: count, rows }));
  else {
    console.log(`${count} series, ${SAMPLES} samples each, 220 steps`);
    console.table(rows);
  }
}

await main(process.argv.slice(2));
