// Head keeps the recent hours of every active series in memory. The database is the truth: whatever is here was,
// or is about to be, written there, and a restart rebuilds the head by reading it back.
//
//   append -> chunk (grows to 120 samples) -> next chunk ... -> dropped when older than the window
//        \-> rows -> batch writer -> ClickHouse (acknowledged)
//
// Invariant: for every time >= floorMs the head has all samples that were accepted. Below the floor it may have
// some, which are not to be used: older times are read from the database. The floor follows the newest sample at
// the distance of the window; what lies below is freed a little later, because a running query may have been
// told that it is in memory. While the head is rebuilt the floor is above the window and comes down step by step;
// new samples are kept from `keepMs` on, where it will end.
//
// Memory is counted as it is taken. Past the budget the window shrinks, down to MIN_WINDOW_MS; past that new
// series are refused. The process never is.
import { type Histogram, Labels, type Matcher, SampleBuffer } from "@belfry/core/model";
import { AppendFailure, type SeriesRef } from "../appender.ts";
import { bug } from "../../lib/errors.ts";
import { Chunks } from "./chunks.ts";
import { type HeadStats, newHeadStats } from "./head-stats.ts";
import { HistogramColumn, sameHistogram } from "./histogram-column.ts";
import { LabelIndex } from "./label-index.ts";
import { SeriesRow, SeriesTable } from "./series-table.ts";
import { CHUNK_SAMPLES } from "./slab-pool.ts";
import type { TimeBlocks } from "./time-blocks.ts";

const MINUTE_MS = 60_000;
/** DEFAULT_WINDOW_MS covers what dashboards and rules ask for most. */
export const DEFAULT_WINDOW_MS = 180 * MINUTE_MS;
/** MIN_WINDOW_MS is what stays whatever happens: rules look back five minutes and need some slack. */
export const MIN_WINDOW_MS = 10 * MINUTE_MS;
// Prometheus accepts in-order samples down to half a block (one hour) before the newest of the head.
const APPENDABLE_MS = 60 * MINUTE_MS;
// The longest query runs two minutes; what it selected stays that long.
const GRACE_MS = 2.5 * MINUTE_MS;
// Checking the budget costs about 20 ns; a series takes about 500 bytes, so 512 of them are 250 kB.
const BUDGET_CHECK_SERIES = 512;
const MAX_TIME_SPAN_MS = 0xffffffff;

/** HeadOptions bounds a head. */
export interface HeadOptions {
  /** now is the present in Unix milliseconds. */
  now(): number;
  windowMs?: number;
  budgetBytes?: number;
  /** outOfOrderWindowMs is how much older than the newest sample of the head a sample may be; 0 accepts none. */
  outOfOrderWindowMs?: number;
  /** maxFutureMs is how far ahead of the clock a sample may be. */
  maxFutureMs?: number;
  /** maxSeries refuses new series past this number; 0 leaves it to the budget. */
  maxSeries?: number;
}

/** Head is the store in memory. Everything here is synchronous; times are Unix milliseconds. */
export class Head {
  readonly series = new SeriesTable();
  readonly index = new LabelIndex();
  readonly chunks = new Chunks();
  readonly stats: HeadStats;
  /** windowMs is what is configured; stats.windowMs is what the budget allows at present. */
  windowMs: number;
  outOfOrderWindowMs: number;
  maxFutureMs: number;
  maxSeries: number;
  /** floorMs is the time from which on the head has every accepted sample. */
  floorMs = -Infinity;
  /** keepMs is the time from which on samples are taken into memory; at most floorMs. */
  keepMs = -Infinity;
  /** maxTimeMs is the newest sample of all, -Infinity when there is none. */
  maxTimeMs = -Infinity;
  private readonly now: () => number;
  private readonly budgetBytes: number;
  private limitMs = Infinity;
  private refusing = false;
  private createdSinceCheck = 0;
  private round = 1;
  private knownOldest = Infinity;
  // The time block used last in the batch that is being committed: series of one scrape share it.
  private batchBlock = -1;
  private batchTime = NaN;
  private readonly buffer = new SampleBuffer(CHUNK_SAMPLES * 2);
  private readonly pairsOf = (slot: number): readonly string[] => this.series.labels(slot).pairs;
  private readonly intern = (slot: number, pairs: readonly string[]): string[] => this.index.add(slot, pairs);

