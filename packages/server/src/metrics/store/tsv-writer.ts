// A TsvWriter writes rows of ClickHouse's TabSeparated format straight into a buffer: no string per number. Ten
// thousand samples are 300 kB of text; as strings they would be 30,000 objects for the garbage collector.
import { bug } from "../../lib/errors.ts";

const TAB = 9;
const NEWLINE = 10;
const ZERO = 48;
const MINUS = 45;
const POINT = 46;

// Numbers with up to six decimals that fit 2^50 when scaled are written digit by digit; others by String().
const MAX_DECIMALS = 6;
const MAX_SCALED = 2 ** 50;
const POWERS = Float64Array.from({ length: MAX_DECIMALS + 1 }, (_, i) => 10 ** i);
const BILLION = 1e9;
// The longest number: 20 digits of a UInt64, 24 characters of a double, and a separator.
const NUMBER_BYTES = 32;

/** TsvWriter collects rows; `take` hands them over. */
export class TsvWriter {
  private buffer: Buffer;
  private at = 0;
  private rowCount = 0;

  constructor(capacityBytes = 16 * 1024) {
    this.buffer = Buffer.allocUnsafeSlow(capacityBytes);
  }

  get rows(): number {
    return this.rowCount;
  }

  get sizeBytes(): number {
    return this.at;
  }

  /** take returns what was written and begins anew; the bytes belong to the caller. */
  take(): Uint8Array {
    const taken = this.buffer.subarray(0, this.at);
    // A mostly empty buffer is copied, so that a queue of small batches does not hold large ones.
    if (this.at * 2 < this.buffer.length) {
      const copy = Buffer.allocUnsafeSlow(this.at);
      taken.copy(copy);
      this.at = 0;
      this.rowCount = 0;
      return copy;
    }
    this.buffer = Buffer.allocUnsafeSlow(this.buffer.length);
    this.at = 0;
    this.rowCount = 0;
    return taken;
  }

  /** tab ends a field, row the last one of a row. */
  tab(): void {
    this.buffer[this.at++] = TAB;
  }

  row(): void {
    this.buffer[this.at++] = NEWLINE;
    this.rowCount++;
  }

  /** integer writes an integer up to 2^53. */
  integer(value: number): void {
    this.reserve(NUMBER_BYTES);
    if (value < 0) {
      this.buffer[this.at++] = MINUS;
      value = -value;
    }
    this.digits(value);
  }

  /** unsigned64 writes a UInt64 given as two halves. */
  unsigned64(high: number, low: number): void {
    this.reserve(NUMBER_BYTES);
    if (high < 0x200000) {
      this.digits(high * 4294967296 + low);
      return;
    }
    // Long division by 10^9 in steps whose intermediate values stay below 2^53.
    const first = Math.floor(high / BILLION);
    let rest = (high - first * BILLION) * 65536 + (low >>> 16);
    const second = Math.floor(rest / BILLION);
    rest = (rest - second * BILLION) * 65536 + (low & 0xffff);
    const third = Math.floor(rest / BILLION);
    const lowest = rest - third * BILLION;
    this.digits(first * 4294967296 + second * 65536 + third);
    this.padded(lowest, 9);
  }

  /** float writes a finite number so that reading it back gives the same bits; -0 keeps its sign. */
  float(value: number): void {
    this.reserve(NUMBER_BYTES);
    if (value < 0 || (value === 0 && Object.is(value, -0))) {
      this.buffer[this.at++] = MINUS;
      value = -value;
    }
    for (let decimals = 0; decimals <= MAX_DECIMALS; decimals++) {
      const power = POWERS[decimals]!;
      const scaled = Math.round(value * power);
      if (scaled > MAX_SCALED) break;
      if (scaled / power !== value) continue;
      if (decimals === 0) this.digits(scaled);
      else {
        const whole = Math.floor(scaled / power);
        this.digits(whole);
        this.buffer[this.at++] = POINT;
        this.padded(scaled - whole * power, decimals);
      }
      return;
    }
    this.at += this.buffer.latin1Write(String(value), this.at);
  }

  /** text writes a string with what TabSeparated gives a meaning escaped. */
  text(text: string): void {
    this.reserve(text.length * 6);
    if (!/[\\\t\n\r\0\b\f']/.test(text)) {
      this.at += this.buffer.utf8Write(text, this.at);
      return;
    }
    this.at += this.buffer.utf8Write(text.replace(/[\\\t\n\r\0\b\f']/g, escaped), this.at);
  }

  /** raw writes ASCII that needs no escaping. */
  raw(text: string): void {
    this.reserve(text.length);
    this.at += this.buffer.latin1Write(text, this.at);
  }

  private digits(value: number): void {
    if (value >= BILLION) {
      const high = Math.floor(value / BILLION);
      this.digits(high);
      this.padded(value - high * BILLION, 9);
      return;
    }
    let length = 1;
    for (let bound = 10; value >= bound; bound *= 10) length++;
    this.padded(value, length);
  }

  // padded writes the last `length` digits of an integer below 2^31.
  private padded(value: number, length: number): void {
    const { buffer } = this;
    let rest = value | 0;
    for (let i = this.at + length - 1; i >= this.at; i--) {
      const tenth = (rest / 10) | 0;
      buffer[i] = ZERO + rest - tenth * 10;
      rest = tenth;
    }
    this.at += length;
  }

  private reserve(bytes: number): void {
    // One more for the separator that follows.
    const need = this.at + bytes + 2;
    if (need <= this.buffer.length) return;
    if (need > 2 ** 30) throw bug(`a batch of ${need} bytes`);
    const larger = Buffer.allocUnsafeSlow(Math.max(need, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\t": "\\t",
  "\n": "\\n",
  "\r": "\\r",
  "\0": "\\0",
  "\b": "\\b",
  "\f": "\\f",
  "'": "\\'",
};

function escaped(character: string): string {
  return ESCAPES[character]!;
}
