import type { DurationExpr, Expr, ValueType } from "./ast.ts";
import { FUNCTIONS } from "./functions.ts";

/**
 * MAX_DEPTH bounds how deeply expressions may be nested: everything that walks a tree does so recursively, and
 * JavaScript's stack ends at about 10,000 small frames.
 */
export const MAX_DEPTH = 1000;

const NO_CHILDREN: readonly Expr[] = [];

/** children lists the direct parts of an expression, in the order in which they are evaluated and checked. */
export function children(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case "NumberLiteral":
    case "StringLiteral":
    case "VectorSelector":
      return NO_CHILDREN;
    case "MatrixSelector":
      return [expr.vectorSelector];
    case "BinaryExpr":
      return [expr.lhs, expr.rhs];
    case "AggregateExpr":
      return expr.param ? [expr.expr, expr.param] : [expr.expr];
    case "Call":
      return expr.args;
    case "SubqueryExpr":
    case "ParenExpr":
    case "UnaryExpr":
      return [expr.expr];
  }
}

/**
 * walk calls `visit` for an expression and everything in it, parents first; `path` leads from the root to the parent and
 * is reused by the next call. Where `visit` returns false the parts of that expression are left out.
 */
export function walk(expr: Expr, visit: (expr: Expr, path: readonly Expr[]) => boolean | void): void {
  const path: Expr[] = [];
  const descend = (node: Expr): void => {
    if (visit(node, path) === false) return;
    path.push(node);
    for (const child of children(node)) descend(child);
    path.pop();
  };
  descend(expr);
}

type Node = Expr | DurationExpr;

/** exceedsDepth tells whether an expression is nested more than MAX_DEPTH levels deep; it needs no stack itself. */
export function exceedsDepth(expr: Expr): boolean {
  let level: Node[] = [expr];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    const below: Node[] = [];
    for (const node of level) {
      if (node.kind === "DurationExpr") {
        if (node.lhs) below.push(node.lhs);
        if (node.rhs) below.push(node.rhs);
        continue;
      }
      for (const child of children(node)) below.push(child);
      if (node.kind === "MatrixSelector" || node.kind === "SubqueryExpr") {
        if (node.rangeExpr) below.push(node.rangeExpr);
      }
      if (node.kind === "SubqueryExpr" && node.stepExpr) below.push(node.stepExpr);
      if (node.kind === "VectorSelector" || node.kind === "SubqueryExpr") {
        if (node.offsetExpr) below.push(node.offsetExpr);
      }
    }
    level = below;
  }
  return false;
}

/** exprType returns what an expression evaluates to. */
export function exprType(expr: Expr): ValueType {
  switch (expr.kind) {
    case "NumberLiteral":
      return "scalar";
    case "StringLiteral":
      return "string";
    case "VectorSelector":
    case "AggregateExpr":
      return "vector";
    case "MatrixSelector":
    case "SubqueryExpr":
      return "matrix";
    case "BinaryExpr":
      return exprType(expr.lhs) === "scalar" && exprType(expr.rhs) === "scalar" ? "scalar" : "vector";
    case "Call":
      return FUNCTIONS.get(expr.func)?.returnType ?? "none";
    case "ParenExpr":
    case "UnaryExpr":
      return exprType(expr.expr);
  }
}