  constructor(options: HeadOptions) {
    this.now = () => options.now();
    this.windowMs = options.windowMs ?? DEFAULT_WINDOW_MS;
    this.budgetBytes = options.budgetBytes ?? Infinity;
    this.outOfOrderWindowMs = options.outOfOrderWindowMs ?? 0;
    this.maxFutureMs = options.maxFutureMs ?? 10 * MINUTE_MS;
    this.maxSeries = options.maxSeries ?? 0;
    this.stats = newHeadStats(this.budgetBytes, this.windowMs);
  }

  /** limitNow looks at the clock and returns the latest time that may be appended; `check` reckons with it until the next call. */
  limitNow(): number {
    this.limitMs = this.now() + this.maxFutureMs;
    return this.limitMs;
  }

  /** resolve returns the slot for a ref or labels, creating the series when it is new; or AppendFailure.SeriesLimit. */
  resolve(ref: SeriesRef, labels: Labels): number {
    let slot = this.series.slotOf(ref);
    if (slot < 0) {
      slot = this.series.find(labels.pairs);
      if (slot < 0) {
        if (!this.mayCreate()) {
          this.stats.rejectedSeriesLimit++;
          return AppendFailure.SeriesLimit;
        }
        slot = this.series.create(labels.pairs, this.intern);
        this.stats.seriesCreated++;
      }
    }
    this.series.touched[slot] = this.round;
    return slot;
  }

  /** restore enters a series that the database has under an id, with a row for a day (since 1970). */
  restore(pairs: readonly string[], idHigh: number, idLow: number, day: number): number {
    const { series } = this;
    let slot = series.find(pairs);
    if (slot < 0) slot = series.createWithId(pairs, idHigh, idLow, this.intern);
    series.touched[slot] = this.round;
    if (series.row[slot] !== SeriesRow.InFlight && series.rowDay[slot]! <= day) {
      series.row[slot] = SeriesRow.Durable;
      series.rowDay[slot] = day;
    }
    return slot;
  }

  /**
   * check says whether a sample may be appended: 0, or an AppendFailure. `low` and `high` are the halves of the
   * value; for a histogram it is given instead. Times beyond `futureLimitMs` are the caller's to refuse.
   */
  check(
    slot: number,
    timeMs: number,
    low: number,
    high: number,
    histogram: Histogram | undefined,
    allowOutOfOrder: boolean,
  ): 0 | AppendFailure {
    const last = this.series.lastTime[slot]!;
    // A newest sample ahead of a clock that was set back must not lock everybody else out.
    const bound = Math.min(this.maxTimeMs, this.limitMs) - APPENDABLE_MS;
    if (timeMs >= bound) {
      if (timeMs > last) return 0;
      if (timeMs === last) return this.isSameAsLast(slot, low, high, histogram) ? 0 : AppendFailure.Duplicate;
    }
    if (allowOutOfOrder && this.outOfOrderWindowMs > 0) {
      return timeMs >= this.maxTimeMs - this.outOfOrderWindowMs ? 0 : AppendFailure.TooOld;
    }
    return timeMs < bound ? AppendFailure.OutOfBounds : AppendFailure.OutOfOrder;
  }

  private isSameAsLast(slot: number, low: number, high: number, histogram: Histogram | undefined): boolean {
    const chunk = this.series.lastChunk[slot]!;
    // Freed already: what the last value was is known for floats only.
    const wasHistogram = chunk >= 0 && this.chunks.isHistogram(chunk);
    if (histogram !== undefined) return wasHistogram && sameHistogram(this.chunks.lastHistogram(chunk), histogram);
    if (wasHistogram) return false;
    return this.series.lastWords[2 * slot] === low && this.series.lastWords[2 * slot + 1] === high;
  }

  /** beginBatch starts a commit: series appended in one batch at one time come to share their timestamps. */
  beginBatch(): void {
    this.batchBlock = -1;
    this.batchTime = NaN;
  }

