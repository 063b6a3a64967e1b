// Regular expressions that are really word lists, prefixes, suffixes or substrings, in the variety people write them:
// `a|b`, `foo(bar|baz)?`, `api-[0-9]`, `.*error.*`, `node-.+|edge-.+`, `(?i)prod`. Each is turned into a list of globs,
// sequences of literals and gaps of which one must match; what does not fit is left to RE2.
//
// Only patterns that are certain to be valid RE2 may be understood here, and `.` matches newlines.

/** MAX_GLOBS bounds what alternatives and classes are multiplied out to; beyond that an automaton is faster. */
const MAX_GLOBS = 100;

/**
 * Glob is one alternative: literals.length - 1 gaps lie between the literals, gap i before literal i + 1. `gaps[i]` says
 * how many characters at least, 0 (`.*`) or 1 (`.+`). A glob without gaps matches one value only.
 */
export interface Glob {
  readonly literals: readonly string[];
  readonly gaps: readonly (0 | 1)[];
}

/** GlobPattern is a pattern that has been understood. */
export interface GlobPattern {
  readonly globs: readonly Glob[];
  /** ignoreCase is set by a leading (?i); the literals are lower case then, and all ASCII. */
  readonly ignoreCase: boolean;
}

const EMPTY: Glob = { literals: [""], gaps: [] };

/** parseGlobs returns undefined for every pattern that is not such a list, and for every invalid one. */
export function parseGlobs(pattern: string): GlobPattern | undefined {
  const ignoreCase = pattern.startsWith("(?i)");
  const body = ignoreCase ? pattern.slice(4) : pattern;
  // Fast path: no metacharacters at all.
  if (!ignoreCase && !META.test(body)) return { globs: [{ literals: [body], gaps: [] }], ignoreCase };
  // Case folding beyond ASCII is left to RE2.
  if (ignoreCase && !isAscii(body)) return undefined;
  const parser = new GlobParser(ignoreCase ? body.toLowerCase() : body, ignoreCase);
  const globs = parser.parse();
  return globs && { globs, ignoreCase };
}

