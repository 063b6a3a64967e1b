import { RE2JS } from "re2js";
import { describe, expect, test } from "vitest";
import { parseGlobs } from "./regex-glob.ts";
import { compileAnchored, compileRE2, RegexError } from "./regex.ts";

function errorOf(pattern: string): string {
  try {
    compileAnchored(pattern);
  } catch (error) {
    if (error instanceof RegexError) return error.message;
    throw error;
  }
  return "";
}

describe("what a pattern matches", () => {
  test.each<[pattern: string, matches: string[], others: string[]]>([
    ["foo", ["foo"], ["", "fo", "food", "xfoo"]],
    ["", [""], ["a"]],
    ["a|b|", ["a", "b", ""], ["ab", "c"]],
    [".*", ["", "x", "a\nb"], []],
    [".+", ["x", "\n"], [""]],
    ["foo.*", ["foo", "foobar", "foo\nbar"], ["fo", "xfoo"]],
    ["foo.+", ["foox"], ["foo", "fo"]],
    [".*foo", ["foo", "xfoo"], ["foox"]],
    [".+foo", ["xfoo", "foofoo"], ["foo"]],
    [".*foo.*", ["foo", "xfoox"], ["fo o"]],
    [".+foo.+", ["xfoox", "foofoofoo"], ["foo", "xfoo", "foox", "foofoo"]],
    ["a.*b.*c", ["abc", "axbxc", "abbcc"], ["acb", "ab", "bc"]],
    ["a.+a", ["aba", "aaa"], ["aa", "a"]],
    ["foo(bar|baz)?", ["foo", "foobar", "foobaz"], ["foobarbaz"]],
    ["(?:api|web)-[0-2]", ["api-0", "web-2"], ["api-3", "api-"]],
    ["^foo$|^ba.*$", ["foo", "bar"], ["fo"]],
    ["a\\.b\\+", ["a.b+"], ["axb+"]],
    ["colou?r", ["color", "colour"], ["colouur"]],
    ["(?i)prod-.*", ["PROD-1", "prod-", "PrOd-x"], ["pro"]],
    ["(?i)k", ["k", "K", "\u212a"], ["q"]],
    ["(?i)straße", ["STRAßE", "straße"], ["strasse"]],
    ["[^/]+", ["a"], ["a/b", ""]],
    ["5..", ["500", "5\n9"], ["50", "5000"]],
    ["x{2,3}", ["xx", "xxx"], ["x", "xxxx"]],
    ["é+", ["é", "éé"], ["e"]],
    ["😀?.*z", ["😀z", "z", "az"], ["😀"]],
  ])("%s", (pattern, matches, others) => {
    const regex = compileAnchored(pattern);
    // Twice, because results may be kept.
    for (let i = 0; i < 2; i++) {
      expect(matches.filter((value) => !regex.test(value))).toEqual([]);
      expect(others.filter((value) => regex.test(value))).toEqual([]);
    }
  });
});

describe("what is known about the matches", () => {
  test.each<[pattern: string, literals: string[] | undefined, prefix: string]>([
    ["foo", ["foo"], "foo"],
    ["foo|bar", ["foo", "bar"], ""],
    ["foo(bar|baz)", ["foobar", "foobaz"], "fooba"],
    ["[ab][12]", ["a1", "a2", "b1", "b2"], ""],
    ["foo|foo", ["foo"], "foo"],
    ["foo.*", undefined, "foo"],
    ["foo-.*|foot", undefined, "foo"],
    [".*foo", undefined, ""],
    ["(?i)foo", undefined, ""],
    ["node[^x]+", undefined, "node"],
    ["nodex*", undefined, "node"],
    ["node[^x]+|edge", undefined, ""],
    ["[a-z][a-z]", undefined, ""],
  ])("%s", (pattern, literals, prefix) => {
    const regex = compileAnchored(pattern);
    expect(regex.literals).toEqual(literals);
    expect(regex.prefix).toBe(prefix);
  });
});

