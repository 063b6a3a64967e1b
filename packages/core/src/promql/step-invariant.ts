import type { Expr } from "./ast.ts";

/** TIME_DEPENDENT are functions whose value depends on the evaluation time, whatever the times of their arguments. */
const TIME_DEPENDENT: ReadonlySet<string> = new Set([
  "day_of_month",
  "day_of_week",
  "day_of_year",
  "days_in_month",
  "hour",
  "minute",
  "month",
  "predict_linear",
  "time",
  "timestamp",
  "year",
]);

/**
 * isStepInvariant tells whether an expression has the same value at every step of a range query because all its selectors
 * are fixed by `@`. Such an expression needs evaluating only once. Literals count as invariant.
 */
export function isStepInvariant(expr: Expr): boolean {
  switch (expr.kind) {
    case "NumberLiteral":
    case "StringLiteral":
      return true;
    case "VectorSelector":
    case "SubqueryExpr":
      return expr.timestampMs !== undefined || expr.startOrEnd !== undefined;
    case "MatrixSelector":
      return isStepInvariant(expr.vectorSelector);
    case "BinaryExpr":
      return isStepInvariant(expr.lhs) && isStepInvariant(expr.rhs);
    case "AggregateExpr":
      return isStepInvariant(expr.expr) && (expr.param === undefined || isStepInvariant(expr.param));
    case "Call":
      return !TIME_DEPENDENT.has(expr.func) && expr.args.every(isStepInvariant);
    case "ParenExpr":
    case "UnaryExpr":
      return isStepInvariant(expr.expr);
  }
}
