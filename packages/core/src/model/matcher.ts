import { compileAnchored, type AnchoredRegex } from "./regex.ts";
import { quoteGo, isLegacyLabelName, type Labels } from "./labels.ts";

/** MatchType is the operator of a label matcher. */
export type MatchType = "=" | "!=" | "=~" | "!~";

/** Matcher selects series by one label. Regular expressions are RE2 and match the whole value. */
export class Matcher {
  readonly type: MatchType;
  readonly name: string;
  readonly value: string;
  private readonly regex: AnchoredRegex | undefined;

  /** Throws RegexError when `type` is a regular expression match and `value` is not valid RE2. */
  constructor(type: MatchType, name: string, value: string) {
    this.type = type;
    this.name = name;
    this.value = value;
    if (type === "=~" || type === "!~") this.regex = compileAnchored(value);
  }

  /** matches tells whether a label value ("" for an absent label) satisfies the matcher. */
  matches(value: string): boolean {
    switch (this.type) {
      case "=":
        return value === this.value;
      case "!=":
        return value !== this.value;
      case "=~":
        return this.regex!.test(value);
      case "!~":
        return !this.regex!.test(value);
    }
  }

  /** matchesEmpty tells whether series without the label are selected. */
  get matchesEmpty(): boolean {
    return this.matches("");
  }

  /** setMatches lists the only values a `=~` matcher can match when it is a plain alternation, else undefined. */
  get setMatches(): readonly string[] | undefined {
    return this.type === "=~" ? this.regex!.literals : undefined;
  }

  /** prefix is a string every value matched by a `=~` matcher begins with, or "". */
  get prefix(): string {
    return this.type === "=~" ? this.regex!.prefix : "";
  }

  toString(): string {
    const name = isLegacyLabelName(this.name) ? this.name : quoteGo(this.name);
    return `${name}${this.type}${quoteGo(this.value)}`;
  }
}

/** matchesAll tells whether the labels satisfy every matcher. */
export function matchesAll(labels: Labels, matchers: readonly Matcher[]): boolean {
  for (const matcher of matchers) if (!matcher.matches(labels.get(matcher.name))) return false;
  return true;
}
