// The samples of an anchored or smoothed range as an answer: those inside, and one at either border.
import { interpolate } from "./extended-rate.ts";

interface Floats {
  times: Float64Array;
  values: Float64Array;
}

/** extendFloats cuts widened samples to the range and puts samples at its borders; empty when nothing is inside. */
export function extendFloats({ times, values }: Floats, startMs: number, endMs: number, smoothed: boolean): Floats {
  let last = times.length - 1;
  let first = 0;
  while (first < last && times[first]! <= startMs) first++;
  first = Math.max(0, first - 1);
  if (smoothed) {
    let at = 0;
    while (at < last && times[at]! < endMs) at++;
    last = at;
  }
  if (last < 0 || times[last]! <= startMs) return { times: new Float64Array(0), values: new Float64Array(0) };
  const at = (i: number, time: number): number =>
    interpolate(times[i]!, values[i]!, times[i + 1]!, values[i + 1]!, time, false);
  const left = smoothed && times[first]! < startMs ? at(first, startMs) : values[first]!;
  const right = smoothed && last > 0 && times[last]! > endMs ? at(last - 1, endMs) : values[last]!;
  if (times[first]! <= startMs) first++;
  if (times[last]! >= endMs) last--;
  const inside = Math.max(0, last - first + 1);
  const out = { times: new Float64Array(inside + 2), values: new Float64Array(inside + 2) };
  out.times[0] = startMs;
  out.values[0] = left;
  out.times.set(times.subarray(first, first + inside), 1);
  out.values.set(values.subarray(first, first + inside), 1);
  out.times[inside + 1] = endMs;
  out.values[inside + 1] = right;
  return out;
}
