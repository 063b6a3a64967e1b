// Functions over ranges. The series of a selector (or the rows of a subquery) pass one by one through the same
// windows and the same scratch row.
import { EMPTY_LABELS, type Labels } from "@belfry/core/model";
import { bug } from "../../lib/errors.ts";
import { absentLabels } from "./absent.ts";
import type { Evaluator } from "./evaluator.ts";
import { extendedRate } from "./extended-rate.ts";
import { histogramSamples } from "./histogram-cells.ts";
import { dropMetadata, TYPE_LABEL, uniformMetadata, UniqueLabels } from "./metadata-labels.ts";
import {
  avgOverTime,
  type FloatKernel,
  madOverTime,
  maxOverTime,
  minOverTime,
  quantileOverTime,
  stddevOverTime,
  stdvarOverTime,
  sumOverTime,
  tsOfMaxOverTime,
  tsOfMinOverTime,
} from "./over-time.ts";
import type { CallPlan, RangePlan, SubqueryPlan } from "./plan.ts";
import { executionError } from "./query-error.ts";
import { extrapolatedRate, RateGeometry } from "./rate.ts";
import { rateByStep } from "./rate-histograms.ts";
import {
  changes,
  countOverTime,
  firstOverTime,
  histogramAverage,
  histogramSum,
  instantDelta,
  lastOverTime,
  presentOverTime,
  resets,
  tsOfFirstOverTime,
  tsOfLastOverTime,
} from "./range-mixed.ts";
import { derivative, doubleExponentialSmoothing, predictLinear } from "./regression.ts";
import { ABSENT, FLOAT, type Row, type RowSink, scratchRow } from "./row.ts";
import { RangeWindows, type WindowShape } from "./windows.ts";

/** RangeCall is what a function over ranges may need beside the windows. */
export interface RangeCall {
  ev: Evaluator;
  plan: CallPlan;
  windows: RangeWindows;
  row: Row;
  /** params are the scalar arguments in order, one number per step. */
  params: readonly Float64Array[];
  /** labels of the series, as selected. */
  labels: Labels;
  /** firstEndMs, stepMs and rangeMs place the windows as written; stepMs is 0 for a fixed one. */
  firstEndMs: number;
  stepMs: number;
  rangeMs: number;
  /** geometry is kept for rate() between series with the same times. */
  geometry: RateGeometry;
  /** extended is set for anchored and smoothed selectors. */
  extended: "anchored" | "smoothed" | undefined;
}

type RangeFunction = (call: RangeCall) => number;

const RATES: Readonly<Record<string, { isCounter: boolean; isRate: boolean }>> = {
  rate: { isCounter: true, isRate: true },
  increase: { isCounter: true, isRate: false },
  delta: { isCounter: false, isRate: false },
};

function rate(call: RangeCall): number {
  const { windows, row } = call;
  const kind = RATES[call.plan.func]!;
  if (call.extended !== undefined) return extendedRate(call, kind);
  if (windows.hn > 0 || windows.starts !== null) return rateByStep(call, kind);
  return extrapolatedRate(windows, row, call, kind, call.geometry);
}

// For functions of floats histograms in the window are ignored, with a remark where there were floats too.
function floatsOnly(kernel: FloatKernel, minimum: number): RangeFunction {
  return (call) => {
    const { windows } = call;
    if (windows.hn > 0) {
      for (let s = call.row.from; s < call.row.to; s++) {
        const floats = windows.hi[s]! - windows.lo[s]!;
        // One float is enough to call it a mix, also where two are needed for a result.
        if (floats > 0 && windows.hhi[s]! > windows.hlo[s]!) {
          call.ev.state.annotations.histogramIgnoredInMixedRange(call.labels.metricName, rangePos(call));
          break;
        }
      }
    }
    if (windows.n < minimum) return 0;
    return kernel(windows, call.row, call.params);
  };
}

