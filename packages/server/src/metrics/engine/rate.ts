// rate, increase and delta over floats. The result is the difference of the last and first sample of a window,
// corrected for counter resets between them, and extrapolated to the borders of the window unless the samples
// stop so far from a border that the series probably does too.
import { ABSENT, FLOAT, type Row } from "./row.ts";
import type { RangeWindows } from "./windows.ts";

/** RateKind selects one of the three functions. */
export interface RateKind {
  /** isCounter: resets are corrected and zero is a lower bound (rate, increase). */
  isCounter: boolean;
  /** isRate: the result is per second (rate). */
  isRate: boolean;
}

/** RateBounds are the ends of the windows as the selector wrote them (not widened). */
export interface RateBounds {
  /** firstEndMs is the end of the first step's window; each further one is stepMs later. */
  firstEndMs: number;
  stepMs: number;
  rangeMs: number;
}

let resetIndices = new Int32Array(64);

// findResets lists the samples that are smaller than their predecessor, in `resetIndices`.
function findResets(values: Float64Array, n: number): number {
  let count = 0;
  let previous = values[0]!;
  for (let i = 1; i < n; i++) {
    const value = values[i]!;
    if (value < previous) {
      if (count === resetIndices.length) {
        const grown = new Int32Array(count * 2);
        grown.set(resetIndices);
        resetIndices = grown;
      }
      resetIndices[count++] = i;
    }
    previous = value;
  }
  return count;
}

/**
 * RateGeometry is what of a rate depends on the times of the samples only: how much is sampled at each step, how far
 * it is to the borders, and the factor that extrapolates. It is computed again when the windows change.
 */
export class RateGeometry {
  private version = -1;
  sampled = new Float64Array(0);
  toStart = new Float64Array(0);
  toEnd = new Float64Array(0);
  factor = new Float64Array(0);
  /**
   * zeroLimit tells cheaply whether a counter may have been zero within the window: only if its increase is more than
   * its first value times this. NaN where zero is no bound. It leaves room for rounding, so the exact test must follow.
   */
  zeroLimit = new Float64Array(0);
  /** complete: every step has the two samples that a rate needs. */
  complete = false;

  update({ times, lo, hi, version }: RangeWindows, bounds: RateBounds, kind: RateKind): void {
    if (version === this.version) return;
    this.version = version;
    const steps = lo.length;
    if (this.factor.length < steps) {
      this.sampled = new Float64Array(steps);
      this.toStart = new Float64Array(steps);
      this.toEnd = new Float64Array(steps);
      this.factor = new Float64Array(steps);
      this.zeroLimit = new Float64Array(steps);
    }
    const { rangeMs, stepMs } = bounds;
    this.complete = true;
    let rangeEnd = bounds.firstEndMs - stepMs;
    for (let s = 0; s < steps; s++) {
      rangeEnd += stepMs;
      const first = lo[s]!;
      const last = hi[s]! - 1;
      if (last <= first) {
        this.complete = false;
        continue;
      }
      const firstTime = times[first]!;
      const lastTime = times[last]!;
      let toStart = (firstTime - (rangeEnd - rangeMs)) / 1000;
      let toEnd = (rangeEnd - lastTime) / 1000;
      const sampled = (lastTime - firstTime) / 1000;
      const average = sampled / (last - first);
      const threshold = average * 1.1;
      if (toStart >= threshold) toStart = average / 2;
      if (toEnd >= threshold) toEnd = average / 2;
      this.sampled[s] = sampled;
      this.toStart[s] = toStart;
      this.toEnd[s] = toEnd;
      this.factor[s] = factorOf(sampled, toStart, toEnd, rangeMs, kind.isRate);
      this.zeroLimit[s] = kind.isCounter ? (sampled / toStart) * 0.999999 : NaN;
    }
  }

  /** scaled is `increase` extrapolated to the window at a step, for a window that begins with `firstValue`. */
  scaled(s: number, firstValue: number, increase: number, bounds: RateBounds, kind: RateKind): number {
    if (increase > 0 && firstValue >= 0) {
      // A counter cannot have been below zero: extrapolate to where it would have been zero, not further.
      const toZero = this.sampled[s]! * (firstValue / increase);
      if (toZero < this.toStart[s]!) {
        return increase * factorOf(this.sampled[s]!, toZero, this.toEnd[s]!, bounds.rangeMs, kind.isRate);
      }
    }
    return increase * this.factor[s]!;
  }
}

function factorOf(sampled: number, toStart: number, toEnd: number, rangeMs: number, isRate: boolean): number {
  const factor = sampled === 0 ? 1 : (sampled + toStart + toEnd) / sampled;
  return isRate ? factor / (rangeMs / 1000) : factor;
}

/** extrapolatedRate fills `row` from the floats of `windows` and returns how many steps have a result. */
export function extrapolatedRate(
  windows: RangeWindows,
  row: Row,
  bounds: RateBounds,
  kind: RateKind,
  geometry: RateGeometry,
): number {
  geometry.update(windows, bounds, kind);
  const resets = kind.isCounter ? findResets(windows.values, windows.n) : 0;
  if (resets > 0 || !geometry.complete) return withGaps(windows, row, bounds, kind, geometry, resets);
  // Fast path: no resets, and a result at every step.
  const { values, lo, hi } = windows;
  const { factor, zeroLimit } = geometry;
  const out = row.values;
  const { from, to } = row;
  for (let s = from; s < to; s++) {
    const firstValue = values[lo[s]!]!;
    const increase = values[hi[s]! - 1]! - firstValue;
    out[s] =
      increase > firstValue * zeroLimit[s]!
        ? geometry.scaled(s, firstValue, increase, bounds, kind)
        : increase * factor[s]!;
  }
  row.present.fill(FLOAT, from, to);
  return to - from;
}

function withGaps(
  windows: RangeWindows,
  row: Row,
  bounds: RateBounds,
  kind: RateKind,
  geometry: RateGeometry,
  resets: number,
): number {
  const { values, lo, hi } = windows;
  const { factor, zeroLimit } = geometry;
  const out = row.values;
  const { present, to } = row;
  const resetAt = resetIndices;
  let firstReset = 0;
  let count = 0;
  for (let s = row.from; s < to; s++) {
    const first = lo[s]!;
    const last = hi[s]! - 1;
    if (last <= first) {
      present[s] = ABSENT;
      continue;
    }
    const firstValue = values[first]!;
    let increase = values[last]! - firstValue;
    while (firstReset < resets && resetAt[firstReset]! <= first) firstReset++;
    for (let r = firstReset; r < resets && resetAt[r]! <= last; r++) increase += values[resetAt[r]! - 1]!;
    out[s] =
      increase > firstValue * zeroLimit[s]!
        ? geometry.scaled(s, firstValue, increase, bounds, kind)
        : increase * factor[s]!;
    present[s] = FLOAT;
    count++;
  }
  return count;
}
