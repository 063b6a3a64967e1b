// The zero bucket has a width of its own, so before two histograms can be added, subtracted or compared, their zero
// buckets are made equally wide: the narrower one grows, swallowing buckets near zero. It may only end where a
// bucket ends, or inside an unpopulated one; where it would end inside a populated bucket it grows to the end of that.
import type { Histogram } from "./histogram.ts";
import { negativeBuckets, positiveBuckets } from "./histogram-buckets.ts";
import { compactLayout } from "./histogram-layout.ts";
import { kahanError } from "./kahan.ts";

/** WidenedZero is what a zero bucket would be at a larger threshold. */
export interface WidenedZero {
  count: number;
  /** error is the error term of `count`; 0 when no compensation was given. */
  error: number;
  threshold: number;
}

/** widenZero computes the zero bucket of `h` for a threshold that is not below the present one, without changing `h`. */
export function widenZero(h: Histogram, threshold: number, compensation?: Histogram): WidenedZero {
  if (threshold === h.zeroThreshold) return { count: h.zeroCount, error: compensation?.zeroCount ?? 0, threshold };
  if (threshold < h.zeroThreshold) {
    throw new RangeError(`BUG: new threshold ${threshold} is less than old threshold ${h.zeroThreshold}`);
  }
  let error = compensation?.zeroCount ?? 0;
  for (;;) {
    let count = h.zeroCount;
    const merge = (increment: number): void => {
      error = kahanError(increment, count, error);
      count += increment;
    };
    const positive = positiveBuckets(h);
    while (positive.next() && positive.lower < threshold) {
      merge(positive.count);
      if (compensation) merge(compensation.positiveBuckets[positive.position]);
      if (positive.upper > threshold) {
        if (positive.count !== 0) threshold = positive.upper;
        break;
      }
    }
    let again = false;
    const negative = negativeBuckets(h);
    while (negative.next() && negative.upper > -threshold) {
      merge(negative.count);
      if (compensation) merge(compensation.negativeBuckets[negative.position]);
      if (negative.lower < -threshold) {
        if (negative.count !== 0) {
          // The positive side was merged for a threshold that is too small now.
          threshold = -negative.lower;
          again = true;
        }
        break;
      }
    }
    if (!again) return { count, error: compensation ? error : 0, threshold };
    error = compensation?.zeroCount ?? 0;
  }
}

/**
 * reconcileZeroBuckets widens the zero bucket of `h` (and of its compensation) until it is as wide as that of `other` can
 * be made, and returns the zero count `other` has then. `other` stays as it is.
 */
export function reconcileZeroBuckets(h: Histogram, other: Histogram, compensation?: Histogram): number {
  let otherCount = other.zeroCount;
  let otherThreshold = other.zeroThreshold;
  while (otherThreshold !== h.zeroThreshold) {
    if (h.zeroThreshold > otherThreshold) {
      const widened = widenZero(other, h.zeroThreshold);
      otherCount = widened.count;
      otherThreshold = widened.threshold;
    }
    if (otherThreshold > h.zeroThreshold) {
      const widened = widenZero(h, otherThreshold, compensation);
      h.zeroCount = widened.count;
      h.zeroThreshold = widened.threshold;
      if (compensation) compensation.zeroCount = widened.error;
      dropBucketsInZero(h, compensation);
    }
    // A threshold that is not a number never becomes equal to anything.
    if (Number.isNaN(otherThreshold) || Number.isNaN(h.zeroThreshold)) break;
  }
  return otherCount;
}

/** dropBucketsInZero removes the buckets that the zero bucket covers now; their counts are in it already. */
function dropBucketsInZero(h: Histogram, compensation: Histogram | undefined): void {
  const positive = positiveBuckets(h);
  while (positive.next() && positive.lower < h.zeroThreshold) {
    h.positiveBuckets[positive.position] = 0;
    if (compensation) compensation.positiveBuckets[positive.position] = 0;
  }
  const negative = negativeBuckets(h);
  while (negative.next() && negative.upper > -h.zeroThreshold) {
    h.negativeBuckets[negative.position] = 0;
    if (compensation) compensation.negativeBuckets[negative.position] = 0;
  }
  compactWithCompensation(h, compensation);
}

/** compactWithCompensation drops empty buckets of `h` and the same ones of its compensation. */
function compactWithCompensation(h: Histogram, compensation: Histogram | undefined): void {
  const positive = compactLayout(
    { spans: h.positiveSpans, buckets: h.positiveBuckets, compensation: compensation?.positiveBuckets },
    0,
  );
  const negative = compactLayout(
    { spans: h.negativeSpans, buckets: h.negativeBuckets, compensation: compensation?.negativeBuckets },
    0,
  );
  h.positiveSpans = positive.spans;
  h.positiveBuckets = positive.buckets;
  h.negativeSpans = negative.spans;
  h.negativeBuckets = negative.buckets;
  if (compensation) {
    compensation.positiveSpans = positive.spans;
    compensation.positiveBuckets = positive.compensation!;
    compensation.negativeSpans = negative.spans;
    compensation.negativeBuckets = negative.compensation!;
  }
}
