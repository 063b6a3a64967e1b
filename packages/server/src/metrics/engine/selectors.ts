// Instant selectors: for every step the latest sample at or before it, unless that sample is a staleness
// marker or as old as the lookback.
import { type Histogram, isStaleNaN, type SampleBuffer } from "@belfry/core/model";
import type { SelectorPlan } from "./plan.ts";
import { withDetectedReset } from "./reset-hints.ts";
import { ABSENT, FLOAT, type Frame, HISTOGRAM, type Row } from "./row.ts";

/** LatestKind is what of the latest sample is wanted: its value, its time in seconds or milliseconds, its start time. */
export type LatestKind = "value" | "time" | "timeMs" | "start";

/** LatestSamples finds the latest sample of each step, for one series after the other. */
export class LatestSamples {
  private readonly frame: Frame;
  private readonly plan: SelectorPlan;
  private readonly lookbackMs: number;
  /** at is the index of the latest sample of each step, -1 for none. */
  private readonly at: Int32Array;
  private found = 0;
  // The times that `at` belongs to; -1 for none.
  private placedTimes = new Float64Array(0);
  private placed = -1;

  constructor(frame: Frame, plan: SelectorPlan, lookbackMs: number) {
    this.frame = frame;
    this.plan = plan;
    this.lookbackMs = lookbackMs;
    this.at = new Int32Array(frame.steps);
  }

  /** fill puts the latest samples of `buffer` into `row` and returns how many steps are present. */
  fill(buffer: SampleBuffer, row: Row, kind: LatestKind = "value"): number {
    this.place(buffer);
    row.histograms = null;
    row.count = this.found;
    if (kind === "value" && buffer.histograms === null) this.floats(buffer, row);
    else this.samples(buffer, row, kind);
    return row.count;
  }

  private place({ times, length }: SampleBuffer): void {
    // Fast path: series of one target share their times.
    if (length === this.placed && this.sameTimes(times)) return;
    const { at, frame, plan, lookbackMs } = this;
    const step = plan.atMs === undefined ? frame.stepMs : 0;
    let reference = (plan.atMs ?? frame.startMs) - plan.offsetMs;
    let next = 0;
    let found = 0;
    for (let s = 0; s < at.length; s++) {
      while (next < length && times[next]! <= reference) next++;
      const isFound = next > 0 && times[next - 1]! > reference - lookbackMs;
      at[s] = isFound ? next - 1 : -1;
      if (isFound) found++;
      reference += step;
    }
    this.found = found;
    if (this.placedTimes.length < length) this.placedTimes = new Float64Array(times.length);
    for (let i = 0; i < length; i++) this.placedTimes[i] = times[i]!;
    this.placed = length;
  }

  private sameTimes(times: Float64Array): boolean {
    const { placedTimes, placed } = this;
    for (let i = 0; i < placed; i++) if (times[i] !== placedTimes[i]) return false;
    return true;
  }

  private floats({ values, words }: SampleBuffer, row: Row): void {
    const { at, found } = this;
    const { present, values: out } = row;
    const steps = at.length;
    let sum = 0;
    if (found === steps) {
      present.fill(FLOAT);
      for (let s = 0; s < steps; s++) {
        const value = values[at[s]!]!;
        out[s] = value;
        sum += value;
      }
    } else {
      for (let s = 0; s < steps; s++) {
        const i = at[s]!;
        if (i < 0) {
          present[s] = ABSENT;
          continue;
        }
        present[s] = FLOAT;
        const value = values[i]!;
        out[s] = value;
        sum += value;
      }
    }
    // Without a NaN in the sum there is none among the values, and so no staleness marker.
    if (sum === sum) return;
    for (let s = 0; s < steps; s++) {
      if (present[s] === FLOAT && isStaleNaN(words, at[s]!)) {
        present[s] = ABSENT;
        row.count--;
      }
    }
  }

  // Slow path: histograms, or something else than values.
  private samples({ times, values, words, histograms, starts }: SampleBuffer, row: Row, kind: LatestKind): void {
    const { at } = this;
    const out = row.values;
    let found: (Histogram | undefined)[] | null = null;
    for (let s = 0; s < at.length; s++) {
      const i = at[s]!;
      row.present[s] = ABSENT;
      if (i < 0) continue;
      const histogram = histograms === null ? undefined : histograms[i];
      if (histogram === undefined && isStaleNaN(words, i)) {
        row.count--;
        continue;
      }
      row.present[s] = FLOAT;
      switch (kind) {
        case "value":
          if (histogram === undefined) out[s] = values[i]!;
          else {
            row.present[s] = HISTOGRAM;
            (found ??= [])[s] = this.plan.statsOnly ? withDetectedReset(histogram, histograms![i - 1]) : histogram;
          }
          break;
        case "time":
          out[s] = times[i]! / 1000;
          break;
        case "timeMs":
          out[s] = times[i]!;
          break;
        case "start":
          out[s] = (starts === null ? 0 : starts[i]!) / 1000;
      }
    }
    row.histograms = found;
  }
}
