// LineParser is the half of the text parsers that is the same for the classic text format and for OpenMetrics: the
// fast way through a body whose lines are known from the last scrape. A subclass supplies the lexer, which
// follows upstream's token for token so that whatever is odd gets upstream's answer and words.
//
//   predicted line?  --bytes differ-->  prefix known (hash)?  --no-->  lex the line, remember it
//        | yes                               | yes
//        +--> number + end of line <---------+        anything but a plain number: lex the rest of the line
import { type Exemplar, type Labels, METRIC_NAME, METRIC_TYPES, type MetricType, quoteGo } from "@belfry/core/model";
import { ExpositionError } from "./exposition-error.ts";
import { hashBytes, HASH_SEED, type LineCache, LineKind } from "./line-cache.ts";
import { formatOpenMetricsFloat, parseGoFloat, POWERS_OF_TEN } from "./parse-float.ts";
import { Entry, type ExpositionParser, type ParserOptions } from "./parser.ts";
import { decodeUtf8, isValidUtf8, quoteBytes } from "./quote-bytes.ts";
import { isSeriesPartOfFamily } from "./metric-family.ts";
import { sortedLabels } from "./sorted-labels.ts";

/** Token is what a lexer finds; the texts are upstream's and appear in errors. */
export const Token = {
  Invalid: "INVALID",
  EOF: "EOF",
  Linebreak: "LINEBREAK",
  Whitespace: "WHITESPACE",
  Help: "HELP",
  Type: "TYPE",
  Unit: "UNIT",
  EOFWord: "EOFWORD",
  Text: "TEXT",
  Comment: "COMMENT",
  MName: "MNAME",
  QString: "QSTRING",
  BraceOpen: "BOPEN",
  BraceClose: "BCLOSE",
  LName: "LNAME",
  LValue: "LVALUE",
  Comma: "COMMA",
  Equal: "EQUAL",
  Timestamp: "TIMESTAMP",
  Value: "VALUE",
} as const;
export type Token = (typeof Token)[keyof typeof Token];

/** State is where in a line a lexer stands. */
export const State = {
  Init: 0,
  Comment: 1,
  Meta1: 2,
  Meta2: 3,
  Labels: 4,
  LValue: 5,
  Value: 6,
  Timestamp: 7,
  Exemplar: 8,
  EValue: 9,
  ETimestamp: 10,
} as const;
export type State = (typeof State)[keyof typeof State];

const NO_NAMES: readonly string[] = [];
const UNKNOWN_TYPE = METRIC_TYPES.indexOf("unknown");
// Room behind the body for the sentinel that ends the last line.
const SLACK_BYTES = 8;

/** CREATED_NAME is the cache detail of a series whose name ends in `_created`, where those are not to be series. */
export const CREATED_NAME = 255;

/** LineContext is where a series stands in the body and which metadata applied there. */
export interface LineContext {
  readonly lineStart: number;
  readonly typeCode: number;
  readonly typeFamily: string;
  readonly unitText: string;
}

/** LineParser reads line-based formats; see ExpositionParser for the contract. */
export abstract class LineParser implements ExpositionParser {
  readonly cache: LineCache;
  entry = 0;
  repeated = false;
  value = 0;
  hasTime = false;
  timeMs = 0;
  readonly histogram = undefined;
  emptyLabels: readonly string[] = NO_NAMES;

  protected bytes: Uint8Array = new Uint8Array(SLACK_BYTES);
  protected buffer: Buffer = Buffer.alloc(0);
  protected view: DataView = new DataView(this.bytes.buffer);
  /** end is the length of the body, the newline that the classic format adds included. */
  protected end = 0;
  /** at is where the next token begins; after an invalid one, the byte that made it so. */
  protected at = 0;
  protected tokenStart = 0;
  protected lineStart = 0;
  protected state: State = State.Init;
  /** offsets are name start and end, then for each label name start and end, value start and end; -1 while unknown. */
  protected readonly offsets: number[] = [];
  protected readonly exemplarOffsets: number[] = [];
  protected hasExemplar = false;
  protected exemplarValue = 0;
  protected exemplarHasTime = false;
  protected exemplarTimeMs = 0;
  /** lexed tells that `offsets` describe the current series. */
  protected lexed = false;
  protected typeCode = UNKNOWN_TYPE;
  /** typeFamily is the family that the last TYPE line was about. */
  typeFamily = "";
  /** unitText is what the last UNIT line said. */
  protected unitText = "";
  protected readonly options: ParserOptions;
  private previous = 0;
  private done = false;
  private readonly sentinel: number;

