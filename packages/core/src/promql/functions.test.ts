import { describe, expect, test } from "vitest";
import { AGGREGATIONS, exprType, FUNCTIONS, KEYWORD_DOCS, OPERATORS, parseExpr, walk } from "./index.ts";

const ARGUMENTS = { vector: "a", matrix: "a[5m]", scalar: "1", string: '"x"', none: "" } as const;

describe("the tables agree with the parser", () => {
  test.each([...FUNCTIONS.values()])("$name takes what its signature says", (signature) => {
    const { name, argTypes, variadic, returnType } = signature;
    // The second argument of info is a list of matchers.
    const args = argTypes.map((type, i) => (name === "info" && i === 1 ? '{b="c"}' : ARGUMENTS[type]));
    const call = (list: readonly string[]): string => `${name}(${list.join(", ")})`;
    const parse = (query: string): unknown => parseExpr(query, { experimentalFunctions: true });
    expect(exprType(parseExpr(call(args), { experimentalFunctions: true }))).toBe(returnType);
    const least = variadic === 0 ? args.length : args.length - 1;
    parse(call(args.slice(0, least)));
    if (least > 0) expect(() => parse(call(args.slice(0, least - 1)))).toThrow(/expected .*argument\(s\)/);
    const more = (n: number): string[] => [...args.slice(0, least), ...Array<string>(n).fill(args.at(-1)!)];
    if (variadic < 0) parse(call(more(20)));
    else {
      if (args.length > 0) parse(call(more(variadic)));
      if (args.length > 0) expect(() => parse(call(more(variadic + 1)))).toThrow(/expected .*argument\(s\)/);
    }
  });

  test.each(AGGREGATIONS)("$name takes its parameter", ({ name, param }) => {
    const first = param ? `${ARGUMENTS[param]}, ` : "";
    expect(parseExpr(`${name}(${first}a)`, { experimentalFunctions: true })).toMatchObject({ op: name });
  });

  test("operators bind in the order of their table", () => {
    const all = OPERATORS.flat();
    for (const [level, operators] of OPERATORS.entries()) {
      for (const op of operators) {
        expect(parseExpr(`a ${op} b`)).toMatchObject({ op });
        for (const tighter of OPERATORS.slice(level + 1).flat()) {
          expect(parseExpr(`a ${op} b ${tighter} c`)).toMatchObject({ op, rhs: { op: tighter } });
          expect(parseExpr(`a ${tighter} b ${op} c`)).toMatchObject({ op, lhs: { op: tighter } });
        }
      }
    }
    expect(new Set(all).size).toBe(all.length);
  });

  test("everything has a sentence for people", () => {
    for (const { doc } of [...FUNCTIONS.values(), ...AGGREGATIONS, ...KEYWORD_DOCS]) expect(doc).toMatch(/^.{5,}\.$/);
  });
});

test("walk visits parents first, with the path, and leaves out what it is told to", () => {
  const seen: string[] = [];
  walk(parseExpr("sum(rate(a[5m])) + (b)"), (expr, path) => {
    seen.push(`${path.map(({ kind }) => kind[0]).join("")}>${expr.kind}`);
    return expr.kind !== "Call";
  });
  expect(seen).toEqual([">BinaryExpr", "B>AggregateExpr", "BA>Call", "B>ParenExpr", "BP>VectorSelector"]);
});
