import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { matchesAll, SampleBuffer } from "@belfry/core/model";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type BatchWriter, openDatabase, type SqlDatabase } from "../database/index.ts";
import { OverloadedError } from "../lib/errors.ts";
import { AppendFailure, type MetricStore, type MetricStoreOptions, openMetricStore } from "./index.ts";
import {
  hints,
  histogram,
  labels,
  matchers,
  read,
  samplesOf,
  type TestSample,
  unlimited,
  write,
} from "./store-testing.ts";
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

  test("[ST21][HD4][HD5] what is a duplicate is known", async () => {
    await write(store, { m: [[T, 1]] });
    await reopen();
    expect((await write(store, { m: [[T, 1]] }))[0]).toBeGreaterThan(0);
    expect(await write(store, { m: [[T, 2]] })).toEqual([AppendFailure.Duplicate]);
    expect(await write(store, { m: [[T - 1, 2]] })).toEqual([AppendFailure.OutOfOrder]);
    expect(store.stats().head.samplesAppended).toBe(0);
  });

  test("[ST23] ids stay the same", async () => {
    await write(store, { 'm{a="1"}': [[T, 1]] });
    await reopen();
    await write(store, { 'm{a="1"}': [[T + 1, 2]], 'm{a="2"}': [[T + 1, 2]] });
    const rows = await database.query<{ series: string; samples: string }>(
      "SELECT toString(uniqExact(id)) AS series, toString(count()) AS samples FROM metric_samples",
    );
    expect(rows).toEqual([{ series: "2", samples: "3" }]);
    expect(await database.query("SELECT toUInt32(count()) AS n FROM metric_series")).toEqual([{ n: 2 }]);
  });

  test("[ST24] exemplars and metadata come back", async () => {
    const exemplar = (timeMs: number, value: number) => ({ labels: labels('{id="a"}'), value, timeMs, hasTime: true });
    const appender = store.appender();
    appender.append(0, labels('m{a="1"}'), T, 1);
    appender.appendExemplar(0, labels('m{a="1"}'), exemplar(T, 1));
    appender.appendExemplar(0, labels('m{a="1"}'), exemplar(T + 1, 0.5));
    appender.updateMetadata("m", { type: "counter", help: "old\ttext", unit: "" });
    appender.updateMetadata("n", { type: "gauge", help: "", unit: "bytes" });
    await appender.commit();
    const second = store.appender();
    second.updateMetadata("m", { type: "counter", help: "new", unit: "" });
    await second.commit();
    await reopen();
    expect(store.metadata("m")).toEqual({ type: "counter", help: "new", unit: "" });
    expect(
      store
        .allMetadata()
        .get("m")!
        .map((entry) => entry.help),
    ).toEqual(["new", "old\ttext"]);
    expect(store.metadata("n")).toEqual({ type: "gauge", help: "", unit: "bytes" });
    const found = await store.exemplars([matchers("m")], T, T + HOUR, unlimited());
    expect(found.map((one) => [String(one.labels), one.exemplars])).toEqual([
      ['{__name__="m", a="1"}', [exemplar(T, 1), exemplar(T + 1, 0.5)]],
    ]);
    expect(store.stats().exemplars).toBe(2);
  });

  test("[ST8] queries are answered in full while the head is rebuilt", async () => {
    for (let i = 0; i < 60; i++)
      await write(store, { m: [[T + i * MINUTE, i]], [`gone${i}`]: [[T + i * MINUTE, i]] }, { scrape: true });
    const before = await read(store, '{__name__!=""}', T, T + 2 * HOUR);
    await store.close();
    const failures: unknown[] = [];
    store = await openMetricStore({ database, clock: systemClock, onError: (_what, cause) => failures.push(cause) });
    let rounds = 0;
    let appended = 60;
    while (store.rebuildStatus().state !== "done" && failures.length === 0) {
      expect(await read(store, '{__name__!=""}', T, T + 59 * MINUTE)).toEqual(before);
      await write(store, { m: [[T + appended * MINUTE, appended]] }, { scrape: true });
      appended++;
      rounds++;
      // Reading from memory alone leaves no turn to the rebuild.
      await setImmediate();
    }
    expect(failures).toEqual([]);
    expect(rounds).toBeGreaterThan(0);
    const after = await read(store, "m", T, T + 30 * HOUR);
    expect(after['{__name__="m"}']!.map(([, value]) => value)).toEqual(Array.from({ length: appended }, (_, i) => i));
  });
});

