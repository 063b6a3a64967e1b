// Rows of the metric tables through the real engine and back: encoders, table declarations, decoder and readers.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Labels, type Histogram } from "@belfry/core/model";
import {
  decimalScale,
  ExemplarRows,
  HistogramRows,
  MetadataRows,
  openDatabase,
  readExemplars,
  readHistograms,
  readMetadata,
  readSamples,
  readSeries,
  SampleRows,
  SeriesRows,
  type SampleBlock,
  type SqlDatabase,
} from "./index.ts";
import { METRIC_TABLES } from "./metric-tables.ts";

const NOW = Date.now();
const HOUR = 3_600_000;
const all = { startMs: -Infinity, endMs: Infinity };

let path: string;
let database: SqlDatabase;

beforeAll(async () => {
  path = mkdtempSync(join(tmpdir(), "belfry-metric-tables-"));
  database = await openDatabase({ path });
});

afterAll(async () => {
  await database.close();
  rmSync(path, { recursive: true, force: true });
});

beforeEach(async () => {
  for (const { name } of METRIC_TABLES) await database.exec(`TRUNCATE TABLE ${name}`);
});

interface Encoder {
  take(): Uint8Array;
}

async function insert(kind: { table: string; columns: readonly string[] }, rows: Encoder): Promise<void> {
  await database.insert(kind.table, kind.columns, "TabSeparated", rows.take());
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}

function bits(value: number): string {
  const words = new Uint32Array(new Float64Array([value]).buffer);
  return hex(words[1], words[0]);
}

