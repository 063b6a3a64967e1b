// The store with its database against a model of plain arrays: random batches, late samples, deletions, restarts and
// reads across a floor that moves all the time.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase, type SqlDatabase } from "../database/index.ts";
import { systemClock } from "../lib/clock.ts";
import { type MetricStore, openMetricStore } from "./index.ts";
import { histogram, matchers, read, type ReadSample, type TestSample, unlimited, write } from "./store-testing.ts";

const HOUR = 3_600_000;

let path: string;
let database: SqlDatabase;

beforeAll(async () => {
  path = mkdtempSync(join(tmpdir(), "belfry-fuzz-"));
  database = await openDatabase({ path });
});

afterAll(async () => {
  await database?.close();
  rmSync(path, { recursive: true, force: true });
});

async function open(): Promise<MetricStore> {
  const store = await openMetricStore({
    database,
    clock: systemClock,
    windowMs: 600_000,
    outOfOrderWindowMs: 3 * HOUR,
    onError: (what, cause) => {
      throw new Error(what, { cause });
    },
  });
  return store;
}

async function run(seed: number, steps: number): Promise<void> {
  for (const table of ["series", "samples", "histograms", "exemplars", "metadata"]) {
    await database.exec(`TRUNCATE TABLE metric_${table}`);
  }
  let state = seed * 7919;
  const next = (n: number): number => ((state = (state * 48271) % 2147483647), state % n);
  let store = await open();
  const begin = Date.now() - 6 * HOUR;
  let now = begin;
  const model = new Map<string, Map<number, ReadSample>>();
  const names = Array.from({ length: 8 }, (_, i) => `m{i="${i}"}`);
  const put = (series: string, sample: TestSample): void => {
    let samples = model.get(series);
    if (samples === undefined) model.set(series, (samples = new Map()));
    samples.set(sample[0], sample as ReadSample);
  };

  let deleting: Promise<void> | undefined;
  for (let step = 0; step < steps; step++) {
    // Reads may come while it is under way; a late sample might be deleted with the others.
    await deleting;
    now += 10_000 + next(40_000);
    const batch: Record<string, TestSample[]> = {};
    for (const [i, series] of names.entries()) {
      if (next(6) === 0) continue;
      const samples: TestSample[] = [];
      // Late ones first or last, in memory or below the floor.
      const time = next(8) === 0 && model.get(series) !== undefined ? now - next(2 * HOUR) : now;
      if (time >= begin && !model.get(series)?.has(time)) {
        const value =
          next(20) === 0 ? "stale" : i === 0 ? histogram(step, [step, next(3)]) : i === 1 ? step / 3 : next(1000) / 10;
        samples.push(next(10) === 0 && value !== "stale" ? [time, value, begin] : [time, value]);
      }
      if (next(30) === 0) batch[`gone{n="${step}-${i}"}`] = [[now, step]];
      if (samples.length > 0) batch[series] = samples;
    }
    // Of a series the model has what the store was given; which is accepted, since all times are new.
    for (const [series, samples] of Object.entries(batch)) for (const sample of samples) put(series, sample);
    const refs = await write(store, batch, { allowOutOfOrder: true, scrape: next(3) > 0 });
    expect(refs.filter((ref) => ref < 0)).toEqual([]);
    if (next(4) === 0) store.maintain();
    if (next(40) === 0) {
      const series = names[next(names.length)]!;
      const from = begin + next(now - begin);
      const to = from + next(HOUR);
      const deletion = store.deleteSeries([matchers(series)], from, to, unlimited());
      for (const time of model.get(series)?.keys() ?? [])
        if (time >= from && time <= to) model.get(series)!.delete(time);
      if (next(2) === 0) await deletion;
      else deleting = deletion;
    }
    if (next(50) === 0) {
      await store.close();
      store = await open();
      if (next(2) === 0) await store.rebuilt;
    }
    if (next(3) === 0) {
      const from = begin + next(now - begin + 1);
      const to = next(2) === 0 ? now : from + next(HOUR);
      const want: Record<string, ReadSample[]> = {};
      for (const [series, samples] of model) {
        const inside = [...samples.values()].filter(([time]) => time >= from && time <= to).sort((a, b) => a[0] - b[0]);
        if (inside.length > 0) want[printed(series)] = inside;
      }
      expect(await read(store, '{__name__=~"m|gone"}', from, to), `seed ${seed} step ${step}`).toEqual(want);
    }
  }
  expect(store.stats().databaseReads).toBeGreaterThan(0);
  await store.close();
}

function printed(series: string): string {
  const [, name, label, value] = /^(\w+)\{(\w+)="(.*)"\}$/.exec(series)!;
  return `{__name__="${name}", ${label}="${value}"}`;
}

test.each([1, 2, 3])("[ST2][ST8][ST22] whatever happens, reads are complete, seed %i", { timeout: 120_000 }, (seed) =>
  run(seed, 200),
);
