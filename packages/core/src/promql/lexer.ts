// The lexer knows three places, because the same characters mean different things in them: inside braces every word is
// a label name; inside brackets, up to the first number, only arithmetic on durations is known; everywhere else words
// may be keywords. States and messages are those of Prometheus (promql/parser/lex.go).
//
// Positions are indices into the query as JavaScript counts. Nothing is read after an ERROR token.
import { quote, quoteRune, unicodeName } from "./quote.ts";
import { DURATION_WORDS, KEYWORDS, T, type Token } from "./tokens.ts";

const EOF = -1;

/** REPLACEMENT is what a decoder leaves in place of bytes that are not UTF-8. */
const REPLACEMENT = 0xfffd;

export class Lexer {
  readonly input: string;
  /** start is where the token being read begins; after an ERROR token, where the error is. */
  start = 0;
  /** lastPos is the position of the token read last. */
  lastPos = 0;
  private pos = 0;
  private parenDepth = 0;
  private inBraces = false;
  private inBrackets = false;
  /** inDuration is set from "[" to the first number after it. */
  private inDuration = false;
  private gotColon = false;
  /** gotDuration is deliberately not reset by a further "[": neither does Prometheus. */
  private gotDuration = false;

  constructor(input: string) {
    this.input = input;
  }

  /** next reads a token; comments are skipped. */
  next(): Token {
    const token = this.read();
    this.lastPos = token.pos;
    return token;
  }

  private emit(type: number): Token {
    const token = { type, pos: this.start, value: this.input.slice(this.start, this.pos) };
    this.start = this.pos;
    return token;
  }

  private error(message: string): Token {
    return { type: T.ERROR, pos: this.start, value: message };
  }

  private peek(): number {
    return this.pos < this.input.length ? this.input.charCodeAt(this.pos) : EOF;
  }

  /** charAt returns the whole character at an index, also where it takes two code units. */
  private charAt(index: number): string {
    return index < this.input.length ? String.fromCodePoint(this.input.codePointAt(index)!) : "\ufffd";
  }

  private skipSpaces(): void {
    while (isSpace(this.peek())) this.pos++;
    this.start = this.pos;
  }

  private skipComment(): void {
    this.pos++;
    for (let c = this.peek(); c !== EOF && c !== 0x0a && c !== 0x0d; c = this.peek()) this.pos++;
    this.start = this.pos;
  }

  private read(): Token {
    if (this.inDuration) return this.readDuration();
    for (;;) {
      const c = this.peek();
      if (isSpace(c)) this.skipSpaces();
      else if (c === 0x23) this.skipComment();
      else return this.inBraces ? this.readInBraces(c) : this.readStatement(c);
    }
  }

  private readStatement(c: number): Token {
    const at = this.pos;
    switch (c) {
      case EOF:
        if (this.parenDepth !== 0) return this.error("unclosed left parenthesis");
        if (this.inBrackets) return this.error("unclosed left bracket");
        return this.emit(T.EOF);
      case 0x2c:
        return this.single(T.COMMA);
      case 0x2a:
        return this.single(T.MUL);
      case 0x2f:
        return this.single(T.DIV);
      case 0x25:
        return this.single(T.MOD);
      case 0x2b:
        return this.single(T.ADD);
      case 0x2d:
        return this.single(T.SUB);
      case 0x5e:
        return this.single(T.POW);
      case 0x40:
        return this.single(T.AT);
      case 0x3d: // =
        this.pos++;
        if (this.peek() === 0x3d) return this.single(T.EQLC);
        if (this.peek() === 0x7e) return this.error("unexpected character after '=': '~'");
        return this.emit(T.EQL);
      case 0x21: // !
        this.pos++;
        if (this.peek() === 0x3d) return this.single(T.NEQ);
        return this.error(`unexpected character after '!': ${quoteRune(this.charAt(this.pos))}`);
      case 0x3c: // <
        this.pos++;
        if (this.peek() === 0x3d) return this.single(T.LTE);
        return this.peek() === 0x2f ? this.single(T.TRIM_UPPER) : this.emit(T.LSS);
      case 0x3e: // >
        this.pos++;
        if (this.peek() === 0x3d) return this.single(T.GTE);
        return this.peek() === 0x2f ? this.single(T.TRIM_LOWER) : this.emit(T.GTR);
      case 0x22:
      case 0x27:
      case 0x60:
        return this.readString(c);
      case 0x28:
        this.parenDepth++;
        return this.single(T.LEFT_PAREN);
      case 0x29:
        return this.closeParen();
      case 0x7b:
        this.inBraces = true;
        return this.single(T.LEFT_BRACE);
      case 0x5b: {
        if (this.inBrackets) return this.error("unexpected left bracket '['");
        this.gotColon = false;
        this.inBrackets = true;
        this.inDuration = true;
        const token = this.single(T.LEFT_BRACKET);
        this.skipSpaces();
        return token;
      }
      case 0x5d: {
        if (!this.inBrackets) return this.error("unexpected right bracket ']'");
        this.inBrackets = false;
        return this.single(T.RIGHT_BRACKET);
      }
    }
    if (isDigit(c) || (c === 0x2e && isDigit(this.input.charCodeAt(at + 1)))) return this.readNumberOrDuration();
    if (isAlpha(c) || c === 0x3a) return this.inBrackets ? this.readInBrackets(c) : this.readWord();
    this.pos++;
    return this.error(`unexpected character: ${quoteRune(this.charAt(at))}`);
  }

