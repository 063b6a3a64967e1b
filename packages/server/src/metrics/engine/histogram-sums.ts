// Running sums and averages of histograms, compensated as for floats. Both are fed one histogram after the other;
// what they are fed is not changed.
import {
  addHistogram,
  copyHistogram,
  CounterResetHint,
  divideHistogram,
  hasOverflow,
  type Histogram,
  HistogramAddFlags,
  histogramsCompatible,
  kahanAddHistogram,
  multiplyHistogram,
} from "@belfry/core/model";

/** HistogramSum adds up histograms, or averages them. */
export class HistogramSum {
  /** incompatible: exponential and custom buckets met; there is no result. */
  incompatible = false;
  /** reconciled: custom bounds differed. */
  reconciled = false;
  private resetSeen = false;
  private notResetSeen = false;
  private count = 1;
  private sum: Histogram;
  private compensation: Histogram | undefined;
  private readonly isAvg: boolean;
  /** mean replaces `sum` once that would overflow; only for averages. */
  private mean: Histogram | undefined;

  constructor(first: Histogram, isAvg: boolean) {
    this.sum = copyHistogram(first);
    this.isAvg = isAvg;
    this.see(first);
  }

  /** collision: some histograms say there was a counter reset before them, others that there was not. */
  get collision(): boolean {
    return this.resetSeen && this.notResetSeen;
  }

  private see(histogram: Histogram): void {
    if (histogram.counterResetHint === CounterResetHint.Reset) this.resetSeen = true;
    else if (histogram.counterResetHint === CounterResetHint.NotReset) this.notResetSeen = true;
  }

  add(histogram: Histogram): void {
    if (this.incompatible) return;
    this.see(histogram);
    if (!histogramsCompatible(this.sum, histogram)) {
      this.incompatible = true;
      return;
    }
    this.count++;
    if (this.isAvg && (this.mean !== undefined || mayOverflow(this.sum, histogram))) this.addCarefully(histogram);
    else this.compensation = this.addTo(this.sum, histogram, this.compensation);
  }

  private addTo(sum: Histogram, histogram: Histogram, compensation: Histogram | undefined): Histogram {
    const result = kahanAddHistogram(sum, histogram, compensation);
    if (result.flags & HistogramAddFlags.BoundsReconciled) this.reconciled = true;
    return result.compensation;
  }

  // Slow path: the sum is, or is about to be, too large; the mean is not.
  private addCarefully(histogram: Histogram): void {
    const { count } = this;
    if (this.mean === undefined) {
      const sum = copyHistogram(this.sum);
      const compensation = this.addTo(
        sum,
        histogram,
        this.compensation === undefined ? undefined : copyHistogram(this.compensation),
      );
      if (!hasOverflow(sum)) {
        this.sum = sum;
        this.compensation = compensation;
        return;
      }
      this.mean = divideHistogram(copyHistogram(this.sum), count - 1);
      if (this.compensation !== undefined) divideHistogram(this.compensation, count - 1);
    }
    const q = (count - 1) / count;
    if (this.compensation !== undefined) multiplyHistogram(this.compensation, q);
    this.compensation = this.addTo(
      multiplyHistogram(this.mean, q),
      divideHistogram(copyHistogram(histogram), count),
      this.compensation,
    );
  }

  /** result is the sum or the average so far; nothing may be added afterwards. Not compacted. */
  result(): Histogram {
    const { compensation, count } = this;
    const total = this.mean ?? this.sum;
    if (this.isAvg && this.mean === undefined) {
      divideHistogram(total, count);
      if (compensation !== undefined) divideHistogram(compensation, count);
    }
    if (compensation !== undefined) addHistogram(total, compensation);
    return total;
  }
}

// Far from the largest float nothing can overflow, and no copy is needed to find out.
const SAFE = 1e300;

function mayOverflow(a: Histogram, b: Histogram): boolean {
  return !(Math.abs(a.sum) + Math.abs(b.sum) < SAFE && Math.abs(a.count) + Math.abs(b.count) < SAFE);
}
