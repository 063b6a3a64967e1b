// Runs the commands of a script against an engine, as upstream's promqltest package does: an instant query is asked as
// written, again with its selectors pinned by `@` at other times, and each of those again as the middle of a short
// range query. All must answer the same.
import type {
  MatrixSeries,
  QueryResult,
  QueryValue,
  VectorSample,
} from "../../../packages/server/src/metrics/engine/types.ts";
import type { Queryable } from "../../../packages/server/src/metrics/queryable.ts";
import { type Expressions, type PinnedQuery, pinnedQueries } from "./at-modifier.ts";
import { assertSorted, checkAnnotations, checkFailure, compareResult, Mismatch } from "./compare.ts";
import { load } from "./load.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type { EvalCommand, ScriptCommand } from "./script.ts";

/** ScriptEngine is the part of the query engine that scripts use. */
export interface ScriptEngine {
  instant(queryable: Queryable, query: string, timeMs: number): Promise<Answer>;
  range(queryable: Queryable, query: string, startMs: number, endMs: number, stepMs: number): Promise<Answer>;
}

/** Answer is the part of a query result that scripts look at. */
export type Answer = Pick<QueryResult, "value" | "warnings" | "infos">;

/** EvalOutcome says how an eval command went; `failure` is undefined when it passed. */
export interface EvalOutcome {
  line: number;
  query: string;
  failure: string | undefined;
}

/** runScript runs all commands and tells the outcome of every eval command, in order. Throws when a load command fails. */
export async function runScript(
  commands: readonly ScriptCommand[],
  engine: ScriptEngine,
  expressions: Expressions,
): Promise<EvalOutcome[]> {
  const storage = new MemoryStorage();
  const outcomes: EvalOutcome[] = [];
  for (const command of commands) {
    if (command.kind === "clear") storage.clear();
    else if (command.kind === "load") load(command, storage);
    else outcomes.push(await runEval(command, engine, storage, expressions));
  }
  return outcomes;
}

async function runEval(
  command: EvalCommand,
  engine: ScriptEngine,
  storage: Queryable,
  expressions: Expressions,
): Promise<EvalOutcome> {
  const outcome: EvalOutcome = { line: command.line, query: command.query, failure: undefined };
  try {
    if (command.isRange) await evalRange(command, engine, storage);
    else await evalInstant(command, engine, storage, expressions);
  } catch (error) {
    outcome.failure = error instanceof Mismatch ? error.message : describe(error);
  }
  return outcome;
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function evalRange(command: EvalCommand, engine: ScriptEngine, storage: Queryable): Promise<void> {
  const answer = await ask(command, () =>
    engine.range(storage, command.query, command.startMs, command.endMs, command.stepMs),
  );
  if (!answer) return;
  checkAnnotations(command, answer);
  compareResult(command, answer.value);
}

async function evalInstant(
  command: EvalCommand,
  engine: ScriptEngine,
  storage: Queryable,
  expressions: Expressions,
): Promise<void> {
  await evalInstantVariant(command, { query: command.query, timeMs: command.evalMs }, engine, storage, "");
  for (const variant of pinnedQueries(command.query, command.evalMs, expressions)) {
    await evalInstantVariant(command, variant, engine, storage, `as ${variant.query} at ${variant.timeMs} ms: `);
  }
}

async function evalInstantVariant(
  command: EvalCommand,
  variant: PinnedQuery,
  engine: ScriptEngine,
  storage: Queryable,
  prefix: string,
): Promise<void> {
  const { query, timeMs } = variant;
  try {
    const answer = await ask(command, () => engine.instant(storage, query, timeMs));
    if (!answer) return;
    checkAnnotations(command, answer);
    compareResult(command, answer.value);
    // Parts of a query that name its own range mean something else in a range query.
    if (command.instantOnly || /(start|end|range|step)\(\)/.test(query)) return;
    await evalAsRange(command, variant, answer.value, engine, storage);
  } catch (error) {
    if (prefix !== "" && error instanceof Mismatch) throw new Mismatch(prefix + error.message);
    throw error;
  }
}

async function evalAsRange(
  command: EvalCommand,
  { query, timeMs }: PinnedQuery,
  instantValue: QueryValue,
  engine: ScriptEngine,
  storage: Queryable,
): Promise<void> {
  let value: QueryValue;
  try {
    ({ value } = await engine.range(storage, query, timeMs - 60_000, timeMs + 60_000, 60_000));
  } catch (error) {
    throw new Mismatch(`in range mode: ${error instanceof Error ? error.message : String(error)}`);
  }
  // Range queries are sorted by labels; there is no other order to compare.
  if (command.ordered) return;
  if (value.type !== "matrix") throw new Mismatch(`in range mode: expected a matrix, got ${value.type}`);
  try {
    assertSorted(value.series);
    const samples = samplesAt(value.series, timeMs);
    if (instantValue.type === "scalar") {
      if (samples.length === 0) throw new Mismatch("no sample at the evaluation time");
      compareResult(command, { type: "scalar", timeMs, value: samples[0].value });
    } else {
      compareResult(command, { type: "vector", samples });
    }
  } catch (error) {
    if (error instanceof Mismatch) throw new Mismatch(`in range mode: ${error.message}`);
    throw error;
  }
}

function samplesAt(series: readonly MatrixSeries[], timeMs: number): VectorSample[] {
  const samples: VectorSample[] = [];
  for (const one of series) {
    const i = one.times.indexOf(timeMs);
    if (i < 0) continue;
    samples.push({ labels: one.labels, timeMs, value: one.values[i], histogram: one.histograms?.[i] });
  }
  return samples;
}

/** ask runs a query; undefined when it failed as expected. */
async function ask(command: EvalCommand, query: () => Promise<Answer>): Promise<Answer | undefined> {
  let answer: Answer;
  try {
    answer = await query();
  } catch (error) {
    // A broken invariant of ours is never what a script expects.
    if (!(error instanceof Error) || error.message.startsWith("BUG:") || error instanceof TypeError) throw error;
    if (!command.fail) throw error;
    checkFailure(command, error.message);
    return undefined;
  }
  if (command.fail) throw new Mismatch(`expected error with ${command.fail.description}, but the query succeeded`);
  return answer;
}
