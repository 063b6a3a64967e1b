// The reader of promqltest scripts: text in, commands out. The language is that of upstream's promql/promqltest (see
// FORMAT.md in the conformance data). It is line by line and ends a command at an empty line or a comment:
//
//   load 1m
//     metric{label="a"} 0+1x10
//
//   eval instant at 5m sum(metric)
//     expect no_warn
//     {} 5
import { compileRE2, type Labels } from "@belfry/core/model";
import {
  isStartTimestampLine,
  parseSeriesDescription,
  parseStartTimestamps,
  type SequenceValue,
} from "../../../packages/core/src/promql/series-description.ts";

/** ScriptError is a script that cannot be read; the message names the line. */
export class ScriptError extends Error {
  readonly line: number;
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = "ScriptError";
    this.line = line;
  }
}

interface ClearCommand {
  kind: "clear";
  line: number;
}

/** LoadedSeries is one line of a load command; the offsets of start timestamps belong to the values at the same place. */
export interface LoadedSeries {
  labels: Labels;
  values: SequenceValue[];
  startOffsetsMs: (number | undefined)[];
}

export interface LoadCommand {
  kind: "load";
  line: number;
  intervalMs: number;
  /** withNhcb also loads classic histograms as native ones with custom buckets. */
  withNhcb: boolean;
  series: LoadedSeries[];
}

/** TextExpectation is a message to be matched: exactly, by RE2, or any at all. */
export interface TextExpectation {
  matches(text: string): boolean;
  /** description is what was written, for messages. */
  description: string;
}

/** ExpectedSeries is one line of the expected result. */
export interface ExpectedSeries {
  labels: Labels;
  /** position counts the result lines from 1, for ordered results. */
  position: number;
  values: SequenceValue[];
}

export interface EvalCommand {
  kind: "eval";
  line: number;
  query: string;
  isRange: boolean;
  /** startMs is the evaluation time of an instant query, or where the expected range vector begins. */
  startMs: number;
  endMs: number;
  stepMs: number;
  /** evalMs is when an instant query is evaluated. */
  evalMs: number;
  ordered: boolean;
  /** fail is undefined when the query must succeed. */
  fail: TextExpectation | undefined;
  warn: TextExpectation[];
  info: TextExpectation[];
  /** anyWarn and anyInfo are the deprecated forms: at least one annotation of whatever text. */
  anyWarn: boolean;
  anyInfo: boolean;
  noWarn: boolean;
  noInfo: boolean;
  /** scalar is the expected number, when the result is to be a scalar. */
  scalar: SequenceValue | undefined;
  string: string | undefined;
  series: Map<string, ExpectedSeries>;
  /** instantOnly says that the result has no counterpart in a range query. */
  instantOnly: boolean;
}

export type ScriptCommand = ClearCommand | LoadCommand | EvalCommand;

const LOAD = /^load(?:_(with_nhcb))?\s+(.+?)$/;
const EVAL_INSTANT = /^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$/;
const EVAL_RANGE = /^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$/;
const EXPECT = /^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$/;
const EXPECT_RANGE_VECTOR = /^expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$/;

const ANY_TEXT: TextExpectation = { matches: () => true, description: "anything" };

/** parseScript reads a whole script. Throws ScriptError. */
export function parseScript(text: string): ScriptCommand[] {
  const lines = text.split("\n").map((line) => {
    const trimmed = line.trim();
    return trimmed.startsWith("#") ? "" : trimmed;
  });
  const commands: ScriptCommand[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (lines[i] === "") continue;
    const word = lines[i].split(/[\t ]+/, 1)[0].toLowerCase();
    let end = i + 1;
    while (end < lines.length && lines[end] !== "") end++;
    const block = new Block(lines, i, end);
    if (word === "clear") {
      commands.push({ kind: "clear", line: i + 1 });
      continue;
    }
    if (word.startsWith("load")) commands.push(parseLoad(block));
    else if (word.startsWith("eval")) commands.push(parseEval(block));
    else throw new ScriptError(i + 1, `invalid command "${lines[i]}"`);
    i = block.next - 1;
  }
  return commands;
}

/** Block is a command and the lines that follow it up to an empty one. */
class Block {
  readonly head: string;
  readonly line: number;
  private readonly lines: readonly string[];
  private readonly end: number;
  /** next is the index of the first line that is not consumed yet. */
  next: number;

  constructor(lines: readonly string[], start: number, end: number) {
    this.lines = lines;
    this.head = lines[start];
    this.line = start + 1;
    this.end = end;
    this.next = start + 1;
  }

  take(): string | undefined {
    return this.next < this.end ? this.lines[this.next++] : undefined;
  }

