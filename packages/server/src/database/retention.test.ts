// Retention by age and by size on the real engine, and the clock it trusts.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  DAY_MS,
  deleteSamples,
  diskUsage,
  dropExpiredDays,
  enforceDiskBudget,
  openDatabase,
  SampleRows,
  SeriesRows,
  setRetention,
  type SqlDatabase,
} from "./index.ts";
import { TrustedClock } from "./trusted-clock.ts";

const NOW = Date.now();
const dayOf = (ago: number): string => new Date(NOW - ago * DAY_MS).toISOString().slice(0, 10);

let path: string;
let database: SqlDatabase;

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), "belfry-retention-"));
  database = await openDatabase({ path });
});

afterEach(async () => {
  await database.close();
  rmSync(path, { recursive: true, force: true });
});

async function fill(days: readonly number[], perDay = 500): Promise<void> {
  const samples = new SampleRows();
  const series = new SeriesRows();
  for (const ago of days) {
    const midday = Date.parse(dayOf(ago)) + DAY_MS / 2;
    series.add(midday, 1, 2, ["__name__", "up"]);
    for (let i = 0; i < perDay; i++)
      samples.add(1, 2, midday + i, Math.imul(i, 2_654_435_761) >>> 0, 0x40000000 + i, 0);
  }
  await database.insert(SampleRows.table, SampleRows.columns, "TabSeparated", samples.take());
  await database.insert(SeriesRows.table, SeriesRows.columns, "TabSeparated", series.take());
}

async function storedDays(table = "metric_samples"): Promise<string[]> {
  const column = table === "metric_series" ? "day" : "toDate(time)";
  const sql = `SELECT DISTINCT toString(${column}) AS d FROM ${table} ORDER BY d`;
  return (await database.query<{ d: string }>(sql)).map((row) => row.d);
}

describe("by age", () => {
  test("days that ended longer ago than the retention go; series stay a day longer", async () => {
    await fill([0, 1, 2, 3, 4, 5]);
    const dropped = await dropExpiredDays(database, "metrics", 2 * DAY_MS, NOW);
    expect(dropped.map((entry) => `${entry.table} ${entry.day}`)).toEqual([
      `metric_samples ${dayOf(5)}`,
      `metric_series ${dayOf(5)}`,
      `metric_samples ${dayOf(4)}`,
      `metric_series ${dayOf(4)}`,
      `metric_samples ${dayOf(3)}`,
    ]);
    expect(dropped[0]).toMatchObject({ rows: 500 });
    expect(await storedDays()).toEqual([2, 1, 0].map(dayOf));
    expect(await storedDays("metric_series")).toEqual([3, 2, 1, 0].map(dayOf));
    expect(await dropExpiredDays(database, "metrics", 2 * DAY_MS, NOW)).toEqual([]);
    expect(await dropExpiredDays(database, "logs", 0, NOW)).toEqual([]);
  });

  test("the engine's limit follows the configured retention, once", async () => {
    const ttl = async (table: string): Promise<string> => {
      const sql = "SELECT create_table_query AS q FROM system.tables WHERE name = {table:String}";
      const [{ q }] = await database.query<{ q: string }>(sql, { params: { table } });
      return / TTL (.*?) SETTINGS /s.exec(q)![1];
    };
    expect(await ttl("metric_samples")).toBe("toDateTime(time) + toIntervalSecond(3888000)");
    expect(await setRetention(database, "metrics", 15 * DAY_MS)).toEqual([]);
    expect(await setRetention(database, "metrics", 90 * DAY_MS)).toEqual([
      "metric_samples",
      "metric_histograms",
      "metric_exemplars",
      "metric_series",
    ]);
    expect(await ttl("metric_samples")).toBe("toDateTime(time) + toIntervalSecond(10368000)");
    expect(await ttl("metric_series")).toBe("day + toIntervalDay(121)");
    expect(await setRetention(database, "metrics", 90 * DAY_MS)).toEqual([]);
  });
});

