import { CounterResetHint, CUSTOM_BUCKETS_SCHEMA, customBoundsMatch, type Histogram, type Span } from "./histogram.ts";
import { exponentialBound } from "./histogram-bounds.ts";
import { sameSpans, targetIndex } from "./histogram-layout.ts";
import { widenZero } from "./histogram-zero.ts";

/**
 * detectReset tells whether a counter was reset between `previous` and `h`. The hint of `h` decides where it says so;
 * otherwise it is a reset if any count has fallen, a populated bucket is gone, the resolution has risen or the zero bucket
 * has shrunk. A lower resolution or a wider zero bucket alone is none.
 */
export function detectReset(h: Histogram, previous: Histogram): boolean {
  if (h.counterResetHint === CounterResetHint.Reset) return true;
  if (h.counterResetHint === CounterResetHint.NotReset) return false;
  if (h.count < previous.count) return true;
  if (h.schema === CUSTOM_BUCKETS_SCHEMA) {
    if (previous.schema !== CUSTOM_BUCKETS_SCHEMA) return true;
    if (!customBoundsMatch(h.customValues, previous.customValues)) return commonBucketFell(h, previous);
  } else if (previous.schema === CUSTOM_BUCKETS_SCHEMA) {
    return true;
  }
  if (h.schema > previous.schema || h.zeroThreshold < previous.zeroThreshold) return true;
  const zero = widenZero(previous, h.zeroThreshold);
  // The threshold falls into a populated bucket of `previous`; a running counter does not do that.
  if (zero.threshold !== h.zeroThreshold || h.zeroCount < zero.count) return true;
  return (
    bucketFell(h, h.positiveSpans, h.positiveBuckets, previous, previous.positiveSpans, previous.positiveBuckets) ||
    bucketFell(h, h.negativeSpans, h.negativeBuckets, previous, previous.negativeSpans, previous.negativeBuckets)
  );
}

/**
 * storedCounterResetHint is the hint a histogram sample is stored with, so that nobody has to look for a reset again:
 * Reset and NotReset where comparing it with `previous` tells, Gauge for gauges, else Unknown. `previous` is the sample
 * before it in its series if that is a histogram; undefined after a float, a staleness marker, or nothing.
 */
export function storedCounterResetHint(h: Histogram, previous: Histogram | undefined): CounterResetHint {
  if (h.counterResetHint === CounterResetHint.Gauge) return CounterResetHint.Gauge;
  if (previous?.counterResetHint === CounterResetHint.Gauge) return CounterResetHint.Unknown;
  if (h.counterResetHint === CounterResetHint.Reset) return CounterResetHint.Reset;
  if (previous === undefined) return CounterResetHint.Unknown;
  if (h.count < previous.count) return CounterResetHint.Reset;
  if (h.schema !== previous.schema || h.zeroThreshold !== previous.zeroThreshold) return CounterResetHint.Unknown;
  if (!customBoundsMatch(h.customValues, previous.customValues)) return CounterResetHint.Unknown;
  // A sender's claim that there was no reset is not taken on trust.
  const claim = h.counterResetHint;
  const reset = detectReset(claim === CounterResetHint.Unknown ? h : { ...h, counterResetHint: 0 }, previous);
  return reset ? CounterResetHint.Reset : CounterResetHint.NotReset;
}

/** MergedSide walks one side of a histogram at a given resolution, from the first bucket that reaches beyond `threshold`. */
class MergedSide {
  index = 0;
  count = 0;
  private readonly spans: readonly Span[];
  private readonly buckets: Float64Array;
  private readonly schema: number;
  private readonly target: number;
  private readonly threshold: number;
  private span = 0;
  private inSpan = 0;
  private position = 0;
  private raw = 0;
  /** reached is true once a bucket reaches beyond the threshold; all later ones do too. */
  private reached: boolean;

