// Samples read from the database lie in columns, one set per span of time; a chunk is what one series has in one set.
// Series that are sampled at the same times and come one after the other share the times.
import type { Histogram } from "@belfry/core/model";
import type { HistogramSample, SampleBlock } from "../../database/index.ts";
import type { StoredSeries } from "./metric-reader.ts";

/** Chunk is what one series has in one set of columns. */
export interface Chunk {
  readonly idHigh: number;
  readonly idLow: number;
  readonly columns: Columns;
  /** from and length say where its values are, timesFrom where its times are. */
  readonly from: number;
  length: number;
  timesFrom: number;
  histograms: StoredHistogram[] | undefined;
  /** next is the chunk of another series with the same low half of the id. */
  next: Chunk | undefined;
}

/** StoredHistogram is one histogram sample of a known series. */
export interface StoredHistogram {
  timeMs: number;
  startMs: number;
  histogram: Histogram;
}

// What a chunk with its place in a map takes, and a histogram without its buckets.
const CHUNK_BYTES = 150;
const HISTOGRAM_BYTES = 500;

/** Columns holds the samples of some series in one span of time. */
export class Columns {
  /** baseMs is the beginning of the span; times are counted from it. */
  readonly baseMs: number;
  readonly chunks = new Map<number, Chunk>();
  offsets = new Uint32Array(64);
  words = new Uint32Array(128);
  starts: Float64Array | undefined;
  /** untilMs is when a cache must forget it. */
  untilMs = Infinity;
  private length = 0;
  private timesLength = 0;
  private chunkCount = 0;
  private histogramBytes = 0;
  private last: Chunk | undefined;

  constructor(baseMs: number) {
    this.baseMs = baseMs;
  }

  /** bytes is about what it takes. */
  get bytes(): number {
    const columns = 4 * this.timesLength + (this.starts === undefined ? 8 : 16) * this.length;
    return columns + this.chunkCount * CHUNK_BYTES + this.histogramBytes;
  }

  /** find returns the chunk of a series. */
  find(idHigh: number, idLow: number): Chunk | undefined {
    return findChunk(this.chunks, idHigh, idLow);
  }

  /** open begins the chunk of a series that has none here; the one before must be closed. */
  open(idHigh: number, idLow: number): Chunk {
    const chunk: Chunk = {
      idHigh,
      idLow,
      columns: this,
      from: this.length,
      length: 0,
      timesFrom: this.timesLength,
      histograms: undefined,
      next: this.chunks.get(idLow),
    };
    this.chunks.set(idLow, chunk);
    this.chunkCount++;
    return chunk;
  }

  /** push adds a sample to the open chunk. */
  push(timeMs: number, low: number, high: number, startMs: number): void {
    if (this.timesLength === this.offsets.length) this.offsets = grown(this.offsets);
    this.offsets[this.timesLength++] = timeMs - this.baseMs;
    const at = this.length++;
    if (2 * at === this.words.length) this.words = grown(this.words);
    this.words[2 * at] = low;
    this.words[2 * at + 1] = high;
    if (startMs !== 0 || this.starts !== undefined) this.setStart(at, startMs);
  }

  private setStart(at: number, startMs: number): void {
    const capacity = this.words.length >> 1;
    if (this.starts === undefined || this.starts.length < capacity) {
      const starts = new Float64Array(capacity);
      if (this.starts !== undefined) starts.set(this.starts);
      this.starts = starts;
    }
    this.starts[at] = startMs;
  }

  /** close ends a chunk. */
  close(chunk: Chunk): void {
    chunk.length = this.length - chunk.from;
    const { last, offsets } = this;
    this.last = chunk;
    if (last === undefined || last.length !== chunk.length) return;
    for (let i = 0; i < chunk.length; i++) {
      if (offsets[last.timesFrom + i] !== offsets[chunk.timesFrom + i]) return;
    }
    this.timesLength = chunk.timesFrom;
    chunk.timesFrom = last.timesFrom;
  }

  /** addHistogram adds a histogram sample, in time order per series, to a closed chunk. */
  addHistogram(chunk: Chunk, timeMs: number, startMs: number, histogram: Histogram): void {
    (chunk.histograms ??= []).push({ timeMs, startMs, histogram });
    this.histogramBytes += HISTOGRAM_BYTES + 8 * (histogram.positiveBuckets.length + histogram.negativeBuckets.length);
  }

  /** trim gives memory back that was reserved for more. */
  trim(): void {
    this.offsets = this.offsets.slice(0, this.timesLength);
    this.words = this.words.slice(0, 2 * this.length);
    this.starts &&= this.starts.slice(0, this.length);
  }

