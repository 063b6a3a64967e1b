import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { glob, GlobError } from "./glob.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "belfry-glob-"));
  mkdirSync(join(folder, "sub"));
  mkdirSync(join(folder, "s[b"));
  for (const name of ["a.json", "b.json", "b.yml", ".hidden.json", "sub/c.json", "s[b/d.json", "a-b.json", "ä.json"]) {
    writeFileSync(join(folder, name), "");
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ["a.json", ["a.json"]],
  ["missing.json", []],
  ["*.json", [".hidden.json", "a-b.json", "a.json", "b.json", "ä.json"]],
  ["?.json", ["a.json", "b.json", "ä.json"]],
  ["[ab].json", ["a.json", "b.json"]],
  ["[^a].json", ["b.json", "ä.json"]],
  ["[a-b].*", ["a.json", "b.json", "b.yml"]],
  ["b.*", ["b.json", "b.yml"]],
  ["*/c.json", ["sub/c.json"]],
  ["s\\[b/*.json", ["s[b/d.json"]],
  ["nowhere/*.json", []],
  ["a.json/*", []],
])("%s", (pattern, names) => {
  expect(glob(join(folder, pattern))).toEqual(names.map((name) => join(folder, name)));
});

test.each(["[", "[a", "a\\"])("%s has no meaning", (pattern) => {
  expect(() => glob(`${folder}/${pattern}`)).toThrow(new GlobError());
});