  constructor(cache: LineCache, options: ParserOptions, sentinel: number) {
    this.cache = cache;
    this.options = options;
    this.sentinel = sentinel;
  }

  get type(): MetricType {
    return METRIC_TYPES[this.typeCode];
  }

  get family(): string {
    return this.cache.parsed[this.entry]?.family ?? "";
  }

  get text(): string {
    return this.cache.parsed[this.entry]?.text ?? "";
  }

  load(bytes: Uint8Array, length: number): void {
    let own = bytes;
    if (bytes.length < length + SLACK_BYTES) {
      own = new Uint8Array(length + SLACK_BYTES);
      own.set(bytes.subarray(0, length));
    }
    own[length] = this.sentinel;
    this.bytes = own;
    this.buffer = Buffer.from(own.buffer, own.byteOffset, own.byteLength);
    this.view = new DataView(own.buffer, own.byteOffset, own.byteLength);
    this.end = this.sentinel === 10 ? length + 1 : length;
    this.at = 0;
    this.tokenStart = 0;
    this.lineStart = 0;
    this.state = State.Init;
    this.typeCode = UNKNOWN_TYPE;
    this.typeFamily = "";
    this.unitText = "";
    this.previous = 0;
    this.done = false;
  }

  next(): Entry {
    if (this.done) return Entry.End;
    const { cache, bytes } = this;
    const at = this.at;
    let id = 0;
    // A line that was left in its middle (OpenMetrics lets some rubbish pass until the next call) is lexed on.
    if (this.state === State.Init) {
      id = cache.next[this.previous];
      if (id === 0 || !this.startsWith(id, at)) {
        id = this.locate(at);
        if (id !== 0) cache.next[this.previous] = id;
      }
    }
    // What may be a start timestamp and no series is decided by the lexer.
    if (id === 0 || cache.detail[id] === CREATED_NAME) {
      const entry = this.lexLine();
      if (entry === Entry.End) this.done = true;
      return entry;
    }
    const after = at + cache.length[id];
    this.entry = id;
    this.previous = id;
    this.repeated = cache.seen[id] === cache.iteration;
    cache.seen[id] = cache.iteration;
    const kind = cache.kind[id];
    if (kind === LineKind.Series) {
      this.lineStart = at;
      this.lexed = false;
      this.hasExemplar = false;
      this.hasTime = false;
      if (bytes[after] === 0x20) {
        const stop = this.readNumber(after + 1);
        if (stop > 0) {
          const lineEnd = bytes[stop] === 10 ? stop : this.readTimestamp(stop);
          if (lineEnd > 0) {
            this.at = lineEnd + 1;
            return Entry.Series;
          }
        }
      }
      this.hasTime = false;
      this.at = after;
      // Where the last token began: the brace, or the name.
      this.tokenStart = bytes[after - 1] === 0x7d ? after - 1 : at;
      this.state = State.Value;
      return this.lexRest();
    }
    this.at = after + 1;
    this.applyMetadata(id, kind as Entry);
    return kind as Entry;
  }

