// Functions over ranges that treat floats and histograms alike or side by side: counting, first and last, changes
// and resets, instant rates, sums and averages of histograms.
import {
  compactHistogram,
  copyHistogram,
  CounterResetHint,
  detectReset,
  divideHistogram,
  type Histogram,
  HistogramAddFlags,
  histogramsCompatible,
  histogramsEqual,
  subtractHistogram,
} from "@belfry/core/model";
import { HistogramSum } from "./histogram-sums.ts";
import { rangePos, type RangeCall } from "./range-call.ts";
import { isStartTimeReset } from "./rate-histograms.ts";
import { ABSENT, FLOAT, HISTOGRAM } from "./row.ts";

export function countOverTime({ windows, row }: RangeCall): number {
  const { lo, hi, hlo, hhi } = windows;
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const n = hi[s]! - lo[s]! + hhi[s]! - hlo[s]!;
    row.values[s] = n;
    row.present[s] = n > 0 ? FLOAT : ABSENT;
    if (n > 0) count++;
  }
  return count;
}

export function presentOverTime(call: RangeCall): number {
  const count = countOverTime(call);
  call.row.values.fill(1);
  return count;
}

export function firstOverTime({ windows, row }: RangeCall): number {
  const { times, values, lo, hi, hlo, hhi, histogramTimes, histograms } = windows;
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const hasFloat = hi[s]! > lo[s]!;
    const hasHistogram = hhi[s]! > hlo[s]!;
    row.present[s] = ABSENT;
    if (!hasFloat && !hasHistogram) continue;
    count++;
    if (hasFloat && (!hasHistogram || times[lo[s]!]! < histogramTimes[hlo[s]!]!)) {
      row.values[s] = values[lo[s]!]!;
      row.present[s] = FLOAT;
    } else {
      row.present[s] = HISTOGRAM;
      (row.histograms ??= [])[s] = histograms[hlo[s]!];
    }
  }
  return count;
}

export function lastOverTime({ windows, row }: RangeCall): number {
  const { times, values, lo, hi, hlo, hhi, histogramTimes, histograms } = windows;
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const hasFloat = hi[s]! > lo[s]!;
    const hasHistogram = hhi[s]! > hlo[s]!;
    row.present[s] = ABSENT;
    if (!hasFloat && !hasHistogram) continue;
    count++;
    if (hasFloat && (!hasHistogram || histogramTimes[hhi[s]! - 1]! < times[hi[s]! - 1]!)) {
      row.values[s] = values[hi[s]! - 1]!;
      row.present[s] = FLOAT;
    } else {
      row.present[s] = HISTOGRAM;
      (row.histograms ??= [])[s] = histograms[hhi[s]! - 1];
    }
  }
  return count;
}

export function tsOfFirstOverTime({ windows, row }: RangeCall): number {
  const { times, lo, hi, hlo, hhi, histogramTimes } = windows;
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const float = hi[s]! > lo[s]! ? times[lo[s]!]! : Infinity;
    const histogram = hhi[s]! > hlo[s]! ? histogramTimes[hlo[s]!]! : Infinity;
    const time = Math.min(float, histogram);
    row.present[s] = time === Infinity ? ABSENT : FLOAT;
    if (time === Infinity) continue;
    row.values[s] = time / 1000;
    count++;
  }
  return count;
}

export function tsOfLastOverTime({ windows, row }: RangeCall): number {
  const { times, lo, hi, hlo, hhi, histogramTimes } = windows;
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const float = hi[s]! > lo[s]! ? times[hi[s]! - 1]! : -Infinity;
    const histogram = hhi[s]! > hlo[s]! ? histogramTimes[hhi[s]! - 1]! : -Infinity;
    const time = Math.max(float, histogram);
    row.present[s] = time === -Infinity ? ABSENT : FLOAT;
    if (time === -Infinity) continue;
    row.values[s] = time / 1000;
    count++;
  }
  return count;
}

/** Merged walks the floats and histograms of a window in time order. */
class Merged {
  time = 0;
  value = 0;
  start = 0;
  histogram: Histogram | undefined;
  private f = 0;
  private h = 0;
  private fEnd = 0;
  private hEnd = 0;
  private readonly call: RangeCall;

  constructor(call: RangeCall) {
    this.call = call;
  }

