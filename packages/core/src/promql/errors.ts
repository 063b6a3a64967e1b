import type { PositionRange } from "./ast.ts";

/** ParseProblem is one thing wrong with a query. The range counts as JavaScript strings do, end exclusive. */
export interface ParseProblem extends PositionRange {
  msg: string;
}

/**
 * ParseError says what is wrong with a query. Its message is Prometheus': `LINE:COLUMN: parse error: ...` for the first
 * problem, where the column counts bytes of UTF-8 from 1 as there; `errors` holds all problems.
 */
export class ParseError extends Error {
  readonly errors: readonly ParseProblem[];
  readonly query: string;

  constructor(query: string, errors: readonly ParseProblem[]) {
    const first = errors[0]!;
    super(`${describePosition(query, first.start)}: parse error: ${first.msg}`);
    this.name = "ParseError";
    this.errors = errors;
    this.query = query;
  }
}

/** describePosition gives an index into the query as line and column, both from 1, the column in bytes of UTF-8. */
export function describePosition(query: string, index: number): string {
  if (query === "") return "unknown position";
  if (index < 0 || index > query.length) return "invalid position";
  const before = query.slice(0, index);
  const lineStart = before.lastIndexOf("\n") + 1;
  let line = 1;
  for (let i = before.indexOf("\n"); i !== -1; i = before.indexOf("\n", i + 1)) line++;
  return `${line}:${byteLength(before.slice(lineStart)) + 1}`;
}

/** byteLength is the length of a query in UTF-8; a lone surrogate stands for one byte that is not UTF-8 (see quote.ts). */
export function byteLength(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) bytes++;
    else if (code < 0x800) bytes += 2;
    else if (code < 0xd800 || code > 0xdfff) bytes += 3;
    else if (code < 0xdc00 && text.charCodeAt(i + 1) >= 0xdc00 && text.charCodeAt(i + 1) <= 0xdfff) {
      bytes += 4;
      i++;
    } else bytes++;
  }
  return bytes;
}
