// Whatever is typed gives a tree or a ParseError, and a tree prints to a text that parses to the same.
import { expect, test } from "vitest";
import {
  ParseError,
  parseExpr,
  parseMetric,
  parseMetricSelector,
  type ParserOptions,
  prettyExpr,
  printExpr,
  resolveDurations,
  toApiAst,
  walk,
} from "./index.ts";

const QUERIES = [
  'sum by (job, "a b") (rate(http_requests_total{job=~"a|b", code!~"5..", x="é😀\\n"}[5m] offset 1h)) > bool 0.5',
  'histogram_quantile(0.99, sum without (pod) (increase(b{le!=""}[1h:30s] @ end()))) / ignoring (le) group_left (t) c',
  '-a ^ -2 * (b or on () vector(1)) unless c{d="e"} atan2 1e3 % 0x1f - Inf',
  "foo[5m + step() * -(2 ^ 2)] anchored offset -min_of(range(), (1m)) @ 12.5",
  'topk(3, {"x.y", __name__!=""}) + on (a) group_right (b) fill_left (1) fill_right (-1m) bottomk by (z) (1, y)',
  "label_replace(a, 'b', `c\\d`, \"\\x41\\u00e9\", '.*') # comment\n and info(up, {a=\"b\"})",
  "count_values('v', absent_over_time(x[1d1h1m1s1ms])) == 1_000 or start() + max_of(1, 2) </ 3",
];
const TOKENS = [
  ..."()[]{},:@^+-*/%=!<>~.#\"'`\\ \n\t_\u00e9\u{1f600}\ud800\ufffd\0",
  ..."and or unless by without on ignoring group_left bool offset anchored smoothed fill start end step range inf nan".split(
    " ",
  ),
  ..."sum topk rate abs time 5m 1h30m 0 1.5 1e 0x 08 =~ != == >= '' \"a\" foo bar: __name__ min_of".split(" "),
];
const OPTIONS: ParserOptions = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };

test("mutated queries are parsed or refused, never anything else", () => {
  let seed = 42;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
  const mutate = (query: string): string => {
    const at = random(query.length + 1);
    switch (random(4)) {
      case 0:
        return query.slice(0, at) + query.slice(at + 1 + random(4));
      case 1:
        return query.slice(0, at) + TOKENS[random(TOKENS.length)] + query.slice(at);
      case 2:
        return query.slice(0, at);
      default: {
        const other = QUERIES[random(QUERIES.length)]!;
        return query.slice(0, at) + other.slice(random(other.length), random(other.length));
      }
    }
  };
  let parsed = 0;
  let refused = 0;
  for (let i = 0; i < 20_000; i++) {
    let query = QUERIES[random(QUERIES.length)]!;
    for (let n = random(3); n >= 0; n--) query = mutate(query);
    let printed: string;
    try {
      const expr = parseExpr(query, OPTIONS);
      printed = printExpr(expr);
      walk(expr, ({ pos }) => {
        expect(pos.start, query).toBeLessThanOrEqual(pos.end);
        expect(pos.end, query).toBeLessThanOrEqual(query.length);
      });
      expect(printExpr(parseExpr(prettyExpr(expr), OPTIONS)), query).toBe(printed);
      JSON.stringify(toApiAst(expr));
      expect(printExpr(parseExpr(printed, OPTIONS)), query).toBe(printed);
      parsed++;
    } catch (error) {
      if (!(error instanceof ParseError)) throw new Error(`on ${JSON.stringify(query)}`, { cause: error });
      expect(error.errors.length).toBeGreaterThan(0);
      for (const { start, end } of error.errors) {
        expect(start, query).toBeGreaterThanOrEqual(0);
        expect(end, query).toBeLessThanOrEqual(query.length);
      }
      refused++;
    }
  }
  expect(parsed).toBeGreaterThan(1000);
  expect(refused).toBeGreaterThan(1000);
});

test("mutated selectors and metrics are parsed or refused too", () => {
  let seed = 7;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
  const pieces = [
    "up",
    "sum",
    "{",
    "}",
    "a",
    "=",
    "!=",
    "=~",
    '"x"',
    "'('",
    ",",
    " ",
    "1",
    "(",
    "[5m]",
    "#c\n",
    "\u00e9",
  ];
  let parsed = 0;
  for (let i = 0; i < 10_000; i++) {
    let text = random(2) === 0 ? 'up{a="b"' : "";
    for (let n = random(6); n >= 0; n--) text += pieces[random(pieces.length)];
    for (const parse of [parseMetric, parseMetricSelector]) {
      try {
        parse(text);
        parsed++;
      } catch (error) {
        if (!(error instanceof ParseError)) throw new Error(`on ${JSON.stringify(text)}`, { cause: error });
      }
    }
  }
  expect(parsed).toBeGreaterThan(500);
});

test("computed durations resolve to a tree of the same canonical form", () => {
  const expr = parseExpr(QUERIES[3]!, OPTIONS);
  expect(printExpr(resolveDurations(expr, { stepMs: 60_000, rangeMs: 3_600_000 }))).toBe(printExpr(expr));
});