  /** open starts at a step; false when there is nothing to compare. */
  open(step: number): boolean {
    const { times, lo, hi, hlo, hhi, histogramTimes } = this.call.windows;
    this.f = lo[step]!;
    this.fEnd = hi[step]!;
    this.h = hlo[step]!;
    this.hEnd = hhi[step]!;
    if (this.call.extended !== "anchored") return this.f < this.fEnd || this.h < this.hEnd;
    // The latest sample at or before the start of the range is the baseline; what is before it does not count.
    const rangeStart = this.call.firstEndMs + step * this.call.stepMs - this.call.rangeMs;
    let float = this.f - 1;
    while (float + 1 < this.fEnd && times[float + 1]! <= rangeStart) float++;
    let histogram = this.h - 1;
    while (histogram + 1 < this.hEnd && histogramTimes[histogram + 1]! <= rangeStart) histogram++;
    if (float + 1 >= this.fEnd && histogram + 1 >= this.hEnd) return false;
    const hasFloat = float >= this.f;
    const hasHistogram = histogram >= this.h;
    if (!hasFloat && !hasHistogram) return true;
    const floatIsBaseline = !hasHistogram || (hasFloat && times[float]! >= histogramTimes[histogram]!);
    this.f = floatIsBaseline ? float : float + 1;
    this.h = floatIsBaseline ? histogram + 1 : histogram;
    return true;
  }

  next(): boolean {
    const { times, values, starts, histogramTimes, histograms, histogramStarts } = this.call.windows;
    const hasFloat = this.f < this.fEnd;
    const hasHistogram = this.h < this.hEnd;
    if (!hasFloat && !hasHistogram) return false;
    if (hasFloat && (!hasHistogram || times[this.f]! < histogramTimes[this.h]!)) {
      this.time = times[this.f]!;
      this.value = values[this.f]!;
      this.start = starts === null ? 0 : starts[this.f]!;
      this.histogram = undefined;
      this.f++;
    } else {
      this.time = histogramTimes[this.h]!;
      this.start = histogramStarts === null ? 0 : histogramStarts[this.h]!;
      this.histogram = histograms[this.h]!;
      this.h++;
    }
    return true;
  }
}

/** changes counts how often consecutive samples differ. */
export function changes(call: RangeCall): number {
  const { row, windows } = call;
  if (windows.hn === 0 && call.extended === undefined) return floatChanges(call);
  const merged = new Merged(call);
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    row.present[s] = ABSENT;
    if (!merged.open(s)) continue;
    merged.next();
    let found = 0;
    let value = merged.value;
    let histogram = merged.histogram;
    while (merged.next()) {
      const current = merged.histogram;
      if (histogram === undefined && current === undefined) {
        if (merged.value !== value && !(merged.value !== merged.value && value !== value)) found++;
      } else if (histogram === undefined || current === undefined || !histogramsEqual(current, histogram)) found++;
      value = merged.value;
      histogram = current;
    }
    row.values[s] = found;
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}

function floatChanges({ windows, row }: RangeCall): number {
  const { values, lo, hi } = windows;
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const to = hi[s]!;
    let i = lo[s]!;
    row.present[s] = ABSENT;
    if (i === to) continue;
    let found = 0;
    let previous = values[i]!;
    for (i++; i < to; i++) {
      const value = values[i]!;
      if (value !== previous && (value === value || previous === previous)) found++;
      previous = value;
    }
    row.values[s] = found;
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}

/** resets counts how often a counter began anew. */
export function resets(call: RangeCall): number {
  const { row } = call;
  const merged = new Merged(call);
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    row.present[s] = ABSENT;
    if (!merged.open(s)) continue;
    merged.next();
    let found = 0;
    let { time, value, start, histogram } = merged;
    while (merged.next()) {
      const current = merged.histogram;
      const byStart = isStartTimeReset(start, time, merged.start, merged.time);
      if (histogram === undefined && current === undefined) {
        if (merged.value < value || byStart) found++;
      } else if (histogram === undefined || current === undefined || byStart || detectReset(current, histogram)) {
        found++;
      }
      time = merged.time;
      value = merged.value;
      start = merged.start;
      histogram = current;
    }
    row.values[s] = found;
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}

/** instantDelta is irate (isRate) and idelta: the last two samples of a window. */
export function instantDelta(call: RangeCall, isRate: boolean): number {
  const { windows, row } = call;
  const { times, values, starts, lo, hi } = windows;
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    row.present[s] = ABSENT;
    if (windows.hn > 0 && windows.hhi[s]! > windows.hlo[s]!) {
      // Slow path: histograms.
      if (instantDeltaMixed(call, s, isRate)) count++;
      continue;
    }
    const last = hi[s]! - 1;
    if (last <= lo[s]!) continue;
    const interval = times[last]! - times[last - 1]!;
    if (interval === 0) continue;
    const value = values[last]!;
    const previous = values[last - 1]!;
    const reset =
      isRate &&
      (value < previous ||
        (starts !== null && isStartTimeReset(starts[last - 1]!, times[last - 1]!, starts[last]!, times[last]!)));
    const result = reset ? value : value - previous;
    row.values[s] = isRate ? result / (interval / 1000) : result;
    row.present[s] = FLOAT;
    count++;
  }
  return count;
}

