import { expect, test } from "vitest";
import { parseExpr, toApiAst } from "./index.ts";

const selector = (name: string, more: object = {}): object => ({
  type: "vectorSelector",
  name,
  offset: 0,
  offsetExpr: null,
  matchers: [{ name: "__name__", value: name, type: "=" }],
  timestamp: null,
  startOrEnd: null,
  anchored: false,
  smoothed: false,
  ...more,
});

test("a selector", () => {
  expect(toApiAst(parseExpr('up{job=~"a"} @ 1.5 offset 1m'))).toEqual(
    selector("up", {
      offset: 60_000,
      matchers: [
        { name: "job", value: "a", type: "=~" },
        { name: "__name__", value: "up", type: "=" },
      ],
      timestamp: 1500,
    }),
  );
});

test("operators and aggregations", () => {
  expect(toApiAst(parseExpr("-topk by (a) (2, b) / on (c) group_left (d) (e)"))).toEqual({
    type: "binaryExpr",
    op: "/",
    lhs: {
      type: "unaryExpr",
      op: "-",
      expr: {
        type: "aggregation",
        op: "topk",
        expr: selector("b"),
        param: { type: "numberLiteral", val: "2" },
        grouping: ["a"],
        without: false,
      },
    },
    rhs: { type: "parenExpr", expr: selector("e") },
    matching: {
      card: "many-to-one",
      labels: ["c"],
      on: true,
      include: ["d"],
      fillValues: { lhs: null, rhs: null },
    },
    bool: false,
  });
  expect(toApiAst(parseExpr("a + fill(1) b", { binopFillModifiers: true }))).toMatchObject({
    matching: { card: "one-to-one", labels: [], on: false, include: [], fillValues: { lhs: 1, rhs: 1 } },
  });
  expect(toApiAst(parseExpr("1 > bool +Inf"))).toEqual({
    type: "binaryExpr",
    op: ">",
    lhs: { type: "numberLiteral", val: "1" },
    rhs: { type: "numberLiteral", val: "+Inf" },
    matching: null,
    bool: true,
  });
});

test("calls, ranges and computed durations", () => {
  expect(toApiAst(parseExpr("max_over_time(rate(a[5m])[1h:-(1m) + step()] @ end())"))).toEqual({
    type: "call",
    func: { name: "max_over_time", argTypes: ["matrix"], variadic: 0, returnType: "vector" },
    args: [
      {
        type: "subquery",
        expr: {
          type: "call",
          func: { name: "rate", argTypes: ["matrix"], variadic: 0, returnType: "vector" },
          args: [{ ...selector("a"), type: "matrixSelector", range: 300_000, rangeExpr: null }],
        },
        range: 3_600_000,
        rangeExpr: null,
        offset: 0,
        offsetExpr: null,
        step: 0,
        stepExpr: {
          type: "durationExpr",
          op: "+",
          lhs: {
            type: "durationExpr",
            op: "-",
            lhs: null,
            rhs: {
              type: "durationExpr",
              op: "+",
              lhs: null,
              rhs: { type: "numberLiteral", val: "60", duration: true },
              wrapped: true,
            },
            wrapped: false,
          },
          rhs: { type: "durationExpr", op: "step", lhs: null, rhs: null, wrapped: false },
          wrapped: false,
        },
        timestamp: null,
        startOrEnd: "end",
      },
    ],
  });
});

test("every value survives JSON", () => {
  const ast = toApiAst(parseExpr('label_join({"é.b"}, "x\\n", "y", `z`) or vector(NaN)'));
  expect(JSON.parse(JSON.stringify(ast))).toEqual(ast);
});
