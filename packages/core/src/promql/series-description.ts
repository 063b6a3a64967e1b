// The notation in which tests write series: a metric, then its samples at a fixed interval.
//
//   http_requests{job="api"} 0+10x3 _ stale {{schema:0 sum:3 count:2 buckets:[1 1]}}
//
//   a       one value (decimal, also Inf and NaN)     _       no sample at this time
//   axn     a, n more times                           _xn     n times no sample
//   a+bxn   a, a+b, a+2b ... n steps; also a-bxn      stale   a staleness marker
//   {{...}} a native histogram; also {{...}}xn, {{...}}+{{...}}xn and {{...}}-{{...}}xn
//
// Start timestamps are written in a line of their own, before that of the samples, as offsets to the samples' times:
//
//   http_requests{job="api"}@st _ -1m -2m-1mx2 *
//
// A line without a metric (`@st ...`) is the default for the series that follow.
import {
  addHistogram,
  copyHistogram,
  CounterResetHint,
  EMPTY_LABELS,
  type Histogram,
  Labels,
  METRIC_NAME,
  newHistogram,
  quoteGo,
  subtractHistogram,
} from "../model/index.ts";

/** SequenceValue is what is written for one time. */
export interface SequenceValue {
  /** omitted says that there is no sample at this time; then nothing else means anything. */
  omitted: boolean;
  /** stale says that the sample is a staleness marker. */
  stale: boolean;
  value: number;
  histogram: Histogram | undefined;
  /** counterResetHintSet says that the hint was written out, and not just left at its default. */
  counterResetHintSet: boolean;
}

/** SeriesDescription is one line of test data. */
export interface SeriesDescription {
  labels: Labels;
  values: SequenceValue[];
}

/** StartTimestamps is a line of start timestamps: offsets in milliseconds to the time of the sample, undefined for none. */
export interface StartTimestamps {
  /** labels are empty for the default line. */
  labels: Labels;
  isDefault: boolean;
  offsetsMs: (number | undefined)[];
}

/** SeriesDescriptionError says what is wrong with a line; `position` is an index into it. */
export class SeriesDescriptionError extends Error {
  readonly position: number;
  constructor(position: number, message: string) {
    super(`1:${position + 1}: parse error: ${message}`);
    this.name = "SeriesDescriptionError";
    this.position = position;
  }
}

// The most values one line may expand to. Real tests have a few thousand; past this a typo would exhaust the memory.
const MAX_VALUES = 10_000_000;

/** parseSeriesDescription reads one line. Throws SeriesDescriptionError. */
export function parseSeriesDescription(text: string): SeriesDescription {
  const reader = new Reader(text);
  reader.skipSpace();
  const labels = readMetric(reader);
  const values: SequenceValue[] = [];
  while (!reader.ended) {
    if (!reader.skipSpace()) throw reader.unexpected("series values", "");
    if (reader.ended) break;
    readItem(reader, values);
  }
  return { labels, values };
}

/** isStartTimestampLine tells whether a line gives start timestamps: its first word ends with `@st`. */
export function isStartTimestampLine(line: string): boolean {
  return /^\s*\S*@st\s/.test(line);
}

/** parseStartTimestamps reads a line for which isStartTimestampLine holds. Throws SeriesDescriptionError. */
export function parseStartTimestamps(line: string): StartTimestamps {
  const trimmed = line.trim();
  const end = trimmed.search(/\s/);
  const metric = trimmed.slice(0, end - "@st".length);
  const offsetsMs: (number | undefined)[] = [];
  let last = 0;
  for (const item of trimmed.slice(end).trim().split(/\s+/)) {
    last = readOffsets(item, last, offsetsMs, trimmed.indexOf(item, end));
  }
  if (metric === "") return { labels: EMPTY_LABELS, isDefault: true, offsetsMs };
  return { labels: parseSeriesDescription(`${metric} _`).labels, isDefault: false, offsetsMs };
}

const START_ITEM = /^(?:(_|\*)|([+-]?)(\d+[a-wyz]*)(?:([+-])([+-]?)(\d+[a-wyz]*))?)(?:x(\d+))?$/;

