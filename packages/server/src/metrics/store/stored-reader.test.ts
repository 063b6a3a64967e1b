import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openDatabase, type SqlDatabase } from "../../database/index.ts";
import { systemClock } from "../../lib/clock.ts";
import { type MetricStore, type MetricStoreOptions, openMetricStore } from "../index.ts";
import {
  histogram,
  matchers,
  type ReadSample,
  read as readPrinted,
  type TestSample,
  unlimited,
  write,
} from "../store-testing.ts";
import { SampleCache, SPAN_MS } from "./sample-cache.ts";
import { Columns } from "./sample-columns.ts";

const HOUR = 3_600_000;
const MINUTE = 60_000;

let path: string;
let database: SqlDatabase;
let store: MetricStore;
const now = Date.now();
// A quarter past, so that the hour from T on covers two half hours in part and one whole.
const T = Math.floor(now / HOUR) * HOUR - 8 * HOUR + 15 * MINUTE;
const END = T + HOUR - 1;

const minutes = (from: number, to: number, value = 1): TestSample[] =>
  Array.from({ length: (to - from) / MINUTE }, (_, i) => [from + i * MINUTE, value]);

async function open(options: Partial<MetricStoreOptions> = {}): Promise<void> {
  store = await openMetricStore({
    database,
    clock: systemClock,
    windowMs: HOUR,
    outOfOrderWindowMs: 24 * HOUR,
    ...options,
  });
  await store.rebuilt;
}

beforeAll(async () => {
  path = mkdtempSync(join(tmpdir(), "belfry-stored-reader-"));
  database = await openDatabase({ path });
});

afterAll(async () => {
  await database?.close();
  rmSync(path, { recursive: true, force: true });
});

beforeEach(async () => {
  for (const table of ["series", "samples", "histograms", "exemplars", "metadata"]) {
    await database.exec(`TRUNCATE TABLE metric_${table}`);
  }
  await open({ windowMs: 24 * HOUR });
  await write(store, { 'm{a="1"}': minutes(T - HOUR, T + 2 * HOUR) });
  await write(store, { 'm{a="2"}': minutes(T - HOUR, T + 2 * HOUR, 2) }, { allowOutOfOrder: true });
  await write(store, { now: [[now, 1]] });
  await store.close();
  await open();
});

afterEach(() => store.close());

/** read shortens the labels to what `write` takes. */
async function read(
  from: MetricStore,
  selector: string,
  startMs: number,
  endMs: number,
  context = unlimited(),
): Promise<Record<string, ReadSample[]>> {
  const printed = Object.entries(await readPrinted(from, selector, startMs, endMs, context));
  return Object.fromEntries(
    printed.map(([key, samples]) => [
      key.replace(/^\{__name__="(\w+)"(?:, (.*))?\}$/, (_, name: string, rest: string | undefined) =>
        rest === undefined ? name : `${name}{${rest}}`,
      ),
      samples,
    ]),
  );
}

/** readsFromDatabase tells how many samples a read took from the database. */
async function readsFromDatabase<T>(action: () => Promise<T>): Promise<[result: T, samples: number]> {
  const before = store.stats().databaseSamplesRead;
  const result = await action();
  return [result, store.stats().databaseSamplesRead - before];
}

const hour = (selector = "m"): ReturnType<typeof read> => read(store, selector, T, END);
const expected = { 'm{a="1"}': minutes(T, END + 1), 'm{a="2"}': minutes(T, END + 1, 2) };
const expectedOne = { 'm{a="1"}': minutes(T, END + 1) };

