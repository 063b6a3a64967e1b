// Every regular expression a user writes is RE2: linear time, Go syntax (github.com/google/re2/wiki/Syntax).
// RE2JS decides what matches; lists, prefixes, suffixes and substrings are recognised first (regex-glob.ts), because
// most matchers in dashboards are of that kind and comparing strings is far cheaper than an automaton.
import { RE2JS } from "re2js";
import { commonPrefix, globTest, isAscii, parseGlobs } from "./regex-glob.ts";

/** RegexError says that a pattern is not valid RE2; its message is Go's (`error parsing regexp: ...`). */
export class RegexError extends Error {
  readonly pattern: string;
  constructor(pattern: string, message: string) {
    super(message);
    this.name = "RegexError";
    this.pattern = pattern;
  }
}

/** AnchoredRegex matches whole strings. */
export interface AnchoredRegex {
  test(value: string): boolean;
  /** literals lists all values it can match, when there are few (at most 100) and they are known. */
  readonly literals: readonly string[] | undefined;
  /** prefix is a literal that every match begins with. */
  readonly prefix: string;
}

// Patterns come from dashboards and configuration and repeat endlessly; 1,000 compiled ones cost about 10 MB at worst.
const CACHE_SIZE = 1000;
const cache = new Map<string, AnchoredRegex>();

/** compileRE2 compiles an unanchored RE2 pattern. Throws RegexError. */
export function compileRE2(pattern: string, flags = 0): RE2JS {
  try {
    return RE2JS.compile(pattern, flags);
  } catch (cause) {
    // RE2JS puts flags into the pattern, and thereby into its message.
    if (flags !== 0) return compileRE2(pattern);
    throw new RegexError(pattern, goMessage(pattern, cause instanceof Error ? cause.message : String(cause)));
  }
}

/** goMessage completes a message of RE2JS, which leaves out the part of the pattern where Go names all or nothing of it. */
function goMessage(pattern: string, message: string): string {
  if (!message.startsWith("error parsing regexp: ")) return `error parsing regexp: ${message}: \`${pattern}\``;
  if (message.endsWith("`")) return message;
  return message.endsWith("trailing backslash at end of expression")
    ? `${message}: \`\``
    : `${message}: \`${pattern}\``;
}

/** compileAnchored compiles a pattern that must match the whole value; `.` matches newlines as in Prometheus 3. Throws RegexError. */
export function compileAnchored(pattern: string): AnchoredRegex {
  const known = cache.get(pattern);
  if (known) return known;
  const regex = build(pattern);
  if (cache.size >= CACHE_SIZE) cache.delete(cache.keys().next().value!);
  cache.set(pattern, regex);
  return regex;
}

function build(pattern: string): AnchoredRegex {
  const parsed = parseGlobs(pattern);
  if (parsed === undefined) return new AutomatonRegex(pattern);
  const { globs, ignoreCase } = parsed;
  const values = new Set(globs.filter(({ gaps }) => gaps.length === 0).map(({ literals }) => literals[0]!));
  const tests = globs.filter(({ gaps }) => gaps.length > 0).map(globTest);
  const test = anyTest(values, tests);
  if (!ignoreCase) {
    return { test, literals: tests.length === 0 ? [...values] : undefined, prefix: commonPrefix(globs) };
  }
  // Some characters outside ASCII fold to letters inside, such as the Kelvin sign to k.
  let automaton: AutomatonRegex | undefined;
  return {
    test: (value) =>
      isAscii(value) ? test(value.toLowerCase()) : (automaton ??= new AutomatonRegex(pattern)).test(value),
    literals: undefined,
    prefix: "",
  };
}

function anyTest(
  values: ReadonlySet<string>,
  tests: readonly ((value: string) => boolean)[],
): (value: string) => boolean {
  if (tests.length === 0) {
    if (values.size > 1) return (value) => values.has(value);
    const [only] = values;
    return (value) => value === only;
  }
  if (values.size === 0 && tests.length === 1) return tests[0]!;
  return (value) => {
    if (values.has(value)) return true;
    for (const test of tests) if (test(value)) return true;
    return false;
  };
}

// Results are kept for values that come again. 500 of them are a few times the values of a typical label, and the limit
// over all patterns, at about 100 bytes each, is 5 MB.
const RESULTS_PER_PATTERN = 500;
const RESULTS_IN_ALL = 50_000;
/** LONGEST_KEPT keeps long values, which rarely repeat, out of memory. */
const LONGEST_KEPT = 256;
let resultCount = 0;

/** AutomatonRegex runs RE2 for values it has not seen lately. */
class AutomatonRegex implements AnchoredRegex {
  readonly literals = undefined;
  readonly prefix: string;
  private readonly re2: RE2JS;
  private readonly results = new Map<string, boolean>();

  constructor(pattern: string) {
    this.re2 = compileRE2(pattern, RE2JS.DOTALL);
    this.prefix = literalPrefix(pattern);
  }

  test(value: string): boolean {
    const known = this.results.get(value);
    if (known !== undefined) return known;
    const result = this.re2.testExact(value);
    if (value.length <= LONGEST_KEPT) this.keep(value, result);
    return result;
  }

  private keep(value: string, result: boolean): void {
    const { results } = this;
    if (results.size >= RESULTS_PER_PATTERN) {
      resultCount -= results.size;
      results.clear();
    }
    if (resultCount >= RESULTS_IN_ALL) return;
    results.set(value, result);
    resultCount++;
  }
}

/** literalPrefix returns what a valid pattern begins with before anything that is not plain, "" where it has alternatives. */
function literalPrefix(pattern: string): string {
  if (pattern.includes("|")) return "";
  const [prefix] = /^(?:[^\\.+*?()|[\]{}^$](?![*?{]))*/.exec(pattern)!;
  const lastCode = prefix.charCodeAt(prefix.length - 1);
  return lastCode >= 0xd800 && lastCode <= 0xdbff ? prefix.slice(0, -1) : prefix;
}
