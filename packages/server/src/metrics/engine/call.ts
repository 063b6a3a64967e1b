// Function calls: which function is evaluated where.
import { EMPTY_LABELS } from "@belfry/core/model";
import { bug } from "../../lib/errors.ts";
import { evalAbsent } from "./absent.ts";
import type { Evaluator } from "./evaluator.ts";
import {
  evalHistogramFraction,
  evalHistogramQuantile,
  evalHistogramQuantiles,
  evalHistogramValue,
  HISTOGRAM_VALUES,
} from "./histogram-functions.ts";
import { evalInfo } from "./info.ts";
import { CALENDAR_FUNCTIONS, mapFloats, MATH_FUNCTIONS, type UnaryFunction } from "./instant-functions.ts";
import { evalLabelJoin, evalLabelReplace } from "./label-functions.ts";
import type { CallPlan, SelectorPlan } from "./plan.ts";
import { evalRangeCall, rangeArgument } from "./range-call.ts";
import { ABSENT, FLOAT, type Row, type RowSink, scratchRow } from "./row.ts";
import { type LatestKind, LatestSamples } from "./selectors.ts";
import { evalSort } from "./sort-functions.ts";

/** evalCall evaluates a function that returns a vector. */
export async function evalCall(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const range = rangeArgument(plan);
  if (range >= 0 && plan.func !== "info" && !plan.func.startsWith("label_")) {
    return evalRangeCall(ev, plan, range, sink);
  }
  const math = MATH_FUNCTIONS.get(plan.func);
  if (math !== undefined) return mapVector(ev, plan, math, sink);
  const calendar = CALENDAR_FUNCTIONS.get(plan.func);
  if (calendar !== undefined) {
    if (plan.args.length === 0) return timeVector(ev, calendar, sink);
    return mapVector(ev, plan, calendar, sink);
  }
  const histogramValue = HISTOGRAM_VALUES.get(plan.func);
  if (histogramValue !== undefined) return evalHistogramValue(ev, plan, histogramValue, sink);
  switch (plan.func) {
    case "absent":
      return evalAbsent(ev, plan, sink);
    case "vector":
      return vector(ev, plan, sink);
    case "clamp":
    case "clamp_min":
    case "clamp_max":
      return clamp(ev, plan, sink);
    case "round":
      return round(ev, plan, sink);
    case "timestamp":
      return timestamp(ev, plan, sink);
    case "start_timestamp":
      return startTimestamp(ev, plan, sink);
    case "sort":
    case "sort_desc":
    case "sort_by_label":
    case "sort_by_label_desc":
      return evalSort(ev, plan, sink);
    case "label_replace":
      return evalLabelReplace(ev, plan, sink);
    case "label_join":
      return evalLabelJoin(ev, plan, sink);
    case "histogram_quantile":
      return evalHistogramQuantile(ev, plan, sink);
    case "histogram_quantiles":
      return evalHistogramQuantiles(ev, plan, sink);
    case "histogram_fraction":
      return evalHistogramFraction(ev, plan, sink);
    case "info":
      return evalInfo(ev, plan, sink);
    default:
      throw bug(`function ${plan.func} is not known to the engine`);
  }
}

/** evalScalarCall evaluates a function that returns a scalar. */
export async function evalScalarCall(ev: Evaluator, plan: CallPlan): Promise<Float64Array> {
  const { steps } = ev.frame;
  switch (plan.func) {
    case "time": {
      const out = new Float64Array(steps);
      for (let s = 0; s < steps; s++) out[s] = ev.timeMs(s) / 1000;
      return out;
    }
    case "pi":
      return new Float64Array(steps).fill(Math.PI);
    case "scalar":
      return scalarOf(ev, plan);
    case "min_of":
    case "max_of": {
      const a = await ev.scalar(plan.args[0]!);
      const b = await ev.scalar(plan.args[1]!);
      const pick = plan.func === "min_of" ? Math.min : Math.max;
      for (let s = 0; s < steps; s++) a[s] = goExtreme(pick, a[s]!, b[s]!);
      return a;
    }
    default:
      throw bug(`function ${plan.func} is not a scalar`);
  }
}

// In Go an infinity in the direction of the extreme wins even against NaN.
function goExtreme(pick: (a: number, b: number) => number, a: number, b: number): number {
  const strongest = pick(-Infinity, Infinity);
  if (a === strongest || b === strongest) return strongest;
  return pick(a, b);
}

// scalar() of a vector that does not have exactly one float is NaN.
async function scalarOf(ev: Evaluator, plan: CallPlan): Promise<Float64Array> {
  const { steps } = ev.frame;
  const out = new Float64Array(steps).fill(NaN);
  const found = new Uint8Array(steps);
  await ev.stream(plan.args[0]!, (row) => {
    for (let s = row.from; s < row.to; s++) {
      if (row.present[row.base + s] !== FLOAT) continue;
      out[s] = found[s] === 0 ? row.values[row.base + s]! : NaN;
      found[s] = 1;
    }
  });
  return out;
}

