// The reader and the harness, against an engine that answers what the test says.
import { EMPTY_LABELS, Labels, newHistogram, SampleBuffer } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import type { QueryValue } from "../../../packages/server/src/metrics/engine/types.ts";
import { type Expressions, pinnedQueries } from "./at-modifier.ts";
import { type Answer, runScript, type ScriptEngine } from "./harness.ts";
import { load } from "./load.ts";
import { MemoryStorage } from "./memory-storage.ts";
import { type EvalCommand, type LoadCommand, parseScript, ScriptError } from "./script.ts";

/** A parser that knows only literals, so that queries are never pinned. */
const noExpressions: Expressions = {
  parse: (query) => ({ kind: "Call", func: "time", args: [], pos: { start: 0, end: query.length } }),
  print: () => "",
};

function engineAnswering(answer: Partial<Answer> | Error): ScriptEngine {
  const reply = (): Promise<Answer> =>
    answer instanceof Error
      ? Promise.reject(answer)
      : Promise.resolve({ value: { type: "vector", samples: [] }, warnings: [], infos: [], ...answer });
  return { instant: reply, range: reply };
}

async function outcomeOf(script: string, answer: Partial<Answer> | Error): Promise<string | undefined> {
  const outcomes = await runScript(parseScript(script), engineAnswering(answer), noExpressions);
  expect(outcomes).toHaveLength(1);
  return outcomes[0].failure;
}

function matrix(...series: [Record<string, string>, number[], number[]][]): QueryValue {
  return {
    type: "matrix",
    series: series.map(([labels, times, values]) => ({
      labels: Labels.fromRecord(labels),
      times: Float64Array.from(times),
      values: Float64Array.from(values),
      histograms: null,
    })),
  };
}

describe("parseScript", () => {
  test("commands end at empty lines and comments", () => {
    const commands = parseScript(`
      load 1m
        a 1 2
        b{x="y"} 3

      # a comment
      clear
      eval instant at 1m a
        expect no_warn
        a 2
      # ends the block
      eval range from 0 to 2m step 30s a
        a 1 1 2 2
    `);
    expect(commands.map((c) => [c.kind, c.line])).toEqual([
      ["load", 2],
      ["clear", 7],
      ["eval", 8],
      ["eval", 12],
    ]);
    const range = commands[3] as EvalCommand;
    expect([range.startMs, range.endMs, range.stepMs, range.query]).toEqual([0, 120_000, 30_000, "a"]);
    const instant = commands[2] as EvalCommand;
    expect([instant.evalMs, instant.noWarn, [...instant.series.values()][0].position]).toEqual([60_000, true, 1]);
  });

  test("the forms of expect", () => {
    const [command] = parseScript(`eval instant at 0 "x"
      expect warn msg: PromQL warning: exactly (1:1)
      expect warn regex: (one|two)$
      expect info
      expect ordered
      expect string "a \\"b\\""
      {a="b"} 1`) as EvalCommand[];
    expect(command.warn[0].matches("PromQL warning: exactly (1:1)")).toBe(true);
    expect(command.warn[0].matches("PromQL warning: exactly")).toBe(false);
    expect(command.warn[1].matches("number two")).toBe(true);
    expect(command.warn[1].matches("two numbers")).toBe(false);
    expect(command.info[0].matches("whatever")).toBe(true);
    expect(command).toMatchObject({ ordered: true, string: 'a "b"', instantOnly: true });
  });

  test("an expected range vector sets where its points lie", () => {
    const [command] = parseScript(`eval instant at 9m a[2m]
      expect range vector from 10s to 1m step 10s
      a 1 2 3 4 5 6`) as EvalCommand[];
    expect(command).toMatchObject({
      startMs: 10_000,
      endMs: 60_000,
      stepMs: 10_000,
      evalMs: 60_000,
      instantOnly: true,
    });
  });

  test("the deprecated forms", () => {
    const fail = parseScript("eval_fail instant at 0 x\n  expected_fail_message went wrong") as EvalCommand[];
    expect(fail[0].fail!.matches("went wrong")).toBe(true);
    expect(fail[0].fail!.matches("went wrong again")).toBe(false);
    const regexp = parseScript("eval_fail range from 0 to 1m step 1s x\n  expected_fail_regexp ^went") as EvalCommand[];
    expect(regexp[0].fail!.matches("went wrong")).toBe(true);
    expect(parseScript("eval_warn instant at 0 x")[0]).toMatchObject({ anyWarn: true });
    expect(parseScript("eval_info instant at 0 x")[0]).toMatchObject({ anyInfo: true });
    expect(parseScript("eval_ordered instant at 0 x")[0]).toMatchObject({ ordered: true });
  });

  test.each([
    ["1", 1],
    ["-0x10", -16],
    ["010", 8],
    ["1e3", 1000],
    ["+Inf", Infinity],
    ["NaN", NaN],
  ])("the scalar %s", (text, value) => {
    const [command] = parseScript(`eval instant at 0 x\n  ${text}`) as EvalCommand[];
    expect(command.scalar!.value).toBe(value);
  });

  test("start timestamps belong to the series that follows, a default to all without", () => {
    const [command] = parseScript(`load 1m
      @st -1s _
      a@st _ -1m 0s
      a 1 2 3
      b 1 2 3`) as LoadCommand[];
    expect(command.series.map((s) => s.startOffsetsMs)).toEqual([
      [undefined, -60_000, 0],
      [-1000, undefined, -1000],
    ]);
  });

  test.each([
    ["lod 1m", 'line 1: invalid command "lod 1m"'],
    ["load", "line 1: invalid load command"],
    ["load fast\n  a 1", 'line 1: invalid step definition "fast"'],
    ["load 1m\n  a 1+1", "line 2: 1:4: parse error: unexpected"],
    ["load 1m\n  a@st _\n", "line 2: @st line has no following sample line"],
    ["load 1m\n  a@st _\n  b 1", "line 2: @st metric does not match"],
    ["load 1m\n  a@st _\n  a 1 2", "line 2: @st line has 1 values but sample line has 2"],
    ["eval x", "line 1: invalid evaluation command"],
    ["eval instant at soon x", 'line 1: invalid timestamp definition "soon"'],
    ["eval range from 2m to 1m step 1m x", "end timestamp (1m) is before start timestamp (2m)"],
    ["eval instant at 0 x\n  expect warm", "line 2: invalid expect statement"],
    ["eval instant at 0 x\n  expect info\n  expect no_info", "line 3: invalid expect lines, info and no_info"],
    ["eval instant at 0 x\n  expect fail\n  expect fail", "multiple expect fail lines"],
    ["eval instant at 0 x\n  expect warn regex: (", "line 2:"],
    ["eval instant at 0 x\n  expect string x", "line 2: expected string literal not valid"],
    ["eval instant at 0 x\n  {} 1 2", "line 2: expecting multiple values in instant evaluation not allowed"],
  ])("%j is refused", (script, message) => {
    expect(() => parseScript(script)).toThrow(ScriptError);
    expect(() => parseScript(script)).toThrow(message);
  });
});

