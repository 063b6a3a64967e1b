// Snappy's block format (https://github.com/google/snappy/blob/main/format_description.txt), the compression of remote
// write, remote read and Loki's push API.
//
//   block    = varint(uncompressed length) element*
//   element  = tag literal | tag copy              low two bits of the tag: what follows
//     00  literal   length-1 in the upper 6 bits, or 60..63: in the next 1..4 bytes; then the bytes
//     01  copy      length-4 in bits 2..4, offset = bits 5..7 and one byte
//     10  copy      length-1 in the upper 6 bits, offset = two bytes
//     11  copy      length-1 in the upper 6 bits, offset = four bytes
//
// A copy may overlap what it writes: offset 1, length 64 repeats one byte. The length in front says how much memory to
// take, so it is the attacker's number: it is checked against a limit before anything is allocated, and against what
// the input can possibly expand to.

/** SnappyError says that bytes are not a Snappy block; `offset` is where in the input. */
export class SnappyError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(`snappy: ${message} at offset ${offset}`);
    this.name = "SnappyError";
    this.offset = offset;
  }
}

/** SnappyTooLargeError says that a block would decode to more bytes than allowed. */
export class SnappyTooLargeError extends SnappyError {
  readonly decodedBytes: number;
  constructor(decodedBytes: number, maxBytes: number) {
    super(`decoded block would be ${decodedBytes} bytes, more than the limit of ${maxBytes}`, 0);
    this.decodedBytes = decodedBytes;
  }
}

// One element makes at most 64 bytes out of 2 (a copy with one offset byte makes 11); a claimed length beyond that
// ratio is a lie, and believing it would let a few bytes allocate gigabytes.
const MAX_EXPANSION = 64;

/** snappyDecodedLength reads the uncompressed length that a block claims. */
export function snappyDecodedLength(input: Uint8Array): number {
  return readLength(input).length;
}

function readLength(input: Uint8Array): { length: number; next: number } {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    if (i >= input.length) throw new SnappyError("input ends within the length", i);
    const byte = input[i];
    // The fifth byte holds the top four bits of 32.
    if (i === 4 && byte > 0x0f) throw new SnappyError("length exceeds 32 bits", i);
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { length, next: i + 1 };
  }
  throw new SnappyError("length exceeds 32 bits", 5);
}

// Copying goes four bytes at a time where that is possible, which may write up to three bytes past what was asked for;
// they are overwritten by the next element, and the output buffer has room for those after the last one.
const SLACK = 4;

/**
 * decodeSnappy decodes a block. `maxBytes` bounds the result. When `reuse` has room (4 bytes more than the result) the
 * result is a view of it, valid until its next use; otherwise it is newly allocated. Throws SnappyError, and
 * SnappyTooLargeError past the bound.
 */
export function decodeSnappy(input: Uint8Array, maxBytes: number, reuse?: Uint8Array): Uint8Array {
  const { length, next } = readLength(input);
  if (length > maxBytes) throw new SnappyTooLargeError(length, maxBytes);
  if (length > (input.length - next) * MAX_EXPANSION)
    throw new SnappyError(`input is too short for ${length} bytes`, next);
  const need = length + SLACK;
  const out = reuse !== undefined && reuse.length >= need ? reuse : new Uint8Array(need);
  const outView = new DataView(out.buffer, out.byteOffset, out.byteLength);
  const inputView = new DataView(input.buffer, input.byteOffset, input.byteLength);
  let from = next;
  let to = 0;
  const end = input.length;
  while (from < end) {
    const start = from;
    const tag = input[from++];
    if ((tag & 3) === 0) {
      let size = (tag >>> 2) + 1;
      if (size > 60) {
        const extra = size - 60;
        if (from + extra > end) throw new SnappyError("input ends within a literal's length", start);
        size = 0;
        for (let i = 0; i < extra; i++) size += input[from + i] * 2 ** (8 * i);
        size += 1;
        from += extra;
      }
      if (size > end - from) throw new SnappyError("literal runs past the end of the input", start);
      if (size > length - to) throw new SnappyError("literal runs past the decoded length", start);
      const stop = to + size;
      if (size > 60) {
        out.set(input.subarray(from, from + size), to);
        from += size;
      } else if (from + size + 3 <= end) {
        // Fast path: a loop beats the fixed cost of a view and a call for short runs.
        const delta = from - to;
        for (; to < stop; to += 4) outView.setInt32(to, inputView.getInt32(to + delta, true), true);
        from += size;
      } else {
        while (to < stop) out[to++] = input[from++];
      }
      to = stop;
      continue;
    }
    let size: number;
    let offset: number;
    if ((tag & 3) === 1) {
      if (from + 1 > end) throw new SnappyError("input ends within a copy", start);
      size = ((tag >>> 2) & 7) + 4;
      offset = ((tag & 0xe0) << 3) | input[from++];
    } else if ((tag & 3) === 2) {
      if (from + 2 > end) throw new SnappyError("input ends within a copy", start);
      size = (tag >>> 2) + 1;
      offset = input[from] | (input[from + 1] << 8);
      from += 2;
    } else {
      if (from + 4 > end) throw new SnappyError("input ends within a copy", start);
      size = (tag >>> 2) + 1;
      offset = inputView.getUint32(from, true);
      from += 4;
    }
    if (offset === 0 || offset > to)
      throw new SnappyError(`copy from ${offset} bytes back, only ${to} are decoded`, start);
    if (size > length - to) throw new SnappyError("copy runs past the decoded length", start);
    const stop = to + size;
    if (offset >= 4) {
      for (; to < stop; to += 4) outView.setInt32(to, outView.getInt32(to - offset, true), true);
    } else {
      // Byte by byte in ascending order is what makes overlapping copies repeat.
      for (; to < stop; to++) out[to] = out[to - offset];
    }
    to = stop;
  }
  if (to !== length) throw new SnappyError(`block ends after ${to} bytes, expected ${length}`, end);
  return out.subarray(0, length);
}

