// The series table knows every series of the head: its labels, its id in the database, its chunks and its newest
// sample. It is columns indexed by slot, so a series costs about 120 bytes besides its labels and the appender
// touches numbers only.
//
// A SeriesRef is slot and generation in one number. Slots are used again; the generation makes a ref that
// outlived its series invalid instead of pointing at a stranger.
import { Labels } from "@belfry/core/model";
import type { SeriesRef } from "../appender.ts";
import { fingerprint, hashLabels } from "./fingerprint.ts";
import { grown } from "./time-blocks.ts";

// 2^26 slots: 67 M series at once, far past what fits in memory; the generation gets the 26 bits above.
const SLOT_SPACE = 2 ** 26;
const SLOT_MASK = SLOT_SPACE - 1;
const MAX_GENERATION = 2 ** 26 - 1;

/** SERIES_BYTES is a series without its labels and samples: table row, hash table, labels object. */
const SERIES_BYTES = 150;

/** Persistence of a series' row in the database. */
export const SeriesRow = { Missing: 0, InFlight: 1, Durable: 2 } as const;

/** SeriesTable maps label sets to slots and back. */
export class SeriesTable {
  private capacity = 0;
  private count = 0;
  /** limit is one more than the highest slot ever used. */
  limit = 0;
  private freeSlots: number[] = [];
  private buckets = new Int32Array(1024).fill(-1);
  private readonly salted = new Map<string, number>();
  private labelBytes = 0;
  private readonly labelsOf: (Labels | undefined)[] = [];

  private generation = new Uint32Array(0);
  private hash = new Uint32Array(0);
  /** idHigh and idLow are the halves of the id in the database. */
  idHigh = new Uint32Array(0);
  idLow = new Uint32Array(0);
  /** firstChunk and lastChunk are the ends of the list of chunks, -1 for none. */
  firstChunk = new Int32Array(0);
  lastChunk = new Int32Array(0);
  /** lastTime is the timestamp of the newest sample ever appended, -Infinity for none. */
  lastTime = new Float64Array(0);
  /** lastValue is the newest value; lastWords views it. Not meaningful after a histogram. */
  lastValue = new Float64Array(0);
  lastWords = new Uint32Array(0);
  /** row is a SeriesRow: what is known of the series' row for the day `rowDay` (days since 1970). */
  row = new Uint8Array(0);
  rowDay = new Uint16Array(0);
  /** touched is the maintenance round in which the series was last looked up for appending. */
  touched = new Uint32Array(0);

  /** size is the number of series. */
  get size(): number {
    return this.count;
  }

  /** sizeBytes estimates what the series take without their samples. */
  get sizeBytes(): number {
    return this.count * SERIES_BYTES + this.labelBytes + this.buckets.byteLength;
  }

  labels(slot: number): Labels {
    return this.labelsOf[slot]!;
  }

  isLive(slot: number): boolean {
    return this.labelsOf[slot] !== undefined;
  }

  refOf(slot: number): SeriesRef {
    return this.generation[slot]! * SLOT_SPACE + slot + 1;
  }

  /** slotOf returns the slot of a ref, or -1 when the series is gone. */
  slotOf(ref: SeriesRef): number {
    if (ref <= 0) return -1;
    const slot = (ref - 1) & SLOT_MASK;
    if (slot >= this.limit || this.labelsOf[slot] === undefined) return -1;
    return this.generation[slot] === Math.floor((ref - 1) / SLOT_SPACE) ? slot : -1;
  }

