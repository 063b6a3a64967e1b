// Timestamps are shared: all series of a scrape that were sampled at the same times point into one time block.
// A block holds up to CHUNK_SAMPLES ascending timestamps; a chunk is a run (offset, count) of one block, so a
// series that appears in the middle of a block still shares the rest of it. Series come together because they
// are appended in one batch, and part by forking: the block is copied up to where they agree.
//
//   block   REGULAR  base + step * i                     no memory but the table row
//           JITTER   base + step * i + i16[i]            2 bytes per sample, once the block is full
//           OFFSET   base + u32[i]                       4 bytes per sample
//
// Blocks are counted references; the table is columns indexed by block id (a few bytes each, no objects).
import { CHUNK_SAMPLES, SlabPool } from "./slab-pool.ts";
import { bug } from "../../lib/errors.ts";

const REGULAR = 0;
const JITTER = 1;
const OFFSET = 2;

const MAX_OFFSET = 0xffffffff;
/** ROW_BYTES is what one row of the table takes. */
const ROW_BYTES = 8 + 8 + 1 + 1 + 1 + 4 * 6;

/** TimeBlocks is the table of all time blocks of a head. */
export class TimeBlocks {
  private readonly narrow = new SlabPool(2);
  private readonly wide = new SlabPool(4);
  private capacity = 0;
  private count = 0;
  private readonly freeIds: number[] = [];

  private base = new Float64Array(0);
  private step = new Float64Array(0);
  private kind = new Uint8Array(0);
  private length = new Uint8Array(0);
  private data = new Int32Array(0);
  private refs = new Int32Array(0);
  // next continues a full block: the series of one block move on to the same successor.
  private next = new Int32Array(0);
  private previous = new Int32Array(0);
  // fork is where series that left this block together went.
  private forkTo = new Int32Array(0);
  private forkFrom = new Int32Array(0);
  private forkAt = new Uint8Array(0);

  /** create returns a new block holding one timestamp, with no references. */
  create(timeMs: number): number {
    const id = this.newRow();
    this.base[id] = timeMs;
    this.length[id] = 1;
    return id;
  }

  /** fromTimes returns a new full or part block of `count` ascending times. Its times span less than 2^32 ms. */
  fromTimes(times: Float64Array, from: number, count: number): number {
    const id = this.create(times[from]!);
    for (let i = 1; i < count; i++) {
      if (!this.extend(id, times[from + i]!)) throw bug("time block spans more than 49 days");
    }
    return id;
  }

  lengthOf(id: number): number {
    return this.length[id]!;
  }

  /** extend appends a timestamp later than the last; false when the block cannot hold it. */
  extend(id: number, timeMs: number): boolean {
    const length = this.length[id]!;
    if (length >= CHUNK_SAMPLES) return false;
    const offset = timeMs - this.base[id]!;
    if (offset > MAX_OFFSET) return false;
    if (this.kind[id] === REGULAR) {
      if (length === 1) this.step[id] = offset;
      else if (offset !== this.step[id]! * length) this.toOffsets(id);
    }
    if (this.kind[id] === OFFSET) {
      const block = this.data[id]!;
      this.wide.u32[SlabPool.slabOf(block)]![SlabPool.offsetOf(block) + length] = offset;
    }
    this.length[id] = length + 1;
    if (length + 1 === CHUNK_SAMPLES && this.kind[id] === OFFSET) this.toJitter(id);
    return true;
  }

  /** timeAt returns the `i`th timestamp. */
  timeAt(id: number, i: number): number {
    const base = this.base[id]!;
    switch (this.kind[id]) {
      case REGULAR:
        return base + this.step[id]! * i;
      case JITTER: {
        const block = this.data[id]!;
        return base + this.step[id]! * i + this.narrow.i16[SlabPool.slabOf(block)]![SlabPool.offsetOf(block) + i]!;
      }
      default: {
        const block = this.data[id]!;
        return base + this.wide.u32[SlabPool.slabOf(block)]![SlabPool.offsetOf(block) + i]!;
      }
    }
  }

  /** copyTo writes the timestamps [from, to) to `out` at `at`. */
  copyTo(id: number, from: number, to: number, out: Float64Array, at: number): void {
    const base = this.base[id]!;
    const step = this.step[id]!;
    switch (this.kind[id]) {
      case REGULAR:
        for (let i = from; i < to; i++) out[at++] = base + step * i;
        return;
      case JITTER: {
        const block = this.data[id]!;
        const jitter = this.narrow.i16[SlabPool.slabOf(block)]!;
        const offset = SlabPool.offsetOf(block);
        for (let i = from; i < to; i++) out[at++] = base + step * i + jitter[offset + i]!;
        return;
      }
      default: {
        const block = this.data[id]!;
        const offsets = this.wide.u32[SlabPool.slabOf(block)]!;
        const offset = SlabPool.offsetOf(block);
        for (let i = from; i < to; i++) out[at++] = base + offsets[offset + i]!;
      }
    }
  }

  /** lowerBound is the first index in [from, to) whose timestamp is >= timeMs, or `to`. */
  lowerBound(id: number, from: number, to: number, timeMs: number): number {
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.timeAt(id, middle) < timeMs) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /**
   * advance finds or makes room for `timeMs` at index `position` of the line that begins with block `id`, for a
   * series that has been following the block so far and whose last timestamp is earlier. It returns the block in
   * which index `position` is `timeMs`: `id` itself or a fork of it; or -1 when the block is full there.
   */
  advance(id: number, position: number, timeMs: number): number {
    const length = this.length[id]!;
    if (position < length) {
      // A series that shares the block came first: usually at the same time.
      if (this.timeAt(id, position) === timeMs) return id;
      return this.fork(id, position, timeMs);
    }
    return this.extend(id, timeMs) ? id : -1;
  }

