import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDataDirectory } from "./data-directory.ts";

let root: string;
let path: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "belfry-data-directory-"));
  path = join(root, "a", "data");
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test("a missing directory is made, an empty one taken, one of ours opened again", () => {
  const first = openDataDirectory(path);
  first.state.schema = 3;
  first.save();
  first.release();
  expect(JSON.parse(readFileSync(join(path, "belfry.json"), "utf8"))).toMatchObject({ belfry: 1, schema: 3 });
  const second = openDataDirectory(path);
  expect(second.state.schema).toBe(3);
  second.release();
  const empty = join(root, "empty");
  mkdirSync(join(empty, "lost+found"), { recursive: true });
  openDataDirectory(empty).release();
});

test("a crash before the state was written leaves a directory that can be opened", () => {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "belfry.lock"), "");
  writeFileSync(join(path, "belfry.json.123.tmp"), "{");
  openDataDirectory(path).release();
});

describe("refused, with nothing touched:", () => {
  test("somebody else's directory", () => {
    mkdirSync(path, { recursive: true });
    for (const name of ["wal", "chunks_head", "lock", "01ABC"]) writeFileSync(join(path, name), name);
    expect(() => openDataDirectory(path)).toThrow(
      `the directory ${path} is not empty and not a data directory of Belfry (it holds 01ABC, chunks_head, lock and 1 more); choose an empty one`,
    );
    expect(readdirSync(path).toSorted()).toEqual(["01ABC", "chunks_head", "lock", "wal"]);
  });

  test("a file", () => {
    writeFileSync(join(root, "file"), "x");
    expect(() => openDataDirectory(join(root, "file"))).toThrow("is not a directory");
  });

  test.each([
    ["{", "DB_CORRUPT"],
    ["null", "DB_CORRUPT"],
    ['{"belfry": 1}', "DB_CORRUPT"],
    ['{"belfry": 1, "schema": -1}', "DB_CORRUPT"],
    ['{"belfry": 2, "schema": 1}', "DB_SCHEMA_NEWER"],
  ])("a state file that says %s", (text, code) => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "belfry.json"), text);
    expect(() => openDataDirectory(path)).toThrow(expect.objectContaining({ code }));
    expect(readdirSync(path)).toEqual(["belfry.json"]);
  });

  test("a directory that is in use", () => {
    const held = openDataDirectory(path);
    expect(() => openDataDirectory(path)).toThrow(
      new RegExp(
        `^the data directory ${path} is in use by process ${process.pid} on .* \\(since .*Z\\); stop it or choose another directory$`,
      ),
    );
    held.release();
    openDataDirectory(path).release();
  });

  test("a lock file that is none", () => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "belfry.lock"), "this is not a lock file of ours, but long enough to be one\n".repeat(20));
    expect(() => openDataDirectory(path)).toThrow("it is not a lock file of ours");
    expect(readFileSync(join(path, "belfry.lock"), "utf8")).toContain("this is not");
  });
});
