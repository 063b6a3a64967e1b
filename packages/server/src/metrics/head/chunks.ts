// A chunk is up to CHUNK_SAMPLES consecutive samples of one series. There is no separate open form: a chunk
// begins in the smallest encoding and is rewritten into a wider one when a sample does not fit, which happens
// a handful of times in its life, so an open chunk takes hardly more than a full one and sealing costs nothing.
//
//   CONST  every sample has the same 64 bits                              0 bytes per sample
//   D8     integers (after scaling by 10^exponent) as differences         1
//   D16    "                                                              2
//   D32    "                                                              4
//   F32    floats that a 32-bit float holds exactly                       4
//   F64    anything, bit for bit                                          8
//   HIST   native histograms, in a HistogramColumn
//
// Scaling: 12.34 is kept as 1234 with exponent 2. It is used only where dividing gives back the same bits. The
// lowest difference of each width means "staleness marker", the next one "NaN", so that one marker at the end
// of a counter does not turn the chunk into F64; the SPECIAL flag says that a chunk has such samples.
//
// Chunks are rows of a table (columns indexed by chunk id); those of a series form a list by `next`.
import {
  type Histogram,
  NORMAL_NAN_HIGH,
  NORMAL_NAN_LOW,
  type SampleBuffer,
  STALE_NAN_HIGH,
  STALE_NAN_LOW,
} from "@belfry/core/model";
import { HistogramColumn } from "./histogram-column.ts";
import { CHUNK_SAMPLES, SlabPool } from "./slab-pool.ts";
import { StartColumn } from "./start-column.ts";
import { grown, TimeBlocks } from "./time-blocks.ts";

const CONST = 0;
const D8 = 1;
const D16 = 2;
const D32 = 3;
const F32 = 4;
const F64 = 5;
const HIST = 6;

const SPECIAL = 1;
const HAS_STARTS = 2;
const CLOSED = 4;

// Beyond nine decimals a difference hardly ever fits 32 bits, and each further exponent makes the search longer.
const MAX_EXPONENT = 9;
const POWERS = Float64Array.from({ length: MAX_EXPONENT + 1 }, (_, i) => 10 ** i);
// Up to 2^50 the rounding errors of scaling add up to less than a half, so rounding finds the integer for any exponent.
const MAX_INTEGER = 2 ** 50;

const STALE_FLOAT32 = 0x7fc00002;
const NAN_FLOAT32 = 0x7fc00001;

/** ROW_BYTES is what one row of the table takes. */
const ROW_BYTES = 4 + 1 + 1 + 1 + 1 + 1 + 8 + 4 + 4;

/** Chunks is the table of all chunks of a head, with their data. */
export class Chunks {
  readonly times = new TimeBlocks();
  private readonly pool1 = new SlabPool(1);
  private readonly pool2 = new SlabPool(2);
  private readonly pool4 = new SlabPool(4);
  private readonly pool8 = new SlabPool(8);
  private readonly histograms = new Map<number, HistogramColumn>();
  private readonly starts = new Map<number, StartColumn>();
  private sideBytes = 0;
  private capacity = 0;
  private count = 0;
  private readonly freeIds: number[] = [];

  private block = new Int32Array(0);
  private offset = new Uint8Array(0);
  private length = new Uint8Array(0);
  private kind = new Uint8Array(0);
  private exponent = new Uint8Array(0);
  private flags = new Uint8Array(0);
  private base = new Float64Array(0);
  private baseWords = new Uint32Array(0);
  private data = new Int32Array(0);
  private nextId = new Int32Array(0);

  private readonly scratch = new Float64Array(CHUNK_SAMPLES + 1);
  private readonly scratchWords = new Uint32Array(this.scratch.buffer);

  /** create returns an empty chunk whose first sample will have the timestamp at `offset` of the time block. */
  create(block: number, offset: number): number {
    let id = this.freeIds.pop();
    if (id === undefined) {
      id = this.count;
      if (id >= this.capacity) this.growTo(Math.max(1024, this.capacity + Math.max(1024, this.capacity >>> 1)));
    }
    this.count++;
    this.times.retain(block);
    this.block[id] = block;
    this.offset[id] = offset;
    this.length[id] = 0;
    this.kind[id] = CONST;
    this.exponent[id] = 0;
    this.flags[id] = 0;
    this.data[id] = -1;
    this.nextId[id] = -1;
    return id;
  }

