import { Labels } from "@belfry/core/model";
import { parseMetric } from "@belfry/core/promql";
import { describe, expect, test } from "vitest";
import { AppError, OverloadedError } from "../../lib/errors.ts";
import type { Queryable } from "../queryable.ts";
import { ArrayStorage, type ArraySample } from "./array-storage.ts";
import { Engine } from "./engine.ts";
import { QueryError } from "./query-error.ts";
import type { EngineOptions, QueryOptions, QueryResult } from "./types.ts";

const MINUTE = 60_000;

function storageOf(intervalMs: number, series: Record<string, readonly ArraySample[]>): ArrayStorage {
  const storage = new ArrayStorage();
  for (const [metric, samples] of Object.entries(series)) storage.add(parseMetric(metric), 0, intervalMs, samples);
  return storage;
}

function counting(n: number, step = 1): number[] {
  return Array.from({ length: n }, (_, i) => i * step);
}

async function failure(promise: Promise<unknown>): Promise<QueryError> {
  try {
    await promise;
  } catch (error) {
    expect(error).toBeInstanceOf(QueryError);
    return error as QueryError;
  }
  throw new Error("the query succeeded");
}

function vectorOf(result: QueryResult): Record<string, number> {
  if (result.value.type !== "vector") throw new Error(`not a vector: ${result.value.type}`);
  return Object.fromEntries(result.value.samples.map((sample) => [sample.labels.toString(), sample.value]));
}

function matrixOf(result: QueryResult): Record<string, [number, number][]> {
  if (result.value.type !== "matrix") throw new Error(`not a matrix: ${result.value.type}`);
  return Object.fromEntries(
    result.value.series.map((series) => [
      series.labels.toString(),
      Array.from(series.times, (time, i) => [time / 1000, series.values[i]!] as [number, number]),
    ]),
  );
}

describe("results", () => {
  const storage = storageOf(MINUTE, { 'a{x="1"}': counting(10), 'a{x="2"}': [undefined, 7, "stale", 9] });

  test("an instant vector has the evaluation time, not the samples' times", async () => {
    const { value } = await new Engine().instant(storage, "a", 90_000);
    expect(value.type === "vector" && value.samples.map((s) => [s.labels.toString(), s.timeMs, s.value])).toEqual([
      ['{__name__="a", x="1"}', 90_000, 1],
      ['{__name__="a", x="2"}', 90_000, 7],
    ]);
  });

  test("a staleness marker ends a series at once", async () => {
    const result = await new Engine().range(storage, 'a{x="2"}', 0, 4 * MINUTE, MINUTE);
    expect(matrixOf(result)).toEqual({
      '{__name__="a", x="2"}': [
        [60, 7],
        [180, 9],
        [240, 9],
      ],
    });
  });

  test("the lookback is open on the left and can be set per query", async () => {
    const engine = new Engine();
    expect(vectorOf(await engine.instant(storage, 'a{x="1"}', 14 * MINUTE - 1))).toEqual({
      '{__name__="a", x="1"}': 9,
    });
    expect(vectorOf(await engine.instant(storage, 'a{x="1"}', 14 * MINUTE))).toEqual({});
    expect(vectorOf(await engine.instant(storage, 'a{x="1"}', 14 * MINUTE, { lookbackDeltaMs: 6 * MINUTE }))).toEqual({
      '{__name__="a", x="1"}': 9,
    });
  });

  test("scalars, strings and range vectors", async () => {
    const engine = new Engine();
    expect((await engine.instant(storage, "1 + 2", 5000)).value).toEqual({ type: "scalar", timeMs: 5000, value: 3 });
    expect((await engine.instant(storage, '"x"', 5000)).value).toEqual({ type: "string", timeMs: 5000, value: "x" });
    expect(matrixOf(await engine.instant(storage, 'a{x="1"}[2m]', 3 * MINUTE))).toEqual({
      '{__name__="a", x="1"}': [
        [120, 2],
        [180, 3],
      ],
    });
    expect(matrixOf(await engine.range(storage, "time()", 0, 2000, 1000))).toEqual({
      "{}": [
        [0, 0],
        [1, 1],
        [2, 2],
      ],
    });
  });

  test("an end before the start is an empty result", async () => {
    expect(matrixOf(await new Engine().range(storage, "a", MINUTE, 0, MINUTE))).toEqual({});
    expect(matrixOf(await new Engine().range(storage, "1", MINUTE, 0, MINUTE))).toEqual({});
  });

  test("range results are sorted by labels, topk is not sorted by value there", async () => {
    const result = await new Engine().range(storage, "topk(2, a)", MINUTE, MINUTE + 1, 1);
    expect(Object.keys(matrixOf(result))).toEqual(['{__name__="a", x="1"}', '{__name__="a", x="2"}']);
    const instant = await new Engine().instant(storage, "topk(2, a)", MINUTE);
    expect(Object.keys(vectorOf(instant))).toEqual(['{__name__="a", x="2"}', '{__name__="a", x="1"}']);
  });
});

