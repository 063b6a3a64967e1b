// The grammar of PromQL with what to do for each rule. It accepts the language of Prometheus' generated_parser.y and has
// its rules for syntax errors in the same places, so that the tables built from it (lalr.ts) reduce in the same order
// and find the same errors. The order of the rules matters: where two fit, the earlier one is taken.
//
// A rule is written `left: right`; an action gets the parser, the stack of values and the index of the rule's first value.
import type { DurationExpr, Expr, NumberLiteral, StringLiteral, VectorSelector } from "./ast.ts";
import type { BinaryModifiers, Label, ParserState } from "./actions.ts";

import type { GrammarRule, PrecedenceLevel } from "./lalr.ts";
import { T, type Token } from "./tokens.ts";
import type { Matcher } from "../model/matcher.ts";

export type Action = (p: ParserState, v: readonly unknown[], i: number) => unknown;

/** LEVELS are the precedences, lowest first. The last makes a "[" always start a range or subquery. */
export const LEVELS: readonly PrecedenceLevel[] = [
  { associativity: "left", tokens: ["LOR"] },
  { associativity: "left", tokens: ["LAND", "LUNLESS"] },
  { associativity: "left", tokens: ["EQLC", "GTE", "GTR", "LSS", "LTE", "NEQ", "TRIM_UPPER", "TRIM_LOWER"] },
  { associativity: "left", tokens: ["ADD", "SUB"] },
  { associativity: "left", tokens: ["MUL", "DIV", "MOD", "ATAN2"] },
  { associativity: "right", tokens: ["POW"] },
  { associativity: "nonassoc", tokens: ["OFFSET"] },
  { associativity: "right", tokens: ["LEFT_BRACKET"] },
];

const rules: GrammarRule[] = [];
const actions: Action[] = [];

const first: Action = (_p, v, i) => v[i];
const second: Action = (_p, v, i) => v[i + 1];
const nothing: Action = () => undefined;

/** define adds a rule; the right side is a list of symbols, followed by `%prec TOKEN` where it borrows a precedence. */
function define(lhs: string, rhs: string, action: Action = first): void {
  const [symbols, precedence] = rhs.split("%prec ");
  rules.push({ lhs, rhs: symbols!.split(" ").filter((name) => name !== ""), precedence });
  actions.push(action);
}

/** oneOf adds a rule for each symbol, which hands its value on. */
function oneOf(lhs: string, symbols: string): void {
  for (const symbol of symbols.split(" ")) define(lhs, symbol);
}

/** unexpected adds a rule that complains about the token read last and hands on the value at `keep`. */
function unexpected(lhs: string, rhs: string, context: string, expected: string, keep?: number): void {
  define(lhs, rhs, (p, v, i) => {
    p.unexpected(context, expected);
    return keep === undefined ? undefined : v[i + keep];
  });
}

const token = (v: readonly unknown[], i: number): Token => v[i] as Token;
const expr = (v: readonly unknown[], i: number): Expr => v[i] as Expr;
const duration = (v: readonly unknown[], i: number): NumberLiteral | DurationExpr =>
  v[i] as NumberLiteral | DurationExpr;

define("start", "START_METRIC metric", (p, v, i) => p.accept(v[i + 1]));
define("start", "START_EXPRESSION EOF", (p) => p.fail(0, 0, "no expression found in input"));
define("start", "START_EXPRESSION expr", (p, v, i) => p.accept(v[i + 1]));
define("start", "START_METRIC_SELECTOR vector_selector", (p, v, i) => p.accept(v[i + 1]));
define("start", "start EOF", nothing);
unexpected("start", "error", "", "");

oneOf(
  "expr",
  "aggregate_expr binary_expr function_call matrix_selector number_duration_literal offset_expr anchored_expr " +
    "smoothed_expr paren_expr string_literal subquery_expr unary_expr vector_selector step_invariant_expr duration_expr",
);

define("aggregate_expr", "aggregate_op aggregate_modifier function_call_body", (p, v, i) =>
  p.aggregate(token(v, i), v[i + 1] as Grouping, v[i + 2] as Expr[], false),
);
define("aggregate_expr", "aggregate_op function_call_body aggregate_modifier", (p, v, i) =>
  p.aggregate(token(v, i), v[i + 2] as Grouping, v[i + 1] as Expr[], false),
);
define("aggregate_expr", "aggregate_op function_call_body", (p, v, i) =>
  p.aggregate(token(v, i), NO_GROUPING, v[i + 1] as Expr[], true),
);
define("aggregate_expr", "aggregate_op error", (p, v, i) => {
  p.unexpected("aggregation", "");
  return p.aggregate(token(v, i), NO_GROUPING, [], false);
});

