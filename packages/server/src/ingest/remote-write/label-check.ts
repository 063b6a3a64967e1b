// Labels as a request brings them: in any order, perhaps empty, repeated or not UTF-8. What is wrong with them is said in
// upstream's words, which senders log.
import { isUtf8 } from "node:buffer";
import { compareStrings, Labels, METRIC_NAME, quoteGo } from "@belfry/core/model";

/** CheckedLabels are sorted labels without empty values, and what is wrong with them: "" when nothing is. */
export interface CheckedLabels {
  labels: Labels;
  error: string;
}

/** checkLabels sorts and checks name, value, name, value ...; `valid` is false when some of it was not UTF-8. */
export function checkLabels(pairs: readonly string[], valid: boolean): CheckedLabels {
  const sorted = sortPairs(pairs);
  let hasName = false;
  let duplicate: string | undefined;
  for (let i = 0; i < sorted.length; i += 2) {
    if (sorted[i] === "") valid = false;
    if (sorted[i] === METRIC_NAME) {
      hasName = true;
      if (sorted[i + 1] === "") valid = false;
    }
    if (duplicate === undefined && i > 0 && sorted[i] === sorted[i - 2]) duplicate = sorted[i];
  }
  let error = "";
  if (!hasName || !valid) error = `invalid metric name or labels, got ${printPairs(sorted)}`;
  else if (duplicate !== undefined) {
    error = `invalid labels for series, labels ${printPairs(sorted)}, duplicated label ${duplicate}`;
  }
  return { labels: new Labels(withoutEmpty(sorted)), error };
}

/** decodeText decodes UTF-8; what is none becomes U+FFFD. */
export function decodeText(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("utf8");
}

/** isText tells whether bytes[from, to) are UTF-8. */
export function isText(bytes: Uint8Array, from: number, to: number): boolean {
  return isUtf8(bytes.subarray(from, to));
}

function sortPairs(pairs: readonly string[]): readonly string[] {
  let inOrder = true;
  for (let i = 2; i < pairs.length && inOrder; i += 2) inOrder = compareStrings(pairs[i - 2], pairs[i]) <= 0;
  if (inOrder) return pairs;
  const order: number[] = [];
  for (let i = 0; i < pairs.length; i += 2) order.push(i);
  order.sort((a, b) => compareStrings(pairs[a], pairs[b]) || a - b);
  return order.flatMap((i) => [pairs[i], pairs[i + 1]]);
}

function withoutEmpty(pairs: readonly string[]): readonly string[] {
  let empty = false;
  for (let i = 1; i < pairs.length; i += 2) if (pairs[i] === "") empty = true;
  if (!empty) return pairs;
  const kept: string[] = [];
  for (let i = 0; i < pairs.length; i += 2) if (pairs[i + 1] !== "") kept.push(pairs[i], pairs[i + 1]);
  return kept;
}

// Unlike Labels, a request's labels may be empty or occur twice, and the message must show that.
function printPairs(pairs: readonly string[]): string {
  const parts: string[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const name = /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(pairs[i]) ? pairs[i] : quoteGo(pairs[i]);
    parts.push(`${name}=${quoteGo(pairs[i + 1])}`);
  }
  return `{${parts.join(", ")}}`;
}
