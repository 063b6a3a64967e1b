// Duration expressions (`[5m + step()]`, `offset -(2 * 30s)`) are arithmetic in seconds, computed once per query.
import type { DurationExpr, NumberLiteral } from "@belfry/core/promql";
import { executionError } from "./query-error.ts";

/** durationMs evaluates a duration expression to whole milliseconds. */
export function durationMs(expr: DurationExpr, stepMs: number, rangeMs: number, mayBeNegative: boolean): number {
  const seconds = evaluate(expr, stepMs, rangeMs);
  if (seconds <= 0 && !mayBeNegative) throw executionError("duration must be greater than 0");
  // Go's durations are 64-bit nanoseconds, but the check is against the limits of int64 in seconds.
  if (seconds > 2 ** 63 || seconds < -(2 ** 63)) throw executionError("duration is out of range");
  return Math.trunc(seconds * 1000);
}

function evaluate(expr: DurationExpr | NumberLiteral, stepMs: number, rangeMs: number): number {
  if (expr.kind === "NumberLiteral") return expr.value;
  const lhs = expr.lhs === undefined ? 0 : evaluate(expr.lhs, stepMs, rangeMs);
  const rhs = expr.rhs === undefined ? 0 : evaluate(expr.rhs, stepMs, rangeMs);
  switch (expr.op) {
    case "step":
      return stepMs / 1000;
    case "range":
      return rangeMs / 1000;
    case "min_of":
      return Math.min(lhs, rhs);
    case "max_of":
      return Math.max(lhs, rhs);
    case "neg":
      return expr.rhs === undefined ? -lhs : -rhs;
    case "pos":
      return expr.rhs === undefined ? lhs : rhs;
    case "+":
      return lhs + rhs;
    case "-":
      return lhs - rhs;
    case "*":
      return lhs * rhs;
    case "/":
      if (rhs === 0) throw executionError("division by zero");
      return lhs / rhs;
    case "%":
      if (rhs === 0) throw executionError("modulo by zero");
      return lhs % rhs;
    case "^":
      return lhs ** rhs;
  }
}