  constructor(spans: readonly Span[], buckets: Float64Array, schema: number, target: number, threshold: number) {
    this.spans = spans;
    this.buckets = buckets;
    this.schema = schema;
    this.target = target;
    this.threshold = threshold;
    this.reached = threshold === 0;
    if (spans.length > 0) this.raw = spans[0].offset;
    this.settle();
  }

  /** settle moves past exhausted spans, so that `raw` is the index of the bucket at `position`. */
  private settle(): void {
    while (this.span < this.spans.length && this.inSpan >= this.spans[this.span].length) {
      this.span++;
      this.inSpan = 0;
      if (this.span < this.spans.length) this.raw += this.spans[this.span].offset;
    }
  }

  private ended(): boolean {
    return this.span >= this.spans.length || this.position >= this.buckets.length;
  }

  next(): boolean {
    for (;;) {
      if (this.ended()) return false;
      this.index = this.map(this.raw);
      this.count = 0;
      do {
        this.count += this.buckets[this.position];
        this.position++;
        this.inSpan++;
        this.raw++;
        this.settle();
      } while (!this.ended() && this.map(this.raw) === this.index);
      if (this.reached || exponentialBound(this.index, this.target) > this.threshold) {
        this.reached = true;
        return true;
      }
    }
  }

  private map(index: number): number {
    return this.schema === this.target ? index : targetIndex(index, this.schema, this.target);
  }
}

function bucketFell(
  h: Histogram,
  spans: readonly Span[],
  buckets: Float64Array,
  previous: Histogram,
  previousSpans: readonly Span[],
  previousBuckets: Float64Array,
): boolean {
  // Fast path: nothing to merge and nothing to skip, and the same buckets.
  if (h.schema === previous.schema && h.zeroThreshold === previous.zeroThreshold && sameSpans(spans, previousSpans)) {
    for (let i = 0; i < previousBuckets.length; i++) if (buckets[i] < previousBuckets[i]) return true;
    return false;
  }
  const now = new MergedSide(spans, buckets, h.schema, h.schema, h.zeroThreshold);
  const before = new MergedSide(previousSpans, previousBuckets, previous.schema, h.schema, h.zeroThreshold);
  let more = now.next();
  while (before.next()) {
    while (more && now.index < before.index) more = now.next();
    if (!more || now.index > before.index) {
      if (before.count !== 0) return true;
    } else if (now.count < before.count) {
      return true;
    }
  }
  return false;
}

/** commonBucketFell compares histograms of different custom bounds by the buckets between the bounds they have in common. */
function commonBucketFell(h: Histogram, previous: Histogram): boolean {
  const now = new RollUp(h);
  const before = new RollUp(previous);
  const a = h.customValues;
  const b = previous.customValues;
  const lengthA = a?.length ?? 0;
  const lengthB = b?.length ?? 0;
  let i = 0;
  let j = 0;
  while (i <= lengthA && j <= lengthB) {
    const boundA = i < lengthA ? a![i] : Infinity;
    const boundB = j < lengthB ? b![j] : Infinity;
    if (boundA === boundB) {
      if (now.upTo(boundA) < before.upTo(boundA)) return true;
      i++;
      j++;
    } else if (boundA < boundB) i++;
    else j++;
  }
  return false;
}

/** RollUp sums up the buckets of a histogram with custom bounds, from one bound to the next. */
class RollUp {
  private readonly side: MergedSide;
  private readonly bounds: Float64Array | undefined;
  private more: boolean;

  constructor(h: Histogram) {
    this.side = new MergedSide(h.positiveSpans, h.positiveBuckets, h.schema, h.schema, 0);
    this.bounds = h.customValues;
    this.more = this.side.next();
  }

  /** upTo sums the buckets that were not summed yet and end at or below `bound`. */
  upTo(bound: number): number {
    let sum = 0;
    while (this.more && this.upper() <= bound) {
      sum += this.side.count;
      this.more = this.side.next();
    }
    return sum;
  }

  private upper(): number {
    return this.bounds !== undefined && this.side.index < this.bounds.length ? this.bounds[this.side.index] : Infinity;
  }
}