  /** release frees the chunk and its data. */
  release(id: number): void {
    this.times.release(this.block[id]!);
    this.releaseData(id);
    if (this.flags[id]! & HAS_STARTS) {
      this.sideBytes -= this.starts.get(id)!.sizeBytes;
      this.starts.delete(id);
    }
    this.count--;
    this.freeIds.push(id);
  }

  next(id: number): number {
    return this.nextId[id]!;
  }

  setNext(id: number, next: number): void {
    this.nextId[id] = next;
  }

  lengthOf(id: number): number {
    return this.length[id]!;
  }

  blockOf(id: number): number {
    return this.block[id]!;
  }

  offsetOf(id: number): number {
    return this.offset[id]!;
  }

  /** close makes `isClosed` true: nothing may be appended any more. */
  close(id: number): void {
    this.flags[id]! |= CLOSED;
  }

  isClosed(id: number): boolean {
    return (this.flags[id]! & CLOSED) !== 0;
  }

  isHistogram(id: number): boolean {
    return this.kind[id] === HIST;
  }

  firstTime(id: number): number {
    return this.times.timeAt(this.block[id]!, this.offset[id]!);
  }

  lastTime(id: number): number {
    return this.times.timeAt(this.block[id]!, this.offset[id]! + this.length[id]! - 1);
  }

  /** moveTo points the chunk at another block that has the same timestamps for its samples so far. */
  moveTo(id: number, block: number): void {
    this.times.retain(block);
    this.times.release(this.block[id]!);
    this.block[id] = block;
  }

  /** append adds a value (as number and as its two halves); `previous` is the value before it. */
  append(id: number, value: number, low: number, high: number, previous: number): void {
    const n = this.length[id]!;
    switch (this.kind[id]) {
      case CONST:
        if (n === 0) {
          this.baseWords[2 * id] = low;
          this.baseWords[2 * id + 1] = high;
        } else if (this.baseWords[2 * id] !== low || this.baseWords[2 * id + 1] !== high) {
          this.widen(id, low, high);
          return;
        }
        break;
      case F64: {
        const block = this.data[id]!;
        const words = this.pool8.u32[SlabPool.slabOf(block)]!;
        const at = 2 * (SlabPool.offsetOf(block) + n);
        words[at] = low;
        words[at + 1] = high;
        if (value !== value) this.flags[id]! |= SPECIAL;
        break;
      }
      case F32: {
        if (Math.fround(value) !== value) {
          this.widen(id, low, high);
          return;
        }
        const block = this.data[id]!;
        this.pool4.f32[SlabPool.slabOf(block)]![SlabPool.offsetOf(block) + n] = value;
        break;
      }
      default: {
        const power = POWERS[this.exponent[id]!]!;
        const scaled = Math.round(value * power);
        const delta = scaled - Math.round(previous * power);
        // A NaN before (delta is NaN) or now, a fraction, a large number and -0 all take the slow path.
        if (
          scaled / power !== value ||
          scaled > MAX_INTEGER ||
          scaled < -MAX_INTEGER ||
          (value === 0 && high !== 0) ||
          !this.putDelta(id, n, delta)
        ) {
          this.widen(id, low, high);
          return;
        }
      }
    }
    this.length[id] = n + 1;
  }

  /** setStart records the start timestamp of sample `i`, ascending; 0 is "unknown" and costs nothing. */
  setStart(id: number, i: number, startMs: number): void {
    let column: StartColumn | undefined;
    if (this.flags[id]! & HAS_STARTS) column = this.starts.get(id)!;
    else if (startMs === 0) return;
    else {
      column = new StartColumn();
      this.starts.set(id, column);
      this.flags[id]! |= HAS_STARTS;
      this.sideBytes += column.sizeBytes;
    }
    this.sideBytes -= column.sizeBytes;
    column.set(i, startMs);
    this.sideBytes += column.sizeBytes;
  }

