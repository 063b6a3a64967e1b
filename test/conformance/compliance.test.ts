import { Labels } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import type { Matrix, RangeApi } from "./compliance/api.ts";
import { compareQuery, differenceOf, shortenRanges } from "./compliance/compare.ts";
import { generateDemoData } from "./compliance/demo-service.ts";
import { isComplianceRunnable, suite } from "./compliance-suite.ts";
import { hasConformance } from "./data.ts";

describe("comparison", () => {
  const matrix = (...points: [number, number][]): Matrix => new Map([["[]", points]]);
  const window = { startMs: 0, endMs: 10_000, stepMs: 10_000 };
  const answering = (answers: Record<string, Matrix | string>): RangeApi => ({
    range: (query) => {
      const answer = answers[query];
      return Promise.resolve(
        typeof answer === "string" ? { matrix: undefined, error: answer } : { matrix: answer, error: undefined },
      );
    },
  });

  test("ranges are shortened by a millisecond", () => {
    expect(shortenRanges("max_over_time(rate(a[1m])[5m:10s] offset 5m)")).toBe(
      "max_over_time(rate(a[59999ms])[299999ms:10s] offset 5m)",
    );
    expect(shortenRanges("a offset 5m")).toBe("a offset 5m");
  });

  test.each([
    [matrix([0, 1]), matrix([0, 1.000001]), undefined],
    [matrix([0, NaN]), matrix([0, NaN]), undefined],
    [matrix([0, 1]), matrix([0, 1.001]), "is 1.001, not 1"],
    [matrix([0, 1]), matrix([1, 1]), "has a point at 1, not at 0"],
    [matrix([0, 1]), matrix(), "has 0 points, not 1"],
    [matrix([0, 1]), new Map(), "is missing"],
    [new Map(), matrix([0, 1]), "should not be there"],
  ])("differences %#", (expected, actual, message) => {
    const difference = differenceOf(expected, actual, 1e-5);
    if (message === undefined) expect(difference).toBeUndefined();
    else expect(difference).toContain(message);
  });

  test("a difference that vanishes with a shorter range is one of 2.42", async () => {
    const query = { query: "rate(a[1m])", shouldFail: false };
    const ours = answering({ "rate(a[1m])": matrix([0, 5]) });
    const old = answering({ "rate(a[1m])": matrix([0, 6]), "rate(a[59999ms])": matrix([0, 5.0001]) });
    expect(await compareQuery(query, window, old, ours)).toEqual({ kind: "older", rule: "left-open ranges" });
    const other = answering({ "rate(a[1m])": matrix([0, 6]), "rate(a[59999ms])": matrix([0, 6]) });
    expect((await compareQuery(query, window, other, ours)).kind).toBe("different");
  });

  test("a label name that only 2.42 refuses is one of 2.42", async () => {
    const query = { query: "q", shouldFail: true };
    const ours = answering({ q: matrix() });
    const refused = answering({ q: "invalid destination label name in label_replace(): ~invalid" });
    expect(await compareQuery(query, window, refused, ours)).toEqual({ kind: "older", rule: "UTF-8 label names" });
    const other = answering({ q: "execution: vector cannot contain metrics with the same labelset" });
    expect((await compareQuery(query, window, other, ours)).kind).toBe("different");
  });
});

test("the demo data is reproducible and has gaps, resets and staleness markers", () => {
  const start = 1_700_000_000_000;
  const data = generateDemoData(start, start + 80 * 60_000);
  expect(data.length).toBeGreaterThan(500);
  const again = generateDemoData(start, start + 80 * 60_000);
  expect(again.map((s) => s.values.at(-1))).toEqual(data.map((s) => s.values.at(-1)));
  const find = (labels: Record<string, string>): (typeof data)[number] => {
    const wanted = Labels.fromRecord({ job: "demo", ...labels });
    return data.find((series) => series.labels.equals(wanted))!;
  };
  const intermittent = find({ __name__: "demo_intermittent_metric", instance: "demo.promlabs.com:10000" });
  expect(intermittent.values.filter((value) => value === undefined).length).toBeGreaterThan(30);
  const cpu = find({ __name__: "demo_cpu_usage_seconds_total", mode: "user", instance: "demo.promlabs.com:10001" });
  expect(cpu.values.filter((value, i) => i > 0 && value! < cpu.values[i - 1]!)).toHaveLength(1);
});

describe.skipIf(!hasConformance(suite.data) || !isComplianceRunnable())("conformance: promql/compliance", () => {
  test("all queries answer as Debian's Prometheus does", async () => {
    const rows = await suite.run({ filter: "" });
    expect(rows.flatMap((row) => row.failures)).toEqual([]);
    expect(rows.map((row) => row.passed)).toEqual([539, 539, 539]);
  });
});
