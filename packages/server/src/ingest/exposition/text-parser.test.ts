import { describe, expect, test } from "vitest";
import { ExpositionError } from "./exposition-error.ts";
import { LineCache } from "./line-cache.ts";
import { Entry } from "./parser.ts";
import { readEntries as read } from "./read-entries.ts";
import { TextParser } from "./text-parser.ts";

function bytes(text: string): Uint8Array {
  return Buffer.from(text, "utf8");
}

function failure(body: string | Uint8Array): string {
  try {
    read(new TextParser(new LineCache()), typeof body === "string" ? bytes(body) : body);
  } catch (error) {
    if (error instanceof ExpositionError) return `${error.line}: ${error.message}`;
    throw error;
  }
  return "none";
}

const SAMPLE = `# HELP latency_seconds How long\\nit took \\\\.
# \tTYPE latency_seconds summary
latency_seconds{quantile="0"} 4.9351e-05
latency_seconds{quantile="1",} 7.424100000000001e-05
latency_seconds { quantile = "0.9" zone = "a,b}" , } 8.3835e-05
# just a comment
#
latency_seconds_count 99

rule:rate5m{a="c"}\t1
# HELP nothing
temperature 33  \t123123
text{a="\\"x\\" \\\\ \\n \\y"} -0
{"with space",a="1","b.c"="2"} +Inf
nan NaN`;

const EXPECTED = [
  "help latency_seconds: How long\nit took \\.",
  "type latency_seconds: summary",
  '{__name__="latency_seconds", quantile="0.0"} 0.000049351',
  '{__name__="latency_seconds", quantile="1.0"} 0.00007424100000000001',
  '{__name__="latency_seconds", quantile="0.9", zone="a,b}"} 0.000083835',
  '{__name__="latency_seconds_count"} 99',
  '{__name__="rule:rate5m", a="c"} 1',
  "help nothing: ",
  '{__name__="temperature"} 33 @123123',
  '{__name__="text", a="\\"x\\" \\\\ \\n \\\\y"} 0',
  '{__name__="with space", a="1", "b.c"="2"} Infinity',
  '{__name__="nan"} NaN',
];

