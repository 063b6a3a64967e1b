import { Labels } from "@belfry/core/model";
import { beforeEach, describe, expect, test } from "vitest";
import { AppendFailure, type MetricStore, openMetricStore } from "./index.ts";
import { ManualClock } from "./manual-clock.ts";
import { histogram, labels, matchers, read, type TestSample, unlimited, write } from "./store-testing.ts";

const T = 1_700_000_000_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let clock: ManualClock;
let store: MetricStore;
const all = (selector: string): Promise<unknown> => read(store, selector, -Infinity, Infinity);

beforeEach(async () => {
  clock = new ManualClock(T);
  store = await openMetricStore({ clock });
});

describe("batches", () => {
  test("[HD1] nothing is visible before commit, everything when it returns", async () => {
    const appender = store.appender();
    appender.append(0, labels("m"), T, 1);
    expect(await all("m")).toEqual({});
    expect((await store.series([matchers("m")], 0, T, 0, unlimited())).values).toEqual([]);
    void appender.commit();
    expect(await all("m")).toEqual({ '{__name__="m"}': [[T, 1]] });
  });

  test("[HD2] a rolled back batch leaves nothing", async () => {
    const appender = store.appender();
    appender.append(0, labels("m"), T, 1);
    appender.appendExemplar(0, labels("m"), { labels: labels('{id="1"}'), value: 1, timeMs: T, hasTime: true });
    appender.rollback();
    expect(await all("m")).toEqual({});
    expect(await store.exemplars([matchers("m")], 0, T, unlimited())).toEqual([]);
    expect(() => appender.append(0, labels("m"), T, 1)).toThrow("BUG: appender used after commit or rollback");
    for (let i = 0; i < 3; i++) store.maintain();
    expect(store.stats().head.series).toBe(0);
  });
});

