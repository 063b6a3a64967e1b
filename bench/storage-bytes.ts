// How many bytes a stored sample takes: a day of 1,000 node_exporter-like series at 15 s is inserted as the batch
// writer would do it, and the size of every column reported as it is then and after all merges.
//
//   node bench/storage-bytes.ts [--hours=24] [--batch-seconds=15]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDatabase, SampleRows, type SqlDatabase } from "../packages/server/src/database/index.ts";
import { nodeSeries, random } from "./node-series.ts";

const STEP_SECONDS = 15;
const DAY_START_SECONDS = 1_795_132_800;

const { values: flags } = parseArgs({
  options: { hours: { type: "string", default: "24" }, "batch-seconds": { type: "string", default: "15" } },
});
const hours = Number(flags.hours);
const stepsPerBatch = Math.max(1, Math.round(Number(flags["batch-seconds"]) / STEP_SECONDS));

const path = mkdtempSync(join(tmpdir(), "belfry-bench-"));
const database = await openDatabase({ path });
try {
  const series = [...nodeSeries("a:9100", 1), ...nodeSeries("b:9100", 2)].slice(0, 1000);
  const ids = new Uint32Array(2 * series.length);
  const next = random(7);
  for (let i = 0; i < ids.length; i++) ids[i] = Math.floor(next() * 2 ** 32);

  const rows = new SampleRows(1 << 20);
  const value = new Float64Array(1);
  const words = new Uint32Array(value.buffer);
  const steps = (hours * 3600) / STEP_SECONDS;
  const started = performance.now();
  let encodeMs = 0;
  for (let step = 0; step < steps; step++) {
    const seconds = DAY_START_SECONDS + step * STEP_SECONDS;
    // Scrapes are aligned; one in thirty is some milliseconds late.
    const timeMs = seconds * 1000 + 7123 + (next() < 0.03 ? Math.floor(next() * 12) : 0);
    const values = series.map((one) => one.value(seconds));
    const encoding = performance.now();
    for (let s = 0; s < series.length; s++) {
      value[0] = values[s];
      rows.add(ids[2 * s + 1], ids[2 * s], timeMs, words[0], words[1], 0);
    }
    encodeMs += performance.now() - encoding;
    if ((step + 1) % stepsPerBatch === 0 || step === steps - 1) {
      await database.insert(SampleRows.table, SampleRows.columns, "TabSeparated", rows.take());
    }
  }
  const samples = steps * series.length;
  console.log(
    `${samples} samples of ${series.length} series inserted in ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
  console.log(`encoding: ${((encodeMs * 1e6) / samples).toFixed(0)} ns per sample`);
  await report(database, "as inserted, with the merges so far");
  await database.exec("OPTIMIZE TABLE metric_samples FINAL", { timeoutMs: 600_000 });
  await report(database, "after all merges");
} finally {
  await database.close();
  rmSync(path, { recursive: true, force: true });
}

async function report(db: SqlDatabase, title: string): Promise<void> {
  const [parts] = await db.query<{ parts: number; rows: number; bytes: number }>(
    "SELECT toUInt32(count()) AS parts, toFloat64(sum(rows)) AS rows, toFloat64(sum(bytes_on_disk)) AS bytes " +
      "FROM system.parts WHERE active AND database = 'belfry' AND table = 'metric_samples'",
  );
  const columns = await db.query<{ column: string; bytes: number }>(
    "SELECT column, toFloat64(sum(column_data_compressed_bytes)) AS bytes FROM system.parts_columns " +
      "WHERE active AND database = 'belfry' AND table = 'metric_samples' GROUP BY column ORDER BY bytes DESC",
  );
  console.log(`${title}: ${(parts.bytes / parts.rows).toFixed(3)} bytes per sample in ${parts.parts} parts`);
  for (const { column, bytes } of columns) console.log(`  ${column.padEnd(10)} ${(bytes / parts.rows).toFixed(3)}`);
}
