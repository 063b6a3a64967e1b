// Trimming keeps the observations of a histogram on one side of a value: PromQL's `</` keeps those below, `>/` those
// above. A bucket that contains the value is split by the interpolation its schema calls for. Once anything was cut,
// count and sum are estimated anew, each bucket contributing its middle; a trim that cuts nothing leaves them as they are.
import { copyHistogram, CUSTOM_BUCKETS_SCHEMA, type Histogram } from "./histogram.ts";
import { compactHistogram } from "./histogram-arithmetic.ts";
import { type BucketCursor, negativeBuckets, positiveBuckets } from "./histogram-buckets.ts";

/** trimHistogram returns a copy with the observations below `limit` (`keepBelow`) or above it. */
export function trimHistogram(h: Histogram, limit: number, keepBelow: boolean): Histogram {
  const trimmed = copyHistogram(h);
  const trim = new Trim(limit, keepBelow, h.schema === CUSTOM_BUCKETS_SCHEMA);
  const hasPositive = trim.side(positiveBuckets(h), trimmed.positiveBuckets, true);
  const hasNegative = trim.side(negativeBuckets(h), trimmed.negativeBuckets, false);
  if (trimmed.zeroCount > 0) {
    const lower = hasPositive && !hasNegative ? 0 : -h.zeroThreshold;
    const upper = hasNegative && !hasPositive ? 0 : h.zeroThreshold;
    trimmed.zeroCount = trim.zero(h.zeroCount, lower, upper);
  }
  if (!trim.changed) return trimmed;
  trimmed.count = trim.count;
  trimmed.sum = trim.sum;
  return compactHistogram(trimmed);
}

class Trim {
  changed = false;
  count = 0;
  sum = 0;
  private readonly limit: number;
  private readonly keepBelow: boolean;
  private readonly linear: boolean;
  /** kept and middle are what `split` finds for one bucket. */
  private kept = 0;
  private middle = 0;

  constructor(limit: number, keepBelow: boolean, linear: boolean) {
    this.limit = limit;
    this.keepBelow = keepBelow;
    this.linear = linear;
  }

  /** side trims the buckets of one side into `out` and tells whether any is populated. */
  side(bucket: BucketCursor & { readonly position: number }, out: Float64Array, positive: boolean): boolean {
    const { limit, keepBelow } = this;
    let populated = false;
    while (bucket.next()) {
      if (bucket.count === 0) continue;
      populated = true;
      const whole = keepBelow ? bucket.upper <= limit : bucket.lower >= limit;
      if (whole) {
        this.count += bucket.count;
        this.sum += this.middleOf(bucket.lower, bucket.upper, positive) * bucket.count;
      } else if (keepBelow ? bucket.lower < limit : bucket.upper > limit) {
        this.split(bucket, positive);
        this.count += this.kept;
        this.sum += this.middle * this.kept;
        this.set(out, bucket.position, this.kept);
      } else {
        this.set(out, bucket.position, 0);
      }
    }
    return populated;
  }

  private set(out: Float64Array, position: number, count: number): void {
    if (out[position] === count) return;
    out[position] = count;
    this.changed = true;
  }

  /** zero trims the zero bucket, in which observations are taken to be spread evenly. */
  zero(count: number, lower: number, upper: number): number {
    const { limit, keepBelow } = this;
    let kept: number;
    let middle: number;
    if (keepBelow ? limit >= upper : limit <= lower) {
      // When the bucket has no width (or no lower half) both sides hold at once; below comes first, as upstream.
      kept = keepBelow && limit <= lower ? 0 : count;
      middle = kept === 0 ? 0 : (lower + upper) / 2;
    } else if (keepBelow ? limit <= lower : limit >= upper) {
      kept = 0;
      middle = 0;
    } else if (keepBelow) {
      kept = count * ((limit - lower) / (upper - lower));
      middle = (lower + limit) / 2;
    } else {
      kept = count * ((upper - limit) / (upper - lower));
      middle = (limit + upper) / 2;
    }
    if (kept !== count) this.changed = true;
    this.sum += middle * kept;
    this.count += kept;
    return kept;
  }

  private split(bucket: BucketCursor, positive: boolean): void {
    const { lower, upper, count } = bucket;
    const { limit, keepBelow } = this;
    if (lower === -Infinity || upper === Infinity) {
      this.splitInfinite(lower, upper, count);
      return;
    }
    const below = this.below(lower, upper, count, positive);
    if (keepBelow) {
      this.kept = below;
      this.middle = this.middleOf(lower, limit, positive);
    } else {
      this.kept = count - below;
      this.middle = this.middleOf(limit, upper, positive);
    }
  }

  /** splitInfinite deals with buckets that have no end: what is in them is unknown, so they go whole unless 0 is a natural end. */
  private splitInfinite(lower: number, upper: number, count: number): void {
    const { limit, keepBelow } = this;
    if (lower === -Infinity) {
      if (keepBelow) {
        if (limit >= upper) return this.keep(count, 0);
        if (limit > 0 && upper > 0 && upper !== Infinity) return this.keep((count * limit) / upper, limit / 2);
        if (upper <= 0) return this.keep(count, limit);
      } else {
        if (limit <= lower) return this.keep(count, 0);
        if (limit >= 0 && upper > limit && upper !== Infinity) {
          return this.keep(count * (1 - limit / upper), (limit + upper) / 2);
        }
      }
      return this.keep(0, upper === Infinity ? 0 : upper);
    }
    if (!keepBelow && limit >= lower) return this.keep(count, limit);
    return this.keep(0, lower);
  }

  private keep(kept: number, middle: number): void {
    this.kept = kept;
    this.middle = middle;
  }

  /** below is the part of a bucket's count that lies at or below the limit. */
  private below(lower: number, upper: number, count: number, positive: boolean): number {
    const { limit } = this;
    if (limit <= lower) return 0;
    if (limit >= upper) return count;
    if (this.linear) return count * ((limit - lower) / (upper - lower));
    const logLower = Math.log2(Math.abs(lower));
    const logUpper = Math.log2(Math.abs(upper));
    const logLimit = Math.log2(Math.abs(limit));
    if (positive) return count * ((logLimit - logLower) / (logUpper - logLower));
    return count * (1 - (logLimit - logUpper) / (logLower - logUpper));
  }

  /** middleOf is the value that stands for the observations between two bounds. */
  private middleOf(lower: number, upper: number, positive: boolean): number {
    if (lower === -Infinity || lower === Infinity) {
      if (upper === Infinity || upper === -Infinity) return 0;
      return upper > 0 ? upper / 2 : upper;
    }
    if (upper === Infinity || upper === -Infinity) return lower;
    if (this.linear) return (lower + upper) / 2;
    const mean = Math.sqrt(Math.abs(lower * upper));
    return positive ? mean : -mean;
  }
}
