// Samples are kept as columns. A staleness marker is one exact NaN bit pattern that says "this series has
// ended"; arithmetic and ordinary JavaScript arrays may change the pattern, so values live in Float64Array
// and the marker is written and recognised through 32-bit views of the same memory.
import type { Histogram } from "./histogram.ts";

/** STALE_NAN_HIGH and STALE_NAN_LOW are the two halves of Prometheus' staleness NaN 0x7ff0000000000002. */
export const STALE_NAN_HIGH = 0x7ff00000;
export const STALE_NAN_LOW = 0x00000002;
/** NORMAL_NAN_HIGH and NORMAL_NAN_LOW are the halves of the NaN that Prometheus stores for an ordinary NaN. */
export const NORMAL_NAN_HIGH = 0x7ff80000;
export const NORMAL_NAN_LOW = 0x00000001;

if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) {
  throw new Error("BUG: this platform is big-endian; the column layout assumes little-endian");
}

/** setStaleNaN writes a staleness marker to `words` (a Uint32Array over the same buffer as the values) at sample `i`. */
export function setStaleNaN(words: Uint32Array, i: number): void {
  words[2 * i] = STALE_NAN_LOW;
  words[2 * i + 1] = STALE_NAN_HIGH;
}

/** isStaleNaN tells whether sample `i` is a staleness marker; `words` views the same buffer as the values. */
export function isStaleNaN(words: Uint32Array, i: number): boolean {
  return words[2 * i + 1] === STALE_NAN_HIGH && words[2 * i] === STALE_NAN_LOW;
}

/**
 * SampleBuffer is a growable column of samples of one series in time order, made to be reused.
 * `times` are Unix milliseconds. A histogram sample has its histogram in `histograms` and an
 * unspecified number in `values`; a stale histogram sample is an ordinary staleness marker.
 * `starts` are start timestamps (created timestamps) in milliseconds, 0 where unknown.
 * Only the first `length` entries mean anything.
 */
export class SampleBuffer {
  length = 0;
  times: Float64Array;
  values: Float64Array;
  /** words views `values` as 32-bit halves, for staleness markers and exact copies. */
  words: Uint32Array;
  histograms: (Histogram | undefined)[] | null = null;
  starts: Float64Array | null = null;

  constructor(capacity = 256) {
    this.times = new Float64Array(capacity);
    this.values = new Float64Array(capacity);
    this.words = new Uint32Array(this.values.buffer);
  }

  /** reserve makes room for `extra` more samples, keeping what is there. */
  reserve(extra: number): void {
    const need = this.length + extra;
    if (need <= this.times.length) return;
    const capacity = Math.max(need, this.times.length * 2);
    const times = new Float64Array(capacity);
    times.set(this.times.subarray(0, this.length));
    const values = new Float64Array(capacity);
    values.set(this.values.subarray(0, this.length));
    this.times = times;
    this.values = values;
    this.words = new Uint32Array(values.buffer);
    if (this.starts) {
      const starts = new Float64Array(capacity);
      starts.set(this.starts.subarray(0, this.length));
      this.starts = starts;
    }
  }

  clear(): void {
    this.length = 0;
    this.histograms = null;
    this.starts = null;
  }

  push(timeMs: number, value: number): void {
    this.reserve(1);
    this.times[this.length] = timeMs;
    this.values[this.length] = value;
    this.length++;
  }

  pushStale(timeMs: number): void {
    this.reserve(1);
    this.times[this.length] = timeMs;
    setStaleNaN(this.words, this.length);
    this.length++;
  }

  pushHistogram(timeMs: number, histogram: Histogram): void {
    this.reserve(1);
    this.times[this.length] = timeMs;
    this.values[this.length] = 0;
    (this.histograms ??= [])[this.length] = histogram;
    this.length++;
  }

  /** setStart sets the start timestamp of the sample pushed last. */
  setStart(startMs: number): void {
    this.starts ??= new Float64Array(this.times.length);
    this.starts[this.length - 1] = startMs;
  }

  isStale(i: number): boolean {
    return isStaleNaN(this.words, i) && this.histograms?.[i] === undefined;
  }
}
