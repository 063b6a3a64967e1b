// What is known of counter resets travels with histograms as hints, and some results depend on hints that upstream
// derives along the way.
import { CounterResetHint, detectReset, type Histogram } from "@belfry/core/model";

/**
 * withDetectedReset gives a histogram without a hint the one that comparing it with its predecessor yields. Upstream
 * does so where only count and sum of histograms are used, because it throws the buckets away before anything could
 * compare them; the hints show in warnings about conflicting resets.
 */
export function withDetectedReset(histogram: Histogram, previous: Histogram | undefined): Histogram {
  if (histogram.counterResetHint !== CounterResetHint.Unknown || previous === undefined) return histogram;
  const hint = detectReset(histogram, previous) ? CounterResetHint.Reset : CounterResetHint.NotReset;
  return { ...histogram, counterResetHint: hint };
}

/**
 * withoutResetHint is for samples of a subquery, which may skip or repeat the one that knows of a reset, so that
 * their hints must not be trusted.
 */
export function withoutResetHint(histogram: Histogram): Histogram {
  const hint = histogram.counterResetHint;
  if (hint !== CounterResetHint.Reset && hint !== CounterResetHint.NotReset) return histogram;
  return { ...histogram, counterResetHint: CounterResetHint.Unknown };
}