describe("order", () => {
  beforeEach(() => write(store, { m: [[T, 5]] }));

  test("[HD4] the newest sample again is accepted and stored once", async () => {
    expect((await write(store, { m: [[T, 5]] }))[0]).toBeGreaterThan(0);
    expect(await all("m")).toEqual({ '{__name__="m"}': [[T, 5]] });
    expect(store.stats().head.samplesAppended).toBe(1);
  });

  test.each([
    ["another value", 6],
    ["a NaN", NaN],
    ["a marker", "stale" as const],
    ["a histogram", histogram(5)],
  ])("[HD5] %s at the time of the newest is a duplicate", async (_name, value) => {
    expect(await write(store, { m: [[T, value]] })).toEqual([AppendFailure.Duplicate]);
    expect(store.stats().head.rejectedDuplicate).toBe(1);
  });

  test("[HD5] 0 and -0 differ", async () => {
    await write(store, { z: [[T, 0]] });
    expect(await write(store, { z: [[T, -0]] })).toEqual([AppendFailure.Duplicate]);
  });

  test("[HD5] the same histogram is no duplicate, another is, and so is a float", async () => {
    await write(store, { h: [[T, histogram(3)]] });
    expect((await write(store, { h: [[T, histogram(3)]] }))[0]).toBeGreaterThan(0);
    expect(await write(store, { h: [[T, histogram(4)]] })).toEqual([AppendFailure.Duplicate]);
    expect(await write(store, { h: [[T, 3]] })).toEqual([AppendFailure.Duplicate]);
  });

  test("[HD6] older than the newest of the series is out of order, also by a millisecond", async () => {
    expect(await write(store, { m: [[T - 1, 5]] })).toEqual([AppendFailure.OutOfOrder]);
    expect(await write(store, { m: [[T - HOUR, 5]] })).toEqual([AppendFailure.OutOfOrder]);
    expect(store.stats().head.rejectedOutOfOrder).toBe(2);
  });

  test("[HD3][HD6] an hour before the newest of the head is the border, for new series too", async () => {
    expect((await write(store, { other: [[T - HOUR, 1]] }))[0]).toBeGreaterThan(0);
    expect(await write(store, { third: [[T - HOUR - 1, 1]] })).toEqual([AppendFailure.OutOfBounds]);
    expect(await write(store, { m: [[T - HOUR - 1, 1]] })).toEqual([AppendFailure.OutOfBounds]);
    expect(store.stats().head.rejectedOutOfBounds).toBe(2);
  });

  test("[HD3] an empty head accepts any past", async () => {
    const fresh = await openMetricStore({ clock });
    expect((await write(fresh, { m: [[1000, 1]] }))[0]).toBeGreaterThan(0);
    expect(await read(fresh, "m", 0, T)).toEqual({ '{__name__="m"}': [[1000, 1]] });
  });

  test("[HD8] ten minutes ahead of the clock is the border", async () => {
    expect(await write(store, { m: [[T + 10 * MINUTE + 1, 1]] })).toEqual([AppendFailure.TooFarInFuture]);
    expect(await write(store, { h: [[T + 10 * MINUTE + 1, histogram(1)]] })).toEqual([AppendFailure.TooFarInFuture]);
    expect((await write(store, { m: [[T + 10 * MINUTE, 1]] }))[0]).toBeGreaterThan(0);
  });

  test("[HD3] after the clock was set back other series are not locked out", async () => {
    const ahead = await openMetricStore({ clock: new ManualClock(T + 24 * HOUR) });
    await write(ahead, { m: [[T + 24 * HOUR, 1]] });
    expect(await write(ahead, { other: [[T, 1]] })).toEqual([AppendFailure.OutOfBounds]);
    const back = new ManualClock(T + 24 * HOUR);
    const set = await openMetricStore({ clock: back });
    await write(set, { m: [[T + 24 * HOUR, 1]] });
    back.advance(-24 * HOUR);
    expect((await write(set, { other: [[T, 1]] }))[0]).toBeGreaterThan(0);
    expect(await write(set, { m: [[T, 1]] })).toEqual([AppendFailure.OutOfOrder]);
  });

  test("[HD10] the first of two in one batch stays", async () => {
    const batch: Record<string, TestSample[]> = {
      m: [
        [T + 1, 1],
        [T + 1, 2],
        [T + 1, 1],
        [T, 9],
        [T + 2, 3],
      ],
    };
    // While appending only what is committed is known: the sample at T differs from the one that is there.
    expect((await write(store, batch)).map((ref) => ref > 0)).toEqual([true, true, true, false, true]);
    expect(await all("m")).toEqual({
      '{__name__="m"}': [
        [T, 5],
        [T + 1, 1],
        [T + 2, 3],
      ],
    });
    expect(store.stats().head.rejectedDuplicate).toBe(2);
  });

  test("[HD1] fractions of milliseconds are cut off", async () => {
    await write(store, { f: [[T + 0.7, 1]] });
    expect(await all("f")).toEqual({ '{__name__="f"}': [[T, 1]] });
  });
});

describe("out-of-order window", () => {
  const late = { allowOutOfOrder: true };

  beforeEach(async () => {
    store.configure({ outOfOrderWindowMs: 30 * MINUTE });
    await write(store, {
      m: [
        [T - 20_000, 1],
        [T - 10_000, 2],
        [T, 3],
      ],
      new: [[T, 1]],
    });
  });

  test("[HD7] late samples are read in their place", async () => {
    const refs = await write(
      store,
      {
        m: [
          [T - 15_000, 7],
          [T - 30 * MINUTE, 8],
          [T - 5000, "stale"],
        ],
      },
      late,
    );
    expect(refs.every((ref) => ref > 0)).toBe(true);
    expect(await all("m")).toEqual({
      '{__name__="m"}': [
        [T - 30 * MINUTE, 8],
        [T - 20_000, 1],
        [T - 15_000, 7],
        [T - 10_000, 2],
        [T - 5000, "stale"],
        [T, 3],
      ],
    });
    expect(store.stats().head.outOfOrderAccepted).toBe(3);
  });

  test("[HD7] a batch must allow it", async () => {
    expect(await write(store, { m: [[T - 15_000, 7]] })).toEqual([AppendFailure.OutOfOrder]);
  });

  test("[HD7] older than the window is too old", async () => {
    expect(await write(store, { m: [[T - 30 * MINUTE - 1, 7]] }, late)).toEqual([AppendFailure.TooOld]);
    expect(await write(store, { n: [[T - 2 * HOUR, 7]] }, late)).toEqual([AppendFailure.TooOld]);
  });

  test("[HD7] a time that is taken keeps its value", async () => {
    const refs = await write(
      store,
      {
        m: [
          [T - 10_000, 2],
          [T - 20_000, 9],
        ],
      },
      late,
    );
    expect(refs.every((ref) => ref > 0)).toBe(true);
    expect(await all("m")).toEqual({
      '{__name__="m"}': [
        [T - 20_000, 1],
        [T - 10_000, 2],
        [T, 3],
      ],
    });
    expect(store.stats().head.rejectedDuplicate).toBe(1);
  });

  test("[HD7] the series goes on after a late sample", async () => {
    await write(store, { m: [[T - 15_000, 7]] }, late);
    await write(store, { m: [[T + 15_000, 4]] });
    expect(((await all("m")) as Record<string, unknown[]>)['{__name__="m"}']).toHaveLength(5);
  });
});

