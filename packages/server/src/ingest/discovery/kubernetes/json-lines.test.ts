import { expect, test } from "vitest";
import { jsonLines } from "./json-lines.ts";

async function* pieces(...texts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield typeof text === "string" ? Buffer.from(text) : text;
}

async function read(body: AsyncIterable<Uint8Array>, maxLineBytes = 1000): Promise<unknown[]> {
  const out: unknown[] = [];
  for await (const value of jsonLines(body, maxLineBytes)) out.push(value);
  return out;
}

test.each<[string, (string | Uint8Array)[], unknown[]]>([
  ["nothing", [], []],
  ["a line", ['{"a":1}\n'], [{ a: 1 }]],
  ["a last line without its end", ['{"a":1}\n{"b":2}'], [{ a: 1 }, { b: 2 }]],
  ["several lines in one piece", ["1\n2\n3\n"], [1, 2, 3]],
  ["a line in several pieces", ['{"a"', ":", "1", "}", "\n", "2\n"], [{ a: 1 }, 2]],
  ["empty lines and carriage returns", ["\n\r\n1\r\n\n"], [1]],
  ["a character cut in two", [Buffer.from('"ä"').subarray(0, 2), Buffer.from('"ä"').subarray(2), "\n"], ["ä"]],
])("%s", async (_, body, expected) => {
  expect(await read(pieces(...body))).toEqual(expected);
});

test("a line beyond the limit is refused, before its end is there", async () => {
  let asked = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      asked++;
      yield Buffer.alloc(300, "x");
    }
  }
  await expect(read(endless())).rejects.toThrow("a line of the answer is longer than 1000 bytes");
  expect(asked).toBe(4);
  expect(await read(pieces(`"${"x".repeat(998)}"\n`))).toHaveLength(1);
});

test("what is no JSON is refused", async () => {
  await expect(read(pieces("1\nx\n"))).rejects.toThrow(SyntaxError);
});

test("a long line in many pieces takes time in proportion", async () => {
  const megabytes = 8;
  const body = [`"`, ...Array.from({ length: megabytes * 1024 }, () => "x".repeat(1024)), `"\n`];
  const started = performance.now();
  const [value] = await read(pieces(...body), 16 * 1024 * 1024);
  expect((value as string).length).toBe(megabytes * 1024 * 1024);
  expect(performance.now() - started).toBeLessThan(2000);
});