function hex(high: number, low: number): string {
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

function addBits(rows: SampleRows, idHigh: number, idLow: number, timeMs: number, pattern: string, startMs = 0): void {
  rows.add(idHigh, idLow, timeMs, parseInt(pattern.slice(8), 16), parseInt(pattern.slice(0, 8), 16), startMs);
}

function patterns(blocks: readonly SampleBlock[]): string[] {
  return blocks.flatMap((block) =>
    Array.from({ length: block.length }, (_, i) => hex(block.words[2 * i + 1], block.words[2 * i])),
  );
}

const STALE = "7ff0000000000002";

describe("samples", () => {
  test("values keep their 64 bits", async () => {
    const special = [0, -0, 1, -1, 14.25, 0.1, 1 / 3, 1e300, -1e-300, 5e-324, 2 ** 53, 2 ** 53 - 1, 1 - 2 ** 53];
    const more = [NaN, Infinity, -Infinity, 123_456_789 / 7e-9, 0.000000001, -99.99, 1.7e9 + 0.123456789];
    const expected = [
      ...[...special, ...more].map(bits),
      STALE,
      "7ff8000000000001",
      "fff8000000000000",
      "ffffffffffffffff",
    ];
    let state = 7;
    for (let i = 0; i < 5_000; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      const decimals = [0, 1, 2, 3, 6, 9][i % 6];
      if (i % 3 === 0) expected.push(bits(Math.round(state * 10 ** decimals) / 10 ** decimals / 7));
      else if (i % 3 === 1) expected.push(bits(Number((state / 1e3).toFixed(decimals))));
      else expected.push(hex(state, Math.imul(state, 40_503) >>> 0));
    }
    const rows = new SampleRows();
    expected.forEach((pattern, i) => addBits(rows, 0xffffffff, 0x80000000, NOW - HOUR + i, pattern));
    expect(rows.rows).toBe(expected.length);
    await insert(SampleRows, rows);
    expect(patterns(await collect(readSamples(database, all)))).toEqual(expected);
  });

  test("SQL sees the same numbers", async () => {
    const rows = new SampleRows();
    [1, 14.25, -0.001, 1 / 3].forEach((value, i) => addBits(rows, 0, 1, NOW + i, bits(value)));
    await insert(SampleRows, rows);
    const values = await database.query<{ value: number }>("SELECT value FROM metric_samples ORDER BY time");
    expect(values.map((row) => row.value)).toEqual([1, 14.25, -0.001, 1 / 3]);
  });

  test("decimal scales", () => {
    expect([0, 1, -5, 1e15, 2 ** 53 - 1].map(decimalScale)).toEqual([0, 0, 0, 0, 0]);
    expect([0.5, 14.25, 1.125, 0.0001, 1e-9].map(decimalScale)).toEqual([2, 2, 3, 6, 9]);
    expect([2 ** 53, -0, NaN, Infinity, 1 / 3, 1e-10, 1.7e9 + 0.123456789].map(decimalScale)).toEqual(
      Array.from({ length: 7 }, () => -1),
    );
  });

  test("come by series in time order, across parts and buckets, within the range and the ids", async () => {
    const startMs = Math.floor(NOW / HOUR) * HOUR - 10 * HOUR;
    // Three parts, interleaved, over five hours.
    for (let part = 0; part < 3; part++) {
      const rows = new SampleRows();
      for (let i = 0; i < 100; i++) {
        const timeMs = startMs + (i * 3 + part) * 60_000;
        for (const id of [5, 3, 9]) addBits(rows, id, 0xfffffff0 + id, timeMs, bits(timeMs - startMs + id));
      }
      await insert(SampleRows, rows);
    }
    const ids = new Uint32Array([0xfffffff3, 3, 0xfffffff9, 9, 0, 77]);
    const range = { startMs: startMs + 60_000, endMs: startMs + 298 * 60_000, ids };
    const seen = new Map<number, number[]>();
    for (const block of await collect(readSamples(database, range))) {
      for (let i = 0; i < block.length; i++) {
        const id = block.ids[2 * i + 1];
        expect(block.ids[2 * i]).toBe(0xfffffff0 + id);
        expect(block.values[i]).toBe(block.times[i] - startMs + id);
        seen.set(id, [...(seen.get(id) ?? []), block.times[i]]);
      }
    }
    const times = Array.from({ length: 298 }, (_, i) => startMs + (i + 1) * 60_000);
    expect([...seen.keys()].toSorted((a, b) => a - b)).toEqual([3, 9]);
    for (const list of seen.values()) expect(list).toEqual(times);
  });

  test("what was written twice is read once, bits and all", async () => {
    for (let copy = 0; copy < 3; copy++) {
      const rows = new SampleRows();
      for (let i = 0; i < 10; i++) addBits(rows, 1, 2, NOW + i, i === 5 ? STALE : bits(i), NOW);
      await insert(SampleRows, rows);
    }
    const blocks = await collect(readSamples(database, all, { starts: true }));
    expect(patterns(blocks)).toEqual(
      [0, 1, 2, 3, 4, STALE, 6, 7, 8, 9].map((v) => (typeof v === "string" ? v : bits(v))),
    );
    expect(blocks.flatMap((block) => [...block.starts!.subarray(0, block.length)])).toEqual(Array(10).fill(NOW));
    expect(blocks.flatMap((block) => [...block.times.subarray(0, block.length)])).toEqual(
      Array.from({ length: 10 }, (_, i) => NOW + i),
    );
  });

  test("an insert with a token that was seen is dropped", async () => {
    const rows = new SampleRows();
    addBits(rows, 1, 2, NOW, bits(1));
    addBits(rows, 1, 2, NOW - 24 * HOUR, bits(2));
    const data = rows.take();
    const settings = { insert_deduplication_token: "token-1" };
    for (let i = 0; i < 3; i++) {
      await database.insert(SampleRows.table, SampleRows.columns, "TabSeparated", data, { settings });
    }
    const [{ n }] = await database.query<{ n: number }>("SELECT toUInt32(count()) AS n FROM metric_samples");
    expect(n).toBe(2);
  });

  test("a time out of range leaves nothing half written", () => {
    const rows = new SampleRows();
    addBits(rows, 1, 2, NOW, bits(1));
    const size = rows.sizeBytes;
    expect(() => addBits(rows, 1, 2, -1, bits(1))).toThrow(RangeError);
    expect(() => addBits(rows, 1, 2, NOW, bits(1 / 3), 1e14)).toThrow(RangeError);
    expect([rows.rows, rows.sizeBytes]).toEqual([1, size]);
  });

  test("a bound on rows is an error", async () => {
    const rows = new SampleRows();
    for (let i = 0; i < 1000; i++) addBits(rows, 1, 2, NOW + i, bits(i));
    await insert(SampleRows, rows);
    await expect(collect(readSamples(database, all, { maxRows: 10 }))).rejects.toMatchObject({
      code: "DB_RESULT_TOO_LARGE",
    });
  });

  test.each([
    ["in statements of many ids", NOW - HOUR],
    ["in streams of few", -Infinity],
  ])("ten thousand ids, %s", async (_, startMs) => {
    const rows = new SampleRows();
    const ids = new Uint32Array(20_000);
    for (let i = 0; i < 10_000; i++) {
      ids[2 * i] = i;
      ids[2 * i + 1] = 0xf0000000 + i;
      addBits(rows, 0xf0000000 + i, i, NOW, bits(i));
    }
    await insert(SampleRows, rows);
    const range = { startMs, endMs: NOW, ids };
    const blocks = await collect(readSamples(database, range));
    expect(blocks.reduce((sum, block) => sum + block.length, 0)).toBe(10_000);
    const seen = blocks.flatMap((block) => [...block.values.subarray(0, block.length)]);
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
    await expect(collect(readSamples(database, range, { maxRows: 9_000 }))).rejects.toMatchObject({
      code: "DB_RESULT_TOO_LARGE",
    });
    for await (const block of readSamples(database, range)) {
      expect(block.length).toBeGreaterThan(0);
      break;
    }
    expect(await collect(readSamples(database, { ...all, ids: new Uint32Array() }))).toEqual([]);
  });
});

describe("series", () => {
  const nasty = 'it\'s \\ "q"\t\n\r\0\b\f,:{}[] ü漢😀';

  test("labels come back as they were, the name in its place", async () => {
    const sets = [
      ["__name__", "up", "job", "node"],
      ["A", "1", "__name__", "x", "_a", "2", "a", "3"],
      ["a", "no name"],
      ["__name__", "only_name"],
      ["__name__", nasty, nasty, nasty],
    ];
    const rows = new SeriesRows();
    sets.forEach((pairs, i) => rows.add(NOW, 1, i, pairs));
    await insert(SeriesRows, rows);
    const got = (await collect(readSeries(database, all))).flat().toSorted((a, b) => a.idLow - b.idLow);
    expect(got).toEqual(sets.map((pairs, i) => ({ idHigh: 1, idLow: i, pairs })));
  });

  test("by day and by name, each once", async () => {
    const rows = new SeriesRows();
    const day = 24 * HOUR;
    for (const ago of [0, 1, 2, 3]) {
      rows.add(NOW - ago * day, 0, 1, ["__name__", "a"]);
      if (ago > 1) rows.add(NOW - ago * day, 0, 2, ["__name__", "b"]);
    }
    await insert(SeriesRows, rows);
    const idsOf = async (startMs: number, endMs: number, name?: string): Promise<number[]> =>
      (await collect(readSeries(database, { startMs, endMs, name })))
        .flat()
        .map((one) => one.idLow)
        .toSorted((a, b) => a - b);
    expect(await idsOf(NOW - 3 * day, NOW)).toEqual([1, 2]);
    expect(await idsOf(NOW - day, NOW)).toEqual([1]);
    expect(await idsOf(NOW - 3 * day, NOW, "b")).toEqual([2]);
    expect(await idsOf(NOW - 3 * day, NOW, "it's none")).toEqual([]);
  });
});

test("histograms come back as they were", async () => {
  const exponential: Histogram = {
    counterResetHint: 2,
    schema: 3,
    zeroThreshold: 2.938735877055719e-39,
    zeroCount: 2,
    count: 12.5,
    sum: -0.1 - 0.2,
    positiveSpans: [
      { offset: -2, length: 2 },
      { offset: 3, length: 1 },
    ],
    positiveBuckets: new Float64Array([1, 2.5, 1e300]),
    negativeSpans: [{ offset: 0, length: 1 }],
    negativeBuckets: new Float64Array([4]),
    customValues: undefined,
  };
  const custom: Histogram = {
    ...exponential,
    counterResetHint: 0,
    schema: -53,
    sum: NaN,
    positiveSpans: [{ offset: 0, length: 2 }],
    positiveBuckets: new Float64Array([3, 4]),
    negativeSpans: [],
    negativeBuckets: new Float64Array(),
    customValues: new Float64Array([0.005, 0.1]),
  };
  const rows = new HistogramRows();
  for (let copy = 0; copy < 2; copy++) {
    rows.add(7, 8, NOW, exponential, 0);
    rows.add(7, 8, NOW + 1, custom, NOW - 5);
  }
  await insert(HistogramRows, rows);
  expect(await collect(readHistograms(database, { ...all, ids: new Uint32Array([8, 7]) }))).toEqual([
    { idHigh: 7, idLow: 8, timeMs: NOW, startMs: 0, histogram: exponential },
    { idHigh: 7, idLow: 8, timeMs: NOW + 1, startMs: NOW - 5, histogram: custom },
  ]);
});

test("exemplars come back, each once", async () => {
  const labels = Labels.fromRecord({ trace_id: "it's\t1" });
  const rows = new ExemplarRows();
  const first = { labels, value: 0.1, timeMs: NOW, hasTime: true };
  const second = { labels: Labels.fromRecord({}), value: NaN, timeMs: NOW, hasTime: false };
  for (const exemplar of [first, first]) rows.add(1, 2, exemplar);
  rows.add(1, 3, second);
  await insert(ExemplarRows, rows);
  const got = await readExemplars(database, all);
  expect(
    got.map(({ idLow, exemplar }) => [idLow, exemplar.labels.toRecord(), exemplar.value, exemplar.hasTime]),
  ).toEqual([
    [2, { trace_id: "it's\t1" }, 0.1, true],
    [3, {}, NaN, false],
  ]);
});

test("metadata: what was said last is first, each distinct once", async () => {
  const rows = new MetadataRows();
  const help = "Says\n\\ how 'much'.";
  rows.add("requests", { type: "counter", unit: "", help }, NOW);
  rows.add("requests", { type: "counter", unit: "", help }, NOW + 10);
  rows.add("requests", { type: "gauge", unit: "seconds", help: "" }, NOW + 5);
  await insert(MetadataRows, rows);
  expect(await readMetadata(database)).toEqual([
    { family: "requests", metadata: { type: "counter", unit: "", help }, seenMs: NOW + 10 },
    { family: "requests", metadata: { type: "gauge", unit: "seconds", help: "" }, seenMs: NOW + 5 },
  ]);
});
