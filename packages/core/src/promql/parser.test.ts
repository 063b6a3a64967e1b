import { describe, expect, test } from "vitest";
import {
  type Expr,
  MAX_DEPTH,
  ParseError,
  parseExpr,
  parseMetric,
  parseMetricSelector,
  type ParserOptions,
  printExpr,
} from "./index.ts";

const ALL: ParserOptions = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };

function errorOf(parse: () => unknown): ParseError {
  try {
    parse();
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** problems lists the errors of a query as `start-end message`. */
function problems(query: string, options: ParserOptions = ALL): string[] {
  return errorOf(() => parseExpr(query, options)).errors.map(({ start, end, msg }) => `${start}-${end} ${msg}`);
}

/** shape writes a tree with all its parentheses. */
function shape(expr: Expr): string {
  switch (expr.kind) {
    case "BinaryExpr":
      return `(${shape(expr.lhs)} ${expr.op} ${shape(expr.rhs)})`;
    case "UnaryExpr":
      return `(${expr.op}${shape(expr.expr)})`;
    case "ParenExpr":
      return shape(expr.expr);
    default:
      return printExpr(expr);
  }
}

describe("trees", () => {
  test("a range selector with everything", () => {
    expect(parseExpr('http_requests{job="api"}[5m] @ 12.5 offset -1h')).toMatchObject({
      kind: "MatrixSelector",
      rangeMs: 300_000,
      rangeExpr: undefined,
      pos: { start: 0, end: 46 },
      vectorSelector: {
        kind: "VectorSelector",
        name: "http_requests",
        matchers: [
          { name: "job", type: "=", value: "api" },
          { name: "__name__", type: "=", value: "http_requests" },
        ],
        timestampMs: 12_500,
        originalOffsetMs: -3_600_000,
        startOrEnd: undefined,
        pos: { start: 0, end: 24 },
      },
    });
  });

  test("a subquery", () => {
    expect(parseExpr("rate(m[1m])[1h:] @ end()")).toMatchObject({
      kind: "SubqueryExpr",
      rangeMs: 3_600_000,
      stepMs: 0,
      stepExpr: undefined,
      startOrEnd: "end",
      expr: { kind: "Call", func: "rate", pos: { start: 0, end: 11 } },
      pos: { start: 0, end: 24 },
    });
  });

  test("an aggregation with a parameter", () => {
    expect(parseExpr("topk without (a, b) (3, m)")).toMatchObject({
      kind: "AggregateExpr",
      op: "topk",
      param: { kind: "NumberLiteral", value: 3 },
      expr: { kind: "VectorSelector", name: "m" },
      grouping: ["a", "b"],
      without: true,
      pos: { start: 0, end: 26 },
    });
  });

  test("the end of an aggregation is its own parenthesis", () => {
    expect(parseExpr("((sum(a) ) )")).toMatchObject({ expr: { expr: { pos: { start: 2, end: 8 } } } });
  });

  test("matching between vectors", () => {
    expect(parseExpr("a / on (x) group_left (y) b")).toMatchObject({
      op: "/",
      matching: { card: "many-to-one", matchingLabels: ["x"], on: true, include: ["y"] },
      returnBool: false,
    });
    expect(parseExpr("a and b")).toMatchObject({ matching: { card: "many-to-many", on: false } });
    expect(parseExpr("a > bool 1")).toMatchObject({ matching: undefined, returnBool: true });
    expect(parseExpr("a + fill_right(-1) fill_left(1h) b", ALL)).toMatchObject({
      matching: { fillLhs: 3600, fillRhs: -1 },
    });
  });

  test("computed durations", () => {
    expect(parseExpr("m[5m + step()] offset -min_of(1m, range())")).toMatchObject({
      rangeMs: 0,
      rangeExpr: { op: "+", lhs: { value: 300, duration: true }, rhs: { op: "step", pos: { start: 7, end: 13 } } },
      vectorSelector: { offsetExpr: { op: "neg", rhs: { op: "min_of" } } },
    });
  });

  test("a parenthesised literal stays in parentheses", () => {
    expect(parseExpr("m[(5m)]")).toMatchObject({ rangeMs: 0, rangeExpr: { op: "pos", wrapped: true } });
    expect(parseExpr("m offset -(5)")).toMatchObject({
      offsetExpr: { op: "neg", rhs: { op: "pos", wrapped: true, rhs: { value: 5 } } },
    });
  });

  test.each([
    ["1 + 2 * 3 ^ 4 ^ 5", "(1 + (2 * (3 ^ (4 ^ 5))))"],
    ["-1 ^ 2", "(-(1 ^ 2))"],
    ["-a * b", "((-a) * b)"],
    ["a or b and c unless d", "(a or ((b and c) unless d))"],
    ["a > bool b + c == bool d", "((a > (b + c)) == d)"],
    ["a atan2 b / c", "((a atan2 b) / c)"],
    ["a </ 1 >/ 2", "((a </ 1) >/ 2)"],
    ["m offset 5m - 1", "(m offset 5m - 1)"],
    ["m offset -1 ^ 2", "(m offset -1s ^ 2)"],
  ])("%s groups as %s", (query, expected) => {
    expect(shape(parseExpr(query))).toBe(expected);
  });

  test.each([
    ["1e3", 1000],
    ["0x1F", 31],
    ["0755", 493],
    ["089", 89],
    ["1_000.5", 1000.5],
    ["0x_ff", 255],
    [".5", 0.5],
    ["5.", 5],
    ["Inf", Infinity],
    ["-iNf", -Infinity],
    ["1h30m", 5400],
    ["250ms", 0.25],
    ["9223372036854775808", 2 ** 63],
  ])("the number %s", (query, value) => {
    expect(parseExpr(query)).toMatchObject({ kind: "NumberLiteral", value });
  });

  test.each([
    ['"a\\n\\t\\"\\x41\\101\\u00e9\\U0001F600"', 'a\n\t"AAé😀'],
    ["'it\\'s \"fine\"'", 'it\'s "fine"'],
    ["`raw \\n ${x}`", "raw \\n ${x}"],
    ['"\\xe7\\x82\\xac"', "炬"],
    ['"\\xff\\xe7"', "\udcff\udce7"],
  ])("the string %s", (query, value) => {
    expect(parseExpr(query)).toMatchObject({ kind: "StringLiteral", value });
  });

  test.each([
    "sum",
    "by",
    "without",
    "offset",
    "and",
    "or",
    "unless",
    "start",
    "end",
    "step",
    "range",
    "min_of",
    "max_of",
    "fill",
    "fill_left",
    "anchored",
    "smoothed",
    "limitk",
    "group",
    "a:b:c",
    ":a",
    "__x",
  ])("%s may name a metric", (name) => {
    expect(parseExpr(`${name} + ${name}{a="b"}`)).toMatchObject({ lhs: { name }, rhs: { name } });
  });

  test("every keyword may name a label to group by, and strings may too", () => {
    expect(
      parseExpr('sum by (and, bool, on, group_left, atan2, offset, by, start, min_of, "a b", `c`,) (m)'),
    ).toMatchObject({
      grouping: ["and", "bool", "on", "group_left", "atan2", "offset", "by", "start", "min_of", "a b", "c"],
    });
  });

  test("names in quotes", () => {
    expect(parseExpr('{"http.requests", "a.b"="c", d=~"e"}')).toMatchObject({
      name: "",
      matchers: [
        { name: "__name__", value: "http.requests" },
        { name: "a.b", value: "c" },
        { name: "d", type: "=~" },
      ],
    });
  });

  test("comments and spaces", () => {
    expect(printExpr(parseExpr("# first\n\tsum # second\r\n ( a{ # third\n b = 'c' , } )"))).toBe('sum(a{b="c"})');
  });
});

describe("syntax errors say what came, where, and what should have", () => {
  test.each<[query: string, ...errors: string[]]>([
    ["foo bar", '4-7 unexpected identifier "bar"'],
    ["foo +", "5-5 unexpected end of input"],
    ["+ * foo", "2-3 unexpected <op:*>"],
    ["foo @ bar", '6-9 unexpected identifier "bar" in @, expected timestamp'],
    ["foo @ start", "11-11 unexpected end of input in @, expected timestamp"],
    ["foo offset bar", '11-14 unexpected identifier "bar" in offset, expected number, duration, step(), or range()'],
    ["foo[5m", "6-6 unclosed left bracket"],
    ["foo[5m:5m:5m]", "9-13 unexpected colon ':'"],
    ["foo[:5m]", "5-8 unexpected colon before duration in duration expression"],
    ["foo[5m)", "7-7 unexpected right parenthesis ')'"],
    ["foo[5m]]", "7-8 unexpected right bracket ']'"],
    ["foo[5m 6m]", '7-9 unexpected duration "6m" in subquery or range, expected ":" or "]"'],
    ["foo[5m:1m 2m]", '10-12 unexpected duration "2m" in subquery selector, expected "]"'],
    ["foo[5m:)", "8-8 unexpected right parenthesis ')'"],
    ["foo[5m:+]", '8-9 unexpected "]" in subquery selector, expected number, duration, step(), range(), or "]"'],
    ["sum(a) by b", '10-11 unexpected identifier "b" in grouping opts, expected "("'],
    ["sum by (a b) (c)", '10-11 unexpected identifier "b" in grouping opts, expected "," or ")"'],
    ["sum by (1) (c)", '8-9 unexpected number "1" in grouping opts, expected label'],
    ["sum(a b)", '6-7 unexpected identifier "b" in aggregation'],
    ["rate(a b)", '7-8 unexpected identifier "b"'],
    ["foo{a}", '5-6 unexpected "}" in label matching, expected label matching operator'],
    ["foo{a=1}", "6-8 unexpected character inside braces: '1'"],
    [
      "foo{a=b, c=d}",
      '6-7 unexpected identifier "b" in label matching, expected string',
      '11-12 unexpected identifier "d" in label matching, expected string',
    ],
    ["foo{a='b' c='d'}", '10-11 unexpected identifier "c" in label matching, expected "," or "}"'],
    ["foo{a!'b'}", "5-10 unexpected character after '!' inside braces: '\\''"],
    ["foo{{}}", "4-7 unexpected left brace '{'"],
    ["a + bool on(b) ignoring(c) d", "15-23 unexpected <ignoring>"],
    ["a group_left b", "2-12 unexpected <group_left>"],
    ["foo & bar", "4-9 unexpected character: '&'"],
    ["foo ! bar", "4-9 unexpected character after '!': ' '"],
    ["ünknown", "0-7 unexpected character: 'ü'"],
    ["😀", "0-2 unexpected character: '😀'"],
    ["'a", "0-2 unterminated quoted string"],
    ["'\\z'", "0-4 unknown escape sequence U+007A 'z'"],
    ["'\\u12", "0-5 escape sequence not terminated"],
    ["'\\ud800'", "0-8 escape sequence is an invalid Unicode code point"],
    ["'\\400'", "0-6 escape sequence is an invalid Unicode code point"],
    ["1_", '0-2 bad number or duration syntax: "1_"'],
    ["0xg", '0-3 bad number or duration syntax: "0x"'],
    ["0x", '0-2 error parsing number: strconv.ParseFloat: parsing "0x": invalid syntax'],
    ["1e999", '0-5 error parsing number: strconv.ParseFloat: parsing "1e999": value out of range'],
    ["1w1y", '0-4 bad number or duration syntax: "1w1"'],
    ["f(a,)", "3-4 trailing commas not allowed in function call args", '0-1 unknown function with name "f"'],
    [
      "abs(a) offset 1m",
      "0-6 offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
    ],
    ["a @ 1 @ 2", "0-5 @ <timestamp> may not be set multiple times"],
    ["a offset step() offset 1m", "0-15 offset may not be set multiple times"],
    ["a offset 1m[5m]", "11-15 no offset modifiers allowed before range"],
    ["1m[5m]", "2-6 ranges only allowed for vector selectors"],
    ["a[0s:1m]", "2-4 duration must be greater than 0"],
    ["a[300y]", "2-6 duration out of range", "2-6 duration must be greater than 0"],
    ["a[5m % 0]", "5-6 modulo by zero"],
    ['{a=~"("}', "1-7 error parsing regexp: missing closing ): `(`"],
    ['sum by ("") (a)', '8-10 invalid label name for grouping: ""'],
  ])("%s", (query, ...errors) => {
    expect(problems(query)).toEqual(errors);
  });
});

describe("type errors", () => {
  test.each<[query: string, ...errors: string[]]>([
    ["abs(1)", '4-5 expected type instant vector in call to function "abs", got scalar'],
    ["rate(a)", '5-6 expected type range vector in call to function "rate", got instant vector'],
    ["rate()", '0-6 expected 1 argument(s) in call to "rate", got 0'],
    ["round(a, 1, 2)", '0-14 expected at most 2 argument(s) in call to "round", got 3'],
    ["label_join(a)", '0-13 expected at least 3 argument(s) in call to "label_join", got 1'],
    ["label_join(a, 'b', 'c', 1)", '24-25 expected type string in call to function "label_join", got scalar'],
    ["sum(1)", "4-5 expected type instant vector in aggregation expression, got scalar"],
    ["sum(a[5m])", "4-9 expected type instant vector in aggregation expression, got range vector"],
    ["quantile('a', b)", "9-12 expected type scalar in aggregation parameter, got string"],
    ["count_values(1, b)", "13-14 expected type string in aggregation parameter, got scalar"],
    ["a + 'b'", "4-7 binary expression must contain only scalar and instant vector types"],
    ["a[5m] + b", "0-5 binary expression must contain only scalar and instant vector types"],
    ["1 > 2", "2-2 comparisons between scalars must use BOOL modifier"],
    ["a + bool b", "2-7 bool modifier can only be used on comparison operators"],
    ["1 + on (a) b", "0-12 vector matching only allowed between instant vectors"],
    ["a or 1", '0-6 set operator "or" not allowed in binary scalar expression'],
    [
      "a and on (b) group_left (c) d",
      '0-29 no grouping allowed for "and" operation',
      "0-29 set operations must always be many-to-many",
    ],
    ["a * on (b) group_left (b) c", '2-24 label "b" must not occur in ON and GROUP clause at once'],
    ["a and fill(1) b", "0-15 filling in missing series not allowed for set operators"],
    ["a + fill(1) 2", "0-13 filling in missing series only allowed between instant vectors"],
    ["-'a'", '0-4 unary expression only allowed on expressions of type scalar or instant vector, got "string"'],
    ["1[5m:]", "0-6 subquery is only allowed on instant vector, got scalar instead"],
    ["a[5m][5m:]", "0-10 subquery is only allowed on instant vector, got matrix instead"],
    ['{a=""}', "0-6 vector selector must contain at least one non-empty matcher"],
    ['a{__name__="b"}', '0-15 metric name must not be set twice: "a" or "b"'],
    ["info(a, b)", "8-9 expected label selectors only, got vector selector instead"],
    [
      "info(a, 1)",
      '0-10 expected type instant vector in call to function "info", got scalar',
      "8-9 expected label selectors only",
      '8-9 expected type instant vector in call to function "info", got scalar',
    ],
    ["a[5m:] smoothed", "0-6 smoothed modifier is not supported for subqueries"],
    ["1 anchored", "0-1 anchored modifier not implemented"],
    ["a anchored smoothed", "0-1 anchored and smoothed modifiers cannot be used together"],
  ])("%s", (query, ...errors) => {
    expect(problems(query)).toEqual(errors);
  });

  test("label matchers of info may match the empty value, those of selectors may not", () => {
    expect(printExpr(parseExpr('info(a, {b=~".*"})', ALL))).toBe('info(a, {b=~".*"})');
    expect(problems('sum({b=~".*"})')).toEqual(["4-13 vector selector must contain at least one non-empty matcher"]);
  });
});

describe("experimental parts are refused unless enabled", () => {
  test.each<[query: string, options: ParserOptions, error: string]>([
    ["info(a)", { experimentalFunctions: true }, '0-4 function "info" is not enabled'],
    ["step()", { experimentalFunctions: true }, '0-4 function "step" is not enabled'],
    ["max_of(1, 2)", { experimentalFunctions: true }, '0-6 function "max_of" is not enabled'],
    [
      "limitk(1, a)",
      { experimentalFunctions: true },
      "0-12 limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
    ],
    ["a[5m] anchored", { extendedRangeSelectors: true }, "0-5 anchored modifier is experimental and not enabled"],
    ["a + fill(1) b", { binopFillModifiers: true }, "0-13 binop fill modifiers are experimental and not enabled"],
  ])("%s", (query, options, error) => {
    expect(problems(query, {})).toEqual([error]);
    expect(printExpr(parseExpr(query, options))).not.toBe("");
  });

  test("except durations, which are computed unless that is switched off", () => {
    for (const query of ["a[1m+1m]", "a[step()]", "a offset (1m)", "a[max_of(1m, 2m)]"]) {
      expect(printExpr(parseExpr(query))).not.toBe("");
      expect(problems(query, { durationExpressions: false })[0]).toMatch(
        /experimental duration expression is not enabled$/,
      );
    }
    expect(printExpr(parseExpr("a[1m] offset -5m", { durationExpressions: false }))).toBe("a[1m] offset -5m");
  });
});

describe("messages", () => {
  test.each([
    ["foo bar", '1:5: parse error: unexpected identifier "bar"'],
    ["sum(\n  foo bar\n)", '2:7: parse error: unexpected identifier "bar" in aggregation'],
    ["", "unknown position: parse error: no expression found in input"],
    [" # nothing\n", "1:1: parse error: no expression found in input"],
    // Columns count bytes of UTF-8: é has two, 😀 four.
    ['{a="é"} bar', '1:10: parse error: unexpected identifier "bar"'],
    ['{a="😀"}\n{a="é"} bar', '2:1: parse error: unexpected "{"'],
  ])("%j", (query, message) => {
    expect(errorOf(() => parseExpr(query)).message).toBe(message);
  });

  test("a long token is cut", () => {
    expect(problems('a "1234567890abc"')).toEqual(['2-17 unexpected string "\\"123456789"...']);
  });
});

describe("metrics and selectors", () => {
  test.each([
    ["up", '{__name__="up"}'],
    ['up{job="a",instance="b",}', '{__name__="up", instance="b", job="a"}'],
    ['{"http.requests", "a.b"="c"}', '{__name__="http.requests", "a.b"="c"}'],
    ["{}", "{}"],
    ["", "{}"],
  ])("the metric %j", (text, labels) => {
    expect(parseMetric(text).toString()).toBe(labels);
  });

  test.each([
    ["up{job}", '1:7: parse error: unexpected "}" in label set, expected "="'],
    ["up{job=a}", '1:8: parse error: unexpected identifier "a" in label set, expected string'],
    ["up{job='a' b}", '1:12: parse error: unexpected identifier "b" in label set, expected "," or "}"'],
    ["up{,}", '1:4: parse error: unexpected "," in label set, expected identifier or "}"'],
    ["up up", '1:4: parse error: unexpected identifier "up"'],
  ])("the metric %j is refused", (text, message) => {
    expect(errorOf(() => parseMetric(text)).message).toBe(message);
  });

  test("a selector gives its matchers", () => {
    const matchers = parseMetricSelector('up{job=~"a.*", x!="y"}');
    expect(matchers.map(String)).toEqual(['job=~"a.*"', 'x!="y"', '__name__="up"']);
    expect(parseMetricSelector("{}")).toEqual([]);
  });

  test.each([
    ["up[5m]", '1:3: parse error: unexpected "["'],
    ["rate(up)", '1:5: parse error: unexpected "("'],
    ["", "unknown position: parse error: unexpected end of input"],
    ["1", '1:1: parse error: unexpected number "1"'],
  ])("the selector %j is refused", (text, message) => {
    expect(errorOf(() => parseMetricSelector(text)).message).toBe(message);
  });
});

describe("hostile input", () => {
  const deep = { start: 0, msg: `expression is nested more than ${MAX_DEPTH} levels deep` };

  test.each([
    ["parentheses", `${"(".repeat(50_000)}a${")".repeat(50_000)}`],
    ["signs", `${"-".repeat(100_000)}a`],
    ["operators", `a${" + a".repeat(25_000)}`],
    ["operators that group to the right", `a${" ^ a".repeat(25_000)}`],
    ["calls", `${"abs(".repeat(20_000)}a${")".repeat(20_000)}`],
    ["durations", `a[${"1+".repeat(40_000)}1]`],
    ["signs of durations", `a offset ${"-(".repeat(30_000)}step()${")".repeat(30_000)}`],
    ["subqueries", `a${"[1m:]".repeat(20_000)}`],
  ])("deeply nested %s are refused", (_name, query) => {
    expect(errorOf(() => parseExpr(query)).errors).toMatchObject([{ ...deep, end: query.length }]);
  });

  test("nesting below the limit works", () => {
    const query = `${"(".repeat(MAX_DEPTH - 1)}a${")".repeat(MAX_DEPTH - 1)}`;
    expect(printExpr(parseExpr(query))).toBe(query);
  });

  test("100 kB in one selector, call or string is read", () => {
    expect(parseExpr(`a{${'b!="c",'.repeat(14_000)}}`)).toMatchObject({ matchers: { length: 14_001 } });
    expect(problems(`abs(${"a,".repeat(50_000)}a)`)).toEqual([
      '0-100006 expected 1 argument(s) in call to "abs", got 50001',
    ]);
    expect(parseExpr(`"${"x".repeat(100_000)}"`)).toMatchObject({ kind: "StringLiteral" });
    expect(problems("(".repeat(100_000))).toEqual(["100000-100000 unclosed left parenthesis"]);
  });
});