// Offsets within a block of this size fit into the two bytes of the common copy.
const BLOCK_BYTES = 65536;
const TABLE_BITS = 14;
const table = new Uint16Array(1 << TABLE_BITS);

/** encodeSnappy encodes bytes as one block. */
export function encodeSnappy(input: Uint8Array): Uint8Array {
  const out = new Uint8Array(maxEncodedLength(input.length));
  let to = 0;
  let length = input.length;
  while (length >= 0x80) {
    out[to++] = (length & 0x7f) | 0x80;
    length = Math.floor(length / 0x80);
  }
  out[to++] = length;
  for (let start = 0; start < input.length; start += BLOCK_BYTES) {
    to = encodeBlock(input, start, Math.min(start + BLOCK_BYTES, input.length), out, to);
  }
  return out.slice(0, to);
}

// A literal costs up to 5 bytes in front of it, and there is at most one per block that nothing matched in; between
// matches literals cost one byte per four at worst.
function maxEncodedLength(length: number): number {
  return 32 + length + Math.ceil(length / 6);
}

function encodeBlock(input: Uint8Array, start: number, end: number, out: Uint8Array, to: number): number {
  table.fill(0);
  let literal = start;
  let at = start + 1;
  // Input that does not match is skipped faster and faster.
  let misses = 32;
  while (at + 4 <= end) {
    const word = read32(input, at);
    const hash = Math.imul(word, 0x1e35a7bd) >>> (32 - TABLE_BITS);
    const candidate = start + table[hash];
    table[hash] = at - start;
    if (candidate >= at || read32(input, candidate) !== word) {
      at += misses++ >>> 5;
      continue;
    }
    misses = 32;
    if (at > literal) to = writeLiteral(input, literal, at, out, to);
    let matched = 4;
    while (at + matched < end && input[candidate + matched] === input[at + matched]) matched++;
    to = writeCopy(at - candidate, matched, out, to);
    at += matched;
    literal = at;
  }
  return end > literal ? writeLiteral(input, literal, end, out, to) : to;
}

function read32(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

function writeLiteral(input: Uint8Array, from: number, end: number, out: Uint8Array, to: number): number {
  const size = end - from - 1;
  if (size < 60) {
    out[to++] = size << 2;
  } else if (size < 0x100) {
    out[to++] = 60 << 2;
    out[to++] = size;
  } else {
    // Never longer than a block.
    out[to++] = 61 << 2;
    out[to++] = size;
    out[to++] = size >>> 8;
  }
  out.set(input.subarray(from, end), to);
  return to + end - from;
}

function writeCopy(offset: number, size: number, out: Uint8Array, to: number): number {
  while (size > 0) {
    // A rest below 4 could not use the short form; 60 leaves enough for it.
    const part = size <= 64 ? size : size < 68 ? 60 : 64;
    if (part >= 4 && part < 12 && offset < 2048) {
      out[to++] = 1 | ((part - 4) << 2) | ((offset >>> 8) << 5);
      out[to++] = offset;
    } else {
      out[to++] = 2 | ((part - 1) << 2);
      out[to++] = offset;
      out[to++] = offset >>> 8;
    }
    size -= part;
  }
  return to;
}