describe("names", () => {
  const storage = storageOf(MINUTE, { 'a{x="1"}': [1, 1], 'b{x="1"}': [2, 2], 'c{x="1"}': [undefined, undefined, 3] });
  const delayed = new Engine({ features: new Set(["promql-delayed-name-removal"]) });

  test("two series that differ in the name only cannot both lose it", async () => {
    for (const query of [
      '-{x="1"}',
      'abs({x="1"})',
      '{x="1"} + 1',
      'rate({x="1"}[2m])',
      'count_over_time({x="1"}[2m])',
    ]) {
      const error = await failure(new Engine().instant(storage, query, MINUTE));
      expect([query, error.code, error.message]).toEqual([
        query,
        "QUERY_EXECUTION",
        "vector cannot contain metrics with the same labelset",
      ]);
    }
  });

  test("with delayed removal only the result must be unambiguous", async () => {
    const query = 'sum(-{__name__=~"a|b"})';
    expect(vectorOf(await delayed.instant(storage, query, MINUTE))).toEqual({ "{}": -3 });
    await failure(new Engine().instant(storage, query, MINUTE));
    await failure(delayed.instant(storage, '-{__name__=~"a|b"}', MINUTE));
  });

  test("series that take turns become one", async () => {
    const turns = storageOf(MINUTE, { 'a{x="1"}': [1, "stale"], 'c{x="1"}': [undefined, undefined, 3] });
    for (const engine of [new Engine(), delayed]) {
      expect(matrixOf(await engine.range(turns, '-{x="1"}', 0, 2 * MINUTE, MINUTE))).toEqual({
        '{x="1"}': [
          [0, -1],
          [120, -3],
        ],
      });
    }
  });

  test("without delayed removal a dropped name is not there to group by", async () => {
    expect(vectorOf(await new Engine().instant(storage, "sum by (__name__) (rate(a[2m]))", MINUTE))).toEqual({
      "{}": 0,
    });
  });
});