  /** find returns the slot of a label set, or -1. It leaves the fingerprint of the labels in `fingerprint`. */
  find(pairs: readonly string[]): number {
    hashLabels(pairs);
    const hash = fingerprint[1]!;
    const mask = this.buckets.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = this.buckets[at]!;
      if (slot < 0) return -1;
      if (this.hash[slot] === hash && samePairs(this.labelsOf[slot]!.pairs, pairs)) return slot;
    }
  }

  /** findId returns the slot of the series with an id of the database, or -1. */
  findId(high: number, low: number): number {
    const mask = this.buckets.length - 1;
    for (let at = low & mask; ; at = (at + 1) & mask) {
      const slot = this.buckets[at]!;
      if (slot < 0) break;
      if (this.idLow[slot] === low && this.idHigh[slot] === high) return slot;
    }
    return this.salted.get(`${high}:${low}`) ?? -1;
  }

  /** create adds a series that is not in the table; call `find` first, its fingerprint is used. `intern` replaces the labels' strings. */
  create(pairs: readonly string[], intern: (slot: number, pairs: readonly string[]) => string[]): number {
    const hash = fingerprint[1]!;
    let high = fingerprint[0]!;
    let low = hash;
    let salt = 0;
    while (this.findId(high, low) >= 0) {
      hashLabels(pairs, ++salt);
      high = fingerprint[0]!;
      low = fingerprint[1]!;
    }
    return this.insert(pairs, hash, high, low, intern);
  }

  /** createWithId adds a series read from the database under the id it has there. */
  createWithId(
    pairs: readonly string[],
    high: number,
    low: number,
    intern: (slot: number, pairs: readonly string[]) => string[],
  ): number {
    hashLabels(pairs);
    return this.insert(pairs, fingerprint[1]!, high, low, intern);
  }

  private insert(
    pairs: readonly string[],
    hash: number,
    high: number,
    low: number,
    intern: (slot: number, pairs: readonly string[]) => string[],
  ): number {
    let slot = this.freeSlots.pop();
    if (slot === undefined) {
      slot = this.limit;
      if (slot >= this.capacity) this.growTo(Math.max(1024, this.capacity + Math.max(1024, this.capacity >>> 1)));
      this.limit++;
    }
    this.count++;
    if (this.count * 2 > this.buckets.length) this.rehash(this.buckets.length * 2);
    const interned = intern(slot, pairs);
    this.labelsOf[slot] = new Labels(interned);
    this.labelBytes += 8 * interned.length;
    this.hash[slot] = hash;
    this.idHigh[slot] = high;
    this.idLow[slot] = low;
    if (low !== hash) this.salted.set(`${high}:${low}`, slot);
    this.firstChunk[slot] = -1;
    this.lastChunk[slot] = -1;
    this.lastTime[slot] = -Infinity;
    this.lastValue[slot] = 0;
    this.row[slot] = SeriesRow.Missing;
    this.rowDay[slot] = 0;
    this.touched[slot] = 0;
    this.enter(slot);
    return slot;
  }

  /** remove takes a series out; its ref becomes invalid. Its chunks must be released already. */
  remove(slot: number): void {
    // Close the gap in the probe sequence, or later entries could not be found any more.
    const mask = this.buckets.length - 1;
    let at = this.hash[slot]! & mask;
    while (this.buckets[at] !== slot) at = (at + 1) & mask;
    this.buckets[at] = -1;
    for (let i = (at + 1) & mask; this.buckets[i]! >= 0; i = (i + 1) & mask) {
      const moved = this.buckets[i]!;
      this.buckets[i] = -1;
      this.enter(moved);
    }
    if (this.idLow[slot] !== this.hash[slot]) this.salted.delete(`${this.idHigh[slot]}:${this.idLow[slot]}`);
    this.labelBytes -= 8 * this.labelsOf[slot]!.pairs.length;
    this.labelsOf[slot] = undefined;
    this.generation[slot] = this.generation[slot]! >= MAX_GENERATION ? 0 : this.generation[slot]! + 1;
    this.count--;
    this.freeSlots.push(slot);
  }

  /** sortFreeSlots makes the next series take the lowest slots, which keeps postings nearly sorted. */
  sortFreeSlots(): void {
    this.freeSlots.sort((a, b) => b - a);
  }

  private enter(slot: number): void {
    const mask = this.buckets.length - 1;
    let at = this.hash[slot]! & mask;
    while (this.buckets[at]! >= 0) at = (at + 1) & mask;
    this.buckets[at] = slot;
  }

  private rehash(size: number): void {
    const old = this.buckets;
    this.buckets = new Int32Array(size).fill(-1);
    for (let i = 0; i < old.length; i++) if (old[i]! >= 0) this.enter(old[i]!);
  }

  private growTo(capacity: number): void {
    this.generation = grown(this.generation, new Uint32Array(capacity));
    this.hash = grown(this.hash, new Uint32Array(capacity));
    this.idHigh = grown(this.idHigh, new Uint32Array(capacity));
    this.idLow = grown(this.idLow, new Uint32Array(capacity));
    this.firstChunk = grown(this.firstChunk, new Int32Array(capacity));
    this.lastChunk = grown(this.lastChunk, new Int32Array(capacity));
    this.lastTime = grown(this.lastTime, new Float64Array(capacity));
    const words = grown(this.lastWords, new Uint32Array(2 * capacity));
    this.lastWords = words;
    this.lastValue = new Float64Array(words.buffer);
    this.row = grown(this.row, new Uint8Array(capacity));
    this.rowDay = grown(this.rowDay, new Uint16Array(capacity));
    this.touched = grown(this.touched, new Uint32Array(capacity));
    this.capacity = capacity;
  }
}

function samePairs(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  // Values differ more often than names, and the last ones most.
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false;
  return true;
}