describe("load", () => {
  function samples(storage: MemoryStorage): string[] {
    return [...storage.all()].map((series) => {
      const buffer = new SampleBuffer();
      series.read(-Infinity, Infinity, buffer);
      const points = Array.from({ length: buffer.length }, (_, i) => {
        if (buffer.isStale(i)) return `stale@${buffer.times[i]}`;
        const h = buffer.histograms?.[i];
        return `${h ? `h${h.count}[${h.customValues?.join(" ")}]` : buffer.values[i]}@${buffer.times[i]}`;
      });
      return `${series.labels.toString()} ${points.join(" ")}`;
    });
  }

  test("adds up, with staleness markers, gaps and start timestamps", () => {
    const storage = new MemoryStorage();
    const commands = parseScript(`load 1m
      a@st _ _ -1m
      a 1 stale 3

      load 30s
      a _ 2 5`) as LoadCommand[];
    for (const command of commands) load(command, storage);
    expect(samples(storage)).toEqual(['{__name__="a"} 1@0 2@30000 5@60000 3@120000']);
    const buffer = new SampleBuffer();
    [...storage.all()][0].read(60_000, 120_000, buffer);
    expect(Array.from(buffer.starts!.subarray(0, buffer.length))).toEqual([0, 60_000]);
  });

  test("a staleness marker survives", () => {
    const storage = new MemoryStorage();
    for (const command of parseScript("load 1m\n  a 1 stale") as LoadCommand[]) load(command, storage);
    expect(samples(storage)).toEqual(['{__name__="a"} 1@0 stale@60000']);
  });

  test("classic histograms are added as native ones", () => {
    const storage = new MemoryStorage();
    const commands = parseScript(`load_with_nhcb 1m
      h_bucket{le="1"} 1 2
      h_bucket{le="+Inf"} 3 4
      h_bucket{le="bad"} 9
      h_count 3 4
      h_sum 5 6`) as LoadCommand[];
    for (const command of commands) load(command, storage);
    expect(samples(storage).at(-1)).toBe('{__name__="h"} h3[1]@0 h4[1]@60000');
  });
});

