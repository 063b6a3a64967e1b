// The kernels against the definitions of the functions, written down without regard to speed. Results must be the
// same to the last bit, because the order of floating-point operations is part of what PromQL functions are.
import { type SampleBuffer } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import {
  avgOverTime,
  type FloatKernel,
  madOverTime,
  maxOverTime,
  minOverTime,
  quantileOverTime,
  stdvarOverTime,
  sumOverTime,
  tsOfMaxOverTime,
  tsOfMinOverTime,
} from "./over-time.ts";
import { extrapolatedRate, RateGeometry } from "./rate.ts";
import { ABSENT, type Frame, scratchRow } from "./row.ts";
import { RangeWindows, type WindowShape } from "./windows.ts";

interface Point {
  t: number;
  v: number;
}

function randomOf(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
}

function randomPoints(random: () => number, special: boolean): Point[] {
  const points: Point[] = [];
  let t = Math.floor(random() * 20_000);
  let v = Math.floor(random() * 50);
  const n = Math.floor(random() * 120);
  for (let i = 0; i < n; i++) {
    t += random() < 0.8 ? 15_000 : 1 + Math.floor(random() * 90_000);
    v = random() < 0.05 ? 0 : v + random() * 10;
    let value = v;
    if (special) {
      const dice = random();
      if (dice < 0.05) value = NaN;
      else if (dice < 0.08) value = random() < 0.5 ? Infinity : -Infinity;
      else if (dice < 0.12) value = random() < 0.5 ? 1.7e308 : -1.7e308;
      else if (dice < 0.16) value = random() < 0.5 ? -0 : 0;
      else if (dice < 0.3) value = (random() - 0.5) * 1e20;
    }
    points.push({ t, v: value });
  }
  return points;
}

function loaded(points: readonly Point[], frame: Frame, shape: WindowShape): RangeWindows {
  const windows = new RangeWindows(frame, shape);
  const read = (startMs: number, endMs: number, into: SampleBuffer): void => {
    for (const { t, v } of points) if (t >= startMs && t <= endMs) into.push(t, v);
  };
  windows.load({ labels: null as never, read }, -Infinity, Infinity);
  windows.place();
  return windows;
}

function inc(value: number, sum: number, c: number): [number, number] {
  const t = sum + value;
  if (t === Infinity || t === -Infinity) return [t, 0];
  return Math.abs(sum) >= Math.abs(value) ? [t, c + (sum - t + value)] : [t, c + (value - t + sum)];
}

function naiveSum(points: readonly Point[]): number {
  let sum = 0;
  let c = 0;
  for (const { v } of points) [sum, c] = inc(v, sum, c);
  return Math.abs(sum) === Infinity ? sum : sum + c;
}

function naiveAvg(points: readonly Point[]): number {
  let sum = points[0]!.v;
  let mean = 0;
  let c = 0;
  let incremental = false;
  for (let i = 1; i < points.length; i++) {
    const count = i + 1;
    if (!incremental) {
      const [newSum, newC] = inc(points[i]!.v, sum, c);
      if (Math.abs(newSum) !== Infinity) {
        [sum, c] = [newSum, newC];
        continue;
      }
      incremental = true;
      mean = sum / (count - 1);
      c /= count - 1;
    }
    const q = (count - 1) / count;
    [mean, c] = inc(points[i]!.v / count, q * mean, q * c);
  }
  return incremental ? mean + c : sum / points.length + c / points.length;
}

function naiveExtreme(points: readonly Point[], better: (a: number, b: number) => boolean): Point {
  let best = points[0]!;
  for (const point of points) if (better(point.v, best.v) || Number.isNaN(best.v)) best = point;
  return best;
}

function naiveVariance(points: readonly Point[]): number {
  let [mean, cMean, aux, cAux] = [0, 0, 0, 0];
  points.forEach(({ v }, i) => {
    const delta = v - (mean + cMean);
    [mean, cMean] = inc(delta / (i + 1), mean, cMean);
    [aux, cAux] = inc(delta * (v - (mean + cMean)), aux, cAux);
  });
  return (aux + cAux) / points.length;
}

function naiveQuantile(q: number, values: readonly number[]): number {
  const sorted = values.toSorted((a, b) =>
    Number.isNaN(a) ? (Number.isNaN(b) ? 0 : -1) : Number.isNaN(b) ? 1 : a - b,
  );
  const rank = q * (sorted.length - 1);
  const lower = Math.floor(rank);
  const weight = rank - lower;
  return sorted[lower]! * (1 - weight) + sorted[Math.min(sorted.length - 1, lower + 1)]! * weight;
}

function naiveMad(points: readonly Point[]): number {
  if (points.some(({ v }) => Number.isNaN(v))) return NaN;
  const median = naiveQuantile(
    0.5,
    points.map(({ v }) => v),
  );
  return naiveQuantile(
    0.5,
    points.map(({ v }) => Math.abs(v - median)),
  );
}

function naiveRate(
  points: readonly Point[],
  end: number,
  rangeMs: number,
  isCounter: boolean,
  isRate: boolean,
): number {
  const first = points[0]!;
  const last = points[points.length - 1]!;
  let result = last.v - first.v;
  if (isCounter) {
    for (let i = 1; i < points.length; i++) if (points[i]!.v < points[i - 1]!.v) result += points[i - 1]!.v;
  }
  let toStart = (first.t - (end - rangeMs)) / 1000;
  let toEnd = (end - last.t) / 1000;
  const sampled = (last.t - first.t) / 1000;
  const average = sampled / (points.length - 1);
  const threshold = average * 1.1;
  if (toStart >= threshold) toStart = average / 2;
  if (isCounter) {
    let toZero = toStart;
    if (result > 0 && first.v >= 0) toZero = sampled * (first.v / result);
    if (toZero < toStart) toStart = toZero;
  }
  if (toEnd >= threshold) toEnd = average / 2;
  let factor = (sampled + toStart + toEnd) / sampled;
  if (isRate) factor /= rangeMs / 1000;
  return result * factor;
}

