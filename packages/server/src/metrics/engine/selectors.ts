// Instant selectors: for every step the latest sample at or before it, unless that sample is a staleness
// marker or as old as the lookback.
import { isStaleNaN, SampleBuffer, type Histogram } from "@belfry/core/model";
import { ABSENT, FLOAT, type Frame, HISTOGRAM, type Row } from "./row.ts";
import type { SelectorPlan } from "./plan.ts";

/** LatestKind is what of the latest sample is wanted: its value, its time in seconds or milliseconds, its start time. */
export type LatestKind = "value" | "time" | "timeMs" | "start";

/**
 * selectLatest fills `row` from the samples in `buffer` and returns how many steps are present. Steps that see
 * a histogram get the histogram for kind "value".
 */
export function selectLatest(
  buffer: SampleBuffer,
  row: Row,
  frame: Frame,
  plan: SelectorPlan,
  lookbackMs: number,
  kind: LatestKind = "value",
): number {
  const { times, values, words, histograms, starts, length } = buffer;
  const out = row.values;
  const present = row.present;
  const step = plan.atMs === undefined ? frame.stepMs : 0;
  let reference = (plan.atMs ?? frame.startMs) - plan.offsetMs;
  let next = 0;
  let count = 0;
  let found: (Histogram | undefined)[] | null = null;
  for (let s = 0; s < frame.steps; s++) {
    while (next < length && times[next]! <= reference) next++;
    const i = next - 1;
    if (i < 0 || times[i]! <= reference - lookbackMs) {
      present[s] = ABSENT;
    } else {
      const value = values[i]!;
      const histogram = histograms === null ? undefined : histograms[i];
      if (histogram === undefined && value !== value && isStaleNaN(words, i)) {
        present[s] = ABSENT;
      } else {
        count++;
        present[s] = FLOAT;
        if (kind === "value") {
          if (histogram === undefined) {
            out[s] = value;
          } else {
            present[s] = HISTOGRAM;
            (found ??= [])[s] = histogram;
          }
        } else if (kind === "time") out[s] = times[i]! / 1000;
        else if (kind === "timeMs") out[s] = times[i]!;
        else out[s] = (starts === null ? 0 : starts[i]!) / 1000;
      }
    }
    reference += step;
  }
  row.histograms = found;
  row.count = count;
  return count;
}
