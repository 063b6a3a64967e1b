// OpenMetrics 1.0 as scraping reads it: leniently. Grouping, suffixes and value ranges are not checked (see
// openmetrics-strict.ts for that), but white space is exact, and the body must end with "# EOF".
import { METRIC_TYPES, type MetricType } from "@belfry/core/model";
import { ExpositionError } from "./exposition-error.ts";
import { LineKind, type LineCache } from "./line-cache.ts";
import { CREATED_NAME, LineParser, State, Token, unescapeValue } from "./line-parser.ts";
import { parseFloatBytes } from "./parse-float.ts";
import { Entry, type ParserOptions } from "./parser.ts";
import { decodeUtf8, isValidUtf8, quoteBytes } from "./quote-bytes.ts";

const CREATED = "_created";
const TYPE_LINE = "# TYPE ";
// What a sample's name has more than its family's.
const SUFFIXES: Partial<Record<MetricType, readonly string[]>> = {
  counter: ["_total"],
  histogram: ["_bucket", "_count", "_sum"],
  summary: ["_count", "_sum"],
};
const UNFINISHED = "data does not end with # EOF";

/** OpenMetricsParser reads OpenMetrics text. */
export class OpenMetricsParser extends LineParser {
  /** created are the start timestamps of the body in milliseconds, by createdKey. */
  private readonly created = new Map<string, number>();

  constructor(cache: LineCache, options: ParserOptions = {}) {
    // NUL occurs only inside strings, so it ends whatever runs to the end of the body.
    super(cache, options, 0);
  }

  override load(bytes: Uint8Array, length: number): void {
    super.load(bytes, length);
    this.created.clear();
    if (this.options.skipCreatedSeries === true) this.collectCreated();
  }

  override startMs(): number {
    const { type } = this;
    if (this.created.size === 0 || !hasStartTimestamp(type)) return 0;
    if (!this.lexed) this.relex();
    const name = decodeUtf8(this.bytes, this.offsets[0], this.offsets[1]);
    for (const suffix of SUFFIXES[type] ?? []) {
      if (name.endsWith(suffix)) return this.created.get(this.createdKey(suffix, type)) ?? 0;
    }
    return this.created.get(this.createdKey("", type)) ?? 0;
  }

  // The start timestamp of a family may stand behind the samples it belongs to, so they are gathered first: only
  // the lines that have "_created" in them are looked at, and the TYPE lines between.
  private collectCreated(): void {
    const { buffer, bytes, end } = this;
    let type: MetricType = "unknown";
    let nextType = buffer.indexOf(TYPE_LINE);
    for (let hit = buffer.indexOf(CREATED); hit >= 0 && hit < end; hit = buffer.indexOf(CREATED, hit + 1)) {
      for (; nextType >= 0 && nextType < hit; nextType = buffer.indexOf(TYPE_LINE, nextType + 1)) {
        const newline = bytes.indexOf(10, nextType);
        const space = buffer.lastIndexOf(0x20, newline);
        const text = buffer.toString("latin1", space + 1, newline) as MetricType;
        type = METRIC_TYPES.includes(text) ? text : "unknown";
      }
      if (!hasStartTimestamp(type)) continue;
      this.at = buffer.lastIndexOf(10, hit) + 1;
      this.lineStart = this.at;
      this.state = State.Init;
      try {
        const token = this.lex();
        if (token !== Token.MName && token !== Token.BraceOpen) continue;
        this.prefix(token);
      } catch (error) {
        // The same error comes again when the body is read for its samples.
        if (!(error instanceof ExpositionError)) throw error;
        break;
      }
      if (this.isCreatedName()) this.created.set(this.createdKey("_created", type), Math.trunc(this.value * 1000));
    }
    this.at = 0;
    this.tokenStart = 0;
    this.lineStart = 0;
    this.state = State.Init;
  }

  private isCreatedName(): boolean {
    const end = this.offsets[1];
    return end - this.offsets[0] >= CREATED.length && decodeUtf8(this.bytes, end - CREATED.length, end) === CREATED;
  }

