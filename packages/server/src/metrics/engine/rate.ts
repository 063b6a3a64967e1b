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

  update({ times, lo, hi, version }: RangeWindows, bounds: RateBounds, kind: RateKind): void {
    if (version === this.version) return;
    this.version = version;
    const steps = lo.length;
    if (this.factor.length < steps) {
      this.sampled = new Float64Array(steps);
      this.toStart = new Float64Array(steps);
      this.toEnd = new Float64Array(steps);
      this.factor = new Float64Array(steps);
    }
    const { rangeMs, stepMs } = bounds;
    let rangeEnd = bounds.firstEndMs - stepMs;
    for (let s = 0; s < steps; s++) {
      rangeEnd += stepMs;
      const first = lo[s]!;
      const last = hi[s]! - 1;
      if (last <= first) continue;
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
    }
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
  const { values, lo, hi } = windows;
  const { sampled, toStart, toEnd, factor } = geometry;
  const out = row.values;
  const present = row.present;
  const steps = row.to;
  const { isCounter } = kind;
  const resets = isCounter ? findResets(values, windows.n) : 0;
  let firstReset = 0;
  let count = 0;
  for (let s = 0; s < steps; s++) {
    const first = lo[s]!;
    const last = hi[s]! - 1;
    if (last <= first) {
      present[s] = ABSENT;
      continue;
    }
    const firstValue = values[first]!;
    let result = values[last]! - firstValue;
    if (resets > 0) {
      while (firstReset < resets && resetIndices[firstReset]! <= first) firstReset++;
      for (let r = firstReset; r < resets && resetIndices[r]! <= last; r++) result += values[resetIndices[r]! - 1]!;
    }
    present[s] = FLOAT;
    count++;
    // A counter cannot have been below zero, so extrapolation to the left ends where it would have been zero. Most
    // counters are far above: the products decide that without a division, with room for rounding.
    if (isCounter && result > 0 && firstValue >= 0 && sampled[s]! * firstValue < 1.000001 * (toStart[s]! * result)) {
      const toZero = sampled[s]! * (firstValue / result);
      if (toZero < toStart[s]!) {
        out[s] = result * factorOf(sampled[s]!, toZero, toEnd[s]!, bounds.rangeMs, kind.isRate);
        continue;
      }
    }
    out[s] = result * factor[s]!;
  }
  return count;
}