describe("invalid patterns get Go's message", () => {
  test.each([
    ["foo(", "error parsing regexp: missing closing ): `foo(`"],
    ["a)(b", "error parsing regexp: unexpected ): `a)(b`"],
    ["[a", "error parsing regexp: missing closing ]: `[a`"],
    ["*", "error parsing regexp: missing argument to repetition operator: `*`"],
    ["a|*", "error parsing regexp: missing argument to repetition operator: `*`"],
    ["a**", "error parsing regexp: invalid nested repetition operator: `**`"],
    [".*+", "error parsing regexp: invalid nested repetition operator: `*+`"],
    ["a??*", "error parsing regexp: invalid nested repetition operator: `??*`"],
    ["x{1001}", "error parsing regexp: invalid repeat count: `{1001}`"],
    ["[z-a]", "error parsing regexp: invalid character class range: `z-a`"],
    ["\\", "error parsing regexp: trailing backslash at end of expression: ``"],
    ["a\\d\\", "error parsing regexp: trailing backslash at end of expression: ``"],
    ["\\8", "error parsing regexp: invalid escape sequence: `\\8`"],
    ["(?=a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"],
    ["(?P<n", "error parsing regexp: invalid named capture: `(?P<n`"],
  ])("%s", (pattern, message) => {
    expect(errorOf(pattern)).toBe(message);
  });

  test("also where the whole expression is at fault", () => {
    const deep = `${"(".repeat(1001)}a*${")".repeat(1001)}`;
    expect(errorOf(deep)).toBe(`error parsing regexp: expression nests too deeply: \`${deep}\``);
  });

  test("and unanchored patterns too", () => {
    expect(() => compileRE2("a(")).toThrow(new RegexError("a(", "error parsing regexp: missing closing ): `a(`"));
  });
});

test("hostile patterns and values take linear time", () => {
  const started = performance.now();
  const value = `${"a".repeat(5000)}!`;
  for (const pattern of ["(a+)+", "(a|a)*", "(.*a){20}", ".*a.*a.*a.*a.*b", "(a|b|ab)*c"]) {
    expect(compileAnchored(pattern).test(value)).toBe(false);
  }
  expect(performance.now() - started).toBeLessThan(3000);
});

test("globs agree with RE2 on random patterns and values", () => {
  // A small generator with a fixed seed, so that a failure can be repeated.
  let seed = 20_250_101;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
  const pieces = [
    "a",
    "b",
    "k",
    "é",
    "😀",
    ".*",
    ".+",
    ".*?",
    "|",
    "(",
    ")",
    "(?:",
    "?",
    "[ab]",
    "[a-c]",
    "\\.",
    "^",
    "$",
    "\n",
  ];
  const rare = ["*", "+", "{2}", "[^a]", "\\d", ".", "[", "]", "\\"];
  const chars = ["a", "b", "c", "k", "K", "A", ".", "\n", "é", "😀", "\u212a"];
  let understood = 0;
  let invalid = 0;
  for (let i = 0; i < 8_000; i++) {
    let pattern = random(8) === 0 ? "(?i)" : "";
    for (let n = random(7); n >= 0; n--)
      pattern += random(12) === 0 ? rare[random(rare.length)] : pieces[random(pieces.length)];
    let re2: RE2JS | undefined;
    try {
      re2 = RE2JS.compile(pattern, RE2JS.DOTALL);
    } catch {
      invalid++;
    }
    if (re2 === undefined) {
      expect(parseGlobs(pattern), `understood the invalid ${pattern}`).toBeUndefined();
      expect(() => compileAnchored(pattern), pattern).toThrow(RegexError);
      continue;
    }
    if (parseGlobs(pattern)) understood++;
    const regex = compileAnchored(pattern);
    for (let j = 0; j < 12; j++) {
      let value = "";
      for (let n = random(6); n > 0; n--) value += chars[random(chars.length)];
      const expected = re2.matches(value);
      expect(regex.test(value), `${JSON.stringify(pattern)} on ${JSON.stringify(value)}`).toBe(expected);
      if (!expected) continue;
      expect(value.startsWith(regex.prefix), `prefix of ${JSON.stringify(pattern)}`).toBe(true);
      if (regex.literals) expect(regex.literals).toContain(value);
    }
  }
  expect(understood).toBeGreaterThan(1500);
  expect(invalid).toBeGreaterThan(1500);
});
