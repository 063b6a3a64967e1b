// limit_ratio picks series by the hash of their labels, so that every evaluation, and every Prometheus, picks the
// same ones. The hash is XXH64 over the labels as Prometheus 3 lays them out in memory:
//
//   len name len value len name len value ...     len: one byte below 255, else 255 and three bytes, low first
import type { Labels } from "@belfry/core/model";
import { type Hash64, xxhash64 } from "../../lib/xxhash.ts";

const encoder = new TextEncoder();
let bytes = new Uint8Array(1024);

/** labelsHash is Prometheus' Labels.Hash(). */
export function labelsHash(labels: Labels): Hash64 {
  let length = 0;
  for (const text of labels.pairs) {
    // UTF-8 takes at most three bytes per UTF-16 unit.
    if (length + 4 + text.length * 3 > bytes.length) {
      const grown = new Uint8Array((length + 4 + text.length * 3) * 2);
      grown.set(bytes);
      bytes = grown;
    }
    // The size is only known after encoding; nearly all fit one byte.
    let { written } = encoder.encodeInto(text, bytes.subarray(length + 1));
    if (written < 255) bytes[length++] = written;
    else {
      bytes[length++] = 255;
      bytes[length++] = written & 0xff;
      bytes[length++] = (written >> 8) & 0xff;
      bytes[length++] = (written >> 16) & 0xff;
      ({ written } = encoder.encodeInto(text, bytes.subarray(length)));
    }
    length += written;
  }
  return xxhash64(bytes, length);
}

/** labelsRatio maps the hash to [0, 1]. */
export function labelsRatio(labels: Labels): number {
  const { high, low } = labelsHash(labels);
  return (high * 0x100000000 + low) / 2 ** 64;
}
