// Deleting series from the database: ids by matcher, then DELETE with the ids in the statement. The engine masks
// the rows at once and drops them when it merges; cleaning tombstones does that now. Distributed tables know no such
// DELETE; on a cluster the rows are removed by rewriting, at once.
import type { Matcher } from "@belfry/core/model";
import { type Database, deleteSamples, SqlDatabase } from "../../database/index.ts";
import { DAY_MS, dayOf } from "../rows.ts";
import type { MetricReader, StoredSeries } from "./metric-reader.ts";
import { METRIC_TABLE_NAMES } from "./snapshot.ts";

// 21 bytes each: 5,000 ids make a statement of 105 kB; the engine parses up to 256 kB.
const IDS_PER_STATEMENT = 5000;
const TIMEOUT_MS = 600_000;
const MAX_TIME_MS = 9_999_999_999_999;

/** deleteStored deletes what is durable and returns the series it concerned. */
export async function deleteStored(
  database: Database,
  reader: MetricReader,
  matcherSets: readonly (readonly Matcher[])[],
  startMs: number,
  endMs: number,
): Promise<StoredSeries[]> {
  const series: StoredSeries[] = [];
  for (const matchers of matcherSets) series.push(...(await reader.series(matchers, startMs, endMs)));
  const from = Math.max(0, Math.ceil(startMs));
  const to = Math.min(MAX_TIME_MS, Math.floor(endMs));
  if (from > to) return [];
  const range = `time >= ${timeLiteral(from)} AND time <= ${timeLiteral(to)}`;
  if (database.kind === "cluster" && database instanceof SqlDatabase) {
    await deleteSamples(database, series.map(idOf), from, to);
    return series;
  }
  // On days that go as a whole the series did not exist.
  const firstDay = dayOf(from + DAY_MS - 1);
  const lastDay = dayOf(to + 1) - 1;
  for (let i = 0; i < series.length; i += IDS_PER_STATEMENT) {
    const ids = series
      .slice(i, i + IDS_PER_STATEMENT)
      .map(idOf)
      .join(",");
    const options = { timeoutMs: TIMEOUT_MS };
    for (const table of ["metric_samples", "metric_histograms", "metric_exemplars"]) {
      await database.exec(`DELETE FROM ${table} WHERE id IN (${ids}) AND ${range}`, options);
    }
    if (firstDay > lastDay) continue;
    const days = `day >= toDate(${firstDay}) AND day <= toDate(${lastDay})`;
    await database.exec(`DELETE FROM metric_series WHERE id IN (${ids}) AND ${days}`, options);
  }
  return series;
}

/** dropDeleted rewrites the parts that have deleted rows. */
export async function dropDeleted(database: Database): Promise<void> {
  if (database.kind === "cluster") return;
  for (const table of METRIC_TABLE_NAMES) {
    await database.exec(`ALTER TABLE ${table} APPLY DELETED MASK SETTINGS mutations_sync = 2`, {
      timeoutMs: TIMEOUT_MS,
    });
  }
}

function timeLiteral(timeMs: number): string {
  return `fromUnixTimestamp64Milli(toInt64(${timeMs}))`;
}

function idOf({ idHigh, idLow }: StoredSeries): bigint {
  return (BigInt(idHigh) << 32n) | BigInt(idLow);
}
