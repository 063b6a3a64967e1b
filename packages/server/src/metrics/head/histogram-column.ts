// A histogram column keeps the native histograms of one chunk. All of them have the same layout (schema, zero
// threshold, spans, custom bounds), which is stored once; each sample is one row of plain numbers.
//
//   row   [ reset hint | count | sum | zero count | positive buckets ... | negative buckets ... ]
import type { CounterResetHint, Histogram, Span } from "@belfry/core/model";

const FIXED = 4;

/** HistogramColumn is append-only; the histograms it returns are fresh objects that share only the layout. */
export class HistogramColumn {
  private readonly schema: number;
  private readonly zeroThreshold: number;
  private readonly positiveSpans: Span[];
  private readonly negativeSpans: Span[];
  private readonly customValues: Float64Array | undefined;
  private readonly positive: number;
  private readonly stride: number;
  private rows: Float64Array;
  private length = 0;

  constructor(first: Histogram) {
    this.schema = first.schema;
    this.zeroThreshold = first.zeroThreshold;
    this.positiveSpans = first.positiveSpans.map((span) => ({ ...span }));
    this.negativeSpans = first.negativeSpans.map((span) => ({ ...span }));
    this.customValues = first.customValues?.slice();
    this.positive = first.positiveBuckets.length;
    this.stride = FIXED + this.positive + first.negativeBuckets.length;
    this.rows = new Float64Array(this.stride * 4);
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
    const at = this.length * this.stride;
    if (at + this.stride > this.rows.length) {
      const rows = new Float64Array(this.rows.length * 2);
      rows.set(this.rows);
      this.rows = rows;
    }
    const rows = this.rows;
    rows[at] = h.counterResetHint;
    rows[at + 1] = h.count;
    rows[at + 2] = h.sum;
    rows[at + 3] = h.zeroCount;
    rows.set(h.positiveBuckets, at + FIXED);
    rows.set(h.negativeBuckets, at + FIXED + this.positive);
    this.length++;
  }

  /** at returns the `i`th histogram. */
  at(i: number): Histogram {
    const rows = this.rows;
    const at = i * this.stride;
    const buckets = at + FIXED;
    return {
      counterResetHint: rows[at] as CounterResetHint,
      schema: this.schema,
      zeroThreshold: this.zeroThreshold,
      zeroCount: rows[at + 3]!,
      count: rows[at + 1]!,
      sum: rows[at + 2]!,
      positiveSpans: this.positiveSpans,
      positiveBuckets: rows.slice(buckets, buckets + this.positive),
      negativeSpans: this.negativeSpans,
      negativeBuckets: rows.slice(buckets + this.positive, at + this.stride),
      customValues: this.customValues,
    };
  }

  get sizeBytes(): number {
    return 200 + this.rows.byteLength + 32 * (this.positiveSpans.length + this.negativeSpans.length);
  }
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