/** readOffsets appends what one word means and returns the last offset, which `*` repeats. */
function readOffsets(item: string, last: number, into: (number | undefined)[], position: number): number {
  const match = START_ITEM.exec(item);
  const fail = (): SeriesDescriptionError =>
    new SeriesDescriptionError(position, `invalid @st sequence: invalid ST item ${quoteGo(item)}`);
  if (!match) throw fail();
  const [, special, sign, base, stepOperator, stepSign, step, repeat] = match;
  const times = repeat === undefined ? 0 : Number(repeat);
  if (into.length + times > MAX_VALUES) throw fail();
  if (special === "_") {
    if (repeat !== undefined && times === 0) throw fail();
    for (let i = 0; i < Math.max(times, 1); i++) into.push(undefined);
    return last;
  }
  if (special === "*") {
    for (let i = 0; i <= times; i++) into.push(last);
    return last;
  }
  let offset = parseOffset(base!, sign!) ?? NaN;
  let delta = 0;
  if (step !== undefined) {
    if (repeat === undefined) throw fail();
    delta = parseOffset(step, stepSign!) ?? NaN;
    if (stepOperator === "-") delta = -delta;
  }
  if (Number.isNaN(offset) || Number.isNaN(delta)) throw fail();
  for (let i = 0; i <= times; i++) {
    into.push(offset);
    last = offset;
    offset += delta;
  }
  return last;
}

const DURATION = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;
const UNITS_MS = [365 * 86_400_000, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1000, 1];

function parseOffset(text: string, sign: string): number | undefined {
  if (text === "0") return 0;
  const match = DURATION.exec(text);
  if (!match) return undefined;
  let ms = 0;
  for (let i = 0; i < UNITS_MS.length; i++) ms += Number(match[i + 1] ?? 0) * UNITS_MS[i];
  return sign === "-" ? 0 - ms : ms;
}

/** Reader is a position in a line. */
class Reader {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  get ended(): boolean {
    return this.at >= this.text.length;
  }

  skipSpace(): boolean {
    const from = this.at;
    while (/[ \t\r\n]/.test(this.text[this.at] ?? "")) this.at++;
    return this.at > from;
  }

  /** take consumes `literal` if it comes next. */
  take(literal: string): boolean {
    if (!this.text.startsWith(literal, this.at)) return false;
    this.at += literal.length;
    return true;
  }

  /** match consumes what a sticky pattern matches next. */
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) return undefined;
    this.at += found[0].length;
    return found[0];
  }

  error(message: string, position = this.at): SeriesDescriptionError {
    return new SeriesDescriptionError(position, message);
  }

  unexpected(context: string, expected: string): SeriesDescriptionError {
    const found = this.ended ? "end of input" : quoteGo(/\s*\S*/.exec(this.text.slice(this.at))![0].trim() || " ");
    return this.error(`unexpected ${found} in ${context}${expected === "" ? "" : `, expected ${expected}`}`);
  }
}

const METRIC = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /[a-zA-Z_][a-zA-Z0-9_]*/y;

function readMetric(reader: Reader): Labels {
  const entries: [string, string][] = [];
  const name = reader.match(METRIC);
  if (name !== undefined) entries.push([METRIC_NAME, name]);
  if (reader.take("{")) {
    reader.skipSpace();
    while (!reader.take("}")) {
      entries.push(readLabel(reader));
      reader.skipSpace();
      if (reader.take("}")) break;
      if (!reader.take(",")) throw reader.unexpected("label set", '"," or "}"');
      reader.skipSpace();
    }
  } else if (name === undefined) {
    throw reader.unexpected("series description", "metric");
  }
  return Labels.fromEntries(entries);
}

function readLabel(reader: Reader): [string, string] {
  const quoted = readString(reader);
  const name = quoted ?? reader.match(LABEL);
  if (name === undefined) throw reader.unexpected("label set", 'identifier or "}"');
  reader.skipSpace();
  if (!reader.take("=")) {
    if (quoted !== undefined) return [METRIC_NAME, quoted];
    throw reader.unexpected("label set", '"="');
  }
  reader.skipSpace();
  const value = readString(reader);
  if (value === undefined) throw reader.unexpected("label set", "string");
  return [name, value];
}

const ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  "\\": 92,
  '"': 34,
  "'": 39,
};