describe("errors", () => {
  const storage = storageOf(MINUTE, { a: [1, 2, 3] });

  test("a query that cannot be parsed", async () => {
    const error = await failure(new Engine().instant(storage, "sum(", 0));
    expect(error.code).toBe("QUERY_PARSE");
    expect(error.message).toContain("parse error");
  });

  test("experimental syntax is refused unless its feature is on", async () => {
    const query = "sum_over_time(a[2m] smoothed)";
    await failure(new Engine().instant(storage, query, 0));
    const engine = new Engine({ features: new Set(["promql-extended-range-selectors"]) });
    expect((await failure(engine.instant(storage, query, MINUTE))).message).toBe(
      "smoothed modifier can only be used with: delta, increase, rate - not with sum_over_time",
    );
  });

  test("a range query wants numbers", async () => {
    expect((await failure(new Engine().range(storage, "a[5m]", 0, 1, 1))).message).toBe(
      'invalid expression type "range vector" for range query, must be Scalar or instant Vector',
    );
    expect((await failure(new Engine().range(storage, '"a"', 0, 1, 1))).message).toBe(
      'invalid expression type "string" for range query, must be Scalar or instant Vector',
    );
  });

  test("too many samples", async () => {
    const large = storageOf(1000, Object.fromEntries(counting(50).map((i) => [`a{i="${i}"}`, counting(100)])));
    const engine = new Engine({ maxSamples: 1000 });
    for (const query of ["a", "rate(a[1m])", "sum by (i) (a)", "a[100s]", "max_over_time(a[100s:1s])"]) {
      const run = query.endsWith("]")
        ? engine.instant(large, query, 100_000)
        : engine.range(large, query, 0, 100_000, 1000);
      const error = await failure(run);
      expect([query, error.code, error.message]).toEqual([
        query,
        "QUERY_TOO_MANY_SAMPLES",
        "query processing would load too many samples into memory in query execution",
      ]);
    }
    // What streams through does not count all at once.
    expect(matrixOf(await engine.range(large, "sum(rate(a[1m]))", 60_000, 100_000, 1000))["{}"]).toHaveLength(41);
  });

  test("errors of the storage keep their class; others become execution errors", async () => {
    class StorageDown extends AppError {}
    const broken = (error: Error): Queryable => ({ select: () => Promise.reject(error) });
    await expect(new Engine().instant(broken(new StorageDown("DB", "down")), "a", 0)).rejects.toBeInstanceOf(
      StorageDown,
    );
    const error = await failure(new Engine().instant(broken(new Error("disk on fire")), "a", 0));
    expect([error.code, error.message]).toEqual(["QUERY_EXECUTION", "expanding series: disk on fire"]);
  });

  test("when one selector fails, the others are abandoned", async () => {
    const aborted: string[] = [];
    const storage: Queryable = {
      select: (matchers, _hints, { signal }) => {
        if (matchers[0]!.value === "bad") return Promise.reject(new Error("no"));
        return new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            aborted.push(matchers[0]!.value);
            reject(new Error("aborted"));
          });
        });
      },
    };
    expect((await failure(new Engine().instant(storage, "good + bad", 0))).message).toBe("expanding series: no");
    expect(aborted).toEqual(["good"]);
  });

  test("warnings of the storage reach the result", async () => {
    const warning: Queryable = { select: () => Promise.resolve({ series: [], warnings: ["one shard is slow"] }) };
    expect((await new Engine().instant(warning, "a + a", 0)).warnings).toEqual(["one shard is slow"]);
  });
});

describe("annotations", () => {
  const storage = storageOf(MINUTE, { a: counting(10), 'b_bucket{le="1"}': [1], 'b_bucket{le="x"}': [1] });

  test("carry line and column in bytes", async () => {
    const result = await new Engine().instant(storage, "rate(a[5m])", 5 * MINUTE);
    expect(result.infos).toEqual([
      'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "a" (1:6)',
    ]);
    const wide = await new Engine().instant(storage, 'label_replace(a, "ä", "", "", "") +\n  rate(a[5m])', 5 * MINUTE);
    expect(wide.infos[0]).toMatch(/\(2:8\)$/);
    const behind = await new Engine().instant(storage, 'count(a{x!="ä"}) + rate(a[5m])', 5 * MINUTE);
    expect(behind.infos[0]).toMatch(/\(1:26\)$/);
  });

  test("each text is there once", async () => {
    const result = await new Engine().range(storage, "rate(a[5m]) + rate(a[4m])", 0, 9 * MINUTE, MINUTE);
    expect(result.infos).toHaveLength(1);
  });

  test("warnings and infos are apart", async () => {
    const result = await new Engine().instant(storage, "histogram_quantile(2, b_bucket)", 0);
    expect(result.warnings.toSorted()).toEqual([
      'PromQL warning: bucket label "le" is missing or has a malformed value of "x" (1:23)',
      "PromQL warning: quantile value should be between 0 and 1, got 2 (1:20)",
    ]);
    expect(result.infos).toEqual([]);
  });

  test("type and unit labels decide what is a counter when they are enabled", async () => {
    const typed = storageOf(MINUTE, {
      'a{__type__="counter"}': counting(5),
      'b_total{__type__="gauge"}': counting(5),
    });
    const engine = new Engine({ features: new Set(["type-and-unit-labels"]) });
    expect((await engine.instant(typed, "rate(a[5m])", 4 * MINUTE)).infos).toEqual([]);
    expect((await engine.instant(typed, "rate(b_total[5m])", 4 * MINUTE)).infos).toEqual([
      'PromQL info: metric might not be a counter, __type__ label is not set to "counter" or "histogram", got "gauge": "b_total" (1:6)',
    ]);
  });
});