  labels(): Labels {
    if (!this.lexed) this.relex();
    const { offsets } = this;
    const pairs: string[] = [];
    const name = this.unescaped(offsets[0], offsets[1]);
    if (!this.isValidName(0)) throw this.fail(`invalid metric name or label names: ${name}`);
    const typed = this.options.typeAndUnitLabels === true;
    pairs.push(METRIC_NAME, name);
    if (typed) {
      const known = isSeriesPartOfFamily(name, this.typeFamily, this.type);
      if (known && this.type !== "unknown") pairs.push("__type__", this.type);
      if (known && this.unitText !== "") pairs.push("__unit__", this.unitText);
    }
    const set = pairs.length;
    let empty = NO_NAMES;
    for (let i = 2; i < offsets.length; i += 4) {
      const label = this.unescaped(offsets[i], offsets[i + 1]);
      if (label === "" || !this.isValidName(i)) throw this.fail(`invalid metric name or label names: ${name}`);
      if (typed && overrides(pairs, set, label)) continue;
      let value = this.unescaped(offsets[i + 2], offsets[i + 3]);
      const type = METRIC_TYPES[this.typeCode];
      if ((label === "le" && type === "histogram") || (label === "quantile" && type === "summary")) {
        const number = parseGoFloat(value);
        if (number !== undefined) value = formatOpenMetricsFloat(number);
      }
      if (value === "") empty = [...empty, label];
      pairs.push(label, value);
    }
    this.emptyLabels = empty;
    return sortedLabels(pairs, (duplicate) => {
      throw this.fail(`label name ${quoteGo(duplicate)} is not unique: invalid sample`);
    });
  }

  exemplar(): Exemplar | undefined {
    if (!this.hasExemplar) return undefined;
    this.hasExemplar = false;
    const pairs: string[] = [];
    const offsets = this.exemplarOffsets;
    for (let i = 0; i < offsets.length; i += 4) {
      pairs.push(this.unescaped(offsets[i], offsets[i + 1]), this.unescaped(offsets[i + 2], offsets[i + 3]));
    }
    return {
      labels: sortedLabels(pairs),
      value: this.exemplarValue,
      timeMs: this.exemplarHasTime ? this.exemplarTimeMs : 0,
      hasTime: this.exemplarHasTime,
    };
  }

  /** hasExemplarNow tells whether the current series has an exemplar that was not taken yet. */
  get hasExemplarNow(): boolean {
    return this.hasExemplar;
  }

  /** peekExemplar is exemplar without taking it. */
  peekExemplar(): Exemplar | undefined {
    const exemplar = this.exemplar();
    this.hasExemplar = exemplar !== undefined;
    return exemplar;
  }

  /** context notes where the current series stands, for `labelsAt`; valid until the next body. */
  context(): LineContext {
    const { lineStart, typeCode, typeFamily, unitText } = this;
    return { lineStart, typeCode, typeFamily, unitText };
  }

  /** labelsAt is `labels` of an earlier series of the same body. */
  labelsAt(context: LineContext): Labels {
    const now = this.context();
    this.enter(context);
    this.relex();
    const labels = this.labels();
    this.enter(now);
    this.lexed = false;
    return labels;
  }

  private enter(context: LineContext): void {
    this.lineStart = context.lineStart;
    this.typeCode = context.typeCode;
    this.typeFamily = context.typeFamily;
    this.unitText = context.unitText;
  }

  startMs(): number {
    return 0;
  }

  /** lex finds the next token, white space included. */
  protected abstract lex(): Token;
  /** lexLine reads one line, of any kind, from its start. */
  protected abstract lexLine(): Entry;
  /** lexRest reads what follows `name{labels}` on a line; `at` stands behind it. */
  protected abstract lexRest(): Entry;
  /** relex finds `offsets` for the current series, whose prefix is known to be valid. */
  protected abstract relex(): void;
  /** readTimestamp reads " timestamp\n" at `stop`, sets hasTime and timeMs and returns where the newline is; -1 for anything else. */
  protected abstract readTimestamp(stop: number): number;

  /** readPlainSuffix reads " number\n" at `at` and takes it; false for anything else, which the lexer is to read. */
  protected readPlainSuffix(): boolean {
    const { bytes, at } = this;
    if (bytes[at] !== 0x20) return false;
    const stop = this.readNumber(at + 1);
    if (stop < 0 || bytes[stop] !== 10) return false;
    this.hasTime = false;
    this.at = stop + 1;
    this.state = State.Init;
    return true;
  }

  /** fail makes the error for the current line. */
  protected fail(message: string): ExpositionError {
    const { bytes, lineStart } = this;
    let line = 1;
    for (let i = 0; i < lineStart; i++) if (bytes[i] === 10) line++;
    return new ExpositionError(message, line);
  }