  /** bound is the first index of a chunk's samples at or after a time. */
  bound(chunk: Chunk, timeMs: number): number {
    const offset = timeMs - this.baseMs;
    const { offsets } = this;
    const { timesFrom } = chunk;
    let from = 0;
    let to = chunk.length;
    if (to > 0 && offsets[timesFrom]! >= offset) return 0;
    if (to > 0 && offsets[timesFrom + to - 1]! < offset) return to;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (offsets[timesFrom + middle]! < offset) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** findChunk finds the chunk of a series among those of many. */
export function findChunk(chunks: ReadonlyMap<number, Chunk>, idHigh: number, idLow: number): Chunk | undefined {
  let chunk = chunks.get(idLow);
  while (chunk !== undefined && chunk.idHigh !== idHigh) chunk = chunk.next;
  return chunk;
}

function grown(column: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(column.length * 2);
  larger.set(column);
  return larger;
}

/** Loader puts what the database returns into columns; rows of other series and times are dropped. */
export class Loader {
  /** columns are by number of the span. */
  readonly columns = new Map<number, Columns>();
  /** loaded counts the samples taken, inside the range that is asked for and outside. */
  loaded = 0;
  private readonly wanted = new Map<number, StoredSeries[]>();
  private readonly spanMs: number;
  private readonly startMs: number;
  private readonly endMs: number;
  private isWide = true;
  private low = -1;
  private high = -1;
  private isWanted = false;
  private current: Columns | undefined;
  private chunk: Chunk | undefined;
  private spanEndMs = 0;

  /** Spans must not reach across the four hours by which the tables are sorted. */
  constructor(series: readonly StoredSeries[], spanMs: number, startMs: number, endMs: number) {
    this.spanMs = spanMs;
    this.startMs = startMs;
    this.endMs = endMs;
    for (const one of series) {
      const others = this.wanted.get(one.idLow);
      if (others === undefined) this.wanted.set(one.idLow, [one]);
      else others.push(one);
    }
  }

  /** bytes is what the columns take. */
  get bytes(): number {
    let bytes = 0;
    for (const columns of this.columns.values()) bytes += columns.bytes;
    return bytes;
  }

  /** narrow drops from now on what lies outside the range that is asked for. */
  narrow(): void {
    this.isWide = false;
  }

  /** add takes a piece in and returns how many samples of it lie in the range that is asked for. */
  add(piece: SampleBlock): number {
    const { ids, times, words, starts, length } = piece;
    const { startMs, endMs, isWide } = this;
    let inRange = 0;
    let taken = 0;
    for (let i = 0; i < length; i++) {
      if (ids[2 * i] !== this.low || ids[2 * i + 1] !== this.high) this.begin(ids[2 * i + 1]!, ids[2 * i]!);
      if (!this.isWanted) continue;
      const timeMs = times[i]!;
      const isInRange = timeMs >= startMs && timeMs <= endMs;
      if (isInRange) inRange++;
      else if (!isWide) continue;
      if (this.chunk === undefined || timeMs >= this.spanEndMs) this.turn(timeMs);
      this.current!.push(timeMs, words[2 * i]!, words[2 * i + 1]!, starts === null ? 0 : starts[i]!);
      taken++;
    }
    this.loaded += taken;
    return inRange;
  }

  private begin(idHigh: number, idLow: number): void {
    this.end();
    this.low = idLow;
    this.high = idHigh;
    this.isWanted = this.isKnown(idHigh, idLow);
  }

  private isKnown(idHigh: number, idLow: number): boolean {
    const candidates = this.wanted.get(idLow);
    if (candidates === undefined) return false;
    for (const one of candidates) if (one.idHigh === idHigh) return true;
    return false;
  }

  private turn(timeMs: number): void {
    this.end();
    const number = Math.floor(timeMs / this.spanMs);
    this.current = this.columnsOf(number);
    this.chunk = this.current.open(this.high, this.low);
    this.spanEndMs = (number + 1) * this.spanMs;
  }

  private columnsOf(number: number): Columns {
    let columns = this.columns.get(number);
    if (columns === undefined) this.columns.set(number, (columns = new Columns(number * this.spanMs)));
    return columns;
  }

  /** end must be called when all pieces are in. A series that comes again later has a new span by then. */
  end(): void {
    if (this.chunk !== undefined) this.current!.close(this.chunk);
    this.chunk = undefined;
  }

  /** addHistogram takes a histogram in, after all pieces, and tells whether it lies in the range that is asked for. */
  addHistogram({ idHigh, idLow, timeMs, startMs, histogram }: HistogramSample): boolean {
    const isInRange = timeMs >= this.startMs && timeMs <= this.endMs;
    if ((!isInRange && !this.isWide) || !this.isKnown(idHigh, idLow)) return false;
    const columns = this.columnsOf(Math.floor(timeMs / this.spanMs));
    let chunk = columns.find(idHigh, idLow);
    if (chunk === undefined) columns.close((chunk = columns.open(idHigh, idLow)));
    columns.addHistogram(chunk, timeMs, startMs, histogram);
    this.loaded++;
    return isInRange;
  }

  /** fill gives every series a chunk in a span, so that a cache knows which have nothing there. */
  fill(number: number): Columns {
    const columns = this.columnsOf(number);
    for (const candidates of this.wanted.values()) {
      for (const { idHigh, idLow } of candidates) {
        if (columns.find(idHigh, idLow) === undefined) columns.close(columns.open(idHigh, idLow));
      }
    }
    return columns;
  }
}
