// Durations that are computed (`foo[5m + step()]`) get their values when the query's step and range are known.
import type { DurationExpr, Expr, NumberLiteral, SubqueryExpr, VectorSelector } from "./ast.ts";

/** DurationExprError says why a computed duration cannot be used; its message is Prometheus', with the place in front. */
export class DurationExprError extends Error {
  readonly expr: DurationExpr;
  constructor(expr: DurationExpr, message: string) {
    super(`${expr.pos.start}:${expr.pos.end}: ${message}`);
    this.name = "DurationExprError";
    this.expr = expr;
  }
}

/** DurationContext is what step() and range() stand for. An instant query has a range of 0. */
export interface DurationContext {
  stepMs: number;
  rangeMs: number;
}

/** MAX_SECONDS is the limit of a duration: Go counts nanoseconds in 63 bits. */
const MAX_SECONDS = 2 ** 63 / 1e9;

/**
 * resolveDurations returns the expression with rangeMs, stepMs and originalOffsetMs set from their expressions, which stay
 * in place. Parts without computed durations are shared with `expr`, which is not changed. Throws DurationExprError.
 */
export function resolveDurations(expr: Expr, context: DurationContext): Expr {
  switch (expr.kind) {
    case "NumberLiteral":
    case "StringLiteral":
      return expr;
    case "VectorSelector":
      return resolveOffset(expr, context);
    case "MatrixSelector": {
      const rangeMs = expr.rangeExpr ? positiveMs(expr.rangeExpr, context) : expr.rangeMs;
      const vectorSelector = resolveOffset(expr.vectorSelector, context);
      if (!expr.rangeExpr && vectorSelector === expr.vectorSelector) return expr;
      return { ...expr, rangeMs, vectorSelector };
    }
    case "SubqueryExpr": {
      const moved = resolveOffset(expr, context);
      const stepMs = expr.stepExpr ? positiveMs(expr.stepExpr, context) : expr.stepMs;
      const rangeMs = expr.rangeExpr ? positiveMs(expr.rangeExpr, context) : expr.rangeMs;
      const inner = resolveDurations(expr.expr, context);
      if (moved === expr && inner === expr.expr && !expr.stepExpr && !expr.rangeExpr) return expr;
      return { ...moved, expr: inner, stepMs, rangeMs };
    }
    case "BinaryExpr": {
      const lhs = resolveDurations(expr.lhs, context);
      const rhs = resolveDurations(expr.rhs, context);
      return lhs === expr.lhs && rhs === expr.rhs ? expr : { ...expr, lhs, rhs };
    }
    case "AggregateExpr": {
      const inner = resolveDurations(expr.expr, context);
      const param = expr.param && resolveDurations(expr.param, context);
      return inner === expr.expr && param === expr.param ? expr : { ...expr, expr: inner, param };
    }
    case "Call": {
      const args = expr.args.map((arg) => resolveDurations(arg, context));
      return args.every((arg, i) => arg === expr.args[i]) ? expr : { ...expr, args };
    }
    case "ParenExpr":
    case "UnaryExpr": {
      const inner = resolveDurations(expr.expr, context);
      return inner === expr.expr ? expr : { ...expr, expr: inner };
    }
  }
}

function resolveOffset<E extends VectorSelector | SubqueryExpr>(expr: E, context: DurationContext): E {
  return expr.offsetExpr ? { ...expr, originalOffsetMs: toMs(expr.offsetExpr, context) } : expr;
}

function positiveMs(expr: DurationExpr, context: DurationContext): number {
  return toMs(expr, context, true);
}

function toMs(expr: DurationExpr, context: DurationContext, positive = false): number {
  const seconds = evaluate(expr, context);
  if (!Number.isFinite(seconds)) throw new DurationExprError(expr, "duration is NaN or infinite");
  if (positive && seconds <= 0) throw new DurationExprError(expr, "duration must be greater than 0");
  if (Math.abs(seconds) > MAX_SECONDS) throw new DurationExprError(expr, "duration is out of range");
  return Math.trunc(seconds * 1000);
}

function evaluate(expr: DurationExpr | NumberLiteral, context: DurationContext): number {
  if (expr.kind === "NumberLiteral") return expr.value;
  const lhs = expr.lhs ? evaluate(expr.lhs, context) : 0;
  const rhs = expr.rhs ? evaluate(expr.rhs, context) : 0;
  switch (expr.op) {
    case "step":
      return context.stepMs / 1000;
    case "range":
      return context.rangeMs / 1000;
    case "min_of":
      return Math.min(lhs, rhs);
    case "max_of":
      return Math.max(lhs, rhs);
    case "pos":
      return rhs;
    case "neg":
      return -rhs;
    case "+":
      return lhs + rhs;
    case "-":
      return lhs - rhs;
    case "*":
      return lhs * rhs;
    case "/":
      if (rhs === 0) throw new DurationExprError(expr, "division by zero");
      return lhs / rhs;
    case "%":
      if (rhs === 0) throw new DurationExprError(expr, "modulo by zero");
      return lhs % rhs;
    case "^":
      return lhs ** rhs;
  }
}