describe("runScript", () => {
  const a = Labels.fromRecord({ __name__: "a" });
  const vector = (value: number): QueryValue => ({ type: "vector", samples: [{ labels: a, timeMs: 0, value }] });

  test.each<[string, string, Partial<Answer> | Error, string | undefined]>([
    ["a vector", "{} 1\n", { value: vector(1) }, "unexpected metric in result: a{} 1"],
    ["within the tolerance", "a 1", { value: vector(1.0000001) }, undefined],
    ["outside the tolerance", "a 1", { value: vector(1.00001) }, "expected a{} 1\ngot      a{} 1.00001"],
    ["a missing metric", "a 1\nb 2", { value: vector(1) }, "expected metric b{} 2 not found"],
    ["NaN", "a NaN", { value: vector(NaN) }, undefined],
    ["a histogram instead", "a {{}}", { value: vector(1) }, "expected a{} {{}}\ngot      a{} 1"],
    ["a scalar", "3", { value: { type: "scalar", timeMs: 0, value: 3 } }, undefined],
    ["another scalar", "3", { value: { type: "scalar", timeMs: 0, value: 4 } }, "expected scalar 3, got 4"],
    ["a string", 'expect string "x"', { value: { type: "string", timeMs: 0, value: "x" } }, undefined],
    [
      "another string",
      'expect string "x"',
      { value: { type: "string", timeMs: 0, value: "y" } },
      'expected string "x", got "y"',
    ],
    ["an error", "", new Error("broken"), "Error: broken"],
    ["an expected error", "expect fail", new Error("broken"), undefined],
    ["an expected text", "expect fail msg: broken", new Error("broken"), undefined],
    ["another text", "expect fail regex: ^x", new Error("broken"), 'expected error with pattern "^x", got: broken'],
    ["no error", "expect fail", {}, "expected error with anything, but the query succeeded"],
    ["our own fault", "expect fail", new Error("BUG: oops"), "Error: BUG: oops"],
    ["a warning", "expect no_info", { warnings: ["w"] }, undefined],
    ["an unwanted warning", "expect no_warn", { warnings: ["w"] }, 'unexpected warn annotations: "w"'],
    ["an unwanted info", "expect no_info", { infos: ["i"] }, 'unexpected info annotations: "i"'],
    ["a missing warning", "expect warn", {}, "expected warn annotation with anything, got: none"],
    ["an extra warning", "expect warn msg: w", { warnings: ["w", "v"] }, "unexpected warn annotation: v"],
  ])("%s", async (_, expectation, answer, failure) => {
    // prettier-ignore
    // In range mode the answer is not a matrix, so only the first question is looked at.
    const outcome = await outcomeOf(`eval instant at 0 range()\n${expectation}`, answer);
    if (failure?.startsWith("Error: ")) expect(outcome).toContain(failure);
    else expect(outcome).toBe(failure);
  });

  test("order", async () => {
    const b = Labels.fromRecord({ __name__: "b" });
    const value: QueryValue = {
      type: "vector",
      samples: [
        { labels: b, timeMs: 0, value: 2 },
        { labels: a, timeMs: 0, value: 1 },
      ],
    };
    expect(await outcomeOf("eval_ordered instant at 0 range()\nb 2\na 1", { value })).toBeUndefined();
    expect(await outcomeOf("eval instant at 0 range()\nexpect ordered\na 1\nb 2", { value })).toBe(
      "expected metric b{} at position 2 but was at 1",
    );
  });

  test("histograms are compared compacted, hints only where written", async () => {
    const histogram = newHistogram({
      count: 2,
      positiveSpans: [{ offset: 0, length: 3 }],
      positiveBuckets: Float64Array.of(0, 1, 1),
      counterResetHint: 1,
    });
    const value: QueryValue = { type: "vector", samples: [{ labels: a, timeMs: 0, value: 0, histogram }] };
    const evaluate = (expected: string): Promise<string | undefined> =>
      outcomeOf(`eval instant at 0 range()\na ${expected}`, { value });
    expect(await evaluate("{{count:2 offset:1 buckets:[1 1]}}")).toBeUndefined();
    expect(await evaluate("{{count:2 offset:1 buckets:[1 1] counter_reset_hint:reset}}")).toBeUndefined();
    expect(await evaluate("{{count:2 offset:1 buckets:[1 1] counter_reset_hint:gauge}}")).toContain("expected a{}");
    expect(await evaluate("{{count:2 buckets:[1 1]}}")).toContain("expected a{}");
  });

  test("range results, point by point", async () => {
    const script = "eval range from 0 to 2m step 1m a\na 1 _ 3";
    expect(await outcomeOf(script, { value: matrix([{ __name__: "a" }, [0, 120_000], [1, 3]]) })).toBeUndefined();
    expect(await outcomeOf(script, { value: matrix([{ __name__: "a" }, [0, 60_000], [1, 3]]) })).toContain(
      "point 1 is at 60000, not at 120000",
    );
    expect(await outcomeOf(script, { value: matrix([{ __name__: "a" }, [0], [1]]) })).toContain(
      "expected 2 points, got 1",
    );
    expect(
      await outcomeOf(script, {
        value: matrix([{ __name__: "b" }, [0], [1]], [{ __name__: "a" }, [0, 120_000], [1, 3]]),
      }),
    ).toContain("matrix is not sorted");
  });

  test("an instant query is asked as the middle of a range query, too", async () => {
    const engine: ScriptEngine = {
      instant: () => Promise.resolve({ value: vector(1), warnings: [], infos: [] }),
      range: (_, _query, startMs, endMs, stepMs) => {
        expect([startMs, endMs, stepMs]).toEqual([0, 120_000, 60_000]);
        return Promise.resolve({
          value: matrix([{ __name__: "a" }, [0, 60_000, 120_000], [5, 2, 5]]),
          warnings: [],
          infos: [],
        });
      },
    };
    const [outcome] = await runScript(parseScript("eval instant at 1m a\na 1"), engine, noExpressions);
    expect(outcome.failure).toBe("in range mode: expected a{} 1\ngot      a{} 2");
  });
});

