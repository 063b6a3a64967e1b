import { describe, expect, test } from "vitest";
import { MAX_DIGITS, writeInt64, writeInteger, writeTime, writeUint64 } from "./digits.ts";

function written(write: (bytes: Uint8Array, at: number) => number): string {
  const bytes = new Uint8Array(MAX_DIGITS + 8).fill(120);
  const end = write(bytes, 2);
  expect(bytes[end]).toBe(120);
  expect(end - 2).toBeLessThanOrEqual(MAX_DIGITS);
  return Buffer.from(bytes.subarray(2, end)).toString("latin1");
}

// xorshift, so that a failure can be repeated.
function words(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

describe("writeInteger", () => {
  const values = [0, 1, 9, 10, 99, 100, 999, 1_000, 9_999, 10_000, 99_999, 100_000, 9_999_999, 10_000_000, 10_000_001];
  for (const value of [...values, 99_999_999_999_999, 2 ** 53 - 1]) {
    test(`${value}`, () => {
      expect(written((bytes, at) => writeInteger(bytes, at, value))).toBe(String(value));
      if (value > 0) expect(written((bytes, at) => writeInteger(bytes, at, -value))).toBe(String(-value));
    });
  }
});

describe("64-bit integers", () => {
  const cases: [number, number][] = [
    [0, 0],
    [0, 0xffffffff],
    [0x1fffff, 0xffffffff],
    [0x200000, 0],
    [0x7fffffff, 0xffffffff],
    [0x80000000, 0],
    [0x80000000, 1],
    [0xffffffff, 0],
    [0xffffffff, 0xffffffff],
    [0x7ff00000, 2],
  ];
  const next = words(20_251);
  for (let i = 0; i < 20_000; i++) cases.push([next() >>> (next() % 32), next()]);

  test("are written as BigInt writes them", () => {
    for (const [high, low] of cases) {
      const big = (BigInt(high) << 32n) | BigInt(low);
      expect(written((bytes, at) => writeUint64(bytes, at, high, low))).toBe(big.toString());
      expect(written((bytes, at) => writeInt64(bytes, at, high, low))).toBe(BigInt.asIntN(64, big).toString());
    }
  });
});

describe("writeTime", () => {
  test.each([
    [0, "0000000000000"],
    [5, "0000000000005"],
    [9_999_999, "0000009999999"],
    [1_700_000_000_123, "1700000000123"],
    [1_700_000_000_123.9, "1700000000123"],
    [9_999_999_999_999, "9999999999999"],
  ])("%d", (ms, text) => {
    expect(written((bytes, at) => writeTime(bytes, at, ms))).toBe(text);
  });

  test.each([-1, 1e13, NaN, Infinity])("refuses %d", (ms) => {
    expect(() => writeTime(new Uint8Array(32), 0, ms)).toThrow(`time ${ms} ms is outside of 1970 to 2286`);
  });
});