describe("cache below the floor", () => {
  test("[ST9][ST12] a second read is answered without the database and charged the same", async () => {
    const charges: number[] = [];
    for (let i = 0; i < 2; i++) {
      let charged = 0;
      const context = {
        ...unlimited(),
        budget: { charge: (n: number) => void (charged += n), release: () => undefined },
      };
      expect(await read(store, "m", T, END, context)).toEqual(expected);
      charges.push(charged);
    }
    expect(charges).toEqual([120, 120]);
    // Two series, three half hours.
    expect(store.stats().sampleCache).toMatchObject({ misses: 6, hits: 6 });
    expect(store.stats().databaseSamplesRead).toBe(180);
    const [one, samples] = await readsFromDatabase(() => read(store, 'm{a="2"}', T + MINUTE, T + 2 * MINUTE));
    expect(one).toEqual({
      'm{a="2"}': [
        [T + MINUTE, 2],
        [T + 2 * MINUTE, 2],
      ],
    });
    expect(samples).toBe(0);
  });

  test("[ST12] what is missing is read and joined with what is there", async () => {
    expect(await hour('m{a="1"}')).toEqual(expectedOne);
    expect(await hour()).toEqual(expected);
    const [all, samples] = await readsFromDatabase(() => read(store, "m", T - HOUR, T + 2 * HOUR));
    expect(all).toEqual({
      'm{a="1"}': minutes(T - HOUR, T + 2 * HOUR),
      'm{a="2"}': minutes(T - HOUR, T + 2 * HOUR, 2),
    });
    expect(samples).toBeGreaterThan(0);
    expect((await readsFromDatabase(() => hour()))[1]).toBe(0);
  });

  test("[ST12] a late sample is seen at once, and again when it is durable", async () => {
    await hour();
    await write(store, { 'm{a="1"}': [[T + 1000, 7]] }, { allowOutOfOrder: true });
    expect((await hour())['m{a="1"}']!.slice(0, 3)).toEqual([
      [T, 1],
      [T + 1000, 7],
      [T + MINUTE, 1],
    ]);
    // A scrape's rows wait for others; the read makes them go out.
    await write(store, { 'm{a="1"}': [[T + 2000, 8]] }, { allowOutOfOrder: true, scrape: true });
    expect((await hour())['m{a="1"}']![2]).toEqual([T + 2000, 8]);
    // In the same half hour as what is read, but after it: not waited for, and not forgotten.
    const late = END + 1000;
    const pending = write(store, { 'm{a="1"}': [[late, 9]] }, { allowOutOfOrder: true });
    await hour();
    await pending;
    expect(await read(store, 'm{a="1"}', late, late)).toEqual({ 'm{a="1"}': [[late, 9]] });
  });

  test("[ST12] a late series and a late histogram are seen", async () => {
    await hour();
    await write(store, { 'm{a="3"}': [[T, 3]], 'm{a="1"}': [[T + 1, histogram(2)]] }, { allowOutOfOrder: true });
    for (let i = 0; i < 2; i++) {
      const got = await hour();
      expect(got['m{a="3"}']).toEqual([[T, 3]]);
      expect(got['m{a="1"}']!.slice(0, 3)).toEqual([
        [T, 1],
        [T + 1, histogram(2)],
        [T + MINUTE, 1],
      ]);
    }
    expect(store.stats().sampleCache.hits).toBeGreaterThan(0);
  });

  test("[ST12][ST22] deleted samples are gone", async () => {
    await hour();
    const deleted = store.deleteSeries([matchers('m{a="2"}')], T, T + HOUR / 2 - 1, unlimited());
    const during = hour();
    await deleted;
    const left = { 'm{a="1"}': expected['m{a="1"}'], 'm{a="2"}': minutes(T + HOUR / 2, END + 1, 2) };
    expect(await during).toEqual(left);
    expect(await hour()).toEqual(left);
    expect(await hour()).toEqual(left);
  });

  test("[ST12] a load that overlaps a deletion is not kept", async () => {
    const running = hour();
    await store.deleteSeries([matchers('m{a="2"}')], 0, now, unlimited());
    await running;
    expect(await hour()).toEqual(expectedOne);
  });

  test("[ST11][ST12] a shorter retention hides what is kept", async () => {
    await hour();
    store.configure({ retentionMs: now - T - 30 * MINUTE });
    expect(await hour()).toEqual({
      'm{a="1"}': minutes(T + 30 * MINUTE, END + 1),
      'm{a="2"}': minutes(T + 30 * MINUTE, END + 1, 2),
    });
    store.configure({ retentionMs: 24 * HOUR });
    expect(await hour()).toEqual(expected);
  });

  test("[ST7][ST12] what is near the floor is not kept, and the floor may move on", async () => {
    const border = store.stats().head.floorMs;
    const from = border - 2 * HOUR;
    const around = (): ReturnType<typeof read> => read(store, "n", from, now);
    const samples: TestSample[] = [];
    for (let t = Math.ceil(from / MINUTE) * MINUTE; t < now; t += MINUTE) samples.push([t, t % 7]);
    await write(store, { n: samples }, { allowOutOfOrder: true });
    expect(await around()).toEqual({ n: samples });
    expect(await around()).toEqual({ n: samples });
    await write(store, { n: [[now + 5 * MINUTE, 1]] });
    store.maintain();
    expect(store.stats().head.floorMs).toBeGreaterThan(border);
    expect(await around()).toEqual({ n: samples });
    expect(await around()).toEqual({ n: samples });
  });

  test("[ST12] a cache too small for a query answers in full", async () => {
    await store.close();
    await open({ budgetBytes: 10_000 });
    for (let i = 0; i < 2; i++) expect(await hour()).toEqual(expected);
    expect(store.stats().sampleCache).toMatchObject({ hits: 0, bytes: 0 });
  });
});

