import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { histogramTestExpression } from "../model/index.ts";
import {
  isStartTimestampLine,
  parseSeriesDescription,
  parseStartTimestamps,
  type SequenceValue,
  SeriesDescriptionError,
} from "./series-description.ts";

function show(value: SequenceValue): number | string {
  if (value.omitted) return "_";
  if (value.stale) return "stale";
  return value.histogram ? histogramTestExpression(value.histogram) : value.value;
}

function values(text: string): (number | string)[] {
  return parseSeriesDescription(`m ${text}`).values.map(show);
}

describe("metrics", () => {
  test.each([
    ["{} 1", "{}"],
    ["my_metric 1", '{__name__="my_metric"}'],
    ["a:b{} 1", '{__name__="a:b"}'],
    ["sum{by='x', on=`y\\n`,} 1", '{__name__="sum", by="x", on="y\\\\n"}'],
    ['{"dotted.name", "a label"="v"} 1', '{__name__="dotted.name", "a label"="v"}'],
    ['m{a="\\u00e9 \\x41\\101\\t\\""} 1', '{__name__="m", a="é AA\\t\\""}'],
  ])("%s", (text, labels) => {
    expect(parseSeriesDescription(text).labels.toString()).toBe(labels);
  });

  test.each([
    ["", "1:1: parse error: unexpected end of input in series description, expected metric"],
    ["m{a=1} 1", '1:5: parse error: unexpected "1}" in label set, expected string'],
    ["m{a} 1", '1:4: parse error: unexpected "}" in label set, expected "="'],
    ['m{a="b" c="d"} 1', '1:9: parse error: unexpected "c=\\"d\\"}" in label set, expected "," or "}"'],
    ['m{a="b', "1:5: parse error: unterminated quoted string"],
    ['m{a="\\q"} 1', "1:6: parse error: unknown escape sequence"],
  ])("%s is refused", (text, message) => {
    expect(() => parseSeriesDescription(text)).toThrow(
      expect.objectContaining({ name: "SeriesDescriptionError", message }),
    );
  });
});

describe("values", () => {
  test.each<[string, (number | string)[]]>([
    ["", []],
    ["1 2 3   ", [1, 2, 3]],
    ["-1 +1 .5 1. 1e3 1.5E-2", [-1, 1, 0.5, 1, 1000, 0.015]],
    ["Inf -inf +INF NaN", [Infinity, -Infinity, Infinity, NaN]],
    ["010 09", [8, 9]],
    ["1x0 1x3", [1, 1, 1, 1, 1]],
    ["1+2x3", [1, 3, 5, 7]],
    ["1-10x2", [1, -9, -19]],
    ["-3-10x1 +4+0x1", [-3, -13, 4, 4]],
    ["1 _ 5 _x3 _x0", [1, "_", 5, "_", "_", "_"]],
    ["stale stalex1", ["stale", "stale", "stale"]],
    ["0.1+0.1x2", [0.1, 0.2, 0.1 + 0.1 + 0.1]],
  ])("%s", (text, expected) => {
    expect(values(text)).toEqual(expected);
  });

  test.each([
    ["1+1", '"+1" in series values'],
    ["-3-3 -3", '"-3" in series values'],
    ["_a4", '"a4" in series values'],
    ["_-2", '"-2" in series values'],
    ["3+3x4-4", '"-4" in series values'],
    ["1x", "end of input in series values, expected number of repetitions"],
    ["1x1.5", '".5" in series values'],
    ["fresh", '"fresh" in series values, expected number or "stale"'],
    ["1,2", '",2" in series values'],
    ["1x99999999999", "invalid repetition in series values: more than 10000000 values"],
  ])("%s is refused", (text, message) => {
    expect(() => values(text)).toThrow(message);
  });
});