/** Grouping is what `by (...)` or `without (...)` says. */
export interface Grouping {
  labels: string[];
  without: boolean;
}

const NO_GROUPING: Grouping = { labels: [], without: false };

define("aggregate_modifier", "BY grouping_labels", (_p, v, i) => ({ labels: v[i + 1] ?? [], without: false }));
define("aggregate_modifier", "WITHOUT grouping_labels", (_p, v, i) => ({ labels: v[i + 1] ?? [], without: true }));

const OPERATORS = "ADD ATAN2 DIV EQLC GTE GTR LAND LOR LSS LTE LUNLESS MOD MUL NEQ POW SUB TRIM_UPPER TRIM_LOWER".split(
  " ",
);
for (const operator of OPERATORS) {
  define("binary_expr", `expr ${operator} bin_modifier expr`, (p, v, i) =>
    p.binary(expr(v, i), token(v, i + 1), v[i + 2] as BinaryModifiers, expr(v, i + 3)),
  );
}

const modifiers = (v: readonly unknown[], i: number): BinaryModifiers => v[i] as BinaryModifiers;

define("bin_modifier", "fill_modifiers");
define("bool_modifier", "", (p) => p.noModifiers(false));
define("bool_modifier", "BOOL", (p) => p.noModifiers(true));
define("on_or_ignoring", "bool_modifier IGNORING grouping_labels", (_p, v, i) => {
  modifiers(v, i).matching.matchingLabels = (v[i + 2] as string[] | undefined) ?? [];
  return v[i];
});
define("on_or_ignoring", "bool_modifier ON grouping_labels", (_p, v, i) => {
  modifiers(v, i).matching.matchingLabels = (v[i + 2] as string[] | undefined) ?? [];
  modifiers(v, i).matching.on = true;
  return v[i];
});
define("group_modifiers", "bool_modifier");
define("group_modifiers", "on_or_ignoring");
define("group_modifiers", "on_or_ignoring GROUP_LEFT maybe_grouping_labels", (_p, v, i) => {
  modifiers(v, i).matching.card = "many-to-one";
  modifiers(v, i).matching.include = (v[i + 2] as string[] | undefined) ?? [];
  return v[i];
});
define("group_modifiers", "on_or_ignoring GROUP_RIGHT maybe_grouping_labels", (_p, v, i) => {
  modifiers(v, i).matching.card = "one-to-many";
  modifiers(v, i).matching.include = (v[i + 2] as string[] | undefined) ?? [];
  return v[i];
});

/** fill sets the values for missing elements; an index of 0 leaves that side alone. */
function fill(rhs: string, left: number, right: number): void {
  define("fill_modifiers", rhs, (_p, v, i) => {
    const { matching } = modifiers(v, i);
    if (left > 0) matching.fillLhs = (v[i + left] as NumberLiteral).value;
    if (right > 0) matching.fillRhs = (v[i + right] as NumberLiteral).value;
    return v[i];
  });
}
define("fill_modifiers", "group_modifiers");
fill("group_modifiers FILL fill_value", 2, 2);
fill("group_modifiers FILL_LEFT fill_value", 2, 0);
fill("group_modifiers FILL_RIGHT fill_value", 0, 2);
fill("group_modifiers FILL_LEFT fill_value FILL_RIGHT fill_value", 2, 4);
fill("group_modifiers FILL_RIGHT fill_value FILL_LEFT fill_value", 4, 2);

define("grouping_labels", "LEFT_PAREN grouping_label_list RIGHT_PAREN", second);
define("grouping_labels", "LEFT_PAREN grouping_label_list COMMA RIGHT_PAREN", second);
define("grouping_labels", "LEFT_PAREN RIGHT_PAREN", () => []);
unexpected("grouping_labels", "error", "grouping opts", '"("');
define("grouping_label_list", "grouping_label_list COMMA grouping_label", (_p, v, i) => {
  (v[i] as string[]).push(v[i + 2] as string);
  return v[i];
});
define("grouping_label_list", "grouping_label", (_p, v, i) => [v[i]]);
unexpected("grouping_label_list", "grouping_label_list error", "grouping opts", '"," or ")"', 0);
define("grouping_label", "maybe_label", (p, v, i) => p.groupingLabel(token(v, i), token(v, i).value));
define("grouping_label", "STRING", (p, v, i) => p.groupingLabel(token(v, i), p.unquote(token(v, i))));
unexpected("grouping_label", "error", "grouping opts", "label");

