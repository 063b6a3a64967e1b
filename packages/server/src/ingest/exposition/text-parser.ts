// The classic Prometheus text format, version 0.0.4 (and 1.0.0, which adds quoted UTF-8 names). The lexer accepts
// what upstream's does: white space nearly anywhere, labels without commas between them, NUL bytes in strings, and
// nothing after a NUL that starts a line.
import { METRIC_TYPES } from "@belfry/core/model";
import { LineKind, type LineCache } from "./line-cache.ts";
import { LineParser, State, Token } from "./line-parser.ts";
import { parseFloatBytes } from "./parse-float.ts";
import { ExpositionError } from "./exposition-error.ts";
import { Entry, type ParserOptions } from "./parser.ts";
import { decodeUtf8, isValidUtf8, quoteBytes } from "./quote-bytes.ts";

const TYPES: Readonly<Record<string, string>> = {
  counter: "counter",
  gauge: "gauge",
  histogram: "histogram",
  summary: "summary",
  untyped: "unknown",
};
const MAX_INT64 = 9223372036854775807n;

/** TextParser reads the classic text format. */
export class TextParser extends LineParser {
  constructor(cache: LineCache, options: ParserOptions = {}) {
    // The format does not demand a newline at the end; the sentinel is one.
    super(cache, options, 10);
  }

  protected override readTimestamp(stop: number): number {
    const { bytes } = this;
    let i = stop;
    while (bytes[i] === 0x20) i++;
    const first = i;
    let time = 0;
    for (let c = bytes[i]; c >= 0x30 && c <= 0x39; c = bytes[++i]) time = time * 10 + (c - 0x30);
    // 18 digits at most are surely no overflow of what upstream reads as int64.
    if (i === first || i - first > 18 || bytes[i] !== 10) return -1;
    this.hasTime = true;
    this.timeMs = time;
    return i;
  }

  protected override lexLine(): Entry {
    for (;;) {
      this.lineStart = this.at;
      this.hasExemplar = false;
      const token = this.token();
      switch (token) {
        case Token.EOF:
          return Entry.End;
        case Token.Linebreak:
          continue;
        case Token.Help:
        case Token.Type:
          return this.metadata(token);
        case Token.Comment: {
          const newline = this.at;
          const next = this.token();
          if (next !== Token.Linebreak) throw this.unexpected("linebreak expected after comment", next);
          this.rememberMetadata(LineKind.Comment, newline, "", "");
          return Entry.Comment;
        }
        case Token.BraceOpen: {
          const start = this.tokenStart;
          this.offsets.length = 0;
          this.offsets.push(-1, -1);
          this.labelPairs();
          const end = this.at;
          const next = this.token();
          if (this.offsets[0] === -1) throw this.whileParsing("metric name not set");
          this.suffix(next);
          this.remember(start, end);
          return Entry.Series;
        }
        case Token.MName: {
          const start = this.tokenStart;
          let end = this.at;
          this.offsets.length = 0;
          this.offsets.push(start, end);
          let next: Token | undefined;
          if (!this.readPlainSuffix()) next = this.token();
          if (next === Token.BraceOpen) {
            this.labelPairs();
            end = this.at;
            next = this.readPlainSuffix() ? undefined : this.token();
          }
          if (next !== undefined) this.suffix(next);
          this.remember(start, end);
          return Entry.Series;
        }
        default:
          throw this.unexpected("expected a valid start token", token);
      }
    }
  }

  protected override lexRest(): Entry {
    const token = this.token();
    if (token === Token.BraceOpen) {
      // The name was known alone and now has labels, after white space.
      this.at = this.lineStart;
      this.state = State.Init;
      return this.lexLine();
    }
    this.suffix(token);
    return Entry.Series;
  }

  protected override relex(): void {
    const { at, state } = this;
    this.at = this.lineStart;
    this.state = State.Init;
    this.offsets.length = 0;
    if (this.token() === Token.BraceOpen) {
      this.offsets.push(-1, -1);
      this.labelPairs();
    } else {
      this.offsets.push(this.tokenStart, this.at);
      if (this.token() === Token.BraceOpen) this.labelPairs();
    }
    this.at = at;
    this.state = state;
    this.lexed = true;
  }

