// deriv, predict_linear and double_exponential_smoothing: a line, or a smoothed level, through the floats of a window.
import { formatFixed6 } from "./go-format.ts";
import { executionError } from "./query-error.ts";
import { ABSENT, FLOAT, type Frame, type Row } from "./row.ts";
import type { RangeWindows } from "./windows.ts";

let slope = 0;
let intercept = 0;

// regress fits a line by least squares; the intercept is the value at `zeroMs`. Results are left in `slope` and `intercept`.
function regress(times: Float64Array, values: Float64Array, from: number, to: number, zeroMs: number): void {
  const first = values[from]!;
  let constant = true;
  let sumX = 0;
  let cX = 0;
  let sumY = 0;
  let cY = 0;
  let sumXY = 0;
  let cXY = 0;
  let sumX2 = 0;
  let cX2 = 0;
  for (let i = from; i < to; i++) {
    const y = values[i]!;
    if (constant && i > from && y !== first) constant = false;
    const x = (times[i]! - zeroMs) / 1000;
    const xy = x * y;
    const x2 = x * x;
    let total = sumX + x;
    cX = compensation(cX, sumX, x, total);
    sumX = total;
    total = sumY + y;
    cY = compensation(cY, sumY, y, total);
    sumY = total;
    total = sumXY + xy;
    cXY = compensation(cXY, sumXY, xy, total);
    sumXY = total;
    total = sumX2 + x2;
    cX2 = compensation(cX2, sumX2, x2, total);
    sumX2 = total;
  }
  if (constant) {
    const infinite = first === Infinity || first === -Infinity;
    slope = infinite ? NaN : 0;
    intercept = infinite ? NaN : first;
    return;
  }
  const n = to - from;
  sumX += cX;
  sumY += cY;
  sumXY += cXY;
  sumX2 += cX2;
  const covariance = sumXY - (sumX * sumY) / n;
  const variance = sumX2 - (sumX * sumX) / n;
  slope = covariance / variance;
  intercept = sumY / n - (slope * sumX) / n;
}

function compensation(error: number, sum: number, increment: number, total: number): number {
  if (total === Infinity || total === -Infinity) return 0;
  if (Math.abs(sum) >= Math.abs(increment)) return error + (sum - total + increment);
  return error + (increment - total + sum);
}

/** derivative is deriv(): the slope per second. */
export function derivative({ times, values, lo, hi }: RangeWindows, row: Row): number {
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const from = lo[s]!;
    const to = hi[s]!;
    if (to - from < 2) {
      row.present[s] = ABSENT;
      continue;
    }
    // Times relative to the first sample keep the sums small.
    regress(times, values, from, to, times[from]!);
    row.values[s] = slope;
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}

/** predictLinear is predict_linear(): the value of the line `params[0]` seconds after the evaluation time. */
export function predictLinear(
  { times, values, lo, hi }: RangeWindows,
  row: Row,
  params: readonly Float64Array[],
  frame: Frame,
): number {
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const from = lo[s]!;
    const to = hi[s]!;
    if (to - from < 2) {
      row.present[s] = ABSENT;
      continue;
    }
    regress(times, values, from, to, frame.startMs + s * frame.stepMs);
    row.values[s] = slope * params[0]![s]! + intercept;
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}

/** doubleExponentialSmoothing follows level and trend with the factors params[0] and params[1]. */
export function doubleExponentialSmoothing(
  { values, lo, hi, hlo, hhi }: RangeWindows,
  row: Row,
  params: readonly Float64Array[],
): number {
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const from = lo[s]!;
    const to = hi[s]!;
    const sf = params[0]![s]!;
    const tf = params[1]![s]!;
    if (from < to || hlo[s]! < hhi[s]!) {
      if (sf <= 0 || sf >= 1) {
        throw executionError(`invalid smoothing factor. Expected: 0 < sf < 1, got: ${formatFixed6(sf)}`);
      }
      if (tf <= 0 || tf >= 1) {
        throw executionError(`invalid trend factor. Expected: 0 < tf < 1, got: ${formatFixed6(tf)}`);
      }
    }
    if (to - from < 2) {
      row.present[s] = ABSENT;
      continue;
    }
    let previous = 0;
    let level = values[from]!;
    let trend = values[from + 1]! - values[from]!;
    for (let i = from + 1; i < to; i++) {
      if (i > from + 1) trend = tf * (level - previous) + (1 - tf) * trend;
      const next = sf * values[i]! + (1 - sf) * (level + trend);
      previous = level;
      level = next;
    }
    row.values[s] = level;
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}
