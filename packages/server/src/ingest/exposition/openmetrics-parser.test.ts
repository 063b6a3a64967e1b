import { describe, expect, test } from "vitest";
import { ExpositionError } from "./exposition-error.ts";
import { LineCache } from "./line-cache.ts";
import { OpenMetricsParser } from "./openmetrics-parser.ts";
import { readEntries } from "./read-entries.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

function failure(body: string): string {
  try {
    readEntries(new OpenMetricsParser(new LineCache()), bytes(body));
  } catch (error) {
    if (error instanceof ExpositionError) return error.message;
    throw error;
  }
  return "EOF";
}

const SAMPLE = `# HELP rpc_seconds Time \\"in\\" \\n RPC \\x.
# TYPE rpc_seconds summary
# UNIT rpc_seconds seconds
rpc_seconds{quantile="1"} 4.9351e-05
rpc_seconds_count 99
# UNIT nounit 
# TYPE depth gauge
depth 33 123.123
depth{a="1"} 33 123 # {id="x"} 4
depth{a="2"} 33 1.5e3
# TYPE h histogram
h_bucket{le="+Inf"} 1 # {id="trace",z="y"} 4 123.321
h_bucket{le="10"} NaN
# TYPE s stateset
s{s="foo"} 1
{q="0.9","http.status",a="b"} 8.3835e-05
quoted_total 1 # {"id.thing"="c"} 4
# EOF
`;

const EXPECTED = [
  'help rpc_seconds: Time "in" \n RPC \\x.',
  "type rpc_seconds: summary",
  "unit rpc_seconds: seconds",
  '{__name__="rpc_seconds", quantile="1.0"} 0.000049351',
  '{__name__="rpc_seconds_count"} 99',
  "unit nounit: ",
  "type depth: gauge",
  '{__name__="depth"} 33 @123123',
  '{__name__="depth", a="1"} 33 @123000 # {id="x"} 4',
  '{__name__="depth", a="2"} 33 @1500000',
  "type h: histogram",
  '{__name__="h_bucket", le="+Inf"} 1 # {id="trace", z="y"} 4 @123321',
  '{__name__="h_bucket", le="10.0"} NaN',
  "type s: stateset",
  '{__name__="s", s="foo"} 1',
  '{__name__="http.status", a="b", q="0.9"} 0.000083835',
  '{__name__="quoted_total"} 1 # {"id.thing"="c"} 4',
];

