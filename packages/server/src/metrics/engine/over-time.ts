// The *_over_time family and other functions that reduce the samples of a window to one float. Each is a loop
// over the windows of one series; histograms in the windows are dealt with in range-histograms.ts.
import { ABSENT, FLOAT, type Row } from "./row.ts";
import { quantile } from "./quantile.ts";
import type { RangeWindows } from "./windows.ts";

/** FloatKernel fills `row` from the floats of the windows and returns how many steps have a result. */
export type FloatKernel = (windows: RangeWindows, row: Row, params: readonly Float64Array[]) => number;

export function sumOverTime({ values, lo, hi }: RangeWindows, row: Row): number {
  let count = 0;
  for (let s = 0; s < row.to; s++) {
    const to = hi[s]!;
    let i = lo[s]!;
    if (i === to) {
      row.present[s] = ABSENT;
      continue;
    }
    let sum = 0;
    let error = 0;
    for (; i < to; i++) {
      const value = values[i]!;
      const total = sum + value;
      if (total === Infinity || total === -Infinity) error = 0;
      else if (Math.abs(sum) >= Math.abs(value)) error += sum - total + value;
      else error += value - total + sum;
      sum = total;
    }
    row.values[s] = sum === Infinity || sum === -Infinity ? sum : sum + error;
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}

export function avgOverTime({ values, lo, hi }: RangeWindows, row: Row): number {
  let count = 0;
  for (let s = 0; s < row.to; s++) {
    if (lo[s] === hi[s]) {
      row.present[s] = ABSENT;
      continue;
    }
    row.values[s] = average(values, lo[s]!, hi[s]!);
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}

// The sum divided at the end is the more accurate; only where it would overflow a running mean takes over.
function average(values: Float64Array, from: number, to: number): number {
  let sum = values[from]!;
  let error = 0;
  let i = from + 1;
  for (; i < to; i++) {
    const value = values[i]!;
    const total = sum + value;
    if (total === Infinity || total === -Infinity) break;
    if (Math.abs(sum) >= Math.abs(value)) error += sum - total + value;
    else error += value - total + sum;
    sum = total;
  }
  if (i === to) return sum / (to - from) + error / (to - from);
  let mean = sum / (i - from);
  error /= i - from;
  for (; i < to; i++) {
    const count = i - from + 1;
    const q = (count - 1) / count;
    const part = values[i]! / count;
    mean *= q;
    error *= q;
    const total = mean + part;
    if (total === Infinity || total === -Infinity) error = 0;
    else if (Math.abs(mean) >= Math.abs(part)) error += mean - total + part;
    else error += part - total + mean;
    mean = total;
  }
  return mean + error;
}

export function minOverTime({ values, lo, hi }: RangeWindows, row: Row): number {
  let count = 0;
  for (let s = 0; s < row.to; s++) {
    const to = hi[s]!;
    let i = lo[s]!;
    if (i === to) {
      row.present[s] = ABSENT;
      continue;
    }
    let min = values[i++]!;
    for (; i < to; i++) {
      const value = values[i]!;
      if (value < min || min !== min) min = value;
    }
    row.values[s] = min;
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}

export function maxOverTime({ values, lo, hi }: RangeWindows, row: Row): number {
  let count = 0;
  for (let s = 0; s < row.to; s++) {
    const to = hi[s]!;
    let i = lo[s]!;
    if (i === to) {
      row.present[s] = ABSENT;
      continue;
    }
    let max = values[i++]!;
    for (; i < to; i++) {
      const value = values[i]!;
      if (value > max || max !== max) max = value;
    }
    row.values[s] = max;
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}

function timeOfExtreme({ times, values, lo, hi }: RangeWindows, row: Row, isMax: boolean): number {
  let count = 0;
  for (let s = 0; s < row.to; s++) {
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
  for (let s = 0; s < row.to; s++) {
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
  for (let s = 0; s < row.to; s++) {
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
  for (let s = 0; s < row.to; s++) {
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
