// Every regular expression a user writes is RE2: linear time, Go syntax (github.com/google/re2/wiki/Syntax).
// RE2JS decides what matches; literals, alternations of literals and simple prefixes are recognised first,
// because most matchers in dashboards are of that kind and a set look-up is far cheaper than an automaton.
import { RE2JS } from "re2js";

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
  /** literals lists all values it can match, when that is a finite plain alternation. */
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
    throw new RegexError(pattern, cause instanceof Error ? cause.message : String(cause));
  }
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

const PLAIN = /^[^\\.+*?()|[\]{}^$]*$/;

function build(pattern: string): AnchoredRegex {
  const alternatives = pattern.split("|");
  if (alternatives.every((part) => PLAIN.test(part))) {
    const literals = new Set(alternatives);
    return { test: (value) => literals.has(value), literals: [...literals], prefix: literals.size === 1 ? pattern : "" };
  }
  if (pattern === ".*") return { test: () => true, literals: undefined, prefix: "" };
  if (pattern === ".+") return { test: (value) => value !== "", literals: undefined, prefix: "" };
  const compiled = compileRE2(`^(?s:${pattern})$`);
  return { test: (value) => compiled.matches(value), literals: undefined, prefix: "" };
}