  private single(type: number): Token {
    this.pos++;
    return this.emit(type);
  }

  private closeParen(): Token {
    const token = this.single(T.RIGHT_PAREN);
    if (--this.parenDepth >= 0) return token;
    return this.error("unexpected right parenthesis ')'");
  }

  /** readInBrackets reads a word or colon after the first number in brackets. */
  private readInBrackets(c: number): Token {
    if (c === 0x3a) {
      if (this.gotColon) return this.error("unexpected colon ':'");
      this.gotColon = true;
      return this.single(T.COLON);
    }
    const at = this.pos;
    const word = isDurationWordStart(c) ? this.readDurationWord() : undefined;
    return word ?? this.error(`unexpected character: ${quoteRune(this.charAt(at))}, expected ':'`);
  }

  private readInBraces(c: number): Token {
    const at = this.pos;
    switch (c) {
      case EOF:
        return this.error("unexpected end of input inside braces");
      case 0x2c:
        return this.single(T.COMMA);
      case 0x22:
      case 0x27:
      case 0x60:
        return this.readString(c);
      case 0x3d:
        this.pos++;
        return this.peek() === 0x7e ? this.single(T.EQL_REGEX) : this.emit(T.EQL);
      case 0x21:
        this.pos++;
        if (this.peek() === 0x7e) return this.single(T.NEQ_REGEX);
        if (this.peek() === 0x3d) return this.single(T.NEQ);
        return this.error(`unexpected character after '!' inside braces: ${quoteRune(this.charAt(this.pos))}`);
      case 0x7b:
        return this.error("unexpected left brace '{'");
      case 0x7d:
        this.inBraces = false;
        return this.single(T.RIGHT_BRACE);
    }
    if (!isAlpha(c)) return this.error(`unexpected character inside braces: ${quoteRune(this.charAt(at))}`);
    while (isAlphaNumeric(this.peek())) this.pos++;
    return this.emit(T.IDENTIFIER);
  }

  private readWord(): Token {
    for (let c = this.peek(); isAlphaNumeric(c) || c === 0x3a; c = this.peek()) this.pos++;
    const word = this.input.slice(this.start, this.pos);
    const keyword = KEYWORDS.get(word.toLowerCase());
    if (keyword === undefined) return this.emit(word.includes(":") ? T.METRIC_IDENTIFIER : T.IDENTIFIER);
    // The fill modifiers were added when metrics of these names existed, so they are keywords only before "(".
    if (keyword >= T.FILL && keyword <= T.FILL_RIGHT && !this.parenFollows()) return this.emit(T.IDENTIFIER);
    return this.emit(keyword);
  }

  private parenFollows(): boolean {
    let i = this.pos;
    while (isSpace(this.input.charCodeAt(i))) i++;
    return this.input.charCodeAt(i) === 0x28;
  }