  /**
   * append puts a sample that `check` has passed. It returns true when the sample is new (to be written to the
   * database) and false when the series has it already, or an AppendFailure that only the place it falls shows.
   */
  append(
    slot: number,
    timeMs: number,
    value: number,
    low: number,
    high: number,
    histogram: Histogram | undefined,
    startMs: number,
  ): boolean | AppendFailure {
    const series = this.series;
    const last = series.lastTime[slot]!;
    if (timeMs === last) return false;
    if (timeMs < last) return this.insert(slot, timeMs, low, high, histogram, startMs);
    if (timeMs >= this.keepMs) this.appendNewest(slot, timeMs, value, low, high, histogram, startMs);
    else if (series.lastChunk[slot]! >= 0) this.chunks.close(series.lastChunk[slot]!);
    series.lastTime[slot] = timeMs;
    series.lastWords[2 * slot] = low;
    series.lastWords[2 * slot + 1] = high;
    if (timeMs > this.maxTimeMs) this.maxTimeMs = timeMs;
    return true;
  }

  private appendNewest(
    slot: number,
    timeMs: number,
    value: number,
    low: number,
    high: number,
    histogram: Histogram | undefined,
    startMs: number,
  ): void {
    const { series, chunks } = this;
    const chunk = series.lastChunk[slot]!;
    let successor = -1;
    if (chunk >= 0) {
      const block = chunks.blockOf(chunk);
      const n = chunks.lengthOf(chunk);
      const position = chunks.offsetOf(chunk) + n;
      if (
        position < CHUNK_SAMPLES &&
        !chunks.isClosed(chunk) &&
        chunks.isHistogram(chunk) === (histogram !== undefined)
      ) {
        const advanced = chunks.times.advance(block, position, timeMs);
        if (advanced >= 0) {
          if (advanced !== block) chunks.moveTo(chunk, advanced);
          let fitted = true;
          if (histogram === undefined) chunks.append(chunk, value, low, high, series.lastValue[slot]!);
          else fitted = chunks.appendHistogram(chunk, histogram);
          if (fitted) {
            chunks.setStart(chunk, n, startMs);
            this.batchBlock = advanced;
            this.batchTime = timeMs;
            return;
          }
          // The histogram's layout changed; the timestamp is in place for the new chunk.
          this.batchBlock = advanced;
          this.batchTime = timeMs;
          this.startChunk(slot, chunk, advanced, position, value, low, high, histogram, startMs);
          return;
        }
      }
      if (position === CHUNK_SAMPLES && this.batchTime !== timeMs) successor = chunks.times.successor(block, timeMs);
    }
    let block: number;
    let offset: number;
    if (this.batchTime === timeMs && this.batchBlock >= 0) {
      // Others of this batch have a sample at this very time: share their block from here on.
      block = this.batchBlock;
      offset = chunks.times.lengthOf(block) - 1;
      if (chunks.times.timeAt(block, offset) !== timeMs) {
        block = chunks.times.create(timeMs);
        offset = 0;
      }
    } else {
      block = successor >= 0 ? successor : chunks.times.create(timeMs);
      offset = 0;
    }
    this.batchBlock = block;
    this.batchTime = timeMs;
    this.startChunk(slot, chunk, block, offset, value, low, high, histogram, startMs);
  }

  private startChunk(
    slot: number,
    previous: number,
    block: number,
    offset: number,
    value: number,
    low: number,
    high: number,
    histogram: Histogram | undefined,
    startMs: number,
  ): void {
    const chunk = this.chunks.create(block, offset);
    this.stats.chunksCreated++;
    if (histogram === undefined) this.chunks.append(chunk, value, low, high, NaN);
    else this.chunks.appendHistogram(chunk, histogram);
    this.chunks.setStart(chunk, 0, startMs);
    if (previous < 0) this.series.firstChunk[slot] = chunk;
    else this.chunks.setNext(previous, chunk);
    this.series.lastChunk[slot] = chunk;
  }

