// How fast samples come out of the database: one series and ten thousand, an hour each, and which output format
// decodes fastest.
//
//   node bench/read-samples.ts [--series=10000] [--hours=8]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDatabase, readSamples, SampleRows, type SampleSelection } from "../packages/server/src/database/index.ts";
import { nodeSeries, random } from "./node-series.ts";

const STEP_SECONDS = 15;
const START_SECONDS = 1_795_132_800;

const { values: flags } = parseArgs({
  options: { series: { type: "string", default: "10000" }, hours: { type: "string", default: "8" } },
});
const hours = Number(flags.hours);
const path = mkdtempSync(join(tmpdir(), "belfry-bench-"));
const database = await openDatabase({ path });
try {
  const hosts = Math.ceil(Number(flags.series) / 1000);
  const series = Array.from({ length: hosts }, (_, h) => nodeSeries(`host-${h}:9100`, h + 1)).flat();
  series.length = Math.min(series.length, Number(flags.series));
  const ids = new Uint32Array(2 * series.length);
  const next = random(7);
  for (let i = 0; i < ids.length; i++) ids[i] = Math.floor(next() * 2 ** 32);

  const rows = new SampleRows(1 << 20);
  const value = new Float64Array(1);
  const words = new Uint32Array(value.buffer);
  const steps = (hours * 3600) / STEP_SECONDS;
  const endMs = (START_SECONDS + hours * 3600) * 1000 - 1;
  for (let step = 0; step < steps; step++) {
    const seconds = START_SECONDS + step * STEP_SECONDS;
    for (let s = 0; s < series.length; s++) {
      value[0] = series[s].value(seconds);
      rows.add(ids[2 * s + 1], ids[2 * s], seconds * 1000, words[0], words[1], 0);
    }
    await database.insert(SampleRows.table, SampleRows.columns, "TabSeparated", rows.take());
  }
  const [{ parts }] = await database.query<{ parts: number }>(
    "SELECT toUInt32(count()) AS parts FROM system.parts WHERE active AND table = 'metric_samples'",
  );
  console.log(`${series.length} series, ${hours} h, ${steps * series.length} samples in ${parts} parts`);

  const hour = { startMs: endMs - 3_600_000 + 1, endMs };
  const one = ids.slice(2 * 500, 2 * 501);
  await measure("1 series, last hour", 30, { ...hour, ids: one });
  await measure(`1 series, ${hours} h`, 30, { startMs: START_SECONDS * 1000, endMs, ids: one });
  await measure("100 series by id, last hour", 10, { ...hour, ids: ids.slice(0, 200) });
  await measure(`${series.length} series by id, last hour`, 5, { ...hour, ids });
  await measure("every series, last hour", 5, hour);
  await measure(`every series, ${hours} h`, 3, { startMs: START_SECONDS * 1000, endMs });

  console.log("formats, every series, last hour, without decoding:");
  for (const format of ["Native", "RowBinary", "TabSeparated"]) {
    await timed(`  ${format}`, 5, async () => {
      let bytes = 0;
      const sql = `SELECT id, time, value FROM metric_samples WHERE time > fromUnixTimestamp64Milli({start:Int64})`;
      for await (const chunk of database.stream(sql, format, { params: { start: hour.startMs } }))
        bytes += chunk.length;
      return bytes;
    });
  }
  await timed("  RowBinary, decoded", 5, async () => {
    let count = 0;
    const sql = `SELECT id, time, value FROM metric_samples WHERE time > fromUnixTimestamp64Milli({start:Int64})`;
    const times = new Float64Array(1 << 20);
    const values = new Float64Array(1 << 20);
    const low = new Uint32Array(1 << 20);
    for await (const chunk of database.stream(sql, "RowBinary", { params: { start: hour.startMs } })) {
      const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
      for (let at = 0, i = 0; at + 24 <= chunk.length; at += 24, i++, count++) {
        low[i] = view.getUint32(at, true);
        times[i] = view.getUint32(at + 8, true) + view.getInt32(at + 12, true) * 4_294_967_296;
        values[i] = view.getFloat64(at + 16, true);
      }
    }
    return count;
  });
} finally {
  await database.close();
  rmSync(path, { recursive: true, force: true });
}

async function measure(title: string, runs: number, selection: SampleSelection): Promise<void> {
  await timed(title, runs, async () => {
    let samples = 0;
    for await (const block of readSamples(database, selection)) samples += block.length;
    return samples;
  });
}

async function timed(title: string, runs: number, run: () => Promise<number>): Promise<void> {
  const took: number[] = [];
  let result = await run();
  for (let i = 0; i < runs; i++) {
    const started = performance.now();
    result = await run();
    took.push(performance.now() - started);
  }
  took.sort((a, b) => a - b);
  const median = took[runs >> 1].toFixed(1);
  console.log(`${title}: ${median} ms median, ${took[runs - 1].toFixed(1)} ms worst (${result})`);
}
