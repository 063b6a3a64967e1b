// A snapshot is what was durable at one moment, for backups: hard links to the parts of the metric tables, and the
// statements that create the tables. The engine makes the links itself (FREEZE), under its own folder; they are
// moved to the snapshot folder where the engine runs in this process. On a server they stay in its `shadow` folder.
//
//   <snapshotPath>/<name>/schema.sql                      CREATE TABLE statements
//   <snapshotPath>/<name>/shadow/...                      as in ClickHouse's documentation of FREEZE; attach the parts to restore
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import type { Database } from "../../database/index.ts";
import { AppError } from "../../lib/errors.ts";

export const METRIC_TABLE_NAMES = [
  "metric_series",
  "metric_samples",
  "metric_histograms",
  "metric_exemplars",
  "metric_metadata",
] as const;

/** takeSnapshot freezes the metric tables and returns the snapshot's name, in upstream's form: time and random digits. */
export async function takeSnapshot(database: Database, snapshotPath: string, nowMs: number): Promise<string> {
  if (database.kind === "cluster") {
    throw new AppError(
      "SNAPSHOT_UNAVAILABLE",
      "a cluster is backed up with ClickHouse's own BACKUP, not by a snapshot",
    );
  }
  const stamp = new Date(nowMs).toISOString().replace(/[-:]/g, "").replace(/\..*/, "Z");
  const name = `${stamp}-${randomBytes(8).toString("hex")}`;
  // The engine would write a dash as %2D in the folder's name.
  const frozen = name.replace("-", "_");
  for (const table of METRIC_TABLE_NAMES) await database.exec(`ALTER TABLE ${table} FREEZE WITH NAME '${frozen}'`);
  if (database.kind !== "embedded") return frozen;
  const disks = await database.query<{ path: string }>(`SELECT path FROM system.disks WHERE name = 'default'`);
  const target = join(snapshotPath, name);
  try {
    mkdirSync(target, { recursive: true });
    const tables = await database.query<{ statement: string }>(
      `SELECT create_table_query AS statement FROM system.tables ` +
        `WHERE database = currentDatabase() AND name IN {names:Array(String)} ORDER BY name`,
      { params: { names: [...METRIC_TABLE_NAMES] } },
    );
    writeFileSync(join(target, "schema.sql"), tables.map(({ statement }) => `${statement};\n`).join("\n"));
    renameSync(join(disks[0]!.path, "shadow", frozen), join(target, "shadow"));
  } catch (cause) {
    throw new AppError("SNAPSHOT_FAILED", `could not put the snapshot into ${target}: ${(cause as Error).message}`, {
      cause,
    });
  }
  return name;
}