  // insert puts a sample before the newest one. Slow path: the chunk around it is decoded and written again.
  private insert(
    slot: number,
    timeMs: number,
    low: number,
    high: number,
    histogram: Histogram | undefined,
    startMs: number,
  ): boolean | AppendFailure {
    // The head is not complete down there; the database sorts it in.
    if (timeMs < this.keepMs) return true;
    const { chunks, buffer } = this;
    let previous = -1;
    let chunk = this.series.firstChunk[slot]!;
    while (chunk >= 0 && chunks.lastTime(chunk) < timeMs) {
      previous = chunk;
      chunk = chunks.next(chunk);
    }
    buffer.clear();
    if (chunk >= 0) chunks.read(chunk, -Infinity, timeMs, buffer);
    const at = buffer.length;
    if (at > 0 && buffer.times[at - 1] === timeMs) {
      const there = buffer.histograms?.[at - 1];
      const same =
        histogram === undefined
          ? there === undefined && buffer.words[2 * at - 2] === low && buffer.words[2 * at - 1] === high
          : there !== undefined && sameHistogram(there, histogram);
      return same ? false : AppendFailure.Duplicate;
    }
    if (histogram === undefined) {
      buffer.push(timeMs, 0);
      buffer.words[2 * at] = low;
      buffer.words[2 * at + 1] = high;
    } else buffer.pushHistogram(timeMs, histogram);
    if (startMs !== 0) buffer.setStart(startMs);
    if (chunk >= 0) chunks.read(chunk, timeMs + 1, Infinity, buffer);
    this.replace(slot, previous, chunk, buffer);
    this.stats.outOfOrderAccepted++;
    return true;
  }

  /**
   * insertOlder adds samples read back from the database: those before the oldest chunk go in front as new
   * chunks, others where they belong unless the series has their timestamps already.
   */
  insertOlder(slot: number, samples: SampleBuffer, interner: TimeInterner): void {
    const { series, chunks } = this;
    if (samples.length === 0) return;
    const first = series.firstChunk[slot]!;
    const border = first < 0 ? Infinity : chunks.firstTime(first);
    let count = samples.length;
    while (count > 0 && samples.times[count - 1]! >= border) count--;
    if (count > 0) {
      const [head, tail] = this.build(samples, 0, count, interner);
      chunks.setNext(tail, first);
      series.firstChunk[slot] = head;
      if (first < 0) series.lastChunk[slot] = tail;
    }
    const newest = samples.length - 1;
    const newestTime = samples.times[newest]!;
    if (newestTime > series.lastTime[slot]!) {
      series.lastTime[slot] = newestTime;
      series.lastWords[2 * slot] = samples.words[2 * newest]!;
      series.lastWords[2 * slot + 1] = samples.words[2 * newest + 1]!;
    }
    if (newestTime > this.maxTimeMs) this.maxTimeMs = newestTime;
    for (let i = count; i < samples.length; i++) this.insertRestored(slot, samples, i);
    this.closeIfDetached(slot);
  }

  private insertRestored(slot: number, samples: SampleBuffer, i: number): void {
    const timeMs = samples.times[i]!;
    const chunk = this.series.lastChunk[slot]!;
    if (timeMs > this.chunks.lastTime(chunk)) {
      const [head, tail] = this.build(samples, i, i + 1, undefined);
      this.chunks.setNext(chunk, head);
      this.series.lastChunk[slot] = tail;
      return;
    }
    const keep = this.keepMs;
    this.keepMs = -Infinity;
    this.insert(
      slot,
      timeMs,
      samples.words[2 * i]!,
      samples.words[2 * i + 1]!,
      samples.histograms?.[i],
      samples.starts?.[i] ?? 0,
    );
    this.keepMs = keep;
  }

  // replace puts the samples of `buffer` (none: nothing) in the place of one chunk of a series, or of none (-1).
  private replace(slot: number, previous: number, chunk: number, buffer: SampleBuffer): void {
    const { series, chunks } = this;
    const next = chunk < 0 ? -1 : chunks.next(chunk);
    let head = next;
    let tail = previous;
    if (buffer.length > 0) {
      [head, tail] = this.build(buffer, 0, buffer.length, undefined);
      chunks.setNext(tail, next);
    }
    if (previous < 0) series.firstChunk[slot] = head;
    else chunks.setNext(previous, head);
    if (next < 0) series.lastChunk[slot] = tail;
    if (chunk >= 0) {
      chunks.release(chunk);
      this.stats.chunksRemoved++;
    }
    this.closeIfDetached(slot);
  }

  // Differences are taken from the newest value of the series. Where that is not the last one of the last chunk
  // (deleted, or never in memory), the chunk must not be continued.
  private closeIfDetached(slot: number): void {
    const chunk = this.series.lastChunk[slot]!;
    if (chunk >= 0 && this.chunks.lastTime(chunk) !== this.series.lastTime[slot]) this.chunks.close(chunk);
  }

