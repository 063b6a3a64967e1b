// rate, increase and delta over anchored and smoothed ranges. Nothing is extrapolated: the value at a border of
// the range is that of the latest sample before it (anchored), or lies on the line between its neighbours
// (smoothed). The windows are widened by the lookback so that those neighbours are in them.
import {
  compactHistogram,
  copyHistogram,
  CounterResetHint,
  detectReset,
  divideHistogram,
  type Histogram,
  histogramsCompatible,
  multiplyHistogram,
  usesCustomBuckets,
} from "@belfry/core/model";
import { rangePos, type RangeCall } from "./range-call.ts";
import { addWithRemarks, subtractWithRemarks } from "./rate-histograms.ts";
import type { RateKind } from "./rate.ts";
import { ABSENT, FLOAT, HISTOGRAM } from "./row.ts";

/** extendedRate fills the row of the call and returns how many steps have a result. */
export function extendedRate(call: RangeCall, kind: RateKind): number {
  const { windows, row } = call;
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    row.present[s] = ABSENT;
    const floats = windows.hi[s]! - windows.lo[s]!;
    const histograms = windows.hhi[s]! - windows.hlo[s]!;
    if (floats > 0 && histograms > 0) {
      call.ev.state.annotations.mixedFloatsHistograms(call.labels.metricName, rangePos(call));
      continue;
    }
    if (floats > 0 && extendedFloats(call, s, kind)) count++;
    else if (histograms > 0 && extendedHistograms(call, s, kind)) count++;
  }
  return count;
}

interface Borders {
  rangeStart: number;
  rangeEnd: number;
  /** first and last are the indices of the samples at (or around) the borders. */
  first: number;
  last: number;
}

// borders finds the samples that stand for the borders, or undefined when there is nothing to measure.
function borders(
  call: RangeCall,
  step: number,
  times: ArrayLike<number>,
  from: number,
  to: number,
): Borders | undefined {
  const smoothed = call.extended === "smoothed";
  const rangeEnd = call.firstEndMs + step * call.stepMs;
  const rangeStart = rangeEnd - call.rangeMs;
  let last = to - 1;
  let first = from;
  while (first < last && times[first]! <= rangeStart) first++;
  first = Math.max(from, first - 1);
  if (smoothed) {
    let at = from;
    while (at < last && times[at]! < rangeEnd) at++;
    last = at;
  }
  if (times[last]! <= rangeStart) return undefined;
  if (smoothed && times[first]! > rangeEnd) return undefined;
  return { rangeStart, rangeEnd, first, last };
}

/** interpolate is the value at time `t` on the line between two samples; a counter that fell began at zero. */
export function interpolate(t1: number, v1: number, t2: number, v2: number, t: number, isCounter: boolean): number {
  const start = isCounter && v2 < v1 ? 0 : v1;
  return start + ((v2 - start) * (t - t1)) / (t2 - t1);
}

function extendedFloats(call: RangeCall, step: number, kind: RateKind): boolean {
  const { times, values } = call.windows;
  const from = call.windows.lo[step]!;
  const found = borders(call, step, times, from, call.windows.hi[step]!);
  if (found === undefined) return false;
  const { rangeStart, rangeEnd } = found;
  let { first, last } = found;
  const smoothed = call.extended === "smoothed";
  const left =
    smoothed && times[first]! < rangeStart
      ? interpolate(times[first]!, values[first]!, times[first + 1]!, values[first + 1]!, rangeStart, kind.isCounter)
      : values[first]!;
  const right =
    smoothed && last > from && times[last]! > rangeEnd
      ? interpolate(times[last - 1]!, values[last - 1]!, times[last]!, values[last]!, rangeEnd, kind.isCounter)
      : values[last]!;
  let result = right - left;
  if (kind.isCounter) {
    // The borders have taken care of resets around them.
    if (times[first]! <= rangeStart) first++;
    if (times[last]! >= rangeEnd) last--;
    let previous = left;
    for (let i = first; i <= last; i++) {
      const value = values[i]!;
      if (value < previous) result += previous;
      previous = value;
    }
    if (right < previous) result += previous;
  }
  if (kind.isRate) result /= call.rangeMs / 1000;
  call.row.values[step] = result;
  call.row.present[step] = FLOAT;
  return true;
}

