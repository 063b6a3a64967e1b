export type { ParserOptions } from "./actions.ts";
export type {
  AggregateExpr,
  AggregateOperator,
  BinaryExpr,
  BinaryOperator,
  Call,
  DurationExpr,
  Expr,
  MatrixSelector,
  NumberLiteral,
  ParenExpr,
  PositionRange,
  StringLiteral,
  SubqueryExpr,
  TimeModifiers,
  UnaryExpr,
  ValueType,
  VectorMatching,
  VectorSelector,
} from "./ast.ts";
export { ParseError, type ParseProblem } from "./errors.ts";
export { FUNCTIONS, type FunctionSignature } from "./functions.ts";
export { parseExpr, parseMetric, parseMetricSelector } from "./parser.ts";
export { children, exprType, MAX_DEPTH, walk } from "./walk.ts";
