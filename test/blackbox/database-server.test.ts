// The database layer over HTTP: the same tables, statements and errors as embedded, run by the real SQL engine.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createBatchWriter,
  diskUsage,
  enforceDiskBudget,
  openDatabase,
  readSamples,
  readSeries,
  SampleRows,
  SeriesRows,
  setRetention,
  type DatabaseError,
  type SqlDatabase,
} from "../../packages/server/src/database/index.ts";
import { METRIC_TABLES } from "../../packages/server/src/database/metric-tables.ts";
import { PASSWORD, startClickHouse, USER, type ClickHouseProcess } from "../support/clickhouse-http.ts";

const ENDLESS = "SELECT max(sipHash64(number)) FROM numbers(1000000000000)";
const DAY = 86_400_000;

let path: string;
let server: ClickHouseProcess;
let database: SqlDatabase;

beforeAll(async () => {
  path = mkdtempSync(join(tmpdir(), "belfry-clickhouse-"));
  server = await startClickHouse(path);
  database = await openDatabase({ url: server.url, user: USER, password: PASSWORD, database: "monitoring" });
});

afterAll(async () => {
  await database.close();
  await server.stop();
  rmSync(path, { recursive: true, force: true });
});

async function caught(work: Promise<unknown>): Promise<DatabaseError> {
  return await work.then(
    () => {
      throw new Error("expected a rejection");
    },
    (error: DatabaseError) => error,
  );
}