  // createdKey identifies the series of one family that share a start timestamp: the buckets, sum and count of a
  // histogram have one.
  private createdKey(suffix: string, type: MetricType): string {
    const { buffer, offsets } = this;
    let name = buffer.toString("latin1", offsets[0], offsets[1]);
    if (suffix !== "" && name.endsWith(suffix)) name = name.slice(0, -suffix.length);
    let key = name;
    for (let i = 2; i < offsets.length; i += 4) {
      const label = buffer.toString("latin1", offsets[i], offsets[i + 1]);
      if ((type === "summary" && label === "quantile") || (type === "histogram" && label === "le")) continue;
      key += `\n${label}\n${buffer.toString("latin1", offsets[i + 2], offsets[i + 3])}`;
    }
    return key;
  }

  protected override readTimestamp(stop: number): number {
    const { bytes } = this;
    let i = stop + 1;
    let whole = 0;
    const first = i;
    let c = bytes[i];
    for (; c >= 0x30 && c <= 0x39; c = bytes[++i]) whole = whole * 10 + (c - 0x30);
    if (i === first || i - first > 12) return -1;
    if (c === 10) {
      this.hasTime = true;
      this.timeMs = whole * 1000;
      return i;
    }
    // A fraction is read as a float, whose rounding upstream's milliseconds have.
    if (c !== 0x2e) return -1;
    for (c = bytes[++i]; c >= 0x30 && c <= 0x39; c = bytes[++i]);
    if (c !== 10) return -1;
    this.hasTime = true;
    this.timeMs = Math.trunc(Number(this.buffer.toString("latin1", first, i)) * 1000);
    return i;
  }

  protected override lexLine(): Entry {
    for (;;) {
      this.lineStart = this.at;
      this.hasExemplar = false;
      const token = this.lex();
      switch (token) {
        case Token.EOFWord:
          if (this.lex() !== Token.EOF) throw this.fail("unexpected data after # EOF");
          return Entry.End;
        case Token.EOF:
          throw this.fail(UNFINISHED);
        case Token.Help:
        case Token.Type:
        case Token.Unit:
          return this.metadata(token);
        case Token.BraceOpen:
        case Token.MName: {
          const start = this.tokenStart;
          const end = this.prefix(token);
          this.lexed = true;
          const created = this.options.skipCreatedSeries === true && this.isCreatedName();
          if (created && hasStartTimestamp(this.type)) continue;
          this.remember(start, end, created ? CREATED_NAME : 0);
          return Entry.Series;
        }
        default:
          throw this.unexpected("expected a valid start token", token);
      }
    }
  }

  // prefix reads a sample's line and returns where its name and labels end.
  private prefix(token: Token): number {
    const { offsets } = this;
    offsets.length = 0;
    if (token === Token.BraceOpen) {
      offsets.push(-1, -1);
      this.labelPairs(offsets, false);
      const end = this.at;
      const next = this.lex();
      if (offsets[0] === -1) throw this.whileParsing("metric name not set");
      this.suffix(next);
      return end;
    }
    offsets.push(this.tokenStart, this.at);
    let end = this.at;
    if (this.readPlainSuffix()) return end;
    let next = this.lex();
    if (next === Token.BraceOpen) {
      this.labelPairs(offsets, false);
      end = this.at;
      if (this.readPlainSuffix()) return end;
      next = this.lex();
    }
    this.suffix(next);
    return end;
  }

  protected override lexRest(): Entry {
    this.suffix(this.lex());
    return Entry.Series;
  }

  protected override relex(): void {
    const { at, state, tokenStart } = this;
    this.at = this.lineStart;
    this.state = State.Init;
    this.offsets.length = 0;
    if (this.lex() === Token.BraceOpen) {
      this.offsets.push(-1, -1);
      this.labelPairs(this.offsets, false);
    } else {
      this.offsets.push(this.tokenStart, this.at);
      if (this.lex() === Token.BraceOpen) this.labelPairs(this.offsets, false);
    }
    this.at = at;
    this.state = state;
    this.tokenStart = tokenStart;
    this.lexed = true;
  }

