// The embedded engine through openDatabase: bounds, cancellation, errors, what happens to damaged directories.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Logger } from "../lib/log.ts";
import { DatabaseError, openDatabase, type SqlDatabase, type StatementEvent } from "./index.ts";

const ENDLESS = "SELECT max(sipHash64(number)) FROM numbers(1000000000000)";

async function running(database: SqlDatabase): Promise<number> {
  const [{ n }] = await database.query<{ n: number }>(
    "SELECT toUInt32(count()) AS n FROM system.processes WHERE query NOT LIKE '%system.processes%' AND query NOT LIKE 'KILL%'",
  );
  return n;
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("not within five seconds");
}

async function caught(work: Promise<unknown>): Promise<DatabaseError> {
  return await work.then(
    () => {
      throw new Error("expected a rejection");
    },
    (error: DatabaseError) => error,
  );
}

describe("statements", () => {
  let path: string;
  let database: SqlDatabase;
  const events: StatementEvent[] = [];

  beforeAll(async () => {
    path = mkdtempSync(join(tmpdir(), "belfry-embedded-"));
    database = await openDatabase({
      path,
      memoryBytes: 256 * 1024 * 1024,
      readers: 3,
      onStatement: (event) => events.push(event),
    });
    await database.exec("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
  });

  afterAll(async () => {
    await database.close();
    rmSync(path, { recursive: true, force: true });
  });

  test("parameters of every type are bound, whatever they hold", async () => {
    const text = 'it\'s \\ "x" \t\n\r\0 ü漢😀 {a:String} ; DROP TABLE t --';
    const [row] = await database.query<Record<string, unknown>>(
      "SELECT {s:String} AS s, {n:UInt64} AS n, {f:Float64} AS f, {l:Array(String)} AS l, {m:Array(UInt64)} AS m",
      { params: { s: text, n: 18446744073709551615n, f: 0.1, l: [text, ""], m: [1, 2n ** 63n] } },
    );
    expect(row).toEqual({ s: text, n: "18446744073709551615", f: 0.1, l: [text, ""], m: ["1", "9223372036854775808"] });
  });

  test("statements with parameters run beside each other, each with its own", async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const [row] = await database.query<{ v: number }>(
          "SELECT {v:UInt32} AS v FROM numbers(1) WHERE NOT sleepEachRow(0.01)",
          { params: { v: i } },
        );
        return row.v;
      }),
    );
    expect(answers).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });

  test("settings of one statement do not reach the next", async () => {
    await caught(database.query("SELECT number FROM numbers(100)", { settings: { max_result_rows: 1 }, maxRows: 1 }));
    for (let i = 0; i < 6; i++) expect(await database.query("SELECT number FROM numbers(100)")).toHaveLength(100);
  });

  test("a result past its bounds is an error", async () => {
    const sql = "SELECT number, repeat('x', 100) AS s FROM numbers(100000)";
    expect(await caught(database.query(sql, { maxRows: 10 }))).toMatchObject({
      code: "DB_RESULT_TOO_LARGE",
      engineCode: 396,
    });
    expect(await caught(database.query(sql, { maxBytes: 10_000 }))).toMatchObject({ code: "DB_RESULT_TOO_LARGE" });
    expect(await database.query("SELECT 1 AS a", { maxRows: 1, maxBytes: 100 })).toEqual([{ a: 1 }]);
  });

  test("a statement past its time is ended in the engine", async () => {
    const started = performance.now();
    const error = await caught(database.query(ENDLESS, { timeoutMs: 300 }));
    expect(error).toMatchObject({ code: "DB_TIMEOUT", engineName: "TIMEOUT_EXCEEDED", retryable: true });
    expect(performance.now() - started).toBeLessThan(3_000);
    await eventually(async () => (await running(database)) === 0);
  });

  test("a statement that has no limit of its own is killed", async () => {
    const started = performance.now();
    expect(await caught(database.exec(ENDLESS, { timeoutMs: 100 }))).toMatchObject({ code: "DB_TIMEOUT" });
    expect(performance.now() - started).toBeLessThan(2_500);
    await eventually(async () => (await running(database)) === 0);
  });

  test("an abort rejects at once with its reason and ends the statement", async () => {
    const controller = new AbortController();
    const reason = new Error("the client went away");
    const started = performance.now();
    setTimeout(() => controller.abort(reason), 100);
    await expect(database.query(ENDLESS, { signal: controller.signal })).rejects.toBe(reason);
    expect(performance.now() - started).toBeLessThan(1_000);
    await eventually(async () => (await running(database)) === 0);
    await expect(database.query("SELECT 1", { signal: controller.signal })).rejects.toBe(reason);
  });

  test("a stream that is left early ends the statement and gives its connection back", async () => {
    for (let i = 0; i < 10; i++) {
      for await (const chunk of database.stream("SELECT number FROM numbers(100000000000)", "RowBinary")) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
    }
    await eventually(async () => (await running(database)) === 0);
  });

  test("the event loop is free while the engine works", async () => {
    const controller = new AbortController();
    const work = [1, 2].map(() => database.query(ENDLESS, { signal: controller.signal }).catch(() => undefined));
    await new Promise((resolve) => setTimeout(resolve, 200));
    let worst = 0;
    let last = performance.now();
    const ticker = setInterval(() => {
      const now = performance.now();
      worst = Math.max(worst, now - last - 5);
      last = now;
    }, 5);
    expect(await database.query("SELECT 1 AS a")).toEqual([{ a: 1 }]);
    await database.insert("t", ["a", "s"], "TabSeparated", Buffer.from("1\tx\n"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    clearInterval(ticker);
    controller.abort();
    await Promise.all(work);
    expect(worst).toBeLessThan(150);
  });

  test("too much memory is refused and the engine lives", async () => {
    const error = await caught(database.query("SELECT uniqExact(number) FROM numbers(50000000)"));
    expect(error).toMatchObject({ code: "DB_MEMORY_LIMIT", engineName: "MEMORY_LIMIT_EXCEEDED", retryable: true });
    expect(await database.query("SELECT 1 AS a")).toEqual([{ a: 1 }]);
  });

  test("errors carry statement, table, code and name", async () => {
    expect(await caught(database.query("SELECT *\n  FROM nosuch"))).toMatchObject({
      code: "DB_QUERY_FAILED",
      engineCode: 60,
      engineName: "UNKNOWN_TABLE",
      statement: "SELECT * FROM nosuch",
    });
  });

  test("an insert of rows that cannot be read writes none of them", async () => {
    const error = await caught(database.insert("t", ["a", "s"], "TabSeparated", Buffer.from("5\tok\nx\tbad\n")));
    expect(error).toMatchObject({ code: "DB_WRITE_FAILED", table: "t", retryable: false, engineCode: 27 });
    expect(await database.query("SELECT * FROM t WHERE a = 5")).toEqual([]);
  });

  test("bytes are inserted as they are", async () => {
    await database.insert("t", ["a", "s"], "TabSeparated", Buffer.from([0x39, 9, 0xff, 0xfe, 0x80, 10]));
    const [row] = await database.query<{ h: string }>("SELECT hex(s) AS h FROM t WHERE a = 9");
    expect(row.h).toBe("FFFE80");
    await database.insert("t", ["a", "s"], "JSONEachRow", Buffer.from('{"a": 10, "s": "é"}\n'));
    expect(await database.query("SELECT s FROM t WHERE a = 10")).toEqual([{ s: "é" }]);
  });

  test("64-bit integers are strings, special floats too", async () => {
    expect(await database.query("SELECT toUInt64(1) AS a, toUInt32(2) AS b, nan AS c, -inf AS d")).toEqual([
      { a: "1", b: 2, c: "nan", d: "-inf" },
    ]);
  });

  test("statements that the engine cannot stream answer too", async () => {
    expect(await database.query<{ name: string }>("DESCRIBE TABLE t")).toMatchObject([{ name: "a" }, { name: "s" }]);
    expect(await database.query("SHOW TABLES LIKE 't'")).toEqual([{ name: "t" }]);
    expect(await database.query<{ explain: string }>("EXPLAIN SELECT {a:UInt8}", { params: { a: 1 } })).not.toEqual([]);
  });

  test("every statement is reported", async () => {
    events.length = 0;
    await database.query("SELECT 1");
    await database.insert("t", ["a"], "TabSeparated", Buffer.from("1\n"));
    await caught(database.exec("DROP TABLE nosuch"));
    expect(events.map((event) => [event.kind, event.table, event.error?.engineName])).toEqual([
      ["query", undefined, undefined],
      ["insert", "t", undefined],
      ["exec", undefined, "UNKNOWN_TABLE"],
    ]);
    expect(events[1].bytes).toBe(2);
  });

  test("more statements than may wait are refused", async () => {
    const controller = new AbortController();
    const outcomes = Array.from({ length: 300 }, () =>
      database.query(ENDLESS, { signal: controller.signal }).then(
        () => "done",
        (error: { code?: string }) => error.code ?? "aborted",
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    controller.abort();
    const counts = Map.groupBy(await Promise.all(outcomes), (outcome) => outcome);
    expect(counts.get("DB_BUSY")).toHaveLength(300 - 3 - 256);
    await eventually(async () => (await running(database)) === 0);
  });
});

describe("opening and closing", () => {
  let path: string;
  const warnings: string[] = [];
  const log: Logger = {
    debug() {},
    info() {},
    warn: (message, fields) => void warnings.push(`${message} ${JSON.stringify(fields)}`),
    error() {},
    child: () => log,
  };

  beforeEach(() => {
    warnings.length = 0;
    path = mkdtempSync(join(tmpdir(), "belfry-embedded-"));
  });

  afterEach(() => rmSync(path, { recursive: true, force: true }));

  async function create(): Promise<void> {
    const database = await openDatabase({ path });
    for (let i = 0; i < 3; i++) {
      const row = Buffer.from(`1\t${Date.now() - i}\t0\t0\t\\N\n`);
      await database.insert("metric_samples", ["id", "time", "mantissa", "scale", "start"], "TabSeparated", row);
    }
    await database.close();
  }

  function files(pattern: RegExp): string[] {
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && pattern.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name));
  }

  test("close waits for what runs, refuses what comes, and may be repeated", async () => {
    const database = await openDatabase({ path });
    const slow = database.query<{ s: number }>("SELECT sleepEachRow(0.5) AS s FROM numbers(1)");
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closing = database.close();
    await expect(database.query("SELECT 1")).rejects.toMatchObject({ code: "DB_CLOSED" });
    expect(await slow).toEqual([{ s: 0 }]);
    await closing;
    await database.close();
  });

  test("a second open of the same directory is refused, and possible after close", async () => {
    const database = await openDatabase({ path });
    await expect(openDatabase({ path })).rejects.toMatchObject({ code: "DB_LOCKED" });
    await database.close();
    await (await openDatabase({ path })).close();
  });

  test("damaged table definitions: a clear error, and the files stay", async () => {
    await create();
    const [definition] = files(/^metric_samples\.sql$/);
    writeFileSync(definition, "garbage");
    const before = files(/./).length;
    const error = await caught(openDatabase({ path }));
    expect(error.code).toBe("DB_CORRUPT");
    expect(error.message).toContain(`the engine cannot open ${join(path, "clickhouse")}: its files may be damaged`);
    expect(files(/./).length).toBe(before);
    // Nothing is held by the failed attempt.
    expect((await caught(openDatabase({ path }))).code).toBe("DB_CORRUPT");
  });

  test("missing tables: a clear error instead of empty ones", async () => {
    await create();
    rmSync(join(path, "clickhouse"), { recursive: true });
    expect(await caught(openDatabase({ path }))).toMatchObject({
      code: "DB_CORRUPT",
      message: expect.stringContaining(`the tables of ${path} are gone`) as string,
    });
  });

  test("damaged parts are set aside with a warning; the rest answers", async () => {
    await create();
    const parts = files(/^checksums\.txt$/).filter((file) => file.includes(`${new Date().getUTCFullYear()}`));
    writeFileSync(parts[0], "garbage");
    const database = await openDatabase({ path, log });
    expect(warnings).toEqual(['Damaged parts of a table were set aside {"table":"metric_samples","parts":1}']);
    expect(await database.query("SELECT toUInt32(count()) AS n FROM metric_samples")).toEqual([{ n: 2 }]);
    await database.close();
  });

  test("a directory in which nothing can be written", async () => {
    await create();
    rmSync(join(path, "engine.xml"));
    // A folder in its place cannot be replaced by a file.
    mkdirSync(join(path, "engine.xml", "x"), { recursive: true });
    expect(await caught(openDatabase({ path }))).toBeInstanceOf(DatabaseError);
  });
});
