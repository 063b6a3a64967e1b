// File patterns as Go's filepath.Glob: * and ? within one part of a path, [a-z] and [^a-z], \ before a character
// that stands for itself. No ** and no braces. Hidden files match like others.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** GlobError says that a pattern has no meaning: an unclosed bracket, a lone backslash. */
export class GlobError extends Error {
  constructor() {
    super("syntax error in pattern");
    this.name = "GlobError";
  }
}

/** glob lists the files that match, sorted within their folder. What cannot be read is left out. Throws GlobError. */
export function glob(pattern: string): string[] {
  if (!/[*?[\\]/.test(pattern)) return existsSync(pattern) ? [pattern] : [];
  const slash = pattern.lastIndexOf("/");
  const folder = slash === -1 ? "" : slash === 0 ? "/" : pattern.slice(0, slash);
  const matches = compilePart(pattern.slice(slash + 1));
  const folders = /[*?[\\]/.test(folder) ? glob(folder) : [folder];
  const out: string[] = [];
  for (const parent of folders) {
    let names: string[];
    try {
      if (!statSync(parent === "" ? "." : parent).isDirectory()) continue;
      names = readdirSync(parent === "" ? "." : parent).toSorted();
    } catch {
      continue;
    }
    for (const name of names) if (matches.test(name)) out.push(parent === "" ? name : join(parent, name));
  }
  return out;
}

function compilePart(pattern: string): RegExp {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    if (char === "*") {
      while (pattern[i + 1] === "*") i++;
      source += "[^/]*";
    } else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const end = classEnd(pattern, i + 1);
      const body = pattern.slice(i + 1, end);
      const negated = body.startsWith("^");
      source += `[${negated ? "^" : ""}${(negated ? body.slice(1) : body).replaceAll(/[[\]]/g, "\\$&")}]`;
      i = end;
    } else if (char === "\\") {
      if (i + 1 >= pattern.length) throw new GlobError();
      source += escape(pattern[++i]!);
    } else source += escape(char);
  }
  return new RegExp(`^${source}$`, "us");
}

function classEnd(pattern: string, start: number): number {
  let i = pattern[start] === "^" ? start + 1 : start;
  for (let count = 0; i < pattern.length; i++, count++) {
    if (pattern[i] === "]" && count > 0) return i;
    if (pattern[i] === "\\") i++;
  }
  throw new GlobError();
}

function escape(char: string): string {
  return char.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
