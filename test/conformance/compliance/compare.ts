// Comparison by the rules of the public compliance tester, and the two known ways in which Prometheus 3 answers other
// than the 2.42 that Debian ships. Those are recognised by what they are, not by a list of queries:
//
// - Ranges are open on the left since 3.0: a sample exactly as old as the range is long is outside. Such a difference
//   must vanish when 2.42 is asked for a range that is shorter by a millisecond.
// - Label names may be any UTF-8 since 3.0: what 2.42 refuses as an invalid label name is accepted.
import { isLegacyLabelName } from "@belfry/core/model";
import type { Matrix, RangeAnswer, RangeApi } from "./api.ts";

/** Query is one case of the compliance suite. */
export interface ComplianceQuery {
  query: string;
  shouldFail: boolean;
}

/** Window is the range in which queries are compared. */
export interface Window {
  startMs: number;
  endMs: number;
  stepMs: number;
}

/** Verdict is the outcome of one comparison. */
export type Verdict =
  | { kind: "same" }
  | { kind: "older"; rule: "left-open ranges" | "UTF-8 label names" }
  | { kind: "different"; message: string };

// As the public tester: relative difference of 1e-5.
const TOLERANCE = 1e-5;
// A range shorter by 1 ms changes extrapolated rates by up to 1 ms / 15 s.
const SHORTENED_TOLERANCE = 1e-3;

/** compareQuery asks both and says whether they agree. */
export async function compareQuery(
  { query, shouldFail }: ComplianceQuery,
  window: Window,
  reference: RangeApi,
  ours: RangeApi,
): Promise<Verdict> {
  const ask = (api: RangeApi, text: string): Promise<RangeAnswer> =>
    api.range(text, window.startMs, window.endMs, window.stepMs);
  const [expected, actual] = await Promise.all([ask(reference, query), ask(ours, query)]);
  if ((expected.error !== undefined) !== shouldFail) {
    return { kind: "different", message: `the reference ${expected.error ?? "succeeded, though it should fail"}` };
  }
  if (expected.error !== undefined) {
    if (actual.error !== undefined) return { kind: "same" };
    if (isRefusedLabelName(expected.error)) return { kind: "older", rule: "UTF-8 label names" };
    return { kind: "different", message: `the reference fails (${expected.error}), ours succeeds` };
  }
  if (actual.error !== undefined) return { kind: "different", message: `ours fails: ${actual.error}` };
  const difference = differenceOf(expected.matrix, actual.matrix, TOLERANCE);
  if (difference === undefined) return { kind: "same" };
  const shorter = shortenRanges(query);
  if (shorter !== query) {
    const shortened = await ask(reference, shorter);
    if (shortened.matrix && differenceOf(shortened.matrix, actual.matrix, SHORTENED_TOLERANCE) === undefined) {
      return { kind: "older", rule: "left-open ranges" };
    }
  }
  return { kind: "different", message: difference };
}

/** shortenRanges makes every range of a query a millisecond shorter. */
export function shortenRanges(query: string): string {
  return query.replaceAll(
    /\[(\d+)(s|m|h)(:[^\]]*)?\]/g,
    (_, amount: string, unit: string, step: string | undefined) => {
      const ms = Number(amount) * { s: 1000, m: 60_000, h: 3_600_000 }[unit]! - 1;
      return `[${ms}ms${step ?? ""}]`;
    },
  );
}

function isRefusedLabelName(message: string): boolean {
  const name = /invalid (?:source |destination )?label name in [a-z_]+\(\): (.*)$/.exec(message)?.[1];
  return name !== undefined && name !== "" && !isLegacyLabelName(name);
}

/** differenceOf describes the first difference of two matrices, or undefined. */
export function differenceOf(expected: Matrix, actual: Matrix, tolerance: number): string | undefined {
  for (const [key, points] of expected) {
    const other = actual.get(key);
    if (!other) return `series ${key} is missing (${expected.size} expected, ${actual.size} there)`;
    if (other.length !== points.length) return `series ${key} has ${other.length} points, not ${points.length}`;
    for (let i = 0; i < points.length; i++) {
      const [time, value] = points[i];
      if (other[i][0] !== time) return `series ${key} has a point at ${other[i][0]}, not at ${time}`;
      if (!within(value, other[i][1], tolerance)) return `series ${key} at ${time} is ${other[i][1]}, not ${value}`;
    }
  }
  for (const key of actual.keys()) if (!expected.has(key)) return `series ${key} should not be there`;
  return undefined;
}

function within(a: number, b: number, tolerance: number): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  return Math.abs(a - b) <= tolerance * Math.min(Math.abs(a), Math.abs(b));
}