  private metadata(kind: typeof Token.Help | typeof Token.Type | typeof Token.Unit): Entry {
    const nameToken = this.lex();
    if (nameToken !== Token.MName) throw this.unexpected(`expected metric name after ${kind}`, nameToken);
    const { bytes } = this;
    const quoted = bytes[this.tokenStart] === 0x22;
    const nameStart = quoted ? this.tokenStart + 1 : this.tokenStart;
    const nameEnd = quoted ? this.at - 1 : this.at;
    const family = quoted ? this.unescaped(nameStart, nameEnd) : decodeUtf8(bytes, nameStart, nameEnd);
    if (this.lex() !== Token.Text) throw this.fail(`expected text in ${kind}`);
    const start = this.tokenStart + 1;
    const newline = this.at - 1;
    const text = decodeUtf8(bytes, start, newline);
    switch (kind) {
      case Token.Type: {
        const code = METRIC_TYPES.indexOf(text as (typeof METRIC_TYPES)[number]);
        if (code < 0) throw this.fail(`invalid metric type ${quoteBytes(bytes, start, newline)}`);
        this.rememberMetadata(LineKind.Type, newline, family, text, code);
        return Entry.Type;
      }
      case Token.Unit:
        if (text !== "" && !(family.endsWith(`_${text}`) && family.length > text.length + 1)) {
          const name = quoteBytes(bytes, nameStart, nameEnd);
          throw this.fail(`unit ${quoteBytes(bytes, start, newline)} not a suffix of metric ${name}`);
        }
        this.rememberMetadata(LineKind.Unit, newline, family, text);
        return Entry.Unit;
      default:
        if (!isValidUtf8(bytes, start, newline)) {
          throw this.fail(`help text ${quoteBytes(bytes, start, newline)} is not a valid utf8 string`);
        }
        this.rememberMetadata(LineKind.Help, newline, family, text.includes("\\") ? unescapeValue(text) : text);
        return Entry.Help;
    }
  }

  private labelPairs(offsets: number[], isExemplar: boolean): void {
    const { bytes } = this;
    let token = this.lex();
    for (;;) {
      let start = this.tokenStart;
      let end = this.at;
      if (token === Token.BraceClose) return;
      const quoted = token === Token.QString;
      if (!quoted && token !== Token.LName) throw this.unexpected("expected label name", token);
      token = this.lex();
      if ((quoted || isExemplar) && (token === Token.Comma || token === Token.BraceClose)) {
        if (isExemplar) throw this.unexpected("expected label name", token);
        if (offsets[0] !== -1) throw this.whileParsing("metric name already set");
        offsets[0] = start + 1;
        offsets[1] = end - 1;
        if (token === Token.BraceClose) return;
        token = this.lex();
        continue;
      }
      if (quoted) {
        start++;
        end--;
      }
      if (token !== Token.Equal) throw this.unexpected("expected equal", token);
      token = this.lex();
      if (token !== Token.LValue) throw this.unexpected("expected label value", token);
      if (!isValidUtf8(bytes, this.tokenStart, this.at)) {
        throw this.fail(`invalid UTF-8 label value: ${quoteBytes(bytes, this.tokenStart, this.at)}`);
      }
      offsets.push(start, end, this.tokenStart + 1, this.at - 1);
      token = this.lex();
      if (token === Token.Comma) token = this.lex();
      else if (token !== Token.BraceClose) throw this.unexpected("expected comma or brace close", token);
    }
  }

  private suffix(token: Token): void {
    this.value = this.floatValue(token, "metric");
    this.hasTime = false;
    const next = this.lex();
    switch (next) {
      case Token.EOF:
        throw this.fail(UNFINISHED);
      case Token.Comment:
        this.exemplarPart();
        return;
      case Token.Timestamp: {
        const seconds = this.floatTimestamp("timestamp");
        this.hasTime = true;
        this.timeMs = Math.trunc(seconds * 1000);
        const last = this.lex();
        if (last === Token.Comment) this.exemplarPart();
        else if (last !== Token.Linebreak) throw this.unexpected("expected next entry after timestamp", last);
        return;
      }
      default:
      // Rubbish is left for the next line to stumble over, as upstream leaves it.
    }
  }

