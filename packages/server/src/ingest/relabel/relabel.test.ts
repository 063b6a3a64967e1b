import { Labels } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import type { RelabelConfig } from "./config.ts";
import { Relabeller } from "./relabel.ts";

function rule(fields: Partial<RelabelConfig>): RelabelConfig {
  return {
    sourceLabels: [],
    separator: ";",
    regex: "(.*)",
    modulus: 0n,
    targetLabel: "",
    replacement: "$1",
    action: "replace",
    nameScheme: "utf8",
    ...fields,
  };
}

function relabel(
  labels: Record<string, string>,
  ...rules: Partial<RelabelConfig>[]
): Record<string, string> | undefined {
  const result = new Relabeller(rules.map(rule)).relabel(Labels.fromRecord(labels));
  return result && { ...result.toRecord() };
}

describe("replace", () => {
  test("puts groups by number and by name", () => {
    expect(
      relabel(
        { a: "host-7" },
        { sourceLabels: ["a"], regex: "(?P<what>\\w+)-(\\d+)", targetLabel: "b", replacement: "${what}/$2/$$" },
      ),
    ).toEqual({ a: "host-7", b: "host/7/$" });
  });
  test("joins source labels, the missing ones as empty", () => {
    expect(relabel({ a: "x" }, { sourceLabels: ["a", "nope"], separator: "-", targetLabel: "b" })).toEqual({
      a: "x",
      b: "x-",
    });
  });
  test("does nothing unless the whole value matches", () => {
    expect(relabel({ a: "xfoo" }, { sourceLabels: ["a"], regex: "foo", targetLabel: "b", replacement: "y" })).toEqual({
      a: "xfoo",
    });
  });
  test("an empty result removes the target label", () => {
    expect(relabel({ a: "x", b: "y" }, { sourceLabels: ["c"], targetLabel: "b" })).toEqual({ a: "x" });
  });
  test("sets a fixed label on anything, newlines included", () => {
    expect(relabel({ a: "x\ny" }, { sourceLabels: ["a"], targetLabel: "b", replacement: "z" })).toEqual({
      a: "x\ny",
      b: "z",
    });
  });
  test("a target that is no label name leaves the labels alone", () => {
    expect(
      relabel({ a: "1x" }, { sourceLabels: ["a"], targetLabel: "${1}", replacement: "v", nameScheme: "legacy" }),
    ).toEqual({ a: "1x" });
    expect(relabel({ a: "1x" }, { sourceLabels: ["a"], targetLabel: "${1}", replacement: "v" })).toEqual({
      a: "1x",
      "1x": "v",
    });
  });
});

test("hashmod is the low half of the MD5 sum, as upstream's", () => {
  expect(relabel({ c: "baz" }, { sourceLabels: ["c"], targetLabel: "d", action: "hashmod", modulus: 1000n })).toEqual({
    c: "baz",
    d: "976",
  });
});

test("labelmap sees the labels as they were before it", () => {
  expect(relabel({ a1: "x", a2: "y" }, { regex: "a(.)", replacement: "a$1$1", action: "labelmap" })).toEqual({
    a1: "x",
    a2: "y",
    a11: "x",
    a22: "y",
  });
});

test("keepequal and dropequal compare with the target label", () => {
  const labels = { p: "80", q: "80", r: "81" };
  expect(relabel(labels, { sourceLabels: ["p"], targetLabel: "q", action: "keepequal" })).toEqual(labels);
  expect(relabel(labels, { sourceLabels: ["p"], targetLabel: "r", action: "keepequal" })).toBeUndefined();
  expect(relabel(labels, { sourceLabels: ["p"], targetLabel: "q", action: "dropequal" })).toBeUndefined();
});

test("steps ends with the rule that drops", () => {
  const labels = Labels.fromRecord({ a: "x" });
  const relabeller = new Relabeller([
    rule({ targetLabel: "b", replacement: "y" }),
    rule({ sourceLabels: ["a"], regex: "x", action: "drop" }),
    rule({ targetLabel: "c", replacement: "z" }),
  ]);
  expect(relabeller.steps(labels).map(({ output, keep }) => [{ ...output.toRecord() }, keep])).toEqual([
    [{ a: "x", b: "y" }, true],
    [{ a: "x", b: "y" }, false],
  ]);
});

test("a pattern made to blow up ends", () => {
  // A backtracking engine needs 2^20000 steps for this.
  expect(
    relabel({ a: "a".repeat(20_000) + "!" }, { sourceLabels: ["a"], regex: "(a+)+", action: "keep" }),
  ).toBeUndefined();
});
