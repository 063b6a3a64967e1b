import { describe, expect, test } from "vitest";
import { bool, dictionary, duration, field, int, list, secret, size, string, struct, uint64 } from "./yaml-codecs.ts";
import { type Codec, ConfigError, decodeYaml, quoteText, UnmarshalError } from "./yaml-decode.ts";
import { renderYaml, yamlMapping, yamlString } from "./yaml-encode.ts";
import { parseYaml, YamlError } from "./yaml-node.ts";
import { resolveScalar } from "./yaml-resolve.ts";
import { formatSize, parseSize } from "./yaml-size.ts";

function errorOf(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error");
}

// What Prometheus' promtool says of these texts.
describe("a text that is no YAML is refused in go-yaml's words", () => {
  test.each([
    ["a: b\n c: d\n", "yaml: line 2: mapping values are not allowed in this context", 2],
    ["a: b: c\n", "yaml: mapping values are not allowed in this context", 1],
    ["a:\n  b: 1\n\tc: 2\n", "yaml: line 3: found a tab character that violates indentation", 3],
    ["a:\n\tb: c\n", "yaml: line 2: found character that cannot start any token", 2],
    ["a:\n  b: @foo\n", "yaml: line 2: found character that cannot start any token", 2],
    ['a:\n- b: "x\n', "yaml: line 3: found unexpected end of stream", 3],
    ["a: [b\n", "yaml: line 1: did not find expected ',' or ']'", 2],
    ["a: {b: c\n", "yaml: line 1: did not find expected ',' or '}'", 2],
    ["a: {b: c]\n", "yaml: did not find expected ',' or '}'", 1],
    ["a: [b: }\n", "yaml: did not find expected node content", 1],
    ["a:\n  b: 1\n c: 2\n", "yaml: line 2: did not find expected key", 3],
    ["a:\n  - b\n  c: d\n", "yaml: line 2: did not find expected '-' indicator", 3],
    ["a: 1\nb\nc: 2\n", "yaml: line 3: could not find expected ':'", 3],
    ["a: *x\n", "yaml: unknown anchor 'x' referenced", 0],
    ['a: "\\q"\n', "yaml: found unknown escape character", 1],
    ["a: - b\n", "yaml: block sequence entries are not allowed in this context", 1],
    ["a: \u0001\n", "yaml: control characters are not allowed", 1],
    ["}\n", "yaml: did not find expected node content", 1],
  ])("%j", (text, message, line) => {
    const error = errorOf(() => parseYaml(text));
    expect(error).toBeInstanceOf(YamlError);
    expect([error.message, (error as YamlError).line]).toEqual([message, line]);
  });

  test("nesting that would exhaust the stack", () => {
    for (const text of ["[".repeat(100_000), "{a: ".repeat(5000), "- ".repeat(20_000), "? ".repeat(20_000)]) {
      expect(errorOf(() => parseYaml(text)).message).toBe("yaml: exceeded max depth of 500");
    }
    const deep = `${"[".repeat(400)}${"]".repeat(400)}`;
    expect(parseYaml(deep).root?.kind).toBe("sequence");
  });
});

describe("a plain scalar means what it means in YAML 1.1", () => {
  test.each([
    ["yes", "!!bool", true],
    ["Off", "!!bool", false],
    ["~", "!!null", null],
    ["0x1F", "!!int", 31],
    ["017", "!!int", 15],
    ["0o17", "!!int", 15],
    ["0b101", "!!int", 5],
    ["1_000", "!!int", 1000],
    ["-9223372036854775808", "!!int", -9_223_372_036_854_775_808n],
    ["18446744073709551616", "!!float", 18_446_744_073_709_551_616],
    ["1e3", "!!float", 1000],
    [".inf", "!!float", Infinity],
    ["15s", "!!str", "15s"],
    ["12:30:45", "!!str", "12:30:45"],
    ["2001-01-02", "!!timestamp", "2001-01-02"],
    ["1.2.3.4", "!!str", "1.2.3.4"],
  ])("%s is %s", (text, tag, value) => {
    expect(resolveScalar(text)).toEqual({ tag, value });
  });
});

