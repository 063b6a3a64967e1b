// Functions of one float: mathematics and the calendar (UTC). Histograms have no place in them and fall out.
import { ABSENT, FLOAT, type Row } from "./row.ts";

/** UnaryFunction maps a float to a float. */
export type UnaryFunction = (value: number) => number;

// Go rounds x * Pi first and divides then; folding the constant would change the last bit.
function rad(value: number): number {
  return (value * Math.PI) / 180;
}

function deg(value: number): number {
  return (value * 180) / Math.PI;
}

function sgn(value: number): number {
  if (value < 0) return -1;
  if (value > 0) return 1;
  return value;
}

function calendar(pick: (date: Date) => number): UnaryFunction {
  return (seconds) => {
    // As in Go, out of range (and NaN) is the smallest int64, which no calendar holds.
    const whole = Math.trunc(seconds);
    if (!(Math.abs(whole) <= 8.64e12)) return NaN;
    return pick(new Date(whole * 1000));
  };
}

function daysInMonth(date: Date): number {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
}

function dayOfYear(date: Date): number {
  const start = Date.UTC(date.getUTCFullYear(), 0, 1);
  return Math.floor((date.getTime() - start) / 86_400_000) + 1;
}

/** MATH_FUNCTIONS by name. */
export const MATH_FUNCTIONS: ReadonlyMap<string, UnaryFunction> = new Map<string, UnaryFunction>([
  ["abs", Math.abs],
  ["ceil", Math.ceil],
  ["floor", Math.floor],
  ["exp", Math.exp],
  ["sqrt", Math.sqrt],
  ["ln", Math.log],
  ["log2", Math.log2],
  ["log10", Math.log10],
  ["sin", Math.sin],
  ["cos", Math.cos],
  ["tan", Math.tan],
  ["asin", Math.asin],
  ["acos", Math.acos],
  ["atan", Math.atan],
  ["sinh", Math.sinh],
  ["cosh", Math.cosh],
  ["tanh", Math.tanh],
  ["asinh", Math.asinh],
  ["acosh", Math.acosh],
  ["atanh", Math.atanh],
  ["rad", rad],
  ["deg", deg],
  ["sgn", sgn],
]);

/** CALENDAR_FUNCTIONS by name; the argument is Unix seconds. */
export const CALENDAR_FUNCTIONS: ReadonlyMap<string, UnaryFunction> = new Map<string, UnaryFunction>([
  ["days_in_month", calendar(daysInMonth)],
  ["day_of_month", calendar((date) => date.getUTCDate())],
  ["day_of_week", calendar((date) => date.getUTCDay())],
  ["day_of_year", calendar(dayOfYear)],
  ["hour", calendar((date) => date.getUTCHours())],
  ["minute", calendar((date) => date.getUTCMinutes())],
  ["month", calendar((date) => date.getUTCMonth() + 1)],
  ["year", calendar((date) => date.getUTCFullYear())],
]);

/** mapFloats applies a function to the floats of a row and drops everything else. */
export function mapFloats(row: Row, apply: UnaryFunction): void {
  const { values, present, base } = row;
  if (row.histograms === null) {
    for (let i = base + row.from, end = base + row.to; i < end; i++) {
      if (present[i] !== ABSENT) values[i] = apply(values[i]!);
    }
    return;
  }
  let count = 0;
  for (let i = base + row.from, end = base + row.to; i < end; i++) {
    if (present[i] === FLOAT) {
      values[i] = apply(values[i]!);
      count++;
    } else present[i] = ABSENT;
  }
  row.histograms = null;
  row.count = count;
}
