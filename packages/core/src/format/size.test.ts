import { describe, expect, test } from "vitest";
import { formatSize, parseSize, SizeError } from "./index.ts";

describe("sizes", () => {
  test.each([
    ["0", 0],
    ["0B", 0],
    ["512MB", 512 * 1024 ** 2],
    ["15GB", 15 * 1024 ** 3],
    ["1KiB", 1024],
    ["1.5GiB", 1.5 * 1024 ** 3],
    [".5KB", 512],
    ["1GiB512MiB", 1.5 * 1024 ** 3],
    ["-1KB", -1024],
    ["+7B", 7],
    ["8EiB", undefined],
    ["1.0000001KB", 1024],
  ])("%s is read", (text, bytes) => {
    if (bytes === undefined) expect(() => parseSize(text)).toThrow("units: overflow parsing unit");
    else expect(parseSize(text)).toBe(bytes);
  });

  test.each([
    ["", "units: invalid "],
    ["-", "units: invalid -"],
    [".B", "units: invalid .B"],
    ["MB", "units: invalid MB"],
    ["10", "units: unknown unit  in 10"],
    ["1XB", "units: unknown unit XB in 1XB"],
    ["1mb", "units: unknown unit mb in 1mb"],
    ["1 KB", "units: unknown unit  KB in 1 KB"],
  ])("%j is refused", (text, message) => {
    expect(() => parseSize(text)).toThrow(new SizeError(text, message));
  });

  test.each([
    [0, "0B"],
    [1023, "1023B"],
    [1536, "1KiB512B"],
    [512 * 1024 ** 2, "512MiB"],
    [-1024, "-1KiB"],
  ])("%d is written %s", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
    expect(parseSize(text)).toBe(bytes);
  });
});
