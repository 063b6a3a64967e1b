import type { Histogram } from "@belfry/core/model";
import { expect, test } from "vitest";
import { histogram } from "../store-testing.ts";
import { HistogramColumn, sameHistogram } from "./histogram-column.ts";

test("[HD12] histograms come back as they went in, whole counts or not", () => {
  const samples: Histogram[] = [
    histogram(5, [2, 3]),
    { ...histogram(2 ** 32 - 1, [0, 2 ** 32 - 1]), counterResetHint: 2, sum: -0 },
    { ...histogram(2 ** 32, [2 ** 32, 0]), zeroCount: 7, sum: NaN },
    { ...histogram(0.5, [0.25, 0.25]), sum: Infinity },
    { ...histogram(1, [1, -0]), zeroCount: 2 ** 53 },
    { ...histogram(-3, [-1, -2]), counterResetHint: 3 },
  ];
  const column = new HistogramColumn(samples[0]!);
  for (let i = 0; i < 120; i++) column.push(samples[Math.floor(i / 20)]!);
  for (let i = 0; i < 120; i++) expect(column.at(i)).toEqual(samples[Math.floor(i / 20)]);
});

test("[HD13] what does not have the layout does not fit", () => {
  const first = histogram(5, [2, 3]);
  const column = new HistogramColumn(first);
  const others: Partial<Histogram>[] = [
    { schema: 1 },
    { zeroThreshold: 0.5 },
    { positiveSpans: [{ offset: 1, length: 2 }] },
    { positiveBuckets: Float64Array.of(1) },
    { negativeSpans: [{ offset: 0, length: 1 }], negativeBuckets: Float64Array.of(1) },
    { customValues: Float64Array.of(1) },
  ];
  expect(column.fits({ ...first, count: 9, sum: 1, zeroCount: 3 })).toBe(true);
  for (const other of others) expect(column.fits({ ...first, ...other })).toBe(false);
});

test("[HD5] equality looks at everything but the reset hint", () => {
  const one = histogram(5, [2, 3]);
  expect(sameHistogram(one, { ...histogram(5, [2, 3]), counterResetHint: 1 })).toBe(true);
  expect(sameHistogram({ ...one, sum: NaN }, { ...one, sum: NaN })).toBe(true);
  for (const other of [{ sum: 1 }, { count: 6 }, { zeroCount: 1 }, { positiveBuckets: Float64Array.of(3, 2) }]) {
    expect(sameHistogram(one, { ...one, ...other })).toBe(false);
  }
});

test("[HD20] a whole count takes four bytes", () => {
  const buckets = Array.from({ length: 20 }, (_, i) => i);
  const column = new HistogramColumn(histogram(190, buckets));
  for (let i = 0; i < 120; i++) column.push(histogram(190, buckets));
  expect(column.sizeBytes / 120).toBeLessThan(4 * 23 + 8 + 4);
});
