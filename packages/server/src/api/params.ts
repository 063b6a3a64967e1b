// Request parameters as Prometheus reads them: from the query string and, for POST, from a form body whose
// values come first.
import { parseDuration as parsePrometheusDuration } from "@belfry/core/format";
import type { Matcher } from "@belfry/core/model";
import { parseMetricSelector } from "@belfry/core/promql";
import { ApiError, invalidParameter, messageOf } from "./errors.ts";

/** MIN_TIME_MS and MAX_TIME_MS are upstream's outermost times, the defaults of `start` and `end`. */
export const MIN_TIME_MS = -9_223_309_901_257_974;
export const MAX_TIME_MS = 9_223_309_901_257_974;
const MIN_TIME_TEXT = "-292273086-05-16T16:47:06Z";
const MAX_TIME_TEXT = "292277025-08-18T07:12:54.999999999Z";

/** Form gives the parameters of one request. */
export class Form {
  private readonly sources: readonly URLSearchParams[];

  /** `body` is the decoded form body of a POST, or undefined. */
  constructor(query: URLSearchParams, body?: URLSearchParams) {
    this.sources = body ? [body, query] : [query];
  }

  /** get returns the first value, or "" (upstream does not tell an empty parameter from a missing one). */
  get(name: string): string {
    for (const source of this.sources) {
      const value = source.get(name);
      if (value !== null) return value;
    }
    return "";
  }

  getAll(name: string): string[] {
    return this.sources.flatMap((source) => source.getAll(name));
  }

  /** time reads a timestamp in milliseconds; `fallback` where it is absent. Throws ApiError. */
  time(name: string, fallback: number): number {
    const text = this.get(name);
    if (text === "") return fallback;
    try {
      return parseTime(text);
    } catch (error) {
      throw invalidParameter(name, `Invalid time value for '${name}': ${messageOf(error)}`);
    }
  }

  /** requiredTime reads a timestamp that must be there. Throws ApiError. */
  requiredTime(name: string): number {
    try {
      return parseTime(this.get(name));
    } catch (error) {
      throw invalidParameter(name, error);
    }
  }

  /** duration reads seconds or a Prometheus duration, in milliseconds. Throws ApiError. */
  duration(name: string): number {
    try {
      return parseApiDuration(this.get(name));
    } catch (error) {
      throw invalidParameter(name, error);
    }
  }

  /** limit reads the most results wanted; 0 means no limit. Throws ApiError. */
  limit(): number {
    const text = this.get("limit");
    if (text === "") return 0;
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) {
      throw invalidParameter("limit", `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
    }
    if (value < 0) throw invalidParameter("limit", "limit must be non-negative");
    return value;
  }

  /** matcherSets parses every `match[]`; each must have a matcher that does not match the empty string. Throws ApiError. */
  matcherSets(): Matcher[][] {
    const sets: Matcher[][] = [];
    for (const text of this.getAll("match[]")) {
      try {
        sets.push(parseMetricSelector(text));
      } catch (error) {
        throw invalidParameter("match[]", error);
      }
    }
    for (const set of sets) {
      if (set.every((matcher) => matcher.matchesEmpty)) {
        throw invalidParameter("match[]", "match[] must contain at least one non-empty matcher");
      }
    }
    return sets;
  }

  boolean(name: string, fallback: boolean): boolean {
    const text = this.get(name);
    if (text === "") return fallback;
    if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
    if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
    throw invalidParameter(name, `strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
}

const FLOAT = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** parseTime reads Unix seconds or RFC 3339, in milliseconds. Throws Error with upstream's text. */
export function parseTime(text: string): number {
  if (FLOAT.test(text)) return Math.round(Number(text) * 1000);
  if (RFC3339.test(text)) {
    // Date.parse keeps three digits of the fraction, which is the resolution of everything stored.
    const milliseconds = Date.parse(text.replace(/(\.\d{3})\d+/, "$1").toUpperCase());
    if (!Number.isNaN(milliseconds)) return milliseconds;
  }
  if (text === MIN_TIME_TEXT) return MIN_TIME_MS;
  if (text === MAX_TIME_TEXT) return MAX_TIME_MS;
  throw new Error(`cannot parse ${JSON.stringify(text)} to a valid timestamp`);
}

/** parseApiDuration reads seconds or a Prometheus duration, in milliseconds. Throws Error with upstream's text. */
export function parseApiDuration(text: string): number {
  if (FLOAT.test(text)) {
    const milliseconds = Number(text) * 1000;
    if (Math.abs(milliseconds) > 9.223372036854775e12) {
      throw new Error(`cannot parse ${JSON.stringify(text)} to a valid duration. It overflows int64`);
    }
    return milliseconds;
  }
  try {
    return parsePrometheusDuration(text);
  } catch {
    throw new Error(`cannot parse ${JSON.stringify(text)} to a valid duration`);
  }
}

/**
 * parseForm reads the parameters of a request. A body that is no form is not looked at, as in Go, unless nothing is asked
 * without it: then ApiError says what was expected.
 */
export function parseForm(url: string, body: unknown): Form {
  const queryStart = url.indexOf("?");
  const query = new URLSearchParams(queryStart < 0 ? "" : url.slice(queryStart + 1));
  if (body instanceof URLSearchParams) return new Form(query, body);
  if (body === undefined || body === null || query.size > 0 || isEmpty(body)) return new Form(query);
  throw new ApiError("bad_data", "error parsing form values: expected an application/x-www-form-urlencoded body");
}

function isEmpty(body: unknown): boolean {
  return body instanceof Uint8Array && body.length === 0;
}
