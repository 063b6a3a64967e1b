import { describe, expect, test } from "vitest";
import { decodeSnappy, encodeSnappy, SnappyError, SnappyTooLargeError, snappyDecodedLength } from "./snappy.ts";

const LIMIT = 1 << 24;
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const ascii = (text: string): number[] => [...text].map((char) => char.charCodeAt(0));
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** A small generator with a seed, so that a failure can be repeated (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

describe("decodeSnappy", () => {
  test.each([
    ["nothing", bytes(0), ""],
    ["a literal", bytes(5, 4 << 2, ...ascii("hello")), "hello"],
    ["a literal with one length byte", bytes(61, 60 << 2, 60, ...ascii("x".repeat(61))), "x".repeat(61)],
    [
      "a literal with two length bytes",
      bytes(0xac, 0x02, 61 << 2, 0x2b, 0x01, ...ascii("y".repeat(300))),
      "y".repeat(300),
    ],
    ["a literal with three length bytes", bytes(3, 62 << 2, 2, 0, 0, ...ascii("abc")), "abc"],
    ["a literal with four length bytes", bytes(3, 63 << 2, 2, 0, 0, 0, ...ascii("abc")), "abc"],
    ["a copy with one offset byte", bytes(8, 3 << 2, ...ascii("abcd"), 1, 4), "abcdabcd"],
    ["a copy with two offset bytes", bytes(8, 3 << 2, ...ascii("abcd"), 2 | (3 << 2), 4, 0), "abcdabcd"],
    ["a copy with four offset bytes", bytes(8, 3 << 2, ...ascii("abcd"), 3 | (3 << 2), 4, 0, 0, 0), "abcdabcd"],
    ["a copy that overlaps itself", bytes(11, 0, ...ascii("a"), 1 | (6 << 2), 1), "a".repeat(11)],
    ["a copy of a pattern longer than its offset", bytes(9, 2 << 2, ...ascii("abc"), 2 | (5 << 2), 3, 0), "abcabcabc"],
  ])("%s", (_name, input, expected) => {
    expect(text(decodeSnappy(input, LIMIT))).toBe(expected);
  });

  test.each([
    ["no input", bytes(), "snappy: input ends within the length at offset 0"],
    ["an unfinished length", bytes(0x80, 0x80), "snappy: input ends within the length at offset 2"],
    ["a length past 32 bits", bytes(0xff, 0xff, 0xff, 0xff, 0x1f), "snappy: length exceeds 32 bits at offset 4"],
    [
      "a length that never ends",
      bytes(0x80, 0x80, 0x80, 0x80, 0x80, 0x00),
      "snappy: length exceeds 32 bits at offset 4",
    ],
    [
      "a length the input cannot reach",
      bytes(0xff, 0xff, 0x03, 0x00),
      "snappy: input is too short for 65535 bytes at offset 3",
    ],
    [
      "a literal past the input",
      bytes(5, 4 << 2, ...ascii("hell")),
      "snappy: literal runs past the end of the input at offset 1",
    ],
    [
      "a literal past the length",
      bytes(4, 4 << 2, ...ascii("hello")),
      "snappy: literal runs past the decoded length at offset 1",
    ],
    ["an unfinished literal length", bytes(5, 61 << 2, 4), "snappy: input ends within a literal's length at offset 1"],
    [
      "a huge literal length",
      bytes(5, 63 << 2, 0xff, 0xff, 0xff, 0xff, 1),
      "snappy: literal runs past the end of the input at offset 1",
    ],
    [
      "a copy of nothing",
      bytes(8, 3 << 2, ...ascii("abcd"), 1, 0),
      "snappy: copy from 0 bytes back, only 4 are decoded at offset 6",
    ],
    [
      "a copy from before the start",
      bytes(8, 3 << 2, ...ascii("abcd"), 1, 5),
      "snappy: copy from 5 bytes back, only 4 are decoded at offset 6",
    ],
    [
      "a copy with a huge offset",
      bytes(8, 3 << 2, ...ascii("abcd"), 3 | (3 << 2), 255, 255, 255, 255),
      "snappy: copy from 4294967295 bytes back, only 4 are decoded at offset 6",
    ],
    [
      "a copy past the length",
      bytes(7, 3 << 2, ...ascii("abcd"), 1, 4),
      "snappy: copy runs past the decoded length at offset 6",
    ],
    ["an unfinished copy", bytes(8, 3 << 2, ...ascii("abcd"), 2, 4), "snappy: input ends within a copy at offset 6"],
    [
      "a block that ends early",
      bytes(9, 3 << 2, ...ascii("abcd")),
      "snappy: block ends after 4 bytes, expected 9 at offset 6",
    ],
  ])("refuses %s", (_name, input, message) => {
    expect(() => decodeSnappy(input, LIMIT)).toThrow(
      new SnappyError(message.replace(/^snappy: | at offset \d+$/g, ""), Number(/\d+$/.exec(message)![0])),
    );
  });

  test("refuses more than the limit before allocating it", () => {
    const bomb = bytes(0xff, 0xff, 0xff, 0xff, 0x0f, 0);
    expect(() => decodeSnappy(bomb, 1 << 20)).toThrow(SnappyTooLargeError);
    expect(snappyDecodedLength(bomb)).toBe(0xffffffff);
    expect(() => decodeSnappy(encodeSnappy(new Uint8Array(1001)), 1000)).toThrow(
      "snappy: decoded block would be 1001 bytes, more than the limit of 1000 at offset 0",
    );
    expect(decodeSnappy(encodeSnappy(new Uint8Array(1000)), 1000)).toHaveLength(1000);
  });

  test("decodes into a given buffer when it fits", () => {
    const buffer = new Uint8Array(100);
    const out = decodeSnappy(encodeSnappy(new TextEncoder().encode("hello hello hello")), LIMIT, buffer);
    expect(text(out)).toBe("hello hello hello");
    expect(out.buffer).toBe(buffer.buffer);
    expect(decodeSnappy(encodeSnappy(new Uint8Array(96)), LIMIT, buffer).buffer).toBe(buffer.buffer);
    expect(decodeSnappy(encodeSnappy(new Uint8Array(97)), LIMIT, buffer).buffer).not.toBe(buffer.buffer);
  });

  test("whatever the bytes, it answers or refuses, and stays within the length", () => {
    for (let seed = 0; seed < 3000; seed++) {
      const next = random(seed);
      const input = new Uint8Array(1 + Math.floor(next() * 60));
      for (let i = 0; i < input.length; i++) input[i] = Math.floor(next() * 256);
      // A plausible length, or most inputs would end there.
      input[0] = Math.floor(next() * 128);
      try {
        const out = decodeSnappy(input, LIMIT);
        expect(out).toHaveLength(input[0]);
      } catch (error) {
        expect(error, `seed ${seed}`).toBeInstanceOf(SnappyError);
      }
    }
  });

  test("a valid block with one byte changed is refused or decoded to the claimed length", () => {
    const original = encodeSnappy(new TextEncoder().encode("abcabcabcdefdefdef ".repeat(40)));
    for (let i = 0; i < original.length; i++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const input = original.slice();
        input[i] ^= flip;
        try {
          expect(decodeSnappy(input, LIMIT)).toHaveLength(snappyDecodedLength(input));
        } catch (error) {
          expect(error).toBeInstanceOf(SnappyError);
        }
      }
    }
  });
});