  private exemplarPart(): void {
    this.exemplarOffsets.length = 0;
    this.labelPairs(this.exemplarOffsets, true);
    this.exemplarValue = this.floatValue(this.lex(), "exemplar labels");
    this.exemplarHasTime = false;
    const next = this.lex();
    switch (next) {
      case Token.EOF:
        throw this.fail(UNFINISHED);
      case Token.Linebreak:
        break;
      case Token.Timestamp: {
        const seconds = this.floatTimestamp("exemplar timestamp");
        this.exemplarHasTime = true;
        this.exemplarTimeMs = Math.trunc(seconds * 1000);
        const last = this.lex();
        if (last !== Token.Linebreak) throw this.unexpected("expected next entry after exemplar timestamp", last);
        break;
      }
      default:
        throw this.unexpected("expected timestamp or comment", next);
    }
    this.hasExemplar = true;
  }

  private floatValue(token: Token, after: string): number {
    if (token !== Token.Value) throw this.unexpected(`expected value after ${after}`, token);
    return this.float();
  }

  private floatTimestamp(what: string): number {
    const seconds = this.float();
    if (Number.isFinite(seconds)) return seconds;
    throw this.fail(`invalid ${what} ${Number.isNaN(seconds) ? "NaN" : seconds > 0 ? "+Inf" : "-Inf"}`);
  }

  // float reads the token, whose first byte is the space before it.
  private float(): number {
    try {
      return parseFloatBytes(this.bytes, this.tokenStart + 1, this.at);
    } catch (error) {
      throw error instanceof ExpositionError ? this.whileParsing(error.message) : error;
    }
  }

  protected override lex(): Token {
    const { bytes, end } = this;
    if (this.at >= end) return Token.EOF;
    const i = this.at;
    const c = bytes[i];
    this.tokenStart = i;
    switch (this.state) {
      case State.Init:
        return this.lexInit(c);
      case State.Meta1:
        return c === 0x22 ? this.quoted(Token.MName, State.Meta2, true, false) : this.name(Token.MName, State.Meta2);
      case State.Meta2:
        return this.metadataText(c);
      case State.Labels:
      case State.Exemplar:
        return this.lexLabels(c);
      case State.LValue:
        return c === 0x22 ? this.quoted(Token.LValue, State.Labels, false, true) : Token.Invalid;
      case State.Value:
        if (c === 0x7b) return this.single(Token.BraceOpen, State.Labels);
        return this.word(Token.Value, State.Timestamp);
      case State.Timestamp:
        if (c === 10) return this.single(Token.Linebreak, State.Init);
        if (c === 0x20 && bytes[i + 1] === 0x23 && bytes[i + 2] === 0x20 && i + 2 < end) {
          const brace = i + 3 < end && bytes[i + 3] === 0x7b;
          this.at = brace ? i + 4 : i + 3;
          if (!brace) return Token.Invalid;
          this.state = State.Exemplar;
          return Token.Comment;
        }
        return this.word(Token.Timestamp, State.Timestamp);
      case State.EValue:
        if (c === 0x22) return this.quoted(Token.LValue, State.Exemplar, false, false);
        return this.word(Token.Value, State.ETimestamp);
      default:
        if (c === 10) return this.single(Token.Linebreak, State.Init);
        return this.word(Token.Timestamp, State.ETimestamp);
    }
  }

