import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openDatabase, type SqlDatabase } from "../database/index.ts";
import { type MetricStore, type MetricStoreOptions, openMetricStore } from "./index.ts";
import { ManualClock } from "./manual-clock.ts";
import { histogram, labels, matchers, read, unlimited, write } from "./store-testing.ts";
import { systemClock } from "../lib/clock.ts";

const HOUR = 3_600_000;
const MINUTE = 60_000;

let path: string;
let database: SqlDatabase;
let store: MetricStore;
// A whole hour close to the present: retention counts from the real clock of the engine.
const T = Math.floor(Date.now() / HOUR) * HOUR - 2 * HOUR;

beforeAll(async () => {
  path = mkdtempSync(join(tmpdir(), "belfry-store-"));
  database = await openDatabase({ path });
});

afterAll(async () => {
  await database?.close();
  rmSync(path, { recursive: true, force: true });
});

async function open(options: Partial<MetricStoreOptions> = {}): Promise<MetricStore> {
  const errors: unknown[] = [];
  store = await openMetricStore({
    database,
    clock: systemClock,
    onError: (what, cause) => errors.push(`${what}: ${String(cause)}`),
    ...options,
  });
  await store.rebuilt;
  expect(errors).toEqual([]);
  return store;
}

async function reopen(options: Partial<MetricStoreOptions> = {}): Promise<MetricStore> {
  await store.close();
  return open(options);
}

beforeEach(async () => {
  for (const table of ["series", "samples", "histograms", "exemplars", "metadata"]) {
    await database.exec(`TRUNCATE TABLE metric_${table}`);
  }
  await open();
});

afterEach(() => store.close());

describe("restart", () => {
  test("[ST5][ST21] everything comes back bit for bit", async () => {
    const values = [
      0,
      -0,
      1.5,
      NaN,
      Infinity,
      -Infinity,
      5e-324,
      Number.MAX_VALUE,
      0.1,
      12.34,
      1e21,
      -7,
      2 ** 53,
      1 / 3,
    ];
    const floats = values.map((value, i) => [T + i * 1000, value] as [number, number]);
    await write(store, {
      'm{job="a",path="it\'s \\ here\ttab"}': [...floats, [T + 60_000, "stale"]],
      h: [
        [T, histogram(3, [1, 2])],
        [T + 1, { ...histogram(4, [2, 2]), sum: NaN, counterResetHint: 3, zeroCount: 2.5 }],
        [T + 2, { ...histogram(4, [2, 2]), schema: -53, customValues: Float64Array.of(0.1, 1) }],
        [T + 3, "stale"],
        [T + 4, 5],
        [T + 5, histogram(6), T - 5],
      ],
      s: [
        [T, 1, T - 1],
        [T + 1, 2, T - 1],
        [T + 2, 3],
      ],
    });
    const before = await read(store, '{__name__!=""}', T, T + HOUR);
    expect(Object.values(before).map((samples) => samples.length)).toEqual([15, 6, 3]);
    await reopen();
    expect(store.rebuildStatus()).toMatchObject({ state: "done", samples: 24, series: 3 });
    expect(await read(store, '{__name__!=""}', T, T + HOUR)).toEqual(before);
    expect(store.stats().databaseReads).toBe(0);
  });
});
