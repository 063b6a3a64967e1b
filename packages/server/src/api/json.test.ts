import { Labels } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import { formatTimestamp, formatValue, labelsJson, resultPieces } from "./json.ts";

describe("formatValue", () => {
  // Answers of Prometheus 2.42 for the same bits.
  test.each([
    [0, "0"],
    [-0, "-0"],
    [1, "1"],
    [0.1 + 0.2, "0.30000000000000004"],
    [1e20, "100000000000000000000"],
    [1e21, "1e+21"],
    [123456789012345680000, "123456789012345680000"],
    [1.7976931348623157e308, "1.7976931348623157e+308"],
    [5e-324, "5e-324"],
    [0.000001, "0.000001"],
    [0.0000001, "1e-07"],
    [-1.5e-9, "-1.5e-09"],
    [NaN, "NaN"],
    [Infinity, "+Inf"],
    [-Infinity, "-Inf"],
  ])("writes %d as %s", (value, text) => {
    expect(formatValue(value)).toBe(text);
  });
});

test.each([
  [1795242335760, "1795242335.760"],
  [1700006490000, "1700006490"],
  [1001, "1.001"],
  [1010, "1.010"],
  [-1500, "-1.500"],
  [0, "0"],
])("formatTimestamp writes %d ms as %s", (timeMs, text) => {
  expect(formatTimestamp(timeMs)).toBe(text);
});

test("labelsJson escapes what JSON must escape", () => {
  const labels = Labels.fromRecord({ __name__: "m", path: 'C:\\"x"\n', "utf8.name": "é" });
  expect(JSON.parse(labelsJson(labels))).toEqual({ __name__: "m", path: 'C:\\"x"\n', "utf8.name": "é" });
});

test("resultPieces writes floats and histograms of one series apart", () => {
  const histogram = {
    counterResetHint: 0 as const,
    schema: 0,
    zeroThreshold: 0.001,
    zeroCount: 1,
    count: 4,
    sum: 5.5,
    positiveSpans: [{ offset: 0, length: 2 }],
    positiveBuckets: Float64Array.of(1, 2),
    negativeSpans: [],
    negativeBuckets: new Float64Array(0),
    customValues: undefined,
  };
  const pieces = resultPieces({
    type: "matrix",
    series: [
      {
        labels: Labels.fromRecord({ a: "1" }),
        times: Float64Array.of(1000, 2000),
        values: Float64Array.of(0.5, 0),
        histograms: [undefined, histogram],
      },
    ],
  });
  expect([...pieces].join("") + "}").toMatchInlineSnapshot(
    `"{"resultType":"matrix","result":[{"metric":{"a":"1"},"values":[[1,"0.5"]],"histograms":[[2,{"count":"4","sum":"5.5","buckets":[[3,"-0.001","0.001","1"],[0,"0.5","1","1"],[0,"1","2","2"]]}]]}]}"`,
  );
});

test("resultPieces never holds more than a piece of a large answer", () => {
  const length = 50_000;
  const times = Float64Array.from({ length }, (_, i) => i * 1000);
  const pieces = [
    ...resultPieces({
      type: "matrix",
      series: [{ labels: Labels.fromRecord({ a: "1" }), times, values: times, histograms: null }],
    }),
  ];
  expect(pieces.length).toBeGreaterThan(10);
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(70_000);
  const parsed = JSON.parse(pieces.join("") + "}") as { result: { values: unknown[] }[] };
  expect(parsed.result[0]!.values).toHaveLength(length);
});
