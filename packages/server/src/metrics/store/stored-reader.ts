// Reads samples below the head's floor: from the cache what is there, the rest from the database in one go. What is
// read for the cache is widened to whole half hours.
import type { QueryContext } from "../queryable.ts";
import type { MetricReader, StoredSeries } from "./metric-reader.ts";
import { SampleCache, SPAN_MS } from "./sample-cache.ts";
import { type Chunk, type Columns, findChunk, Loader } from "./sample-columns.ts";
import { StoredSamples } from "./stored-samples.ts";

// The tables are sorted by these four hours, then by series.
const SORTED_MS = 4 * 3_600_000;
// Past these a query would only sweep the cache.
const MAX_CACHED_SERIES = 20_000;
const MAX_CACHED_CHUNKS = 200_000;
// More series than this are widened only when they are not read for a moment alone: half hours of them would cost
// many times what was asked for.
const FEW_SERIES = 1000;

/** StoredRange is what to read: startMs <= t <= endMs, below `borderMs`, where the head begins. */
export interface StoredRange {
  startMs: number;
  endMs: number;
  borderMs: number;
}

/** StoredReader reads the samples of stored series. */
export class StoredReader {
  /** cache must be told of samples that are written or deleted. */
  readonly cache: SampleCache;
  /** samplesRead counts the samples that were read from the database. */
  samplesRead = 0;
  private readonly reader: MetricReader;

  constructor(reader: MetricReader, cacheBytes: number, maxAgeMs: number) {
    this.reader = reader;
    this.cache = new SampleCache(cacheBytes, maxAgeMs);
  }

  /** read returns the series with samples in the range. What it charged is released when it rejects. */
  async read(
    series: readonly StoredSeries[],
    range: StoredRange,
    withHistograms: boolean,
    context: QueryContext,
  ): Promise<StoredSamples[]> {
    let held = 0;
    const charge = (samples: number): void => {
      if (samples === 0) return;
      context.budget.charge(samples);
      held += samples;
    };
    try {
      const samples = series.map((one) => new StoredSamples(one, range.startMs, range.endMs));
      const endSpan = cachedEnd(series.length, range);
      if (endSpan === undefined) {
        const loader = new Loader(series, SORTED_MS, range.startMs, range.endMs);
        await this.load(loader, series, range.startMs, range.endMs, withHistograms, context.signal, charge);
        const numbers = [...loader.columns.keys()].sort((a, b) => a - b);
        for (const number of numbers) addLoaded(samples, loader.columns.get(number));
      } else await this.readThrough(samples, range, endSpan, withHistograms, context.signal, charge);
      return samples.filter((one) => !one.isEmpty);
    } catch (cause) {
      context.budget.release(held);
      throw cause;
    }
  }

  private async readThrough(
    samples: readonly StoredSamples[],
    { startMs, endMs }: StoredRange,
    endSpan: number,
    withHistograms: boolean,
    signal: AbortSignal,
    charge: (samples: number) => void,
  ): Promise<void> {
    const firstSpan = Math.floor(startMs / SPAN_MS);
    const found = this.lookUp(samples, firstSpan, endSpan);
    const lastSpan = Math.floor(endMs / SPAN_MS);
    // Above the last whole half hour below the floor nothing is kept, so that all series are read there.
    const hasRest = lastSpan >= endSpan;
    const isMissing = (chunks: readonly (Chunk | undefined)[]): boolean => chunks.includes(undefined);
    let loadFirst = found.findIndex(isMissing);
    let loadLast = found.findLastIndex(isMissing);
    loadFirst = loadFirst < 0 ? endSpan : firstSpan + loadFirst;
    loadLast = hasRest ? lastSpan : firstSpan + loadLast;
    const wanted = hasRest ? samples : samples.filter((_, i) => found.some((chunks) => chunks[i] === undefined));
    const isWanted = new Set(wanted);
    for (let span = firstSpan; span < endSpan; span++) {
      const chunks = found[span - firstSpan]!;
      const isLoaded = span >= loadFirst && span <= loadLast;
      for (let i = 0; i < samples.length; i++) {
        if (isLoaded && isWanted.has(samples[i]!)) chunks[i] = undefined;
        else charge(samples[i]!.count(chunks[i]!));
      }
    }
    let loader: Loader | undefined;
    if (wanted.length > 0) {
      const series = wanted.map((one) => one.series);
      loader = new Loader(series, SPAN_MS, startMs, endMs);
      const load = this.cache.begin(Math.min(loadLast + 1, endSpan) * SPAN_MS);
      try {
        const to = hasRest ? endMs : (loadLast + 1) * SPAN_MS - 1;
        const isWhole = await this.load(loader, series, loadFirst * SPAN_MS, to, withHistograms, signal, charge);
        const keptEnd = isWhole ? Math.min(loadLast + 1, endSpan) : loadFirst;
        for (let span = loadFirst; span < keptEnd; span++) loader.fill(span);
        assemble(samples, found, loader, firstSpan, lastSpan);
        const nowMs = performance.now();
        for (let span = loadFirst; span < keptEnd; span++) {
          this.cache.put(load, span, loader.columns.get(span)!, nowMs);
        }
      } finally {
        this.cache.end(load);
      }
    } else assemble(samples, found, undefined, firstSpan, lastSpan);
  }