describe("histograms", () => {
  test.each<[string, string[]]>([
    ["{{}}", ["{{}}"]],
    ["{{ }}", ["{{}}"]],
    [
      "{{schema:1 sum:-0.3 count:3.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[5.1 10 7] offset:-3 n_buckets:[4 0 5] n_offset:-5 counter_reset_hint:gauge}}",
      [
        "{{schema:1 count:3.1 sum:-0.3 z_bucket:7.1 z_bucket_w:0.05 counter_reset_hint:gauge offset:-3 buckets:[5.1 10 7] n_offset:-5 n_buckets:[4 0 5]}}",
      ],
    ],
    ["{{sum:1 }}x1", ["{{sum:1}}", "{{sum:1}}"]],
    ["{{schema:-53 custom_values:[1 2 ] buckets:[3 4]}}", ["{{schema:-53 custom_values:[1 2] buckets:[3 4]}}"]],
    [
      "{{sum:1 count:1 buckets:[1]}}+{{sum:2 count:1 buckets:[1 1] offset:1}}x2",
      ["{{count:1 sum:1 buckets:[1]}}", "{{count:2 sum:3 buckets:[1 1 1]}}", "{{count:3 sum:5 buckets:[1 2 2]}}"],
    ],
    ["{{sum:5}}-{{sum:2}}x2", ["{{sum:5}}", "{{sum:3}}", "{{sum:1}}"]],
    ["{{sum:inf count:nan}}", ["{{count:NaN sum:+Inf}}"]],
  ])("%s", (text, expected) => {
    expect(values(text)).toEqual(expected);
  });

  test("a written hint is told from the default", () => {
    const set = (text: string): boolean[] =>
      parseSeriesDescription(`m ${text}`).values.map((v) => v.counterResetHintSet);
    expect(set("{{}} {{counter_reset_hint:unknown}}x1 1")).toEqual([false, true, true, false]);
    expect(set("{{}}+{{counter_reset_hint:gauge}}x1")).toEqual([true, true]);
  });

  test.each([
    ["{{sum:1 sum:2}}", 'duplicate key "sum" in histogram'],
    ["{{total:1}}", 'bad histogram descriptor found: "total"'],
    ["{{counter_reset_hint:maybe}}", 'bad histogram descriptor found: "maybe"'],
    ["{{schema:1.5}}", "histogram description"],
    ["{{buckets:[]}}", "expected number"],
    ["{{buckets:[1,2]}}", 'expected "]"'],
    ["{{sum:1", "histogram description key, e.g. buckets:[5 10 7]"],
    ["{{sum:1}}+1x2", "expected histogram"],
    ["{{sum:1}}+{{sum:1}}", 'expected "x"'],
    ["{{schema:1}}+{{schema:0}}x1", "cannot merge from schema 0 to 1"],
    ["{{schema:-53}}+{{schema:0}}x1", "mix of exponential and custom bucket schemas"],
  ])("%s is refused", (text, message) => {
    expect(() => values(text)).toThrow(message);
  });
});

describe("start timestamps", () => {
  test.each<[string, (number | undefined)[]]>([
    ["_ -1m -1s 0s", [undefined, -60_000, -1000, 0]],
    ["_x2 -1mx1", [undefined, undefined, -60_000, -60_000]],
    ["-30s-1mx2 1ms", [-30_000, -90_000, -150_000, 1]],
    ["-2m+30sx1 * *x1 _ *", [-120_000, -90_000, -90_000, -90_000, -90_000, undefined, -90_000]],
    ["-0msx1 2h", [0, 0, 7_200_000]],
  ])("%s", (text, expected) => {
    expect(isStartTimestampLine(`m@st ${text}`)).toBe(true);
    expect(parseStartTimestamps(`  m{a="b"}@st   ${text} `)).toEqual({
      labels: parseSeriesDescription('m{a="b"} _').labels,
      isDefault: false,
      offsetsMs: expected,
    });
    expect(parseStartTimestamps(`@st ${text}`).isDefault).toBe(true);
  });

  test.each(["1x2", "1h30m", "-1m-1m", "_x0", "1parsec", "1m*2", "-", "x2"])("%s is refused", (text) => {
    expect(() => parseStartTimestamps(`m@st ${text}`)).toThrow(`invalid ST item "${text}"`);
  });

  test("other lines are none", () => {
    expect(isStartTimestampLine("m 1 2@st 3")).toBe(false);
    expect(isStartTimestampLine("m@st")).toBe(false);
  });
});

const casesPath =
  (process.env["BELFRY_CONFORMANCE"] ?? fileURLToPath(new URL("../../../../../shared/conformance", import.meta.url))) +
  "/promql/parser_cases/testSeries.json";

describe.skipIf(!existsSync(casesPath))("conformance: parser_cases/testSeries.json", () => {
  const cases = existsSync(casesPath)
    ? (JSON.parse(readFileSync(casesPath, "utf8")) as { input: string; fail: boolean }[])
    : [];
  // Without the data there would be no test to be skipped by name.
  if (cases.length === 0) test("testSeries.json", () => {});
  test.each(cases)("$input", ({ input, fail }) => {
    if (fail) expect(() => parseSeriesDescription(input)).toThrow(SeriesDescriptionError);
    else expect(() => parseSeriesDescription(input)).not.toThrow();
  });
});