async function running(): Promise<number> {
  const [{ n }] = await database.query<{ n: number }>(
    "SELECT toUInt32(count()) AS n FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%system.processes%'",
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

test("the tables are made in the named database", async () => {
  expect(database.kind).toBe("server");
  const rows = await database.query<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = 'monitoring' ORDER BY name",
  );
  expect(rows.map((row) => row.name)).toEqual(
    ["belfry_migrations", ...METRIC_TABLES.map((table) => table.name)].toSorted(),
  );
});

test("samples and series written in batches come back bit for bit", async () => {
  const now = Date.now();
  const samples = createBatchWriter(database, { table: SampleRows.table, columns: SampleRows.columns });
  const series = createBatchWriter(database, { table: SeriesRows.table, columns: SeriesRows.columns });
  const label = "it's\t\\ ü漢";
  const seriesRows = new SeriesRows();
  seriesRows.add(now, 1, 2, ["__name__", "up", "job", label]);
  await series.write(1, seriesRows.take());
  const writes: Promise<void>[] = [];
  for (let w = 0; w < 50; w++) {
    const rows = new SampleRows();
    for (let i = 0; i < 1000; i++) rows.add(1, 2, now - 50_000 + w * 1000 + i, i === 7 ? 2 : i, 0x7ff00000, 0);
    writes.push(samples.write(rows.rows, rows.take()));
  }
  await Promise.all(writes);
  expect(samples.state()).toMatchObject({ writtenRows: 50_000, lostRows: 0 });
  let read = 0;
  let stale = 0;
  for await (const block of readSamples(database, { startMs: now - DAY, endMs: now })) {
    for (let i = 0; i < block.length; i++, read++) {
      expect(block.words[2 * i + 1]).toBe(0x7ff00000);
      if (block.words[2 * i] === 2 && read % 1000 === 7) stale++;
    }
  }
  expect([read, stale]).toEqual([50_000, 50]);
  const found = [];
  for await (const batch of readSeries(database, { startMs: now, endMs: now, name: "up" })) found.push(...batch);
  expect(found).toEqual([{ idHigh: 1, idLow: 2, pairs: ["__name__", "up", "job", label] }]);
  await Promise.all([samples.close(), series.close()]);
});

test("an insert repeated with its token is dropped", async () => {
  const data = Buffer.from(`77\t${Date.now()}\t1\t0\t\\N\n`);
  const settings = { insert_deduplication_token: "once" };
  for (let i = 0; i < 3; i++) {
    await database.insert(SampleRows.table, SampleRows.columns, "TabSeparated", data, { settings });
  }
  expect(await database.query("SELECT toUInt32(count()) AS n FROM metric_samples WHERE id = 77")).toEqual([{ n: 1 }]);
});

test("parameters are bound", async () => {
  const text = "it's \\ \t\n ü漢 {a:String}";
  const params = { s: text, n: 18446744073709551615n, l: [text, ""], m: [1, 2] };
  const sql = "SELECT {s:String} AS s, {n:UInt64} AS n, {l:Array(String)} AS l, {m:Array(UInt32)} AS m";
  expect(await database.query(sql, { params })).toEqual([
    { s: text, n: "18446744073709551615", l: [text, ""], m: [1, 2] },
  ]);
});

describe("errors", () => {
  test("of the engine", async () => {
    expect(await caught(database.query("SELECT * FROM nosuch"))).toMatchObject({
      name: "DatabaseError",
      code: "DB_QUERY_FAILED",
      engineCode: 60,
      engineName: "UNKNOWN_TABLE",
      statement: "SELECT * FROM nosuch",
    });
    expect(await caught(database.exec("DROP TABLE nosuch"))).toMatchObject({ engineName: "UNKNOWN_TABLE" });
    const insert = database.insert("metric_samples", ["id"], "TabSeparated", Buffer.from("x\n"));
    expect(await caught(insert)).toMatchObject({ code: "DB_WRITE_FAILED", table: "metric_samples", engineCode: 27 });
  });

  test("of bounds", async () => {
    const sql = "SELECT number FROM numbers(100000)";
    expect(await caught(database.query(sql, { maxRows: 10 }))).toMatchObject({ code: "DB_RESULT_TOO_LARGE" });
    expect(await caught(database.query(sql, { maxBytes: 1000 }))).toMatchObject({ code: "DB_RESULT_TOO_LARGE" });
    expect(await caught(database.query(ENDLESS, { timeoutMs: 300 }))).toMatchObject({ code: "DB_TIMEOUT" });
    await eventually(async () => (await running()) === 0);
  });

  test("of access, without the password", async () => {
    const error = await caught(openDatabase({ url: server.url, user: USER, password: "hunter2" }));
    expect(error).toMatchObject({ code: "DB_ACCESS_DENIED", engineName: "AUTHENTICATION_FAILED", retryable: false });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain("hunter2");
  });

  test("of a server that is not there, without the secrets of its URL", async () => {
    const error = await caught(openDatabase({ url: "http://someone:hunter2@127.0.0.1:1/" }));
    expect(error).toMatchObject({ name: "DatabaseError", code: "DB_UNAVAILABLE", retryable: true });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain("hunter2");
    expect(await caught(openDatabase({ url: "not a url hunter2" }))).toMatchObject({ name: "DatabaseError" });
  });
});

describe("cancellation", () => {
  test("an abort rejects at once and ends the statement on the server", async () => {
    const controller = new AbortController();
    const reason = new Error("the client went away");
    const query = database.query(ENDLESS, { signal: controller.signal });
    await eventually(async () => (await running()) > 0);
    controller.abort(reason);
    await expect(query).rejects.toBe(reason);
    await eventually(async () => (await running()) === 0);
  });

  test("a stream that is left early ends", async () => {
    for await (const chunk of database.stream("SELECT sipHash64(number) FROM numbers(100000000000)", "RowBinary")) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await eventually(async () => (await running()) === 0);
  });
});

test("retention by age and size", async () => {
  const rows = new SampleRows();
  const now = Date.now();
  for (let day = 1; day < 5; day++) for (let i = 0; i < 1000; i++) rows.add(5, 5, now - day * DAY - i, i, i * 7, 0);
  await database.insert(SampleRows.table, SampleRows.columns, "TabSeparated", rows.take());
  expect(await setRetention(database, "metrics", 20 * DAY)).toContain("metric_samples");
  expect(await setRetention(database, "metrics", 20 * DAY)).toEqual([]);
  const { activeBytes, days } = await diskUsage(database);
  expect(days.length).toBeGreaterThanOrEqual(5);
  const today = new Date(now).toISOString().slice(0, 10);
  const result = await enforceDiskBudget(database, activeBytes - 1, today);
  expect(result.dropped.map((entry) => entry.day)).toEqual([days[0]!.day]);
  expect(result.afterBytes).toBeLessThan(activeBytes);
});

test("a server that restarts: what waited is written, nothing twice", async () => {
  const writer = createBatchWriter(database, {
    table: SampleRows.table,
    columns: SampleRows.columns,
    writeTimeoutMs: 60_000,
  });
  const port = Number(new URL(server.url).port);
  const written: Promise<void>[] = [];
  const row = (i: number): Uint8Array => Buffer.from(`4242\t${Date.now() - 1000 - i}\t${i}\t0\t\\N\n`);
  for (let i = 0; i < 50; i++) {
    if (i === 20) await server.kill();
    if (i === 40) server = await startClickHouse(path, port);
    written.push(writer.write(1, row(i)));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Promise.all(written);
  expect(writer.state().retries).toBeGreaterThan(0);
  const sql = "SELECT toUInt32(count()) AS n, toUInt32(uniqExact(mantissa)) AS u FROM metric_samples WHERE id = 4242";
  expect(await database.query(sql)).toEqual([{ n: 50, u: 50 }]);
  await writer.close();
});