  private metadata(kind: typeof Token.Help | typeof Token.Type): Entry {
    const nameToken = this.token();
    if (nameToken !== Token.MName) throw this.unexpected(`expected metric name after ${kind}`, nameToken);
    const { bytes } = this;
    const quoted = bytes[this.tokenStart] === 0x22;
    const family = quoted
      ? this.unescaped(this.tokenStart + 1, this.at - 1)
      : decodeUtf8(bytes, this.tokenStart, this.at);
    const textToken = this.token();
    if (textToken !== Token.Text) throw this.fail(`expected text in ${kind}, got ${textToken}`);
    const start = Math.min(this.tokenStart + 1, this.at);
    const newline = this.at;
    const text = decodeUtf8(bytes, start, newline);
    if (kind === Token.Type) {
      const type = Object.hasOwn(TYPES, text) ? TYPES[text] : undefined;
      if (type === undefined) throw this.fail(`invalid metric type ${quoteBytes(bytes, start, newline)}`);
      this.endMetadata();
      const code = METRIC_TYPES.indexOf(type as (typeof METRIC_TYPES)[number]);
      this.rememberMetadata(LineKind.Type, newline, family, text, code);
      return Entry.Type;
    }
    if (!isValidUtf8(bytes, start, newline)) {
      throw this.fail(`help text ${quoteBytes(bytes, start, newline)} is not a valid utf8 string`);
    }
    this.endMetadata();
    this.rememberMetadata(LineKind.Help, newline, family, unescapeHelp(text));
    return Entry.Help;
  }

  private endMetadata(): void {
    const token = this.token();
    if (token !== Token.Linebreak) throw this.unexpected("linebreak expected after metadata", token);
  }

  // labelPairs reads up to the closing brace, which it consumes, and appends to `offsets`.
  private labelPairs(): void {
    const { bytes, offsets } = this;
    let token = this.token();
    for (;;) {
      let start = this.tokenStart;
      let end = this.at;
      if (token === Token.BraceClose) return;
      const quoted = token === Token.QString;
      if (!quoted && token !== Token.LName) throw this.unexpected("expected label name", token);
      token = this.token();
      // A quoted string alone is the metric name.
      if (quoted && (token === Token.Comma || token === Token.BraceClose)) {
        if (offsets[0] !== -1) throw this.whileParsing("metric name already set");
        offsets[0] = start + 1;
        offsets[1] = end - 1;
        if (token === Token.BraceClose) return;
        token = this.token();
        continue;
      }
      if (quoted) {
        start++;
        end--;
      }
      if (token !== Token.Equal) throw this.unexpected("expected equal", token);
      token = this.token();
      if (token !== Token.LValue) throw this.unexpected("expected label value", token);
      if (!isValidUtf8(bytes, this.tokenStart, this.at)) {
        throw this.fail(`invalid UTF-8 label value: ${quoteBytes(bytes, this.tokenStart, this.at)}`);
      }
      offsets.push(start, end, this.tokenStart + 1, this.at - 1);
      token = this.token();
      if (token === Token.Comma) token = this.token();
    }
  }

  // suffix reads value, timestamp and line end, beginning with the given token.
  private suffix(token: Token): void {
    if (token !== Token.Value) throw this.unexpected("expected value after metric", token);
    const { bytes } = this;
    try {
      this.value = parseFloatBytes(bytes, this.tokenStart, this.at);
    } catch (error) {
      throw error instanceof ExpositionError ? this.whileParsing(error.message) : error;
    }
    this.hasTime = false;
    const next = this.token();
    if (next === Token.Linebreak) return;
    if (next !== Token.Timestamp) throw this.unexpected("expected timestamp or new record", next);
    const text = decodeUtf8(bytes, this.tokenStart, this.at);
    if (text.length > 18 && BigInt(text) > MAX_INT64) {
      throw this.whileParsing(`strconv.ParseInt: parsing "${text}": value out of range`);
    }
    this.hasTime = true;
    this.timeMs = Number(text);
    const last = this.token();
    if (last !== Token.Linebreak) throw this.unexpected("expected next entry after timestamp", last);
  }

  private token(): Token {
    let token: Token;
    do token = this.lex();
    while (token === Token.Whitespace);
    return token;
  }

