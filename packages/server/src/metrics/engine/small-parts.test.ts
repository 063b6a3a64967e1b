import { Labels } from "@belfry/core/model";
import { parseExpr } from "@belfry/core/promql";
import { describe, expect, test } from "vitest";
import { lineAndColumn } from "./annotations.ts";
import { formatF, formatFixed6, formatG, formatOpenMetricsFloat } from "./go-format.ts";
import { quoteBytes } from "./label-names.ts";
import { labelsHash } from "./labels-hash.ts";
import { isNaturallyLess } from "./natural-order.ts";
import { compile, type Plan } from "./plan.ts";
import { Row, RowCollector, scratchRow } from "./row.ts";

describe("numbers as Go writes them", () => {
  test.each([
    [0, "0"],
    [-0, "-0"],
    [1.5, "1.5"],
    [100_000, "100000"],
    [1_000_000, "1e+06"],
    [123_456_789, "1.23456789e+08"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [-2.5e-7, "-2.5e-07"],
    [1e100, "1e+100"],
    [NaN, "NaN"],
    [Infinity, "+Inf"],
    [-Infinity, "-Inf"],
  ])("%%g of %d", (value, text) => expect(formatG(value)).toBe(text));

  test.each([
    [10, "10"],
    [7.5, "7.5"],
    [0.0123, "0.012"],
    [123, "1.2e+02"],
    [0.00001234, "1.2e-05"],
    [2, "2"],
  ])("%%.2g of %d", (value, text) => expect(formatG(value, 2)).toBe(text));

  test.each([
    [1e21, "1000000000000000000000"],
    [-1.5e22, "-15000000000000000000000"],
    [1e-7, "0.0000001"],
    [1.25e-9, "0.00000000125"],
    [5, "5"],
    [-0, "-0"],
  ])("shortest decimal of %d", (value, text) => expect(formatF(value)).toBe(text));

  test("label values and %f", () => {
    expect([0.5, 1, 0, -1, 2, 1e-10].map(formatOpenMetricsFloat)).toEqual([
      "0.5",
      "1.0",
      "0.0",
      "-1.0",
      "2.0",
      "1e-10",
    ]);
    expect(formatFixed6(1.5)).toBe("1.500000");
  });
});

describe("hash of labels", () => {
  test("is xxhash64 over sizes and texts", () => {
    const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];
    const encode = (labels: Labels): Uint8Array =>
      Uint8Array.from(
        labels.pairs.flatMap((text) => {
          const encoded = bytes(text);
          const n = encoded.length;
          return [...(n < 255 ? [n] : [255, n & 255, (n >> 8) & 255, n >> 16]), ...encoded];
        }),
      );
    const records: Record<string, string>[] = [
      { a: "1" },
      { __name__: "up", job: "é" },
      { a: "x".repeat(254) },
      { a: "x".repeat(255) },
      { a: "ü".repeat(4000) },
    ];
    for (const record of records) {
      const labels = Labels.fromRecord(record);
      expect(labelsHash(labels)).toEqual(hashOf(encode(labels)));
    }
  });

  // A second implementation, on 64-bit integers.
  function hashOf(data: Uint8Array): { high: number; low: number } {
    const mask = (1n << 64n) - 1n;
    const [p1, p2, p3, p4, p5] = [
      0x9e3779b185ebca87n,
      0xc2b2ae3d27d4eb4fn,
      0x165667b19e3779f9n,
      0x85ebca77c2b2ae63n,
      0x27d4eb2f165667c5n,
    ] as const;
    const rotate = (x: bigint, r: bigint): bigint => ((x << r) | (x >> (64n - r))) & mask;
    const round = (acc: bigint, input: bigint): bigint => (rotate((acc + input * p2) & mask, 31n) * p1) & mask;
    const view = new DataView(data.buffer, data.byteOffset);
    let at = 0;
    let h: bigint = p5;
    if (data.length >= 32) {
      const lanes = [(p1 + p2) & mask, p2, 0n, -p1 & mask];
      for (; at + 32 <= data.length; at += 32) {
        for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i]!, view.getBigUint64(at + 8 * i, true));
      }
      h = [1n, 7n, 12n, 18n].reduce((sum, r, i) => sum + rotate(lanes[i]!, r), 0n) & mask;
      for (const lane of lanes) h = ((h ^ round(0n, lane)) * p1 + p4) & mask;
    }
    h = (h + BigInt(data.length)) & mask;
    for (; at + 8 <= data.length; at += 8)
      h = (rotate(h ^ round(0n, view.getBigUint64(at, true)), 27n) * p1 + p4) & mask;
    if (at + 4 <= data.length) {
      h = (rotate(h ^ ((BigInt(view.getUint32(at, true)) * p1) & mask), 23n) * p2 + p3) & mask;
      at += 4;
    }
    for (; at < data.length; at++) h = (rotate(h ^ ((BigInt(data[at]!) * p5) & mask), 11n) * p1) & mask;
    h = ((h ^ (h >> 33n)) * p2) & mask;
    h = ((h ^ (h >> 29n)) * p3) & mask;
    h ^= h >> 32n;
    return { high: Number(h >> 32n), low: Number(h & 0xffffffffn) };
  }
});

