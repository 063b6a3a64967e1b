// RowBuffer encodes rows as TabSeparated bytes, the format ClickHouse parses fastest of those it takes from us.
import { MAX_DIGITS, writeInteger, writeTime, writeUint64 } from "./digits.ts";

const TAB = 9;
const LINE_FEED = 10;

/** RowBuffer collects rows. Fields are written in column order, each followed by endField or, the last one, by endRow. */
export class RowBuffer {
  /** rows is the number of complete rows. */
  rows = 0;
  /** bytes and length may be written to directly after reserve, by encoders that are hot. */
  bytes: Buffer;
  length = 0;

  constructor(capacity = 16_384) {
    this.bytes = Buffer.allocUnsafe(capacity);
  }

  /** take returns a copy of the rows written so far and starts over; the memory is used again. */
  take(): Uint8Array {
    const rows = new Uint8Array(this.length);
    rows.set(this.bytes.subarray(0, this.length));
    this.length = 0;
    this.rows = 0;
    return rows;
  }

  /** reserve makes room for `extra` more bytes. */
  reserve(extra: number): void {
    const need = this.length + extra;
    if (need <= this.bytes.length) return;
    const bytes = Buffer.allocUnsafe(Math.max(need, this.bytes.length * 2));
    this.bytes.copy(bytes, 0, 0, this.length);
    this.bytes = bytes;
  }

  endField(): void {
    this.reserve(1);
    this.bytes[this.length++] = TAB;
  }

  endRow(): void {
    this.reserve(1);
    this.bytes[this.length++] = LINE_FEED;
    this.rows++;
  }

  /** integer writes a safe integer. */
  integer(value: number): void {
    this.reserve(MAX_DIGITS);
    this.length = writeInteger(this.bytes, this.length, value);
  }

  /** uint64 writes an unsigned 64-bit integer given as two unsigned halves. */
  uint64(high: number, low: number): void {
    this.reserve(MAX_DIGITS);
    this.length = writeUint64(this.bytes, this.length, high, low);
  }

  /** time writes Unix milliseconds for a DateTime64(3). Throws RangeError outside of 1970..2286. */
  time(ms: number): void {
    this.reserve(MAX_DIGITS);
    this.length = writeTime(this.bytes, this.length, ms);
  }

  /** float writes a double; every finite one is read back exactly, NaNs as some NaN. */
  float(value: number): void {
    this.ascii(
      Number.isFinite(value)
        ? Object.is(value, -0)
          ? "-0"
          : String(value)
        : Number.isNaN(value)
          ? "nan"
          : value > 0
            ? "inf"
            : "-inf",
    );
  }

  /** ascii writes text that needs no escaping. */
  ascii(text: string): void {
    const size = text.length;
    this.reserve(size);
    // Fast path: for a few bytes the call into the runtime costs more than the loop.
    if (size <= 24) {
      for (let i = 0; i < size; i++) this.bytes[this.length + i] = text.charCodeAt(i);
      this.length += size;
    } else {
      this.length += this.bytes.write(text, this.length, "latin1");
    }
  }

  /** none writes a field that takes the column's default. */
  none(): void {
    this.reserve(2);
    this.bytes[this.length++] = 92;
    this.bytes[this.length++] = 78;
  }

  /** text writes a String column. */
  text(value: string): void {
    this.raw(NEEDS_ESCAPE.test(value) ? value.replace(ESCAPED, escapeOf) : value);
  }

  /** floats writes an Array(Float64). */
  floats(values: ArrayLike<number>): void {
    this.ascii("[");
    for (let i = 0; i < values.length; i++) {
      if (i > 0) this.ascii(",");
      this.float(values[i]);
    }
    this.ascii("]");
  }

  /** integers writes an array of safe integers. */
  integers(values: ArrayLike<number>): void {
    this.ascii("[");
    for (let i = 0; i < values.length; i++) {
      if (i > 0) this.ascii(",");
      this.integer(values[i]);
    }
    this.ascii("]");
  }

  /** map writes a Map(String, String) from names and values that alternate. `skip` leaves out one name. */
  map(pairs: readonly string[], skip?: string): void {
    this.ascii("{");
    let first = true;
    for (let i = 0; i < pairs.length; i += 2) {
      if (pairs[i] === skip) continue;
      if (!first) this.ascii(",");
      first = false;
      this.quoted(pairs[i]);
      this.ascii(":");
      this.quoted(pairs[i + 1]);
    }
    this.ascii("}");
  }

  private quoted(value: string): void {
    this.ascii("'");
    this.raw(NEEDS_QUOTED_ESCAPE.test(value) ? value.replace(QUOTED_ESCAPED, escapeOf) : value);
    this.ascii("'");
  }

  private raw(text: string): void {
    this.reserve(text.length * 3);
    this.length += this.bytes.write(text, this.length, "utf8");
  }
}

const NEEDS_ESCAPE = /[\\\0\b\f\n\r\t]/;
const ESCAPED = /[\\\0\b\f\n\r\t]/g;
const NEEDS_QUOTED_ESCAPE = /[\\'\0\b\f\n\r\t]/;
const QUOTED_ESCAPED = /[\\'\0\b\f\n\r\t]/g;

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "'": "\\'",
  "\0": "\\0",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

function escapeOf(char: string): string {
  return ESCAPES[char];
}