describe("sample cache", () => {
  function columns(span: number, ids: readonly [high: number, low: number][]): Columns {
    const made = new Columns(span * SPAN_MS);
    for (const [high, low] of ids) {
      const chunk = made.open(high, low);
      for (let i = 0; i < 10; i++) made.push(span * SPAN_MS + i, i, high, 0);
      made.close(chunk);
    }
    return made;
  }

  test("[ST12] what was not used for longest goes first", () => {
    const cache = new SampleCache(600, Infinity);
    const load = cache.begin(Infinity);
    const first = columns(1, [[1, 1]]);
    cache.put(load, 1, first, 0);
    cache.put(load, 2, columns(2, [[1, 1]]), 0);
    cache.use(first, 0);
    cache.put(load, 3, columns(3, [[1, 1]]), 0);
    expect([1, 2, 3].map((span) => cache.span(span) !== undefined)).toEqual([true, false, true]);
    expect(cache.stats.bytes).toBeLessThanOrEqual(600);
    cache.clear();
    expect(cache.stats.bytes).toBe(0);
  });

  test("[ST12][ST23] series that share half an id are kept apart, also when one is replaced or dropped", () => {
    const cache = new SampleCache(1e6, Infinity);
    const load = cache.begin(Infinity);
    cache.put(
      load,
      1,
      columns(1, [
        [1, 9],
        [2, 9],
        [3, 9],
      ]),
      0,
    );
    const newer = columns(1, [
      [2, 9],
      [4, 9],
    ]);
    cache.put(load, 1, newer, 0);
    const highs = (): number[] => {
      const found: number[] = [];
      for (let chunk = cache.span(1)?.get(9); chunk !== undefined; chunk = chunk.next) found.push(chunk.idHigh);
      return found.sort((a, b) => a - b);
    };
    expect(highs()).toEqual([1, 2, 3, 4]);
    // What is too old is not used.
    newer.untilMs = 5;
    expect(cache.use(newer, 5)).toBe(false);
    expect(highs()).toEqual([1, 3]);
  });

  test("[ST12] a load during which something was written is not kept", () => {
    const cache = new SampleCache(1e6, Infinity);
    const load = cache.begin(2 * SPAN_MS);
    cache.forgetFrom(2 * SPAN_MS);
    cache.put(load, 0, columns(0, [[1, 1]]), 0);
    expect(cache.span(0)).toBeDefined();
    cache.forgetFrom(2 * SPAN_MS - 1);
    cache.put(load, 1, columns(1, [[1, 1]]), 0);
    expect(cache.span(0)).toBeDefined();
    expect(cache.span(1)).toBeUndefined();
  });
});
