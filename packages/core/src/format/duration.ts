// Durations as Prometheus writes them: `1h30m`, units from biggest to smallest, each at most once. A year is always
// 365 days and a day always 24 hours.
import { quoteGo } from "../model/labels.ts";

/** DurationError says why a text is no duration; its message is Prometheus'. */
export class DurationError extends Error {
  readonly text: string;
  constructor(text: string, message: string) {
    super(message);
    this.name = "DurationError";
    this.text = text;
  }
}

const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ["y", 31_536_000_000],
  ["w", 604_800_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
];

const UNIT_ORDER: ReadonlyMap<string, number> = new Map(UNITS.map(([unit], i) => [unit, i]));

/** MAX_DURATION_MS is the longest duration Prometheus knows, 2^63 - 1 nanoseconds (about 292 years). */
const MAX_DURATION_MS = 9_223_372_036_854;

const PART = /([0-9]+)([^0-9]+)/y;

/** parseDuration reads `1h30m`, `250ms` or `0` and returns milliseconds. Throws DurationError. */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  if (text === "") throw new DurationError(text, "empty duration string");
  let total = 0;
  let previous = -1;
  PART.lastIndex = 0;
  while (PART.lastIndex < text.length) {
    const part = PART.exec(text);
    if (part === null) throw invalid(text);
    const count = Number(part[1]);
    // Beyond this Go cannot even read the number.
    if (part[1]!.length > 19 && BigInt(part[1]!) > 18_446_744_073_709_551_615n) throw invalid(text);
    const order = UNIT_ORDER.get(part[2]!);
    if (order === undefined) {
      throw new DurationError(text, `unknown unit ${quoteGo(part[2]!)} in duration ${quoteGo(text)}`);
    }
    if (order <= previous) throw invalid(text);
    previous = order;
    total += count * UNITS[order]![1];
    if (total > MAX_DURATION_MS) throw new DurationError(text, "duration out of range");
  }
  return total;
}

function invalid(text: string): DurationError {
  return new DurationError(text, `not a valid duration string: ${quoteGo(text)}`);
}

/** parseSignedDuration is parseDuration that also accepts a leading minus sign. Throws DurationError. */
export function parseSignedDuration(text: string): number {
  return text.startsWith("-") ? -parseDuration(text.slice(1)) : parseDuration(text);
}

/**
 * formatDuration writes milliseconds the way parseDuration reads them. Years and weeks are used only where nothing
 * remains, since 90d is easier to read than 12w6d. Fractions of a millisecond are dropped.
 */
export function formatDuration(ms: number): string {
  let rest = Math.trunc(Math.abs(ms));
  if (rest === 0) return "0s";
  let out = ms < 0 ? "-" : "";
  for (const [unit, size] of UNITS) {
    if ((unit === "y" || unit === "w") && rest % size !== 0) continue;
    const count = Math.floor(rest / size);
    if (count > 0) out += `${count}${unit}`;
    rest -= count * size;
  }
  return out;
}