// Sums and averages take either floats or histograms, but not both at once.
function eitherKind(floats: FloatKernel, histograms: (call: RangeCall, step: number) => void): RangeFunction {
  return (call) => {
    const { windows, row } = call;
    let count = windows.n > 0 ? floats(windows, row, call.params) : 0;
    if (windows.hn === 0) return count;
    if (windows.n === 0) row.present.fill(ABSENT, row.from, row.to);
    for (let s = row.from; s < row.to; s++) {
      if (windows.hlo[s] === windows.hhi[s]) continue;
      if (row.present[s] !== ABSENT) {
        call.ev.state.annotations.mixedFloatsHistograms(call.labels.metricName, rangePos(call));
        row.present[s] = ABSENT;
        count--;
      } else {
        histograms(call, s);
        if (row.present[s] !== ABSENT) count++;
      }
    }
    return count;
  };
}

/** rangePos is the position of the range argument. */
export function rangePos(call: RangeCall): RangePlan["expr"]["pos"] {
  return call.plan.args[rangeArgument(call.plan)]!.expr.pos;
}

const FUNCTIONS: Readonly<Record<string, RangeFunction>> = {
  rate,
  increase: rate,
  delta: rate,
  irate: (call) => instantDelta(call, true),
  idelta: (call) => instantDelta(call, false),
  sum_over_time: eitherKind(sumOverTime, histogramSum),
  avg_over_time: eitherKind(avgOverTime, histogramAverage),
  min_over_time: floatsOnly(minOverTime, 1),
  max_over_time: floatsOnly(maxOverTime, 1),
  ts_of_min_over_time: floatsOnly(tsOfMinOverTime, 1),
  ts_of_max_over_time: floatsOnly(tsOfMaxOverTime, 1),
  stddev_over_time: floatsOnly(stddevOverTime, 1),
  stdvar_over_time: floatsOnly(stdvarOverTime, 1),
  mad_over_time: floatsOnly(madOverTime, 1),
  quantile_over_time: (call) => {
    const remarks = call.params[0]!;
    const { windows } = call;
    for (let s = call.row.from; s < call.row.to; s++) {
      const q = remarks[s]!;
      if (!(q >= 0 && q <= 1) && windows.hi[s]! > windows.lo[s]!) {
        call.ev.state.annotations.invalidQuantile(q, call.plan.args[0]!.expr.pos);
      }
    }
    return floatsOnly(quantileOverTime, 1)(call);
  },
  deriv: floatsOnly(derivative, 2),
  predict_linear: (call) =>
    floatsOnly((windows, row, params) => predictLinear(windows, row, params, call.ev.frame), 2)(call),
  double_exponential_smoothing: floatsOnly(doubleExponentialSmoothing, 0),
  count_over_time: countOverTime,
  present_over_time: presentOverTime,
  absent_over_time: presentOverTime,
  first_over_time: firstOverTime,
  last_over_time: lastOverTime,
  ts_of_first_over_time: tsOfFirstOverTime,
  ts_of_last_over_time: tsOfLastOverTime,
  changes,
  resets,
};

// These return a sample as it was, so the series is still the same.
const KEEPS_NAME: ReadonlySet<string> = new Set(["last_over_time", "first_over_time"]);
const ANCHORED_SAFE = ["changes", "delta", "increase", "rate", "resets"];
const SMOOTHED_SAFE = ["delta", "increase", "rate"];

// About 5 ms of the slower kernels; a series with more is evaluated in slices so that a cancelled query ends soon.
const CELLS_PER_SLICE = 1_000_000;

/** rangeArgument is the index of the range among the arguments, or -1. */
export function rangeArgument(plan: CallPlan): number {
  return plan.args.findIndex((arg) => arg.kind === "range" || arg.kind === "subquery");
}

