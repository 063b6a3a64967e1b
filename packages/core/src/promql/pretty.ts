// Formatting over several lines, as Prometheus' format_query does: what is longer than a line is split at its outermost
// operator or parentheses, its parts are indented by one level more, and so on.
import type { Expr } from "./ast.ts";
import { byteLength } from "./errors.ts";
import { printAggregation, printExpr, printOperator, printSubqueryRange } from "./printer.ts";
import { aggregatorTakesParameter } from "./tokens.ts";

/** MAX_LINE is the length in bytes up to which an expression stays on one line. */
const MAX_LINE = 100;

/** prettyExpr formats an expression for reading. */
export function prettyExpr(expr: Expr): string {
  return pretty(expr, 0);
}

function pretty(expr: Expr, level: number): string {
  const pad = "  ".repeat(level);
  switch (expr.kind) {
    case "NumberLiteral":
    case "StringLiteral":
    case "VectorSelector":
    case "MatrixSelector":
      return pad + printExpr(expr);
    case "UnaryExpr":
      return pad + expr.op + pretty(expr.expr, level).trim();
  }
  const line = printExpr(expr);
  if (byteLength(line) <= MAX_LINE) return expr.kind === "SubqueryExpr" ? line : pad + line;
  switch (expr.kind) {
    case "SubqueryExpr":
      return pretty(expr.expr, level) + printSubqueryRange(expr);
    case "BinaryExpr":
      return `${pretty(expr.lhs, level + 1)}\n${pad}${printOperator(expr)}\n${pretty(expr.rhs, level + 1)}`;
    case "AggregateExpr": {
      const param = expr.param && aggregatorTakesParameter(expr.op) ? `${pretty(expr.param, level + 1)},\n` : "";
      return `${pad}${printAggregation(expr)}(\n${param}${pretty(expr.expr, level + 1)}\n${pad})`;
    }
    case "Call": {
      const args = expr.args.map((arg) => pretty(arg, level + 1)).join(",\n");
      return `${pad}${expr.func}(\n${args}\n${pad})`;
    }
    case "ParenExpr":
      return `${pad}(\n${pretty(expr.expr, level + 1)}\n${pad})`;
  }
}