describe("values", () => {
  test("[HD12] the bits are kept", async () => {
    const values = [0, -0, 1.5, NaN, Infinity, -Infinity, 5e-324, Number.MAX_VALUE, 0.1, 1e21, -123456789.25];
    const samples = values.map((value, i) => [T - 20_000 + i, value] as [number, number]);
    await write(store, { m: [...samples, [T, "stale"]] });
    const got = (await all("m")) as Record<string, [number, unknown][]>;
    expect(got['{__name__="m"}']!.map(([, value]) => value)).toEqual([
      0,
      -0,
      1.5,
      "NaN 7ff8000000000001",
      ...values.slice(4),
      "stale",
    ]);
  });

  test("[HD13] floats and histograms may follow one another", async () => {
    const samples = [
      [T, 1],
      [T + 1, histogram(2, [1, 1])],
      [T + 2, histogram(3, [1, 2])],
      [T + 3, histogram(3, [1, 1, 1])],
      [T + 4, "stale"],
      [T + 5, 4],
      [T + 6, histogram(1, [1], 3)],
    ] as const;
    for (const sample of samples) await write(store, { m: [sample as never] });
    expect(await all("m")).toEqual({ '{__name__="m"}': samples });
  });

  test("[HD14] start timestamps are kept per sample", async () => {
    const samples = [
      [T, 1],
      [T + 1, 2, T - 5],
      [T + 2, 3, T - 5],
      [T + 3, 0, T + 3],
      [T + 4, 1],
      [T + 5, histogram(1), T + 5],
    ] as const;
    for (const sample of samples) await write(store, { m: [sample as never] });
    expect(await all("m")).toEqual({ '{__name__="m"}': samples });
  });
});

describe("refs", () => {
  test("[HD11] a living ref decides, whatever the labels", async () => {
    const [ref] = await write(store, { m: [[T, 1]] });
    const appender = store.appender();
    expect(appender.append(ref!, new Labels([]), T + 1, 2)).toBe(ref);
    void appender.commit();
    expect(await all("m")).toEqual({
      '{__name__="m"}': [
        [T, 1],
        [T + 1, 2],
      ],
    });
  });

  test("[HD11] the ref of a removed series counts for nothing, even when its place is taken", async () => {
    const [old] = await write(store, { m: [[T, 1]] });
    clock.advance(5 * HOUR);
    await write(store, { other: [[clock.now(), 1]] });
    for (let i = 0; i < 3; i++) store.maintain();
    expect(store.stats().head.series).toBe(1);
    const [taken] = await write(store, { third: [[clock.now(), 1]] });
    expect(taken).not.toBe(old);
    const appender = store.appender();
    expect(appender.append(old!, labels("m"), clock.now(), 7)).not.toBe(old);
    void appender.commit();
    expect(await all("m")).toEqual({ '{__name__="m"}': [[clock.now(), 7]] });
    expect(await all("third")).toEqual({ '{__name__="third"}': [[clock.now(), 1]] });
  });

  test("[HD9] past the series limit new series are refused and known ones go on", async () => {
    const small = await openMetricStore({ clock, maxSeries: 2 });
    expect((await write(small, { a: [[T, 1]], b: [[T, 1]], c: [[T, 1]] })).map((ref) => Math.min(ref, 1))).toEqual([
      1,
      1,
      AppendFailure.SeriesLimit,
    ]);
    expect((await write(small, { a: [[T + 1, 1]] }))[0]).toBeGreaterThan(0);
    expect(small.stats().head.rejectedSeriesLimit).toBe(1);
    expect(small.stats().head.refusingSeries).toBe(true);
  });
});

