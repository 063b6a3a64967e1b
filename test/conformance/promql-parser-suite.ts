// Prometheus' own table of queries: which are valid and what they parse to, which are not and what is wrong where. All
// valid queries, those of the compliance suite too, must also survive printing.
import {
  byteLength,
  type Expr,
  ParseError,
  parseExpr,
  type ParserOptions,
  prettyExpr,
  printExpr,
} from "../../packages/core/src/promql/index.ts";
import { readConformance } from "./data.ts";
import type { ConformanceSuite, SuiteOptions, SuiteRow } from "./suite.ts";

const CASES = "promql/parser_cases/testExpr.json";
const COMPLIANCE = "promql/compliance/promql_expanded_queries.json";

/** OPTIONS are those Prometheus runs the table with. */
const OPTIONS: ParserOptions = { experimentalFunctions: true, extendedRangeSelectors: true };

interface ListedError {
  start: number;
  end: number;
  msg: string;
}

interface ParserCase {
  input: string;
  fail: boolean;
  astType?: string;
  errors?: ListedError[];
}

/** FURTHER are errors that Prometheus' table has and the extracted data lacks. */
const FURTHER: ReadonlyMap<string, ListedError> = new Map([
  ["foo and bool 10", { start: 0, end: 15, msg: 'set operator "and" not allowed in binary scalar expression' }],
]);

/** parserCases reads the table; the byte 0xff, which is not UTF-8, is "ÿ" in the data and a lone surrogate here. */
function parserCases(): ParserCase[] {
  const cases = JSON.parse(readConformance(CASES)) as ParserCase[];
  for (const c of cases) if (c.fail) c.input = c.input.replaceAll("ÿ", "\udcff");
  return cases;
}

/** validQueries lists every query of the conformance data that must parse. */
export function validQueries(): string[] {
  const compliance = JSON.parse(readConformance(COMPLIANCE)) as { query: string; shouldFail: boolean }[];
  return [
    ...parserCases().filter((c) => !c.fail),
    ...compliance.filter((c) => !c.shouldFail).map(({ query }) => ({ input: query })),
  ].map((c) => c.input);
}

export const suite: ConformanceSuite = { name: "PromQL parser", data: CASES, run };

async function run({ filter }: SuiteOptions): Promise<SuiteRow[]> {
  const cases = parserCases().filter((c) => c.input.includes(filter));
  const queries = validQueries().filter((query) => query.includes(filter));
  return [
    check(
      "valid",
      cases.filter((c) => !c.fail),
      (c) => checkValid(c),
    ),
    check(
      "invalid",
      cases.filter((c) => c.fail),
      (c) => checkInvalid(c),
    ),
    check(
      "printed",
      queries.map((input) => ({ input })),
      ({ input }) => checkPrinted(input),
    ),
  ];
}

function check<C extends { input: string }>(
  name: string,
  cases: readonly C[],
  problem: (c: C) => string | undefined,
): SuiteRow {
  const row: SuiteRow = { name, passed: 0, failed: 0, skipped: 0, failures: [] };
  for (const [i, c] of cases.entries()) {
    const message = problem(c);
    if (message === undefined) row.passed++;
    else {
      row.failed++;
      row.failures.push({ where: `${name} ${i}`, input: c.input, message });
    }
  }
  return row;
}

function tryParse(query: string): Expr | ParseError {
  try {
    return parseExpr(query, OPTIONS);
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
}

function checkValid({ input, astType }: ParserCase): string | undefined {
  const expr = tryParse(input);
  if (expr instanceof ParseError) return `refused: ${expr.message}`;
  if (astType !== undefined && expr.kind !== astType) return `expected ${astType}, got ${expr.kind}`;
  return undefined;
}

/** checkInvalid compares all errors in text and place, the latter in bytes. */
function checkInvalid({ input, errors }: ParserCase): string | undefined {
  const error = tryParse(input);
  if (!(error instanceof ParseError)) return "accepted, but is not valid";
  if (errors === undefined) return undefined;
  const further = FURTHER.get(input);
  const expected = JSON.stringify(further ? [...errors, further] : errors);
  const at = (index: number): number => byteLength(input.slice(0, index));
  const got = JSON.stringify(error.errors.map(({ start, end, msg }) => ({ start: at(start), end: at(end), msg })));
  return got === expected ? undefined : `expected ${expected}\ngot      ${got}`;
}

/** checkPrinted checks that a query's canonical form is its own canonical form, and that formatting does not change it. */
function checkPrinted(query: string): string | undefined {
  const expr = tryParse(query);
  if (expr instanceof ParseError) return `refused: ${expr.message}`;
  const canonical = printExpr(expr);
  for (const form of [canonical, prettyExpr(expr)]) {
    const again = tryParse(form);
    if (again instanceof ParseError) return `${form}\nis refused: ${again.message}`;
    if (printExpr(again) !== canonical) return `expected ${canonical}\ngot      ${printExpr(again)}\nfrom     ${form}`;
  }
  return undefined;
}