  /** fill gives an empty chunk `count` values at once; `words` are their halves, beginning with sample `from`. */
  fill(id: number, words: Uint32Array, from: number, count: number): void {
    const scratch = this.scratchWords;
    for (let i = 0, at = 2 * from; i < 2 * count; i++) scratch[i] = words[at + i]!;
    this.encode(id, count);
  }

  /** appendHistogram adds a histogram to an empty chunk or to one of the same layout; false when it does not fit. */
  appendHistogram(id: number, histogram: Histogram): boolean {
    let column = this.histograms.get(id);
    if (column === undefined) {
      column = new HistogramColumn(histogram);
      this.histograms.set(id, column);
      this.kind[id] = HIST;
    } else if (!column.fits(histogram)) return false;
    else this.sideBytes -= column.sizeBytes;
    column.push(histogram);
    this.sideBytes += column.sizeBytes;
    this.length[id]!++;
    return true;
  }

  /** lastHistogram returns the last sample of a histogram chunk. */
  lastHistogram(id: number): Histogram {
    return this.histograms.get(id)!.at(this.length[id]! - 1);
  }

  /** read appends the samples with startMs <= t <= endMs to `into`. */
  read(id: number, startMs: number, endMs: number, into: SampleBuffer): void {
    const block = this.block[id]!;
    const offset = this.offset[id]!;
    let from = 0;
    let to = this.length[id]!;
    const times = this.times;
    if (times.timeAt(block, offset) < startMs) from = times.lowerBound(block, offset, offset + to, startMs) - offset;
    if (times.timeAt(block, offset + to - 1) > endMs) {
      to = times.lowerBound(block, offset + from, offset + to, endMs + 1) - offset;
    }
    if (from >= to) return;
    into.reserve(to - from);
    const at = into.length;
    times.copyTo(block, offset + from, offset + to, into.times, at);
    if (this.kind[id] === HIST) {
      const column = this.histograms.get(id)!;
      const histograms = (into.histograms ??= []);
      for (let i = from; i < to; i++) {
        into.values[at + i - from] = 0;
        histograms[at + i - from] = column.at(i);
      }
    } else {
      this.readValues(id, from, to, into.values, into.words, at);
    }
    if (this.flags[id]! & HAS_STARTS) {
      into.starts ??= new Float64Array(into.times.length);
      this.starts.get(id)!.copyTo(from, to, into.starts, at);
    }
    into.length = at + to - from;
  }

  /** size is the number of live chunks. */
  get size(): number {
    return this.count;
  }

  /** usedBytes is what the live chunks take, time blocks included. */
  get usedBytes(): number {
    return (
      this.count * ROW_BYTES +
      this.sideBytes +
      this.times.usedBytes +
      this.pool1.usedBytes +
      this.pool2.usedBytes +
      this.pool4.usedBytes +
      this.pool8.usedBytes
    );
  }

  /** allocatedBytes is usedBytes plus what is kept for reuse. */
  get allocatedBytes(): number {
    return (
      this.capacity * ROW_BYTES +
      this.sideBytes +
      this.times.allocatedBytes +
      this.pool1.allocatedBytes +
      this.pool2.allocatedBytes +
      this.pool4.allocatedBytes +
      this.pool8.allocatedBytes
    );
  }

  /** bytesByEncoding is how the values are spread over the encodings, for the benchmark. */
  get bytesByEncoding(): Record<string, number> {
    return {
      d8: this.pool1.usedBytes,
      d16: this.pool2.usedBytes,
      d32AndF32: this.pool4.usedBytes,
      f64: this.pool8.usedBytes,
      times: this.times.usedBytes,
      side: this.sideBytes,
      table: this.count * ROW_BYTES,
    };
  }

  /** trim gives unused slabs back. */
  trim(): void {
    this.times.trim();
    this.pool1.trim();
    this.pool2.trim();
    this.pool4.trim();
    this.pool8.trim();
  }

  private putDelta(id: number, n: number, delta: number): boolean {
    const block = this.data[id]!;
    const at = SlabPool.offsetOf(block) + n;
    switch (this.kind[id]) {
      case D8:
        if (!(delta >= -126 && delta <= 127)) return false;
        this.pool1.i8[SlabPool.slabOf(block)]![at] = delta;
        return true;
      case D16:
        if (!(delta >= -32766 && delta <= 32767)) return false;
        this.pool2.i16[SlabPool.slabOf(block)]![at] = delta;
        return true;
      default:
        if (!(delta >= -2147483646 && delta <= 2147483647)) return false;
        this.pool4.i32[SlabPool.slabOf(block)]![at] = delta;
        return true;
    }
  }