/** evalRangeCall evaluates a function with a range argument. */
export async function evalRangeCall(ev: Evaluator, plan: CallPlan, at: number, sink: RowSink): Promise<void> {
  const run = FUNCTIONS[plan.func];
  if (run === undefined) throw bug(`function ${plan.func} over a range is not known`);
  const arg = plan.args[at] as RangePlan | SubqueryPlan;
  const params: Float64Array[] = [];
  for (let i = 0; i < plan.args.length; i++) if (i !== at) params.push(await ev.scalar(plan.args[i]!));
  const extended = arg.kind === "range" ? extension(arg, plan.func) : undefined;
  const shape: WindowShape = {
    rangeMs: arg.rangeMs,
    offsetMs: arg.kind === "range" ? arg.selector.offsetMs : arg.offsetMs,
    atMs: arg.kind === "range" ? arg.selector.atMs : arg.atMs,
    beforeMs: extended === undefined ? 0 : ev.state.lookbackMs,
    afterMs: extended === "smoothed" ? ev.state.lookbackMs : 0,
  };
  const { frame } = ev;
  const call: RangeCall = {
    ev,
    plan,
    windows: new RangeWindows(frame, shape, {
      useStarts: ev.state.features.useStartTimestamps && arg.kind === "range",
      detectResets: arg.kind === "range" && arg.selector.statsOnly,
    }),
    row: scratchRow(EMPTY_LABELS, frame.steps),
    params,
    labels: EMPTY_LABELS,
    firstEndMs: (shape.atMs ?? frame.startMs) - shape.offsetMs,
    stepMs: shape.atMs === undefined ? frame.stepMs : 0,
    rangeMs: arg.rangeMs,
    geometry: new RateGeometry(),
    extended,
  };
  const output = plan.func === "absent_over_time" ? new AbsentOverTime(ev, arg) : new RangeOutput(ev, plan, arg, sink);
  const { budget } = ev.state;
  let charged = 0;
  // open places the windows of the series just loaded and returns how many samples they hold all together.
  const open = (): number => {
    const { windows, row } = call;
    if (windows.size === 0) return 0;
    windows.place();
    const held = countWindows(ev, windows);
    budget.charge(held - charged);
    charged = held;
    row.histograms = null;
    row.drop = false;
    row.labels = call.labels;
    row.count = 0;
    row.from = 0;
    row.to = frame.steps;
    return windows.total + windows.hn * frame.steps;
  };
  const evaluate = (): number => {
    const work = open();
    if (work === 0) return 0;
    call.row.count = run(call);
    output.take(call);
    return work;
  };
  // Slow path: so much work in one series that it is done a few steps at a time.
  const evaluateInSlices = async (): Promise<void> => {
    const slices = Math.ceil(open() / CELLS_PER_SLICE);
    const { row } = call;
    const steps = Math.max(1, Math.ceil(frame.steps / slices));
    let count = 0;
    for (row.from = 0; row.from < frame.steps; row.from = row.to) {
      row.to = Math.min(frame.steps, row.from + steps);
      count += run(call);
      if (ev.state.due(CELLS_PER_SLICE)) await ev.state.breathe();
    }
    row.from = 0;
    row.count = count;
    output.take(call);
  };
  if (arg.kind === "range") {
    const { startMs, endMs } = arg.selector.hints;
    for (const series of arg.selector.series) {
      call.windows.load(series, startMs, endMs);
      call.labels = series.labels;
      const { size } = call.windows;
      if (size * frame.steps > CELLS_PER_SLICE) await evaluateInSlices();
      else if (ev.state.due(evaluate() + size + frame.steps)) await ev.state.breathe();
    }
  } else {
    const inner = ev.subquery(arg);
    const load = (row: Row): void => {
      inner.visible(row);
      call.windows.loadRow(row, inner.frame);
      call.labels = row.labels;
    };
    if (inner.frame.steps * frame.steps > CELLS_PER_SLICE) {
      // Only collected rows can be waited between.
      const collected = await inner.collect(arg.inner);
      for (const row of collected.rows) {
        load(row);
        if (call.windows.size > 0) await evaluateInSlices();
      }
      inner.release(collected);
    } else {
      await inner.stream(arg.inner, (row) => {
        load(row);
        evaluate();
      });
    }
  }
  budget.release(charged);
  output.finish(sink);
}

function extension(arg: RangePlan, func: string): RangeCall["extended"] {
  if (arg.selector.anchored) {
    if (!ANCHORED_SAFE.includes(func)) {
      throw executionError(`anchored modifier can only be used with: ${ANCHORED_SAFE.join(", ")} - not with ${func}`);
    }
    return "anchored";
  }
  if (arg.selector.smoothed) {
    if (!SMOOTHED_SAFE.includes(func)) {
      throw executionError(`smoothed modifier can only be used with: ${SMOOTHED_SAFE.join(", ")} - not with ${func}`);
    }
    return "smoothed";
  }
  return undefined;
}

