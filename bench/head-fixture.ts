// A head filled with series that look like those of real exporters, for the benchmarks.
import { Labels } from "@belfry/core/model";
import { openMetricStore } from "../packages/server/src/metrics/index.ts";
import { systemClock } from "../packages/server/src/lib/clock.ts";
import type { MetricStore } from "../packages/server/src/metrics/index.ts";

/** VALUE_KINDS is the mix of a node_exporter and an instrumented service: much is constant, most of the rest are integers. */
export const VALUE_KINDS = {
  constant: 0.35,
  smallCounter: 0.2,
  counter: 0.15,
  byteCounter: 0.08,
  cpuSeconds: 0.08,
  gaugeInteger: 0.06,
  gaugeDecimal: 0.03,
  durationSum: 0.05,
} as const;
export type ValueKind = keyof typeof VALUE_KINDS;

/** random is a small seeded generator, so that every run measures the same data. */
export function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** nextValue continues a series of a kind. */
export function nextValue(kind: ValueKind, previous: number, next: () => number): number {
  switch (kind) {
    case "constant":
      return previous;
    case "smallCounter":
      return previous + Math.floor(next() * 20);
    case "counter":
      return previous + Math.floor(next() * 3000);
    case "byteCounter":
      return previous + Math.floor(next() * 4e6);
    case "cpuSeconds":
      return Math.round((previous + next() * 15) * 100) / 100;
    case "gaugeInteger":
      return 4096 * Math.floor(20_000 + next() * 5000);
    case "gaugeDecimal":
      return Math.round(next() * 1000) / 100;
    case "durationSum":
      return previous + next() * 0.31;
  }
}

/** kindOf deals the kinds out to series by their number. */
export function kindOf(i: number): ValueKind {
  let share = ((i * 7919) % 1000) / 1000;
  for (const [kind, part] of Object.entries(VALUE_KINDS)) {
    share -= part;
    if (share < 0) return kind as ValueKind;
  }
  return "constant";
}

/** labelsOf makes the labels of series `i`, spread over targets of 1,000 series. */
export function labelsOf(i: number): Labels {
  const target = Math.floor(i / 1000);
  const metric = `app_${Math.floor((i % 1000) / 20)}_total`;
  return Labels.fromRecord({
    __name__: metric,
    instance: `10.0.${target >> 8}.${target & 255}:9100`,
    job: "bench",
    path: `/api/v1/resource/${i % 20}`,
    status: String(200 + (i % 5)),
  });
}

/** fill appends `samples` scrapes at `stepMs` of `series` series, by target; ends near now. */
export async function fill(
  series: number,
  samples: number,
  stepMs: number,
  kind?: ValueKind,
): Promise<{ store: MetricStore; startMs: number; endMs: number; appendMs: number }> {
  const store = await openMetricStore({ clock: systemClock, budgetBytes: 8 * 2 ** 30 });
  const endMs = Date.now();
  const startMs = endMs - (samples - 1) * stepMs;
  const labels = Array.from({ length: series }, (_, i) => labelsOf(i));
  const refs = new Float64Array(series);
  const last = new Float64Array(series);
  const next = random(42);
  for (let i = 0; i < series; i++) last[i] = Math.floor(next() * 1e6);
  let appendMs = 0;
  for (let s = 0; s < samples; s++) {
    for (let from = 0; from < series; from += 1000) {
      const to = Math.min(series, from + 1000);
      for (let i = from; i < to; i++) last[i] = nextValue(kind ?? kindOf(i), last[i]!, next);
      const timeMs = startMs + s * stepMs + (from % stepMs);
      const begin = performance.now();
      const appender = store.appender({ scrape: true });
      for (let i = from; i < to; i++) refs[i] = appender.append(refs[i]!, labels[i]!, timeMs, last[i]!);
      await appender.commit();
      appendMs += performance.now() - begin;
    }
  }
  return { store, startMs, endMs: endMs + stepMs, appendMs };
}
