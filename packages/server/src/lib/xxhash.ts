// XXH64 (xxhash.com), as the 64-bit hash of label sets is computed all over the Prometheus world. A 64-bit
// number is two unsigned 32-bit halves here; products are put together from 16-bit pieces, because BigInt is
// twenty times slower.

/** Hash64 is a 64-bit hash as two unsigned 32-bit halves. */
export interface Hash64 {
  high: number;
  low: number;
}

// The halves of the product or sum computed last; module variables spare an allocation per step.
let hi = 0;
let lo = 0;

const P1_HI = 0x9e3779b1;
const P1_LO = 0x85ebca87;
const P2_HI = 0xc2b2ae3d;
const P2_LO = 0x27d4eb4f;
const P3_HI = 0x165667b1;
const P3_LO = 0x9e3779f9;
const P4_HI = 0x85ebca77;
const P4_LO = 0xc2b2ae63;
const P5_HI = 0x27d4eb2f;
const P5_LO = 0x165667c5;

function multiply(aHi: number, aLo: number, bHi: number, bLo: number): void {
  // 32 x 32 -> 64 bits from 16-bit pieces, then the cross terms modulo 2^32.
  const a0 = aLo & 0xffff;
  const a1 = aLo >>> 16;
  const b0 = bLo & 0xffff;
  const b1 = bLo >>> 16;
  const low = a0 * b0;
  const middle = a1 * b0 + (low >>> 16);
  const middle2 = a0 * b1 + (middle & 0xffff);
  lo = ((middle2 << 16) | (low & 0xffff)) >>> 0;
  const carry = a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(middle2 / 0x10000);
  hi = (carry + Math.imul(aHi, bLo) + Math.imul(aLo, bHi)) >>> 0;
}

function add(aHi: number, aLo: number, bHi: number, bLo: number): void {
  const low = aLo + bLo;
  lo = low >>> 0;
  hi = (aHi + bHi + (low > 0xffffffff ? 1 : 0)) >>> 0;
}

function rotateLeft(aHi: number, aLo: number, bits: number): void {
  if (bits >= 32) {
    const swap = aHi;
    aHi = aLo;
    aLo = swap;
    bits -= 32;
  }
  if (bits === 0) {
    hi = aHi;
    lo = aLo;
    return;
  }
  hi = ((aHi << bits) | (aLo >>> (32 - bits))) >>> 0;
  lo = ((aLo << bits) | (aHi >>> (32 - bits))) >>> 0;
}

function round(accHi: number, accLo: number, inputHi: number, inputLo: number): void {
  multiply(inputHi, inputLo, P2_HI, P2_LO);
  add(accHi, accLo, hi, lo);
  rotateLeft(hi, lo, 31);
  multiply(hi, lo, P1_HI, P1_LO);
}

function read32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** xxhash64 hashes the first `length` bytes with seed 0. */
export function xxhash64(bytes: Uint8Array, length = bytes.length): Hash64 {
  let at = 0;
  let hHi: number;
  let hLo: number;
  if (length >= 32) {
    const acc = new Uint32Array(8);
    add(P1_HI, P1_LO, P2_HI, P2_LO);
    acc[0] = hi;
    acc[1] = lo;
    acc[2] = P2_HI;
    acc[3] = P2_LO;
    // 0 - P1
    acc[7] = -P1_LO >>> 0;
    acc[6] = ~P1_HI >>> 0;
    for (; at + 32 <= length; at += 32) {
      for (let lane = 0; lane < 4; lane++) {
        const p = at + lane * 8;
        round(acc[2 * lane]!, acc[2 * lane + 1]!, read32(bytes, p + 4), read32(bytes, p));
        acc[2 * lane] = hi;
        acc[2 * lane + 1] = lo;
      }
    }
    rotateLeft(acc[0]!, acc[1]!, 1);
    hHi = hi;
    hLo = lo;
    for (let lane = 1; lane < 4; lane++) {
      rotateLeft(acc[2 * lane]!, acc[2 * lane + 1]!, lane === 1 ? 7 : lane === 2 ? 12 : 18);
      add(hHi, hLo, hi, lo);
      hHi = hi;
      hLo = lo;
    }
    for (let lane = 0; lane < 4; lane++) {
      round(0, 0, acc[2 * lane]!, acc[2 * lane + 1]!);
      multiply((hHi ^ hi) >>> 0, (hLo ^ lo) >>> 0, P1_HI, P1_LO);
      add(hi, lo, P4_HI, P4_LO);
      hHi = hi;
      hLo = lo;
    }
  } else {
    hHi = P5_HI;
    hLo = P5_LO;
  }
  add(hHi, hLo, Math.floor(length / 0x100000000), length >>> 0);
  hHi = hi;
  hLo = lo;
  for (; at + 8 <= length; at += 8) {
    round(0, 0, read32(bytes, at + 4), read32(bytes, at));
    rotateLeft((hHi ^ hi) >>> 0, (hLo ^ lo) >>> 0, 27);
    multiply(hi, lo, P1_HI, P1_LO);
    add(hi, lo, P4_HI, P4_LO);
    hHi = hi;
    hLo = lo;
  }
  if (at + 4 <= length) {
    multiply(0, read32(bytes, at), P1_HI, P1_LO);
    rotateLeft((hHi ^ hi) >>> 0, (hLo ^ lo) >>> 0, 23);
    multiply(hi, lo, P2_HI, P2_LO);
    add(hi, lo, P3_HI, P3_LO);
    hHi = hi;
    hLo = lo;
    at += 4;
  }
  for (; at < length; at++) {
    multiply(0, bytes[at]!, P5_HI, P5_LO);
    rotateLeft((hHi ^ hi) >>> 0, (hLo ^ lo) >>> 0, 11);
    multiply(hi, lo, P1_HI, P1_LO);
    hHi = hi;
    hLo = lo;
  }
  // Avalanche: h ^= h >> 33; h *= P2; h ^= h >> 29; h *= P3; h ^= h >> 32
  hLo = (hLo ^ (hHi >>> 1)) >>> 0;
  multiply(hHi, hLo, P2_HI, P2_LO);
  hHi = hi;
  hLo = (lo ^ ((hi << 3) | (lo >>> 29))) >>> 0;
  hHi = (hHi ^ (hi >>> 29)) >>> 0;
  multiply(hHi, hLo, P3_HI, P3_LO);
  return { high: hi, low: (lo ^ hi) >>> 0 };
}