describe("by size", () => {
  test("the oldest days of all tables go until the rest fits", async () => {
    await fill([0, 1, 2, 3, 4]);
    const before = await diskUsage(database);
    const dayBytes = (ago: number): number =>
      before.days.filter((entry) => entry.day === dayOf(ago)).reduce((sum, entry) => sum + entry.bytes, 0);
    const budget = before.activeBytes - dayBytes(4) - 1;
    const result = await enforceDiskBudget(database, budget, dayOf(0));
    expect(result.beforeBytes).toBe(before.activeBytes);
    expect(result.dropped.map((entry) => `${entry.table} ${entry.day}`)).toEqual([
      `metric_samples ${dayOf(4)}`,
      `metric_series ${dayOf(4)}`,
      `metric_samples ${dayOf(3)}`,
      `metric_series ${dayOf(3)}`,
    ]);
    expect(result.afterBytes).toBe(before.activeBytes - dayBytes(4) - dayBytes(3));
    expect(await enforceDiskBudget(database, budget, dayOf(0))).toMatchObject({ dropped: [] });
  });

  test("today stays, whatever it takes", async () => {
    await fill([0, 1]);
    const result = await enforceDiskBudget(database, 0, dayOf(0));
    expect(new Set(result.dropped.map((entry) => entry.day))).toEqual(new Set([dayOf(1)]));
    expect(await storedDays()).toEqual([dayOf(0)]);
  });
});

test("deleted samples are gone when the deletion resolves", async () => {
  await fill([0, 1]);
  const rows = new SampleRows();
  for (let i = 0; i < 10; i++) rows.add(0xffffffff, 7, NOW + i, 0, 0x3ff00000, 0);
  await database.insert(SampleRows.table, SampleRows.columns, "TabSeparated", rows.take());
  await deleteSamples(database, [(0xffffffffn << 32n) | 7n, 5n], NOW + 2, NOW + 4);
  const left = await database.query<{ t: number }>(
    "SELECT toInt32(toUnixTimestamp64Milli(time) - {now:Int64}) AS t FROM metric_samples WHERE id = {id:UInt64} ORDER BY t",
    { params: { now: NOW, id: (0xffffffffn << 32n) | 7n } },
  );
  expect(left.map((row) => row.t)).toEqual([0, 1, 5, 6, 7, 8, 9]);
  expect(await database.query("SELECT toUInt32(count()) AS n FROM metric_samples WHERE id = 4294967298")).toEqual([
    { n: 1000 },
  ]);
});

describe("the trusted clock", () => {
  const hour = 3_600_000;

  test("is the wall clock where that is plausible", () => {
    const clock = new TrustedClock(NOW - hour, 0);
    expect(clock.now(NOW, 0)).toBe(NOW);
    expect(clock.now(NOW + 5 * hour, 5 * hour)).toBe(NOW + 5 * hour);
    expect(clock.now(NOW - 100 * DAY_MS, 5 * hour)).toBe(NOW - 100 * DAY_MS);
  });

  test("does not follow a jump ahead, unless it stays for a day", () => {
    const clock = new TrustedClock(NOW, 0);
    expect(clock.now(NOW + 1000 * DAY_MS, hour)).toBe(NOW + hour);
    expect(clock.now(NOW + 2 * hour, 2 * hour)).toBe(NOW + 2 * hour);
    expect(clock.now(NOW + 1000 * DAY_MS, 2 * hour)).toBe(NOW + 2 * hour);
    expect(clock.now(NOW + 1000 * DAY_MS + 23 * hour, 25 * hour)).toBe(NOW + 25 * hour);
    expect(clock.now(NOW + 1001 * DAY_MS, 26 * hour)).toBe(NOW + 1001 * DAY_MS);
  });

  test("a start long after the last data waits a day", () => {
    const clock = new TrustedClock(NOW - 60 * DAY_MS, 0);
    expect(clock.now(NOW, 0)).toBe(NOW - 60 * DAY_MS);
    expect(clock.now(NOW + DAY_MS, DAY_MS)).toBe(NOW + DAY_MS);
  });

  test("so a clock that jumps drops nothing", async () => {
    await fill([0, 1, 20]);
    const retained = 10 * DAY_MS;
    const future = NOW + 5000 * DAY_MS;
    expect(await dropExpiredDays(database, "metrics", retained, future, 0)).toHaveLength(2);
    expect(await storedDays()).toEqual([1, 0].map(dayOf));
    expect(await dropExpiredDays(database, "metrics", retained, future, DAY_MS - 1)).toEqual([]);
    expect(await dropExpiredDays(database, "metrics", retained, future, DAY_MS)).toHaveLength(4);
  });
});