  private readDuration(): Token {
    if (isSpace(this.peek())) this.skipSpaces();
    const c = this.peek();
    const at = this.pos;
    switch (c) {
      case EOF:
        return this.error("unexpected end of input in duration expression");
      case 0x5d:
        this.inBrackets = false;
        this.inDuration = false;
        this.gotColon = false;
        return this.single(T.RIGHT_BRACKET);
      case 0x3a: {
        const token = this.single(T.COLON);
        if (!this.gotDuration) return this.error("unexpected colon before duration in duration expression");
        if (this.gotColon) return this.error("unexpected repeated colon in duration expression");
        this.gotColon = true;
        return token;
      }
      case 0x28:
        this.parenDepth++;
        return this.single(T.LEFT_PAREN);
      case 0x29:
        return this.closeParen();
      case 0x2b:
        return this.single(T.ADD);
      case 0x2d:
        return this.single(T.SUB);
      case 0x2a:
        return this.single(T.MUL);
      case 0x2f:
        return this.single(T.DIV);
      case 0x25:
        return this.single(T.MOD);
      case 0x5e:
        return this.single(T.POW);
      case 0x2c:
        return this.single(T.COMMA);
    }
    if (isDigit(c) || (c === 0x2e && isDigit(this.input.charCodeAt(at + 1)))) {
      this.gotDuration = true;
      this.inDuration = false;
      return this.readNumberOrDuration();
    }
    const word = isDurationWordStart(c) ? this.readDurationWord() : undefined;
    return word ?? this.error(`unexpected character in duration expression: ${quoteRune(this.charAt(at))}`);
  }

  private readDurationWord(): Token | undefined {
    while (isAlpha(this.peek())) this.pos++;
    const type = DURATION_WORDS.get(this.input.slice(this.start, this.pos).toLowerCase());
    return type === undefined ? undefined : this.emit(type);
  }

  private readString(delimiter: number): Token {
    const raw = delimiter === 0x60;
    const input = this.input;
    for (;;) {
      this.pos++;
      const c = this.peek();
      if (c === delimiter) return this.single(T.STRING);
      if (c === EOF) return this.error(raw ? "unterminated raw string" : "unterminated quoted string");
      if (c === REPLACEMENT) return this.error("invalid UTF-8 rune");
      if (c >= 0xd800 && c <= 0xdfff) {
        // A surrogate without its partner stands for a byte that is not UTF-8.
        if (c >= 0xdc00 || !isLowSurrogate(input.charCodeAt(this.pos + 1))) return this.error("invalid UTF-8 rune");
        this.pos++;
      } else if (!raw && c === 0x0a) {
        return this.error("unterminated quoted string");
      } else if (!raw && c === 0x5c) {
        const problem = this.checkEscape(delimiter);
        if (problem !== undefined) return this.error(problem);
      }
    }
  }

  /** checkEscape reads an escape from its backslash and leaves pos at its last character. */
  private checkEscape(delimiter: number): string | undefined {
    this.pos++;
    let c = this.peek();
    let digits = 0;
    let base = 16;
    let max = 0x10ffff;
    if (c === delimiter) return undefined;
    switch (c) {
      case 0x61: // a
      case 0x62: // b
      case 0x66: // f
      case 0x6e: // n
      case 0x72: // r
      case 0x74: // t
      case 0x76: // v
      case 0x5c: // backslash
        return undefined;
      case 0x78: // x
        digits = 2;
        max = 255;
        this.pos++;
        break;
      case 0x75: // u
        digits = 4;
        this.pos++;
        break;
      case 0x55: // U
        digits = 8;
        this.pos++;
        break;
      case EOF:
        return "escape sequence not terminated";
      default:
        if (c < 0x30 || c > 0x37) return `unknown escape sequence ${unicodeName(this.charAt(this.pos))}`;
        digits = 3;
        base = 8;
        max = 255;
    }
    let value = 0;
    for (let i = 0; i < digits; i++) {
      c = this.peek();
      const digit = digitValue(c);
      if (digit >= base) {
        if (c === EOF) return "escape sequence not terminated";
        return `illegal character ${unicodeName(this.charAt(this.pos))} in escape sequence`;
      }
      value = value * base + digit;
      if (i < digits - 1) this.pos++;
    }
    if (value > max || (value >= 0xd800 && value < 0xe000)) {
      return "escape sequence is an invalid Unicode code point";
    }
    return undefined;
  }

  private readNumberOrDuration(): Token {
    if (this.scanNumber()) return this.emit(T.NUMBER);
    if (this.scanRestOfDuration()) return this.emit(T.DURATION);
    return this.error(`bad number or duration syntax: ${quote(this.input.slice(this.start, this.pos))}`);
  }

