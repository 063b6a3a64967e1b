import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openStateDatabase } from "./index.ts";
import type { StateMigration } from "./state-database.ts";

let root: string;
let file: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "belfry-state-"));
  file = join(root, "state.db");
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test("values stay, are replaced and go", () => {
  let state = openStateDatabase(file);
  expect(state.get("a")).toBeUndefined();
  state.set("a/1", "one");
  state.set("a/1", "it's '1' ü漢\0😀");
  state.set("a/%", "two");
  state.set("b", "");
  state.delete("none");
  state.close();
  state.close();
  state = openStateDatabase(file);
  expect(state.get("a/1")).toBe("it's '1' ü漢\0😀");
  expect(state.list("a/")).toEqual([
    ["a/%", "two"],
    ["a/1", "it's '1' ü漢\0😀"],
  ]);
  expect(state.list("a/%")).toEqual([["a/%", "two"]]);
  state.delete("a/1");
  expect(state.list("").map(([key]) => key)).toEqual(["a/%", "b"]);
  state.close();
  expect(() => state.get("a")).toThrow(expect.objectContaining({ code: "DB_QUERY_FAILED" }));
});

describe("its schema", () => {
  const one: StateMigration = {
    version: 1,
    name: "one",
    sql: "CREATE TABLE key_values (key TEXT PRIMARY KEY, value TEXT)",
  };
  const two: StateMigration = { version: 2, name: "two", sql: "CREATE TABLE other (a); INSERT INTO other VALUES (1)" };
  const broken: StateMigration = {
    version: 2,
    name: "broken",
    sql: "CREATE TABLE half (a); INSERT INTO nosuch VALUES (1)",
  };

  test("grows, each step once", () => {
    openStateDatabase(file, [one]).close();
    openStateDatabase(file, [one, two]).close();
    openStateDatabase(file, [one, two]).close();
  });

  test("a failed step leaves nothing of itself", () => {
    openStateDatabase(file, [one]).close();
    expect(() => openStateDatabase(file, [one, broken])).toThrow(
      `migration 2 (broken) of ${file} failed: no such table: nosuch`,
    );
    openStateDatabase(file, [one, { ...broken, sql: "CREATE TABLE half (a)" }]).close();
  });

  test("newer than the program: refused", () => {
    openStateDatabase(file, [one, two]).close();
    expect(() => openStateDatabase(file, [one])).toThrow(expect.objectContaining({ code: "DB_SCHEMA_NEWER" }));
  });
});

test("a file that is no database is refused and left alone", () => {
  const text = "not a database, though long enough to be one\n".repeat(50);
  writeFileSync(file, text);
  expect(() => openStateDatabase(file)).toThrow(expect.objectContaining({ code: "DB_CORRUPT" }));
  expect(readFileSync(file, "utf8")).toBe(text);
  expect(() => openStateDatabase(join(root, "no", "state.db"))).toThrow(
    expect.objectContaining({ code: "DB_DISK_FAILED", retryable: true }),
  );
});
