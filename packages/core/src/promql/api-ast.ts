// The tree as the parse_query API returns it.
import { formatFloat } from "../format/float.ts";
import type { Matcher } from "../model/matcher.ts";
import type { DurationExpr, Expr, NumberLiteral, TimeModifiers } from "./ast.ts";
import { FUNCTIONS } from "./functions.ts";

/** ApiAst is a node of the tree in JSON. */
export type ApiAst = { [key: string]: ApiValue };
export type ApiValue = string | number | boolean | null | readonly ApiValue[] | ApiAst;

/** toApiAst translates an expression to what /api/v1/parse_query answers. */
export function toApiAst(expr: Expr): ApiAst {
  switch (expr.kind) {
    case "NumberLiteral":
      return { type: "numberLiteral", val: formatFloat(expr.value) };
    case "StringLiteral":
      return { type: "stringLiteral", val: expr.value };
    case "VectorSelector":
      return {
        type: "vectorSelector",
        name: expr.name,
        ...offset(expr),
        matchers: matchers(expr.matchers),
        ...at(expr),
        anchored: expr.anchored,
        smoothed: expr.smoothed,
      };
    case "MatrixSelector": {
      const vs = expr.vectorSelector;
      return {
        type: "matrixSelector",
        name: vs.name,
        range: expr.rangeMs,
        rangeExpr: durationExpr(expr.rangeExpr),
        ...offset(vs),
        matchers: matchers(vs.matchers),
        ...at(vs),
        anchored: vs.anchored,
        smoothed: vs.smoothed,
      };
    }
    case "SubqueryExpr":
      return {
        type: "subquery",
        expr: toApiAst(expr.expr),
        range: expr.rangeMs,
        rangeExpr: durationExpr(expr.rangeExpr),
        ...offset(expr),
        step: expr.stepMs,
        stepExpr: durationExpr(expr.stepExpr),
        ...at(expr),
      };
    case "BinaryExpr": {
      const m = expr.matching;
      const matching = m && {
        card: m.card,
        labels: m.matchingLabels,
        on: m.on,
        include: m.include,
        fillValues: { lhs: m.fillLhs ?? null, rhs: m.fillRhs ?? null },
      };
      return {
        type: "binaryExpr",
        op: expr.op,
        lhs: toApiAst(expr.lhs),
        rhs: toApiAst(expr.rhs),
        matching: matching ?? null,
        bool: expr.returnBool,
      };
    }
    case "AggregateExpr":
      return {
        type: "aggregation",
        op: expr.op,
        expr: toApiAst(expr.expr),
        param: expr.param ? toApiAst(expr.param) : null,
        grouping: expr.grouping,
        without: expr.without,
      };
    case "Call": {
      const { name, argTypes, variadic, returnType } = FUNCTIONS.get(expr.func)!;
      return { type: "call", func: { name, argTypes, variadic, returnType }, args: expr.args.map(toApiAst) };
    }
    case "ParenExpr":
      return { type: "parenExpr", expr: toApiAst(expr.expr) };
    case "UnaryExpr":
      return { type: "unaryExpr", op: expr.op, expr: toApiAst(expr.expr) };
  }
}

function offset({ originalOffsetMs, offsetExpr }: TimeModifiers): ApiAst {
  return { offset: originalOffsetMs, offsetExpr: durationExpr(offsetExpr) };
}

function at({ timestampMs, startOrEnd }: TimeModifiers): ApiAst {
  return { timestamp: timestampMs ?? null, startOrEnd: startOrEnd ?? null };
}

function matchers(list: readonly Matcher[]): ApiAst[] {
  return list.map(({ name, value, type }) => ({ name, value, type }));
}

function durationExpr(expr: DurationExpr | NumberLiteral | undefined): ApiValue {
  if (!expr) return null;
  if (expr.kind === "NumberLiteral") {
    return { type: "numberLiteral", val: formatFloat(expr.value), duration: expr.duration };
  }
  return {
    type: "durationExpr",
    op: expr.op === "neg" ? "-" : expr.op === "pos" ? "+" : expr.op,
    lhs: durationExpr(expr.lhs),
    rhs: durationExpr(expr.rhs),
    wrapped: expr.wrapped,
  };
}