interface LastSample {
  time: number;
  value: number;
  start: number;
  histogram: Histogram | undefined;
}

function lastTwo(call: RangeCall, step: number): [LastSample, LastSample] | undefined {
  const { times, values, starts, lo, hi, hlo, hhi, histogramTimes, histograms, histogramStarts } = call.windows;
  const found: LastSample[] = [];
  let f = hi[step]! - 1;
  let h = hhi[step]! - 1;
  while (found.length < 2 && (f >= lo[step]! || h >= hlo[step]!)) {
    if (h < hlo[step]! || (f >= lo[step]! && times[f]! > histogramTimes[h]!)) {
      found.push({ time: times[f]!, value: values[f]!, start: starts?.[f] ?? 0, histogram: undefined });
      f--;
    } else {
      found.push({ time: histogramTimes[h]!, value: 0, start: histogramStarts?.[h] ?? 0, histogram: histograms[h] });
      h--;
    }
  }
  return found.length < 2 ? undefined : [found[1]!, found[0]!];
}

function instantDeltaMixed(call: RangeCall, step: number, isRate: boolean): boolean {
  const pair = lastTwo(call, step);
  if (pair === undefined) return false;
  const [previous, last] = pair;
  const interval = last.time - previous.time;
  if (interval === 0) return false;
  const { annotations } = call.ev.state;
  const name = call.labels.metricName;
  const pos = rangePos(call);
  const { row } = call;
  const reset = isStartTimeReset(previous.start, previous.time, last.start, last.time);
  if (last.histogram === undefined && previous.histogram === undefined) {
    const isReset = isRate && (last.value < previous.value || reset);
    const result = isReset ? last.value : last.value - previous.value;
    row.values[step] = isRate ? result / (interval / 1000) : result;
    row.present[step] = FLOAT;
    return true;
  }
  if (last.histogram === undefined || previous.histogram === undefined) {
    annotations.mixedFloatsHistograms(name, pos);
    return false;
  }
  const gauge = CounterResetHint.Gauge;
  const hints = [last.histogram.counterResetHint, previous.histogram.counterResetHint];
  if (isRate && hints.includes(gauge)) annotations.nativeHistogramNotCounter(name, pos);
  if (!isRate && !hints.every((hint) => hint === gauge)) annotations.nativeHistogramNotGauge(name, pos);
  const result = copyHistogram(last.histogram);
  if (!isRate || (!reset && !detectReset(last.histogram, previous.histogram))) {
    if (!histogramsCompatible(result, previous.histogram)) {
      annotations.mixedExponentialCustomHistograms(name, pos);
      return false;
    }
    if (subtractHistogram(result, previous.histogram) & HistogramAddFlags.BoundsReconciled) {
      annotations.mismatchedCustomBuckets("subtraction", pos);
    }
  }
  result.counterResetHint = gauge;
  compactHistogram(result);
  if (isRate) divideHistogram(result, interval / 1000);
  row.present[step] = HISTOGRAM;
  (row.histograms ??= [])[step] = result;
  return true;
}

/** histogramSum is sum_over_time of the histograms of a window that has at least one. */
export function histogramSum(call: RangeCall, step: number): void {
  reduceHistograms(call, step, false);
}

/** histogramAverage is avg_over_time of the histograms of a window that has at least one. */
export function histogramAverage(call: RangeCall, step: number): void {
  reduceHistograms(call, step, true);
}

function reduceHistograms(call: RangeCall, step: number, isAvg: boolean): void {
  const { histograms, hlo, hhi } = call.windows;
  const { annotations } = call.ev.state;
  const pos = rangePos(call);
  const sum = new HistogramSum(histograms[hlo[step]!]!, isAvg);
  for (let i = hlo[step]! + 1; i < hhi[step]!; i++) sum.add(histograms[i]!);
  if (sum.incompatible) {
    annotations.mixedExponentialCustomHistograms(call.labels.metricName, pos);
    return;
  }
  if (sum.collision) annotations.counterResetCollision("aggregation", pos);
  if (sum.reconciled) annotations.mismatchedCustomBuckets("aggregation", pos);
  call.row.present[step] = HISTOGRAM;
  (call.row.histograms ??= [])[step] = sum.result();
}