/**
 * interpolateHistograms is the histogram at time `t` between two; undefined (with a warning) when exponential and
 * custom buckets meet.
 */
function interpolateHistograms(call: RangeCall, i: number, t: number, isCounter: boolean): Histogram | undefined {
  const { histograms, histogramTimes: times } = call.windows;
  const a = histograms[i]!;
  const b = histograms[i + 1]!;
  if (t === times[i]) return copyHistogram(a);
  if (t === times[i + 1]) return copyHistogram(b);
  const fraction = (t - times[i]!) / (times[i + 1]! - times[i]!);
  if (isCounter && detectReset(b, a)) return multiplyHistogram(copyHistogram(b), fraction);
  const result = copyHistogram(b);
  if (!subtractWithRemarks(call, result, a)) return undefined;
  multiplyHistogram(result, fraction);
  return addWithRemarks(call, result, a) ? result : undefined;
}

function extendedHistograms(call: RangeCall, step: number, kind: RateKind): boolean {
  const { histogramTimes: times, histograms } = call.windows;
  const { annotations } = call.ev.state;
  const from = call.windows.hlo[step]!;
  const found = borders(call, step, times, from, call.windows.hhi[step]!);
  if (found === undefined) return false;
  const { rangeStart, rangeEnd, first, last } = found;
  const smoothed = call.extended === "smoothed";
  const name = call.labels.metricName;
  const pos = rangePos(call);
  const gauge = CounterResetHint.Gauge;
  const custom = usesCustomBuckets(histograms[first]!);
  for (let i = first; i <= last; i++) {
    if (usesCustomBuckets(histograms[i]!) !== custom) {
      annotations.mixedExponentialCustomHistograms(name, pos);
      return false;
    }
    if (kind.isCounter && histograms[i]!.counterResetHint === gauge) annotations.nativeHistogramNotCounter(name, pos);
  }
  const left =
    smoothed && times[first]! < rangeStart
      ? interpolateHistograms(call, first, rangeStart, kind.isCounter)
      : copyHistogram(histograms[first]!);
  if (left === undefined) return false;
  const right =
    smoothed && last > from && times[last]! > rangeEnd
      ? interpolateHistograms(call, last - 1, rangeEnd, kind.isCounter)
      : copyHistogram(histograms[last]!);
  if (right === undefined) return false;
  if (!kind.isCounter && (left.counterResetHint !== gauge || right.counterResetHint !== gauge)) {
    annotations.nativeHistogramNotGauge(name, pos);
  }
  const result = copyHistogram(right);
  if (!subtractWithRemarks(call, result, left)) return false;
  if (kind.isCounter && !correctResets(call, found, left, right, result)) return false;
  if (kind.isRate) divideHistogram(result, call.rangeMs / 1000);
  result.counterResetHint = gauge;
  call.row.present[step] = HISTOGRAM;
  (call.row.histograms ??= [])[step] = compactHistogram(result);
  return true;
}

// correctResets adds to `result` what the counter had before each reset between the borders.
function correctResets(call: RangeCall, found: Borders, left: Histogram, right: Histogram, result: Histogram): boolean {
  const { histogramTimes: times, histograms } = call.windows;
  let next = found.first + 1;
  let previous = left;
  if (
    call.extended === "smoothed" &&
    times[found.first]! < found.rangeStart &&
    detectReset(histograms[found.first + 1]!, histograms[found.first]!)
  ) {
    // The left border lies within the reset and has accounted for it.
    previous = histograms[found.first + 1]!;
    next++;
  }
  // `right` inherits the hint of the last sample, so that one is not looked at twice.
  if (next > found.last) return true;
  let correction: Histogram | undefined;
  const correct = (histogram: Histogram): boolean => {
    if (correction === undefined) {
      correction = copyHistogram(histogram);
      return true;
    }
    return addWithRemarks(call, correction, histogram);
  };
  for (let i = next; i < found.last; i++) {
    if (detectReset(histograms[i]!, previous) && !correct(previous)) return false;
    previous = histograms[i]!;
  }
  if (detectReset(right, previous) && !correct(previous)) return false;
  if (correction === undefined) return true;
  return histogramsCompatible(result, correction) && addWithRemarks(call, result, correction);
}
