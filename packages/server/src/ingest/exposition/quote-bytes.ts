import { quoteGo } from "@belfry/core/model";

// An error quotes what it could not read; a body without line breaks would otherwise be quoted whole.
const MAX_QUOTED_BYTES = 2000;

/** quoteBytes quotes raw bytes as Go's %q does: valid printable UTF-8 stays, bytes that are not UTF-8 become \xNN. */
export function quoteBytes(bytes: Uint8Array, start: number, end: number): string {
  const stop = Math.min(end, start + MAX_QUOTED_BYTES);
  let out = '"';
  let i = start;
  while (i < stop) {
    const length = utf8SequenceLength(bytes, i, end);
    if (length === 0) {
      out += "\\x" + bytes[i].toString(16).padStart(2, "0");
      i++;
      continue;
    }
    out += quoteGo(decodeUtf8(bytes, i, i + length)).slice(1, -1);
    i += length;
  }
  return out + (stop < end ? '..."' : '"');
}

/** utf8SequenceLength is the length of the valid UTF-8 sequence at `i`, or 0 where there is none. */
function utf8SequenceLength(bytes: Uint8Array, i: number, end: number): number {
  const c = bytes[i];
  if (c < 0x80) return 1;
  const follows = (k: number): boolean => i + k < end && (bytes[i + k] & 0xc0) === 0x80;
  if (c >= 0xc2 && c <= 0xdf) return follows(1) ? 2 : 0;
  if (c >= 0xe0 && c <= 0xef) {
    if (!follows(1) || !follows(2)) return 0;
    const second = bytes[i + 1];
    // Overlong forms and surrogates are no UTF-8.
    return (c === 0xe0 && second < 0xa0) || (c === 0xed && second > 0x9f) ? 0 : 3;
  }
  if (c >= 0xf0 && c <= 0xf4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    const second = bytes[i + 1];
    return (c === 0xf0 && second < 0x90) || (c === 0xf4 && second > 0x8f) ? 0 : 4;
  }
  return 0;
}

/** isValidUtf8 tells whether bytes[start, end) are UTF-8. */
export function isValidUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  while (i < end) {
    if (bytes[i] < 0x80) {
      i++;
      continue;
    }
    const length = utf8SequenceLength(bytes, i, end);
    if (length === 0) return false;
    i += length;
  }
  return true;
}

/** decodeUtf8 makes a string of bytes[start, end); what is not UTF-8 becomes U+FFFD. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  for (let i = start; i < end; i++) {
    if (bytes[i] >= 0x80) return asBuffer(bytes).toString("utf8", start, end);
  }
  // Fast path: short ASCII text, as nearly all label names and values are.
  if (end - start <= 24) {
    let out = "";
    for (let i = start; i < end; i++) out += String.fromCharCode(bytes[i]);
    return out;
  }
  return asBuffer(bytes).toString("latin1", start, end);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
