// Engine answers PromQL queries. A query is parsed, planned, given a place, the series of all its selectors are
// requested at once, and then it is evaluated in memory.
//
//   parse -> plan -> gate -> select (concurrently) -> evaluate (slices of 12 ms) -> result
import { compareLabels, EMPTY_LABELS, type Labels } from "@belfry/core/model";
import { type Expr, parseExpr, type ParserOptions } from "@belfry/core/promql";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { AppError, bug } from "../../lib/errors.ts";
import type { Queryable } from "../queryable.ts";
import { Evaluator } from "./evaluator.ts";
import { QueryGate } from "./gate.ts";
import { evalMatrix } from "./matrix.ts";
import { dropMetadata } from "./metadata-labels.ts";
import { compile, type CompiledPlan, type Plan, planType } from "./plan.ts";
import { executionError, QueryError, SAME_LABELSET } from "./query-error.ts";
import { abortError, type Features, QueryState, SampleCounter, TimeoutReason } from "./query-state.ts";
import { ABSENT, type Frame, frameOf, HISTOGRAM, type Row } from "./row.ts";
import type {
  EngineOptions,
  MatrixSeries,
  QueryOptions,
  QueryResult,
  QueryStats,
  QueryValue,
  VectorSample,
} from "./types.ts";

/** MAX_POINTS is the number of steps upstream's API allows a range query; the engine itself has no such limit. */
export const MAX_POINTS = 11_000;

const DEFAULT_LOOKBACK_MS = 300_000;

/** EngineLoad is what the engine is busy with. */
export interface EngineLoad {
  running: number;
  queued: number;
  maxConcurrency: number;
}

/** Engine is stateless between queries but for its limits; one serves the whole process. */
export class Engine {
  readonly features: Features;
  readonly parserOptions: ParserOptions;
  private readonly maxSamples: number;
  private readonly timeoutMs: number;
  private readonly lookbackMs: number;
  private readonly maxConcurrency: number;
  private readonly noStepSubqueryIntervalMs: (rangeMs: number) => number;
  private readonly clock: Clock;
  private readonly gate: QueryGate;

  constructor(options: EngineOptions = {}) {
    const features = options.features ?? new Set<string>();
    this.maxSamples = options.maxSamples ?? 50_000_000;
    this.timeoutMs = options.timeoutMs ?? 120_000;
    this.lookbackMs = options.lookbackDeltaMs ?? DEFAULT_LOOKBACK_MS;
    this.maxConcurrency = options.maxConcurrency ?? 20;
    this.noStepSubqueryIntervalMs = options.noStepSubqueryIntervalMs ?? (() => 60_000);
    this.clock = options.clock ?? systemClock;
    this.gate = new QueryGate(this.maxConcurrency, options.maxQueued ?? 1_000);
    this.features = {
      delayedNameRemoval: features.has("promql-delayed-name-removal"),
      typeAndUnitLabels: features.has("type-and-unit-labels"),
      perStepStats: features.has("promql-per-step-stats"),
      useStartTimestamps: features.has("use-start-timestamps"),
    };
    this.parserOptions = {
      experimentalFunctions: features.has("promql-experimental-functions"),
      durationExpressions: features.has("promql-duration-expr"),
      extendedRangeSelectors: features.has("promql-extended-range-selectors"),
      binopFillModifiers: features.has("promql-binop-fill-modifiers"),
    };
  }

  /** load tells how many queries are running and waiting. */
  get load(): EngineLoad {
    return { running: this.gate.running, queued: this.gate.queued, maxConcurrency: this.maxConcurrency };
  }

  /** instant evaluates a query at one time. Throws QueryError, OverloadedError, or what the storage throws. */
  async instant(queryable: Queryable, query: string, timeMs: number, options: QueryOptions = {}): Promise<QueryResult> {
    const expr = this.parse(query);
    return this.execute(queryable, query, expr, { startMs: timeMs, endMs: timeMs, stepMs: 0 }, options);
  }

