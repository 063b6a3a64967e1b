// The *_over_time family and other functions that reduce the samples of a window to one float. Each is a loop
// over the windows of one series; histograms in the windows are dealt with in range-histograms.ts.
import { kahanError } from "@belfry/core/model";
import { ABSENT, FLOAT, type Row } from "./row.ts";
import { quantile } from "./quantile.ts";
import type { RangeWindows } from "./windows.ts";

/** FloatKernel fills `row` from the floats of the windows and returns how many steps have a result. */
export type FloatKernel = (windows: RangeWindows, row: Row, params: readonly Float64Array[]) => number;

export function sumOverTime({ values, lo, hi }: RangeWindows, row: Row): number {
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const from = lo[s]!;
    const to = hi[s]!;
    row.present[s] = from === to ? ABSENT : FLOAT;
    if (from === to) continue;
    const error = compensatedSum(values, from, to);
    row.values[s] = Number.isFinite(sum) ? sum + error : carefulSum(values, from, to);
    count++;
  }
  return count;
}

// compensatedSum leaves the sum in `sum` and returns its error; neither means anything unless the sum is finite.
let sum = 0;
function compensatedSum(values: Float64Array, from: number, to: number): number {
  // Adding 0 turns -0 into 0, as starting with 0 would.
  let total = values[from]! + 0;
  let error = 0;
  for (let i = from + 1; i < to; i++) {
    const value = values[i]!;
    const next = total + value;
    // The rounding error of the addition, exactly, whichever addend is the larger.
    const part = next - total;
    error += total - (next - part) + (value - part);
    total = next;
  }
  sum = total;
  return error;
}

// Slow path: an infinity or NaN on the way.
function carefulSum(values: Float64Array, from: number, to: number): number {
  let total = 0;
  let error = 0;
  for (let i = from; i < to; i++) {
    error = kahanError(values[i]!, total, error);
    total += values[i]!;
  }
  return total === Infinity || total === -Infinity ? total : total + error;
}

export function avgOverTime({ values, lo, hi }: RangeWindows, row: Row): number {
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const from = lo[s]!;
    const to = hi[s]!;
    row.present[s] = from === to ? ABSENT : FLOAT;
    if (from === to) continue;
    const n = to - from;
    const error = compensatedSum(values, from, to);
    row.values[s] = Number.isFinite(sum) ? sum / n + error / n : carefulAverage(values, from, to);
    count++;
  }
  return count;
}

// The sum divided at the end is the more accurate; only where it would overflow a running mean takes over.
function carefulAverage(values: Float64Array, from: number, to: number): number {
  let total = values[from]!;
  let error = 0;
  let i = from + 1;
  for (; i < to; i++) {
    const value = values[i]!;
    const next = total + value;
    if (next === Infinity || next === -Infinity) break;
    error = kahanError(value, total, error);
    total = next;
  }
  if (i === to) return total / (to - from) + error / (to - from);
  let mean = total / (i - from);
  error /= i - from;
  for (; i < to; i++) {
    const count = i - from + 1;
    const q = (count - 1) / count;
    const part = values[i]! / count;
    mean *= q;
    error = kahanError(part, mean, q * error);
    mean += part;
  }
  return mean + error;
}

// candidates are the indices that can still be the extreme of a window: each beats all after it.
let candidates = new Int32Array(64);

// extremeOverTime slides over the samples once, however wide the windows. A NaN is the result only of nothing but NaN.
function extremeOverTime({ values, lo, hi, n }: RangeWindows, row: Row, isMax: boolean): number {
  if (candidates.length < n) candidates = new Int32Array(n * 2);
  let head = 0;
  let tail = 0;
  let next = lo[row.from]!;
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const from = lo[s]!;
    const to = hi[s]!;
    row.present[s] = from === to ? ABSENT : FLOAT;
    if (from === to) continue;
    if (next < from) next = from;
    for (; next < to; next++) {
      const value = values[next]!;
      if (value !== value) continue;
      // Of equal values the first stays in front.
      if (isMax) while (tail > head && values[candidates[tail - 1]!]! < value) tail--;
      else while (tail > head && values[candidates[tail - 1]!]! > value) tail--;
      if (head === tail) head = tail = 0;
      candidates[tail++] = next;
    }
    while (head < tail && candidates[head]! < from) head++;
    row.values[s] = head < tail ? values[candidates[head]!]! : NaN;
    count++;
  }
  return count;
}

