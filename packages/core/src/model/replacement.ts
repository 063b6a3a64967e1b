// Replacement texts with references to groups, as Go's regexp.Expand reads them: $name, ${name}, $1, and $$ for a
// dollar sign. A name is the longest run of letters, digits and underscores, so `$1x` asks for a group "1x".
import { compileRE2 } from "./regex.ts";

type Part = string | { group: string };

const REFERENCE = /^\$(?:\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/u;

/** Replacement turns what an anchored regular expression has matched into text. */
export class Replacement {
  /** isLiteral is true when nothing is referred to, so the text is always the same. */
  readonly isLiteral: boolean;
  private readonly parts: readonly Part[];

  constructor(template: string) {
    this.parts = parse(template);
    this.isLiteral = this.parts.every((part) => typeof part === "string");
  }

  /** expand puts in the groups; one that is missing or did not take part is empty. */
  expand(names: Readonly<Record<string, number>>, group: (index: number) => string): string {
    let out = "";
    for (const part of this.parts) {
      if (typeof part === "string") out += part;
      else if (/^\d+$/.test(part.group)) out += group(Number(part.group));
      else if (Object.hasOwn(names, part.group)) out += group(names[part.group]!);
    }
    return out;
  }
}

/** Substitution is a whole-value regular expression with the replacements it can make. */
export class Substitution {
  private readonly regex: ReturnType<typeof compileRE2>;
  private readonly names: Readonly<Record<string, number>>;

  /** Throws RegexError. `.` matches newlines, as in Prometheus 3. */
  constructor(pattern: string) {
    this.regex = compileRE2(`^(?s:${pattern})$`);
    this.names = this.regex.namedGroups() as Record<string, number>;
  }

  /** expand matches the whole value and fills in each template, or returns undefined when it does not match. */
  expand(value: string, ...templates: readonly Replacement[]): string[] | undefined {
    const matcher = this.regex.matcher(value);
    if (!matcher.matches()) return undefined;
    const group = (index: number): string => (index <= matcher.groupCount() ? (matcher.group(index) ?? "") : "");
    return templates.map((template) => template.expand(this.names, group));
  }
}

function parse(source: string): Part[] {
  const parts: Part[] = [];
  let literal = "";
  for (let i = 0; i < source.length;) {
    if (source[i] !== "$") {
      literal += source[i++];
      continue;
    }
    if (source[i + 1] === "$") {
      literal += "$";
      i += 2;
      continue;
    }
    const match = REFERENCE.exec(source.slice(i));
    if (match === null) {
      // Malformed: the dollar sign stands for itself.
      literal += "$";
      i++;
      continue;
    }
    if (literal !== "") parts.push(literal);
    literal = "";
    parts.push({ group: match[1] ?? match[2]! });
    i += match[0].length;
  }
  if (literal !== "") parts.push(literal);
  return parts;
}
