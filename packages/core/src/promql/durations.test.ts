import { describe, expect, test } from "vitest";
import { DurationExprError, isStepInvariant, parseExpr, resolveDurations } from "./index.ts";

const CONTEXT = { stepMs: 15_000, rangeMs: 3_600_000 };

describe("computed durations", () => {
  test.each([
    ["a[1m + step()]", 75_000],
    ["a[-(10s - 5s) + 20s]", 15_000],
    ["a[range() / 2]", 1_800_000],
    ["a[2 ^ 3 ^ 2]", 512_000],
    ["a[-2 ^ 2 + 10]", 6_000],
    ["a[7 % 4]", 3_000],
    ["a[max_of(step(), 5s)]", 15_000],
    ["a[min_of(step(), 5s)]", 5_000],
    ["a[(5m)]", 300_000],
    ["a[1s / 3]", 333],
  ])("%s is %d ms", (query, rangeMs) => {
    expect(resolveDurations(parseExpr(query), CONTEXT)).toMatchObject({ kind: "MatrixSelector", rangeMs });
  });

  test("in offsets, which may be negative, and in steps", () => {
    expect(resolveDurations(parseExpr("a offset -step()"), CONTEXT)).toMatchObject({ originalOffsetMs: -15_000 });
    expect(resolveDurations(parseExpr("a[1m] offset (1m - 2m)"), CONTEXT)).toMatchObject({
      vectorSelector: { originalOffsetMs: -60_000 },
    });
    expect(resolveDurations(parseExpr("a[1h:step() * 2] offset range()"), CONTEXT)).toMatchObject({
      rangeMs: 3_600_000,
      stepMs: 30_000,
      originalOffsetMs: 3_600_000,
    });
  });

  test("deep in an expression, leaving the rest and the original as they are", () => {
    const expr = parseExpr("sum(rate(a[step()])) / (topk(1, b) + abs(c or d))");
    const before = JSON.stringify(expr);
    const resolved = resolveDurations(expr, CONTEXT);
    expect(resolved).toMatchObject({ lhs: { expr: { args: [{ rangeMs: 15_000 }] } } });
    expect(JSON.stringify(expr)).toBe(before);
    if (expr.kind !== "BinaryExpr" || resolved.kind !== "BinaryExpr") throw new Error("not a binary expression");
    expect(resolved.rhs).toBe(expr.rhs);
    const plain = parseExpr("sum by (x) (rate(a[5m] offset 1m)) > 1");
    expect(resolveDurations(plain, CONTEXT)).toBe(plain);
  });

  test.each([
    ["a[step() - 15s]", "2:14: duration must be greater than 0"],
    ["a[5m / (step() - 15s)]", "2:20: division by zero"],
    ["a[5m % (1 - 1)]", "2:13: modulo by zero"],
    ["a[(-1) ^ 0.5]", "3:12: duration is NaN or infinite"],
    ["a[10 ^ 400]", "2:10: duration is NaN or infinite"],
    ["a offset (10 ^ 11)", "10:17: duration is out of range"],
    ["a[(0s)]", "3:5: duration must be greater than 0"],
  ])("%s: %s", (query, message) => {
    const expr = parseExpr(query);
    expect(() => resolveDurations(expr, CONTEXT)).toThrow(DurationExprError);
    expect(() => resolveDurations(expr, CONTEXT)).toThrow(message);
  });
});

describe("what is the same at every step", () => {
  test.each([
    ["a @ 1", true],
    ["a", false],
    ["rate(a[5m] @ end())", true],
    ["sum(a @ start()) / vector(2)", true],
    ["a @ 1 + b", false],
    ["topk(scalar(b), a @ 1)", false],
    ["topk(2, a @ 1)", true],
    ["timestamp(a @ 1)", false],
    ["time()", false],
    ["predict_linear(a[5m] @ 1, 60)", false],
    ["max_over_time(a[1h:1m] @ 1)", true],
    ["max_over_time((a @ 1)[1h:1m])", false],
    ["-(a @ 1)", true],
    ["42", true],
  ])("%s: %s", (query, expected) => {
    expect(isStepInvariant(parseExpr(query))).toBe(expected);
  });
});