describe("what is asked of the storage", () => {
  const hintsOf = async (
    query: string,
    startMs: number,
    endMs: number,
    options?: EngineOptions,
  ): Promise<unknown[]> => {
    const storage = new ArrayStorage();
    const engine = new Engine({ lookbackDeltaMs: 5000, ...options });
    if (startMs === endMs) await engine.instant(storage, query, startMs);
    else await engine.range(storage, query, startMs, endMs, 1000);
    return storage.selects.map(({ hints }) => [hints.startMs, hints.endMs, hints.rangeMs, hints.stepMs, hints.func]);
  };

  test.each([
    ["foo", 10_000, 10_000, [[5001, 10_000, 0, 0, ""]]],
    ["foo @ 15", 10_000, 10_000, [[10_001, 15_000, 0, 0, ""]]],
    ["foo[2m]", 200_000, 200_000, [[80_001, 200_000, 120_000, 0, ""]]],
    ["foo[2m] @ 180 offset 2m", 300_000, 300_000, [[-59_999, 60_000, 120_000, 0, ""]]],
    ["rate(foo[2m] offset 1m)", 300_000, 300_000, [[120_001, 240_000, 120_000, 0, "rate"]]],
    ["foo[2m:1s]", 300_000, 300_000, [[175_001, 300_000, 0, 1000, ""]]],
    [
      "count_over_time(foo[2m:1s] @ 300 offset 10s)",
      200_000,
      200_000,
      [[165_001, 290_000, 0, 1000, "count_over_time"]],
    ],
    [
      "count_over_time((foo offset 10s)[2m:1s] offset 10s)",
      300_000,
      300_000,
      [[155_001, 280_000, 0, 1000, "count_over_time"]],
    ],
    ["sum by (x) (max(foo))", 10_000, 20_000, [[5001, 20_000, 0, 1000, "max"]]],
    [
      "sum(foo + bar)",
      10_000,
      10_000,
      [
        [5001, 10_000, 0, 0, ""],
        [5001, 10_000, 0, 0, ""],
      ],
    ],
    [
      "rate(foo[1m] @ start()) + foo @ end()",
      10_000,
      20_000,
      [
        [-49_999, 10_000, 60_000, 1000, "rate"],
        [15_001, 20_000, 0, 1000, ""],
      ],
    ],
  ])("%s", async (query, startMs, endMs, expected) => {
    expect(await hintsOf(query, startMs, endMs)).toEqual(expected);
  });

  test("anchored and smoothed ranges read a lookback more", async () => {
    const options = { features: new Set(["promql-extended-range-selectors"]) };
    expect(await hintsOf("rate(foo[1m] anchored)", 100_000, 100_000, options)).toEqual([
      [35_001, 100_000, 60_000, 0, "rate"],
    ]);
    expect(await hintsOf("rate(foo[1m] smoothed)", 100_000, 100_000, options)).toEqual([
      [35_001, 105_000, 60_000, 0, "rate"],
    ]);
  });

  test("all selectors are requested before any is answered", async () => {
    let asked = 0;
    let answer: () => void = () => {};
    const both = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const storage: Queryable = {
      select: async () => {
        if (++asked === 3) answer();
        await both;
        return { series: [], warnings: [] };
      },
    };
    await new Engine().instant(storage, "a + b + rate(c[1m])", 0);
    expect(asked).toBe(3);
  });
});

