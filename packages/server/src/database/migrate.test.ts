// Migrations, snapshots and rollback against the real engine. Each test opens and closes directories of its own;
// only one engine is open at a time.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createTable, singleDialect } from "./dialect.ts";
import { openDatabase, rollback } from "./index.ts";
import { METRIC_TABLES } from "./metric-tables.ts";
import type { Migration } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import type { SqlDatabase } from "./sql-database.ts";

let path: string;
let database: SqlDatabase | undefined;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "belfry-migrate-"));
});

afterEach(async () => {
  await database?.close();
  database = undefined;
  rmSync(path, { recursive: true, force: true });
});

async function open(migrations: readonly Migration[] = MIGRATIONS): Promise<SqlDatabase> {
  await database?.close();
  database = undefined;
  return (database = await openDatabase({ path, migrations }));
}

async function close(): Promise<void> {
  await database?.close();
  database = undefined;
}

const one: Migration = {
  version: 1,
  name: "one",
  statements: (dialect) =>
    createTable(dialect, { name: "t", columns: ["a UInt64"], engine: "MergeTree", orderBy: "a", shardBy: "a" }),
};
const two: Migration = {
  version: 2,
  name: "two",
  statements: () => ["ALTER TABLE t ADD COLUMN IF NOT EXISTS b String DEFAULT 'old'"],
};
const three: Migration = {
  version: 3,
  name: "three",
  statements: () => ["ALTER TABLE t ADD COLUMN IF NOT EXISTS c UInt8 DEFAULT 7"],
  run: (db) => db.exec("ALTER TABLE t UPDATE b = concat(b, '!') WHERE 1 SETTINGS mutations_sync = 2"),
};

const versions = async (db: SqlDatabase): Promise<number[]> =>
  (await db.query<{ version: number }>("SELECT version FROM belfry_migrations ORDER BY version")).map(
    (row) => row.version,
  );
const insert = (db: SqlDatabase, a: number): Promise<void> =>
  db.insert("t", ["a"], "TabSeparated", Buffer.from(`${a}\n`));
const state = (): { schema: number; migrating?: unknown } =>
  JSON.parse(readFileSync(join(path, "belfry.json"), "utf8")) as { schema: number };
const snapshots = (): string[] => (existsSync(join(path, "snapshots")) ? readdirSync(join(path, "snapshots")) : []);

describe("the schema", () => {
  test("versions have no gaps and names are their own", () => {
    expect(MIGRATIONS.map((migration) => migration.version)).toEqual(MIGRATIONS.map((_, i) => i + 1));
    expect(new Set(MIGRATIONS.map((migration) => migration.name)).size).toBe(MIGRATIONS.length);
  });

  test("from empty and from every earlier version the same tables result", async () => {
    const describeTables = async (db: SqlDatabase): Promise<unknown> =>
      db.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = 'belfry' AND name != 'belfry_migrations' ORDER BY name",
      );
    const newest = await describeTables(await open());
    for (let from = 1; from < MIGRATIONS.length; from++) {
      await close();
      rmSync(path, { recursive: true, force: true });
      await open(MIGRATIONS.slice(0, from));
      expect(await describeTables(await open())).toEqual(newest);
    }
  });

  test("holds the tables that the encoders and readers expect", async () => {
    const db = await open();
    const names = await db.query<{ name: string }>(
      "SELECT name FROM system.tables WHERE database = 'belfry' ORDER BY name",
    );
    expect(names.map((row) => row.name)).toEqual(
      ["belfry_migrations", ...METRIC_TABLES.map((table) => table.name)].toSorted(),
    );
  });

  test("on a cluster every statement goes to every server", () => {
    const dialect = { ...singleDialect("server", "belfry"), kind: "cluster" as const, cluster: "c1" };
    for (const migration of MIGRATIONS) {
      for (const statement of migration.statements(dialect)) expect(statement).toContain("ON CLUSTER `c1`");
    }
  });
});

