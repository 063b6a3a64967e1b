import { expect, test } from "vitest";
import { xxhash64 } from "./xxhash.ts";

const hex = (text: string): string => {
  const { high, low } = xxhash64(new TextEncoder().encode(text));
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
};

// The vectors of github.com/cespare/xxhash: empty, below 4, 8 and 32 bytes, and beyond.
test.each([
  ["", "ef46db3751d8e999"],
  ["a", "d24ec4f1a98c6e5b"],
  ["as", "1c330fb2d66be179"],
  ["asdf", "415872f599cea71e"],
  ["Call me Ishmael. Some years ago--never mind how long precisely-", "02a2e85470d6fd96"],
])("%j", (text, expected) => expect(hex(text)).toBe(expected));

test("only the given length counts", () => {
  const bytes = new TextEncoder().encode("asdf and more");
  expect(xxhash64(bytes, 4)).toEqual(xxhash64(bytes.subarray(0, 4)));
});