  // build makes linked chunks of the samples [from, to), as even in size as possible; returns the first and the last.
  private build(
    samples: SampleBuffer,
    from: number,
    to: number,
    interner: TimeInterner | undefined,
  ): [first: number, last: number] {
    const { chunks } = this;
    const size = Math.ceil((to - from) / Math.ceil((to - from) / CHUNK_SAMPLES));
    let first = -1;
    let last = -1;
    for (let i = from; i < to;) {
      const end = runEnd(samples, i, Math.min(to, i + size));
      const block = interner?.block(samples.times, i, end - i) ?? chunks.times.fromTimes(samples.times, i, end - i);
      const chunk = chunks.create(block, 0);
      this.stats.chunksCreated++;
      if (samples.histograms?.[i] === undefined) chunks.fill(chunk, samples.words, i, end - i);
      else for (let k = i; k < end; k++) chunks.appendHistogram(chunk, samples.histograms[k]!);
      if (samples.starts) for (let k = i; k < end; k++) chunks.setStart(chunk, k - i, samples.starts[k]!);
      if (last < 0) first = chunk;
      else chunks.setNext(last, chunk);
      last = chunk;
      i = end;
    }
    return [first, last];
  }

  /** read appends the samples of a series with startMs <= t <= endMs to `into`, in time order. */
  read(slot: number, startMs: number, endMs: number, into: SampleBuffer): void {
    const { chunks } = this;
    for (let chunk = this.series.firstChunk[slot]!; chunk >= 0; chunk = chunks.next(chunk)) {
      if (chunks.lastTime(chunk) < startMs) continue;
      if (chunks.firstTime(chunk) > endMs) break;
      chunks.read(chunk, startMs, endMs, into);
    }
  }

  /** deleteRange removes the samples of a series with startMs <= t <= endMs. */
  deleteRange(slot: number, startMs: number, endMs: number): void {
    const { chunks, buffer } = this;
    let previous = -1;
    for (let chunk = this.series.firstChunk[slot]!; chunk >= 0;) {
      const next = chunks.next(chunk);
      if (chunks.firstTime(chunk) > endMs) break;
      if (chunks.lastTime(chunk) >= startMs) {
        buffer.clear();
        chunks.read(chunk, -Infinity, startMs - 1, buffer);
        chunks.read(chunk, endMs + 1, Infinity, buffer);
        this.replace(slot, previous, chunk, buffer);
        // What was built, if anything, ends where `next` begins.
        let at = previous < 0 ? this.series.firstChunk[slot]! : chunks.next(previous);
        while (at !== next) {
          previous = at;
          at = chunks.next(at);
        }
      } else previous = chunk;
      chunk = next;
    }
  }

  /** forget takes single samples out again as if they had never come. */
  forget(slots: Int32Array, times: Float64Array, count: number): void {
    const { series, chunks, buffer } = this;
    for (let i = count - 1; i >= 0; i--) {
      const slot = slots[i]!;
      const timeMs = times[i]!;
      if (!series.isLive(slot)) continue;
      this.deleteRange(slot, timeMs, timeMs);
      if (series.lastTime[slot] !== timeMs) continue;
      const last = series.lastChunk[slot]!;
      buffer.clear();
      if (last >= 0) chunks.read(last, chunks.lastTime(last), Infinity, buffer);
      series.lastTime[slot] = last >= 0 ? buffer.times[0]! : -Infinity;
      series.lastWords[2 * slot] = last >= 0 ? buffer.words[0]! : 0;
      series.lastWords[2 * slot + 1] = last >= 0 ? buffer.words[1]! : 0;
    }
  }

  /** firstTimeOf is the oldest sample of a series in memory, Infinity for none. */
  firstTimeOf(slot: number): number {
    const chunk = this.series.firstChunk[slot]!;
    return chunk < 0 ? Infinity : this.chunks.firstTime(chunk);
  }

  /** lastTimeOf is the newest sample of a series in memory, -Infinity for none. */
  lastTimeOf(slot: number): number {
    const chunk = this.series.lastChunk[slot]!;
    return chunk < 0 ? -Infinity : this.chunks.lastTime(chunk);
  }

