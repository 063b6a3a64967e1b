import { describe, expect, test } from "vitest";
import { checkMetrics } from "./lint.ts";

const problems = (text: string): string[] =>
  checkMetrics(Buffer.from(text)).problems.map(({ metric, text: problem }) => `${metric} ${problem}`);

describe("checkMetrics", () => {
  test("good metrics have no problems", () => {
    const text = `# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{code="200"} 1
# HELP latency_seconds Latency.
# TYPE latency_seconds histogram
latency_seconds_bucket{le="1"} 1
latency_seconds_bucket{le="+Inf"} 2
latency_seconds_sum 3
latency_seconds_count 2
`;
    expect(problems(text)).toEqual([]);
    expect(checkMetrics(Buffer.from(text)).cardinality).toEqual([
      { metric: "latency_seconds", series: 4 },
      { metric: "http_requests_total", series: 1 },
    ]);
  });

  test.each([
    ["a 1\n", ["a no help text"]],
    [
      "# HELP a_milliseconds x\na_milliseconds 1\n",
      ['a_milliseconds use base unit "seconds" instead of "milliseconds"'],
    ],
    ["# HELP a_days x\na_days 1\n", ['a_days use base unit "seconds" instead of "days"']],
    ["# HELP thermometers x\nthermometers 1\n", []],
    ["# HELP a x\n# TYPE a counter\na 1\n", ['a counter metrics should have "_total" suffix']],
    [
      "# HELP a_total x\n# TYPE a_total gauge\na_total 1\n",
      ['a_total non-counter metrics should not have "_total" suffix'],
    ],
    [
      '# HELP a_bucket x\n# TYPE a_bucket gauge\na_bucket{le="1",quantile="2"} 1\n',
      [
        'a_bucket non-histogram metrics should not have "_bucket" suffix',
        'a_bucket non-histogram metrics should not have "le" label',
        'a_bucket non-summary metrics should not have "quantile" label',
      ],
    ],
    [
      "# HELP a_count x\n# TYPE a_count gauge\na_count 1\n",
      ['a_count non-histogram and non-summary metrics should not have "_count" suffix'],
    ],
    [
      "# HELP a_gauge_b x\n# TYPE a_gauge_b gauge\na_gauge_b 1\n",
      [
        "a_gauge_b metric name should not include type 'gauge'",
        "a_gauge_b metric names should not contain abbreviated units",
      ],
    ],
    ["# HELP a:b x\na:b 1\n", ["a:b metric names should not contain ':'"]],
    [
      '# HELP aB x\naB{cD="1"} 1\n',
      [
        "aB label names should be written in 'snake_case' not 'camelCase'",
        "aB metric names should be written in 'snake_case' not 'camelCase'",
      ],
    ],
    ["# HELP a_ms x\na_ms 1\n", ["a_ms metric names should not contain abbreviated units"]],
    ["# HELP a x\na 1\na 2\n", ["a metric not unique"]],
    [
      "# HELP a_timestamp_seconds x\n# TYPE a_timestamp_seconds summary\na_timestamp_seconds_sum 1\n",
      ['a_timestamp_seconds non-gauge metrics should not have "_timestamp_seconds" suffix'],
    ],
    ["# TYPE a counter\n# HELP a x\na_total 1\n# EOF\n", []],
    [
      "# TYPE a_minutes gauge\na_minutes 1\n# EOF\n",
      ["a_minutes no help text", 'a_minutes use base unit "seconds" instead of "minutes"'],
    ],
  ])("%j", (text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  test.each([
    ["a", "unexpected end of input stream"],
    ["a 1", "unexpected end of input stream"],
    ["ok 1\n#\n# comment\n\na{b='c'} 1\n", `expected '"' at start of label value, found '\\''`],
    ["9a 1\n", "invalid metric name"],
    ['a{9="1"} 1\n', 'invalid label name for metric "a"'],
    ['a{b="c"} x\n', 'expected float as value, got "x"'],
    ["a 1 2.5\n", 'expected integer as timestamp, got "2.5"'],
    ["a 1 2 3\n", 'spurious string after timestamp: " 3"'],
    ["# TYPE a banana\n", 'unknown metric type "banana"'],
    ["# TYPE a gauge\n# TYPE a gauge\n", 'second TYPE line for metric name "a", or TYPE reported after samples'],
    ["# HELP a x\n# HELP a x\n", 'second HELP line for metric name "a"'],
    ['a{b="c",b="d"} 1\n', 'duplicate label names for metric "a"'],
    ['a{__name__="c"} 1\n', 'label name "__name__" is reserved'],
    ['a{b="c\nd"} 1\n', 'label value "c" contains unescaped new-line'],
    ['a{b="\\x"} 1\n', "invalid escape sequence '\\x'"],
    ['# TYPE h histogram\nh_bucket{le="x"} 1\n', `expected float as value for 'le' label, got "x"`],
    ['a{b="c" d="e"} 1\n', 'unexpected end of label value "c"'],
  ])("%j cannot be read", (text, message) => {
    const { error } = checkMetrics(Buffer.from(text));
    expect(error).toMatch(/^text format parsing error in line \d+: /);
    expect(error!.replace(/^.* in line \d+: /, "")).toBe(message);
  });

  test("OpenMetrics is read strictly, by its end or when told", () => {
    expect(checkMetrics(Buffer.from("# TYPE a counter\na 1\n# EOF\n")).error).toBe(
      "OpenMetrics parsing error in line 3: clashing name a",
    );
    expect(checkMetrics(Buffer.from("a 1\n")).error).toBeUndefined();
    expect(checkMetrics(Buffer.from("a 1\n"), { openMetrics: true }).error).toContain("does not end with # EOF");
  });
});
