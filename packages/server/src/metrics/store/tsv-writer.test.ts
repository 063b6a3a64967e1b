import { expect, test } from "vitest";
import { TsvWriter } from "./tsv-writer.ts";

function written(write: (tsv: TsvWriter) => void): string {
  const tsv = new TsvWriter(1);
  write(tsv);
  return Buffer.from(tsv.take()).toString();
}

test("integers", () => {
  const values = [0, 1, 9, 10, 99, 1e9 - 1, 1e9, 1e9 + 1, 1e18 / 1e3, 2 ** 53, -1, -1_700_000_000_000];
  for (const value of values) expect(written((tsv) => tsv.integer(value))).toBe(String(value));
});

test("64-bit unsigned integers", () => {
  const next = random(3);
  const halves = [0, 1, 999_999_999, 0x1fffff, 0x200000, 0x7fffffff, 0x80000000, 0xffffffff, 0x7ff00000];
  for (let i = 0; i < 2000; i++) halves.push(Math.floor(next() * 2 ** 32));
  for (let i = 0; i < halves.length - 1; i++) {
    for (const low of [halves[i + 1]!, 0, 2, 0xffffffff]) {
      const high = halves[i]!;
      expect(written((tsv) => tsv.unsigned64(high, low))).toBe(String((BigInt(high) << 32n) | BigInt(low)));
    }
  }
});

test("floats read back to the same bits", () => {
  const next = random(5);
  const bits = new DataView(new ArrayBuffer(8));
  const values = [
    0,
    -0,
    0.1,
    -0.1,
    12.34,
    0.000001,
    1e-7,
    1e21,
    1e22,
    5e-324,
    Number.MAX_VALUE,
    2 ** 50,
    2 ** 50 + 0.5,
    1.000001,
  ];
  for (let i = 0; i < 20_000; i++) {
    bits.setUint32(0, Math.floor(next() * 2 ** 32));
    bits.setUint32(4, Math.floor(next() * 2 ** 32));
    const any = bits.getFloat64(0);
    if (Number.isFinite(any)) values.push(any);
    values.push(Math.round(next() * 1e9) / 10 ** (i % 8), Math.round(next() * 1e15), (next() - 0.5) * 10 ** (i % 20));
  }
  for (const value of values) {
    const text = written((tsv) => tsv.float(value));
    expect(Object.is(Number(text), value), `${value} as ${text}`).toBe(true);
  }
});

test("text is escaped and rows are counted", () => {
  const tsv = new TsvWriter(1);
  tsv.text("a\tb\nc\\d'e\0");
  tsv.tab();
  tsv.text("käse 🧀");
  tsv.row();
  tsv.text("");
  tsv.tab();
  tsv.raw("x");
  tsv.row();
  expect(tsv.rows).toBe(2);
  expect(Buffer.from(tsv.take()).toString()).toBe("a\\tb\\nc\\\\d\\'e\\0\tkäse 🧀\n\tx\n");
  expect([tsv.rows, tsv.sizeBytes]).toEqual([0, 0]);
});

test("what was taken does not change any more", () => {
  for (const capacity of [4, 4096]) {
    const tsv = new TsvWriter(capacity);
    tsv.raw("first");
    const first = tsv.take();
    tsv.raw("other");
    expect(Buffer.from(first).toString()).toBe("first");
    expect(Buffer.from(tsv.take()).toString()).toBe("other");
  }
});

function random(seed: number): () => number {
  let state = seed;
  return () => ((state = (state * 48271) % 2147483647), state / 2147483647);
}