describe("OpenMetricsParser", () => {
  test("reads samples, metadata, timestamps in seconds and exemplars, twice the same", () => {
    const parser = new OpenMetricsParser(new LineCache());
    for (let round = 0; round < 3; round++) {
      expect(readEntries(parser, bytes(SAMPLE))).toEqual(EXPECTED);
      parser.cache.iteration++;
    }
  });

  const CREATED = `# TYPE foo counter
foo_total 17 # {id="c"} 5
foo_created 1520872607.123
foo_total{a="b"} 18
foo_created{a="b"} 1520872608
foo_total{le="c"} 19
# TYPE bar histogram
bar_bucket{z="1",le="1"} 1
bar_bucket{z="1",le="+Inf"} 2
bar_sum{z="1"} 3
bar_count{z="1"} 2
bar_created{z="1"} 1520872609.5
# TYPE fizz_created gauge
fizz_created 17
# EOF
`;

  test("_created samples become start timestamps when asked to", () => {
    const parser = new OpenMetricsParser(new LineCache(), { skipCreatedSeries: true });
    for (let round = 0; round < 2; round++) {
      expect(readEntries(parser, bytes(CREATED), true)).toEqual([
        "type foo: counter",
        '{__name__="foo_total"} 17 since 1520872607123 # {id="c"} 5',
        '{__name__="foo_total", a="b"} 18 since 1520872608000',
        '{__name__="foo_total", le="c"} 19',
        "type bar: histogram",
        '{__name__="bar_bucket", le="1.0", z="1"} 1 since 1520872609500',
        '{__name__="bar_bucket", le="+Inf", z="1"} 2 since 1520872609500',
        '{__name__="bar_sum", z="1"} 3 since 1520872609500',
        '{__name__="bar_count", z="1"} 2 since 1520872609500',
        "type fizz_created: gauge",
        '{__name__="fizz_created"} 17',
      ]);
      parser.cache.iteration++;
    }
  });

  test("_created samples are series otherwise", () => {
    expect(readEntries(new OpenMetricsParser(new LineCache()), bytes(CREATED))).toContain(
      '{__name__="foo_created"} 1520872607.123',
    );
  });

  test.each([
    ["# EOF", "EOF"],
    ["# EOF\n", "EOF"],
    ["", "data does not end with # EOF"],
    ["\n", String.raw`expected a valid start token, got "\n" ("INVALID") while parsing: "\n"`],
    ["metric", `expected value after metric, got "metric" ("EOF") while parsing: "metric"`],
    ["metric 1", "data does not end with # EOF"],
    ["metric 1\n", "data does not end with # EOF"],
    ['m_total 1 # {aa="bb"} 4', "data does not end with # EOF"],
    [" a 1\n", `expected a valid start token, got " " ("INVALID") while parsing: " "`],
    ["9\n", `expected a valid start token, got "9" ("INVALID") while parsing: "9"`],
    ["# TYPE u untyped\n", `invalid metric type "untyped"`],
    ["#  TYPE c counter\n", `expected a valid start token, got "#  " ("INVALID") while parsing: "#  "`],
    ["# TYPE \n", String.raw`expected metric name after TYPE, got "\n" ("INVALID") while parsing: "# TYPE \n"`],
    ["# TYPE m\n", "expected text in TYPE"],
    ["# UNIT metricsuffix suffix\n", `unit "suffix" not a suffix of metric "metricsuffix"`],
    ["# UNIT suffix suffix\n", `unit "suffix" not a suffix of metric "suffix"`],
    ["a\t1\n", String.raw`expected value after metric, got "\t" ("INVALID") while parsing: "a\t"`],
    ["a 1\t2\n", String.raw`strconv.ParseFloat: parsing "1\t2": invalid syntax while parsing: "a 1\t2"`],
    ["a 1 2 \n", String.raw`expected next entry after timestamp, got " \n" ("INVALID") while parsing: "a 1 2 \n"`],
    ["a 1 2 #\n", String.raw`expected next entry after timestamp, got " #\n" ("TIMESTAMP") while parsing: "a 1 2 #\n"`],
    ["a 1 1z\n", `strconv.ParseFloat: parsing "1z": invalid syntax while parsing: "a 1 1z"`],
    ["# EOF\na 1", "unexpected data after # EOF"],
    ["# EOFa 1", "unexpected data after # EOF"],
    ["a 1 1 1\n", String.raw`expected next entry after timestamp, got " 1\n" ("TIMESTAMP") while parsing: "a 1 1 1\n"`],
    ['a{b="c"d="e"} 1\n', String.raw`expected comma or brace close, got "d=" ("LNAME") while parsing: "a{b=\"c\"d="`],
    ['a{b="c",,d="e"} 1\n', String.raw`expected label name, got ",d" ("COMMA") while parsing: "a{b=\"c\",,d"`],
    ['x{p="\n# EOF\n', String.raw`expected label value, got "\"\n" ("INVALID") while parsing: "x{p=\"\n"`],
    ["m_total 1 # {aa=bb}\n", `expected label value, got "b" ("INVALID") while parsing: "m_total 1 # {aa=b"`],
    [
      'm 1 # {aa="bb"}',
      String.raw`expected value after exemplar labels, got "}" ("EOF") while parsing: "m 1 # {aa=\"bb\"}"`,
    ],
    ["m 1 # {bb}", `expected label name, got "}" ("BCLOSE") while parsing: "m 1 # {bb}"`],
    ['m 1 # {aa="bb"} 1_2', String.raw`unsupported character in float while parsing: "m 1 # {aa=\"bb\"} 1_2"`],
    ['{b="c",} 1', String.raw`metric name not set while parsing: "{b=\"c\",} 1"`],
    ["a 1 NaN", "invalid timestamp NaN"],
    ["a 1 -Inf", "invalid timestamp -Inf"],
    ['h 1 # {aa="bb"} 4 Inf', "invalid exemplar timestamp +Inf"],
    ["#", `expected a valid start token, got "#" ("INVALID") while parsing: "#"`],
    ["# H", `expected a valid start token, got "# H" ("INVALID") while parsing: "# H"`],
    ['a{b="\x00ss"} 1\n# EOF', "EOF"],
    [
      'm 1 # {b="\x00s"} 1\n',
      String.raw`expected label value, got "\"\x00" ("INVALID") while parsing: "m 1 # {b=\"\x00"`,
    ],
    ["a 1 \n# EOF\n", String.raw`expected a valid start token, got "\n#" ("LINEBREAK") while parsing: "\n#"`],
  ])("%j: %s", (body, message) => {
    expect(failure(body)).toBe(message);
  });
});