/** readString reads a string literal, if one comes next, with Go's escapes. */
function readString(reader: Reader): string | undefined {
  const { text } = reader;
  const start = reader.at;
  const quote = text[start];
  if (quote !== '"' && quote !== "'" && quote !== "`") return undefined;
  // Escapes may write single bytes, so bytes are collected and decoded at the end.
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  let i = start + 1;
  for (;;) {
    if (i >= text.length || (quote !== "`" && text[i] === "\n"))
      throw reader.error("unterminated quoted string", start);
    const char = String.fromCodePoint(text.codePointAt(i)!);
    i += char.length;
    if (char === quote) break;
    if (char !== "\\" || quote === "`") {
      bytes.push(...encoder.encode(char));
      continue;
    }
    const escape = text[i++];
    const digits = /^(?:[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})/.exec(text.slice(i - 1))?.[0];
    if (escape in ESCAPES) {
      bytes.push(ESCAPES[escape]);
    } else if (digits === undefined) {
      throw reader.error("unknown escape sequence", i - 2);
    } else {
      i += digits.length - 1;
      const octal = /^[0-7]/.test(digits);
      const code = octal ? Number.parseInt(digits, 8) : Number.parseInt(digits.slice(1), 16);
      if (code > (octal || escape === "x" ? 255 : 0x10ffff)) throw reader.error("invalid escape sequence", i - 2);
      if (octal || escape === "x") bytes.push(code);
      else bytes.push(...encoder.encode(String.fromCodePoint(code)));
    }
  }
  reader.at = i;
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

// No hexadecimal here: the x stands for repetition.
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[iI][nN][fF]|[nN][aA][nN]/y;
const WORD = /[a-zA-Z_]\w*/y;
const COUNT = /\d+/y;

function readNumber(reader: Reader): number | undefined {
  const text = reader.match(NUMBER);
  if (text === undefined) return undefined;
  if (/^inf$/i.test(text)) return Infinity;
  if (/^nan$/i.test(text)) return NaN;
  // As upstream: integers with a leading zero are octal.
  if (/^0[0-7]+$/.test(text)) return Number.parseInt(text, 8);
  return Number(text);
}

function readSigned(reader: Reader): number | undefined {
  const start = reader.at;
  const sign = reader.take("-") ? -1 : 1;
  if (sign === 1) reader.take("+");
  const value = readNumber(reader);
  if (value === undefined) reader.at = start;
  return value === undefined ? undefined : sign * value;
}

/** readTimes reads `xN` if it comes next. */
function readTimes(reader: Reader, have: number): number | undefined {
  if (!reader.take("x")) return undefined;
  const start = reader.at;
  const text = reader.match(COUNT);
  if (text === undefined) throw reader.unexpected("series values", "number of repetitions");
  const times = Number(text);
  if (have + times > MAX_VALUES) {
    throw reader.error(`invalid repetition in series values: more than ${MAX_VALUES} values`, start);
  }
  return times;
}

function readItem(reader: Reader, into: SequenceValue[]): void {
  if (reader.take("_")) {
    const times = readTimes(reader, into.length) ?? 1;
    for (let i = 0; i < times; i++) into.push(OMITTED);
    endOfItem(reader);
    return;
  }
  if (reader.text.startsWith("{{", reader.at)) {
    readHistogramItem(reader, into);
    endOfItem(reader);
    return;
  }
  let value = readSigned(reader);
  let stale = false;
  if (value === undefined) {
    const start = reader.at;
    // `stale` may be followed by `x`, which would otherwise be part of the word.
    if (reader.take("stale")) stale = true;
    else if (reader.match(WORD) === undefined) throw reader.unexpected("series values", "");
    if (!stale) {
      reader.at = start;
      throw reader.unexpected("series values", 'number or "stale"');
    }
    value = NaN;
  }
  let step = 0;
  const start = reader.at;
  if (/[+-]/.test(reader.text[reader.at] ?? "")) {
    step = readSigned(reader) ?? NaN;
    if (reader.text[reader.at] !== "x") {
      reader.at = start;
      throw reader.unexpected("series values", "");
    }
  }
  const times = readTimes(reader, into.length) ?? 0;
  for (let i = 0; i <= times; i++) {
    into.push({ omitted: false, stale, value, histogram: undefined, counterResetHintSet: false });
    value += step;
  }
  endOfItem(reader);
}

const OMITTED: SequenceValue = Object.freeze({
  omitted: true,
  stale: false,
  value: 0,
  histogram: undefined,
  counterResetHintSet: false,
});

function endOfItem(reader: Reader): void {
  if (!reader.ended && !/\s/.test(reader.text[reader.at])) throw reader.unexpected("series values", "");
}

function readHistogramItem(reader: Reader, into: SequenceValue[]): void {
  const base = readHistogram(reader);
  const operator = reader.take("+") ? "+" : reader.take("-") ? "-" : "";
  if (operator === "") {
    const times = readTimes(reader, into.length) ?? 0;
    for (let i = 0; i <= times; i++) into.push(histogramValue(base.histogram, base.hintSet));
    return;
  }
  const start = reader.at;
  if (!reader.text.startsWith("{{", start)) throw reader.unexpected("series values", "histogram");
  const step = readHistogram(reader);
  const times = readTimes(reader, into.length);
  if (times === undefined) throw reader.unexpected("series values", '"x"');
  if (base.histogram.schema > step.histogram.schema && times > 0) {
    throw reader.error(
      `error combining histograms: cannot merge from schema ${step.histogram.schema} to ${base.histogram.schema}`,
      start,
    );
  }
  let current = base.histogram;
  into.push(histogramValue(current, step.hintSet));
  for (let i = 0; i < times; i++) {
    current = copyHistogram(current);
    try {
      if (operator === "+") addHistogram(current, step.histogram);
      else subtractHistogram(current, step.histogram);
    } catch (error) {
      throw reader.error(error instanceof Error ? error.message : String(error), start);
    }
    into.push(histogramValue(current, step.hintSet));
  }
}

function histogramValue(histogram: Histogram, counterResetHintSet: boolean): SequenceValue {
  return { omitted: false, stale: false, value: 0, histogram, counterResetHintSet };
}

const KEY = /[a-z_]+/y;
const INTEGER = /-?\d+/y;
const HINTS: Readonly<Record<string, CounterResetHint>> = {
  unknown: CounterResetHint.Unknown,
  reset: CounterResetHint.Reset,
  not_reset: CounterResetHint.NotReset,
  gauge: CounterResetHint.Gauge,
};

function readHistogram(reader: Reader): { histogram: Histogram; hintSet: boolean } {
  reader.take("{{");
  const seen = new Set<string>();
  const histogram = newHistogram();
  let offset = 0;
  let negativeOffset = 0;
  reader.skipSpace();
  while (!reader.take("}}")) {
    const start = reader.at;
    const key = reader.match(KEY);
    if (key === undefined || !reader.take(":")) {
      reader.at = start;
      throw reader.unexpected("histogram description", "histogram description key, e.g. buckets:[5 10 7]");
    }
    if (seen.has(key)) throw reader.error(`duplicate key "${key}" in histogram`, start);
    seen.add(key);
    switch (key) {
      case "schema":
        histogram.schema = readInteger(reader);
        break;
      case "offset":
        offset = readInteger(reader);
        break;
      case "n_offset":
        negativeOffset = readInteger(reader);
        break;
      case "sum":
        histogram.sum = mustReadNumber(reader);
        break;
      case "count":
        histogram.count = mustReadNumber(reader);
        break;
      case "z_bucket":
        histogram.zeroCount = mustReadNumber(reader);
        break;
      case "z_bucket_w":
        histogram.zeroThreshold = mustReadNumber(reader);
        break;
      case "custom_values":
        histogram.customValues = readList(reader);
        break;
      case "buckets":
        histogram.positiveBuckets = readList(reader);
        break;
      case "n_buckets":
        histogram.negativeBuckets = readList(reader);
        break;
      case "counter_reset_hint": {
        const hint = reader.match(KEY) ?? "";
        if (!(hint in HINTS)) throw reader.error(`bad histogram descriptor found: ${quoteGo(hint)}`);
        histogram.counterResetHint = HINTS[hint];
        break;
      }
      default:
        throw reader.error(`bad histogram descriptor found: ${quoteGo(key)}`, start);
    }
    if (!reader.skipSpace() && !reader.text.startsWith("}}", reader.at)) {
      throw reader.unexpected("histogram description", "histogram description key, e.g. buckets:[5 10 7]");
    }
  }
  const { positiveBuckets: positive, negativeBuckets: negative } = histogram;
  if (positive.length > 0) histogram.positiveSpans = [{ offset, length: positive.length }];
  if (negative.length > 0) histogram.negativeSpans = [{ offset: negativeOffset, length: negative.length }];
  return { histogram, hintSet: seen.has("counter_reset_hint") };
}

function readInteger(reader: Reader): number {
  const text = reader.match(INTEGER);
  if (text === undefined) throw reader.unexpected("histogram description", "integer");
  return Number(text);
}

function mustReadNumber(reader: Reader): number {
  const value = readSigned(reader);
  if (value === undefined) throw reader.unexpected("histogram description", "number");
  return value;
}

function readList(reader: Reader): Float64Array {
  if (!reader.take("[")) throw reader.unexpected("histogram description", '"["');
  const values = [mustReadNumber(reader)];
  for (;;) {
    const space = reader.skipSpace();
    if (reader.take("]")) return Float64Array.from(values);
    if (!space) throw reader.unexpected("histogram description", '"]"');
    values.push(mustReadNumber(reader));
  }
}
