// What an editor offers besides functions (functions.ts): aggregations, operators and the words around them.
import type { AggregateOperator, BinaryOperator } from "./ast.ts";

export interface AggregationSignature {
  readonly name: AggregateOperator;
  /** param is the type of the first argument where there are two. */
  readonly param: "scalar" | "string" | undefined;
  /** experimental aggregations need the feature promql-experimental-functions. */
  readonly experimental: boolean;
  readonly doc: string;
}

function aggregation(
  name: AggregateOperator,
  doc: string,
  param?: "scalar" | "string",
  experimental = false,
): AggregationSignature {
  return { name, param, experimental, doc };
}

/** AGGREGATIONS lists every aggregation. */
export const AGGREGATIONS: readonly AggregationSignature[] = [
  aggregation("sum", "Sum of the values in each group."),
  aggregation("avg", "Average of the values in each group."),
  aggregation("count", "Number of elements in each group."),
  aggregation("min", "Smallest value in each group."),
  aggregation("max", "Largest value in each group."),
  aggregation("group", "1 for each group."),
  aggregation("stddev", "Population standard deviation in each group."),
  aggregation("stdvar", "Population variance in each group."),
  aggregation("topk", "The k elements with the largest values of each group.", "scalar"),
  aggregation("bottomk", "The k elements with the smallest values of each group.", "scalar"),
  aggregation("count_values", "Number of elements with the same value, which becomes a label.", "string"),
  aggregation("quantile", "Quantile (0 to 1) of the values in each group.", "scalar"),
  aggregation("limitk", "Any k elements of each group.", "scalar", true),
  aggregation("limit_ratio", "A share of the elements of each group, chosen by their labels.", "scalar", true),
];

export interface KeywordSignature {
  readonly name: string;
  /** feature is the flag that enables the keyword, if it is experimental. */
  readonly feature: string | undefined;
  readonly doc: string;
}

function keyword(name: string, doc: string, feature?: string): KeywordSignature {
  return { name, doc, feature };
}

const FILL = "promql-binop-fill-modifiers";
const EXTENDED = "promql-extended-range-selectors";

/** KEYWORD_DOCS lists the words of the language that are not functions, aggregations or operators. */
export const KEYWORD_DOCS: readonly KeywordSignature[] = [
  keyword("by", "Keeps these labels in an aggregation."),
  keyword("without", "Drops these labels in an aggregation."),
  keyword("on", "Matches the sides of an operator by these labels only."),
  keyword("ignoring", "Matches the sides of an operator by all labels but these."),
  keyword("group_left", "Lets several elements on the left match one on the right."),
  keyword("group_right", "Lets several elements on the right match one on the left."),
  keyword("bool", "Makes a comparison return 0 or 1 instead of filtering."),
  keyword("offset", "Looks this much further back in time."),
  keyword("anchored", "Takes the samples at the very ends of the range.", EXTENDED),
  keyword("smoothed", "Interpolates at the ends of the range.", EXTENDED),
  keyword("fill", "Value for missing elements on either side of an operator.", FILL),
  keyword("fill_left", "Value for missing elements on the left of an operator.", FILL),
  keyword("fill_right", "Value for missing elements on the right of an operator.", FILL),
  keyword("start", "Start of the query, after @."),
  keyword("end", "End of the query, after @."),
];

/** OPERATORS lists the binary operators by precedence, those that bind least first; all but ^ group to the left. */
export const OPERATORS: readonly (readonly BinaryOperator[])[] = [
  ["or"],
  ["and", "unless"],
  ["==", "!=", "<=", "<", ">=", ">", "</", ">/"],
  ["+", "-"],
  ["*", "/", "%", "atan2"],
  ["^"],
];