  /** current is the number of the line taken last. */
  get current(): number {
    return this.next;
  }
}

function atLine<T>(line: number, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ScriptError) throw error;
    throw new ScriptError(line, error instanceof Error ? error.message : String(error));
  }
}

function parseLoad(block: Block): LoadCommand {
  const match = LOAD.exec(block.head);
  if (!match) throw new ScriptError(block.line, "invalid load command. (load[_with_nhcb] <step:duration>)");
  const command: LoadCommand = {
    kind: "load",
    line: block.line,
    intervalMs: parseDuration(match[2], block.line, "step"),
    withNhcb: match[1] === "with_nhcb",
    series: [],
  };
  const byLabels = new Map<string, LoadedSeries>();
  let defaults: (number | undefined)[] = [];
  let pending: { labels: Labels; offsetsMs: (number | undefined)[]; line: number } | undefined;
  for (let text = block.take(); text !== undefined; text = block.take()) {
    const line = block.current;
    const content = text;
    if (isStartTimestampLine(content)) {
      if (pending) throw new ScriptError(pending.line, "@st line has no following sample line");
      const starts = atLine(line, () => parseStartTimestamps(content));
      if (starts.isDefault) defaults = starts.offsetsMs;
      else pending = { labels: starts.labels, offsetsMs: starts.offsetsMs, line };
      continue;
    }
    const { labels, values } = atLine(line, () => parseSeriesDescription(content));
    let startOffsetsMs: (number | undefined)[] = [];
    if (pending) {
      if (!labels.equals(pending.labels)) {
        throw new ScriptError(pending.line, "@st metric does not match the following sample line metric");
      }
      if (pending.offsetsMs.length !== values.length) {
        throw new ScriptError(
          pending.line,
          `@st line has ${pending.offsetsMs.length} values but sample line has ${values.length}`,
        );
      }
      startOffsetsMs = pending.offsetsMs;
      pending = undefined;
    } else if (defaults.length > 0) {
      const offsets = defaults;
      startOffsetsMs = values.map((_, i) => offsets[i % offsets.length]);
    }
    // A series written twice in one command is the one written last.
    byLabels.set(labels.key, { labels, values, startOffsetsMs });
  }
  if (pending) throw new ScriptError(pending.line, "@st line has no following sample line");
  command.series = [...byLabels.values()];
  return command;
}

function parseEval(block: Block): EvalCommand {
  const instant = EVAL_INSTANT.exec(block.head);
  const range = EVAL_RANGE.exec(block.head);
  const { line } = block;
  if (!instant && !range) {
    throw new ScriptError(
      line,
      "invalid evaluation command. Must be either 'eval[_fail|_warn|_ordered] instant [at <offset:duration>] <query>' or 'eval[_fail|_warn] range from <from> to <to> step <step> <query>'",
    );
  }
  const command: EvalCommand = {
    kind: "eval",
    line,
    query: instant ? instant[3] : range![5],
    isRange: !instant,
    startMs: 0,
    endMs: 0,
    stepMs: 0,
    evalMs: 0,
    ordered: false,
    fail: undefined,
    warn: [],
    info: [],
    anyWarn: false,
    anyInfo: false,
    noWarn: false,
    noInfo: false,
    scalar: undefined,
    string: undefined,
    series: new Map(),
    instantOnly: false,
  };
  if (instant) {
    command.startMs = parseDuration(instant[2] ?? "", line, "timestamp");
    command.endMs = command.startMs;
    command.evalMs = command.startMs;
  } else {
    setRange(command, range![2], range![3], range![4], line);
  }
  const mode = instant ? instant[1] : range![1];
  if (mode === "ordered") command.ordered = true;
  else if (mode === "fail") command.fail = ANY_TEXT;
  else if (mode === "warn") command.anyWarn = true;
  else if (mode === "info") command.anyInfo = true;
  parseExpectations(block, command, mode === "fail");
  return command;
}