define("fill_value", "LEFT_PAREN number_duration_literal RIGHT_PAREN", second);
define("fill_value", "LEFT_PAREN unary_op number_duration_literal RIGHT_PAREN", (p, v, i) =>
  p.signed(token(v, i + 1), v[i + 2] as NumberLiteral),
);

for (const name of ["IDENTIFIER", "at_modifier_preprocessors", "STEP", "RANGE", "max_of_min_of"]) {
  define("function_call", `${name} function_call_body`, (p, v, i) => p.call(token(v, i), v[i + 1] as Expr[]));
}
define("function_call_body", "LEFT_PAREN function_call_args RIGHT_PAREN", second);
define("function_call_body", "LEFT_PAREN RIGHT_PAREN", () => []);
define("function_call_args", "function_call_args COMMA expr", (_p, v, i) => {
  (v[i] as Expr[]).push(expr(v, i + 2));
  return v[i];
});
define("function_call_args", "expr", (_p, v, i) => [v[i]]);
define("function_call_args", "function_call_args COMMA", (p, v, i) => {
  p.failAt(token(v, i + 1), "trailing commas not allowed in function call args");
  return v[i];
});

define("paren_expr", "LEFT_PAREN expr RIGHT_PAREN", (p, v, i) => p.paren(token(v, i), expr(v, i + 1), token(v, i + 2)));

define("positive_duration_expr", "duration_expr", (p, v, i) => p.positive(duration(v, i)));
define("offset_expr", "expr OFFSET offset_duration_expr", (p, v, i) => p.offset(expr(v, i), duration(v, i + 2)));
const DURATION = "number, duration, step(), or range()";
unexpected("offset_expr", "expr OFFSET error", "offset", DURATION, 0);
define("anchored_expr", "expr ANCHORED", (p, v, i) => p.extend(expr(v, i), "anchored"));
define("smoothed_expr", "expr SMOOTHED", (p, v, i) => p.extend(expr(v, i), "smoothed"));

define("step_invariant_expr", "expr AT signed_or_unsigned_number", (p, v, i) =>
  p.atTimestamp(expr(v, i), v[i + 2] as number),
);
define("step_invariant_expr", "expr AT at_modifier_preprocessors LEFT_PAREN RIGHT_PAREN", (p, v, i) =>
  p.atStartOrEnd(expr(v, i), token(v, i + 2)),
);
unexpected("step_invariant_expr", "expr AT error", "@", "timestamp", 0);
oneOf("at_modifier_preprocessors", "START END");

define("matrix_selector", "expr LEFT_BRACKET positive_duration_expr RIGHT_BRACKET", (p, v, i) =>
  p.range(expr(v, i), token(v, i + 1), duration(v, i + 2), token(v, i + 3)),
);
const RANGE_AND_STEP = "expr LEFT_BRACKET positive_duration_expr COLON positive_duration_expr";
define("subquery_expr", `${RANGE_AND_STEP} RIGHT_BRACKET`, (p, v, i) =>
  p.subquery(expr(v, i), duration(v, i + 2), duration(v, i + 4), token(v, i + 5)),
);
define("subquery_expr", "expr LEFT_BRACKET positive_duration_expr COLON RIGHT_BRACKET", (p, v, i) =>
  p.subquery(expr(v, i), duration(v, i + 2), undefined, token(v, i + 4)),
);
unexpected("subquery_expr", `${RANGE_AND_STEP} error`, "subquery selector", '"]"', 0);
unexpected(
  "subquery_expr",
  "expr LEFT_BRACKET positive_duration_expr COLON error",
  "subquery selector",
  'number, duration, step(), range(), or "]"',
  0,
);
unexpected("subquery_expr", "expr LEFT_BRACKET positive_duration_expr error", "subquery or range", '":" or "]"', 0);
unexpected("subquery_expr", "expr LEFT_BRACKET error", "subquery or range selector", DURATION, 0);

// The sign binds as tightly as multiplication, as in mathematics: -1^2 is -(1^2).
define("unary_expr", "unary_op expr %prec MUL", (p, v, i) => p.unary(token(v, i), expr(v, i + 1)));

