// How long data is kept. Every table of a signal is partitioned by day (UTC) and only whole days go:
//
// - by age: dropExpiredDays drops the days that are over. The tables' TTL says the same a month later, for a server
//   that nobody drives; rows that are past the TTL already when they are inserted are not kept at all.
// - by size: enforceDiskBudget drops the oldest days of all signals together until the rest fits.
//
// The day that is being written is never dropped for its size: it is what people look at.
import { alterTable, onCluster, storageTable } from "./dialect.ts";
import {
  DAY_MS,
  METRIC_EXEMPLARS,
  METRIC_HISTOGRAMS,
  METRIC_SAMPLES,
  METRIC_SERIES,
  ttlExpression,
} from "./metric-tables.ts";
import type { SqlDatabase } from "./sql-database.ts";
import { quoteString } from "./statement.ts";
import { TrustedClock } from "./trusted-clock.ts";

/** RetainedTable is a table whose days end. */
export interface RetainedTable {
  name: string;
  signal: "metrics" | "logs" | "traces";
  /** column is what the TTL counts from: the time of a row, or the day it is filed under. */
  column: "time" | "day";
}

/** RETAINED_TABLES lists the tables with a retention. */
export const RETAINED_TABLES: readonly RetainedTable[] = [
  { name: METRIC_SAMPLES.name, signal: "metrics", column: "time" },
  { name: METRIC_HISTOGRAMS.name, signal: "metrics", column: "time" },
  { name: METRIC_EXEMPLARS.name, signal: "metrics", column: "time" },
  { name: METRIC_SERIES.name, signal: "metrics", column: "day" },
];

/** setRetention makes the engine's own limit fit a retention, if it does not already. Returns the tables it changed. */
export async function setRetention(
  database: SqlDatabase,
  signal: RetainedTable["signal"],
  retentionMs: number,
): Promise<string[]> {
  const changed: string[] = [];
  for (const table of RETAINED_TABLES) {
    if (table.signal !== signal) continue;
    const ttl = ttlExpression(table.column, retentionMs);
    const name = storageTable(database.dialect, table.name);
    const [row] = await database.query<{ same: number }>(
      "SELECT toUInt8(position(create_table_query, {ttl:String}) > 0) AS same FROM system.tables " +
        "WHERE database = {database:String} AND name = {name:String}",
      { params: { ttl: `TTL ${ttl} SETTINGS`, database: database.dialect.database, name } },
    );
    if (row?.same === 1) continue;
    // The parts' own limits are computed again in the background, so that a longer retention also saves what is
    // there already.
    await database.exec(alterTable(database.dialect, table.name, `MODIFY TTL ${ttl}`), { timeoutMs: 600_000 });
    changed.push(table.name);
  }
  return changed;
}

const clocks = new WeakMap<SqlDatabase, TrustedClock>();

/**
 * dropExpiredDays drops the days of a signal that ended more than `retentionMs` before `nowMs`, and returns them. A
 * `nowMs` days ahead of the newest data is not believed for the first day (see TrustedClock); `monotonicMs` only ever
 * grows.
 */
export async function dropExpiredDays(
  database: SqlDatabase,
  signal: RetainedTable["signal"],
  retentionMs: number,
  nowMs: number,
  monotonicMs: number = performance.now(),
): Promise<DayUsage[]> {
  const { days } = await diskUsage(database);
  if (days.length === 0) return [];
  let clock = clocks.get(database);
  if (clock === undefined) {
    clock = new TrustedClock(Math.max(...days.map((entry) => Date.parse(entry.day))) + DAY_MS, monotonicMs);
    clocks.set(database, clock);
  }
  const trustedMs = clock.now(nowMs, monotonicMs);
  const columns = new Map(
    RETAINED_TABLES.filter((table) => table.signal === signal).map((table) => [
      storageTable(database.dialect, table.name),
      table.column,
    ]),
  );
  const dropped: DayUsage[] = [];
  for (const entry of days) {
    const column = columns.get(entry.table);
    if (column === undefined) continue;
    const endMs = Date.parse(entry.day) + DAY_MS;
    // Series stay a day longer than their samples, as in their TTL.
    if (endMs + retentionMs + (column === "day" ? DAY_MS : 0) > trustedMs) continue;
    await dropDay(database, entry.table, entry.day);
    dropped.push(entry);
  }
  return dropped;
}

/** DayUsage is what one day of one table takes. */
export interface DayUsage {
  table: string;
  /** day is an ISO date. */
  day: string;
  rows: number;
  bytes: number;
}