  // Slow path: rewrites the chunk with one more value in the smallest encoding that holds all of them.
  private widen(id: number, low: number, high: number): void {
    const n = this.length[id]!;
    this.readValues(id, 0, n, this.scratch, this.scratchWords, 0);
    this.scratchWords[2 * n] = low;
    this.scratchWords[2 * n + 1] = high;
    this.releaseData(id);
    this.encode(id, n + 1);
  }

  /** encode fills a chunk from `scratch`; it holds at least one value. */
  private encode(id: number, n: number): void {
    const values = this.scratch;
    const words = this.scratchWords;
    this.length[id] = n;
    this.flags[id]! &= ~SPECIAL;
    let same = true;
    let special = false;
    let raw = false;
    let float32 = true;
    let exponent = 0;
    for (let i = 0; i < n; i++) {
      if (words[2 * i] !== words[0] || words[2 * i + 1] !== words[1]) same = false;
      const value = values[i]!;
      if (value !== value) {
        special = true;
        const low = words[2 * i]!;
        const high = words[2 * i + 1]!;
        if (low === STALE_NAN_LOW && high === STALE_NAN_HIGH) continue;
        if (low === NORMAL_NAN_LOW && high === NORMAL_NAN_HIGH) continue;
        raw = true;
        continue;
      }
      if (Math.fround(value) !== value) float32 = false;
      while (exponent <= MAX_EXPONENT && !scales(value, words[2 * i + 1]!, exponent)) exponent++;
    }
    if (same) {
      this.kind[id] = CONST;
      this.baseWords[2 * id] = words[0]!;
      this.baseWords[2 * id + 1] = words[1]!;
      return;
    }
    if (special) this.flags[id]! |= SPECIAL;
    if (!raw && exponent <= MAX_EXPONENT && this.encodeDeltas(id, n, exponent, float32)) return;
    if (!raw && float32) this.encodeFloat32(id, n);
    else this.encodeRaw(id, n);
  }

  private encodeDeltas(id: number, n: number, exponent: number, float32: boolean): boolean {
    const values = this.scratch;
    const power = POWERS[exponent]!;
    let base = NaN;
    let last = NaN;
    let lowest = 0;
    let highest = 0;
    for (let i = 0; i < n; i++) {
      if (values[i] !== values[i]) continue;
      const scaled = Math.round(values[i]! * power);
      // A wide range of exponents can push an earlier value past what is exact.
      if (scaled > MAX_INTEGER || scaled < -MAX_INTEGER) return false;
      if (base !== base) base = scaled;
      else {
        const delta = scaled - last;
        if (delta < lowest) lowest = delta;
        if (delta > highest) highest = delta;
      }
      last = scaled;
    }
    let kind: number;
    if (lowest >= -126 && highest <= 127) kind = D8;
    else if (lowest >= -32766 && highest <= 32767) kind = D16;
    // At four bytes an exact 32-bit float costs the same and reads without a division.
    else if (lowest >= -2147483646 && highest <= 2147483647 && !(float32 && exponent > 0)) kind = D32;
    else return false;
    this.kind[id] = kind;
    this.exponent[id] = exponent;
    this.base[id] = base;
    const block = (kind === D8 ? this.pool1 : kind === D16 ? this.pool2 : this.pool4).alloc();
    this.data[id] = block;
    const slab = SlabPool.slabOf(block);
    const out = kind === D8 ? this.pool1.i8[slab]! : kind === D16 ? this.pool2.i16[slab]! : this.pool4.i32[slab]!;
    const stale = kind === D8 ? -128 : kind === D16 ? -32768 : -2147483648;
    const at = SlabPool.offsetOf(block);
    last = base;
    for (let i = 0; i < n; i++) {
      if (values[i] !== values[i]) {
        out[at + i] = this.scratchWords[2 * i] === STALE_NAN_LOW ? stale : stale + 1;
        continue;
      }
      const scaled = Math.round(values[i]! * power);
      out[at + i] = scaled - last;
      last = scaled;
    }
    return true;
  }