async function mapVector(ev: Evaluator, plan: CallPlan, apply: UnaryFunction, sink: RowSink): Promise<void> {
  const arg = plan.args[0]!;
  const forward = ev.droppingNames(arg, sink);
  await ev.stream(arg, (row) => {
    mapFloats(row, apply);
    if (row.count > 0) forward(row);
  });
}

function constantRow(ev: Evaluator, valueAt: (step: number) => number): Row {
  const row = scratchRow(EMPTY_LABELS, ev.frame.steps);
  for (let s = 0; s < ev.frame.steps; s++) {
    row.values[s] = valueAt(s);
    row.present[s] = FLOAT;
  }
  row.count = ev.frame.steps;
  return row;
}

function timeVector(ev: Evaluator, apply: UnaryFunction, sink: RowSink): void {
  sink(constantRow(ev, (step) => apply(Math.trunc(ev.timeMs(step) / 1000))));
}

async function vector(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const values = await ev.scalar(plan.args[0]!);
  sink(constantRow(ev, (step) => values[step]!));
}

async function clamp(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const { steps } = ev.frame;
  const arg = plan.args[0]!;
  let min: Float64Array = new Float64Array(steps).fill(-Infinity);
  let max: Float64Array = new Float64Array(steps).fill(Infinity);
  if (plan.func === "clamp_min") min = await ev.scalar(plan.args[1]!);
  else if (plan.func === "clamp_max") max = await ev.scalar(plan.args[1]!);
  else {
    min = await ev.scalar(plan.args[1]!);
    max = await ev.scalar(plan.args[2]!);
  }
  const forward = ev.droppingNames(arg, sink);
  await ev.stream(arg, (row) => {
    const { values, present, base } = row;
    row.count = 0;
    for (let s = row.from; s < row.to; s++) {
      const i = base + s;
      if (present[i] !== FLOAT || max[s]! < min[s]!) {
        present[i] = ABSENT;
        continue;
      }
      // Math.min and Math.max agree with Go's in NaN except where an infinity meets it.
      values[i] = goExtreme(Math.max, min[s]!, goExtreme(Math.min, max[s]!, values[i]!));
      row.count++;
    }
    row.histograms = null;
    if (row.count > 0) forward(row);
  });
}

async function round(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const arg = plan.args[0]!;
  const to = plan.args.length > 1 ? await ev.scalar(plan.args[1]!) : new Float64Array(ev.frame.steps).fill(1);
  for (let s = 0; s < to.length; s++) to[s] = 1 / to[s]!;
  const forward = ev.droppingNames(arg, sink);
  await ev.stream(arg, (row) => {
    const { values, present, base } = row;
    row.count = 0;
    for (let s = row.from; s < row.to; s++) {
      const i = base + s;
      if (present[i] !== FLOAT) {
        present[i] = ABSENT;
        continue;
      }
      // Multiplying by the inverse loses less than dividing; ties go up.
      values[i] = Math.floor(values[i]! * to[s]! + 0.5) / to[s]!;
      row.count++;
    }
    row.histograms = null;
    if (row.count > 0) forward(row);
  });
}

// timestamp() of a selector is when the sample was taken; of anything else, when it was computed.
async function timestamp(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const arg = plan.args[0]!;
  const selector = arg.kind === "once" ? arg.inner : arg;
  if (selector.kind === "selector" && !selector.smoothed) return ofSelector(ev, plan, selector, "time", sink);
  const forward = ev.droppingNames(arg, sink);
  await ev.stream(arg, (row) => {
    for (let s = row.from; s < row.to; s++) {
      const i = row.base + s;
      if (row.present[i] === ABSENT) continue;
      row.present[i] = FLOAT;
      row.values[i] = ev.timeMs(s) / 1000;
    }
    row.histograms = null;
    forward(row);
  });
}

async function startTimestamp(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const arg = plan.args[0]!;
  const selector = arg.kind === "once" ? arg.inner : arg;
  // An expression has no start timestamps any more.
  if (!ev.state.features.useStartTimestamps || selector.kind !== "selector") return;
  await ofSelector(ev, plan, selector, "start", sink);
}

async function ofSelector(
  ev: Evaluator,
  plan: CallPlan,
  selector: SelectorPlan,
  kind: LatestKind,
  sink: RowSink,
): Promise<void> {
  const row = scratchRow(EMPTY_LABELS, ev.frame.steps);
  const forward = ev.droppingNames(plan.args[0]!, sink);
  const latest = new LatestSamples(ev.frame, selector, ev.state.lookbackMs);
  await ev.eachSeries(selector, (series, buffer) => {
    if (latest.fill(buffer, row, kind) === 0) return;
    ev.samples.total += row.count;
    row.labels = series.labels;
    row.drop = false;
    forward(row);
  });
}