define("vector_selector", "metric_identifier label_matchers", (p, v, i) =>
  p.named(token(v, i), v[i + 1] as VectorSelector),
);
define("vector_selector", "metric_identifier", (p, v, i) => p.named(token(v, i), undefined));
define("vector_selector", "label_matchers");
define("label_matchers", "LEFT_BRACE label_match_list RIGHT_BRACE", (p, v, i) =>
  p.selector(token(v, i), v[i + 1] as Matcher[], token(v, i + 2)),
);
define("label_matchers", "LEFT_BRACE label_match_list COMMA RIGHT_BRACE", (p, v, i) =>
  p.selector(token(v, i), v[i + 1] as Matcher[], token(v, i + 3)),
);
define("label_matchers", "LEFT_BRACE RIGHT_BRACE", (p, v, i) => p.selector(token(v, i), [], token(v, i + 1)));
define("label_match_list", "label_match_list COMMA label_matcher", (_p, v, i) => {
  (v[i] as unknown[]).push(v[i + 2]);
  return v[i];
});
define("label_match_list", "label_matcher", (_p, v, i) => [v[i]]);
unexpected("label_match_list", "label_match_list error", "label matching", '"," or "}"', 0);
for (const name of ["IDENTIFIER", "string_identifier"]) {
  define("label_matcher", `${name} match_op STRING`, (p, v, i) =>
    p.matcher(token(v, i), token(v, i + 1), token(v, i + 2)),
  );
}
define("label_matcher", "string_identifier", (p, v, i) => p.nameMatcher(token(v, i)));
unexpected("label_matcher", "string_identifier match_op error", "label matching", "string");
unexpected("label_matcher", "IDENTIFIER match_op error", "label matching", "string");
unexpected("label_matcher", "IDENTIFIER error", "label matching", "label matching operator");
unexpected("label_matcher", "error", "label matching", 'identifier or "}"');

// A label that was not understood is undefined here; then the result is not used. A later name replaces an earlier one.
define("metric", "metric_identifier label_set", (_p, v, i) => [
  ...(v[i + 1] as (Label | undefined)[]),
  ["__name__", token(v, i).value],
]);
define("metric", "label_set");

const NAMES =
  "AVG BOTTOMK BY COUNT COUNT_VALUES FILL FILL_LEFT FILL_RIGHT GROUP IDENTIFIER LAND LOR LUNLESS MAX " +
  "METRIC_IDENTIFIER MIN OFFSET QUANTILE STDDEV STDVAR SUM TOPK WITHOUT START END LIMITK LIMIT_RATIO STEP RANGE " +
  "ANCHORED SMOOTHED MAX_OF MIN_OF";
oneOf("metric_identifier", NAMES);

define("label_set", "LEFT_BRACE label_set_list RIGHT_BRACE", second);
define("label_set", "LEFT_BRACE label_set_list COMMA RIGHT_BRACE", second);
define("label_set", "LEFT_BRACE RIGHT_BRACE", () => []);
define("label_set", "", () => []);
define("label_set_list", "label_set_list COMMA label_set_item", (_p, v, i) => {
  (v[i] as unknown[]).push(v[i + 2]);
  return v[i];
});
define("label_set_list", "label_set_item", (_p, v, i) => [v[i]]);
unexpected("label_set_list", "label_set_list error", "label set", '"," or "}"', 0);
for (const name of ["IDENTIFIER", "string_identifier"]) {
  define("label_set_item", `${name} EQL STRING`, (p, v, i) => [token(v, i).value, p.unquote(token(v, i + 2))]);
}
define("label_set_item", "string_identifier", (_p, v, i) => ["__name__", token(v, i).value]);
unexpected("label_set_item", "IDENTIFIER EQL error", "label set", "string");
unexpected("label_set_item", "string_identifier EQL error", "label set", "string");
unexpected("label_set_item", "IDENTIFIER error", "label set", '"="');
unexpected("label_set_item", "error", "label set", 'identifier or "}"');

oneOf(
  "aggregate_op",
  "AVG BOTTOMK COUNT COUNT_VALUES GROUP MAX MIN QUANTILE STDDEV STDVAR SUM TOPK LIMITK LIMIT_RATIO",
);
// Words the lexer knows as keywords may be names of labels in a grouping.
oneOf("maybe_label", `${NAMES} BOOL GROUP_LEFT GROUP_RIGHT IGNORING ON ATAN2`.replace(" WITHOUT", ""));
oneOf("unary_op", "ADD SUB");
oneOf("match_op", "EQL NEQ EQL_REGEX NEQ_REGEX");