describe("migrating", () => {
  test("runs what is missing, once, and records it", async () => {
    expect(await versions(await open([one]))).toEqual([1]);
    expect(state().schema).toBe(1);
    expect(await versions(await open([one, two, three]))).toEqual([1, 2, 3]);
    expect(await versions(await open([one, two, three]))).toEqual([1, 2, 3]);
    expect(state()).toMatchObject({ schema: 3 });
    expect(state().migrating).toBeUndefined();
  });

  test("a newer schema is refused, by the state file and by the tables", async () => {
    await open([one, two]);
    await close();
    const newer = /were written by a newer Belfry\. Use that version, or "belfry rollback"/;
    await expect(open([one])).rejects.toThrow(newer);
    writeFileSync(join(path, "belfry.json"), JSON.stringify({ ...state(), schema: 1 }));
    await expect(open([one])).rejects.toMatchObject({ code: "DB_SCHEMA_NEWER" });
    expect(await versions(await open([one, two]))).toEqual([1, 2]);
  });

  test("one that fails says which, keeps what ran before, and is tried again", async () => {
    await open([one]);
    const broken: Migration = { version: 3, name: "broken", statements: () => ["ALTER TABLE nosuch DROP COLUMN x"] };
    await expect(open([one, two, broken])).rejects.toMatchObject({
      code: "DB_MIGRATION_FAILED",
      engineName: "UNKNOWN_TABLE",
      message: expect.stringMatching(/^migration 3 \(broken\) failed: .*; the next start tries it again$/) as string,
    });
    expect(snapshots()).toHaveLength(1);
    expect(await versions(await open([one, two, three]))).toEqual([1, 2, 3]);
    // The snapshot of the first attempt is from before everything; a second one would hold a half migrated state.
    expect(snapshots()).toHaveLength(1);
  });

  test("an empty database needs no snapshot", async () => {
    await open([one, two]);
    expect(snapshots()).toEqual([]);
  });
});

describe("rollback", () => {
  test("returns to the state before the migration, which then can run again", async () => {
    let db = await open([one]);
    await insert(db, 1);
    await insert(db, 2);
    await close();
    writeFileSync(join(path, "state.db"), "before");
    db = await open([one, two, three]);
    await insert(db, 3);
    await db.exec("OPTIMIZE TABLE t FINAL");
    expect(await db.query("SELECT * FROM t ORDER BY a")).toEqual([
      { a: "1", b: "old!", c: 7 },
      { a: "2", b: "old!", c: 7 },
      { a: "3", b: "old", c: 7 },
    ]);
    await close();
    writeFileSync(join(path, "state.db"), "after");

    const result = rollback(path);
    expect(result).toMatchObject({ fromSchema: 3, toSchema: 1 });
    expect(result.snapshot).toMatch(/^\d{8}T\d{6}Z-v1$/);
    expect(readFileSync(join(path, "state.db"), "utf8")).toBe("before");
    expect(readFileSync(join(result.replaced, "state.db"), "utf8")).toBe("after");

    db = await open([one]);
    expect(await db.query("SELECT * FROM t ORDER BY a")).toEqual([{ a: "1" }, { a: "2" }]);
    await insert(db, 4);
    db = await open([one, two, three]);
    expect((await db.query<{ a: string }>("SELECT a FROM t ORDER BY a")).map((row) => row.a)).toEqual(["1", "2", "4"]);
    // The snapshot is still what it was.
    await close();
    expect(rollback(path, Date.now() + 1).toSchema).toBe(1);
  });

  test("the snapshot shares its data with the original", async () => {
    const db = await open([one]);
    await insert(db, 1);
    await open([one, two]);
    await close();
    const inodes = (folder: string): Set<number> => new Set(partFiles(folder));
    const original = inodes(join(path, "clickhouse"));
    const snapshot = inodes(join(path, "snapshots", snapshots()[0], "clickhouse"));
    expect(snapshot.size).toBeGreaterThan(0);
    expect([...snapshot].filter((inode) => original.has(inode)).length).toBeGreaterThan(0);
  });

  test("what cannot be rolled back says so", async () => {
    expect(() => rollback(path)).toThrow(`${path} is not a data directory of Belfry`);
    await open([one]);
    expect(() => rollback(path)).toThrow("is in use by process");
    await close();
    expect(() => rollback(path)).toThrow(`${path} has no snapshot to return to`);
  });

  test("two snapshots are kept", async () => {
    const steps: Migration[] = [one, two, three];
    for (let version = 4; version <= 5; version++) {
      steps.push({ version, name: `step${version}`, statements: () => [`ALTER TABLE t ADD COLUMN x${version} UInt8`] });
    }
    for (let length = 1; length <= steps.length; length++) await open(steps.slice(0, length));
    expect(snapshots().map((name) => name.slice(-2))).toEqual(["v3", "v4"]);
  });
});

function partFiles(folder: string): number[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name === "checksums.txt")
    .map((entry) => statSync(join(entry.parentPath, entry.name)).ino);
}