test("[ST8] late samples that come while the head is rebuilt are not lost", async () => {
  const series = Array.from({ length: 300 }, (_, i) => `m{i="${i}"}`);
  for (let i = 0; i < 120; i++) {
    await write(store, Object.fromEntries(series.map((one) => [one, [[T + i * MINUTE, i]]])), { scrape: true });
  }
  await store.close();
  store = await openMetricStore({ database, clock: systemClock, outOfOrderWindowMs: 3 * HOUR });
  const late: number[] = [];
  while (store.rebuildStatus().state !== "done") {
    const time = T + 1 + late.length * 7001;
    if (time < T + 119 * MINUTE) {
      void write(store, { 'm{i="7"}': [[time, -1]] }, { scrape: true, allowOutOfOrder: true });
      late.push(time);
    }
    await setImmediate();
  }
  expect(late.length).toBeGreaterThan(10);
  const got = await read(store, 'm{i="7"}', T, T + 3 * HOUR);
  const times = got['{__name__="m", i="7"}']!.map(([time]) => time);
  const inOrder = Array.from({ length: 120 }, (_, i) => T + i * MINUTE);
  expect(times).toEqual([...new Set([...inOrder, ...late])].sort((a, b) => a - b));
});

describe("across the floor", () => {
  const minutes = (from: number, to: number): TestSample[] =>
    Array.from({ length: to - from }, (_, i) => [T + (from + i) * MINUTE, from + i]);

  beforeEach(async () => {
    // Twenty minutes in memory of a hundred.
    await reopen({ windowMs: 20 * MINUTE });
    for (let i = 0; i < 100; i++) {
      const batch: Record<string, TestSample[]> = { m: [[T + i * MINUTE, i]] };
      if (i < 30) batch["early"] = [[T + i * MINUTE, -i]];
      if (i === 30) batch["early"] = [[T + i * MINUTE, "stale"]];
      if (i >= 90) batch["late"] = [[T + i * MINUTE, i]];
      await write(store, batch, { scrape: true });
      store.maintain();
    }
  });

  test("[ST1] above the floor the database is not asked", async () => {
    const { floorMs } = store.stats().head;
    expect(floorMs).toBe(T + 79 * MINUTE);
    expect((await read(store, "m", floorMs, T + HOUR * 2))['{__name__="m"}']).toHaveLength(21);
    expect(store.stats().databaseReads).toBe(0);
  });

  test("[ST2][ST6] wherever the range begins and ends", async () => {
    for (const [from, to] of [
      [0, 100],
      [0, 10],
      [70, 85],
      [78, 79],
      [79, 80],
      [78, 80],
      [20, 40],
    ] as const) {
      const got = await read(store, '{__name__=~"m|early|late"}', T + from * MINUTE, T + (to - 1) * MINUTE);
      const want: Record<string, unknown> = { '{__name__="m"}': minutes(from, to) };
      const early = minutes(from, Math.min(to, 30)).map(([time, value]) => [time, -(value as number)]);
      if (from <= 30 && to > 30) early.push([T + 30 * MINUTE, "stale" as never]);
      if (early.length > 0) want['{__name__="early"}'] = early;
      if (to > 90) want['{__name__="late"}'] = minutes(Math.max(90, from), to);
      expect(got, `${from}..${to}`).toEqual(want);
    }
    expect(store.stats().databaseReads).toBeGreaterThan(0);
  });

  test("[ST7] a floor that moves while a query is read changes nothing", async () => {
    const context = unlimited();
    const { series } = await store.select(matchers("m"), hints(T, T + 99 * MINUTE), context);
    for (let i = 100; i < 102; i++) {
      await write(store, { m: [[T + i * MINUTE, i]] }, { scrape: true });
      store.maintain();
    }
    const buffer = new SampleBuffer();
    series[0]!.read(T, T + 99 * MINUTE, buffer);
    expect(samplesOf(buffer)).toEqual(minutes(0, 100));
  });

  test("[ST7] a floor that moves while a query asks the database leaves no gap", async () => {
    const pending = read(store, "m", T, T + 99 * MINUTE);
    await write(store, { m: [[T + 101 * MINUTE, 101]] }, { scrape: true });
    store.maintain();
    expect((await pending)['{__name__="m"}']).toEqual(minutes(0, 100));
  });

  test("[ST3] late samples below the floor are there at once", async () => {
    store.configure({ outOfOrderWindowMs: 2 * HOUR });
    const at = T + 50 * MINUTE + 1;
    void write(store, { m: [[at, 1234]], fresh: [[at, 1]] }, { allowOutOfOrder: true, scrape: true });
    const got = await read(store, '{__name__=~"m|fresh"}', T + 50 * MINUTE, T + 51 * MINUTE);
    expect(got).toEqual({
      '{__name__="m"}': [
        [T + 50 * MINUTE, 50],
        [at, 1234],
        [T + 51 * MINUTE, 51],
      ],
      '{__name__="fresh"}': [[at, 1]],
    });
  });

  test("[ST4] a sample that was written twice is one sample", async () => {
    await database.exec(
      "INSERT INTO metric_samples (id, time, mantissa, scale, start) SELECT id, time, mantissa, scale, start FROM metric_samples",
    );
    expect((await read(store, "m", T, T + 2 * HOUR))['{__name__="m"}']).toEqual(minutes(0, 100));
    await reopen();
    expect((await read(store, "m", T, T + 2 * HOUR))['{__name__="m"}']).toEqual(minutes(0, 100));
  });

  test("[ST9] an aborted query stops, and so does one whose budget is spent", async () => {
    const aborted = new AbortController();
    const reason = new Error("went away");
    const pending = read(store, "m", T, T + 2 * HOUR, { ...unlimited(), signal: aborted.signal });
    aborted.abort(reason);
    await expect(pending).rejects.toBe(reason);
    let charged = 0;
    const spent = new Error("query processing would load too many samples into memory");
    const budget = {
      charge: (samples: number) => {
        charged += samples;
        if (charged > 50) throw spent;
      },
      release: () => undefined,
    };
    await expect(read(store, "m", T, T + 2 * HOUR, { ...unlimited(), budget })).rejects.toBe(spent);
    // The connection is free again.
    expect(Object.keys(await read(store, "m", T, T + 2 * HOUR))).toHaveLength(1);
  });

  test("[ST10] names, values and series of old ranges", async () => {
    await write(store, { 'old{zone="a"}': [[T + 99 * MINUTE, 1]] });
    const all = unlimited();
    const end = T + 2 * HOUR;
    const early = [matchers("early")];
    const pattern = [matchers('{__name__=~"ear.*"}')];
    for (const sets of [early, pattern]) {
      expect((await store.labelNames(sets, T, end, 0, all)).values).toEqual(["__name__"]);
      expect((await store.labelValues("__name__", sets, T, end, 0, all)).values).toEqual(["early"]);
      expect((await store.series(sets, T, end, 0, all)).values.map(String)).toEqual(['{__name__="early"}']);
    }
    expect((await store.labelValues("__name__", [], T, end, 0, all)).values).toEqual(["early", "late", "m", "old"]);
    expect((await store.labelValues("__name__", [], T, end, 2, all)).values).toEqual(["early", "late"]);
    expect((await store.labelNames([], T, end, 0, all)).values).toEqual(["__name__", "zone"]);
    expect((await store.labelValues("zone", [], T, end, 0, all)).values).toEqual(["a"]);
    expect((await store.series([early[0]!, matchers("m")], T, end, 0, all)).values.map(String)).toEqual([
      '{__name__="early"}',
      '{__name__="m"}',
    ]);
    // Above the floor only what has samples there.
    expect((await store.labelValues("__name__", [], T + 90 * MINUTE, end, 0, all)).values).toEqual([
      "late",
      "m",
      "old",
    ]);
  });

  test("[ST11] nothing older than the retention", async () => {
    store.configure({ retentionMs: 60 * MINUTE });
    const got = (await read(store, "m", T, T + 2 * HOUR))['{__name__="m"}']!;
    expect(got[0]).toEqual([T + 39 * MINUTE, 39]);
    expect(got).toHaveLength(61);
  });

  test("[HD31] matchers mean the same for the database", async () => {
    await write(store, {
      'x{a="1",b="y\'s \\ z"}': [[T + 99 * MINUTE, 1]],
      'x{a="2"}': [[T + 99 * MINUTE, 2]],
      "x{}": [[T + 99 * MINUTE, 3]],
    });
    await write(store, { x: [[T + 130 * MINUTE, 3]] });
    store.maintain();
    for (const selector of [
      'x{a="1"}',
      'x{a!="1"}',
      'x{a=~"1|2"}',
      'x{a!~"1|2"}',
      'x{a=~"[12]"}',
      'x{a!~"[12]"}',
      'x{a=""}',
      'x{a!=""}',
      'x{a=~".*",b=~".+"}',
      'x{b="y\'s \\ z"}',
      'x{missing=""}',
      'x{missing!=""}',
      '{__name__=~"x.?",a="2"}',
    ]) {
      const got = await read(store, selector, T + 98 * MINUTE, T + 99 * MINUTE);
      const want = ['{__name__="x", a="1", b="y\'s \\\\ z"}', '{__name__="x", a="2"}', '{__name__="x"}'].filter(
        (_, i) =>
          matchesAll([labels('x{a="1",b="y\'s \\ z"}'), labels('x{a="2"}'), labels("x")][i]!, matchers(selector)),
      );
      expect(Object.keys(got).sort(), selector).toEqual(want.sort());
    }
  });
});

