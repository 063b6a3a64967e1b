// Reading below the head's floor, as a query does, from an embedded database: one series and 10,000 series for an hour
// of 240 samples. "cold" queries follow a late sample, which empties what the store keeps of earlier reads.
// node bench/store-read.ts
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Labels, Matcher, SampleBuffer } from "@belfry/core/model";
import { openDatabase } from "../packages/server/src/database/index.ts";
import { systemClock } from "../packages/server/src/lib/clock.ts";
import { type MetricStoreOptions, openMetricStore } from "../packages/server/src/metrics/index.ts";

const SERIES = 10_000;
const STEP_MS = 15_000;
const HOUR_MS = 3_600_000;
const RUNS = 15;
const now = Date.now();
// Not on the borders of half hours, as the hour of a query is not.
const startMs = Math.floor((now - 6 * HOUR_MS) / HOUR_MS) * HOUR_MS + 10 * 60_000;
const path = mkdtempSync(join(tmpdir(), "belfry-store-read-"));
const database = await openDatabase({ path });
const options: MetricStoreOptions = { database, clock: systemClock, outOfOrderWindowMs: 24 * HOUR_MS };
const labels = Array.from({ length: SERIES }, (_, i) =>
  Labels.fromRecord({ __name__: "m", instance: `host-${i % 100}`, path: `/p/${Math.floor(i / 100)}` }),
);

try {
  const filling = await openMetricStore(options);
  await filling.rebuilt;
  const refs = Array.from({ length: SERIES }, () => 0);
  // Half an hour more on both sides, as there would be.
  for (let t = startMs - HOUR_MS / 2; t < startMs + 1.5 * HOUR_MS; t += STEP_MS) {
    const appender = filling.appender();
    for (let i = 0; i < SERIES; i++) refs[i] = appender.append(refs[i]!, labels[i]!, t, (t / 1000) * (1 + (i % 7)));
    await appender.commit();
  }
  const newest = filling.appender();
  newest.append(0, labels[0]!, now, 1);
  await newest.commit();
  await filling.close();
  await database.exec("OPTIMIZE TABLE metric_samples FINAL");

  const store = await openMetricStore({ ...options, windowMs: HOUR_MS });
  await store.rebuilt;
  const context = { signal: new AbortController().signal, budget: { charge() {}, release() {} } };
  const byName = [new Matcher("=", "__name__", "m")];
  const one = [...byName, new Matcher("=", "instance", "host-7"), new Matcher("=", "path", "/p/42")];
  let late = 0;
  for (const [what, matchers, cold] of [
    ["one series, cold", one, true],
    ["one series, warm", one, false],
    ["10,000 series, cold", byName, true],
    ["10,000 series, warm", byName, false],
  ] as const) {
    const buffer = new SampleBuffer();
    const selects: number[] = [];
    const totals: number[] = [];
    let samples = 0;
    for (let run = 0; run < RUNS; run++) {
      if (cold) {
        const appender = store.appender({ allowOutOfOrder: true });
        appender.append(0, Labels.fromRecord({ __name__: "late", run: String(late++) }), startMs - 4 * HOUR_MS, 1);
        await appender.commit();
      }
      const begin = performance.now();
      const hints = { startMs, endMs: startMs + HOUR_MS - 1, stepMs: 0, rangeMs: 0, func: "", limit: 0 };
      const { series } = await store.select(matchers, hints, context);
      selects.push(performance.now() - begin);
      samples = 0;
      for (const each of series) {
        buffer.clear();
        each.read(hints.startMs, hints.endMs, buffer);
        samples += buffer.length;
      }
      totals.push(performance.now() - begin);
    }
    console.log(`${what}: ${samples} samples, select ${median(selects)} ms, with reading ${median(totals)} ms`);
  }
  console.log(JSON.stringify({ ...store.stats(), head: undefined, rebuild: undefined }));
  await store.close();
} finally {
  await database.close();
  rmSync(path, { recursive: true, force: true });
}

function median(values: number[]): string {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!.toFixed(2);
}
