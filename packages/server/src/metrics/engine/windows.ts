// RangeWindows holds the samples of one series and, for every step, which of them lie in the window. Floats and
// histograms of a series that has both are kept apart, as the functions over ranges want them. One object
// serves all series of a selector in turn; nothing is allocated per series once it has grown.
//
// Windows are open on the left: a sample at exactly `end - range` is not inside.
import { type Histogram, isStaleNaN, SampleBuffer } from "@belfry/core/model";
import type { SelectedSeries } from "../queryable.ts";
import { FLOAT, type Frame, HISTOGRAM, type Row } from "./row.ts";

/** WindowShape tells where the windows of a range selector or subquery lie. */
export interface WindowShape {
  rangeMs: number;
  offsetMs: number;
  /** atMs fixes the window for all steps. */
  atMs: number | undefined;
  /** before and after widen the window for anchored and smoothed selectors. */
  beforeMs: number;
  afterMs: number;
}

/** RangeWindows is filled by `load` or `loadRow`, then `place`. */
export class RangeWindows {
  /** n floats in time order, staleness markers removed. */
  n = 0;
  times: Float64Array;
  values: Float64Array;
  /** starts are start timestamps beside the floats, or null. */
  starts: Float64Array | null = null;
  /** lo and hi bound the floats in the window of each step: lo <= i < hi. */
  readonly lo: Int32Array;
  readonly hi: Int32Array;

  /** hn histograms in time order. */
  hn = 0;
  histogramTimes: number[] = [];
  histograms: Histogram[] = [];
  histogramStarts: number[] | null = null;
  readonly hlo: Int32Array;
  readonly hhi: Int32Array;

  private readonly buffer = new SampleBuffer();
  private readonly frame: Frame;
  private readonly useStarts: boolean;

  constructor(frame: Frame, useStarts: boolean) {
    this.frame = frame;
    this.useStarts = useStarts;
    this.lo = new Int32Array(frame.steps);
    this.hi = new Int32Array(frame.steps);
    this.hlo = new Int32Array(frame.steps);
    this.hhi = new Int32Array(frame.steps);
    this.times = this.buffer.times;
    this.values = this.buffer.values;
  }

  /** size is the number of samples held. */
  get size(): number {
    return this.n + this.hn;
  }

  /** load reads a series between two times, both inclusive. */
  load(series: SelectedSeries, startMs: number, endMs: number): void {
    const buffer = this.buffer;
    buffer.clear();
    series.read(startMs, endMs, buffer);
    this.times = buffer.times;
    this.values = buffer.values;
    this.starts = this.useStarts ? buffer.starts : null;
    this.hn = 0;
    this.n = buffer.length;
    if (buffer.histograms !== null) {
      this.split();
      return;
    }
    const values = buffer.values;
    for (let i = 0, n = buffer.length; i < n; i++) {
      const value = values[i]!;
      // Fast path: only a NaN can be a staleness marker.
      if (value !== value && isStaleNaN(buffer.words, i)) {
        this.removeStale(i);
        return;
      }
    }
  }

  /** loadRow takes the present cells of a row as samples at the times of `frame`. */
  loadRow(row: Row, frame: Frame): void {
    const buffer = this.buffer;
    buffer.clear();
    buffer.reserve(row.count);
    this.times = buffer.times;
    this.values = buffer.values;
    this.starts = null;
    this.histogramStarts = null;
    this.histogramTimes.length = 0;
    this.histograms.length = 0;
    let n = 0;
    for (let step = row.from; step < row.to; step++) {
      const kind = row.present[row.base + step]!;
      if (kind === FLOAT) {
        this.times[n] = frame.startMs + step * frame.stepMs;
        this.values[n] = row.values[row.base + step]!;
        n++;
      } else if (kind === HISTOGRAM) {
        this.histogramTimes.push(frame.startMs + step * frame.stepMs);
        this.histograms.push(row.histograms![step]!);
      }
    }
    this.n = n;
    this.hn = this.histograms.length;
  }

  private removeStale(first: number): void {
    const { times, values, words, length } = this.buffer;
    const starts = this.starts;
    let kept = first;
    for (let i = first; i < length; i++) {
      if (isStaleNaN(words, i)) continue;
      times[kept] = times[i]!;
      values[kept] = values[i]!;
      if (starts) starts[kept] = starts[i]!;
      kept++;
    }
    this.n = kept;
  }

  // Slow path: histograms among the samples.
  private split(): void {
    const { times, values, words, length } = this.buffer;
    const from = this.buffer.histograms!;
    const starts = this.starts;
    this.histogramTimes.length = 0;
    this.histograms.length = 0;
    this.histogramStarts = starts === null ? null : [];
    let n = 0;
    for (let i = 0; i < length; i++) {
      const histogram = from[i];
      if (histogram !== undefined) {
        this.histogramTimes.push(times[i]!);
        this.histograms.push(histogram);
        if (starts) this.histogramStarts!.push(starts[i]!);
      } else if (!isStaleNaN(words, i)) {
        times[n] = times[i]!;
        values[n] = values[i]!;
        if (starts) starts[n] = starts[i]!;
        n++;
      }
    }
    this.n = n;
    this.hn = this.histograms.length;
  }

  /** place finds the window of every step. */
  place(shape: WindowShape): void {
    const { startMs, stepMs, steps } = this.frame;
    const width = shape.rangeMs + shape.beforeMs + shape.afterMs;
    const fixed = shape.atMs !== undefined;
    const first = (shape.atMs ?? startMs) - shape.offsetMs + shape.afterMs;
    const step = fixed ? 0 : stepMs;
    slide(this.times, this.n, first, step, steps, width, this.lo, this.hi);
    if (this.hn > 0) {
      slide(this.histogramTimes, this.hn, first, step, steps, width, this.hlo, this.hhi);
    } else if (this.hhi[steps - 1] !== 0 || this.hhi[0] !== 0) {
      this.hlo.fill(0);
      this.hhi.fill(0);
    }
  }
}

function slide(
  times: Float64Array | number[],
  n: number,
  firstEnd: number,
  step: number,
  steps: number,
  width: number,
  lo: Int32Array,
  hi: Int32Array,
): void {
  let l = 0;
  let h = 0;
  let end = firstEnd;
  for (let s = 0; s < steps; s++) {
    const start = end - width;
    while (h < n && times[h]! <= end) h++;
    while (l < h && times[l]! <= start) l++;
    lo[s] = l;
    hi[s] = h;
    end += step;
  }
}