describe("administration", () => {
  const minutes = Array.from({ length: 60 }, (_, i) => i);

  beforeEach(async () => {
    await reopen({ windowMs: 20 * MINUTE, snapshotPath: join(path, "snapshots") });
    for (const i of minutes) {
      const at = T + i * MINUTE;
      await write(store, { 'm{a="1"}': [[at, i]], 'm{a="2"}': [[at, i]], h: [[at, histogram(i)]] }, { scrape: true });
    }
    store.maintain();
  });

  const times = async (selector: string): Promise<number[]> =>
    Object.values(await read(store, selector, T, T + 2 * HOUR))
      .flat()
      .map(([time]) => (time - T) / MINUTE);

  test("[ST22] deleted samples are gone from the moment of the call, on both sides of the floor", async () => {
    const deletion = store.deleteSeries([matchers('m{a="1"}')], T + 10 * MINUTE, T + 50 * MINUTE, unlimited());
    const kept = minutes.filter((i) => i < 10 || i > 50);
    expect(await times('m{a="1"}')).toEqual(kept);
    await deletion;
    expect(await times('m{a="1"}')).toEqual(kept);
    expect(await times('m{a="2"}')).toEqual(minutes);
    await reopen();
    expect(await times('m{a="1"}')).toEqual(kept);
    await store.cleanTombstones();
    await reopen();
    expect(await times('m{a="1"}')).toEqual(kept);
    expect(await times('m{a="2"}')).toEqual(minutes);
    expect(await database.query("SELECT toUInt32(count()) AS n FROM metric_samples")).toEqual([
      { n: 60 + kept.length },
    ]);
  });

  test("[ST22] a series that is deleted as a whole has no samples and can come back", async () => {
    await store.deleteSeries([matchers("m"), matchers("h")], -Infinity, Infinity, unlimited());
    expect(await times('{__name__=~"m|h"}')).toEqual([]);
    await write(store, { 'm{a="1"}': [[T + 60 * MINUTE, 60]] });
    await reopen();
    expect(await times("m")).toEqual([60]);
    expect(await times("h")).toEqual([]);
  });

  test("[ST22] what is appended after the call stays, though the range reaches into the future", async () => {
    const deletion = store.deleteSeries([matchers("m")], -Infinity, Infinity, unlimited());
    await write(store, { 'm{a="1"}': [[T + 60 * MINUTE, 60]] });
    await deletion;
    expect(await times("m")).toEqual([60]);
    await reopen();
    expect(await times("m")).toEqual([60]);
  });

  test("[ST22] on days that are deleted as a whole a series is no longer listed", async () => {
    const day = 24 * HOUR;
    const noon = Math.floor(T / day) * day - day / 2;
    await store.close();
    for (const table of ["series", "samples", "histograms"]) await database.exec(`TRUNCATE TABLE metric_${table}`);
    await open({ windowMs: 20 * MINUTE });
    await write(store, { old: [[noon, 1]], both: [[noon, 1]] });
    await write(store, { both: [[T, 2]] });
    for (let i = 0; i < 3; i++) store.maintain();
    const list = async (): Promise<string[]> =>
      (await store.labelValues("__name__", [], noon, T, 0, unlimited())).values;
    expect(await list()).toEqual(["both", "old"]);
    await store.deleteSeries([[]], -Infinity, Infinity, unlimited());
    // Of the newest day the row stays: the next sample may be on its way.
    expect(await list()).toEqual(["both"]);
  });

  test("[ST25] a snapshot holds what was durable when it was made", async () => {
    const name = await store.snapshot(false);
    expect(name).toMatch(/^\d{8}T\d{6}Z-[0-9a-f]{16}$/);
    const folder = join(path, "snapshots", name);
    expect(readFileSync(join(folder, "schema.sql"), "utf8")).toContain("CREATE TABLE belfry.metric_samples");
    const parts = readdirSync(folder, { recursive: true }).map(String);
    expect(parts.filter((file) => file.endsWith("checksums.txt")).length).toBeGreaterThanOrEqual(3);
    // Attached under another name it gives the rows back.
    await database.exec("DROP TABLE IF EXISTS restored");
    await database.exec("CREATE TABLE restored AS metric_samples");
    const [{ path: data }] = await database.query<{ path: string }>(
      "SELECT arrayElement(data_paths, 1) AS path FROM system.tables WHERE name = 'restored' AND database = currentDatabase()",
    );
    const [{ path: from }] = await database.query<{ path: string }>(
      "SELECT replaceOne(arrayElement(data_paths, 1), (SELECT path FROM system.disks WHERE name = 'default'), '') AS path " +
        "FROM system.tables WHERE name = 'metric_samples' AND database = currentDatabase()",
    );
    await store.deleteSeries([[]], -Infinity, Infinity, unlimited());
    cpSync(join(folder, "shadow", from), join(data, "detached"), { recursive: true });
    for (const part of readdirSync(join(data, "detached")))
      await database.exec(`ALTER TABLE restored ATTACH PART '${part}'`);
    expect(await database.query("SELECT toUInt32(count()) AS n FROM restored")).toEqual([{ n: 120 }]);
    await database.exec("DROP TABLE restored");
  });

  test("a snapshot without a folder is refused", async () => {
    await reopen();
    await expect(store.snapshot(false)).rejects.toThrow("there is no data directory to take a snapshot of");
  });

  test("statistics", () => {
    expect(store.tsdbStats(10)).toMatchObject({
      numSeries: 3,
      numLabelPairs: 4,
      minTimeMs: T + 39 * MINUTE,
      maxTimeMs: T + 59 * MINUTE,
      seriesCountByMetricName: [
        { name: "m", value: 2 },
        { name: "h", value: 1 },
      ],
    });
    expect(store.oldestTimeMs()).toBeLessThanOrEqual(T);
  });
});

