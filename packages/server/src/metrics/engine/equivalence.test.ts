// A range query is by definition the instant query at each of its steps. The engine computes it quite differently,
// over columns and with windows that slide, so the two are compared over data that is as unpleasant as data gets.
import { CounterResetHint, type Histogram, Labels, newHistogram } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import { ArrayStorage, type ArraySample } from "./array-storage.ts";
import { Engine } from "./engine.ts";
import type { QueryResult } from "./types.ts";

const START = 1_000_000;
const END = 2_500_000;
const STEP = 37_000;

/** mulberry32 is a small random generator, so that a failing seed can be run again. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function randomHistogram(random: () => number, base: number): Histogram {
  if (random() < 0.1) {
    return newHistogram({
      schema: -53,
      count: base + 3,
      sum: base * 2,
      customValues: Float64Array.of(1, 2, 5),
      positiveSpans: [{ offset: 0, length: 3 }],
      positiveBuckets: Float64Array.of(base, 2, 1),
    });
  }
  const hints = [CounterResetHint.Unknown, CounterResetHint.Unknown, CounterResetHint.Gauge, CounterResetHint.Reset];
  return newHistogram({
    schema: random() < 0.2 ? 1 : 0,
    count: base + 6,
    sum: random() < 0.05 ? NaN : base * 3,
    zeroCount: 1,
    zeroThreshold: 0.001,
    positiveSpans: [{ offset: Math.floor(random() * 3), length: 2 }],
    positiveBuckets: Float64Array.of(base + 2, 3),
    counterResetHint: hints[Math.floor(random() * hints.length)],
  });
}

function randomSamples(random: () => number, kind: number): ArraySample[] {
  const samples: ArraySample[] = [];
  let value = Math.floor(random() * 100);
  for (let i = 0; i < 170; i++) {
    const dice = random();
    value += Math.floor(random() * 20);
    if (dice < 0.08) samples.push(undefined);
    else if (dice < 0.1) samples.push("stale");
    else if (dice < 0.12) samples.push(NaN);
    else if (dice < 0.13) samples.push(random() < 0.5 ? Infinity : -Infinity);
    else if (dice < 0.14) samples.push(random() < 0.5 ? 1e308 : -1e308);
    else if (dice < 0.16) samples.push((value = 0));
    else if (kind === 1 || (kind === 2 && dice < 0.4)) samples.push(randomHistogram(random, value));
    else samples.push(value + random());
  }
  // Some series begin late or end early.
  const from = random() < 0.3 ? Math.floor(random() * 120) : 0;
  const to = random() < 0.3 ? from + Math.floor(random() * 60) : samples.length;
  return samples.map((sample, i) => (i >= from && i < to ? sample : undefined));
}

function storageOf(seed: number): ArrayStorage {
  const random = randomOf(seed);
  const storage = new ArrayStorage();
  for (let i = 0; i < 12; i++) {
    const labels = { g: String(i % 3), i: String(i) };
    const start = START - 700_000 + Math.floor(random() * 15_000);
    storage.add(Labels.fromRecord({ __name__: "m_total", ...labels }), start, 15_000, randomSamples(random, 0));
    if (i < 6) {
      storage.add(Labels.fromRecord({ __name__: "h", ...labels }), start, 15_000, randomSamples(random, 1));
      storage.add(Labels.fromRecord({ __name__: "x", ...labels }), start, 15_000, randomSamples(random, 2));
    }
    const bucket = { __name__: "c_bucket", g: String(i % 3), le: ["1", "2.5", "10", "+Inf"][i % 4]! };
    storage.add(Labels.fromRecord(bucket), start, 15_000, randomSamples(random, 0));
    storage.add(
      Labels.fromRecord({ __name__: "info", i: String(i), v: String(i * 7) }),
      start,
      15_000,
      randomSamples(random, 0),
    );
  }
  return storage;
}

const FLOAT_RANGE_FUNCTIONS = [
  "rate",
  "increase",
  "delta",
  "irate",
  "idelta",
  "deriv",
  "changes",
  "resets",
  "sum_over_time",
  "avg_over_time",
  "min_over_time",
  "max_over_time",
  "count_over_time",
  "stddev_over_time",
  "stdvar_over_time",
  "last_over_time",
  "first_over_time",
  "present_over_time",
  "absent_over_time",
  "mad_over_time",
  "ts_of_min_over_time",
  "ts_of_max_over_time",
  "ts_of_last_over_time",
  "ts_of_first_over_time",
];

const QUERIES = [
  ...FLOAT_RANGE_FUNCTIONS.flatMap((name) => [
    `${name}(m_total[2m])`,
    `${name}(h[2m])`,
    `${name}(x[100s] offset 17s)`,
    `${name}(m_total[3m:20s])`,
    `${name}(m_total[2m] @ 1800)`,
  ]),
  ...["rate", "increase", "delta"].flatMap((name) => [
    `${name}(m_total[2m] anchored)`,
    `${name}(m_total[2m] smoothed)`,
    `${name}(h[2m] anchored)`,
    `${name}(h[2m] smoothed)`,
    `${name}(x[2m] smoothed)`,
  ]),
  "resets(x[2m] anchored)",
  "changes(x[2m] anchored)",
  "m_total smoothed",
  "h smoothed",
  "quantile_over_time(0.3, m_total[2m])",
  "quantile_over_time(scalar(m_total{i='1'}) / 1000, m_total[2m])",
  "predict_linear(m_total[2m], 60)",
  "predict_linear(m_total[2m] @ 1800, 60)",
  "double_exponential_smoothing(m_total[2m], 0.3, 0.6)",
  "m_total",
  "x",
  "-m_total",
  "m_total offset -30s",
  "m_total @ 1800",
  "abs(m_total - 1000)",
  "ceil(m_total)",
  "round(m_total, 5)",
  "clamp(m_total, 100, 1000)",
  "clamp_min(m_total, scalar(m_total{i='2'}))",
  "sqrt(m_total)",
  "hour(m_total)",
  "day_of_year()",
  "timestamp(m_total)",
  "timestamp(m_total @ 1800)",
  "timestamp(m_total + 1)",
  "vector(time())",
  "scalar(m_total{i='3'})",
  "absent(m_total{i='3'})",
  "absent(nothing{a='1',b=~'x'})",
  "sort(m_total)",
  "sort_by_label_desc(m_total, 'g')",
  "label_replace(m_total, 'n', 'x$1', 'i', '(.)')",
  "label_join(m_total, 'n', '-', 'g', 'i')",
  "histogram_count(h)",
  "histogram_avg(x)",
  "histogram_stddev(h)",
  "histogram_quantile(0.7, h)",
  "histogram_quantile(0.7, sum by (g, le) (rate(c_bucket[2m])))",
  "histogram_quantile(scalar(m_total{i='1'}) / 1000, c_bucket)",
  "histogram_fraction(0, 2, c_bucket)",
  "histogram_fraction(0, 2, h)",
  "histogram_quantiles(c_bucket, 'q', 0.1, 0.9)",
  ...["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"].flatMap((op) => [
    `${op}(m_total)`,
    `${op} by (g) (m_total)`,
    `${op} without (i) (x)`,
    `${op} by (g) (h)`,
    `${op}(rate(m_total[2m])) by (g)`,
  ]),
  "quantile by (g) (0.4, m_total)",
  "topk(2, m_total)",
  "topk by (g) (1, x)",
  "bottomk(3, m_total)",
  "topk(scalar(m_total{i='1'}) / 100, m_total)",
  "limitk(3, m_total)",
  "limit_ratio(0.5, m_total)",
  "limit_ratio(-0.5, m_total)",
  "count_values('v', round(m_total / 100))",
  "count_values by (g) ('v', x)",
  "m_total + 1",
  "2 ^ (m_total / 1000)",
  "m_total % 7",
  "100 - m_total",
  "m_total > 500",
  "500 < bool m_total",
  "m_total == m_total",
  "h * 2",
  "h / 0",
  "h </ 3",
  "h >/ 1",
  "h + h",
  "h - h offset 30s",
  "x + x offset 30s",
  "m_total + m_total offset 40s",
  "m_total > bool m_total offset 40s",
  "m_total / on (g) group_left sum by (g) (m_total)",
  "sum by (g) (m_total) - on (g) group_right m_total",
  "m_total * on (i) group_left (v) info",
  "m_total and on (i) info > 500",
  "m_total unless on (g, i) x",
  "m_total or h or x",
  "(m_total > 500) or (m_total < 200)",
  "sum by (g) (m_total > 800) + fill (1) sum by (g) (m_total < 300)",
  "sum by (g) (m_total > 800) * on (g) group_right fill_left (2) m_total",
  "max_over_time(sum by (g) (rate(m_total[1m]))[3m:30s])",
  "sum_over_time((m_total > 500)[3m:20s] offset 1m)",
  "sum_over_time(sum_over_time(m_total[1m:20s])[3m:45s] @ end())",
  "avg_over_time(h[2m:20s])",
  "sum(m_total @ start()) + sum(m_total @ end())",
  "info(m_total, {__name__='info'})",
  "sum(m_total) / count(m_total) > bool scalar(avg(m_total))",
];

const FEATURES = [
  "promql-experimental-functions",
  "promql-duration-expr",
  "promql-extended-range-selectors",
  "promql-binop-fill-modifiers",
];

/** cellsOf lists every sample of a result as text, by labels and time. */
function cellsOf(result: QueryResult): Map<string, string> {
  const cells = new Map<string, string>();
  const add = (labels: Labels, timeMs: number, value: number, histogram: Histogram | undefined): void => {
    const text = histogram === undefined ? String(value) : JSON.stringify(histogram);
    cells.set(`${labels.toString()} @ ${timeMs}`, text);
  };
  const { value } = result;
  if (value.type === "vector") for (const s of value.samples) add(s.labels, s.timeMs, s.value, s.histogram);
  else if (value.type === "scalar") add(new Labels([]), value.timeMs, value.value, undefined);
  else if (value.type === "matrix") {
    for (const series of value.series) {
      series.times.forEach((time, i) => add(series.labels, time, series.values[i]!, series.histograms?.[i]));
    }
  }
  return cells;
}

