import { describe, expect, test } from "vitest";
import { parseExpr, type ParserOptions, prettyExpr, printExpr } from "./index.ts";

const ALL: ParserOptions = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };

describe("the canonical form", () => {
  test.each([
    ["sum by() (a)", "sum(a)"],
    ["sum(a)by(b,c)", "sum by (b, c) (a)"],
    ["sum without () (a)", "sum without () (a)"],
    ['sum by ("x.y", b) (a)', 'sum by ("x.y", b) (a)'],
    ["SUM(a) BY (b)", "sum by (b) (a)"],
    ["topk(5,a)", "topk(5, a)"],
    ["a-on()c", "a - on () c"],
    ["a - ignoring() c", "a - c"],
    ["a - on(b)group_left c", "a - on (b) group_left () c"],
    ["a - ignoring(b) group_right(x,y) (c)", "a - ignoring (b) group_right (x, y) (c)"],
    ["a - ignoring() group_left c", "a - ignoring () group_left () c"],
    ["a>bool 0", "a > bool 0"],
    ["a + fill(1) b", "a + fill (1) b"],
    ["a + fill_left(2) fill_right(2) b", "a + fill (2) b"],
    ["a + on(x) fill_right(-1e6) b", "a + on (x) fill_right (-1e+06) b"],
    ["{__name__='a'}", '{__name__="a"}'],
    ['{"a.b"}', '{__name__="a.b"}'],
    ['a{z="1",b=~"2",b!~"3",b!="4"}', 'a{b!="4",b!~"3",b=~"2",z="1"}'],
    ['{"l.m"="1"}', '{"l.m"="1"}'],
    ['{__name__="",a="x"}', '{__name__="",a="x"}'],
    ["a{b='\"\\n'}", 'a{b="\\"\\n"}'],
    ['a{b="\\xff"}', 'a{b="\\xff"}'],
    ['a{b="\\ufffd"}', 'a{b="\\ufffd"}'],
    ['a{b="é😀\\x00"}', 'a{b="é😀\\x00"}'],
    ["a offset 1h60m", "a offset 2h"],
    ["a offset -7m", "a offset -7m"],
    ["a[300]", "a[5m]"],
    ["a[1.5]", "a[1s500ms]"],
    ["a[90d]", "a[90d]"],
    ["a[14d]", "a[2w]"],
    ["a[730d]", "a[2y]"],
    ["a[5m] offset 1m @ 10", "a[5m] @ 10.000 offset 1m"],
    ["a[5m] @ start() smoothed", "a[5m] smoothed @ start()"],
    ["a anchored offset 1m @ end()", "a @ end() anchored offset 1m"],
    ["a[1h:5m] offset 1m @ 1.5", "a[1h:5m] @ 1.500 offset 1m"],
    ["a[1h:]", "a[1h:]"],
    ["a[5m+(1m*2)]", "a[5m + (1m * 2)]"],
    ["a[(5m)]", "a[(5m)]"],
    ["a[(-2)^2]", "a[(-2) ^ 2]"],
    ["a offset -(1)", "a offset -(1)"],
    ["a offset +step()", "a offset step()"],
    ["a[max_of(1m,range()):step()/2]", "a[max_of(1m, range()):step() / 2]"],
    ["1e3", "1000"],
    ["1e-7", "0.0000001"],
    ["1e22", "10000000000000000000000"],
    ["-0", "-0"],
    ["INF", "+Inf"],
    ["-inf", "-Inf"],
    ["nAn", "NaN"],
    ["5m", "5m"],
    ["-90s", "-1m30s"],
    ["1001ms", "1s1ms"],
    ["-a", "-a"],
    ["-(1+a)", "-(1 + a)"],
    ["info(a, {})", "info(a, {})"],
    ["'single'", '"single"'],
  ])("of %s", (query, canonical) => {
    expect(printExpr(parseExpr(query, ALL))).toBe(canonical);
    expect(printExpr(parseExpr(canonical, ALL))).toBe(canonical);
  });
});

describe("the form over several lines", () => {
  const long = 'metric_with_a_long_name{label_one="value_one",label_two="value_two"}';

  test.each([
    ["a  +  b", "a + b"],
    [`sum(rate(${long}[5m])) by (job)`, `sum by (job) (rate(${long}[5m]))`],
    [
      `sum without (instance) (rate(${long}[5m] offset 1h))`,
      `sum without (instance) (\n  rate(${long}[5m] offset 1h)\n)`,
    ],
    [`${long} * on (job) group_left (x) ${long}`, `  ${long}\n* on (job) group_left (x)\n  ${long}`],
    [
      `topk(5, ${long} > bool 1 and another_metric_with_a_long_name)`,
      `topk(\n  5,\n    ${long} > bool 1\n  and\n    another_metric_with_a_long_name\n)`,
    ],
    [`(${long} + ${long})`, `(\n    ${long}\n  +\n    ${long}\n)`],
    [`-(${long} + ${long})`, `-(\n    ${long}\n  +\n    ${long}\n)`],
    // A subquery that fits on a line stands at its beginning: upstream does not indent it.
    [`max_over_time(rate(${long}[5m])[30m:1m] offset 1d)`, `max_over_time(\nrate(${long}[5m])[30m:1m] offset 1d\n)`],
    [
      `label_replace(${long}, "a", "b", "c", "d.*e")`,
      `label_replace(\n  ${long},\n  "a",\n  "b",\n  "c",\n  "d.*e"\n)`,
    ],
  ])("of %s", (query, formatted) => {
    expect(prettyExpr(parseExpr(query))).toBe(formatted);
  });

  test("length is counted in bytes", () => {
    const query = (text: string): string => `abs(a{b="${text}"})`;
    expect(prettyExpr(parseExpr(query("x".repeat(88))))).not.toContain("\n");
    expect(prettyExpr(parseExpr(query("é".repeat(45))))).toContain("\n");
  });
});
