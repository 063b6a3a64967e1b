// An instant query must answer the same when every selector in it is pinned to the evaluation time with `@` and it is
// asked at some other time. Scripts are run that way, too, which tests step invariance for free.
import type { Expr, SubqueryExpr, VectorSelector } from "@belfry/core/promql";

/** Expressions is how query text becomes a tree and back. */
export interface Expressions {
  parse(query: string): Expr;
  print(expr: Expr): string;
}

/** UNSAFE are the functions whose result depends on the evaluation time whatever their arguments are. */
const UNSAFE: ReadonlySet<string> = new Set([
  "days_in_month",
  "day_of_month",
  "day_of_week",
  "day_of_year",
  "hour",
  "minute",
  "month",
  "year",
  "predict_linear",
  "time",
  "timestamp",
]);

/** PinnedQuery is a query with a time to ask it at. */
export interface PinnedQuery {
  query: string;
  timeMs: number;
}

/** pinnedQueries lists the variants of a query that must answer as it does at `timeMs`; none when it cannot be pinned. */
export function pinnedQueries(query: string, timeMs: number, expressions: Expressions): PinnedQuery[] {
  const pinned = pin(expressions.parse(query), timeMs);
  if (!pinned) return [];
  const text = expressions.print(pinned);
  const times = timeMs === 0 ? [-1000, 0, 1000] : [-10 * timeMs, 0, Math.trunc(timeMs / 5), timeMs, 10 * timeMs];
  return times.map((time) => ({ query: text, timeMs: time }));
}

/**
 * pin copies an expression with `@` on all outermost selectors and subqueries that have none; what is inside a subquery
 * follows that one's time. Undefined when a function in it would answer differently at another time all the same.
 */
function pin(expr: Expr, timeMs: number): Expr | undefined {
  switch (expr.kind) {
    case "VectorSelector":
    case "SubqueryExpr":
      return withTime(expr, timeMs);
    case "MatrixSelector":
      return { ...expr, vectorSelector: withTime(expr.vectorSelector, timeMs) };
    case "Call": {
      if (UNSAFE.has(expr.func)) return undefined;
      const args: Expr[] = [];
      for (const arg of expr.args) {
        const pinned = pin(arg, timeMs);
        if (!pinned) return undefined;
        args.push(pinned);
      }
      return { ...expr, args };
    }
    case "AggregateExpr": {
      const inner = pin(expr.expr, timeMs);
      const param = expr.param && pin(expr.param, timeMs);
      return inner && (param || !expr.param) ? { ...expr, expr: inner, param } : undefined;
    }
    case "BinaryExpr": {
      const lhs = pin(expr.lhs, timeMs);
      const rhs = pin(expr.rhs, timeMs);
      return lhs && rhs ? { ...expr, lhs, rhs } : undefined;
    }
    case "ParenExpr":
    case "UnaryExpr": {
      const inner = pin(expr.expr, timeMs);
      return inner && { ...expr, expr: inner };
    }
    case "NumberLiteral":
    case "StringLiteral":
      return expr;
  }
}

function withTime<T extends VectorSelector | SubqueryExpr>(node: T, timeMs: number): T {
  return node.timestampMs === undefined ? { ...node, timestampMs: timeMs, startOrEnd: undefined } : node;
}
