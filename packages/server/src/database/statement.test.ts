import type { SqlParameters } from "./database.ts";
import { describe, expect, test } from "vitest";
import {
  parameterText,
  quoteIdentifier,
  quoteString,
  selectSettings,
  setParameters,
  withSettings,
} from "./statement.ts";

describe("settings", () => {
  test("every SELECT has a time limit", () => {
    expect(withSettings("SELECT 1", selectSettings({}))).toBe(
      "SELECT 1 SETTINGS max_execution_time = 30, timeout_overflow_mode = 'throw'",
    );
  });

  test("bounds of the result throw instead of cutting it", () => {
    expect(selectSettings({ timeoutMs: 1500, maxRows: 5, maxBytes: 6 })).toEqual({
      max_execution_time: 1.5,
      timeout_overflow_mode: "throw",
      max_result_rows: 5,
      max_result_bytes: 6,
      result_overflow_mode: "throw",
    });
  });

  test("a semicolon at the end goes", () => {
    expect(withSettings("SELECT 1 ;\n", { a: 1 })).toBe("SELECT 1 SETTINGS a = 1");
  });

  test("a name that is none is our mistake", () => {
    expect(() => withSettings("SELECT 1", { "a = 1 --": 1 })).toThrow('BUG: not a setting name: "a = 1 --"');
  });
});

describe("parameters", () => {
  test.each([
    ["it's", "it's"],
    ["a\tb\\c\n", "a\\tb\\\\c\\n"],
    [18446744073709551615n, "18446744073709551615"],
    [0.1, "0.1"],
    [-0, "-0"],
    [NaN, "nan"],
    [-Infinity, "-inf"],
    [[1, 2n], "[1,2]"],
    [["a'b", "c\\d"], "['a\\'b','c\\\\d']"],
    [[], "[]"],
  ] as [SqlParameters[string], string][])("$1", (value, text) => {
    expect(parameterText(value)).toBe(text);
  });

  test("are set in one statement", () => {
    expect(setParameters({ a: "x'y", b: 1 })).toBe("SET param_a = 'x\\'y', param_b = '1'");
    expect(setParameters({})).toBe("");
    expect(setParameters(undefined)).toBe("");
    expect(() => setParameters({ "a;": 1 })).toThrow("BUG: not a parameter name");
  });
});

test("quotes", () => {
  expect(quoteString("a'b\\c\0")).toBe("'a\\'b\\\\c\\0'");
  expect(quoteIdentifier("db.ta`ble")).toBe("`db`.`ta\\`ble`");
});
