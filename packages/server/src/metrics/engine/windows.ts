// RangeWindows holds the samples of one series and, for every step, which of them lie in the window. Floats and
// histograms of a series that has both are kept apart, as the functions over ranges want them. One object
// serves all series of a selector in turn; nothing is allocated per series once it has grown.
//
// Windows are open on the left: a sample at exactly `end - range` is not inside.
import { type Histogram, isStaleNaN, SampleBuffer } from "@belfry/core/model";
import type { SelectedSeries } from "../queryable.ts";
import { withDetectedReset, withoutResetHint } from "./reset-hints.ts";
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

/** WindowOptions tells what is wanted beside times and values. */
export interface WindowOptions {
  /** useStarts keeps start timestamps. */
  useStarts?: boolean;
  /** detectResets gives histograms without a reset hint the detected one. */
  detectResets?: boolean;
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

  /** version changes whenever windows or sample times do; what depends on times only can be kept while it stays. */
  version = 0;
  /** total is the number of floats in all windows, largest that in the largest one. */
  total = 0;
  largest = 0;

  private readonly buffer = new SampleBuffer();
  private readonly frame: Frame;
  private readonly shape: WindowShape;
  private readonly useStarts: boolean;
  private readonly detectResets: boolean;
  // The times that lo and hi belong to; -1 for none.
  private placedTimes = new Float64Array(0);
  private placed = -1;

  constructor(frame: Frame, shape: WindowShape, options: WindowOptions = {}) {
    this.frame = frame;
    this.shape = shape;
    this.useStarts = options.useStarts ?? false;
    this.detectResets = options.detectResets ?? false;
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
    if (!mayHoldNaN(buffer.values, buffer.length)) return;
    for (let i = 0; i < buffer.length; i++) {
      if (isStaleNaN(buffer.words, i)) {
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
        this.histograms.push(withoutResetHint(row.histograms![step]!));
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
    let previous: Histogram | undefined;
    for (let i = 0; i < length; i++) {
      const histogram = from[i];
      if (histogram !== undefined) {
        this.histogramTimes.push(times[i]!);
        this.histograms.push(this.detectResets ? withDetectedReset(histogram, previous) : histogram);
        previous = histogram;
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
  place(): void {
    const { shape } = this;
    const { startMs, stepMs, steps } = this.frame;
    // Fast path: series of one target share their times, and so their windows.
    if (this.hn === 0 && this.n === this.placed && this.sameTimes()) return;
    const width = shape.rangeMs + shape.beforeMs + shape.afterMs;
    const fixed = shape.atMs !== undefined;
    const first = (shape.atMs ?? startMs) - shape.offsetMs + shape.afterMs;
    const step = fixed ? 0 : stepMs;
    slide(this.times, this.n, first, step, steps, width, this.lo, this.hi);
    this.measure();
    this.version++;
    if (this.hn > 0) {
      slide(this.histogramTimes, this.hn, first, step, steps, width, this.hlo, this.hhi);
      this.placed = -1;
      return;
    }
    if (this.hasHistogramWindows) {
      this.hlo.fill(0);
      this.hhi.fill(0);
    }
    if (this.placedTimes.length < this.n) this.placedTimes = new Float64Array(this.times.length);
    for (let i = 0; i < this.n; i++) this.placedTimes[i] = this.times[i]!;
    this.placed = this.n;
  }

  private get hasHistogramWindows(): boolean {
    const steps = this.frame.steps;
    return this.hhi[0] !== 0 || this.hhi[steps - 1] !== 0;
  }

  private sameTimes(): boolean {
    const { times, placedTimes, n } = this;
    for (let i = 0; i < n; i++) if (times[i] !== placedTimes[i]) return false;
    return true;
  }

  private measure(): void {
    const { lo, hi } = this;
    let total = 0;
    let largest = 0;
    for (let s = 0; s < lo.length; s++) {
      const size = hi[s]! - lo[s]!;
      total += size;
      if (size > largest) largest = size;
    }
    this.total = total;
    this.largest = largest;
  }
}

// mayHoldNaN is false when no value is a NaN. A sum is NaN when an addend is; four of them do not wait for each other.
function mayHoldNaN(values: Float64Array, n: number): boolean {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    a += values[i]!;
    b += values[i + 1]!;
    c += values[i + 2]!;
    d += values[i + 3]!;
  }
  for (; i < n; i++) a += values[i]!;
  a += b + c + d;
  return a !== a;
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