export function minOverTime(windows: RangeWindows, row: Row): number {
  return extremeOverTime(windows, row, false);
}

export function maxOverTime(windows: RangeWindows, row: Row): number {
  return extremeOverTime(windows, row, true);
}

function timeOfExtreme({ times, values, lo, hi }: RangeWindows, row: Row, isMax: boolean): number {
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const to = hi[s]!;
    let i = lo[s]!;
    if (i === to) {
      row.present[s] = ABSENT;
      continue;
    }
    let best = values[i]!;
    let at = i;
    // The last of equal ones.
    for (i++; i < to; i++) {
      const value = values[i]!;
      if ((isMax ? value >= best : value <= best) || best !== best) {
        best = value;
        at = i;
      }
    }
    row.values[s] = times[at]! / 1000;
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}

export function tsOfMinOverTime(windows: RangeWindows, row: Row): number {
  return timeOfExtreme(windows, row, false);
}

export function tsOfMaxOverTime(windows: RangeWindows, row: Row): number {
  return timeOfExtreme(windows, row, true);
}

function variance(windows: RangeWindows, row: Row, root: boolean): number {
  const { values, lo, hi } = windows;
  let present = 0;
  for (let s = row.from; s < row.to; s++) {
    const from = lo[s]!;
    const to = hi[s]!;
    if (from === to) {
      row.present[s] = ABSENT;
      continue;
    }
    let count = 0;
    let mean = 0;
    let meanError = 0;
    let squares = 0;
    let squaresError = 0;
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      count++;
      const delta = value - (mean + meanError);
      const part = delta / count;
      const newMean = mean + part;
      if (newMean === Infinity || newMean === -Infinity) meanError = 0;
      else if (Math.abs(mean) >= Math.abs(part)) meanError += mean - newMean + part;
      else meanError += part - newMean + mean;
      mean = newMean;
      const square = delta * (value - (mean + meanError));
      const newSquares = squares + square;
      if (newSquares === Infinity || newSquares === -Infinity) squaresError = 0;
      else if (Math.abs(squares) >= Math.abs(square)) squaresError += squares - newSquares + square;
      else squaresError += square - newSquares + squares;
      squares = newSquares;
    }
    const result = (squares + squaresError) / count;
    row.values[s] = root ? Math.sqrt(result) : result;
    row.present[s] = FLOAT;
    present++;
  }
  return present;
}

export function stddevOverTime(windows: RangeWindows, row: Row): number {
  return variance(windows, row, true);
}

export function stdvarOverTime(windows: RangeWindows, row: Row): number {
  return variance(windows, row, false);
}

let scratch: Float64Array = new Float64Array(64);

function windowValues({ values, lo, hi }: RangeWindows, step: number): number {
  const from = lo[step]!;
  const n = hi[step]! - from;
  if (n > scratch.length) scratch = new Float64Array(n * 2);
  for (let i = 0; i < n; i++) scratch[i] = values[from + i]!;
  return n;
}

export function quantileOverTime(windows: RangeWindows, row: Row, params: readonly Float64Array[]): number {
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const n = windowValues(windows, s);
    row.present[s] = n === 0 ? ABSENT : FLOAT;
    if (n === 0) continue;
    row.values[s] = quantile(params[0]![s]!, scratch, n);
    count++;
  }
  return count;
}

export function madOverTime(windows: RangeWindows, row: Row): number {
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const n = windowValues(windows, s);
    row.present[s] = n === 0 ? ABSENT : FLOAT;
    if (n === 0) continue;
    row.values[s] = medianDeviation(scratch, n);
    count++;
  }
  return count;
}

function medianDeviation(values: Float64Array, n: number): number {
  for (let i = 0; i < n; i++) if (values[i] !== values[i]) return NaN;
  const median = quantile(0.5, values, n);
  for (let i = 0; i < n; i++) values[i] = Math.abs(values[i]! - median);
  return quantile(0.5, values, n);
}
