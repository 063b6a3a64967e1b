// Numbers as decimal digits, straight into bytes: a scrape of 1,000 series must not make 6,000 strings. Every
// function writes at `at`, where there must be room, and returns the place after what it wrote.

const ZERO = 48;
const MINUS = 45;
const TWO_32 = 4_294_967_296;

/** MAX_DIGITS is the most bytes that any of these functions writes. */
export const MAX_DIGITS = 20;

// The four digits of every number below 10,000.
const DIGITS = new Uint8Array(40_000);
for (let i = 0; i < 10_000; i++) {
  DIGITS[4 * i] = ZERO + Math.floor(i / 1000);
  DIGITS[4 * i + 1] = ZERO + (Math.floor(i / 100) % 10);
  DIGITS[4 * i + 2] = ZERO + (Math.floor(i / 10) % 10);
  DIGITS[4 * i + 3] = ZERO + (i % 10);
}

/** writeInteger writes a safe integer. */
export function writeInteger(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0) {
    bytes[at] = MINUS;
    return writeUnsigned(bytes, at + 1, -value);
  }
  return writeUnsigned(bytes, at, value);
}

/** writeUint64 writes an unsigned 64-bit integer given as two unsigned halves. */
export function writeUint64(bytes: Uint8Array, at: number, high: number, low: number): number {
  if (high < 0x200000) return writeUnsigned(bytes, at, high * TWO_32 + low);
  // The last seven digits by exact arithmetic below 2^53; the rest then divides evenly, so that rounding removes
  // the error that the double of the whole number carries. (`%` on doubles is four times slower than this.)
  const highRest = high - Math.floor(high / 1e7) * 1e7;
  const sum = highRest * (TWO_32 % 1e7) + low;
  const last = sum - Math.floor(sum / 1e7) * 1e7;
  return writeSeven(bytes, writeUnsigned(bytes, at, Math.round((high * TWO_32 + low - last) / 1e7)), last | 0);
}

/** writeInt64 writes the 64 bits of two unsigned halves as a signed integer. */
export function writeInt64(bytes: Uint8Array, at: number, high: number, low: number): number {
  if (high < 0x80000000) return writeUint64(bytes, at, high, low);
  bytes[at] = MINUS;
  // Two's complement: the magnitude is the inverse plus one.
  const magnitudeLow = (~low + 1) >>> 0;
  return writeUint64(bytes, at + 1, (~high + (magnitudeLow === 0 ? 1 : 0)) >>> 0, magnitudeLow);
}

/**
 * writeTime writes Unix milliseconds in 13 digits, which is how ClickHouse reads a DateTime64(3) from one number.
 * Fractions are cut off. Throws RangeError outside of 1970..2286.
 */
export function writeTime(bytes: Uint8Array, at: number, ms: number): number {
  if (!(ms >= 0 && ms < 1e13)) throw new RangeError(`time ${ms} ms is outside of 1970 to 2286`);
  const high = (ms / 1e7) | 0;
  const four = (high / 10_000) | 0;
  bytes[at] = DIGITS[four * 4 + 2];
  bytes[at + 1] = DIGITS[four * 4 + 3];
  return writeSeven(bytes, writeFour(bytes, at + 2, high - four * 10_000), (ms - high * 1e7) | 0);
}

// writeUnsigned writes 0 <= value < 2^53.
function writeUnsigned(bytes: Uint8Array, at: number, value: number): number {
  if (value < 1e7) return writePlain(bytes, at, value | 0);
  const high = Math.floor(value / 1e7);
  const next = high < 1e7 ? writePlain(bytes, at, high | 0) : writeUnsigned(bytes, at, high);
  return writeSeven(bytes, next, (value - high * 1e7) | 0);
}

// writePlain writes 0 <= value < 10^7 without leading zeros.
function writePlain(bytes: Uint8Array, at: number, value: number): number {
  if (value >= 10_000) {
    const high = (value / 10_000) | 0;
    return writeFour(bytes, writeLeading(bytes, at, high), value - high * 10_000);
  }
  return writeLeading(bytes, at, value);
}

// writeLeading writes 0 <= value < 10^4 without leading zeros.
function writeLeading(bytes: Uint8Array, at: number, value: number): number {
  const four = value * 4;
  let to = at;
  if (value >= 1_000) bytes[to++] = DIGITS[four];
  if (value >= 100) bytes[to++] = DIGITS[four + 1];
  if (value >= 10) bytes[to++] = DIGITS[four + 2];
  bytes[to] = DIGITS[four + 3];
  return to + 1;
}

function writeFour(bytes: Uint8Array, at: number, value: number): number {
  const four = value * 4;
  bytes[at] = DIGITS[four];
  bytes[at + 1] = DIGITS[four + 1];
  bytes[at + 2] = DIGITS[four + 2];
  bytes[at + 3] = DIGITS[four + 3];
  return at + 4;
}

// writeSeven writes 0 <= value < 10^7 with leading zeros.
function writeSeven(bytes: Uint8Array, at: number, value: number): number {
  const high = (value / 10_000) | 0;
  const four = high * 4;
  bytes[at] = DIGITS[four + 1];
  bytes[at + 1] = DIGITS[four + 2];
  bytes[at + 2] = DIGITS[four + 3];
  return writeFour(bytes, at + 3, value - high * 10_000);
}
