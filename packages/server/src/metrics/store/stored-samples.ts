// StoredSamples holds what one query needs of the database: for every series its chunks, in time order. They may
// reach beyond the range of the query and be shared with other queries.
import type { Labels, SampleBuffer } from "@belfry/core/model";
import type { SelectedSeries } from "../queryable.ts";
import type { StoredSeries } from "./metric-reader.ts";
import type { Chunk, StoredHistogram } from "./sample-columns.ts";

/** StoredSamples are the samples of one series with fromMs <= t <= toMs. */
export class StoredSamples {
  readonly series: StoredSeries;
  private readonly chunks: Chunk[] = [];
  private readonly fromMs: number;
  private readonly toMs: number;

  constructor(series: StoredSeries, fromMs: number, toMs: number) {
    this.series = series;
    this.fromMs = fromMs;
    this.toMs = toMs;
  }

  /** count returns how many samples of a chunk are in the range. */
  count(chunk: Chunk): number {
    const { columns, histograms } = chunk;
    let samples = 0;
    if (chunk.length > 0) samples = columns.bound(chunk, this.toMs + 1) - columns.bound(chunk, this.fromMs);
    if (histograms !== undefined) {
      for (const { timeMs } of histograms) if (timeMs >= this.fromMs && timeMs <= this.toMs) samples++;
    }
    return samples;
  }

  /** add takes a chunk in; its samples must be newer than those before. */
  add(chunk: Chunk): void {
    if (this.count(chunk) > 0) this.chunks.push(chunk);
  }

  /** isEmpty tells whether there is no sample in the range. */
  get isEmpty(): boolean {
    return this.chunks.length === 0;
  }

  /** read appends the samples with startMs <= t <= endMs to `into`. */
  read(startMs: number, endMs: number, into: SampleBuffer): void {
    const from = Math.max(startMs, this.fromMs);
    const to = Math.min(endMs, this.toMs);
    if (from > to) return;
    for (const chunk of this.chunks) {
      if (chunk.histograms !== undefined) readMixed(chunk, chunk.histograms, from, to, into);
      else readFloats(chunk, chunk.columns.bound(chunk, from), chunk.columns.bound(chunk, to + 1), into);
    }
  }
}

function readFloats(chunk: Chunk, first: number, end: number, into: SampleBuffer): void {
  const count = end - first;
  if (count <= 0) return;
  const { offsets, words, starts, baseMs } = chunk.columns;
  into.reserve(count);
  const at = into.length;
  const { times } = into;
  const timesFrom = chunk.timesFrom + first;
  for (let i = 0; i < count; i++) times[at + i] = baseMs + offsets[timesFrom + i]!;
  const from = chunk.from + first;
  into.words.set(words.subarray(2 * from, 2 * (from + count)), 2 * at);
  into.length = at + count;
  if (starts === undefined) return;
  for (let i = 0; i < count; i++) {
    const startMs = starts[from + i]!;
    if (startMs === 0) continue;
    into.starts ??= new Float64Array(into.times.length);
    into.starts[at + i] = startMs;
  }
}

function readMixed(
  chunk: Chunk,
  histograms: readonly StoredHistogram[],
  fromMs: number,
  toMs: number,
  into: SampleBuffer,
): void {
  const { columns, timesFrom } = chunk;
  let next = 0;
  while (next < histograms.length && histograms[next]!.timeMs < fromMs) next++;
  const end = columns.bound(chunk, toMs + 1);
  for (let i = columns.bound(chunk, fromMs); i < end; i++) {
    const timeMs = columns.baseMs + columns.offsets[timesFrom + i]!;
    while (next < histograms.length && histograms[next]!.timeMs <= timeMs) {
      if (histograms[next]!.timeMs < timeMs) push(into, histograms[next]!);
      next++;
    }
    readFloats(chunk, i, i + 1, into);
  }
  for (; next < histograms.length && histograms[next]!.timeMs <= toMs; next++) push(into, histograms[next]!);
}

function push(into: SampleBuffer, sample: StoredHistogram): void {
  into.pushHistogram(sample.timeMs, sample.histogram);
  if (sample.startMs !== 0) into.setStart(sample.startMs);
}

/** StitchedSeries is a selected series whose samples before `borderMs` come from the database and the rest from the head. */
export class StitchedSeries implements SelectedSeries {
  readonly labels: Labels;
  private readonly stored: StoredSamples;
  private readonly head: SelectedSeries | undefined;
  private readonly borderMs: number;

  constructor(stored: StoredSamples, head: SelectedSeries | undefined, borderMs: number) {
    this.labels = head?.labels ?? stored.series.labels;
    this.stored = stored;
    this.head = head;
    this.borderMs = borderMs;
  }

  read(startMs: number, endMs: number, into: SampleBuffer): void {
    if (startMs < this.borderMs) this.stored.read(startMs, Math.min(endMs, this.borderMs - 1), into);
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