  /** range evaluates a query at startMs, startMs + stepMs, ... up to endMs. Throws as `instant`. */
  async range(
    queryable: Queryable,
    query: string,
    startMs: number,
    endMs: number,
    stepMs: number,
    options: QueryOptions = {},
  ): Promise<QueryResult> {
    if (!(stepMs > 0)) throw new QueryError("QUERY_PARSE", "query resolution step width must be positive");
    const expr = this.parse(query);
    return this.execute(queryable, query, expr, { startMs, endMs, stepMs }, options);
  }

  private parse(query: string): Expr {
    try {
      return parseExpr(query, this.parserOptions);
    } catch (error) {
      throw new QueryError("QUERY_PARSE", error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  private async execute(
    queryable: Queryable,
    query: string,
    expr: Expr,
    times: { startMs: number; endMs: number; stepMs: number },
    options: QueryOptions,
  ): Promise<QueryResult> {
    const started = performance.now();
    const lookbackMs = positive(options.lookbackDeltaMs) ?? this.lookbackMs;
    const compiled = compile(expr, {
      ...times,
      lookbackMs,
      noStepSubqueryIntervalMs: this.noStepSubqueryIntervalMs,
    });
    const isRange = times.stepMs > 0;
    const type = planType(compiled.plan);
    if (isRange && type !== "vector" && type !== "scalar") {
      const found = type === "matrix" ? "range vector" : "string";
      throw new QueryError(
        "QUERY_PARSE",
        `invalid expression type "${found}" for range query, must be Scalar or instant Vector`,
      );
    }
    const timeoutMs = Math.min(this.timeoutMs, positive(options.timeoutMs) ?? Infinity);
    const deadline = new Deadline(this.clock, timeoutMs, options.signal);
    const stats = emptyStats();
    try {
      const queueStarted = performance.now();
      const leave = await this.gate.enter(deadline.signal);
      stats.timings.execQueueTime = seconds(queueStarted);
      try {
        const frame: Frame = isRange
          ? frameOf(times.startMs, times.endMs, times.stepMs)
          : { startMs: times.startMs, stepMs: 1, steps: 1, isInstant: true };
        const state = new QueryState({
          features: this.features,
          lookbackMs,
          noStepSubqueryIntervalMs: this.noStepSubqueryIntervalMs,
          signal: deadline.signal,
          maxSamples: this.maxSamples,
          queryable,
        });
        const perStep = this.features.perStepStats && options.stats === "all";
        const samples = new SampleCounter(perStep ? frame.steps : 0);
        const run = new Run(state, frame, samples, compiled, stats);
        const value = await run.value(type, isRange);
        fillSampleStats(stats, samples, state, frame);
        const { warnings, infos } = state.annotations.render(query);
        return { value, warnings, infos, stats };
      } finally {
        leave();
        stats.timings.execTotalTime = seconds(started);
      }
    } catch (error) {
      const aborted = deadline.signal.aborted;
      // Nothing that was asked of the storage for this query is wanted any more.
      deadline.abandon();
      // Whatever broke because of the abort, the reason is the abort.
      if (aborted && !(error instanceof QueryError)) {
        throw abortError(deadline.signal, "expression evaluation");
      }
      throw error;
    } finally {
      deadline.clear();
    }
  }
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000;
}

function emptyStats(): QueryStats {
  return {
    timings: {
      evalTotalTime: 0,
      resultSortTime: 0,
      queryPreparationTime: 0,
      innerEvalTime: 0,
      execQueueTime: 0,
      execTotalTime: 0,
    },
    samples: { totalQueryableSamples: 0, peakSamples: 0 },
  };
}

function fillSampleStats(stats: QueryStats, samples: SampleCounter, state: QueryState, frame: Frame): void {
  if (samples.perStep) {
    stats.samples.totalQueryableSamplesPerStep = Array.from(samples.perStep, (count, s) => [
      (frame.startMs + s * frame.stepMs) / 1000,
      count,
    ]);
  }
  stats.samples.totalQueryableSamples = samples.total;
  stats.samples.peakSamples = state.budget.peak;
}

/** Deadline joins the caller's signal and the timeout. */
class Deadline {
  readonly signal: AbortSignal;
  private readonly controller = new AbortController();
  private readonly timer;
  private readonly outer: AbortSignal | undefined;
  private readonly onAbort = (): void => this.controller.abort(this.outer!.reason);

  constructor(clock: Clock, timeoutMs: number, outer: AbortSignal | undefined) {
    this.signal = this.controller.signal;
    this.outer = outer;
    this.timer = Number.isFinite(timeoutMs)
      ? clock.setTimeout(() => this.controller.abort(new TimeoutReason()), timeoutMs)
      : undefined;
    if (outer?.aborted) this.onAbort();
    else outer?.addEventListener("abort", this.onAbort, { once: true });
  }

  abandon(): void {
    this.controller.abort();
  }

  clear(): void {
    this.timer?.cancel();
    this.outer?.removeEventListener("abort", this.onAbort);
  }
}

/** Run is the evaluation of one planned query. */
class Run {
  private readonly state: QueryState;
  private readonly frame: Frame;
  private readonly ev: Evaluator;
  private readonly compiled: CompiledPlan;
  private readonly stats: QueryStats;

  constructor(state: QueryState, frame: Frame, samples: SampleCounter, compiled: CompiledPlan, stats: QueryStats) {
    this.state = state;
    this.frame = frame;
    this.compiled = compiled;
    this.stats = stats;
    this.ev = new Evaluator(state, frame, samples);
  }

  async value(type: ReturnType<typeof planType>, isRange: boolean): Promise<QueryValue> {
    const { timings } = this.stats;
    this.state.throwIfAborted("query execution");
    const started = performance.now();
    await this.select();
    timings.queryPreparationTime = seconds(started);
    const innerStarted = performance.now();
    const value = await this.evaluate(this.compiled.plan, type, isRange);
    timings.innerEvalTime = seconds(innerStarted) - timings.resultSortTime;
    timings.evalTotalTime = seconds(started);
    return value;
  }

  private async select(): Promise<void> {
    const context = { signal: this.state.signal, budget: this.state.budget };
    await Promise.all(
      this.compiled.selectors.map(async (selector) => {
        let set;
        try {
          set = await this.state.queryable.select(selector.matchers, selector.hints, context);
        } catch (error) {
          if (error instanceof AppError || this.state.signal.aborted) throw error;
          throw new QueryError(
            "QUERY_EXECUTION",
            `expanding series: ${error instanceof Error ? error.message : String(error)}`,
            { cause: error },
          );
        }
        for (const warning of set.warnings) this.state.annotations.storageWarning(warning);
        selector.series = set.series;
      }),
    );
    this.state.resumeSlice();
  }

  private async evaluate(plan: Plan, type: ReturnType<typeof planType>, isRange: boolean): Promise<QueryValue> {
    const { ev, frame } = this;
    switch (type) {
      case "string": {
        const inner = plan.kind === "once" ? plan.inner : plan;
        if (inner.kind !== "string") throw bug("a string that is not a literal");
        return { type: "string", timeMs: frame.startMs, value: inner.value };
      }
      case "scalar": {
        const values = await ev.scalar(plan);
        if (!isRange) return { type: "scalar", timeMs: frame.startMs, value: values[0]! };
        if (frame.steps === 0) return { type: "matrix", series: [] };
        return { type: "matrix", series: [{ labels: EMPTY_LABELS, times: timesOf(frame), values, histograms: null }] };
      }
      case "matrix":
        return { type: "matrix", series: await evalMatrix(ev, plan) };
      case "vector":
        return isRange ? this.matrix(plan) : this.vector(plan);
    }
  }

  private async vector(plan: Plan): Promise<QueryValue> {
    const samples: VectorSample[] = [];
    const unique = this.duplicatesPossible() ? new Set<string>() : undefined;
    await this.ev.stream(plan, (row) => {
      const i = row.base + row.from;
      const kind = row.present[i]!;
      if (kind === ABSENT) return;
      const labels = row.drop ? dropMetadata(row.labels) : row.labels;
      if (unique) {
        if (unique.has(labels.key)) throw executionError(SAME_LABELSET);
        unique.add(labels.key);
      }
      this.state.budget.charge(1);
      const sample: VectorSample = { labels, timeMs: this.frame.startMs, value: row.values[i]! };
      if (kind === HISTOGRAM) sample.histogram = row.histograms![row.from];
      samples.push(sample);
    });
    return { type: "vector", samples };
  }

  // Without delayed removal every node that drops names has looked for duplicates itself.
  private duplicatesPossible(): boolean {
    return this.state.features.delayedNameRemoval;
  }

  private async matrix(plan: Plan): Promise<QueryValue> {
    const series: MatrixSeries[] = [];
    const byKey = new Map<string, number>();
    const { rows } = await this.ev.collect(plan);
    const times = timesOf(this.frame);
    for (const row of rows) {
      const labels = row.drop ? dropMetadata(row.labels) : row.labels;
      const made = toSeries(row, labels, times);
      const known = byKey.get(labels.key);
      if (known === undefined) {
        byKey.set(labels.key, series.length);
        series.push(made);
      } else series[known] = mergeSeries(series[known]!, made);
      if (this.state.due(row.count)) await this.state.breathe();
    }
    const sortStarted = performance.now();
    series.sort((a, b) => compareLabels(a.labels, b.labels));
    this.stats.timings.resultSortTime = seconds(sortStarted);
    return { type: "matrix", series };
  }
}

function timesOf(frame: Frame): Float64Array {
  const times = new Float64Array(frame.steps);
  for (let s = 0; s < frame.steps; s++) times[s] = frame.startMs + s * frame.stepMs;
  return times;
}

function toSeries(row: Row, labels: Labels, allTimes: Float64Array): MatrixSeries {
  if (row.count === row.to - row.from && row.histograms === null) {
    // Fast path: no gaps; the cells can be shared with the row, which nobody else has.
    return {
      labels,
      times: allTimes.subarray(row.from, row.to),
      values: row.values.subarray(row.base + row.from, row.base + row.to),
      histograms: null,
    };
  }
  const times = new Float64Array(row.count);
  const values = new Float64Array(row.count);
  const histograms: MatrixSeries["histograms"] = row.histograms === null ? null : [];
  let n = 0;
  for (let s = row.from; s < row.to; s++) {
    const kind = row.present[row.base + s]!;
    if (kind === ABSENT) continue;
    times[n] = allTimes[s]!;
    values[n] = row.values[row.base + s]!;
    if (histograms) histograms[n] = kind === HISTOGRAM ? row.histograms![s] : undefined;
    n++;
  }
  return { labels, times, values, histograms };
}

// mergeSeries joins two rows that became the same series; at no step may both have a sample.
function mergeSeries(a: MatrixSeries, b: MatrixSeries): MatrixSeries {
  const length = a.times.length + b.times.length;
  const times = new Float64Array(length);
  const values = new Float64Array(length);
  const histograms: MatrixSeries["histograms"] = a.histograms || b.histograms ? [] : null;
  let i = 0;
  let j = 0;
  for (let n = 0; n < length; n++) {
    if (i < a.times.length && j < b.times.length && a.times[i] === b.times[j]) throw executionError(SAME_LABELSET);
    const fromA = j >= b.times.length || (i < a.times.length && a.times[i]! < b.times[j]!);
    const source = fromA ? a : b;
    const at = fromA ? i++ : j++;
    times[n] = source.times[at]!;
    values[n] = source.values[at]!;
    if (histograms) histograms[n] = source.histograms?.[at];
  }
  return { labels: a.labels, times, values, histograms };
}