  private accept(test: (c: number) => boolean): boolean {
    if (!test(this.peek())) return false;
    this.pos++;
    return true;
  }

  /** scanNumber reads what may be a number; whether it is one is decided when it is converted. */
  private scanNumber(): boolean {
    const begin = this.pos;
    let digit = isDigit;
    if (this.peek() === 0x30) {
      this.pos++;
      if (this.accept(isX)) {
        this.accept(isUnderscore);
        digit = isHexDigit;
      }
    }
    this.accept(isDot);
    this.accept(digit);
    let gotDot = false;
    let gotExponent = false;
    for (;;) {
      const c = this.peek();
      if (c === 0x2e) {
        this.pos++;
        if (gotDot) return false;
        gotDot = true;
        if (this.accept(isUnderscoreOrDot)) return false;
        if (digit === isHexDigit) return false;
      } else if (c === 0x65 || c === 0x45) {
        this.pos++;
        if (gotExponent) return false;
        gotExponent = true;
        this.accept(isSign);
        if (this.accept(isSeparator) || this.peek() === EOF) return false;
      } else if (c === 0x5f) {
        this.pos++;
        if (this.accept(isSeparator) || this.peek() === EOF) return false;
      } else if (digit(c)) {
        while (digit(this.peek())) this.pos++;
      } else break;
    }
    return this.pos !== begin && !isAlphaNumeric(this.peek());
  }

  /** scanRestOfDuration continues after digits with a unit, and further digits and units. */
  private scanRestOfDuration(): boolean {
    if (!this.accept(isFirstUnit)) return false;
    this.accept(isS);
    while (this.accept(isDigit)) {
      while (this.accept(isDigit));
      if (!this.accept(isLaterUnit)) return false;
      this.accept(isS);
    }
    const c = this.peek();
    if (!isAlphaNumeric(c)) return true;
    this.pos++;
    return false;
  }

  /**
   * previousCloseParen returns the end of the ")" before the one read last, if only spaces lie between, else
   * `fallback`. An aggregation ends only when the parser has seen what follows it; this finds where it ended.
   */
  previousCloseParen(fallback: number): number {
    const { input, lastPos } = this;
    if (fallback <= 0 || fallback > input.length || lastPos <= 0 || input.charCodeAt(lastPos) !== 0x29) return fallback;
    for (let i = lastPos - 1; i > 0; i--) {
      const c = input.charCodeAt(i);
      if (c === 0x29) return i + 1;
      if (!isSpace(c)) return fallback;
    }
    return fallback;
  }
}

export function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x09 || c === 0x0a || c === 0x0d;
}

function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39;
}

function isHexDigit(c: number): boolean {
  return digitValue(c) < 16;
}

function digitValue(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  if (c >= 0x61 && c <= 0x66) return c - 0x57;
  if (c >= 0x41 && c <= 0x46) return c - 0x37;
  return 16;
}

function isAlpha(c: number): boolean {
  return (c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a) || c === 0x5f;
}

function isAlphaNumeric(c: number): boolean {
  return isAlpha(c) || isDigit(c);
}

/** isDurationWordStart accepts the first letters of step, range, max_of and min_of in either case. */
function isDurationWordStart(c: number): boolean {
  const lower = c | 0x20;
  return lower === 0x73 || lower === 0x72 || lower === 0x6d;
}

function isLowSurrogate(c: number): boolean {
  return c >= 0xdc00 && c <= 0xdfff;
}

const isX = (c: number): boolean => c === 0x78 || c === 0x58;
const isUnderscore = (c: number): boolean => c === 0x5f;
const isDot = (c: number): boolean => c === 0x2e;
const isUnderscoreOrDot = (c: number): boolean => c === 0x5f || c === 0x2e;
const isSign = (c: number): boolean => c === 0x2b || c === 0x2d;
const isSeparator = (c: number): boolean => c === 0x2e || c === 0x5f || c === 0x65 || c === 0x45;
const isS = (c: number): boolean => c === 0x73;
const isFirstUnit = (c: number): boolean => isLaterUnit(c) || c === 0x79;
const isLaterUnit = (c: number): boolean => c === 0x73 || c === 0x6d || c === 0x68 || c === 0x64 || c === 0x77;