describe("TextParser", () => {
  test("reads samples, metadata and comments", () => {
    expect(read(new TextParser(new LineCache()), bytes(SAMPLE))).toEqual(EXPECTED);
  });

  test("reads the same from a cache that knows the lines, in any order", () => {
    const parser = new TextParser(new LineCache());
    read(parser, bytes(SAMPLE));
    expect(read(parser, bytes(SAMPLE))).toEqual(EXPECTED);
    const size = parser.cache.size;
    expect(read(parser, bytes("b 1\n" + SAMPLE + "\nc 2"))).toEqual([
      '{__name__="b"} 1',
      ...EXPECTED,
      '{__name__="c"} 2',
    ]);
    expect(parser.cache.size).toBe(size + 2);
    const reversed = ["nan 5", "temperature 1", 'rule:rate5m{a="c"} 3', "latency_seconds_count 4"].join("\n");
    expect(read(parser, bytes(reversed))).toEqual([
      '{__name__="nan"} 5',
      '{__name__="temperature"} 1',
      '{__name__="rule:rate5m", a="c"} 3',
      '{__name__="latency_seconds_count"} 4',
    ]);
    expect(parser.cache.size).toBe(size + 2);
  });

  test("a known name does not swallow a longer name or labels after a space", () => {
    const parser = new TextParser(new LineCache());
    read(parser, bytes("a 1\na 2\n"));
    expect(read(parser, bytes('a 1\nab 2\na {b="c"} 3\na 4 5'))).toEqual([
      '{__name__="a"} 1',
      '{__name__="ab"} 2',
      '{__name__="a", b="c"} 3',
      '{__name__="a"} 4 @5',
    ]);
  });

  test("reads numbers exactly", () => {
    const numbers = [
      "0",
      "1",
      "-1",
      "0.1",
      "123456789012345678",
      "9007199254740993",
      "1e22",
      "1e23",
      "1.7976931348623157e308",
      "5e-324",
      "0.30000000000000004",
      "179769313486231570000",
      "1.",
      ".5",
      "1E3",
      "1e+3",
      "00012.50",
      "8.5e-7",
      "4.35",
      "0.000001",
    ];
    const parser = new TextParser(new LineCache());
    for (const round of [1, 2]) {
      parser.load(bytes(numbers.map((n, i) => `m${i} ${n}\n`).join("")), 0);
      const body = bytes(numbers.map((n, i) => `m${i} ${n}\n`).join(""));
      parser.load(body, body.length);
      for (const number of numbers) {
        expect(parser.next()).toBe(Entry.Series);
        expect(parser.value, `${number} in round ${round}`).toBe(Number(number));
      }
    }
    for (const [text, value] of [
      ["Inf", Infinity],
      ["-inf", -Infinity],
      ["+Infinity", Infinity],
      ["nan", NaN],
    ] as const) {
      expect(read(parser, bytes(`m ${text}\n`))).toEqual([`{__name__="m"} ${value}`]);
    }
  });

  test.each([
    ["a", String.raw`1: expected value after metric, got "\n" ("INVALID") while parsing: "a\n"`],
    ["ok 1\n\na{b='c'} 1\n", String.raw`3: expected label value, got "'" ("INVALID") while parsing: "a{b='"`],
    ["a{b=\n", String.raw`1: expected label value, got "\n" ("INVALID") while parsing: "a{b=\n"`],
    ["a true\n", `1: strconv.ParseFloat: parsing "true": invalid syntax while parsing: "a true"`],
    ["a 1e999\n", `1: strconv.ParseFloat: parsing "1e999": value out of range while parsing: "a 1e999"`],
    ["a 1_2\n", `1: unsupported character in float while parsing: "a 1_2"`],
    ["a 0x1p-3\n", `1: unsupported character in float while parsing: "a 0x1p-3"`],
    ["a 0 1_2\n", `1: expected next entry after timestamp, got "_" ("INVALID") while parsing: "a 0 1_"`],
    ["a 0 -1\n", `1: expected timestamp or new record, got "-" ("INVALID") while parsing: "a 0 -"`],
    [
      "a 1 99999999999999999999\n",
      `1: strconv.ParseInt: parsing "99999999999999999999": value out of range while parsing: "a 1 99999999999999999999"`,
    ],
    ['x{p="', String.raw`1: expected label value, got "\"\n" ("INVALID") while parsing: "x{p=\"\n"`],
    ['x{=""} 0', String.raw`1: expected label name, got "=\"" ("EQUAL") while parsing: "x{=\""`],
    ['{a="ok"} 1', String.raw`1: metric name not set while parsing: "{a=\"ok\"} 1"`],
    ['{"a","b"} 1', String.raw`1: metric name already set while parsing: "{\"a\",\"b\"}"`],
    ["# TYPE #\n", `1: expected metric name after TYPE, got "#" ("INVALID") while parsing: "# TYPE #"`],
    ["# TYPE a thing\n", `1: invalid metric type "thing"`],
    ["# TYPE a\n", `1: invalid metric type ""`],
    ["9 1\n", `1: expected a valid start token, got "9" ("INVALID") while parsing: "9"`],
    ['a{b="c",b="d"} 1\n', `1: label name "b" is not unique: invalid sample`],
    ['a{b\x00="x"} 1', String.raw`1: expected equal, got "\x00" ("INVALID") while parsing: "a{b\x00"`],
    [
      "a 0 1\x00",
      String.raw`1: expected next entry after timestamp, got "\x00" ("INVALID") while parsing: "a 0 1\x00"`,
    ],
  ])("%j fails", (body, message) => {
    expect(failure(body)).toBe(message);
  });

  test("invalid UTF-8 is named byte by byte", () => {
    expect(failure(Buffer.from('a{b="\xff"} 1\n', "latin1"))).toBe(
      String.raw`1: invalid UTF-8 label value: "\"\xff\""`,
    );
    expect(failure(Buffer.from('a{\xff="x"} 1\n', "latin1"))).toBe(
      String.raw`1: expected label name, got "\xff" ("INVALID") while parsing: "a{\xff"`,
    );
    expect(failure(Buffer.from("# HELP a \xff\n", "latin1"))).toBe(
      String.raw`1: help text "\xff" is not a valid utf8 string`,
    );
  });

  test("sweep forgets lines that are gone and keeps the others", () => {
    const cache = new LineCache();
    const parser = new TextParser(cache);
    const many = Array.from({ length: 1000 }, (_, i) => `m{i="${i}"} ${i}\n`).join("");
    read(parser, bytes(many));
    cache.iteration++;
    read(parser, bytes('m{i="7"} 1\nm{i="999"} 2\n'));
    const gone: number[] = [];
    cache.sweep((id) => gone.push(id));
    expect(gone.length).toBe(998);
    expect(cache.size).toBe(2);
    expect(cache.arenaBytes).toBeLessThan(5000);
    cache.iteration++;
    expect(read(parser, bytes('m{i="999"} 2\nm{i="8"} 1\nm{i="7"} 3\n'))).toEqual([
      '{__name__="m", i="999"} 2',
      '{__name__="m", i="8"} 1',
      '{__name__="m", i="7"} 3',
    ]);
    expect(cache.size).toBe(3);
  });
});
