// Classic histograms are series of cumulative counts, one per upper bound (`le`). ClassicBuckets collects those of one
// group and estimates quantiles and fractions from them. It keeps columns and is made to be reused.
//
// Counts must not fall as bounds rise, or no quantile could be found. Differences that are only rounding are levelled
// silently; real decreases are levelled too but reported, because they point at broken data.

// Relative differences up to this are rounding errors, not observations. Upstream found 1e-5..1e-15 safe on real data.
const SMALL_DELTA_TOLERANCE = 1e-12;
const SMALLEST_NORMAL = 2.2250738585072014e-308;

/** almostEqual tells whether two numbers differ by less than the relative tolerance; NaN equals NaN. */
export function almostEqual(a: number, b: number, tolerance: number): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  const sum = Math.abs(a) + Math.abs(b);
  const difference = Math.abs(a - b);
  if (a === 0 || b === 0 || sum < SMALLEST_NORMAL) return difference < tolerance * SMALLEST_NORMAL;
  return difference / Math.min(sum, Number.MAX_VALUE) < tolerance;
}

/** ClassicBuckets is the buckets of one classic histogram at one time. */
export class ClassicBuckets {
  length = 0;
  /** bounds and counts mean something up to `length`; quantile and fraction sort and merge them. */
  bounds = new Float64Array(16);
  counts = new Float64Array(16);
  /** forcedMonotonic says that the last quantile() had to level a real decrease between minBucket and maxBucket, of at most maxDiff. */
  forcedMonotonic = false;
  /** fixedPrecision says that the last quantile() levelled rounding errors. */
  fixedPrecision = false;
  minBucket = 0;
  maxBucket = 0;
  maxDiff = 0;

  clear(): void {
    this.length = 0;
  }

  /** push adds the cumulative count of observations up to `bound`; any order, also several of one bound. */
  push(bound: number, count: number): void {
    if (this.length === this.bounds.length) {
      const bounds = new Float64Array(2 * this.length);
      const counts = new Float64Array(2 * this.length);
      bounds.set(this.bounds);
      counts.set(this.counts);
      this.bounds = bounds;
      this.counts = counts;
    }
    this.bounds[this.length] = bound;
    this.counts[this.length] = count;
    this.length++;
  }

  /** quantile estimates the q-quantile; NaN unless there are a +Inf bucket, another one, and observations. */
  quantile(q: number): number {
    this.forcedMonotonic = false;
    this.fixedPrecision = false;
    this.minBucket = 0;
    this.maxBucket = 0;
    this.maxDiff = 0;
    if (Number.isNaN(q)) return NaN;
    if (q < 0) return -Infinity;
    if (q > 1) return Infinity;
    this.normalize();
    const { bounds, counts } = this;
    const last = this.length - 1;
    if (last < 0 || bounds[last] !== Infinity) return NaN;
    this.level();
    if (last < 1) return NaN;
    const observations = counts[last];
    if (observations === 0) return NaN;
    let rank = q * observations;
    let low = 0;
    let high = last;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (counts[middle] >= rank) high = middle;
      else low = middle + 1;
    }
    if (low === last) return bounds[last - 1];
    if (low === 0 && bounds[0] <= 0) return bounds[0];
    let start = 0;
    let count = counts[low];
    if (low > 0) {
      start = bounds[low - 1];
      count -= counts[low - 1];
      rank -= counts[low - 1];
    }
    return start + (bounds[low] - start) * (rank / count);
  }

  /** fraction estimates the fraction of observations between two values. */
  fraction(lower: number, upper: number): number {
    this.normalize();
    const { bounds, counts } = this;
    const last = this.length - 1;
    if (last < 0 || bounds[last] !== Infinity) return NaN;
    const total = counts[last];
    if (total === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return NaN;
    if (lower >= upper) return 0;
    let rank = 0;
    let lowerRank = 0;
    let upperRank = 0;
    let lowerSet = false;
    let upperSet = false;
    let from = bounds[0] <= 0 ? -Infinity : 0;
    for (let i = 0; i <= last; i++) {
      if (i > 0) from = bounds[i - 1];
      const to = bounds[i];
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
        lowerRank = interpolate(lower, from, to, rank, counts[i]);
        lowerSet = true;
      }
      if (!upperSet && from < upper && to > upper) {
        upperRank = interpolate(upper, from, to, rank, counts[i]);
        upperSet = true;
      }
      if (lowerSet && upperSet) break;
      rank = counts[i];
    }
    if (!lowerSet || lowerRank > total) lowerRank = total;
    if (!upperSet || upperRank > total) upperRank = total;
    return (upperRank - lowerRank) / total;
  }

  /** normalize sorts by bound and merges buckets of the same bound. */
  private normalize(): void {
    const { bounds, counts } = this;
    // Insertion sort: buckets nearly always come sorted, and there are few.
    for (let i = 1; i < this.length; i++) {
      const bound = bounds[i];
      if (!(bounds[i - 1] > bound)) continue;
      const count = counts[i];
      let j = i;
      for (; j > 0 && bounds[j - 1] > bound; j--) {
        bounds[j] = bounds[j - 1];
        counts[j] = counts[j - 1];
      }
      bounds[j] = bound;
      counts[j] = count;
    }
    let n = 0;
    for (let i = 0; i < this.length; i++) {
      if (n > 0 && bounds[n - 1] === bounds[i]) {
        counts[n - 1] += counts[i];
      } else {
        bounds[n] = bounds[i];
        counts[n] = counts[i];
        n++;
      }
    }
    this.length = n;
  }

  /** level removes decreases. What is kept is the last count that was not levelled. */
  private level(): void {
    const { bounds, counts } = this;
    this.minBucket = Infinity;
    this.maxBucket = -Infinity;
    let previous = counts[0];
    for (let i = 1; i < this.length; i++) {
      const current = counts[i];
      if (current === previous) continue;
      if (almostEqual(previous, current, SMALL_DELTA_TOLERANCE)) {
        counts[i] = previous;
        this.fixedPrecision = true;
      } else if (current < previous) {
        counts[i] = previous;
        this.forcedMonotonic = true;
        if (bounds[i] < this.minBucket) this.minBucket = bounds[i];
        if (bounds[i] > this.maxBucket) this.maxBucket = bounds[i];
        if (previous - current > this.maxDiff) this.maxDiff = previous - current;
      } else {
        previous = current;
      }
    }
  }
}

function interpolate(value: number, from: number, to: number, rank: number, count: number): number {
  if (from === -Infinity) return count;
  return rank + ((count - rank) * (value - from)) / (to - from);
}
