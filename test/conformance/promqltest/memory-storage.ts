// A plain Queryable in memory: what promqltest scripts load, and what comparisons with a real Prometheus are fed.
import {
  type Histogram,
  type Labels,
  matchesAll,
  type Matcher,
  type SampleBuffer,
  storedCounterResetHint,
} from "@belfry/core/model";
import type { Queryable, SelectedSeries, SeriesSet } from "../../../packages/server/src/metrics/queryable.ts";

/** MemorySample is one sample to add; `startMs` is its start timestamp, 0 for none. */
export interface MemorySample {
  timeMs: number;
  value: number;
  stale?: boolean;
  histogram?: Histogram | undefined;
  startMs?: number;
}

/** MemoryStorage keeps series and finds them by looking at every one. */
export class MemoryStorage implements Queryable {
  private readonly series = new Map<string, MemorySeries>();

  /** append adds samples to a series, in any order; one at a time the series has already replaces it. */
  append(labels: Labels, samples: readonly MemorySample[]): void {
    let series = this.series.get(labels.key);
    if (!series) {
      series = new MemorySeries(labels);
      this.series.set(labels.key, series);
    }
    series.append(samples);
  }

  clear(): void {
    this.series.clear();
  }

  /** all lists the series, in the order in which they were added. */
  all(): IterableIterator<SelectedSeries> {
    return this.series.values();
  }

  select(matchers: readonly Matcher[]): Promise<SeriesSet> {
    const series: SelectedSeries[] = [];
    for (const one of this.series.values()) if (matchesAll(one.labels, matchers)) series.push(one);
    return Promise.resolve({ series, warnings: [] });
  }
}

class MemorySeries implements SelectedSeries {
  readonly labels: Labels;
  private samples: MemorySample[] = [];

  constructor(labels: Labels) {
    this.labels = labels;
  }

  append(added: readonly MemorySample[]): void {
    if (added.length === 0) return;
    const last = this.samples.at(-1);
    const inOrder = last === undefined || last.timeMs < added[0].timeMs;
    const from = inOrder ? this.samples.length : 0;
    for (const sample of added) this.samples.push(sample);
    if (!inOrder) {
      const byTime = new Map(this.samples.map((sample) => [sample.timeMs, sample]));
      this.samples = [...byTime.values()].toSorted((a, b) => a.timeMs - b.timeMs);
    }
    this.setHints(from);
  }

  /** setHints gives histograms the counter reset hints they have when they come from a store. */
  private setHints(from: number): void {
    for (let i = from; i < this.samples.length; i++) {
      const { histogram } = this.samples[i];
      if (!histogram) continue;
      const counterResetHint = storedCounterResetHint(histogram, this.samples[i - 1]?.histogram);
      this.samples[i] = { ...this.samples[i], histogram: { ...histogram, counterResetHint } };
    }
  }

  read(startMs: number, endMs: number, into: SampleBuffer): void {
    const { samples } = this;
    let low = 0;
    let high = samples.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (samples[middle].timeMs < startMs) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < samples.length && samples[i].timeMs <= endMs; i++) {
      const sample = samples[i];
      if (sample.stale) into.pushStale(sample.timeMs);
      else if (sample.histogram) into.pushHistogram(sample.timeMs, sample.histogram);
      else into.push(sample.timeMs, sample.value);
      if (sample.startMs) into.setStart(sample.startMs);
    }
  }
}
