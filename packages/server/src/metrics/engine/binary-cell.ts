// Binary operators on two samples. Floats go through tight loops in binary.ts; here are the operators as
// functions, and everything that involves a histogram.
import {
  addHistogram,
  compactHistogram,
  copyHistogram,
  CounterResetHint,
  divideHistogram,
  type Histogram,
  HistogramAddFlags,
  histogramsCompatible,
  histogramsEqual,
  multiplyHistogram,
  subtractHistogram,
  trimHistogram,
} from "@belfry/core/model";
import type { BinaryOperator, PositionRange } from "@belfry/core/promql";
import { bug } from "../../lib/errors.ts";
import type { Annotations } from "./annotations.ts";

/** isComparison tells whether the operator filters (or yields 0 and 1 with `bool`). */
export function isComparison(op: BinaryOperator): boolean {
  switch (op) {
    case "==":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
      return true;
    default:
      return false;
  }
}

/** isTrim tells whether the operator cuts histograms. */
export function isTrim(op: BinaryOperator): boolean {
  return op === "</" || op === ">/";
}

/** changesMeaning tells whether the result of the operator is another metric than its operand. */
export function changesMeaning(op: BinaryOperator): boolean {
  switch (op) {
    case "+":
    case "-":
    case "*":
    case "/":
    case "^":
    case "%":
    case "atan2":
      return true;
    default:
      return false;
  }
}

/** arithmetic applies an arithmetic operator with Go's rules for NaN and infinities. */
export function arithmetic(op: BinaryOperator, a: number, b: number): number {
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return a % b;
    case "^":
      return power(a, b);
    case "atan2":
      return Math.atan2(a, b);
    default:
      throw bug(`${op} is not arithmetic`);
  }
}

// Go follows IEEE 754 where JavaScript does not: 1 to any power is 1, and (-1) to an infinite power is 1.
function power(a: number, b: number): number {
  if (a === 1) return 1;
  if (a === -1 && (b === Infinity || b === -Infinity)) return 1;
  return a ** b;
}

/** compare applies a comparison operator. */
export function compare(op: BinaryOperator, a: number, b: number): boolean {
  switch (op) {
    case "==":
      return a === b;
    case "!=":
      return a !== b;
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case ">=":
      return a >= b;
    default:
      throw bug(`${op} is not a comparison`);
  }
}

/** CellResult receives the result of `cellOperation`; one object serves many calls. */
export interface CellResult {
  value: number;
  histogram: Histogram | undefined;
  /** keep is false for comparisons that do not hold. */
  keep: boolean;
}

/**
 * cellOperation applies an operator to two samples, each a float or a histogram, and returns false when the
 * operator is not defined for them (the annotation says so) and there is no result.
 */
export function cellOperation(
  op: BinaryOperator,
  a: number,
  b: number,
  ha: Histogram | undefined,
  hb: Histogram | undefined,
  out: CellResult,
  annotations: Annotations,
  pos: PositionRange,
): boolean {
  out.value = 0;
  out.histogram = undefined;
  out.keep = true;
  if (ha === undefined && hb === undefined) {
    if (isTrim(op)) return undefinedFor("float", op, "float", annotations, pos);
    if (isComparison(op)) {
      out.value = a;
      out.keep = compare(op, a, b);
    } else out.value = arithmetic(op, a, b);
    return true;
  }
  if (ha === undefined) {
    if (op !== "*") return undefinedFor("float", op, "histogram", annotations, pos);
    out.histogram = compactHistogram(multiplyHistogram(copyHistogram(hb!), a));
    return true;
  }
  if (hb === undefined) {
    switch (op) {
      case "*":
        out.histogram = compactHistogram(multiplyHistogram(copyHistogram(ha), b));
        return true;
      case "/":
        out.histogram = compactHistogram(divideHistogram(copyHistogram(ha), b));
        return true;
      case "</":
      case ">/":
        out.histogram = trimHistogram(copyHistogram(ha), b, op === "</");
        return true;
      default:
        return undefinedFor("histogram", op, "float", annotations, pos);
    }
  }
  switch (op) {
    case "+":
    case "-":
      return addOrSubtract(op, ha, hb, out, annotations, pos);
    case "==":
      out.histogram = ha;
      out.keep = histogramsEqual(ha, hb);
      return true;
    case "!=":
      out.histogram = ha;
      out.keep = !histogramsEqual(ha, hb);
      return true;
    default:
      return undefinedFor("histogram", op, "histogram", annotations, pos);
  }
}

function addOrSubtract(
  op: "+" | "-",
  a: Histogram,
  b: Histogram,
  out: CellResult,
  annotations: Annotations,
  pos: PositionRange,
): boolean {
  if (!histogramsCompatible(a, b)) {
    annotations.incompatibleBucketLayoutInBinOp(op, pos);
    return false;
  }
  const result = copyHistogram(a);
  const flags = op === "+" ? addHistogram(result, b) : subtractHistogram(result, b);
  if (op === "-") result.counterResetHint = CounterResetHint.Gauge;
  const word = op === "+" ? "addition" : "subtraction";
  // As upstream has it, histograms that contradict each other about a reset have no sum, only a warning.
  if (flags & HistogramAddFlags.CounterResetCollision) {
    annotations.counterResetCollision(word, pos);
    return false;
  }
  if (flags & HistogramAddFlags.BoundsReconciled) annotations.mismatchedCustomBuckets(word, pos);
  out.histogram = compactHistogram(result);
  return true;
}

function undefinedFor(
  left: string,
  op: BinaryOperator,
  right: string,
  annotations: Annotations,
  pos: PositionRange,
): boolean {
  annotations.incompatibleTypesInBinOp(left, op, right, pos);
  return false;
}
