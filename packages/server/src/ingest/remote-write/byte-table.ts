// ByteTable gives byte strings numbers: 1, 2, 3 ... in the order in which they are first seen. The series of a
// remote write request are byte strings (their encoded labels), and the same sender sends the same ones every few
// seconds, mostly in the same order. So a lookup first tries what followed the previous hit last time, which costs one
// comparison; only where the order changed is the string hashed.
//
//   arena   bytes of all strings, each starting at a multiple of 4
//   start[], length[], hash[], next[]        one slot per string; slot 0 means "none"
//   table   open addressing, hash -> number
//
// Nothing is removed; whoever owns the table resets it when it has grown past its bound.

const FIRST_SLOTS = 1024;

/** ByteTable maps byte strings to numbers. */
export class ByteTable {
  /** size is the highest number given. */
  size = 0;
  private arena = new Uint8Array(64 * 1024);
  private words = new Int32Array(this.arena.buffer);
  private used = 0;
  private start = new Int32Array(FIRST_SLOTS);
  private length = new Int32Array(FIRST_SLOTS);
  private hash = new Int32Array(FIRST_SLOTS);
  private next = new Int32Array(FIRST_SLOTS);
  private table = new Int32Array(FIRST_SLOTS * 2);

  /** bytesUsed is the memory in use. */
  get bytesUsed(): number {
    return this.used + this.size * 24;
  }

  /** capacity is how many numbers fit before the next growth. */
  get capacity(): number {
    return this.start.length;
  }

  /** reset forgets everything and gives the memory back. */
  reset(): void {
    this.size = 0;
    this.used = 0;
    this.arena = new Uint8Array(64 * 1024);
    this.words = new Int32Array(this.arena.buffer);
    this.start = new Int32Array(FIRST_SLOTS);
    this.length = new Int32Array(FIRST_SLOTS);
    this.hash = new Int32Array(FIRST_SLOTS);
    this.next = new Int32Array(FIRST_SLOTS);
    this.table = new Int32Array(FIRST_SLOTS * 2);
  }

  /** find returns the number of bytes[from, to), or 0. `previous` is the number found before this one, 0 if none. */
  find(previous: number, bytes: Uint8Array, view: DataView, from: number, to: number): number {
    const guess = this.next[previous];
    if (guess !== 0 && this.equals(guess, bytes, view, from, to)) return guess;
    const hash = hashBytes(bytes, view, from, to);
    const found = this.lookUp(hash, bytes, view, from, to);
    if (found !== 0) this.next[previous] = found;
    return found;
  }

  /** add gives bytes[from, to) the next number; they must not have one. */
  add(previous: number, bytes: Uint8Array, view: DataView, from: number, to: number): number {
    const hash = hashBytes(bytes, view, from, to);
    const id = ++this.size;
    if (id === this.start.length) this.growSlots();
    const length = to - from;
    const aligned = (length + 3) & ~3;
    if (this.used + aligned > this.arena.length) this.growArena(this.used + aligned);
    this.arena.set(bytes.subarray(from, to), this.used);
    this.start[id] = this.used;
    this.length[id] = length;
    this.hash[id] = hash;
    this.used += aligned;
    this.insert(id);
    this.next[previous] = id;
    return id;
  }

  /** view is the byte string of a number; valid until the next add. */
  bytes(id: number): Uint8Array {
    return this.arena.subarray(this.start[id], this.start[id] + this.length[id]);
  }

  private equals(id: number, bytes: Uint8Array, view: DataView, from: number, to: number): boolean {
    const length = to - from;
    if (this.length[id] !== length) return false;
    const start = this.start[id];
    const words = this.words;
    const whole = length >> 2;
    const first = start >> 2;
    for (let k = 0; k < whole; k++) if (words[first + k] !== view.getInt32(from + (k << 2), true)) return false;
    const arena = this.arena;
    for (let k = whole << 2; k < length; k++) if (arena[start + k] !== bytes[from + k]) return false;
    return true;
  }

  private lookUp(hash: number, bytes: Uint8Array, view: DataView, from: number, to: number): number {
    const mask = this.table.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = this.table[slot];
      if (id === 0) return 0;
      if (this.hash[id] === hash && this.equals(id, bytes, view, from, to)) return id;
    }
  }

  private insert(id: number): void {
    const mask = this.table.length - 1;
    let slot = this.hash[id] & mask;
    while (this.table[slot] !== 0) slot = (slot + 1) & mask;
    this.table[slot] = id;
  }

  private growSlots(): void {
    const grow = (old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const grown = new Int32Array(old.length * 2);
      grown.set(old);
      return grown;
    };
    this.start = grow(this.start);
    this.length = grow(this.length);
    this.hash = grow(this.hash);
    this.next = grow(this.next);
    this.table = new Int32Array(this.table.length * 2);
    for (let id = 1; id < this.size; id++) this.insert(id);
  }

  private growArena(need: number): void {
    const grown = new Uint8Array(Math.max(need + 3, this.arena.length * 2) & ~3);
    grown.set(this.arena.subarray(0, this.used));
    this.arena = grown;
    this.words = new Int32Array(grown.buffer);
  }
}

// Four bytes at a time, then a finish that spreads every bit (murmur3's).
function hashBytes(bytes: Uint8Array, view: DataView, from: number, to: number): number {
  let hash = 0x2f0b4a27 ^ (to - from);
  let at = from;
  for (; at + 4 <= to; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  for (; at < to; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