  private encodeFloat32(id: number, n: number): void {
    const block = this.pool4.alloc();
    this.kind[id] = F32;
    this.data[id] = block;
    const slab = SlabPool.slabOf(block);
    const floats = this.pool4.f32[slab]!;
    const words = this.pool4.u32[slab]!;
    const at = SlabPool.offsetOf(block);
    for (let i = 0; i < n; i++) {
      const value = this.scratch[i]!;
      if (value === value) floats[at + i] = value;
      else words[at + i] = this.scratchWords[2 * i] === STALE_NAN_LOW ? STALE_FLOAT32 : NAN_FLOAT32;
    }
  }

  private encodeRaw(id: number, n: number): void {
    const block = this.pool8.alloc();
    this.kind[id] = F64;
    this.data[id] = block;
    const words = this.pool8.u32[SlabPool.slabOf(block)]!;
    const at = 2 * SlabPool.offsetOf(block);
    const from = this.scratchWords;
    for (let i = 0; i < 2 * n; i++) words[at + i] = from[i]!;
  }

  // readValues decodes the samples [from, to) to `values` at `at`; `words` views the same memory.
  private readValues(id: number, from: number, to: number, values: Float64Array, words: Uint32Array, at: number): void {
    const block = this.data[id]!;
    switch (this.kind[id]) {
      case CONST: {
        const value = this.base[id]!;
        if (value === value) {
          for (let i = from; i < to; i++) values[at++] = value;
        } else {
          const low = this.baseWords[2 * id]!;
          const high = this.baseWords[2 * id + 1]!;
          for (let i = from; i < to; i++, at++) {
            words[2 * at] = low;
            words[2 * at + 1] = high;
          }
        }
        return;
      }
      case F64: {
        const slab = SlabPool.slabOf(block);
        const offset = SlabPool.offsetOf(block);
        if (this.flags[id]! & SPECIAL) {
          // Storing a number may quiet a NaN; its halves stay as they are.
          const bits = this.pool8.u32[slab]!;
          for (let i = 2 * (offset + from), n = 2 * (offset + to), out = 2 * at; i < n; i++) words[out++] = bits[i]!;
          return;
        }
        const numbers = this.pool8.f64[slab]!;
        for (let i = from; i < to; i++) values[at++] = numbers[offset + i]!;
        return;
      }
      case F32: {
        const slab = SlabPool.slabOf(block);
        const floats = this.pool4.f32[slab]!;
        const offset = SlabPool.offsetOf(block);
        if (this.flags[id]! & SPECIAL) {
          const bits = this.pool4.u32[slab]!;
          for (let i = from; i < to; i++, at++) {
            if (bits[offset + i] === STALE_FLOAT32) putSpecial(words, at, true);
            else if (bits[offset + i] === NAN_FLOAT32) putSpecial(words, at, false);
            else values[at] = floats[offset + i]!;
          }
        } else for (let i = from; i < to; i++) values[at++] = floats[offset + i]!;
        return;
      }
      case D8:
        this.readDeltas8(id, from, to, values, words, at);
        return;
      case D16:
        this.readDeltas16(id, from, to, values, words, at);
        return;
      case D32:
        this.readDeltas32(id, from, to, values, words, at);
    }
  }

  // The three bodies are alike on purpose: each loop sees one type of array only and stays fast.
  private readDeltas8(
    id: number,
    from: number,
    to: number,
    values: Float64Array,
    words: Uint32Array,
    at: number,
  ): void {
    const block = this.data[id]!;
    const slab = this.pool1.i8[SlabPool.slabOf(block)]!;
    const offset = SlabPool.offsetOf(block);
    const power = POWERS[this.exponent[id]!]!;
    let sum = this.base[id]!;
    if (this.flags[id]! & SPECIAL) {
      for (let i = 0; i < to; i++) {
        const delta = slab[offset + i]!;
        if (delta > -127) sum += delta;
        if (i < from) continue;
        if (delta > -127) values[at] = sum / power;
        else putSpecial(words, at, delta === -128);
        at++;
      }
      return;
    }
    for (let i = 0; i < from; i++) sum += slab[offset + i]!;
    if (power === 1) for (let i = from; i < to; i++) values[at++] = sum += slab[offset + i]!;
    else for (let i = from; i < to; i++) values[at++] = (sum += slab[offset + i]!) / power;
  }