// countWindows counts the samples in all windows and returns the size of the largest one.
function countWindows(ev: Evaluator, windows: RangeWindows): number {
  const { samples } = ev;
  const steps = ev.frame.steps;
  if (samples.perStep === null) samples.total += windows.total;
  else for (let s = 0; s < steps; s++) samples.add(s, windows.hi[s]! - windows.lo[s]!);
  if (windows.hn === 0) return windows.largest;
  const before = new Float64Array(windows.hn + 1);
  for (let i = 0; i < windows.hn; i++) before[i + 1] = before[i]! + histogramSamples(windows.histograms[i]!);
  let largestHistograms = 0;
  for (let s = 0; s < steps; s++) {
    const size = before[windows.hhi[s]!]! - before[windows.hlo[s]!]!;
    samples.add(s, size);
    if (size > largestHistograms) largestHistograms = size;
  }
  return windows.largest + largestHistograms;
}

/** RangeOutput names the results and hands them on. */
class RangeOutput {
  private readonly ev: Evaluator;
  private readonly plan: CallPlan;
  private readonly sink: RowSink;
  private readonly drops: boolean;
  private readonly unique: UniqueLabels | undefined;
  private readonly isCounterFunction: boolean;
  private lastName = "";

  constructor(ev: Evaluator, plan: CallPlan, arg: RangePlan | SubqueryPlan, sink: RowSink) {
    this.ev = ev;
    this.plan = plan;
    this.sink = sink;
    this.drops = !KEEPS_NAME.has(plan.func);
    this.isCounterFunction = plan.func === "rate" || plan.func === "increase";
    const mayCollide = this.drops && !ev.state.features.delayedNameRemoval && !uniformMetadata(arg);
    this.unique = mayCollide ? new UniqueLabels() : undefined;
  }

  take(call: RangeCall): void {
    const { row } = call;
    if (row.count === 0) return;
    if (this.isCounterFunction) this.remarkOnName(call.labels, row);
    row.drop = this.drops;
    if (this.unique) {
      row.labels = dropMetadata(row.labels);
      row.drop = false;
      this.unique.add(row.labels);
    }
    this.sink(row);
  }

  finish(_sink: RowSink): void {}

  // rate() of something that does not look like a counter is worth a remark, once per name.
  private remarkOnName(labels: Labels, row: Row): void {
    const name = labels.metricName;
    if (name === "" || (name === this.lastName && !this.ev.state.features.typeAndUnitLabels)) return;
    if (row.histograms !== null && !row.present.includes(FLOAT)) return;
    this.lastName = name;
    const { annotations } = this.ev.state;
    const pos = this.plan.args[0]!.expr.pos;
    if (this.ev.state.features.typeAndUnitLabels) {
      const type = labels.get(TYPE_LABEL);
      if (type !== "counter" && type !== "histogram") annotations.possibleNonCounterLabel(name, type, pos);
    } else if (!/_(?:total|sum|count|bucket)$/.test(name)) {
      annotations.possibleNonCounter(name, pos);
    }
  }
}

/** AbsentOverTime turns the presence of any series into one series of ones where there was none. */
class AbsentOverTime {
  private readonly ev: Evaluator;
  private readonly arg: RangePlan | SubqueryPlan;
  private readonly found: Uint8Array;
  constructor(ev: Evaluator, arg: RangePlan | SubqueryPlan) {
    this.ev = ev;
    this.arg = arg;
    this.found = new Uint8Array(ev.frame.steps);
  }

  take({ row }: RangeCall): void {
    for (let s = 0; s < row.to; s++) if (row.present[s] !== ABSENT) this.found[s] = 1;
  }

  finish(sink: RowSink): void {
    const row = scratchRow(absentLabels(this.arg), this.ev.frame.steps);
    for (let s = 0; s < row.to; s++) {
      if (this.found[s] === 1) continue;
      row.present[s] = FLOAT;
      row.values[s] = 1;
      row.count++;
    }
    if (row.count > 0) sink(row);
  }
}