/** check compares a kernel with a definition over many series, step by step. */
function check(
  seed: number,
  special: boolean,
  minimum: number,
  kernel: (windows: RangeWindows, row: ReturnType<typeof scratchRow>, frame: Frame, shape: WindowShape) => number,
  definition: (points: readonly Point[], end: number, rangeMs: number) => number,
): void {
  const random = randomOf(seed);
  let results = 0;
  for (let round = 0; round < 150; round++) {
    const points = randomPoints(random, special);
    const frame = {
      startMs: Math.floor(random() * 300_000),
      stepMs: 1 + Math.floor(random() * 60_000),
      steps: 40,
      isInstant: false,
    };
    const shape = {
      rangeMs: 1 + Math.floor(random() * 400_000),
      offsetMs: random() < 0.3 ? Math.floor((random() - 0.5) * 60_000) : 0,
      atMs: random() < 0.1 ? Math.floor(random() * 900_000) : undefined,
      beforeMs: 0,
      afterMs: 0,
    };
    const windows = loaded(points, frame, shape);
    const row = scratchRow(null as never, frame.steps);
    // Left over from another series.
    row.present.fill(1);
    const count = kernel(windows, row, frame, shape);
    let expectedCount = 0;
    for (let s = 0; s < frame.steps; s++) {
      const end = (shape.atMs ?? frame.startMs + s * frame.stepMs) - shape.offsetMs;
      const inside = points.filter(({ t }) => t > end - shape.rangeMs && t <= end);
      if (inside.length < minimum) {
        expect([round, s, row.present[s]]).toEqual([round, s, ABSENT]);
        continue;
      }
      expectedCount++;
      const expected = definition(inside, end, shape.rangeMs);
      if (!Object.is(row.values[s], expected)) {
        expect([round, s, inside, row.values[s]]).toEqual([round, s, inside, expected]);
      }
    }
    expect(count).toBe(expectedCount);
    results += count;
  }
  expect(results).toBeGreaterThan(1000);
}

describe.each([
  ["rate", true, true],
  ["increase", true, false],
  ["delta", false, false],
])("%s", (_name, isCounter, isRate) => {
  test.each([false, true])("special values: %s", (special) => {
    check(
      7,
      special,
      2,
      (windows, row, frame, shape) =>
        extrapolatedRate(
          windows,
          row,
          {
            firstEndMs: (shape.atMs ?? frame.startMs) - shape.offsetMs,
            stepMs: shape.atMs === undefined ? frame.stepMs : 0,
            rangeMs: shape.rangeMs,
          },
          { isCounter, isRate },
          new RateGeometry(),
        ),
      (points, end, rangeMs) => naiveRate(points, end, rangeMs, isCounter, isRate),
    );
  });
});

const OVER_TIME: [string, FloatKernel, (points: readonly Point[]) => number][] = [
  ["sum_over_time", sumOverTime, naiveSum],
  ["avg_over_time", avgOverTime, naiveAvg],
  ["min_over_time", minOverTime, (points) => naiveExtreme(points, (a, b) => a < b).v],
  ["max_over_time", maxOverTime, (points) => naiveExtreme(points, (a, b) => a > b).v],
  ["ts_of_min_over_time", tsOfMinOverTime, (points) => naiveExtreme(points, (a, b) => a <= b).t / 1000],
  ["ts_of_max_over_time", tsOfMaxOverTime, (points) => naiveExtreme(points, (a, b) => a >= b).t / 1000],
  ["stdvar_over_time", stdvarOverTime, naiveVariance],
  ["mad_over_time", madOverTime, naiveMad],
  [
    "quantile_over_time",
    (windows, row) => quantileOverTime(windows, row, [new Float64Array(row.to).fill(0.37)]),
    (points) =>
      naiveQuantile(
        0.37,
        points.map(({ v }) => v),
      ),
  ],
];

describe.each(OVER_TIME)("%s", (_name, kernel, definition) => {
  test.each([false, true])("special values: %s", (special) => {
    check(11, special, 1, (windows, row) => kernel(windows, row, []), definition);
  });
});

describe("windows", () => {
  const frame = { startMs: 60_000, stepMs: 30_000, steps: 4, isInstant: false };
  const shape: WindowShape = { rangeMs: 60_000, offsetMs: 0, atMs: undefined, beforeMs: 0, afterMs: 0 };
  const points = [0, 1, 30_000, 60_000, 90_000, 120_001].map((t) => ({ t, v: t }));

  test("are open on the left and closed on the right", () => {
    const windows = loaded(points, frame, shape);
    expect([...windows.lo]).toEqual([1, 3, 4, 5]);
    expect([...windows.hi]).toEqual([4, 5, 5, 6]);
    expect([windows.total, windows.largest]).toEqual([7, 3]);
  });

  test("are kept for a series with the same times, and only then", () => {
    const windows = new RangeWindows(frame, shape);
    const load = (list: readonly Point[]): number => {
      windows.load(
        { labels: null as never, read: (_a, _b, into) => list.forEach(({ t, v }) => into.push(t, v)) },
        0,
        1e9,
      );
      windows.place();
      return windows.version;
    };
    expect(load(points)).toBe(1);
    expect(load(points.map(({ t }) => ({ t, v: -t })))).toBe(1);
    expect(load(points.slice(1))).toBe(2);
    expect([...windows.lo]).toEqual([0, 2, 3, 4]);
    expect(load(points.slice(1).map(({ t, v }) => ({ t: t + 1, v })))).toBe(3);
  });
});
