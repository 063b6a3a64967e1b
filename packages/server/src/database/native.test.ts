import { expect, test } from "vitest";
import { decodeNative, numbersOf, type Block } from "./native.ts";

// SELECT toUInt64(4294967298) AS id, toDateTime64(1.5, 3, 'UTC') AS t, -0.5 AS v, 'é' AS s, [toInt32(-1), 2] AS a,
// arrayJoin([['x', ''], []]) AS l FORMAT Native
const GOLDEN =
  "0602" +
  "02" +
  "6964" +
  "06" +
  "55496e743634" +
  "0200000001000000".repeat(2) +
  "0174" +
  "14" +
  Buffer.from("DateTime64(3, 'UTC')").toString("hex") +
  "dc05000000000000".repeat(2) +
  "0176" +
  "07" +
  Buffer.from("Float64").toString("hex") +
  "000000000000e0bf".repeat(2) +
  "0173" +
  "06" +
  Buffer.from("String").toString("hex") +
  "02c3a9".repeat(2) +
  "0161" +
  "0c" +
  Buffer.from("Array(Int32)").toString("hex") +
  "02000000000000000400000000000000" +
  "ffffffff02000000".repeat(2) +
  "016c" +
  "0d" +
  Buffer.from("Array(String)").toString("hex") +
  "02000000000000000200000000000000" +
  "0178" +
  "00";

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function decode(bytes: Uint8Array, size = bytes.length): Promise<Block[]> {
  const blocks: Block[] = [];
  for await (const block of decodeNative(chunks(bytes, size))) blocks.push(block);
  return blocks;
}

test("decodes a block", async () => {
  const [block, ...none] = await decode(Buffer.from(GOLDEN, "hex"));
  expect(none).toEqual([]);
  expect(block).toEqual({
    rows: 2,
    columns: [
      { kind: "words", words: new Uint32Array([2, 1, 2, 1]) },
      { kind: "words", words: new Uint32Array([1500, 0, 1500, 0]) },
      { kind: "numbers", values: new Float64Array([-0.5, -0.5]) },
      { kind: "strings", values: ["é", "é"] },
      {
        kind: "arrays",
        ends: new Float64Array([2, 4]),
        items: { kind: "numbers", values: new Int32Array([-1, 2, -1, 2]) },
      },
      { kind: "arrays", ends: new Float64Array([2, 2]), items: { kind: "strings", values: ["x", ""] } },
    ],
  });
});

test("chunks may be cut anywhere, also at an odd offset of their memory", async () => {
  const one = Buffer.from(GOLDEN, "hex");
  const two = Buffer.concat([Buffer.from([0]), one, Buffer.from("0000", "hex"), one]).subarray(1);
  const whole = await decode(two);
  expect(whole).toHaveLength(2);
  for (const size of [1, 2, 3, 7, 64, 200]) expect(await decode(two, size)).toEqual(whole);
});

test("a result that ends early is an error, not a shorter result", async () => {
  const bytes = Buffer.from(GOLDEN, "hex");
  for (const length of [1, 10, bytes.length - 1]) {
    await expect(decode(bytes.subarray(0, length))).rejects.toThrow("the result ends inside a block");
  }
});

test("a type that is not decoded is our mistake", async () => {
  const bytes = Buffer.from("0101016105" + Buffer.from("Int16").toString("hex") + "0000", "hex");
  await expect(decode(bytes)).rejects.toThrow("BUG: column type Int16 is not decoded");
});

test("64-bit integers become numbers", () => {
  const words = new Uint32Array([0, 0, 0xffffffff, 0xffffffff, 0xffffffff, 0x1fffff, 5, 0]);
  expect(numbersOf(words)).toEqual(new Float64Array([0, -1, 2 ** 53 - 1, 5]));
});