  private lookUp(samples: readonly StoredSamples[], firstSpan: number, endSpan: number): (Chunk | undefined)[][] {
    const { cache } = this;
    const { stats } = cache;
    const nowMs = performance.now();
    const usable = new Map<Columns, boolean>();
    const found: (Chunk | undefined)[][] = [];
    for (let span = firstSpan; span < endSpan; span++) {
      const known = cache.span(span);
      const chunks: (Chunk | undefined)[] = Array.from({ length: samples.length });
      let hits = 0;
      let last: Columns | undefined;
      let isUsable = false;
      for (let i = 0; known !== undefined && i < samples.length; i++) {
        const { idHigh, idLow } = samples[i]!.series;
        const chunk = findChunk(known, idHigh, idLow);
        if (chunk === undefined) continue;
        if (chunk.columns !== last) {
          last = chunk.columns;
          isUsable = usable.get(last) ?? cache.use(last, nowMs);
          usable.set(last, isUsable);
        }
        if (!isUsable) continue;
        chunks[i] = chunk;
        hits++;
      }
      stats.hits += hits;
      stats.misses += samples.length - hits;
      found.push(chunks);
    }
    return found;
  }

  // load returns whether everything between the two times is in the loader now: what would not fit the cache anyway
  // is not held beyond the range that is asked for.
  private async load(
    loader: Loader,
    series: readonly StoredSeries[],
    fromMs: number,
    toMs: number,
    withHistograms: boolean,
    signal: AbortSignal,
    charge: (samples: number) => void,
  ): Promise<boolean> {
    const { reader, cache } = this;
    let isWhole = true;
    const check = (): void => {
      signal.throwIfAborted();
      if (!isWhole || loader.bytes <= cache.maxBytes) return;
      isWhole = false;
      loader.narrow();
    };
    for await (const piece of reader.samples(series, fromMs, toMs, signal)) {
      charge(loader.add(piece));
      check();
    }
    loader.end();
    if (withHistograms) {
      for await (const row of reader.histograms(series, fromMs, toMs, signal)) {
        if (!loader.addHistogram(row)) continue;
        charge(1);
      }
      check();
    }
    this.samplesRead += loader.loaded;
    return isWhole;
  }
}

// cachedEnd is the end of the half hours that may be kept, undefined when the query is not one for the cache.
function cachedEnd(series: number, { startMs, endMs, borderMs }: StoredRange): number | undefined {
  if (!Number.isFinite(borderMs) || series > MAX_CACHED_SERIES) return undefined;
  if (series > FEW_SERIES && endMs - startMs < SPAN_MS / 2) return undefined;
  const first = Math.floor(startMs / SPAN_MS);
  const end = Math.min(Math.floor(endMs / SPAN_MS) + 1, Math.floor(borderMs / SPAN_MS));
  return end <= first || (end - first) * series > MAX_CACHED_CHUNKS ? undefined : end;
}

function addLoaded(samples: readonly StoredSamples[], columns: Columns | undefined): void {
  if (columns === undefined) return;
  for (const one of samples) {
    const chunk = columns.find(one.series.idHigh, one.series.idLow);
    if (chunk !== undefined) one.add(chunk);
  }
}

function assemble(
  samples: readonly StoredSamples[],
  found: readonly (readonly (Chunk | undefined)[])[],
  loader: Loader | undefined,
  firstSpan: number,
  lastSpan: number,
): void {
  for (let span = firstSpan; span <= lastSpan; span++) {
    const chunks = found[span - firstSpan];
    const columns = loader?.columns.get(span);
    for (let i = 0; i < samples.length; i++) {
      const one = samples[i]!;
      const chunk = chunks?.[i] ?? columns?.find(one.series.idHigh, one.series.idLow);
      if (chunk !== undefined) one.add(chunk);
    }
  }
}