test("natural order", () => {
  const sorted = ["", "cpu1", "cpu2", "cpu10", "cpu10a", "cpu10b", "node-2-x", "node-10-a", "v1.2.10", "v1.10.2"];
  for (let i = 0; i < sorted.length; i++) {
    for (let j = i + 1; j < sorted.length; j++) {
      if (sorted[i] === "") continue;
      expect([sorted[i], sorted[j], isNaturallyLess(sorted[i]!, sorted[j]!)]).toEqual([sorted[i], sorted[j], true]);
      expect([sorted[j], sorted[i], isNaturallyLess(sorted[j]!, sorted[i]!)]).toEqual([sorted[j], sorted[i], false]);
    }
  }
});

test("positions count lines, and columns in bytes", () => {
  expect(lineAndColumn("abc", 0)).toBe("1:1");
  expect(lineAndColumn("a\nbc", 3)).toBe("2:2");
  expect(lineAndColumn("é€x", 2)).toBe("1:6");
});

test("bytes that are not UTF-8 are quoted as such", () => {
  expect(quoteBytes('a\udcc5"z\n')).toBe('"a\\xc5\\"z\\n"');
});

describe("plan", () => {
  const context = {
    startMs: 0,
    endMs: 100_000,
    stepMs: 10_000,
    lookbackMs: 300_000,
    noStepSubqueryIntervalMs: () => 60_000,
  };

  function shape(plan: Plan): string {
    switch (plan.kind) {
      case "number":
        return String(plan.value);
      case "string":
        return JSON.stringify(plan.value);
      case "selector":
        return plan.expr.name;
      case "range":
        return `${plan.selector.expr.name}[]`;
      case "subquery":
        return `${shape(plan.inner)}[:${plan.stepMs}]`;
      case "call":
        return `${plan.func}(${plan.args.map(shape).join(", ")})`;
      case "aggregate":
        return `${plan.expr.op}(${plan.param ? shape(plan.param) + ", " : ""}${shape(plan.inner)})`;
      case "binary":
        return `${shape(plan.lhs)} ${plan.expr.op} ${shape(plan.rhs)}`;
      case "negate":
        return `-${shape(plan.inner)}`;
      case "once":
        return `once(${shape(plan.inner)})`;
    }
  }

  test.each([
    ["foo", "foo"],
    ["foo @ 10", "once(foo)"],
    ["(foo @ 10) + bar", "once(foo) + bar"],
    ["foo @ 10 + bar @ start()", "once(foo + bar)"],
    ["sum(foo @ end())", "once(sum(foo))"],
    ["rate(foo[1m] @ 10)", "once(rate(foo[]))"],
    ["predict_linear(foo[1m] @ 10, 60)", "predict_linear(foo[], 60)"],
    ["timestamp(foo @ 10)", "timestamp(once(foo))"],
    ["hour(foo @ 10)", "hour(once(foo))"],
    ["sum_over_time((foo @ 10)[1m:])", "sum_over_time(once(foo)[:60000])"],
    ["sum_over_time(foo[1m:5s] @ 10)", "once(sum_over_time(foo[:5000]))"],
    ["topk(scalar(bar), foo @ 10)", "topk(scalar(bar), once(foo))"],
    ["1 + 2", "once(1 + 2)"],
    ["-foo @ 10", "once(-foo)"],
    ["+foo", "foo"],
    ["start() + step() + range()", "once(0 + 10 + 100)"],
    ["label_replace(foo, 'a', '', '', '')", 'label_replace(foo, "a", "", "", "")'],
  ])("%s", (query, expected) => {
    expect(shape(compile(parseExpr(query, { experimentalFunctions: true }), context).plan)).toBe(expected);
  });

  test("does not touch the tree", () => {
    const expr = parseExpr("rate(foo[1m + 1m] offset 5m)[10m:] @ start()");
    const before = structuredClone(JSON.stringify(expr));
    compile(expr, context);
    expect(JSON.stringify(expr)).toBe(before);
  });
});

describe("row collector", () => {
  function rowOf(cells: readonly (number | undefined)[]): Row {
    const row = scratchRow(Labels.fromRecord({ n: String(cells.length) }), cells.length);
    cells.forEach((cell, s) => {
      if (cell === undefined) return;
      row.values[s] = cell;
      row.present[s] = 1;
      row.count++;
    });
    return row;
  }

  const read = (row: Row, steps: number): (number | undefined)[] =>
    Array.from({ length: steps }, (_, s) => (row.kind(s) === 0 ? undefined : row.values[row.base + s]));

  test("keeps rows when the scratch row is filled again", () => {
    const collector = new RowCollector();
    const inputs: (number | undefined)[][] = [];
    for (let i = 0; i < 500; i++) {
      const steps = 1 + ((i * 7) % 300);
      const cells: (number | undefined)[] = [];
      for (let s = 0; s < steps; s++) cells.push((s + i) % 3 === 0 || s < i % 11 ? undefined : s * i);
      if (!cells.some((cell) => cell !== undefined)) cells[0] = i;
      inputs.push(cells);
      const row = rowOf(cells);
      collector.add(row);
      row.values.fill(NaN);
      row.present.fill(0);
    }
    collector.rows.forEach((row, i) => expect(read(row, inputs[i]!.length)).toEqual(inputs[i]));
  });

  test("stores the stretch from the first to the last sample only", () => {
    const collector = new RowCollector();
    const row = collector.add(rowOf([undefined, undefined, 5, undefined, 7, undefined]));
    expect([row.from, row.to, row.count]).toEqual([2, 5, 2]);
  });
});