  /** hasSampleIn tells whether a series may have a sample in a range: its first and last are not both outside on one side. */
  hasSampleIn(slot: number, startMs: number, endMs: number): boolean {
    return this.firstTimeOf(slot) <= endMs && this.lastTimeOf(slot) >= startMs;
  }

  /** select returns the slots of the series that match; a view valid until series are added or removed. */
  select(matchers: readonly Matcher[]): Uint32Array {
    return this.index.select(matchers, this.pairsOf);
  }

  /** setFloor moves the floor; the rebuild begins with the highest and lowers it step by step to `keepMs`. */
  setFloor(floorMs: number, keepMs: number): void {
    this.floorMs = floorMs;
    this.keepMs = keepMs;
  }

  /** usedBytes is what the live content takes, by construction. */
  get usedBytes(): number {
    return this.chunks.usedBytes + this.series.sizeBytes + this.index.sizeBytes;
  }

  get allocatedBytes(): number {
    return this.chunks.allocatedBytes + this.series.sizeBytes + this.index.sizeBytes;
  }

  /** relieve runs maintenance between its turns when the budget is exceeded; at the smallest window no more often than they come. */
  relieve(): void {
    if (this.refusing || this.usedBytes <= this.budgetBytes) return;
    this.shrink();
  }

  private mayCreate(): boolean {
    if (this.maxSeries > 0 && this.series.size >= this.maxSeries) return false;
    if (++this.createdSinceCheck >= BUDGET_CHECK_SERIES) {
      this.createdSinceCheck = 0;
      this.relieve();
    }
    return !this.refusing;
  }

  /**
   * maintain moves the floor, frees what is below it, removes series that have nothing left and keeps to the
   * budget. It costs a pass over all series (about 5 ms for 100,000). Call it about every 15 seconds.
   */
  maintain(): void {
    this.round++;
    this.knownOldest = Infinity;
    this.stats.maintenanceRuns++;
    const stats = this.stats;
    if (this.usedBytes > this.budgetBytes) this.shrink();
    else {
      // Content is about proportional to the window. Growing a little, once the window is full of samples, and only
      // into room that is there, avoids see-sawing.
      const larger = Math.min(this.windowMs, stats.windowMs * 1.1);
      const isFull = this.maxTimeMs - this.floorMs >= stats.windowMs * 0.98;
      if (isFull && this.usedBytes * (larger / stats.windowMs) < this.budgetBytes * 0.85) stats.windowMs = larger;
      if (stats.windowMs > this.windowMs) stats.windowMs = this.windowMs;
      this.raiseFloor();
      this.dropBefore(this.keepMs - GRACE_MS);
      this.removeEmptySeries();
      if (this.usedBytes < this.budgetBytes * 0.95) this.refusing = false;
    }
    this.chunks.trim();
    this.series.sortFreeSlots();
  }

  // shrink makes the window smaller until the content fits the budget with some room, or it is at its least.
  private shrink(): void {
    const stats = this.stats;
    stats.windowShrinks++;
    for (;;) {
      this.raiseFloor();
      this.dropBefore(this.keepMs);
      this.removeEmptySeries();
      if (this.usedBytes <= this.budgetBytes * 0.9) break;
      if (stats.windowMs <= MIN_WINDOW_MS) {
        this.refusing = this.usedBytes > this.budgetBytes * 0.95;
        return;
      }
      stats.windowMs = Math.max(MIN_WINDOW_MS, stats.windowMs * 0.8);
    }
    this.refusing = false;
  }

  private raiseFloor(): void {
    const floor = this.maxTimeMs - Math.min(this.stats.windowMs, this.windowMs);
    // As long as nothing was ever dropped or left in the database, the head is complete whatever the time.
    if (this.floorMs === -Infinity && this.oldestTime() >= floor) return;
    if (floor > this.floorMs) this.floorMs = floor;
    if (floor > this.keepMs) this.keepMs = floor;
  }

  private oldestTime(): number {
    let oldest = Infinity;
    for (let slot = 0; slot < this.series.limit; slot++) {
      if (this.series.isLive(slot)) oldest = Math.min(oldest, this.firstTimeOf(slot));
    }
    return oldest;
  }