describe("statistics", () => {
  const storage = storageOf(10_000, { 'm{x="1"}': counting(100), 'm{x="2"}': counting(100) });
  const total = async (query: string, options?: QueryOptions): Promise<QueryResult["stats"]["samples"]> => {
    const engine = new Engine({ features: new Set(["promql-per-step-stats"]) });
    return (await engine.range(storage, query, 201_000, 220_000, 5000, options)).stats.samples;
  };

  test.each([
    ["m", 8],
    ["sum(m)", 8],
    ["m offset 1m", 8],
    ["sum_over_time(m[30s])", 24],
    ["sum_over_time(m[30s] @ 30)", 24],
    ["sum_over_time(m[30s:10s])", 24],
    ["m @ 30", 8],
    ["timestamp(m)", 8],
    ["timestamp(m @ 30)", 8],
    ["m + m", 16],
    ["1 + 1", 0],
  ])("%s reads %i samples", async (query, expected) => {
    expect((await total(query)).totalQueryableSamples).toBe(expected);
  });

  test("per step on request", async () => {
    expect((await total("m", { stats: "all" })).totalQueryableSamplesPerStep).toEqual([
      [201, 2],
      [206, 2],
      [211, 2],
      [216, 2],
    ]);
    expect((await total("m")).totalQueryableSamplesPerStep).toBeUndefined();
  });

  test("the peak counts what is held at once", async () => {
    expect((await total("m")).peakSamples).toBe(8);
    expect((await total("sum(m)")).peakSamples).toBeLessThanOrEqual(8);
  });
});

describe("limits of time and concurrency", () => {
  const heavy = new ArrayStorage();
  for (let i = 0; i < 400; i++) heavy.add(Labels.fromRecord({ __name__: "m", i: String(i) }), 0, 1000, counting(5000));
  const query = "sum(quantile_over_time(0.5, m[5m]))";
  const run = (engine: Engine, options?: QueryOptions): Promise<QueryResult> =>
    engine.range(heavy, query, 300_000, 4_900_000, 1000, options);

  test("a timeout ends evaluation", async () => {
    const started = performance.now();
    const error = await failure(run(new Engine({ timeoutMs: 50 })));
    expect([error.code, error.message]).toEqual(["QUERY_TIMEOUT", "query timed out in expression evaluation"]);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test("a query may shorten the timeout, not lengthen it", async () => {
    expect((await failure(run(new Engine(), { timeoutMs: 50 }))).code).toBe("QUERY_TIMEOUT");
    expect((await failure(run(new Engine({ timeoutMs: 50 }), { timeoutMs: 100_000 }))).code).toBe("QUERY_TIMEOUT");
  });

  test("an abort ends evaluation, and meanwhile the event loop turns", async () => {
    const controller = new AbortController();
    let longest = 0;
    let last = performance.now();
    const ticker = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    }, 1);
    setTimeout(() => controller.abort(), 100);
    const started = performance.now();
    const error = await failure(run(new Engine(), { signal: controller.signal }));
    clearInterval(ticker);
    expect([error.code, error.message]).toEqual(["QUERY_CANCELED", "query was canceled in expression evaluation"]);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(longest).toBeLessThan(250);
  });

  test("a query that is cancelled already does not start", async () => {
    const error = await failure(new Engine().instant(heavy, "m", 0, { signal: AbortSignal.abort() }));
    expect(error.code).toBe("QUERY_CANCELED");
  });

  test("queries beyond the limit wait, and beyond that are refused", async () => {
    const release: (() => void)[] = [];
    const slow: Queryable = {
      select: () =>
        new Promise((resolve) => {
          release.push(() => resolve({ series: [], warnings: [] }));
        }),
    };
    const engine = new Engine({ maxConcurrency: 1, maxQueued: 2 });
    const first = engine.instant(slow, "a", 0);
    const second = engine.instant(slow, "b", 0);
    const controller = new AbortController();
    const third = engine.instant(slow, "c", 0, { signal: controller.signal });
    await Promise.resolve();
    expect(engine.load).toEqual({ running: 1, queued: 2, maxConcurrency: 1 });
    await expect(engine.instant(slow, "d", 0)).rejects.toBeInstanceOf(OverloadedError);
    controller.abort();
    expect((await failure(third)).message).toBe("query was canceled in query queue");
    expect(release).toHaveLength(1);
    release[0]!();
    await first;
    await new Promise((resolve) => setImmediate(resolve));
    expect(release).toHaveLength(2);
    release[1]!();
    const { stats } = await second;
    expect(stats.timings.execQueueTime).toBeGreaterThan(0);
    expect(engine.load).toEqual({ running: 0, queued: 0, maxConcurrency: 1 });
  });
});
