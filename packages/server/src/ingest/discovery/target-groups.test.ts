import { describe, expect, test } from "vitest";
import { plainGroups } from "./discovery-fixture.ts";
import { parseTargetGroups, parseTargetGroupsJson } from "./target-groups.ts";

const yaml = (text: string) => plainGroups(parseTargetGroups(Buffer.from(text), "/x/targets.yml"));

describe("target groups", () => {
  test.each([
    ["an empty list", "[]", []],
    ["null", "null", []],
    ["no keys", "[{}]", [{ source: "", targets: [], labels: {} }]],
    ["nulls for both", '[{"targets": null, "labels": null}]', [{ source: "", targets: [], labels: {} }]],
    [
      "keys in any case",
      '[{"Targets": ["a"], "LABELS": {"A": "b"}}]',
      [{ source: "", targets: [{ __address__: "a" }], labels: { A: "b" } }],
    ],
    [
      "empty and UTF-8 values",
      '[{"targets": [""], "labels": {"a": "", "ä.b": "ö"}}]',
      [{ source: "", targets: [{ __address__: "" }], labels: { a: "", "ä.b": "ö" } }],
    ],
  ])("JSON: %s", (_, text, expected) => {
    expect(plainGroups(parseTargetGroupsJson(text))).toEqual(expected);
  });

  test.each([
    ["", "unexpected end of JSON input"],
    ["[", "unexpected end of JSON input"],
    ['[{"targets": ["a"]', "unexpected end of JSON input"],
    ['[{"targets": ["a', "unexpected end of JSON input"],
    ["x", "invalid character 'x' looking for beginning of value"],
    ['[{"targets": ["a"]} x', "invalid character 'x' after array element"],
    ['[{"targets": ["a"] x', "invalid character 'x' after object key:value pair"],
    ['[{"targets" x', "invalid character 'x' after object key"],
    ["[{x", "invalid character 'x' looking for beginning of object key string"],
    ["[] x", "invalid character 'x' after top-level value"],
    ['["a\nb"]', "invalid character '\\n' in string literal"],
    ['["\\q"]', "invalid character 'q' in string escape code"],
    ["{}", "json: cannot unmarshal object into Go value of type []*targetgroup.Group"],
    ["[null]", "nil target group item found"],
    ['[{"targets": []}, null]', "nil target group item found"],
    ['[{"targets": ["a"], "extra": 1}]', 'json: unknown field "extra"'],
    ['[{"labels": {"": "x"}}]', '"" is not a valid label name'],
  ])("JSON refused: %s", (text, message) => {
    expect(() => parseTargetGroupsJson(text)).toThrow(expect.objectContaining({ message }));
  });

  test.each([
    '[{"targets": "a"}]',
    '[{"targets": [1]}]',
    '[{"targets": {"a": 1}}]',
    '[{"labels": ["a"]}]',
    '[{"labels": {"a": 1}}]',
    '["a"]',
  ])("JSON of the wrong shape: %s", (text) => {
    expect(() => parseTargetGroupsJson(text)).toThrow(/^json: cannot unmarshal \w+ into Go /);
  });

  test("YAML, and nothing in an empty file", () => {
    expect(yaml("- targets: [a, b]\n  labels: {x: 'y'}\n- targets: [c]\n")).toEqual([
      { source: "", targets: [{ __address__: "a" }, { __address__: "b" }], labels: { x: "y" } },
      { source: "", targets: [{ __address__: "c" }], labels: {} },
    ]);
    expect(yaml("")).toEqual([]);
  });

  test.each([
    ["- targets: [a]\n- null\n", "nil target group item found"],
    ["- targets: [a]\n  extra: 1\n", /line 2: field extra not found in type /],
    ["targets: [a]\n", /cannot unmarshal !!map into \[\]\*targetgroup\.Group/],
    ["- targets: [a\n", /^yaml: /],
  ])("YAML refused: %j", (text, message) => {
    expect(() => yaml(text)).toThrow(message);
  });

  test("another extension is refused by name", () => {
    expect(() => parseTargetGroups(Buffer.from("[]"), "/x/targets.txt")).toThrow('invalid file extension: ".txt"');
    expect(parseTargetGroups(Buffer.from("[]"), "/x/TARGETS.JSON")).toEqual([]);
  });
});
