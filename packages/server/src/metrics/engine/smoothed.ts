// `metric smoothed`: the value at each step lies on the line between the samples before and after it, within the
// lookback on either side. After the last sample it stays what it was.
import {
  addHistogram,
  copyHistogram,
  CounterResetHint,
  detectReset,
  type Histogram,
  HistogramAddFlags,
  histogramsCompatible,
  multiplyHistogram,
  subtractHistogram,
} from "@belfry/core/model";
import type { Evaluator } from "./evaluator.ts";
import { interpolate } from "./extended-rate.ts";
import type { SelectorPlan } from "./plan.ts";
import { ABSENT, FLOAT, HISTOGRAM, type Row, type RowSink } from "./row.ts";
import { RangeWindows } from "./windows.ts";

/** smoothSeries evaluates a smoothed instant selector, filling `row` for each series. */
export async function smoothSeries(ev: Evaluator, plan: SelectorPlan, row: Row, sink: RowSink): Promise<void> {
  const { frame, state } = ev;
  const lookback = state.lookbackMs;
  const { offsetMs, atMs } = plan;
  const windows = new RangeWindows(frame, { rangeMs: 0, offsetMs, atMs, beforeMs: lookback, afterMs: lookback });
  const { startMs, endMs } = plan.hints;
  for (const series of plan.series) {
    windows.load(series, startMs, endMs);
    windows.place();
    row.labels = series.labels;
    row.drop = false;
    row.histograms = null;
    row.count = 0;
    for (let s = 0; s < frame.steps; s++) {
      row.present[s] = ABSENT;
      const time = (plan.atMs ?? frame.startMs + s * frame.stepMs) - plan.offsetMs;
      if (windows.hhi[s]! > windows.hlo[s]!) {
        if (windows.hi[s]! > windows.lo[s]!) {
          state.annotations.mixedFloatsHistograms(series.labels.metricName, plan.expr.pos);
        } else smoothHistogram(ev, plan, windows, row, s, time);
      } else smoothFloat(windows, row, s, time);
    }
    ev.samples.total += row.count;
    if (row.count > 0) sink(row);
    if (state.due(windows.size + frame.steps)) await state.breathe();
  }
}

function firstAtOrAfter(times: ArrayLike<number>, from: number, to: number, time: number): number {
  let i = from;
  while (i < to && times[i]! < time) i++;
  return i;
}

function smoothFloat({ times, values, lo, hi }: RangeWindows, row: Row, step: number, time: number): void {
  const from = lo[step]!;
  const to = hi[step]!;
  const i = firstAtOrAfter(times, from, to, time);
  if (i < to && times[i] === time) row.values[step] = values[i]!;
  else if (i === from) return;
  else if (i < to) row.values[step] = interpolate(times[i - 1]!, values[i - 1]!, times[i]!, values[i]!, time, false);
  else row.values[step] = values[i - 1]!;
  row.present[step] = FLOAT;
  row.count++;
}

function smoothHistogram(
  ev: Evaluator,
  plan: SelectorPlan,
  windows: RangeWindows,
  row: Row,
  step: number,
  time: number,
): void {
  const { histogramTimes: times, histograms, hlo, hhi } = windows;
  const from = hlo[step]!;
  const to = hhi[step]!;
  const i = firstAtOrAfter(times, from, to, time);
  let result: Histogram | undefined;
  if (i < to && times[i] === time) result = histograms[i];
  else if (i === from) return;
  else if (i < to) result = between(ev, plan, row, histograms[i - 1]!, times[i - 1]!, histograms[i]!, times[i]!, time);
  else result = histograms[i - 1];
  if (result === undefined) return;
  (row.histograms ??= [])[step] = result;
  row.present[step] = HISTOGRAM;
  row.count++;
}

function between(
  ev: Evaluator,
  plan: SelectorPlan,
  row: Row,
  a: Histogram,
  ta: number,
  b: Histogram,
  tb: number,
  time: number,
): Histogram | undefined {
  const { annotations } = ev.state;
  const pos = plan.expr.pos;
  if (!histogramsCompatible(a, b)) {
    annotations.mixedExponentialCustomHistograms(row.labels.metricName, pos);
    return undefined;
  }
  const fraction = (time - ta) / (tb - ta);
  const isCounter = a.counterResetHint !== CounterResetHint.Gauge && b.counterResetHint !== CounterResetHint.Gauge;
  if (isCounter && detectReset(b, a)) return multiplyHistogram(copyHistogram(b), fraction);
  const result = copyHistogram(b);
  if (subtractHistogram(result, a) & HistogramAddFlags.BoundsReconciled) {
    annotations.mismatchedCustomBuckets("subtraction", pos);
  }
  multiplyHistogram(result, fraction);
  if (addHistogram(result, a) & HistogramAddFlags.BoundsReconciled) {
    annotations.mismatchedCustomBuckets("addition", pos);
  }
  return result;
}
