// Quantiles, fractions and deviations of native histograms. Within a bucket observations are taken to be spread evenly
// on a logarithmic scale for exponential buckets, on a linear one for custom buckets and in the zero bucket. A zero
// bucket ends at 0 on the side on which the histogram has no buckets.
//
// Observations that are NaN are counted but lie in no bucket, and then the sum is NaN too; the results tell.
import { CUSTOM_BUCKETS_SCHEMA, type Histogram } from "./histogram.ts";
import { allBuckets, allBucketsReverse } from "./histogram-buckets.ts";
import { kahanError } from "./kahan.ts";

/** NaNObservations tells what observations of NaN did to a quantile: nothing, made it NaN, or made it higher than it is. */
export const NaNObservations = { None: 0, Result: 1, Skew: 2 } as const;
export type NaNObservations = (typeof NaNObservations)[keyof typeof NaNObservations];

/** HistogramQuantile is a quantile and what NaN observations did to it. */
export interface HistogramQuantile {
  value: number;
  nan: NaNObservations;
}

/** histogramQuantile estimates the q-quantile. NaN without observations or for a NaN q, -Inf below 0, +Inf above 1. */
export function histogramQuantile(q: number, h: Histogram): HistogramQuantile {
  const result: HistogramQuantile = { value: NaN, nan: NaNObservations.None };
  result.value = quantile(q, h, result);
  return result;
}

function quantile(q: number, h: Histogram, result: HistogramQuantile): number {
  if (q < 0) return -Infinity;
  if (q > 1) return Infinity;
  if (h.count === 0 || Number.isNaN(q)) return NaN;
  const sumIsNaN = Number.isNaN(h.sum);
  const custom = h.schema === CUSTOM_BUCKETS_SCHEMA;
  // NaN observations rank above everything, so only the walk from below is right when there are any.
  const forward = sumIsNaN || q < 0.5;
  const bucket = forward ? allBuckets(h) : allBucketsReverse(h);
  let rank = forward ? q * h.count : (1 - q) * h.count;
  let count = 0;
  while (bucket.next()) {
    if (bucket.count === 0) continue;
    count += bucket.count;
    if (count >= rank) break;
  }
  let { lower, upper } = bucket;
  const bucketCount = bucket.count;
  if (custom) {
    if (lower === -Infinity) {
      if (upper <= 0) return upper;
      lower = 0;
    } else if (upper === Infinity) {
      return lower;
    }
  } else if (lower < 0 && upper > 0) {
    if (h.negativeBuckets.length === 0 && h.positiveBuckets.length > 0) lower = 0;
    else if (h.positiveBuckets.length === 0 && h.negativeBuckets.length > 0) upper = 0;
  }
  // Counts of buckets may add up to a little more than the total.
  if (count > h.count) count = h.count;
  if (count < rank) {
    if (sumIsNaN) {
      result.nan = NaNObservations.Result;
      return NaN;
    }
    return upper;
  }
  rank = forward ? rank - (count - bucketCount) : count - rank;
  if (sumIsNaN) {
    // A sum of NaN may also come from both infinities; it was NaN observations if buckets hold less than the total.
    while (bucket.next()) count += bucket.count;
    if (count < h.count) result.nan = NaNObservations.Skew;
  }
  const fraction = rank / bucketCount;
  if (custom || (lower <= 0 && upper >= 0)) return lower + (upper - lower) * fraction;
  const logLower = Math.log2(Math.abs(lower));
  const logUpper = Math.log2(Math.abs(upper));
  if (lower > 0) return 2 ** (logLower + (logUpper - logLower) * fraction);
  return -(2 ** (logUpper + (logLower - logUpper) * (1 - fraction)));
}

/** HistogramFraction is a fraction, and whether there were NaN observations, which are in no fraction. */
export interface HistogramFraction {
  value: number;
  nan: boolean;
}

/** histogramFraction estimates the fraction of observations between two values; the inverse of histogramQuantile. */
export function histogramFraction(lower: number, upper: number, h: Histogram): HistogramFraction {
  if (h.count === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return { value: NaN, nan: false };
  if (lower >= upper) return { value: 0, nan: false };
  const custom = h.schema === CUSTOM_BUCKETS_SCHEMA;
  const bucket = allBuckets(h);
  let total = 0;
  let rank = 0;
  let lowerRank = 0;
  let upperRank = 0;
  let lowerSet = false;
  let upperSet = false;
  while (bucket.next()) {
    total += bucket.count;
    let from = bucket.lower;
    let to = bucket.upper;
    let linear = custom;
    if (from <= 0 && to >= 0) {
      linear = true;
      if (h.negativeBuckets.length === 0 && h.positiveBuckets.length > 0) from = 0;
      else if (h.positiveBuckets.length === 0 && h.negativeBuckets.length > 0) to = 0;
    }
    if (!lowerSet && from >= lower) {
      lowerRank = rank;
      lowerSet = true;
    }
    if (!upperSet && from >= upper) {
      upperRank = rank;
      upperSet = true;
    }
    if (lowerSet && upperSet) break;
    if (!lowerSet && from < lower && to > lower) {
      lowerRank = rankWithin(lower, from, to, bucket.count, rank, linear);
      lowerSet = true;
    }
    if (!upperSet && from < upper && to > upper) {
      upperRank = rankWithin(upper, from, to, bucket.count, rank, linear);
      upperSet = true;
    }
    if (lowerSet && upperSet) break;
    rank += bucket.count;
  }
  let nan = false;
  if (Number.isNaN(h.sum)) {
    while (bucket.next()) total += bucket.count;
    nan = total < h.count;
  } else {
    total = h.count;
  }
  if (!lowerSet || lowerRank > total) lowerRank = total;
  if (!upperSet || upperRank > total) upperRank = total;
  return { value: (upperRank - lowerRank) / h.count, nan };
}

function rankWithin(value: number, from: number, to: number, count: number, rank: number, linear: boolean): number {
  if (linear) {
    // Nothing can be interpolated towards -Inf; towards +Inf the division takes care of itself.
    if (from === -Infinity) return count;
    return rank + (count * (value - from)) / (to - from);
  }
  const logFrom = Math.log2(Math.abs(from));
  const logTo = Math.log2(Math.abs(to));
  const logValue = Math.log2(Math.abs(value));
  const fraction = value > 0 ? (logValue - logFrom) / (logTo - logFrom) : 1 - (logValue - logTo) / (logFrom - logTo);
  return rank + count * fraction;
}

/** histogramVariance estimates the variance of the observations; each counts as the middle of its bucket. */
export function histogramVariance(h: Histogram): number {
  const mean = h.sum / h.count;
  const custom = h.schema === CUSTOM_BUCKETS_SCHEMA;
  const bucket = allBuckets(h);
  let variance = 0;
  let error = 0;
  while (bucket.next()) {
    if (bucket.count === 0) continue;
    let value: number;
    if (custom) {
      value = (bucket.upper + bucket.lower) / 2;
    } else if (bucket.lower <= 0 && bucket.upper >= 0) {
      value = 0;
    } else {
      value = Math.sqrt(bucket.upper * bucket.lower);
      if (bucket.upper < 0) value = -value;
    }
    const delta = value - mean;
    const increment = bucket.count * delta * delta;
    error = kahanError(increment, variance, error);
    variance += increment;
  }
  return (variance + error) / h.count;
}

/** histogramDeviation estimates the standard deviation of the observations. */
export function histogramDeviation(h: Histogram): number {
  return Math.sqrt(histogramVariance(h));
}

/** histogramAverage is the mean of the observations. */
export function histogramAverage(h: Histogram): number {
  return h.sum / h.count;
}