function parseExpectations(block: Block, command: EvalCommand, deprecatedFail: boolean): void {
  let hasRangeVector = false;
  let position = 1;
  for (let text = block.take(); text !== undefined; text = block.take()) {
    const line = block.current;
    if (deprecatedFail && text.startsWith("expected_fail_message")) {
      command.fail = exactly(text.slice("expected_fail_message".length).trim());
      return;
    }
    if (deprecatedFail && text.startsWith("expected_fail_regexp")) {
      command.fail = pattern(text.slice("expected_fail_regexp".length).trim(), line);
      return;
    }
    if (text.startsWith("expect range vector")) {
      const match = EXPECT_RANGE_VECTOR.exec(text);
      if (!match) throw new ScriptError(line, `invalid range vector definition "${text}"`);
      hasRangeVector = true;
      setRange(command, match[1], match[2], match[3], line);
      command.evalMs = command.endMs;
      command.instantOnly = true;
      position++;
      continue;
    }
    if (text.startsWith("expect string")) {
      command.string = parseExpectedString(text, line);
      command.instantOnly = true;
      position++;
      continue;
    }
    if (text.split(" ", 1)[0] === "expect") {
      parseExpect(text, command, line);
      continue;
    }
    const number = parseNumber(text);
    if (number !== undefined) {
      command.scalar = {
        omitted: false,
        stale: false,
        value: number,
        histogram: undefined,
        counterResetHintSet: false,
      };
      return;
    }
    const content = text;
    const { labels, values } = atLine(line, () => parseSeriesDescription(content));
    if (values.length > 1 && !command.isRange && !hasRangeVector) {
      throw new ScriptError(
        line,
        "expecting multiple values in instant evaluation not allowed. consider using 'expect range vector' directive to enable a range vector result for an instant query",
      );
    }
    command.series.set(labels.key, { labels, position: position++, values });
  }
}

function parseExpect(text: string, command: EvalCommand, line: number): void {
  const match = EXPECT.exec(text);
  if (!match) {
    throw new ScriptError(line, "invalid expect statement, must match `expect <type> <match_type>: <string>` format");
  }
  const [, kind, matchType, argument] = match;
  let expectation = ANY_TEXT;
  if (matchType === "msg") expectation = exactly(argument.trim());
  else if (matchType === "regex") expectation = pattern(argument.trim(), line);
  switch (kind) {
    case "ordered":
      command.ordered = true;
      break;
    case "fail":
      if (command.fail) throw new ScriptError(line, "invalid expect lines, multiple expect fail lines are not allowed");
      command.fail = expectation;
      break;
    case "warn":
      command.warn.push(expectation);
      break;
    case "info":
      command.info.push(expectation);
      break;
    case "no_warn":
      command.noWarn = true;
      break;
    case "no_info":
      command.noInfo = true;
      break;
  }
  if (command.noInfo && command.info.length > 0) {
    throw new ScriptError(line, "invalid expect lines, info and no_info cannot be used together");
  }
  if (command.noWarn && command.warn.length > 0) {
    throw new ScriptError(line, "invalid expect lines, warn and no_warn cannot be used together");
  }
}

function exactly(text: string): TextExpectation {
  return { matches: (other) => other === text, description: `message "${text}"` };
}

function pattern(text: string, line: number): TextExpectation {
  const regex = atLine(line, () => compileRE2(text));
  return { matches: (other) => regex.matcher(other).find(), description: `pattern "${text}"` };
}

function parseExpectedString(text: string, line: number): string {
  const literal = text.slice("expect string".length).trimStart();
  // The series notation reads the same string literals, as the value of a label.
  if (/^["`]/.test(literal)) {
    try {
      return parseSeriesDescription(`{a=${literal}} _`).labels.get("a");
    } catch {
      // Falls through to the message below.
    }
  }
  throw new ScriptError(line, "expected string literal not valid - check that the string is correctly quoted");
}

function setRange(command: EvalCommand, from: string, to: string, step: string, line: number): void {
  command.startMs = parseDuration(from, line, "start timestamp");
  command.endMs = parseDuration(to, line, "end timestamp");
  if (command.endMs < command.startMs) {
    throw new ScriptError(line, `invalid test definition, end timestamp (${to}) is before start timestamp (${from})`);
  }
  command.stepMs = parseDuration(step, line, "step");
}

const DURATION = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;
const UNITS_MS = [365 * 86_400_000, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1000, 1];

function parseDuration(text: string, line: number, what: string): number {
  if (text === "0") return 0;
  const match = DURATION.exec(text);
  if (!match || text === "") throw new ScriptError(line, `invalid ${what} definition "${text}"`);
  let ms = 0;
  for (let i = 0; i < UNITS_MS.length; i++) ms += Number(match[i + 1] ?? 0) * UNITS_MS[i];
  return ms;
}

/** parseNumber reads a line that is nothing but a number, as Go's ParseInt with base 0 or else ParseFloat does. */
function parseNumber(text: string): number | undefined {
  if (/^[+-]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+)$/.test(text)) {
    const negative = text.startsWith("-");
    const digits = text.replace(/^[+-]/, "").replace(/^0(?=[0-7])/, "0o");
    return negative ? -Number(digits) : Number(digits);
  }
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return Number(text);
  if (/^[+-]?inf(?:inity)?$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return /^nan$/i.test(text) ? NaN : undefined;
}
