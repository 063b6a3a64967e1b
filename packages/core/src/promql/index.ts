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
export { type ApiAst, toApiAst } from "./api-ast.ts";
export { type DurationContext, DurationExprError, resolveDurations } from "./durations.ts";
export { byteLength, describePosition, ParseError, type ParseProblem } from "./errors.ts";
export { FUNCTIONS, type FunctionSignature } from "./functions.ts";
export { AGGREGATIONS, type AggregationSignature, KEYWORD_DOCS, type KeywordSignature, OPERATORS } from "./keywords.ts";
export { parseExpr, parseMetric, parseMetricSelector } from "./parser.ts";
export { prettyExpr } from "./pretty.ts";
export { printExpr, printMatcher } from "./printer.ts";
export { isStepInvariant } from "./step-invariant.ts";
export { children, exprType, MAX_DEPTH, walk } from "./walk.ts";