const META = /[\\.+*?()|[\]{}^$]/;
const PUNCTUATION = /^[!-/:-@[-`{-~]$/;

/** isAscii tells whether a text has only ASCII characters. */
export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

class GlobParser {
  private readonly text: string;
  private readonly ignoreCase: boolean;
  private pos = 0;
  private depth = 0;

  constructor(text: string, ignoreCase: boolean) {
    this.text = text;
    this.ignoreCase = ignoreCase;
  }

  parse(): Glob[] | undefined {
    const globs = this.alternatives();
    return this.pos === this.text.length ? globs : undefined;
  }

  /** alternatives reads up to the end or a closing parenthesis; undefined means that RE2 has to do it. */
  private alternatives(): Glob[] | undefined {
    let all: Glob[] | undefined;
    for (;;) {
      const globs = this.sequence();
      if (globs === undefined) return undefined;
      all = all === undefined ? globs : [...all, ...globs];
      if (all.length > MAX_GLOBS) return undefined;
      if (this.text[this.pos] !== "|") return all;
      this.pos++;
    }
  }

  private sequence(): Glob[] | undefined {
    let globs: Glob[] = [EMPTY];
    // The whole value is matched anyway, so that anchors at its ends say nothing new.
    if (this.depth === 0 && this.text[this.pos] === "^") this.pos++;
    for (;;) {
      const c = this.text[this.pos];
      if (c === undefined || c === "|" || c === ")") return globs;
      if (this.depth === 0 && c === "$") {
        this.pos++;
        const next = this.text[this.pos];
        return next === undefined || next === "|" ? globs : undefined;
      }
      const piece = this.piece();
      if (piece === undefined || globs.length * piece.length > MAX_GLOBS) return undefined;
      const joined: Glob[] = [];
      for (const head of globs) {
        for (const tail of piece) {
          const glob = join(head, tail);
          if (glob === undefined) return undefined;
          joined.push(glob);
        }
      }
      globs = joined;
    }
  }

  private piece(): Glob[] | undefined {
    const c = this.text[this.pos]!;
    if (c === ".") return this.gap();
    let globs: Glob[] | undefined;
    if (c === "(") globs = this.group();
    else if (c === "[") globs = this.charClass();
    else globs = this.literal();
    const quantifier = this.text[this.pos];
    if (globs === undefined || quantifier === "*" || quantifier === "+" || quantifier === "{") return undefined;
    if (quantifier !== "?") return globs;
    this.pos++;
    return this.atQuantifier() ? undefined : [...globs, EMPTY];
  }

  private atQuantifier(): boolean {
    const c = this.text[this.pos];
    return c === "*" || c === "+" || c === "?" || c === "{";
  }

  private gap(): Glob[] | undefined {
    const quantifier = this.text[this.pos + 1];
    if (quantifier !== "*" && quantifier !== "+") return undefined;
    this.pos += 2;
    // A lazy gap matches the same values.
    if (this.text[this.pos] === "?") this.pos++;
    if (this.atQuantifier()) return undefined;
    return [{ literals: ["", ""], gaps: [quantifier === "*" ? 0 : 1] }];
  }

  private group(): Glob[] | undefined {
    this.pos++;
    if (this.text.startsWith("?:", this.pos)) this.pos += 2;
    else if (this.text[this.pos] === "?") return undefined;
    this.depth++;
    const globs = this.alternatives();
    this.depth--;
    if (this.text[this.pos] !== ")") return undefined;
    this.pos++;
    return globs;
  }

  /** charClass reads `[abc]` and `[0-9]`: ASCII letters, digits and a few signs, not negated. */
  private charClass(): Glob[] | undefined {
    const end = this.text.indexOf("]", this.pos);
    const body = end === -1 ? "" : this.text.slice(this.pos + 1, end);
    if (!/^(?:[0-9A-Za-z]-[0-9A-Za-z]|[0-9A-Za-z_:./])+$/.test(body)) return undefined;
    this.pos = end + 1;
    const chars = new Set<string>();
    for (let i = 0; i < body.length; i++) {
      const first = body.charCodeAt(i);
      let last = first;
      if (body[i + 1] === "-") {
        i += 2;
        last = body.charCodeAt(i);
        if (last < first) return undefined;
        // A range such as A-z holds letters of both cases, which lower-casing the pattern has changed.
        if (this.ignoreCase && !/^(?:[0-9]-[0-9]|[a-z]-[a-z])$/.test(body.slice(i - 2, i + 1))) return undefined;
      }
      for (let code = first; code <= last; code++) chars.add(String.fromCharCode(code));
    }
    return [...chars].map((char) => ({ literals: [char], gaps: [] }));
  }

  private literal(): Glob[] | undefined {
    const start = this.pos;
    let c = this.text[start]!;
    if (c === "\\") {
      c = this.text[start + 1] ?? "";
      if (!PUNCTUATION.test(c)) return undefined;
      this.pos += 2;
      return [{ literals: [c], gaps: [] }];
    }
    // Up to the next metacharacter, but a quantifier belongs to the last character only.
    let end = start;
    while (end < this.text.length && !META.test(this.text[end]!)) end++;
    if (end === start) return undefined;
    if (end - start > 1 && "*+?{".includes(this.text[end] ?? " ")) {
      end--;
      // Not between the two halves of a character.
      if (isLowSurrogate(this.text.charCodeAt(end))) end--;
      if (end === start) return undefined;
    }
    this.pos = end;
    return [{ literals: [this.text.slice(start, end)], gaps: [] }];
  }
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}

/** join puts one glob after another. Two adjacent gaps of at least one character each cannot be told in code units. */
function join(head: Glob, tail: Glob): Glob | undefined {
  const seam = head.literals.at(-1)! + tail.literals[0]!;
  if (seam === "" && head.gaps.length > 0 && tail.gaps.length > 0) {
    const gap = head.gaps.at(-1)! + tail.gaps[0]!;
    if (gap > 1) return undefined;
    return {
      literals: [...head.literals.slice(0, -1), ...tail.literals.slice(1)],
      gaps: [...head.gaps.slice(0, -1), gap as 0 | 1, ...tail.gaps.slice(1)],
    };
  }
  return {
    literals: [...head.literals.slice(0, -1), seam, ...tail.literals.slice(1)],
    gaps: [...head.gaps, ...tail.gaps],
  };
}

/** globTest returns a function that tells whether a value matches the glob. */
export function globTest({ literals, gaps }: Glob): (value: string) => boolean {
  const first = literals[0]!;
  const last = literals.at(-1)!;
  if (gaps.length === 0) return (value) => value === first;
  const shortest = literals.reduce((sum, literal) => sum + literal.length, 0) + gaps.reduce<number>((a, b) => a + b, 0);
  if (gaps.length === 1) {
    if (shortest === 0) return () => true;
    if (last === "") return (value) => value.length >= shortest && value.startsWith(first);
    if (first === "") return (value) => value.length >= shortest && value.endsWith(last);
    return (value) => value.length >= shortest && value.startsWith(first) && value.endsWith(last);
  }
  if (gaps.length === 2 && shortest === literals[1]!.length && first === "" && last === "") {
    const middle = literals[1]!;
    return (value) => value.includes(middle);
  }
  return (value) => {
    if (value.length < shortest || !value.startsWith(first) || !value.endsWith(last)) return false;
    // The leftmost occurrence of each literal leaves the most room for the next.
    let pos = first.length;
    const end = value.length - last.length;
    for (let i = 1; i < literals.length - 1; i++) {
      const found = value.indexOf(literals[i]!, pos + gaps[i - 1]!);
      if (found === -1) return false;
      pos = found + literals[i]!.length;
    }
    return pos + gaps.at(-1)! <= end;
  };
}

/** commonPrefix returns what all values matched by the globs begin with. */
export function commonPrefix(globs: readonly Glob[]): string {
  let prefix = globs[0]!.literals[0]!;
  for (const { literals } of globs) {
    let length = 0;
    const other = literals[0]!;
    while (length < prefix.length && prefix[length] === other[length]) length++;
    prefix = prefix.slice(0, length);
  }
  // A common first half of different characters is no prefix.
  const lastCode = prefix.charCodeAt(prefix.length - 1);
  return lastCode >= 0xd800 && lastCode <= 0xdbff ? prefix.slice(0, -1) : prefix;
}