describe("pinnedQueries", () => {
  const pos = { start: 0, end: 0 };
  const selector = (timestampMs?: number) => ({
    kind: "VectorSelector" as const,
    name: "a",
    matchers: [],
    anchored: false,
    smoothed: false,
    originalOffsetMs: 0,
    offsetExpr: undefined,
    timestampMs,
    startOrEnd: undefined,
    pos,
  });
  const printed = (expr: ReturnType<Expressions["parse"]>, timeMs = 10_000): string[] =>
    pinnedQueries("", timeMs, { parse: () => expr, print: (e) => JSON.stringify(e) }).map(
      (p) => `${p.timeMs} ${p.query}`,
    );

  test("selectors without @ are pinned, and the query is asked at other times", () => {
    expect(printed(selector())).toEqual(
      [-100_000, 0, 2000, 10_000, 100_000].map((t) => `${t} ${JSON.stringify(selector(10_000))}`),
    );
    expect(printed(selector(5), 0)).toEqual([-1000, 0, 1000].map((t) => `${t} ${JSON.stringify(selector(5))}`));
  });

  test("what is inside a subquery follows its time", () => {
    const subquery = (timestampMs?: number) => ({
      kind: "SubqueryExpr" as const,
      expr: selector(),
      rangeMs: 1,
      rangeExpr: undefined,
      stepMs: 0,
      stepExpr: undefined,
      originalOffsetMs: 0,
      offsetExpr: undefined,
      timestampMs,
      startOrEnd: undefined,
      pos,
    });
    const call = (arg: ReturnType<typeof subquery>) => ({ kind: "Call" as const, func: "rate", args: [arg], pos });
    expect(printed(call(subquery()))[0]).toBe(`-100000 ${JSON.stringify(call(subquery(10_000)))}`);
  });

  test("functions of the evaluation time cannot be pinned", () => {
    const time = { kind: "Call" as const, func: "time", args: [], pos };
    expect(printed(time)).toEqual([]);
    expect(
      printed({ kind: "BinaryExpr", op: "+", lhs: selector(), rhs: time, matching: undefined, returnBool: false, pos }),
    ).toEqual([]);
  });
});

test("an empty label set is found by an empty description", async () => {
  const value: QueryValue = { type: "vector", samples: [{ labels: EMPTY_LABELS, timeMs: 0, value: 1 }] };
  expect(await outcomeOf("eval instant at 0 range()\n{} 1", { value })).toBeUndefined();
});