describe("encodeSnappy", () => {
  test("golden bytes", () => {
    expect([...encodeSnappy(new TextEncoder().encode("hellohellohello"))]).toEqual([
      15,
      4 << 2,
      ...ascii("hello"),
      1 | (6 << 2),
      5,
    ]);
    expect([...encodeSnappy(new Uint8Array(0))]).toEqual([0]);
  });

  test("every length and short offset", () => {
    for (let period = 1; period <= 9; period++) {
      for (let length = 0; length < 200; length++) {
        const input = Uint8Array.from({ length }, (_, i) => i % period);
        expect([...decodeSnappy(encodeSnappy(input), LIMIT)]).toEqual([...input]);
      }
    }
  });

  test("round trips of seeded inputs", () => {
    for (let seed = 0; seed < 400; seed++) {
      const next = random(seed);
      const length = Math.floor(next() ** 4 * 300_000);
      const alphabet = 1 + Math.floor(next() * 255);
      const input = new Uint8Array(length);
      for (let i = 0; i < length;) {
        if (i > 0 && next() < 0.3) {
          // A repetition from somewhere earlier, of any length.
          let from = Math.floor(next() * i);
          for (let run = Math.floor(next() * 200); run > 0 && i < length; run--) input[i++] = input[from++];
        } else input[i++] = Math.floor(next() * alphabet);
      }
      const encoded = encodeSnappy(input);
      expect(Buffer.compare(decodeSnappy(encoded, LIMIT), input), `seed ${seed}`).toBe(0);
    }
  });

  test("compresses what repeats, and hardly grows what does not", () => {
    expect(encodeSnappy(new Uint8Array(100_000)).length).toBeLessThan(5000);
    const next = random(1);
    const noise = Uint8Array.from({ length: 100_000 }, () => Math.floor(next() * 256));
    expect(encodeSnappy(noise).length).toBeLessThan(100_050);
  });
});