  private lexInit(c: number): Token {
    if (c === 0x7b) return this.single(Token.BraceOpen, State.Labels);
    if (c !== 0x23) return this.name(Token.MName, State.Value);
    const { bytes, end } = this;
    let i = this.at + 1;
    if (i >= end || bytes[i] !== 0x20) {
      this.at = i;
      return Token.Invalid;
    }
    i++;
    const rest = this.buffer.toString("latin1", i, Math.min(end, i + 5));
    if (rest.startsWith("EOF")) {
      this.at = rest[3] === "\n" ? i + 4 : i + 3;
      this.state = State.Init;
      return Token.EOFWord;
    }
    for (const [keyword, token] of KEYWORDS) {
      if (rest !== keyword) continue;
      this.at = i + 5;
      this.state = State.Meta1;
      return token;
    }
    // The error shows the byte that no keyword has at its place.
    let matched = 0;
    for (const keyword of ["HELP ", "TYPE ", "UNIT ", "EOF"]) {
      let k = 0;
      while (k < keyword.length && rest[k] === keyword[k]) k++;
      matched = Math.max(matched, k);
    }
    this.at = Math.min(end, i + matched);
    return Token.Invalid;
  }

  private metadataText(c: number): Token {
    if (c !== 0x20) return Token.Invalid;
    const { bytes, end } = this;
    let i = this.at;
    while (i < end && bytes[i] !== 10) i++;
    if (i >= end) {
      this.at = end;
      return Token.Invalid;
    }
    this.at = i + 1;
    this.state = State.Init;
    return Token.Text;
  }

  private lexLabels(c: number): Token {
    const inExemplar = this.state === State.Exemplar;
    switch (c) {
      case 0x22:
        return this.quoted(Token.QString, this.state, !inExemplar, false);
      case 0x7d:
        return this.single(Token.BraceClose, inExemplar ? State.EValue : State.Value);
      case 0x3d:
        return this.single(Token.Equal, inExemplar ? State.EValue : State.LValue);
      case 0x2c:
        return this.single(Token.Comma, this.state);
      default:
        return this.name(Token.LName, this.state);
    }
  }

  // word reads a space and what follows up to the next space or newline.
  private word(token: Token, state: State): Token {
    const { bytes, end } = this;
    let i = this.at;
    if (bytes[i] !== 0x20) return Token.Invalid;
    i++;
    const start = i;
    while (i < end && bytes[i] !== 0x20 && bytes[i] !== 10 && bytes[i] !== 0) i++;
    this.at = i;
    if (i === start) return Token.Invalid;
    this.state = state;
    return token;
  }

  private single(token: Token, state: State): Token {
    this.at = this.tokenStart + 1;
    this.state = state;
    return token;
  }

  private name(token: Token, state: State): Token {
    const { bytes, end } = this;
    const start = this.at;
    let i = start;
    let c = bytes[i];
    if (c >= 0x30 && c <= 0x39) return Token.Invalid;
    while (
      i < end &&
      ((c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a) || (c >= 0x30 && c <= 0x39) || c === 0x5f || c === 0x3a)
    ) {
      if (c === 0x3a && token === Token.LName) break;
      c = bytes[++i];
    }
    if (i === start) return Token.Invalid;
    this.at = i;
    this.state = state;
    return token;
  }

  // quoted reads a string in double quotes; line breaks and NUL only where allowed.
  private quoted(token: Token, state: State, breaks: boolean, nul: boolean): Token {
    const { bytes, end } = this;
    let i = this.at + 1;
    for (; i < end; i++) {
      const c = bytes[i];
      if (c === 0x22) {
        this.at = i + 1;
        this.state = state;
        return token;
      }
      if ((c === 0 && !nul) || (c === 10 && !breaks)) break;
      if (c !== 0x5c) continue;
      i++;
      if (nul) while (i < end && bytes[i] === 0) i++;
      if (i < end && (bytes[i] === 10 || bytes[i] === 0)) break;
    }
    this.at = Math.min(i, end);
    return Token.Invalid;
  }
}

const KEYWORDS = [
  ["HELP ", Token.Help],
  ["TYPE ", Token.Type],
  ["UNIT ", Token.Unit],
] as const;

function hasStartTimestamp(type: MetricType): boolean {
  return type === "counter" || type === "summary" || type === "histogram";
}
