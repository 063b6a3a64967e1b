// A classic histogram becomes a native one with custom buckets (NHCB) by making its `le` bounds the custom bounds.
// ClassicHistogramBuilder collects the series of one classic histogram, in whatever order a scrape brings them.
import { CounterResetHint, CUSTOM_BUCKETS_SCHEMA, type Histogram } from "./histogram.ts";
import { compactHistogram } from "./histogram-arithmetic.ts";
import { HistogramError } from "./histogram-error.ts";
import { formatFloatG } from "./histogram-text.ts";

/** ClassicHistogramBuilder collects buckets, count and sum. The first error is kept and thrown by `build`. */
export class ClassicHistogramBuilder {
  private bounds: number[] = [];
  private counts: number[] = [];
  private count = 0;
  private hasCount = false;
  private sum = 0;
  private failure: HistogramError | undefined;

  /** error is why no histogram can be built, if anything set so far was wrong. */
  get error(): HistogramError | undefined {
    return this.failure;
  }

  reset(): void {
    this.bounds.length = 0;
    this.counts.length = 0;
    this.count = 0;
    this.hasCount = false;
    this.sum = 0;
    this.failure = undefined;
  }

  /** setBucket takes the cumulative count of observations up to `bound`. A second one for a bound is ignored. */
  setBucket(bound: number, count: number): void {
    if (this.failure) return;
    const { bounds, counts } = this;
    if (Number.isNaN(bound)) return this.fail("bucket boundary must not be NaN");
    if (count < 0) {
      return this.fail(`bucket count must be non-negative: le=${formatFloatG(bound)}, count=${formatFloatG(count)}`);
    }
    let at = bounds.length;
    while (at > 0 && bounds[at - 1] >= bound) at--;
    if (bounds[at] === bound) return;
    if (at > 0 && count < counts[at - 1]) {
      return this.fail(`count is not cumulative: ${formatFloatG(count)} < ${formatFloatG(counts[at - 1])}`);
    }
    if (at < counts.length && count > counts[at]) {
      return this.fail(`count is not cumulative: ${formatFloatG(count)} > ${formatFloatG(counts[at])}`);
    }
    bounds.splice(at, 0, bound);
    counts.splice(at, 0, count);
  }

  setCount(count: number): void {
    if (this.failure) return;
    if (count < 0) return this.fail(`count must be non-negative: count=${formatFloatG(count)}`);
    this.count = count;
    this.hasCount = true;
  }

  setSum(sum: number): void {
    this.sum = sum;
  }

  private fail(message: string): void {
    this.failure = new HistogramError("conversion", message);
  }

  /** build makes the histogram. Throws HistogramError when what was set does not make one. */
  build(): Histogram {
    if (this.failure) throw this.failure;
    const bounds = this.bounds.slice();
    const counts = this.counts.slice();
    let total = this.count;
    if (!this.hasCount) {
      if (bounds.length === 0) {
        throw new HistogramError("conversion", "count must be provided when no buckets are present");
      }
      total = counts[counts.length - 1];
    }
    if (bounds[bounds.length - 1] !== Infinity) {
      bounds.push(Infinity);
      counts.push(total);
    }
    const last = counts[counts.length - 1];
    const integer = counts.every(Number.isInteger) && Number.isInteger(total);
    if (total !== last) {
      throw new HistogramError(
        "conversion",
        `count mismatch: count=${integer ? String(total) : formatFloatG(total)} != le=+Inf count=${formatFloatG(last)}`,
      );
    }
    const buckets = new Float64Array(counts.length);
    let previous = 0;
    for (let i = 0; i < counts.length; i++) {
      buckets[i] = counts[i] - previous;
      previous = counts[i];
    }
    const h: Histogram = {
      counterResetHint: CounterResetHint.Unknown,
      schema: CUSTOM_BUCKETS_SCHEMA,
      zeroThreshold: 0,
      zeroCount: 0,
      count: total,
      sum: this.sum,
      positiveSpans: [{ offset: 0, length: buckets.length }],
      positiveBuckets: buckets,
      negativeSpans: [],
      negativeBuckets: new Float64Array(0),
      customValues: Float64Array.from(bounds.slice(0, -1)),
    };
    // As upstream: integer histograms keep up to two empty buckets in a row.
    return compactHistogram(h, integer ? 2 : 0);
  }
}

/** ClassicSuffix is what a series of a classic histogram is, by the end of its name. */
export type ClassicSuffix = "_bucket" | "_sum" | "_count";

/** splitClassicName splits the suffix of a classic histogram series off a metric name; "" when it has none. */
export function splitClassicName(name: string): { base: string; suffix: ClassicSuffix | "" } {
  for (const suffix of ["_bucket", "_sum", "_count"] as const) {
    if (name.endsWith(suffix)) return { base: name.slice(0, -suffix.length), suffix };
  }
  return { base: name, suffix: "" };
}