interface Inner {
  count: number;
  on: boolean;
}

interface Outer {
  name: string;
  wait: number;
  limit: number;
  modulus: bigint;
  password: string;
  names: readonly string[];
  labels: ReadonlyMap<string, string>;
  inner: Inner;
}

const inner = struct<Inner>({
  goType: "test.Inner",
  zero: () => ({ count: 0, on: false }),
  fields: [field("count", "count", int), field("on", "on", bool)],
});

const zero = (): Outer => ({
  name: "",
  wait: 0,
  limit: 0,
  modulus: 0n,
  password: "",
  names: [],
  labels: new Map(),
  inner: inner.zero(),
});

const outer = struct<Outer>({
  goType: "test.plain",
  zero,
  defaults: () => ({ ...zero(), wait: 1000, inner: { count: 7, on: true } }),
  fields: [
    field("name", "name", string),
    field("wait", "wait", duration),
    field("limit", "limit", size),
    field("modulus", "modulus", uint64),
    field("password", "password", secret),
    field("names", "names", list(string, { flow: true })),
    field("labels", "labels", dictionary(string)),
    field("inner", "inner", inner, { keep: true }),
  ],
  check(value) {
    if (value.name === "forbidden") throw new ConfigError("name is forbidden");
  },
});

function read(text: string): Outer {
  return decodeYaml(parseYaml(text), outer, zero());
}

describe("reading", () => {
  test("fills in defaults; a part without its own defaults is read over those of the whole", () => {
    expect(read("name: x\ninner: {count: 3}\n")).toEqual({
      ...zero(),
      name: "x",
      wait: 1000,
      inner: { count: 3, on: true },
    });
  });

  test("null is the zero value and skips defaults", () => {
    expect(read("wait:\ninner: ~\n")).toMatchObject({ wait: 0, inner: { count: 0, on: false } });
  });

  test("takes any scalar as text, as it was written", () => {
    expect(read("name: 010\nnames: [yes, 1.50, null, '']\n")).toMatchObject({
      name: "010",
      names: ["yes", "1.50", "", ""],
    });
  });

  test("notes everything of the wrong shape at once, with lines and paths", () => {
    const error = errorOf(() =>
      read("name: [1]\nwait: {a: b}\nmodulus: -1\ninner: abcdefghijklmn\nbogus: 1\nname: x\nlabels: {a: b, a: c}\n"),
    ) as UnmarshalError;
    expect(error.message).toBe(
      [
        "yaml: unmarshal errors:",
        "  line 1: cannot unmarshal !!seq into string",
        "  line 2: cannot unmarshal !!map into string",
        "  line 3: cannot unmarshal !!int `-1` into uint64",
        "  line 4: cannot unmarshal !!str `abcdefg...` into test.Inner",
        "  line 5: field bogus not found in type test.plain",
        "  line 6: field name already set in type test.plain",
        '  line 7: key "a" already set in map',
      ].join("\n"),
    );
    expect(error.issues.map(({ place }) => place.path)).toEqual([
      "name",
      "wait",
      "modulus",
      "inner",
      "bogus",
      "name",
      "labels",
    ]);
  });

  test("a failed check ends the reading and says where", () => {
    const error = errorOf(() => read("\nwait: 15\n")) as ConfigError;
    expect(error.message).toBe('not a valid duration string: "15"');
    expect(error.place).toEqual({ line: 2, path: "wait" });
    expect(errorOf(() => read("name: forbidden\n")).message).toBe("name is forbidden");
  });

  test("follows anchors and merge keys, which come at their place", () => {
    const text = "labels: &base {a: x, b: y}\ninner: {<<: {count: 1, on: false}, count: 2}\n";
    expect(read(text)).toMatchObject({ inner: { count: 2, on: false } });
    const codec = dictionary(dictionary(string));
    const value = decodeYaml(parseYaml("one: &a {x: 1}\ntwo: *a\nthree: {<<: *a, y: 2}\n"), codec, new Map());
    expect(value.get("two")).toEqual(new Map([["x", "1"]]));
    expect(value.get("three")).toEqual(
      new Map([
        ["x", "1"],
        ["y", "2"],
      ]),
    );
    expect(errorOf(() => read("inner: {<<: 1}\n")).message).toBe(
      "yaml: map merge requires map or sequence of maps as the value",
    );
  });

  test("refuses aliases that multiply without end", () => {
    let text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (let i = 1; i < 9; i++)
      text += `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(", ")}]\n`;
    const nested: Codec<unknown> = {
      goType: "any",
      outline: "anything",
      zero: () => undefined,
      isZero: () => false,
      read: (decoder, node) =>
        node.kind === "sequence" ? node.items.map((item) => decoder.decode(nested, item, undefined)) : 1,
      print: () => yamlString(""),
    };
    expect(errorOf(() => decodeYaml(parseYaml(text), dictionary(nested), new Map())).message).toBe(
      "yaml: document contains excessive aliasing",
    );
  });

  test("keeps bytes that are no UTF-8 recognisable", () => {
    const value = read('name: !!binary "/2E="\n').name;
    expect(value.isWellFormed()).toBe(false);
    expect(quoteText(value)).toBe('"\\xffa"');
    expect(errorOf(() => read('name: !!binary "/w==$1"\n')).message).toBe(
      "yaml: !!binary value contains invalid base64 data",
    );
  });

  test("an empty text is what was there", () => {
    expect(read("# nothing\n")).toEqual(zero());
  });
});

