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

/** extrapolatedRate fills `row` from the floats of `windows` and returns how many steps have a result. */
export function extrapolatedRate(windows: RangeWindows, row: Row, bounds: RateBounds, kind: RateKind): number {
  const { times, values, lo, hi } = windows;
  const out = row.values;
  const present = row.present;
  const steps = row.to;
  const { isCounter, isRate } = kind;
  const { rangeMs, stepMs } = bounds;
  const rangeSeconds = rangeMs / 1000;
  const resets = isCounter ? findResets(values, windows.n) : 0;
  let firstReset = 0;
  let count = 0;
  let rangeEnd = bounds.firstEndMs - stepMs;
  for (let s = 0; s < steps; s++) {
    rangeEnd += stepMs;
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
    const firstTime = times[first]!;
    const lastTime = times[last]!;
    let toStart = (firstTime - (rangeEnd - rangeMs)) / 1000;
    let toEnd = (rangeEnd - lastTime) / 1000;
    const sampled = (lastTime - firstTime) / 1000;
    const average = sampled / (last - first);
    const threshold = average * 1.1;
    if (toStart >= threshold) toStart = average / 2;
    if (isCounter && result > 0 && firstValue >= 0) {
      // A counter cannot have been below zero: do not extrapolate past the point where it would have been.
      const toZero = sampled * (firstValue / result);
      if (toZero < toStart) toStart = toZero;
    }
    if (toEnd >= threshold) toEnd = average / 2;
    let factor = 1;
    if (sampled !== 0) factor = (sampled + toStart + toEnd) / sampled;
    if (isRate) factor /= rangeSeconds;
    out[s] = result * factor;
    present[s] = FLOAT;
    count++;
  }
  return count;
}
