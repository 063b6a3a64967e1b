// rate, increase and delta in full: histograms, start timestamps, and mixes of floats and histograms, one window
// after the other. Plain floats without start timestamps have the fast path in rate.ts.
//
// A start timestamp says when a counter began at zero. It shows resets that the values hide, and gives the first
// sample of a window a known beginning, so that nothing needs to be extrapolated there and one sample is enough.
import {
  addHistogram,
  compactHistogram,
  copyHistogram,
  copyToSchema,
  CounterResetHint,
  detectReset,
  type Histogram,
  HistogramAddFlags,
  histogramsCompatible,
  multiplyHistogram,
  newHistogram,
  subtractHistogram,
  usesCustomBuckets,
} from "@belfry/core/model";
import { rangePos, type RangeCall } from "./range-call.ts";
import type { RateKind } from "./rate.ts";
import { ABSENT, FLOAT, HISTOGRAM } from "./row.ts";

/** isStartTimeReset tells from start timestamps whether the counter began anew between two samples. 0 means unknown. */
export function isStartTimeReset(previousStart: number, previousTime: number, start: number, time: number): boolean {
  // A start at or after its own sample is invalid or "unknown".
  if (start === 0 || start >= time) return false;
  if (start !== previousTime) return start > previousTime;
  // A start at the previous sample: a delta series, or a cumulative one that does not know its start and repeats
  // the previous time. Only the former had a sensible start before.
  if (previousStart > previousTime) return false;
  return previousStart !== 0 && previousStart !== previousTime;
}

function startTimesOverlap(previousStart: number, previousTime: number, start: number): boolean {
  return start !== 0 && start < previousTime && start !== previousStart;
}

/** rateByStep fills the row of the call and returns how many steps have a result. */
export function rateByStep(call: RangeCall, kind: RateKind): number {
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
    if (floats === 0 && histograms === 0) continue;
    if (histograms > 0 ? histogramRateAt(call, s, kind) : floatRateAt(call, s, kind)) count++;
  }
  return count;
}

function floatRateAt(call: RangeCall, step: number, kind: RateKind): boolean {
  const { times, values, starts, lo, hi } = call.windows;
  const first = lo[step]!;
  const last = hi[step]! - 1;
  let result = values[last]! - values[first]!;
  if (kind.isCounter) {
    let overlap = false;
    for (let i = first + 1; i <= last; i++) {
      let reset = values[i]! < values[i - 1]!;
      if (starts !== null) {
        if (!overlap && startTimesOverlap(starts[i - 1]!, times[i - 1]!, starts[i]!)) {
          overlap = true;
          call.ev.state.annotations.startTimeOverlap(call.labels.metricName, rangePos(call));
        }
        reset ||= isStartTimeReset(starts[i - 1]!, times[i - 1]!, starts[i]!, times[i]!);
      }
      if (reset) result += values[i - 1]!;
    }
  }
  const extrapolation = new Extrapolation(call, step, kind, times[first]!, times[last]!, last - first);
  const start = kind.isCounter && starts !== null ? starts[first]! : 0;
  if (extrapolation.knowsStart(start)) result += values[first]!;
  else if (first === last) return false;
  else extrapolation.guessStart(result > 0 && values[first]! >= 0 ? values[first]! / result : undefined);
  call.row.values[step] = result * extrapolation.factor();
  call.row.present[step] = FLOAT;
  return true;
}

function histogramRateAt(call: RangeCall, step: number, kind: RateKind): boolean {
  const { windows, row } = call;
  const { histogramTimes, histograms, histogramStarts } = windows;
  const first = windows.hlo[step]!;
  const last = windows.hhi[step]! - 1;
  let result: Histogram | undefined;
  if (last > first) {
    result = histogramDifference(call, first, last, kind.isCounter);
    if (result === undefined) return false;
  }
  const extrapolation = new Extrapolation(
    call,
    step,
    kind,
    histogramTimes[first]!,
    histogramTimes[last]!,
    last - first,
  );
  const start = kind.isCounter && histogramStarts !== null ? histogramStarts[first]! : 0;
  const firstHistogram = histograms[first]!;
  if (extrapolation.knowsStart(start)) {
    if (result === undefined) result = copyHistogram(firstHistogram);
    else if (!addWithRemarks(call, result, firstHistogram)) return false;
  } else if (result === undefined) return false;
  else {
    extrapolation.guessStart(
      result.count > 0 && firstHistogram.count >= 0 ? firstHistogram.count / result.count : undefined,
    );
  }
  row.present[step] = HISTOGRAM;
  (row.histograms ??= [])[step] = multiplyHistogram(result, extrapolation.factor());
  return true;
}

/** Extrapolation stretches a difference between two samples to the whole window. */
class Extrapolation {
  private readonly kind: RateKind;
  private readonly rangeMs: number;
  private readonly rangeStart: number;
  private readonly firstTime: number;
  private readonly lastTime: number;
  private readonly average: number;
  private readonly threshold: number;
  private toStart: number;
  private toEnd: number;
  private sampled: number;

  constructor(call: RangeCall, step: number, kind: RateKind, firstTime: number, lastTime: number, intervals: number) {
    const rangeEnd = call.firstEndMs + step * call.stepMs;
    this.kind = kind;
    this.rangeMs = call.rangeMs;
    this.rangeStart = rangeEnd - call.rangeMs;
    this.firstTime = firstTime;
    this.lastTime = lastTime;
    this.toStart = (firstTime - this.rangeStart) / 1000;
    this.toEnd = (rangeEnd - lastTime) / 1000;
    this.sampled = (lastTime - firstTime) / 1000;
    this.average = intervals > 0 ? this.sampled / intervals : 0;
    this.threshold = this.average * 1.1;
  }