describe("printing", () => {
  test("hides secrets, leaves out zero values, sorts maps, breaks long flow lists", () => {
    const value = read(
      `name: "yes"\npassword: hunter2\nwait: 90s\nlimit: 1025B\nlabels: {b10: x, b9: "a: b", B: ""}\nnames: [${Array(8).fill("__meta_kubernetes_x").join(", ")}]\n`,
    );
    expect(renderYaml(outer.print(value))).toBe(`name: "yes"
wait: 1m30s
limit: 1KiB1B
password: <secret>
names: [__meta_kubernetes_x, __meta_kubernetes_x, __meta_kubernetes_x, __meta_kubernetes_x,
  __meta_kubernetes_x, __meta_kubernetes_x, __meta_kubernetes_x, __meta_kubernetes_x]
labels:
  B: ""
  b9: 'a: b'
  b10: x
inner:
  count: 7
  "on": true
`);
  });

  test.each([
    "",
    " x",
    "a b",
    "x: y",
    "#x",
    "x #y",
    "- a",
    "-a",
    "*x",
    "true",
    "12",
    "1:30",
    "~",
    "a\nb\n",
    "a\n\nb",
    "\n",
    "tab\there",
    "$1",
    "(.*)",
    ";",
    ",",
    "'q'",
    '"q"',
    "ü€𝄞",
    "\u0007",
    "%x",
    "{a}",
    "---",
  ])("%j comes back as it was", (text) => {
    const printed = renderYaml(yamlMapping([["name", yamlString(text)]]));
    expect(read(printed).name, printed).toBe(text);
  });
});

describe("sizes", () => {
  test.each([
    ["0", 0],
    ["1B", 1],
    ["15MB", 15 * 1024 ** 2],
    ["1.5GiB", 1.5 * 1024 ** 3],
    ["1GB512MB", 1536 * 1024 ** 2],
    ["-1GB", -(1024 ** 3)],
  ])("%s", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });
  test.each([
    ["100", "units: unknown unit  in 100"],
    ["", "units: invalid "],
    ["MB", "units: invalid MB"],
    ["1XB", "units: unknown unit XB in 1XB"],
    ["99999999EB", "units: overflow parsing unit"],
  ])("%j is refused", (text, message) => {
    expect(errorOf(() => parseSize(text)).message).toBe(message);
  });
  test("are printed exactly", () => {
    expect([0, 1, 1024, 1025, 15 * 1024 ** 2, 1024 ** 6].map(formatSize)).toEqual([
      "0B",
      "1B",
      "1KiB",
      "1KiB1B",
      "15MiB",
      "1EiB",
    ]);
  });
});