  protected override lex(): Token {
    const { bytes, end } = this;
    if (this.at >= end) return Token.EOF;
    let i = this.at;
    let c = bytes[i];
    this.tokenStart = i;
    if (c === 0x20 || c === 9) {
      do c = bytes[++i];
      while (i < end && (c === 0x20 || c === 9));
      // In the text of HELP and TYPE white space is a token of its own only when nothing else follows.
      if (this.state !== State.Meta2 || c === 10) {
        this.at = i;
        return Token.Whitespace;
      }
    }
    switch (this.state) {
      case State.Init:
        return this.lexInit(c);
      case State.Meta1:
        if (c === 0x22) return this.quoted(i, Token.MName, State.Meta2, false);
        return this.name(i, Token.MName, State.Meta2);
      case State.Meta2:
        while (i < end && bytes[i] !== 10) i++;
        this.at = i;
        this.state = State.Init;
        return Token.Text;
      case State.Labels:
        return this.lexLabels(i, c);
      case State.LValue:
        if (c !== 0x22) return Token.Invalid;
        return this.quoted(i, Token.LValue, State.Labels, true);
      case State.Value:
        if (c === 0x7b) return this.single(Token.BraceOpen, State.Labels);
        while (i < end && c !== 0x20 && c !== 9 && c !== 10 && c !== 0x7b && c !== 0) c = bytes[++i];
        if (i === this.at) return Token.Invalid;
        this.at = i;
        this.state = State.Timestamp;
        return Token.Value;
      default:
        if (c === 10) return this.single(Token.Linebreak, State.Init);
        while (i < end && c >= 0x30 && c <= 0x39) c = bytes[++i];
        if (i === this.at) return Token.Invalid;
        this.at = i;
        return Token.Timestamp;
    }
  }

  private lexInit(c: number): Token {
    if (c === 0) return this.single(Token.EOF, State.Init);
    if (c === 10) return this.single(Token.Linebreak, State.Init);
    if (c === 0x7b) return this.single(Token.BraceOpen, State.Labels);
    if (c !== 0x23) return this.name(this.at, Token.MName, State.Value);
    const { bytes } = this;
    let i = this.at + 1;
    c = bytes[i];
    const spaced = c === 0x20 || c === 9;
    while (c === 0x20 || c === 9) c = bytes[++i];
    const word = spaced ? this.buffer.toString("latin1", i, i + 4) : "";
    if ((word === "HELP" || word === "TYPE") && (bytes[i + 4] === 0x20 || bytes[i + 4] === 9)) {
      i += 5;
      while (bytes[i] === 0x20 || bytes[i] === 9) i++;
      this.at = i;
      this.state = State.Meta1;
      return word === "HELP" ? Token.Help : Token.Type;
    }
    // A NUL ends the input when it directly follows "#" or stands in a comment without space after it.
    if (c === 0) return this.single(Token.EOF, State.Init);
    for (; bytes[i] !== 10; i++) if (bytes[i] === 0 && !spaced) return this.single(Token.EOF, State.Init);
    this.at = i;
    return Token.Comment;
  }

  private lexLabels(i: number, c: number): Token {
    switch (c) {
      case 0x22:
        return this.quoted(i, Token.QString, State.Labels, false);
      case 0x7d:
        return this.single(Token.BraceClose, State.Value);
      case 0x3d:
        return this.single(Token.Equal, State.LValue);
      case 0x2c:
        return this.single(Token.Comma, State.Labels);
      default:
        return c === 0x3a ? Token.Invalid : this.name(i, Token.LName, State.Labels);
    }
  }

  private single(token: Token, state: State): Token {
    this.at = this.tokenStart + 1;
    this.state = state;
    return token;
  }

  // name reads a metric or label name. A colon ends a label name.
  private name(start: number, token: Token, state: State): Token {
    const { bytes, end } = this;
    let i = start;
    let c = bytes[i];
    if (c >= 0x30 && c <= 0x39) return Token.Invalid;
    while (i < end && isNameByte(c)) c = bytes[++i];
    // A colon may stand in metric names only.
    if (token === Token.LName) {
      for (let k = start; k < i; k++) if (bytes[k] === 0x3a) i = k;
    }
    if (i === start) return Token.Invalid;
    this.at = i;
    this.state = state;
    return token;
  }

  // quoted reads a string in double quotes, line breaks included; NUL only where `nul`.
  private quoted(start: number, token: Token, state: State, nul: boolean): Token {
    const { bytes, end } = this;
    let i = start + 1;
    for (; i < end; i++) {
      const c = bytes[i];
      if (c === 0x22) {
        this.at = i + 1;
        this.state = state;
        return token;
      }
      if (c === 0 && !nul) break;
      if (c !== 0x5c) continue;
      i++;
      if (nul) while (i < end && bytes[i] === 0) i++;
      if (i < end && (bytes[i] === 10 || bytes[i] === 0)) break;
    }
    this.at = Math.min(i, end);
    return Token.Invalid;
  }
}

function isNameByte(c: number): boolean {
  return (c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a) || (c >= 0x30 && c <= 0x3a) || c === 0x5f;
}

function unescapeHelp(text: string): string {
  return text.includes("\\") ? text.replaceAll(/\\[\\n]/g, (escape) => (escape === "\\n" ? "\n" : "\\")) : text;
}