  /** successor returns the block that follows the full block `id` and begins with `timeMs`, making it if there is none; -1 if the line went elsewhere. */
  successor(id: number, timeMs: number): number {
    const next = this.next[id]!;
    if (next >= 0) return this.base[next] === timeMs ? next : -1;
    const created = this.create(timeMs);
    this.next[id] = created;
    this.previous[created] = id;
    return created;
  }

  private fork(id: number, position: number, timeMs: number): number {
    const known = this.forkTo[id]!;
    // A fork agrees with its origin exactly up to the index at which it left.
    if (known >= 0 && this.forkAt[known] === position && this.timeAt(known, position) === timeMs) return known;
    if (timeMs - this.base[id]! > MAX_OFFSET) return -1;
    const created = this.create(position === 0 ? timeMs : this.base[id]!);
    for (let i = 1; i < position; i++) this.extend(created, this.timeAt(id, i));
    if (position > 0) this.extend(created, timeMs);
    if (known >= 0) this.forkFrom[known] = -1;
    this.forkTo[id] = created;
    this.forkFrom[created] = id;
    this.forkAt[created] = position;
    return created;
  }

  retain(id: number): void {
    this.refs[id]!++;
  }

  /** release drops one reference and frees the block with the last. */
  release(id: number): void {
    if (--this.refs[id]! > 0) return;
    const block = this.data[id]!;
    if (this.kind[id] === OFFSET) this.wide.release(block);
    else if (this.kind[id] === JITTER) this.narrow.release(block);
    // Nothing may point at a row that is about to mean something else.
    const { next, previous, forkTo, forkFrom } = this;
    if (next[id]! >= 0) previous[next[id]!] = -1;
    if (previous[id]! >= 0) next[previous[id]!] = -1;
    if (forkTo[id]! >= 0) forkFrom[forkTo[id]!] = -1;
    if (forkFrom[id]! >= 0) forkTo[forkFrom[id]!] = -1;
    this.count--;
    this.freeIds.push(id);
  }

  /** size is the number of live blocks. */
  get size(): number {
    return this.count;
  }

  get usedBytes(): number {
    return this.count * ROW_BYTES + this.narrow.usedBytes + this.wide.usedBytes;
  }

  get allocatedBytes(): number {
    return this.capacity * ROW_BYTES + this.narrow.allocatedBytes + this.wide.allocatedBytes;
  }

  trim(): void {
    this.narrow.trim();
    this.wide.trim();
  }

  private toOffsets(id: number): void {
    const block = this.wide.alloc();
    const offsets = this.wide.u32[SlabPool.slabOf(block)]!;
    const at = SlabPool.offsetOf(block);
    const step = this.step[id]!;
    for (let i = 0, n = this.length[id]!; i < n; i++) offsets[at + i] = step * i;
    this.kind[id] = OFFSET;
    this.data[id] = block;
  }

  private toJitter(id: number): void {
    const wide = this.data[id]!;
    const offsets = this.wide.u32[SlabPool.slabOf(wide)]!;
    const from = SlabPool.offsetOf(wide);
    const step = Math.round(offsets[from + CHUNK_SAMPLES - 1]! / (CHUNK_SAMPLES - 1));
    for (let i = 0; i < CHUNK_SAMPLES; i++) {
      const jitter = offsets[from + i]! - step * i;
      if (jitter > 32767 || jitter < -32768) return;
    }
    const block = this.narrow.alloc();
    const jitters = this.narrow.i16[SlabPool.slabOf(block)]!;
    const at = SlabPool.offsetOf(block);
    for (let i = 0; i < CHUNK_SAMPLES; i++) jitters[at + i] = offsets[from + i]! - step * i;
    this.wide.release(wide);
    this.kind[id] = JITTER;
    this.data[id] = block;
    this.step[id] = step;
  }

  private newRow(): number {
    let id = this.freeIds.pop();
    if (id === undefined) {
      id = this.count;
      if (id >= this.capacity) this.growTo(Math.max(256, this.capacity * 2));
    }
    this.count++;
    this.kind[id] = REGULAR;
    this.step[id] = 0;
    this.length[id] = 0;
    this.refs[id] = 0;
    this.data[id] = -1;
    this.next[id] = -1;
    this.previous[id] = -1;
    this.forkTo[id] = -1;
    this.forkFrom[id] = -1;
    return id;
  }

  private growTo(capacity: number): void {
    this.base = grown(this.base, new Float64Array(capacity));
    this.step = grown(this.step, new Float64Array(capacity));
    this.kind = grown(this.kind, new Uint8Array(capacity));
    this.length = grown(this.length, new Uint8Array(capacity));
    this.data = grown(this.data, new Int32Array(capacity));
    this.refs = grown(this.refs, new Int32Array(capacity));
    this.next = grown(this.next, new Int32Array(capacity));
    this.previous = grown(this.previous, new Int32Array(capacity));
    this.forkTo = grown(this.forkTo, new Int32Array(capacity));
    this.forkFrom = grown(this.forkFrom, new Int32Array(capacity));
    this.forkAt = grown(this.forkAt, new Uint8Array(capacity));
    this.capacity = capacity;
  }
}

/** grown copies `from` to the beginning of the larger `to` and returns it. */
export function grown<T extends Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
