// The fingerprint of a label set is its id in the database, so it must be the same after a restart, on another
// machine and in a later version: the algorithm below is part of the storage format.
//
//   63            48 47                                    0
//   [ metric name   | all names and values                  ]
//
// The name comes first, so that the series of one metric lie together in the tables and one range of ids covers
// them. 48 bits keep a million series of one metric apart with odds of 1 to 500; a collision is found when the
// second series is created, and it gets a salted fingerprint.
//
// It is two 32-bit hashes that feed each other, over UTF-16 units; 64-bit arithmetic would need BigInt, which is
// far slower.
import { METRIC_NAME } from "@belfry/core/model";

/** fingerprint receives the result of hashLabels: [high, low]. Overwritten by every call. */
export const fingerprint = new Uint32Array(2);

/**
 * hashLabels computes the fingerprint of sorted label pairs into `fingerprint`. `salt` is 0 except for the rare
 * label set whose fingerprint is taken by another one, which tries 1, 2, ...
 */
export function hashLabels(pairs: readonly string[], salt = 0): void {
  let a = 0x9747b28c ^ salt;
  let b = 0x2f5e1d93 + salt;
  let name = "";
  for (let p = 0; p < pairs.length; p++) {
    const text = pairs[p]!;
    const length = text.length;
    if (text === METRIC_NAME && (p & 1) === 0) name = pairs[p + 1]!;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      a = Math.imul(a ^ unit, 0x85ebca6b);
      a = (a << 13) | (a >>> 19);
      b = Math.imul(b + unit, 0xc2b2ae35);
      b = (b << 17) | (b >>> 15);
    }
    // The length keeps ("ab", "c") and ("a", "bc") apart; crossing makes the halves depend on each other.
    const x = a ^ length;
    a = Math.imul(x + b, 0x27d4eb2f);
    b = Math.imul(b ^ (x >>> 7), 0x165667b1) + x;
  }
  a = mix(a ^ (b >>> 16));
  b = mix(b + a);
  a = mix(a ^ b);
  fingerprint[0] = (hashName(name) << 16) | (a & 0xffff);
  fingerprint[1] = b;
}

/** hashName is the 16 bits that the ids of all series of a metric begin with. */
export function hashName(name: string): number {
  let h = 0x3c6ef372;
  for (let i = 0; i < name.length; i++) {
    h = Math.imul(h ^ name.charCodeAt(i), 0x9e3779b1);
    h = (h << 15) | (h >>> 17);
  }
  return mix(h) >>> 16;
}

// mix spreads every bit over all others (the finaliser of MurmurHash3).
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