define("number_duration_literal", "NUMBER", (p, v, i) => p.numberLiteral(token(v, i)));
define("number_duration_literal", "DURATION", (p, v, i) => p.durationLiteral(token(v, i)));
define("number", "NUMBER", (p, v, i) => p.numberLiteral(token(v, i)).value);
define("number", "DURATION", (p, v, i) => p.durationLiteral(token(v, i)).value);
define("signed_number", "ADD number", second);
define("signed_number", "SUB number", (_p, v, i) => -(v[i + 1] as number));
oneOf("signed_or_unsigned_number", "number signed_number");
define("string_literal", "STRING", (p, v, i): StringLiteral => p.stringLiteral(token(v, i)));
define("string_identifier", "STRING", (p, v, i): Token => ({
  type: T.METRIC_IDENTIFIER,
  pos: token(v, i).pos,
  value: p.unquote(token(v, i)),
}));
define("maybe_grouping_labels", "", nothing);
define("maybe_grouping_labels", "grouping_labels");

// After `offset` a bare literal, signed or not, ends the duration, so that `foo offset 5m - bar` is a subtraction. These
// rules come before those of duration_expr and therefore win where both fit.
define("offset_duration_expr", "number_duration_literal", (p, v, i) => p.inRange(v[i] as NumberLiteral));
define("offset_duration_expr", "unary_op number_duration_literal", (p, v, i) =>
  p.signDuration(token(v, i), v[i + 1] as NumberLiteral, false),
);
for (const word of ["STEP", "RANGE"]) {
  define("offset_duration_expr", `${word} LEFT_PAREN RIGHT_PAREN`, (p, v, i) =>
    p.durationWord(token(v, i), token(v, i + 2)),
  );
}
for (const word of ["STEP", "RANGE"]) {
  define("offset_duration_expr", `unary_op ${word} LEFT_PAREN RIGHT_PAREN`, (p, v, i) =>
    p.signDurationCall(token(v, i), p.durationWord(token(v, i + 1), token(v, i + 3))),
  );
}
define("offset_duration_expr", "max_of_min_of LEFT_PAREN duration_expr COMMA duration_expr RIGHT_PAREN", (p, v, i) =>
  p.durationChoice(token(v, i), duration(v, i + 2), duration(v, i + 4), token(v, i + 5)),
);
define(
  "offset_duration_expr",
  "unary_op max_of_min_of LEFT_PAREN duration_expr COMMA duration_expr RIGHT_PAREN",
  (p, v, i) =>
    p.signDurationCall(
      token(v, i),
      p.durationChoice(token(v, i + 1), duration(v, i + 3), duration(v, i + 5), token(v, i + 6)),
    ),
);
define("offset_duration_expr", "unary_op LEFT_PAREN duration_expr RIGHT_PAREN %prec MUL", (p, v, i) =>
  p.signDuration(token(v, i), duration(v, i + 2), true),
);
define("offset_duration_expr", "duration_expr");
oneOf("max_of_min_of", "MAX_OF MIN_OF");

define("duration_expr", "number_duration_literal", (p, v, i) => p.inRange(v[i] as NumberLiteral));
define("duration_expr", "unary_op duration_expr %prec MUL", (p, v, i) =>
  p.signDuration(token(v, i), duration(v, i + 1), false),
);
for (const operator of ["ADD", "SUB", "MUL", "DIV", "MOD", "POW"]) {
  define("duration_expr", `duration_expr ${operator} duration_expr`, (p, v, i) =>
    p.durationArithmetic(duration(v, i), token(v, i + 1), duration(v, i + 2)),
  );
}
for (const word of ["STEP", "RANGE"]) {
  define("duration_expr", `${word} LEFT_PAREN RIGHT_PAREN`, (p, v, i) => p.durationWord(token(v, i), token(v, i + 2)));
}
define("duration_expr", "max_of_min_of LEFT_PAREN duration_expr COMMA duration_expr RIGHT_PAREN", (p, v, i) =>
  p.durationChoice(token(v, i), duration(v, i + 2), duration(v, i + 4), token(v, i + 5)),
);
define("duration_expr", "paren_duration_expr");
define("paren_duration_expr", "LEFT_PAREN duration_expr RIGHT_PAREN", (p, v, i) => p.wrapDuration(duration(v, i + 1)));

/** RULES and ACTIONS belong together by index. */
export const RULES: readonly GrammarRule[] = rules;
export const ACTIONS: readonly Action[] = actions;
