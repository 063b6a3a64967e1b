import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { diskSpace, folderBytes } from "./disk.ts";
import { fileErrorCode, fileHolds, makeFolder, writeFileAtomic } from "./files.ts";
import { Backoff } from "./retry.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "belfry-files-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("writeFileAtomic", () => {
  test("replaces the file and leaves nothing beside it", () => {
    const path = join(root, "a");
    writeFileAtomic(path, "one");
    writeFileAtomic(path, Buffer.from("two"), 0o600);
    expect(readFileSync(path, "utf8")).toBe("two");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(root)).toEqual(["a"]);
    expect([fileHolds(path, "two"), fileHolds(path, "one"), fileHolds(join(root, "b"), "")]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test("a failure leaves the old file and nothing else", () => {
    const path = join(root, "a");
    mkdirSync(join(path, "child"), { recursive: true });
    expect(() => writeFileAtomic(path, "one")).toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(readdirSync(root)).toEqual(["a"]);
    expect(() => writeFileAtomic(join(root, "no", "a"), "one")).toThrow("ENOENT");
  });
});

test("makeFolder says whether it was missing", () => {
  expect([makeFolder(join(root, "a", "b")), makeFolder(join(root, "a", "b"))]).toEqual([true, false]);
});

test("fileErrorCode", () => {
  try {
    readFileSync(join(root, "none"));
  } catch (error) {
    expect(fileErrorCode(error)).toBe("ENOENT");
  }
  expect([fileErrorCode(new Error("x")), fileErrorCode(null), fileErrorCode("x")]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("disk use counts a hard link once and needs no file to be there", () => {
  expect(folderBytes(join(root, "none"))).toBe(0);
  mkdirSync(join(root, "a"));
  writeFileSync(join(root, "a", "file"), Buffer.alloc(100_000, 1));
  const one = folderBytes(root);
  expect(one).toBeGreaterThanOrEqual(100_000);
  linkSync(join(root, "a", "file"), join(root, "link"));
  expect(folderBytes(root)).toBe(one);
  const space = diskSpace(root);
  expect(space.availableBytes).toBeGreaterThan(0);
  expect(space.totalBytes).toBeGreaterThanOrEqual(space.availableBytes);
});

describe("Backoff", () => {
  test("doubles up to its bound, with jitter over the upper half, and starts over", () => {
    let random = 0;
    const backoff = new Backoff({ minMs: 100, maxMs: 300, random: () => random });
    expect([backoff.next(), backoff.next()]).toEqual([50, 100]);
    random = 1;
    expect([backoff.next(), backoff.next()]).toEqual([300, 300]);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });
});
