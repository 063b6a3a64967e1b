// StoredSamples holds what one query read from the database, as columns in the order they came, and finds the
// samples of a series in them. A series' samples are several runs: one per four-hour bucket and piece.
import type { Histogram, Labels, SampleBuffer } from "@belfry/core/model";
import type { SelectedSeries } from "../queryable.ts";
import type { HistogramSample, SampleBlock } from "../../database/index.ts";
import type { StoredSeries } from "./metric-reader.ts";

/** Entry is one series with its runs: first and end index alternately, in time order. */
interface Entry {
  series: StoredSeries;
  runs: number[];
  histograms: { timeMs: number; startMs: number; histogram: Histogram }[];
  /** next is another series with the same low half of the id. */
  next: Entry | undefined;
}

/** StoredSamples collects the samples of known series; rows of others are dropped. */
export class StoredSamples {
  private readonly entries = new Map<number, Entry>();
  private times = new Float64Array(0);
  private words = new Uint32Array(0);
  private starts: Float64Array | undefined;
  private count = 0;
  private histogramCount = 0;

  constructor(series: readonly StoredSeries[]) {
    for (const one of series) {
      this.entries.set(one.idLow, { series: one, runs: [], histograms: [], next: this.entries.get(one.idLow) });
    }
  }

  /** size is the number of samples held. */
  get size(): number {
    return this.count + this.histogramCount;
  }

  private find(idHigh: number, idLow: number): Entry | undefined {
    let entry = this.entries.get(idLow);
    while (entry !== undefined && entry.series.idHigh !== idHigh) entry = entry.next;
    return entry;
  }

  /** add takes a piece in and returns how many samples it brought. */
  add(piece: SampleBlock): number {
    const { ids, times, words, length } = piece;
    const starts = piece.starts?.some((startMs) => startMs !== 0) ? piece.starts : undefined;
    this.reserve(length, starts !== undefined);
    const before = this.count;
    let entry: Entry | undefined;
    let low = -1;
    let high = -1;
    for (let i = 0; i < length; i++) {
      if (ids[2 * i] !== low || ids[2 * i + 1] !== high) {
        low = ids[2 * i]!;
        high = ids[2 * i + 1]!;
        entry = this.find(high, low);
        // Unless it goes on where the piece before ended.
        if (entry !== undefined && entry.runs.at(-1) !== this.count) entry.runs.push(this.count, this.count);
      }
      if (entry === undefined) continue;
      const at = this.count++;
      this.times[at] = times[i]!;
      this.words[2 * at] = words[2 * i]!;
      this.words[2 * at + 1] = words[2 * i + 1]!;
      if (starts !== undefined) this.starts![at] = starts[i]!;
      entry.runs[entry.runs.length - 1] = this.count;
    }
    return this.count - before;
  }

  /** addHistogram takes a histogram in, in time order per series, and tells whether the series is known. */
  addHistogram({ idHigh, idLow, timeMs, startMs, histogram }: HistogramSample): boolean {
    const entry = this.find(idHigh, idLow);
    entry?.histograms.push({ timeMs, startMs, histogram });
    if (entry !== undefined) this.histogramCount++;
    return entry !== undefined;
  }

  /** seriesWithSamples lists the series that have at least one sample here. */
  *seriesWithSamples(): IterableIterator<StoredSeries> {
    for (const head of this.entries.values()) {
      for (let entry: Entry | undefined = head; entry !== undefined; entry = entry.next) {
        if (entry.runs.length > 0 || entry.histograms.length > 0) yield entry.series;
      }
    }
  }

  /** read appends the samples of a series with startMs <= t <= endMs to `into`. */
  read(idHigh: number, idLow: number, startMs: number, endMs: number, into: SampleBuffer): void {
    const entry = this.find(idHigh, idLow);
    if (entry === undefined) return;
    let next = 0;
    const { runs, histograms } = entry;
    while (next < histograms.length && histograms[next]!.timeMs < startMs) next++;
    for (let run = 0; run < runs.length; run += 2) {
      const from = this.lowerBound(runs[run]!, runs[run + 1]!, startMs);
      const to = this.lowerBound(from, runs[run + 1]!, endMs + 1);
      for (let i = from; i < to; i++) {
        while (next < histograms.length && histograms[next]!.timeMs <= this.times[i]!) {
          if (histograms[next]!.timeMs < this.times[i]!) push(into, histograms[next]!);
          next++;
        }
        into.reserve(1);
        const at = into.length++;
        into.times[at] = this.times[i]!;
        into.words[2 * at] = this.words[2 * i]!;
        into.words[2 * at + 1] = this.words[2 * i + 1]!;
        if (this.starts !== undefined && this.starts[i] !== 0) into.setStart(this.starts[i]!);
      }
    }
    for (; next < histograms.length && histograms[next]!.timeMs <= endMs; next++) push(into, histograms[next]!);
  }

  private lowerBound(from: number, to: number, timeMs: number): number {
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.times[middle]! < timeMs) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  private reserve(extra: number, withStarts: boolean): void {
    const need = this.count + extra;
    if (withStarts && this.starts === undefined) this.starts = new Float64Array(this.times.length);
    if (need <= this.times.length) return;
    const capacity = Math.max(need, this.times.length * 2);
    const times = new Float64Array(capacity);
    times.set(this.times.subarray(0, this.count));
    this.times = times;
    const words = new Uint32Array(2 * capacity);
    words.set(this.words.subarray(0, 2 * this.count));
    this.words = words;
    if (this.starts !== undefined) {
      const starts = new Float64Array(capacity);
      starts.set(this.starts.subarray(0, this.count));
      this.starts = starts;
    }
  }
}

function push(into: SampleBuffer, sample: { timeMs: number; startMs: number; histogram: Histogram }): void {
  into.pushHistogram(sample.timeMs, sample.histogram);
  if (sample.startMs !== 0) into.setStart(sample.startMs);
}

/** StitchedSeries is a selected series whose samples before `borderMs` come from the database and the rest from the head. */
export class StitchedSeries implements SelectedSeries {
  readonly labels: Labels;
  private readonly stored: StoredSamples;
  private readonly id: StoredSeries;
  private readonly head: SelectedSeries | undefined;
  private readonly borderMs: number;

  constructor(stored: StoredSamples, id: StoredSeries, head: SelectedSeries | undefined, borderMs: number) {
    this.labels = head?.labels ?? id.labels;
    this.stored = stored;
    this.id = id;
    this.head = head;
    this.borderMs = borderMs;
  }

  read(startMs: number, endMs: number, into: SampleBuffer): void {
    if (startMs < this.borderMs) {
      this.stored.read(this.id.idHigh, this.id.idLow, startMs, Math.min(endMs, this.borderMs - 1), into);
    }
    if (endMs >= this.borderMs) this.head?.read(Math.max(startMs, this.borderMs), endMs, into);
  }
}

/** AboveBorder is a selected series of the head alone, in a query whose older part the database was asked for. */
export class AboveBorder implements SelectedSeries {
  readonly labels: Labels;
  private readonly head: SelectedSeries;
  private readonly borderMs: number;

  constructor(head: SelectedSeries, borderMs: number) {
    this.labels = head.labels;
    this.head = head;
    this.borderMs = borderMs;
  }

  read(startMs: number, endMs: number, into: SampleBuffer): void {
    if (endMs >= this.borderMs) this.head.read(Math.max(startMs, this.borderMs), endMs, into);
  }
}
