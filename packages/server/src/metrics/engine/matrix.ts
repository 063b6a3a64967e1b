// Range vectors as whole answers: `metric[5m]` and `expr[5m:1m]` in an instant query give the samples themselves.
import { compareLabels } from "@belfry/core/model";
import { bug } from "../../lib/errors.ts";
import type { Evaluator } from "./evaluator.ts";
import { extendFloats } from "./extend-floats.ts";
import { histogramSamples } from "./histogram-cells.ts";
import { dropMetadata } from "./metadata-labels.ts";
import type { Plan, RangePlan, SubqueryPlan } from "./plan.ts";
import { executionError, SAME_LABELSET } from "./query-error.ts";
import { ABSENT, HISTOGRAM } from "./row.ts";
import type { MatrixSeries } from "./types.ts";
import { RangeWindows } from "./windows.ts";

/** evalMatrix evaluates a range plan at the only step of an instant query; series are sorted by labels. */
export async function evalMatrix(ev: Evaluator, plan: Plan): Promise<MatrixSeries[]> {
  if (plan.kind === "once") return evalMatrix(ev, plan.inner);
  let series: MatrixSeries[];
  if (plan.kind === "range") series = await selectRange(ev, plan);
  else if (plan.kind === "subquery") series = await subquery(ev, plan);
  else throw bug(`${plan.kind} is not a range vector`);
  return series.sort((a, b) => compareLabels(a.labels, b.labels));
}

async function selectRange(ev: Evaluator, plan: RangePlan): Promise<MatrixSeries[]> {
  const { selector, rangeMs } = plan;
  const { state } = ev;
  const extended = selector.anchored || selector.smoothed;
  const windows = new RangeWindows(ev.frame, {
    rangeMs,
    offsetMs: selector.offsetMs,
    atMs: selector.atMs,
    beforeMs: extended ? state.lookbackMs : 0,
    afterMs: selector.smoothed ? state.lookbackMs : 0,
  });
  const series: MatrixSeries[] = [];
  const endMs = (selector.atMs ?? ev.frame.startMs) - selector.offsetMs;
  for (const selected of selector.series) {
    windows.load(selected, selector.hints.startMs, selector.hints.endMs);
    windows.place();
    if (state.due(windows.size)) await state.breathe();
    const merged = mergeKinds(windows);
    if (merged.times.length === 0) continue;
    let made: MatrixSeries = { labels: selected.labels, ...merged };
    if (extended) {
      if (merged.histograms !== null) throw executionError("anchored modifier is not supported with histograms");
      made = {
        labels: selected.labels,
        ...extendFloats(merged, endMs - rangeMs, endMs, selector.smoothed),
        histograms: null,
      };
    }
    let samples = made.times.length;
    for (const histogram of made.histograms ?? []) if (histogram) samples += histogramSamples(histogram) - 1;
    state.budget.charge(samples);
    ev.samples.add(0, samples);
    if (made.times.length > 0) series.push(made);
  }
  return series;
}

// mergeKinds puts the floats and histograms of the window of step 0 into one order.
function mergeKinds(windows: RangeWindows): Omit<MatrixSeries, "labels"> {
  let f = windows.lo[0]!;
  const fEnd = windows.hi[0]!;
  let h = windows.hlo[0]!;
  const hEnd = windows.hhi[0]!;
  if (h === hEnd) {
    return { times: windows.times.slice(f, fEnd), values: windows.values.slice(f, fEnd), histograms: null };
  }
  const length = fEnd - f + hEnd - h;
  const times = new Float64Array(length);
  const values = new Float64Array(length);
  const histograms: NonNullable<MatrixSeries["histograms"]> = [];
  for (let n = 0; n < length; n++) {
    if (h >= hEnd || (f < fEnd && windows.times[f]! < windows.histogramTimes[h]!)) {
      times[n] = windows.times[f]!;
      values[n] = windows.values[f]!;
      histograms[n] = undefined;
      f++;
    } else {
      times[n] = windows.histogramTimes[h]!;
      histograms[n] = windows.histograms[h]!;
      h++;
    }
  }
  return { times, values, histograms };
}

async function subquery(ev: Evaluator, plan: SubqueryPlan): Promise<MatrixSeries[]> {
  const inner = ev.subquery(plan);
  const { frame } = inner;
  const series: MatrixSeries[] = [];
  const seen = new Set<string>();
  await inner.stream(plan.inner, (row) => {
    const labels = row.drop ? dropMetadata(row.labels) : row.labels;
    if (seen.has(labels.key)) throw executionError(SAME_LABELSET);
    seen.add(labels.key);
    ev.state.budget.charge(row.count);
    const times = new Float64Array(row.count);
    const values = new Float64Array(row.count);
    const histograms: MatrixSeries["histograms"] = row.histograms === null ? null : [];
    let n = 0;
    for (let s = row.from; s < row.to; s++) {
      const kind = row.present[row.base + s]!;
      if (kind === ABSENT) continue;
      times[n] = frame.startMs + s * frame.stepMs;
      values[n] = row.values[row.base + s]!;
      if (histograms) histograms[n] = kind === HISTOGRAM ? row.histograms![s] : undefined;
      n++;
    }
    series.push({ labels, times, values, histograms });
  });
  ev.samples.add(0, inner.samples.total);
  return series;
}
