// Reading Protocol Buffers' wire format (https://protobuf.dev/programming-guides/encoding/) in place. There are no message
// objects: whoever reads a message steps through its fields and takes what it needs. Every length is checked
// against the end of the enclosing message before it is followed, so hostile bytes end in a WireError, never in a read
// past the end or an allocation of their choosing.

/** WireError says that bytes are not the message they should be; `offset` is where. */
export class WireError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(`proto: ${message} at offset ${offset}`);
    this.name = "WireError";
    this.offset = offset;
  }
}

/** Wire types, the low three bits of a tag. */
export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

const GROUP_START = 3;
const GROUP_END = 4;
const MAX_GROUP_DEPTH = 32;

/** WireReader is a position in a message. `bytes` may be replaced with `reset`. */
export class WireReader {
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.bytes.buffer);
  /** at is the position of the next byte. */
  at = 0;

  reset(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  /** tag reads a field number and wire type, as field * 8 + type. */
  tag(end: number): number {
    const start = this.at;
    // Fast path: fields 1 to 15.
    const byte = start < end ? this.bytes[start] : 0;
    if (byte >= 8 && byte < 0x80) {
      this.at = start + 1;
      return byte;
    }
    const tag = this.varint(end);
    if (tag > 0xffffffff || tag < 8)
      throw new WireError(`illegal tag ${Math.floor(tag / 8)} (wire type ${tag % 8})`, start);
    return tag;
  }

  /** varint reads an unsigned number; past 2^53 it is only approximate. */
  varint(end: number): number {
    const bytes = this.bytes;
    const start = this.at;
    let at = start;
    let value = 0;
    let scale = 1;
    for (;;) {
      if (at >= end) throw new WireError("unexpected EOF", start);
      if (at === start + 10) throw new WireError("integer overflow", start);
      const byte = bytes[at++];
      if (byte < 0x80) {
        this.at = at;
        return value + byte * scale;
      }
      value += (byte - 0x80) * scale;
      scale *= 0x80;
    }
  }

  /** uint32 reads a number and keeps its low 32 bits, as generated code does. */
  uint32(end: number): number {
    return this.varint(end) >>> 0;
  }

  /** int64 reads a signed number; past ±2^53 it is only approximate. */
  int64(end: number): number {
    this.words(end);
    return (this.high | 0) * 4294967296 + this.low;
  }

  /** sint64 reads a zigzag number. */
  sint64(end: number): number {
    this.words(end);
    // Bits of the magnitude, then the sign in the lowest one.
    const magnitude = (this.high >>> 1) * 4294967296 + (((this.high & 1) * 0x80000000 + (this.low >>> 1)) >>> 0);
    return (this.low & 1) === 0 ? magnitude : -magnitude - 1;
  }

  /** sint32 reads a zigzag number of 32 bits. */
  sint32(end: number): number {
    const value = this.uint32(end);
    return (value >>> 1) ^ -(value & 1);
  }

  /** double reads 8 bytes. */
  double(end: number): number {
    const at = this.at;
    if (at + 8 > end) throw new WireError("unexpected EOF", at);
    this.at = at + 8;
    return this.view.getFloat64(at, true);
  }

  /** length reads the length of a nested message or string and returns its end; the position is then at its start. */
  length(end: number): number {
    const start = this.at;
    const byte = start < end ? this.bytes[start] : 0x80;
    let size: number;
    if (byte < 0x80) {
      this.at = start + 1;
      size = byte;
    } else size = this.varint(end);
    if (size > end - this.at) throw new WireError("unexpected EOF", start);
    return this.at + size;
  }

  /** skip passes over the value of a field. */
  skip(tag: number, end: number): void {
    switch (tag & 7) {
      case VARINT:
        this.varint(end);
        return;
      case FIXED64:
        this.advance(8, end);
        return;
      case BYTES:
        this.at = this.length(end);
        return;
      case FIXED32:
        this.advance(4, end);
        return;
      case GROUP_START:
        this.skipGroup(end);
        return;
      default:
        throw new WireError(`illegal wireType ${tag & 7}`, this.at);
    }
  }

  /** expect throws unless the tag has the wire type. */
  expect(tag: number, wireType: number, field: string): void {
    if ((tag & 7) !== wireType) throw new WireError(`wrong wireType = ${tag & 7} for field ${field}`, this.at);
  }

  private low = 0;
  private high = 0;

  private words(end: number): void {
    const bytes = this.bytes;
    const start = this.at;
    let at = start;
    let low = 0;
    let middle = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= end) throw new WireError("unexpected EOF", start);
      if (shift === 70) throw new WireError("integer overflow", start);
      const byte = bytes[at++];
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift < 56) middle |= bits << (shift - 28);
      else high |= bits << (shift - 56);
      if (byte < 0x80) break;
    }
    this.at = at;
    this.low = (low | (middle << 28)) >>> 0;
    this.high = ((middle >>> 4) | (high << 24)) >>> 0;
  }

  private advance(count: number, end: number): void {
    if (this.at + count > end) throw new WireError("unexpected EOF", this.at);
    this.at += count;
  }

  private skipGroup(end: number): void {
    for (let depth = 1; depth > 0;) {
      const tag = this.tag(end);
      if ((tag & 7) === GROUP_START) {
        if (++depth > MAX_GROUP_DEPTH) throw new WireError("groups are nested too deeply", this.at);
      } else if ((tag & 7) === GROUP_END) depth--;
      else this.skip(tag, end);
    }
  }
}