  private readDeltas16(
    id: number,
    from: number,
    to: number,
    values: Float64Array,
    words: Uint32Array,
    at: number,
  ): void {
    const block = this.data[id]!;
    const slab = this.pool2.i16[SlabPool.slabOf(block)]!;
    const offset = SlabPool.offsetOf(block);
    const power = POWERS[this.exponent[id]!]!;
    let sum = this.base[id]!;
    if (this.flags[id]! & SPECIAL) {
      for (let i = 0; i < to; i++) {
        const delta = slab[offset + i]!;
        if (delta > -32767) sum += delta;
        if (i < from) continue;
        if (delta > -32767) values[at] = sum / power;
        else putSpecial(words, at, delta === -32768);
        at++;
      }
      return;
    }
    for (let i = 0; i < from; i++) sum += slab[offset + i]!;
    if (power === 1) for (let i = from; i < to; i++) values[at++] = sum += slab[offset + i]!;
    else for (let i = from; i < to; i++) values[at++] = (sum += slab[offset + i]!) / power;
  }

  private readDeltas32(
    id: number,
    from: number,
    to: number,
    values: Float64Array,
    words: Uint32Array,
    at: number,
  ): void {
    const block = this.data[id]!;
    const slab = this.pool4.i32[SlabPool.slabOf(block)]!;
    const offset = SlabPool.offsetOf(block);
    const power = POWERS[this.exponent[id]!]!;
    let sum = this.base[id]!;
    if (this.flags[id]! & SPECIAL) {
      for (let i = 0; i < to; i++) {
        const delta = slab[offset + i]!;
        if (delta > -2147483647) sum += delta;
        if (i < from) continue;
        if (delta > -2147483647) values[at] = sum / power;
        else putSpecial(words, at, delta === -2147483648);
        at++;
      }
      return;
    }
    for (let i = 0; i < from; i++) sum += slab[offset + i]!;
    if (power === 1) for (let i = from; i < to; i++) values[at++] = sum += slab[offset + i]!;
    else for (let i = from; i < to; i++) values[at++] = (sum += slab[offset + i]!) / power;
  }

  private releaseData(id: number): void {
    const block = this.data[id]!;
    switch (this.kind[id]) {
      case D8:
        this.pool1.release(block);
        break;
      case D16:
        this.pool2.release(block);
        break;
      case D32:
      case F32:
        this.pool4.release(block);
        break;
      case F64:
        this.pool8.release(block);
        break;
      case HIST:
        this.sideBytes -= this.histograms.get(id)!.sizeBytes;
        this.histograms.delete(id);
    }
    this.data[id] = -1;
  }

  private growTo(capacity: number): void {
    this.block = grown(this.block, new Int32Array(capacity));
    this.offset = grown(this.offset, new Uint8Array(capacity));
    this.length = grown(this.length, new Uint8Array(capacity));
    this.kind = grown(this.kind, new Uint8Array(capacity));
    this.exponent = grown(this.exponent, new Uint8Array(capacity));
    this.flags = grown(this.flags, new Uint8Array(capacity));
    const words = grown(this.baseWords, new Uint32Array(2 * capacity));
    this.baseWords = words;
    this.base = new Float64Array(words.buffer);
    this.data = grown(this.data, new Int32Array(capacity));
    this.nextId = grown(this.nextId, new Int32Array(capacity));
    this.capacity = capacity;
  }
}

// scales tells whether value * 10^exponent is an integer from which dividing gives back the very same bits.
function scales(value: number, high: number, exponent: number): boolean {
  const power = POWERS[exponent]!;
  const scaled = Math.round(value * power);
  return scaled / power === value && scaled <= MAX_INTEGER && scaled >= -MAX_INTEGER && !(value === 0 && high !== 0);
}

function putSpecial(words: Uint32Array, at: number, stale: boolean): void {
  words[2 * at] = stale ? STALE_NAN_LOW : NORMAL_NAN_LOW;
  words[2 * at + 1] = stale ? STALE_NAN_HIGH : NORMAL_NAN_HIGH;
}
