import { describe, expect, test } from "vitest";
import { ACCEPT, buildTables, FAIL, type GrammarRule, type PrecedenceLevel } from "./lalr.ts";

const TERMINALS = ["$unknown", "$end", "error", "+", "*", "^", "<", "-", "(", ")", "x", "if", "else"];

function grammar(text: string): GrammarRule[] {
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [lhs, rhs] = line.split(":");
      const [symbols, precedence] = rhs!.split("%prec ");
      return { lhs: lhs!.trim(), rhs: symbols!.split(" ").filter((s) => s !== ""), precedence };
    });
}

/** parse runs the tables over tokens and writes the reductions with all their parentheses, or where it stopped. */
function parse(rules: GrammarRule[], levels: PrecedenceLevel[], input: string): string {
  const tables = buildTables(TERMINALS, rules, levels);
  const tokens = [...input.split(" ").filter((t) => t !== ""), "$end"];
  const states = [0];
  const values: string[] = [];
  for (let i = 0; ;) {
    const state = states.at(-1)!;
    let action = tables.looksAhead[state]
      ? tables.actions[state * tables.terminals + TERMINALS.indexOf(tokens[i]!)]!
      : 0;
    if (action === 0) action = -tables.defaults[state]!;
    if (action === ACCEPT) return values.join();
    if (action === 0 || action === FAIL) return `${values.join(" ")} ! ${tokens[i]}`;
    if (action > 0) {
      values.push(tokens[i]!);
      states.push(action);
      i++;
      continue;
    }
    const length = tables.ruleLength[-action]!;
    const parts = values.splice(values.length - length);
    states.length -= length;
    values.push(length === 1 ? parts[0]! : `[${parts.join(" ")}]`);
    states.push(tables.gotos[states.at(-1)! * tables.nonterminals + tables.ruleLhs[-action]!]!);
  }
}

const EXPRESSIONS = grammar(`
  start: expr
  expr: expr + expr
  expr: expr * expr
  expr: expr ^ expr
  expr: expr < expr
  expr: - expr %prec *
  expr: ( expr )
  expr: x
`);
const LEVELS: PrecedenceLevel[] = [
  { associativity: "nonassoc", tokens: ["<"] },
  { associativity: "left", tokens: ["+"] },
  { associativity: "left", tokens: ["*"] },
  { associativity: "right", tokens: ["^"] },
];

describe("conflicts", () => {
  test.each([
    ["x + x + x", "[[x + x] + x]"],
    ["x ^ x ^ x", "[x ^ [x ^ x]]"],
    ["x + x * x", "[x + [x * x]]"],
    ["x * x + x", "[[x * x] + x]"],
    ["- x ^ x", "[- [x ^ x]]"],
    ["- x * x", "[[- x] * x]"],
    ["x < x + x", "[x < [x + x]]"],
    ["x < x < x", "x < x ! <"],
    ["( x + x ) * x", "[[( [x + x] )] * x]"],
    ["x +", "x + ! $end"],
  ])("%s is %s", (input, expected) => {
    expect(parse(EXPRESSIONS, LEVELS, input)).toBe(expected);
  });

  test("without precedence a shift wins", () => {
    const rules = grammar(`
      start: s
      s: if x s
      s: if x s else s
      s: x
    `);
    expect(parse(rules, [], "if x if x x else x")).toBe("[if x [if x x else x]]");
  });

  test("between two rules the earlier wins", () => {
    const rules = grammar(`
      start: a
      start: b +
      a: x
      b: x
      a: a +
    `);
    expect(parse(rules, [], "x +")).toBe("[x +]");
  });
});

describe("look-aheads", () => {
  test("go through symbols that may be empty", () => {
    const rules = grammar(`
      start: a b x
      a: +
      a: + *
      b:
      b: -
    `);
    expect(parse(rules, [], "+ * x")).toBe("[[+ *] [] x]");
    expect(parse(rules, [], "+ - x")).toBe("[+ - x]");
  });

  test("tell states apart that LR(0) cannot, as LALR(1) does and SLR(1) does not", () => {
    const rules = grammar(`
      start: l < r
      start: r
      l: * r
      l: x
      r: l
    `);
    expect(parse(rules, [], "* x < x")).toBe("[[* x] < x]");
    expect(parse(rules, [], "* * x")).toBe("[* [* x]]");
  });
});

describe("defaults", () => {
  const state = (rules: GrammarRule[], after: string): { looks: boolean; rule: number } => {
    const tables = buildTables(TERMINALS, rules, []);
    let s = 0;
    for (const token of after.split(" ")) s = tables.actions[s * tables.terminals + TERMINALS.indexOf(token)]!;
    return { looks: tables.looksAhead[s] === 1, rule: tables.defaults[s]! };
  };

  test("a state that can only reduce does so without a token", () => {
    expect(state(EXPRESSIONS, "x")).toEqual({ looks: false, rule: 8 });
  });

  test("the rule most tokens ask for is the default", () => {
    const rules = grammar(`
      start: a +
      start: a *
      start: b -
      a: x
      b: x
    `);
    expect(state(rules, "x")).toEqual({ looks: true, rule: 4 });
  });

  test("there is none where `error` can be shifted", () => {
    const rules = grammar(`
      start: a +
      a: x
      a: x error
    `);
    expect(state(rules, "x")).toEqual({ looks: true, rule: 0 });
  });
});
