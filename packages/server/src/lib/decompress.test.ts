import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { decompress, DecompressError, SizeLimitError } from "./decompress.ts";

const BODY = Buffer.from("metric 1\n".repeat(1000));
const LARGE = Buffer.alloc(4_000_000, "0123456789abcdef");
// Does not shrink, so that the input passes the bound of what is done on this thread.
const NOISE = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 2654435761) >>> 24));

const CODECS: [string, (bytes: Uint8Array) => Uint8Array][] = [
  ["gzip", gzipSync],
  ["x-gzip", gzipSync],
  ["deflate", deflateSync],
  ["deflate", deflateRawSync],
  ["zstd", zstdCompressSync],
  ["br", brotliCompressSync],
];

describe("decompress", () => {
  test.each(CODECS)("%s", async (encoding, compress) => {
    for (const body of [BODY, LARGE, NOISE, Buffer.alloc(0)]) {
      const out = await decompress(compress(body), encoding, 10_000_000, body.length);
      expect(Buffer.compare(out, body)).toBe(0);
    }
  });

  test.each(CODECS)("%s bombs are stopped", async (encoding, compress) => {
    const bomb = compress(LARGE);
    await expect(decompress(bomb, encoding, 100_000)).rejects.toThrow(SizeLimitError);
    await expect(decompress(compress(NOISE), encoding, 100_000)).rejects.toThrow(SizeLimitError);
  });

  test.each(CODECS)("%s that is damaged is an error", async (encoding, compress) => {
    const good = compress(NOISE);
    const cut = good.subarray(0, good.length - 20);
    await expect(decompress(cut, encoding, 10_000_000)).rejects.toThrow(DecompressError);
    await expect(decompress(Buffer.from("\u0001\u0002\u0003 not compressed at all"), encoding, 1000)).rejects.toThrow(
      DecompressError,
    );
  });

  test("several encodings, none, and unknown ones", async () => {
    expect(await decompress(gzipSync(zstdCompressSync(BODY)), "zstd, gzip", 1e6)).toEqual(BODY);
    expect(await decompress(BODY, "identity", 1e6)).toEqual(BODY);
    await expect(decompress(BODY, "", 100)).rejects.toThrow("the body exceeds 100 bytes");
    await expect(decompress(BODY, "lzma", 1e6)).rejects.toThrow('unknown content encoding "lzma"');
    await expect(decompress(BODY, "gzip,gzip,gzip,gzip", 1e6)).rejects.toThrow("more than 3 content encodings");
  });
});
