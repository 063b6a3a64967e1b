import { parseExpr, type ParserOptions, printExpr } from "@belfry/core/promql";
import { Engine } from "../../packages/server/src/metrics/engine/index.ts";
import { listConformance, readConformance } from "./data.ts";
import { type EvalOutcome, runScript, type ScriptEngine } from "./promqltest/harness.ts";
import { parseScript } from "./promqltest/script.ts";
import type { ConformanceSuite, SuiteRow } from "./suite.ts";

const FOLDER = "promql/promqltest";

/** SCRIPT_FEATURES are what upstream enables for its scripts. */
const SCRIPT_FEATURES: ReadonlySet<string> = new Set([
  "promql-experimental-functions",
  "promql-duration-expr",
  "promql-extended-range-selectors",
  "promql-binop-fill-modifiers",
  "promql-delayed-name-removal",
  "use-start-timestamps",
]);

/** newScriptEngine makes the engine that upstream runs its scripts with: few samples, defaults otherwise. */
export function newScriptEngine(): Engine {
  return new Engine({ maxSamples: 10_000, timeoutMs: 100_000, features: SCRIPT_FEATURES });
}

/** scriptFiles lists the scripts in the conformance data. */
export function scriptFiles(): string[] {
  return listConformance(FOLDER, ".test");
}

/** runScriptFile runs one script of the conformance data. A script that cannot be read or loaded is one failure. */
export async function runScriptFile(file: string, engine: ScriptEngine): Promise<SuiteRow> {
  const row: SuiteRow = { name: file, passed: 0, failed: 0, skipped: 0, failures: [] };
  let outcomes: EvalOutcome[];
  try {
    outcomes = await runScript(parseScript(readConformance(`${FOLDER}/${file}`)), engine, expressions);
  } catch (error) {
    row.failed = 1;
    row.failures.push({ where: file, input: "", message: error instanceof Error ? error.message : String(error) });
    return row;
  }
  for (const outcome of outcomes) {
    if (outcome.failure === undefined) {
      row.passed++;
    } else {
      row.failed++;
      row.failures.push({ where: `${file}:${outcome.line}`, input: outcome.query, message: outcome.failure });
    }
  }
  return row;
}

const parserOptions: ParserOptions = {
  experimentalFunctions: true,
  durationExpressions: true,
  extendedRangeSelectors: true,
  binopFillModifiers: true,
};
const expressions = {
  parse: (query: string) => parseExpr(query, parserOptions),
  print: printExpr,
};

export const suite: ConformanceSuite = {
  name: "promqltest: upstream's PromQL scripts",
  data: FOLDER,
  async run({ filter }) {
    const engine = newScriptEngine();
    const rows: SuiteRow[] = [];
    for (const file of scriptFiles()) {
      if (file.includes(filter)) rows.push(await runScriptFile(file, engine));
    }
    return rows;
  },
};