  /** knowsStart takes a start timestamp inside the window (whose left end is open) as a sample of zero. */
  knowsStart(start: number): boolean {
    if (start === 0 || start <= this.rangeStart || start >= this.firstTime) return false;
    this.toStart = 0;
    this.sampled = (this.lastTime - start) / 1000;
    return true;
  }

  /** guessStart extrapolates to the left; `firstByResult` tells how far zero is, in terms of the result. */
  guessStart(firstByResult: number | undefined): void {
    if (this.toStart >= this.threshold) this.toStart = this.average / 2;
    if (this.kind.isCounter && firstByResult !== undefined) {
      const toZero = this.sampled * firstByResult;
      if (toZero < this.toStart) this.toStart = toZero;
    }
  }

  factor(): number {
    if (this.toEnd >= this.threshold) this.toEnd = this.average / 2;
    let factor = 1;
    if (this.sampled !== 0) factor = (this.sampled + this.toStart + this.toEnd) / this.sampled;
    return this.kind.isRate ? factor / (this.rangeMs / 1000) : factor;
  }
}

/** addWithRemarks adds `other` to `h`; false (with a warning) when they do not go together. */
export function addWithRemarks(call: RangeCall, h: Histogram, other: Histogram): boolean {
  const { annotations } = call.ev.state;
  if (!histogramsCompatible(h, other)) {
    annotations.mixedExponentialCustomHistograms(call.labels.metricName, rangePos(call));
    return false;
  }
  if (addHistogram(h, other) & HistogramAddFlags.BoundsReconciled) {
    annotations.mismatchedCustomBuckets("addition", rangePos(call));
  }
  return true;
}

/** subtractWithRemarks subtracts `other` from `h`; false (with a warning) when they do not go together. */
export function subtractWithRemarks(call: RangeCall, h: Histogram, other: Histogram): boolean {
  const { annotations } = call.ev.state;
  if (!histogramsCompatible(h, other)) {
    annotations.mixedExponentialCustomHistograms(call.labels.metricName, rangePos(call));
    return false;
  }
  if (subtractHistogram(h, other) & HistogramAddFlags.BoundsReconciled) {
    annotations.mismatchedCustomBuckets("subtraction", rangePos(call));
  }
  return true;
}

// histogramDifference is the last histogram minus the first, corrected for resets; undefined (with a warning) when
// the histograms of the window do not go together.
function histogramDifference(call: RangeCall, first: number, last: number, isCounter: boolean): Histogram | undefined {
  const { histograms, histogramTimes: times, histogramStarts: starts } = call.windows;
  const { annotations } = call.ev.state;
  const pos = rangePos(call);
  const name = call.labels.metricName;
  let previous = histograms[first]!;
  const lastHistogram = histograms[last]!;
  let custom = usesCustomBuckets(previous);
  const gauge = CounterResetHint.Gauge;
  let notCounter = isCounter && (previous.counterResetHint === gauge || lastHistogram.counterResetHint === gauge);
  if (isCounter) {
    // After a reset between the first two samples the first one does not matter, whatever its buckets.
    const second = histograms[first + 1]!;
    const resetByStart =
      starts !== null && isStartTimeReset(starts[first]!, times[first]!, starts[first + 1]!, times[first + 1]!);
    if (resetByStart || detectReset(second, previous)) {
      previous = newHistogram({ schema: second.schema, customValues: second.customValues });
      custom = usesCustomBuckets(second);
    }
  }
  const incompatible = (): undefined => {
    annotations.mixedExponentialCustomHistograms(name, pos);
    return undefined;
  };
  if (usesCustomBuckets(lastHistogram) !== custom) {
    if (notCounter) annotations.nativeHistogramNotCounter(name, pos);
    return incompatible();
  }
  let minSchema = Math.min(lastHistogram.schema, previous.schema);
  if (isCounter) {
    for (let i = first + 1; i < last; i++) {
      const histogram = histograms[i]!;
      if (histogram.counterResetHint === gauge) notCounter = true;
      if (histogram.schema < minSchema) minSchema = histogram.schema;
      if (usesCustomBuckets(histogram) !== custom) return incompatible();
    }
    if (notCounter) annotations.nativeHistogramNotCounter(name, pos);
  }
  const result = copyToSchema(lastHistogram, minSchema);
  if (!subtractWithRemarks(call, result, previous)) return undefined;
  if (isCounter) {
    let overlap = false;
    for (let i = first + 1; i <= last; i++) {
      const current = histograms[i]!;
      let reset = false;
      if (starts !== null) {
        if (!overlap && startTimesOverlap(starts[i - 1]!, times[i - 1]!, starts[i]!)) {
          overlap = true;
          annotations.startTimeOverlap(name, pos);
        }
        reset = isStartTimeReset(starts[i - 1]!, times[i - 1]!, starts[i]!, times[i]!);
      }
      if ((reset || detectReset(current, previous)) && !addWithRemarks(call, result, previous)) return undefined;
      previous = current;
    }
  } else if (histograms[first]!.counterResetHint !== gauge || lastHistogram.counterResetHint !== gauge) {
    annotations.nativeHistogramNotGauge(name, pos);
  }
  result.counterResetHint = gauge;
  return compactHistogram(result);
}
