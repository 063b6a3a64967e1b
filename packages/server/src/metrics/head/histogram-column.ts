// A histogram column keeps the native histograms of one chunk. All of them have the same layout (schema, zero
// threshold, spans, custom bounds), which is stored once; each sample is one row of counts, and its sum.
//
//   row   [ reset hint | count | zero count | positive buckets ... | negative buckets ... ]
//
// Counts are whole and below 2^32 almost always, and then take four bytes each; the first one that is not turns
// the rows into doubles.
import type { CounterResetHint, Histogram, Span } from "@belfry/core/model";
import { CHUNK_SAMPLES } from "./slab-pool.ts";

const FIXED = 3;

/** HistogramColumn is append-only; the histograms it returns are fresh objects that share only the layout. */
export class HistogramColumn {
  private readonly schema: number;
  private readonly zeroThreshold: number;
  private readonly positiveSpans: Span[];
  private readonly negativeSpans: Span[];
  private readonly customValues: Float64Array | undefined;
  private readonly positive: number;
  private readonly stride: number;
  private rows: Uint32Array | Float64Array;
  private sums = new Float64Array(4);
  private length = 0;

  constructor(first: Histogram) {
    this.schema = first.schema;
    this.zeroThreshold = first.zeroThreshold;
    this.positiveSpans = first.positiveSpans.map((span) => ({ ...span }));
    this.negativeSpans = first.negativeSpans.map((span) => ({ ...span }));
    this.customValues = first.customValues?.slice();
    this.positive = first.positiveBuckets.length;
    this.stride = FIXED + this.positive + first.negativeBuckets.length;
    this.rows = new Uint32Array(this.stride * 4);
  }

  /** fits tells whether a histogram has the layout of this column. */
  fits(h: Histogram): boolean {
    return (
      h.schema === this.schema &&
      h.zeroThreshold === this.zeroThreshold &&
      h.positiveBuckets.length === this.positive &&
      h.negativeBuckets.length === this.stride - FIXED - this.positive &&
      sameSpans(h.positiveSpans, this.positiveSpans) &&
      sameSpans(h.negativeSpans, this.negativeSpans) &&
      sameNumbers(h.customValues, this.customValues)
    );
  }

  push(h: Histogram): void {
    if (this.length === this.sums.length) {
      const capacity = Math.min(CHUNK_SAMPLES, this.length * 2);
      const sums = new Float64Array(capacity);
      sums.set(this.sums);
      this.sums = sums;
      const rows =
        this.rows instanceof Uint32Array
          ? new Uint32Array(capacity * this.stride)
          : new Float64Array(capacity * this.stride);
      rows.set(this.rows);
      this.rows = rows;
    }
    if (this.rows instanceof Uint32Array && !isWhole(h)) this.rows = Float64Array.from(this.rows);
    const { rows } = this;
    const at = this.length * this.stride;
    rows[at] = h.counterResetHint;
    rows[at + 1] = h.count;
    rows[at + 2] = h.zeroCount;
    rows.set(h.positiveBuckets, at + FIXED);
    rows.set(h.negativeBuckets, at + FIXED + this.positive);
    this.sums[this.length++] = h.sum;
  }

  /** at returns the `i`th histogram. */
  at(i: number): Histogram {
    const { rows } = this;
    const at = i * this.stride;
    const negative = at + FIXED + this.positive;
    return {
      counterResetHint: rows[at] as CounterResetHint,
      schema: this.schema,
      zeroThreshold: this.zeroThreshold,
      zeroCount: rows[at + 2]!,
      count: rows[at + 1]!,
      sum: this.sums[i]!,
      positiveSpans: this.positiveSpans,
      positiveBuckets: Float64Array.from(rows.subarray(at + FIXED, negative)),
      negativeSpans: this.negativeSpans,
      negativeBuckets: Float64Array.from(rows.subarray(negative, at + this.stride)),
      customValues: this.customValues,
    };
  }

  get sizeBytes(): number {
    const spans = this.positiveSpans.length + this.negativeSpans.length;
    return 300 + this.rows.byteLength + this.sums.byteLength + 32 * spans + (this.customValues?.byteLength ?? 0);
  }
}

function isWhole(h: Histogram): boolean {
  return (
    isUint32(h.count) && isUint32(h.zeroCount) && h.positiveBuckets.every(isUint32) && h.negativeBuckets.every(isUint32)
  );
}

function isUint32(value: number): boolean {
  return value >>> 0 === value && !Object.is(value, -0);
}

/** sameHistogram compares bit for bit where it matters: layout, counts, sum (NaN equals NaN). */
export function sameHistogram(a: Histogram, b: Histogram): boolean {
  return (
    a.schema === b.schema &&
    a.zeroThreshold === b.zeroThreshold &&
    a.zeroCount === b.zeroCount &&
    a.count === b.count &&
    Object.is(a.sum, b.sum) &&
    sameSpans(a.positiveSpans, b.positiveSpans) &&
    sameSpans(a.negativeSpans, b.negativeSpans) &&
    sameNumbers(a.positiveBuckets, b.positiveBuckets) &&
    sameNumbers(a.negativeBuckets, b.negativeBuckets) &&
    sameNumbers(a.customValues, b.customValues)
  );
}

function sameSpans(a: readonly Span[], b: readonly Span[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i]!.offset !== b[i]!.offset || a[i]!.length !== b[i]!.length) return false;
  }
  return true;
}

function sameNumbers(a: Float64Array | undefined, b: Float64Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