  private dropBefore(timeMs: number): void {
    const { series, chunks } = this;
    for (let slot = 0; slot < series.limit; slot++) {
      let chunk = series.firstChunk[slot]!;
      if (chunk < 0 || !series.isLive(slot)) continue;
      while (chunk >= 0 && chunks.lastTime(chunk) < timeMs) {
        const next = chunks.next(chunk);
        chunks.release(chunk);
        this.stats.chunksRemoved++;
        chunk = next;
      }
      series.firstChunk[slot] = chunk;
      if (chunk < 0) series.lastChunk[slot] = -1;
    }
  }

  // A series looked up for appending in this round or the one before may have a sample waiting for its commit.
  private removeEmptySeries(): void {
    const { series } = this;
    const dead: number[] = [];
    for (let slot = 0; slot < series.limit; slot++) {
      if (series.firstChunk[slot]! >= 0 || !series.isLive(slot)) continue;
      if (series.touched[slot]! + 2 > this.round || series.row[slot] === SeriesRow.InFlight) continue;
      dead.push(slot);
    }
    if (dead.length === 0) return;
    const marks = new Uint8Array(series.limit);
    for (const slot of dead) marks[slot] = 1;
    this.index.remove(dead, marks, this.pairsOf);
    for (const slot of dead) {
      series.remove(slot);
      series.firstChunk[slot] = -1;
      series.lastChunk[slot] = -1;
    }
    this.stats.seriesRemoved += dead.length;
  }

  /** currentStats brings the gauges of `stats` up to date and returns it. */
  currentStats(): HeadStats {
    const stats = this.stats;
    stats.series = this.series.size;
    stats.chunks = this.chunks.size;
    stats.usedBytes = this.usedBytes;
    stats.allocatedBytes = this.allocatedBytes;
    stats.floorMs = this.floorMs;
    stats.maxTimeMs = this.maxTimeMs;
    // A pass over all series, remembered until maintenance may have changed it.
    if (this.knownOldest === Infinity) this.knownOldest = this.oldestTime();
    stats.minTimeMs = Math.max(this.floorMs, this.knownOldest);
    stats.refusingSeries = this.refusing || (this.maxSeries > 0 && this.series.size >= this.maxSeries);
    return stats;
  }
}

/** TimeInterner finds chunks with the same timestamps while the head is rebuilt, so that they share them again. */
export class TimeInterner {
  private readonly blocks = new Map<number, number>();
  private readonly table: TimeBlocks;

  constructor(chunks: Chunks) {
    this.table = chunks.times;
  }

  /** block returns a time block of exactly these timestamps. */
  block(times: Float64Array, from: number, count: number): number {
    const { table } = this;
    const key = times[from]! * 31 + times[from + count - 1]! * 7 + count;
    const known = this.blocks.get(key);
    if (known !== undefined && table.lengthOf(known) === count) {
      let i = 0;
      while (i < count && table.timeAt(known, i) === times[from + i]) i++;
      if (i === count) return known;
    }
    const block = table.fromTimes(times, from, count);
    // Held until close, so that the number cannot come to mean another block.
    table.retain(block);
    if (known !== undefined) table.release(known);
    this.blocks.set(key, block);
    return block;
  }

  /** close lets go of the blocks; they live on where chunks use them. */
  close(): void {
    for (const block of this.blocks.values()) this.table.release(block);
    this.blocks.clear();
  }
}

// runEnd is the end of the samples from `from` on that can share a chunk: one kind, one histogram layout, a
// time span that a block can hold.
function runEnd(samples: SampleBuffer, from: number, to: number): number {
  const first = samples.histograms?.[from];
  const layout = first && new HistogramColumn(first);
  const origin = samples.times[from]!;
  let i = from + 1;
  for (; i < to; i++) {
    if (!(samples.times[i]! > samples.times[i - 1]!))
      throw bug(`samples out of order: ${samples.times[i]} after ${samples.times[i - 1]}`);
    const histogram = samples.histograms?.[i];
    if ((histogram === undefined) !== (layout === undefined)) break;
    if (layout !== undefined && !layout.fits(histogram!)) break;
    if (samples.times[i]! - origin > MAX_TIME_SPAN_MS) break;
  }
  return i;
}