  /** unexpected makes upstream's error for a token that does not fit. */
  protected unexpected(expected: string, got: Token): ExpositionError {
    const stop = Math.min(this.end, this.at + 1);
    const text = quoteBytes(this.bytes, this.tokenStart, stop);
    return this.fail(
      `${expected}, got ${text} ("${got}") while parsing: ${quoteBytes(this.bytes, this.lineStart, stop)}`,
    );
  }

  /** whileParsing adds upstream's ending to an error about the current line. */
  protected whileParsing(message: string): ExpositionError {
    return this.fail(`${message} while parsing: ${quoteBytes(this.bytes, this.lineStart, this.at)}`);
  }

  /** remember finds or makes the entry of the series that was just lexed. */
  protected remember(start: number, end: number, detail = 0): void {
    const { cache, bytes } = this;
    const hash = hashBytes(bytes, start, end);
    let id = cache.find(bytes, start, end, hash);
    this.repeated = id !== 0 && cache.seen[id] === cache.iteration;
    if (id === 0) id = cache.add(LineKind.Series, bytes, start, end, hash);
    cache.detail[id] = detail;
    cache.seen[id] = cache.iteration;
    cache.next[this.previous] = id;
    this.previous = id;
    this.entry = id;
    this.lexed = true;
  }

  /** rememberMetadata makes the entry of a metadata or comment line whose newline is at `newline`. */
  protected rememberMetadata(kind: LineKind, newline: number, family: string, text: string, detail = 0): void {
    const { cache, bytes } = this;
    const start = this.lineStart;
    // A quoted name may contain line breaks: then the line is not found by its first newline and gets an entry
    // that only this call uses.
    const hash = hashBytes(bytes, start, newline);
    let id = cache.find(bytes, start, newline, hash);
    if (id === 0) id = cache.add(kind, bytes, start, newline, hash);
    cache.detail[id] = detail;
    cache.parsed[id] = { family, text };
    cache.seen[id] = cache.iteration;
    cache.next[this.previous] = id;
    this.previous = id;
    this.entry = id;
    this.applyMetadata(id, kind as Entry);
  }

  private applyMetadata(id: number, kind: Entry): void {
    if (kind === Entry.Type) {
      this.typeCode = this.cache.detail[id];
      const family = this.cache.parsed[id]!.family;
      if (family !== this.typeFamily) this.unitText = "";
      this.typeFamily = family;
    } else if (kind === Entry.Unit) {
      const { family, text } = this.cache.parsed[id]!;
      if (family !== this.typeFamily) this.typeCode = UNKNOWN_TYPE;
      this.typeFamily = family;
      this.unitText = text;
    }
  }

  /** unescaped decodes a name or value: \" \\ and \n are escapes, a backslash before anything else stays. */
  protected unescaped(start: number, end: number): string {
    const text = decodeUtf8(this.bytes, start, end);
    return text.includes("\\") ? unescapeValue(text) : text;
  }

  // Only a quoted name can be something else than letters, digits, underscores and colons.
  private isValidName(i: number): boolean {
    const { bytes, offsets } = this;
    const start = offsets[i];
    return start === 0 || bytes[start - 1] !== 0x22 || isValidUtf8(bytes, start, offsets[i + 1]);
  }

  /** startsWith tells whether entry `id` stands at `at` and ends where the line's prefix ends. */
  private startsWith(id: number, at: number): boolean {
    const { cache, bytes } = this;
    const after = at + cache.length[id];
    if (after >= this.end || !cache.matches(id, bytes, this.view, at)) return false;
    if (cache.kind[id] !== LineKind.Series) return bytes[after] === 10;
    return bytes[after] === 0x20 || bytes[after - 1] === 0x7d;
  }