describe("what cannot be written", () => {
  // A writer that does as it is told.
  class Switch implements BatchWriter {
    queuedRows = 0;
    queuedBytes = 0;
    readonly written: number[] = [];
    private readonly pending: { resolve: () => void; reject: (cause: Error) => void }[] = [];
    append(): void {}
    write(rows: number): Promise<void> {
      this.written.push(rows);
      return new Promise((resolve, reject) => this.pending.push({ resolve, reject }));
    }
    flush(): Promise<void> {
      return Promise.resolve();
    }
    succeed(): void {
      for (const one of this.pending.splice(0)) one.resolve();
    }
    fail(cause: Error): void {
      for (const one of this.pending.splice(0)) one.reject(cause);
    }
  }
  let writers: Record<"series" | "samples" | "histograms" | "exemplars" | "metadata", Switch>;

  beforeEach(async () => {
    writers = {
      series: new Switch(),
      samples: new Switch(),
      histograms: new Switch(),
      exemplars: new Switch(),
      metadata: new Switch(),
    };
    await reopen({ writers });
  });

  afterEach(() => Object.values(writers).forEach((writer) => writer.succeed()));

  const push = (value: number, timeMs: number, scrape = false): Promise<void> => {
    const appender = store.appender({ scrape });
    appender.append(0, labels("m"), timeMs, value);
    return appender.commit();
  };
  const state = (promise: Promise<void>): Promise<string> =>
    Promise.race([
      promise.then(
        () => "durable",
        () => "failed",
      ),
      setImmediate("waiting"),
    ]);

  test("[HD15] a push that fails is taken back and new when it is repeated", async () => {
    const failed = push(1, T);
    expect(Object.keys(await read(store, "m", T, T))).toHaveLength(1);
    writers.series.succeed();
    writers.samples.fail(new Error("disk full"));
    await expect(failed).rejects.toThrow("disk full");
    expect(await read(store, "m", T, T)).toEqual({});
    const repeated = push(1, T);
    expect(writers.samples.written).toEqual([1, 1]);
    expect(writers.series.written).toEqual([1, 1]);
    writers.series.succeed();
    writers.samples.succeed();
    await repeated;
    expect(await read(store, "m", T, T)).toEqual({ '{__name__="m"}': [[T, 1]] });
    expect(store.stats().commitFailures).toBe(1);
  });

  test("[HD15] a scrape that fails stays visible", async () => {
    const failed = push(1, T, true);
    const flushed = store.flush();
    writers.series.fail(new Error("disk full"));
    writers.samples.succeed();
    await expect(failed).rejects.toThrow("disk full");
    await expect(flushed).rejects.toThrow("disk full");
    expect(await read(store, "m", T, T)).toEqual({ '{__name__="m"}': [[T, 1]] });
    // The row of the series is written with the next sample.
    const next = push(2, T + 1);
    expect(writers.series.written).toEqual([1, 1]);
    writers.series.succeed();
    writers.samples.succeed();
    await next;
  });

  test("[HD15] a repeated sample waits for the first copy", async () => {
    const first = push(1, T);
    const second = push(1, T);
    expect(await state(second)).toBe("waiting");
    writers.series.succeed();
    writers.samples.succeed();
    expect(await state(first)).toBe("durable");
    expect(await state(second)).toBe("durable");
    expect(writers.samples.written).toEqual([1]);
  });

  test("[ST20] a sample is acknowledged only when the row of its series is durable", async () => {
    const first = push(1, T);
    writers.samples.succeed();
    expect(await state(first)).toBe("waiting");
    const second = push(2, T + 1);
    writers.samples.succeed();
    expect(await state(second)).toBe("waiting");
    writers.series.succeed();
    expect(await state(second)).toBe("durable");
    expect(writers.series.written).toEqual([1]);
  });

  test("[ST20] a series gets a row for every day", async () => {
    const day = 24 * HOUR;
    const pushed = push(1, T - day);
    writers.series.succeed();
    writers.samples.succeed();
    await pushed;
    const next = push(2, T);
    expect(writers.series.written).toEqual([1, 1]);
    writers.series.succeed();
    writers.samples.succeed();
    await next;
  });

  test("[HD15] when the queue is full a push is refused before anything of it is visible, a scrape is shown", async () => {
    writers.samples.queuedRows = 2_000_000;
    await expect(push(1, T)).rejects.toThrow(OverloadedError);
    expect(await read(store, "m", T, T)).toEqual({});
    await expect(push(1, T, true)).rejects.toThrow("the database does not keep up: 2000000 rows wait to be written");
    expect(await read(store, "m", T, T)).toEqual({ '{__name__="m"}': [[T, 1]] });
    expect(writers.samples.written).toEqual([]);
  });
});
