// ArrayStorage is a Queryable over plain arrays, for tests and benchmarks of the engine.
import { type Histogram, type Labels, type Matcher, matchesAll, SampleBuffer, setStaleNaN } from "@belfry/core/model";
import type { QueryContext, Queryable, SelectedSeries, SelectHints, SeriesSet } from "../queryable.ts";

/** ArraySample is a float, a histogram, "stale" for a staleness marker, or undefined for no sample. */
export type ArraySample = number | Histogram | "stale" | undefined;

/** ArraySeries is one series of an ArrayStorage. */
export class ArraySeries implements SelectedSeries {
  readonly labels: Labels;
  private readonly samples = new SampleBuffer();

  constructor(labels: Labels) {
    this.labels = labels;
  }

  /** append adds a sample; times must grow. */
  append(timeMs: number, sample: ArraySample, startMs?: number): void {
    if (sample === undefined) return;
    if (sample === "stale") {
      this.samples.push(timeMs, 0);
      setStaleNaN(this.samples.words, this.samples.length - 1);
    } else if (typeof sample === "number") this.samples.push(timeMs, sample);
    else this.samples.pushHistogram(timeMs, sample);
    if (startMs !== undefined) this.samples.setStart(startMs);
  }

  read(startMs: number, endMs: number, into: SampleBuffer): void {
    const { times, words, histograms, starts, length } = this.samples;
    const from = firstAtOrAfter(times, length, startMs);
    const to = firstAtOrAfter(times, length, endMs + 1);
    const at = into.length;
    into.reserve(to - from);
    into.times.set(times.subarray(from, to), at);
    // Through the words, because copying values may change the bits of a staleness marker.
    into.words.set(words.subarray(2 * from, 2 * to), 2 * at);
    into.length += to - from;
    for (let i = from; i < to; i++) {
      const histogram = histograms?.[i];
      if (histogram !== undefined) (into.histograms ??= [])[at + i - from] = histogram;
      if (starts) (into.starts ??= new Float64Array(into.times.length))[at + i - from] = starts[i]!;
    }
  }
}

function firstAtOrAfter(times: Float64Array, length: number, timeMs: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** ArrayStorage remembers what it was asked. */
export class ArrayStorage implements Queryable {
  readonly series: ArraySeries[] = [];
  readonly selects: { matchers: string; hints: SelectHints }[] = [];
  private readonly answers = new Map<string, SeriesSet>();

  /** add makes a series with samples at startMs, startMs + intervalMs, ... */
  add(labels: Labels, startMs: number, intervalMs: number, samples: Iterable<ArraySample>): ArraySeries {
    const series = new ArraySeries(labels);
    let timeMs = startMs;
    for (const sample of samples) {
      series.append(timeMs, sample);
      timeMs += intervalMs;
    }
    this.series.push(series);
    this.answers.clear();
    return series;
  }

  select(matchers: readonly Matcher[], hints: SelectHints, _context: QueryContext): Promise<SeriesSet> {
    const key = matchers.join(",");
    this.selects.push({ matchers: key, hints: { ...hints } });
    let answer = this.answers.get(key);
    if (answer === undefined) {
      answer = { series: this.series.filter((series) => matchesAll(series.labels, matchers)), warnings: [] };
      this.answers.set(key, answer);
    }
    return Promise.resolve(answer);
  }
}