  // locate finds the end of the prefix of the line at `at` and looks it up. Only prefixes that were lexed before
  // are in the cache, so this may be lax: what it delimits wrongly is not found.
  private locate(at: number): number {
    const { bytes, end } = this;
    let i = at;
    let c = bytes[i];
    let hash = HASH_SEED;
    if (c === 0x23) {
      for (; i < end && c !== 10; c = bytes[++i]) hash = Math.imul(hash ^ c, 0x01000193);
      if (i >= end) return 0;
      const id = this.cache.find(bytes, at, i, hash);
      return this.cache.kind[id] === LineKind.Series ? 0 : id;
    }
    for (; i < end && c !== 0x20 && c !== 0x7b && c !== 10 && c !== 9; c = bytes[++i]) {
      hash = Math.imul(hash ^ c, 0x01000193);
    }
    if (i >= end || c === 10) return 0;
    if (c !== 0x7b) {
      let brace = i;
      while (bytes[brace] === 0x20 || bytes[brace] === 9) brace++;
      // Without a brace the prefix is the name alone.
      if (bytes[brace] !== 0x7b) return this.locatedSeries(at, i, hash);
    }
    for (; i < end; i++) {
      c = bytes[i];
      hash = Math.imul(hash ^ c, 0x01000193);
      if (c === 0x7d) return this.locatedSeries(at, i + 1, hash);
      if (c === 10) return 0;
      if (c !== 0x22) continue;
      for (i++; i < end && bytes[i] !== 0x22; i++) {
        hash = Math.imul(hash ^ bytes[i], 0x01000193);
        if (bytes[i] === 0x5c && ++i < end) hash = Math.imul(hash ^ bytes[i], 0x01000193);
      }
      hash = Math.imul(hash ^ 0x22, 0x01000193);
    }
    return 0;
  }

  private locatedSeries(start: number, end: number, hash: number): number {
    const id = this.cache.find(this.bytes, start, end, hash);
    return this.cache.kind[id] === LineKind.Series ? id : 0;
  }

  // readNumber reads a decimal number or NaN that ends before a space or newline into `value` and returns its end;
  // -1 for anything else (Inf, odd spellings, errors), which the lexer deals with.
  private readNumber(start: number): number {
    const { bytes } = this;
    let i = start;
    let c = bytes[i];
    const negative = c === 0x2d;
    if (negative) c = bytes[++i];
    let mantissa = 0;
    const first = i;
    while (c >= 0x30 && c <= 0x39) {
      mantissa = mantissa * 10 + (c - 0x30);
      c = bytes[++i];
    }
    let digits = i - first;
    let exponent = 0;
    if (c === 0x2e) {
      const point = ++i;
      c = bytes[i];
      while (c >= 0x30 && c <= 0x39) {
        mantissa = mantissa * 10 + (c - 0x30);
        c = bytes[++i];
      }
      exponent = point - i;
      digits -= exponent;
    }
    if (digits === 0) {
      // Summaries without observations are full of these.
      const isNaN = i === start && c === 0x4e && bytes[i + 1] === 0x61 && bytes[i + 2] === 0x4e;
      if (!isNaN || (bytes[i + 3] !== 10 && bytes[i + 3] !== 0x20)) return -1;
      this.value = NaN;
      return i + 3;
    }
    if (c === 0x65 || c === 0x45) {
      c = bytes[++i];
      const down = c === 0x2d;
      if (down || c === 0x2b) c = bytes[++i];
      let scale = 0;
      const begin = i;
      while (c >= 0x30 && c <= 0x39 && i - begin < 4) {
        scale = scale * 10 + (c - 0x30);
        c = bytes[++i];
      }
      if (i === begin) return -1;
      exponent += down ? -scale : scale;
    }
    if (c !== 10 && c !== 0x20) return -1;
    if (mantissa > Number.MAX_SAFE_INTEGER || exponent > 22 || exponent < -22) {
      const value = Number(this.buffer.toString("latin1", start, i));
      // Out of range is an error, in words that the lexer knows.
      if (value === Infinity || value === -Infinity) return -1;
      this.value = value;
      return i;
    }
    if (exponent < 0) mantissa /= POWERS_OF_TEN[-exponent];
    else if (exponent > 0) mantissa *= POWERS_OF_TEN[exponent];
    this.value = negative ? -mantissa : mantissa;
    return i;
  }
}

/** unescapeValue undoes the escapes of label values, names and OpenMetrics help. */
export function unescapeValue(text: string): string {
  return text.replaceAll(/\\["\\n]/g, (escape) => (escape === "\\n" ? "\n" : escape[1]));
}

function overrides(pairs: readonly string[], set: number, label: string): boolean {
  for (let i = 2; i < set; i += 2) if (pairs[i] === label) return true;
  return false;
}
