// The typed syntax tree of PromQL. Field names follow promql/parser/ast.go of Prometheus so that both
// can be read side by side. Durations and timestamps are milliseconds. Positions are byte-free: they are
// indices into the query string (UTF-16), `start` inclusive, `end` exclusive.
import type { Matcher } from "../model/matcher.ts";

/** PositionRange is a stretch of the query text. */
export interface PositionRange {
  start: number;
  end: number;
}

/** ValueType names what an expression evaluates to, in upstream's spelling. */
export type ValueType = "none" | "scalar" | "vector" | "matrix" | "string";

export type BinaryOperator =
  | "+"
  | "-"
  | "*"
  | "/"
  | "%"
  | "^"
  | "atan2"
  | "=="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "</"
  | ">/"
  | "and"
  | "or"
  | "unless";

export type AggregateOperator =
  | "sum"
  | "avg"
  | "count"
  | "min"
  | "max"
  | "group"
  | "stddev"
  | "stdvar"
  | "topk"
  | "bottomk"
  | "count_values"
  | "quantile"
  | "limitk"
  | "limit_ratio";

export interface NumberLiteral {
  kind: "NumberLiteral";
  value: number;
  /** duration is true when the literal was written as a duration (`5m`). */
  duration: boolean;
  pos: PositionRange;
}

export interface StringLiteral {
  kind: "StringLiteral";
  value: string;
  pos: PositionRange;
}

/**
 * DurationExpr is arithmetic on durations: operators, step(), range(), min_of() and max_of(). The value of a leaf is
 * seconds. A literal in parentheses is a "pos" with only a right side, so that the parentheses are kept.
 */
export interface DurationExpr {
  kind: "DurationExpr";
  op: "+" | "-" | "*" | "/" | "%" | "^" | "step" | "range" | "min_of" | "max_of" | "neg" | "pos";
  lhs: DurationExpr | NumberLiteral | undefined;
  rhs: DurationExpr | NumberLiteral | undefined;
  /** wrapped is true when the expression was written in parentheses. */
  wrapped: boolean;
  pos: PositionRange;
}

/** Modifiers of selectors and subqueries. */
export interface TimeModifiers {
  /** originalOffsetMs is the written `offset`; an offset in `offsetExpr` is resolved before evaluation. */
  originalOffsetMs: number;
  offsetExpr: DurationExpr | undefined;
  /** timestampMs is the time of an `@` modifier with a literal. */
  timestampMs: number | undefined;
  startOrEnd: "start" | "end" | undefined;
}

export interface VectorSelector extends TimeModifiers {
  kind: "VectorSelector";
  /** name is the metric name written before the braces, or "". */
  name: string;
  matchers: Matcher[];
  /** anchored and smoothed are the experimental extended range selectors. */
  anchored: boolean;
  smoothed: boolean;
  pos: PositionRange;
}

export interface MatrixSelector {
  kind: "MatrixSelector";
  vectorSelector: VectorSelector;
  rangeMs: number;
  rangeExpr: DurationExpr | undefined;
  pos: PositionRange;
}

export interface SubqueryExpr extends TimeModifiers {
  kind: "SubqueryExpr";
  expr: Expr;
  rangeMs: number;
  rangeExpr: DurationExpr | undefined;
  /** stepMs is 0 for the default resolution. */
  stepMs: number;
  stepExpr: DurationExpr | undefined;
  pos: PositionRange;
}

export interface VectorMatching {
  card: "one-to-one" | "many-to-one" | "one-to-many" | "many-to-many";
  matchingLabels: string[];
  /** on is true for `on (...)`, false for `ignoring (...)` and when neither is written. */
  on: boolean;
  /** include are the labels of group_left(...) / group_right(...). */
  include: string[];
  /** fillLhs and fillRhs are the values of the experimental fill modifiers, where written. */
  fillLhs: number | undefined;
  fillRhs: number | undefined;
}

export interface BinaryExpr {
  kind: "BinaryExpr";
  op: BinaryOperator;
  lhs: Expr;
  rhs: Expr;
  /** matching is undefined when an operand is a scalar. */
  matching: VectorMatching | undefined;
  returnBool: boolean;
  pos: PositionRange;
}

export interface AggregateExpr {
  kind: "AggregateExpr";
  op: AggregateOperator;
  expr: Expr;
  param: Expr | undefined;
  grouping: string[];
  without: boolean;
  pos: PositionRange;
}

export interface Call {
  kind: "Call";
  /** func is a name in FUNCTIONS. */
  func: string;
  args: Expr[];
  pos: PositionRange;
}

export interface ParenExpr {
  kind: "ParenExpr";
  expr: Expr;
  pos: PositionRange;
}

export interface UnaryExpr {
  kind: "UnaryExpr";
  op: "+" | "-";
  expr: Expr;
  pos: PositionRange;
}

export type Expr =
  | NumberLiteral
  | StringLiteral
  | VectorSelector
  | MatrixSelector
  | SubqueryExpr
  | BinaryExpr
  | AggregateExpr
  | Call
  | ParenExpr
  | UnaryExpr;