describe("exemplars and metadata", () => {
  const exemplar = (timeMs: number, value: number, id = "a", hasTime = true) => ({
    labels: labels(`{id="${id}"}`),
    value,
    timeMs,
    hasTime,
  });

  async function add(series: string, ...exemplars: ReturnType<typeof exemplar>[]): Promise<boolean[]> {
    const appender = store.appender();
    appender.append(0, labels(series), clock.now(), 1);
    const accepted = exemplars.map((one) => appender.appendExemplar(0, labels(series), one));
    await appender.commit();
    return accepted;
  }

  test("[HD16] in time order per series, sorted by labels", async () => {
    expect(await add("b", exemplar(T, 1), exemplar(T + 1, 2))).toEqual([true, true]);
    expect(await add("a", exemplar(T, 3))).toEqual([true]);
    const select = async (selector: string, startMs: number): Promise<unknown> =>
      (await store.exemplars([matchers(selector)], startMs, T + 1, unlimited())).map((found) => [
        found.labels.metricName,
        found.exemplars,
      ]);
    expect(await select('{__name__=~"a|b"}', T)).toEqual([
      ["a", [exemplar(T, 3)]],
      ["b", [exemplar(T, 1), exemplar(T + 1, 2)]],
    ]);
    expect(await select("b", T + 1)).toEqual([["b", [exemplar(T + 1, 2)]]]);
  });

  test("[HD16] the newest again is kept once, older ones are refused", async () => {
    await add("m", exemplar(T, 5));
    expect(await add("m", exemplar(T, 5))).toEqual([true]);
    expect(await add("m", exemplar(T - 1, 5))).toEqual([false]);
    expect(await add("m", exemplar(T, 4))).toEqual([false]);
    expect(await add("m", exemplar(T + 1, 5))).toEqual([true]);
    expect(store.stats().exemplars).toBe(2);
    expect(store.stats().head.rejectedExemplars).toBe(2);
  });

  test("[HD16] without a time of its own the same exemplar is the same at any scrape", async () => {
    await add("m", exemplar(T, 5, "a", false));
    expect(await add("m", exemplar(T + 15_000, 5, "a", false))).toEqual([true]);
    expect(store.stats().exemplars).toBe(1);
  });

  test("[HD16] 128 characters of labels are the most", async () => {
    expect(await add("m", exemplar(T, 1, "ü".repeat(126)), exemplar(T + 1, 1, "𝄞".repeat(127)))).toEqual([true, false]);
  });

  test("[HD16] the oldest of all goes first", async () => {
    store.configure({ maxExemplars: 3 });
    await add("a", exemplar(T, 1));
    await add("b", exemplar(T, 2), exemplar(T + 1, 3), exemplar(T + 2, 4));
    expect(await store.exemplars([matchers("a")], 0, T + 9, unlimited())).toEqual([]);
    await add("b", exemplar(T + 3, 5));
    expect((await store.exemplars([matchers("b")], 0, T + 9, unlimited()))[0]!.exemplars.map((e) => e.value)).toEqual([
      3, 4, 5,
    ]);
    store.configure({ maxExemplars: 1 });
    expect((await store.exemplars([matchers("b")], 0, T + 9, unlimited()))[0]!.exemplars.map((e) => e.value)).toEqual([
      5,
    ]);
  });

  test("[HD17] the entry that came last is first, at most four", async () => {
    const appender = store.appender();
    await appender.commit();
    for (const help of ["one", "two", "three", "two", "four", "five", "six"]) {
      const batch = store.appender();
      batch.updateMetadata("m", { type: "counter", help, unit: "" });
      await batch.commit();
    }
    expect(store.metadata("m")).toEqual({ type: "counter", help: "six", unit: "" });
    expect(
      store
        .allMetadata()
        .get("m")!
        .map((entry) => entry.help),
    ).toEqual(["six", "five", "four", "two"]);
    expect(store.metadata("unknown")).toBeUndefined();
  });
});
