// The fingerprint of a label set is its id in the database, so it must be the same after a restart, on another
// machine and in a later version: the algorithm below is part of the storage format (docs/formats). It is two
// 32-bit hashes that feed each other, over the UTF-16 units of names and values; 64-bit arithmetic would need
// BigInt, which is fifty times slower.

/** fingerprint receives the result of hashLabels: [high, low]. Overwritten by every call. */
export const fingerprint = new Uint32Array(2);

/**
 * hashLabels computes the fingerprint of sorted label pairs into `fingerprint`. `salt` is 0 except for the rare
 * label set whose fingerprint is taken by another one, which tries 1, 2, ...
 */
export function hashLabels(pairs: readonly string[], salt = 0): void {
  let a = 0x9747b28c ^ salt;
  let b = 0x2f5e1d93 + salt;
  for (let p = 0; p < pairs.length; p++) {
    const text = pairs[p]!;
    const length = text.length;
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
  fingerprint[0] = a;
  fingerprint[1] = b;
}

// mix spreads every bit over all others (the finaliser of MurmurHash3).
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