// `@ end()` means the end of the query, so an instant query at another time asks something else.
const PINNED = /@ (?:start|end)\(\)/;

async function attempt(run: Promise<QueryResult>): Promise<QueryResult | Error> {
  try {
    return await run;
  } catch (error) {
    return error as Error;
  }
}

describe.each([1, 2, 3])("seed %i", (seed) => {
  const storage = storageOf(seed);

  test.each([[[]], [["promql-delayed-name-removal"]]])("with %j", async (more) => {
    const engine = new Engine({ features: new Set([...FEATURES, ...more]) });
    let compared = 0;
    const differing: string[] = [];
    for (const query of QUERIES) {
      if (PINNED.test(query)) {
        expect(await attempt(engine.range(storage, query, START, END, STEP))).not.toBeInstanceOf(Error);
        continue;
      }
      const range = await attempt(engine.range(storage, query, START, END, STEP));
      const expected = new Map<string, string>();
      const messages = new Set<string>();
      for (let time = START; time <= END; time += STEP) {
        const instant = await attempt(engine.instant(storage, query, time));
        if (instant instanceof Error) messages.add(instant.message);
        else for (const [key, cell] of cellsOf(instant)) expected.set(key, cell);
      }
      if (range instanceof Error || messages.size > 0) {
        // An error at any step is the error of the whole query.
        if (!(range instanceof Error) || !messages.has(range.message)) {
          differing.push(`${query}: ${String(range)}, at some step: ${[...messages].join("; ")}`);
        }
        continue;
      }
      const actual = cellsOf(range);
      compared += actual.size;
      for (const key of new Set([...actual.keys(), ...expected.keys()])) {
        if (actual.get(key) === expected.get(key)) continue;
        differing.push(`${query}: ${key} is ${actual.get(key)}, the instant query says ${expected.get(key)}`);
        break;
      }
    }
    expect(differing).toEqual([]);
    // Guards against a generator that makes nothing.
    expect(compared).toBeGreaterThan(20_000);
  });
});