/** DiskUsage is what the database takes on disk. */
export interface DiskUsage {
  /** activeBytes is what queries read; outdatedBytes was merged away and is deleted within minutes. */
  activeBytes: number;
  outdatedBytes: number;
  /** days lists the retained tables by day, oldest first. */
  days: DayUsage[];
}

/** diskUsage asks the engine what its tables take. On a cluster that is the sum over all servers. */
export async function diskUsage(database: SqlDatabase): Promise<DiskUsage> {
  const parts = partsTable(database);
  const params = { database: database.dialect.database };
  const [total] = await database.query<{ activeBytes: number; outdatedBytes: number }>(
    "SELECT toFloat64(sumIf(bytes_on_disk, active)) AS activeBytes, toFloat64(sumIf(bytes_on_disk, NOT active)) AS outdatedBytes " +
      `FROM ${parts} WHERE database = {database:String}`,
    { params },
  );
  const names = RETAINED_TABLES.map((table) => quoteString(storageTable(database.dialect, table.name))).join(", ");
  const days = await database.query<DayUsage>(
    `SELECT table, partition AS day, toFloat64(sum(rows)) AS rows, toFloat64(sum(bytes_on_disk)) AS bytes FROM ${parts} ` +
      `WHERE database = {database:String} AND active AND table IN (${names}) GROUP BY table, day ORDER BY day, table`,
    { params },
  );
  return { ...total, days };
}

/** DiskBudgetResult is what enforceDiskBudget found and did. */
export interface DiskBudgetResult {
  /** beforeBytes and afterBytes are the sizes of all tables, without what is outdated. */
  beforeBytes: number;
  afterBytes: number;
  dropped: DayUsage[];
}

/**
 * enforceDiskBudget drops the oldest days of every signal until the tables take at most `budgetBytes`, or only
 * `today` (an ISO date) and later days are left. Days are dropped whole, over all tables, so that no sample stays
 * without its series.
 */
export async function enforceDiskBudget(
  database: SqlDatabase,
  budgetBytes: number,
  today: string,
): Promise<DiskBudgetResult> {
  const usage = await diskUsage(database);
  const dropped: DayUsage[] = [];
  let bytes = usage.activeBytes;
  const days = [...new Set(usage.days.map((entry) => entry.day))].sort().filter((day) => day < today);
  for (const day of days) {
    if (bytes <= budgetBytes) break;
    for (const entry of usage.days) {
      if (entry.day !== day) continue;
      await dropDay(database, entry.table, day);
      dropped.push(entry);
      bytes -= entry.bytes;
    }
  }
  const afterBytes = dropped.length === 0 ? bytes : (await diskUsage(database)).activeBytes;
  return { beforeBytes: usage.activeBytes, afterBytes, dropped };
}

/** deleteSamples deletes the samples, histograms and exemplars of series within a time range (both ends inclusive); they are invisible when it resolves. */
export async function deleteSamples(
  database: SqlDatabase,
  ids: readonly bigint[],
  startMs: number,
  endMs: number,
): Promise<void> {
  for (let from = 0; from < ids.length; from += DELETE_IDS) {
    const list = ids.slice(from, from + DELETE_IDS).join(", ");
    for (const table of [METRIC_SAMPLES, METRIC_HISTOGRAMS, METRIC_EXEMPLARS]) {
      await database.exec(
        alterTable(
          database.dialect,
          table.name,
          `DELETE WHERE id IN (${list}) AND time >= fromUnixTimestamp64Milli(${Math.max(0, Math.ceil(startMs))}) ` +
            `AND time <= fromUnixTimestamp64Milli(${Math.min(9_999_999_999_999, Math.floor(endMs))})`,
        ),
        { settings: { mutations_sync: 2 }, timeoutMs: 600_000 },
      );
    }
  }
}

// A mutation keeps its text for as long as it is remembered.
const DELETE_IDS = 1_000;

async function dropDay(database: SqlDatabase, table: string, day: string): Promise<void> {
  // `table` is the one that holds the rows, already.
  const statement = `ALTER TABLE ${table}${onCluster(database.dialect)} DROP PARTITION ${quoteString(day)}`;
  await database.exec(statement, { timeoutMs: 120_000 });
}

function partsTable(database: SqlDatabase): string {
  const { dialect } = database;
  return dialect.kind === "cluster"
    ? `clusterAllReplicas(${quoteString(dialect.cluster!)}, system.parts)`
    : "system.parts";
}
