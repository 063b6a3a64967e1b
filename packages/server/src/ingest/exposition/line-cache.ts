// LineCache remembers what the lines of one target meant, so that an unchanged line costs a comparison of bytes and
// the reading of a number. An entry is the part of a line that does not change from scrape to scrape: `name{labels}`
// of a sample, the whole line of HELP, TYPE, UNIT and comments. Whoever scrapes attaches what it knows of a series
// (SeriesRef, staleness) to the entry's number.
//
//   arena    name{a="b"}··name{a="c"}··# TYPE x counter·  ...          bytes of all entries, each at a multiple of 4
//   start[], length[], hash[], kind[]                                 one slot per entry; slot 0 means "none"
//   next[]                                                            which entry followed this one last time
//   table    open addressing, hash -> entry
//
// Targets print their lines in the same order every time, so the entry that followed last time is tried first; only
// when its bytes differ is the line's prefix searched for its end, hashed and looked up. Entries that a scrape did
// not show are removed by `sweep`, which also compacts the arena: memory follows what the target exposes.

/** LineKind says what an entry stands for. */
export const LineKind = { None: 0, Series: 1, Type: 2, Help: 3, Unit: 4, Comment: 5 } as const;
export type LineKind = (typeof LineKind)[keyof typeof LineKind];

const FIRST_SLOTS = 64;
const FIRST_ARENA_BYTES = 4096;

/** LineCache maps line prefixes to entry numbers (1 and up). The arrays are indexed by entry and replaced when they grow. */
export class LineCache {
  /** iteration is the number of the current scrape; entries seen in it carry it in `seen`. */
  iteration = 1;
  /** size is the number of entries. */
  size = 0;
  kind = new Uint8Array(FIRST_SLOTS);
  start = new Int32Array(FIRST_SLOTS);
  length = new Int32Array(FIRST_SLOTS);
  next = new Int32Array(FIRST_SLOTS);
  seen = new Int32Array(FIRST_SLOTS);
  /** serial tells entries apart that had the same number one after the other. */
  serial = new Int32Array(FIRST_SLOTS);
  /** detail is the parser's: for Type entries the metric type. */
  detail = new Uint8Array(FIRST_SLOTS);
  /** parsed holds what HELP, TYPE and UNIT lines said. */
  readonly parsed: (ParsedMetadata | undefined)[] = [];
  arena = new Uint8Array(FIRST_ARENA_BYTES);
  private words = new Int32Array(this.arena.buffer);
  private hash = new Int32Array(FIRST_SLOTS);
  private table = new Int32Array(FIRST_SLOTS * 2);
  private used = 0;
  /** slots is the first entry number never used. */
  private slots = 1;
  private readonly free: number[] = [];
  private serials = 0;

  /** capacity is the length of the arrays; attach arrays of the same length. */
  get capacity(): number {
    return this.kind.length;
  }

  /** end is one more than the highest entry number in use. */
  get end(): number {
    return this.slots;
  }

  /** arenaBytes is the memory that prefixes take. */
  get arenaBytes(): number {
    return this.arena.length;
  }

  /** matches tells whether entry `id` stands at `at`; `view` must reach 4 bytes past the entry's length. */
  matches(id: number, bytes: Uint8Array, view: DataView, at: number): boolean {
    const start = this.start[id] >> 2;
    const length = this.length[id];
    const whole = length >> 2;
    const words = this.words;
    for (let k = 0; k < whole; k++) {
      if (words[start + k] !== view.getInt32(at + (k << 2), true)) return false;
    }
    const arena = this.arena;
    for (let k = whole << 2; k < length; k++) {
      if (arena[(start << 2) + k] !== bytes[at + k]) return false;
    }
    return true;
  }

  /** find looks up bytes[start, end), whose hash is `hash`; 0 where they are unknown. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const table = this.table;
    const mask = table.length - 1;
    const length = end - start;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = table[slot];
      if (id === 0) return 0;
      if (this.hash[id] === hash && this.length[id] === length && this.same(id, bytes, start, length)) return id;
    }
  }

  /** equals tells whether entry `id`, which is `length` long, holds the first bytes of `bytes`. */
  equals(id: number, bytes: Uint8Array, length: number): boolean {
    return this.kind[id] !== LineKind.None && this.same(id, bytes, 0, length);
  }

  private same(id: number, bytes: Uint8Array, start: number, length: number): boolean {
    const arena = this.arena;
    const own = this.start[id];
    for (let k = 0; k < length; k++) if (arena[own + k] !== bytes[start + k]) return false;
    return true;
  }

  /** add makes an entry for bytes[start, end), which must not be known yet. */
  add(kind: LineKind, bytes: Uint8Array, start: number, end: number, hash: number): number {
    if ((this.size + 1) * 2 > this.table.length) this.rehash(this.table.length * 2);
    const length = end - start;
    const room = (length + 3) & ~3;
    if (this.used + room > this.arena.length) this.growArena(this.used + room);
    this.arena.set(bytes.subarray(start, end), this.used);
    const id = this.free.pop() ?? this.slots++;
    if (id >= this.kind.length) this.growSlots();
    this.kind[id] = kind;
    this.start[id] = this.used;
    this.length[id] = length;
    this.hash[id] = hash;
    this.next[id] = 0;
    this.seen[id] = this.iteration;
    this.detail[id] = 0;
    this.serial[id] = ++this.serials;
    this.used += room;
    this.size++;
    this.link(id);
    return id;
  }

  /** sweep removes the entries not seen in the current iteration and calls `removed` for each. */
  sweep(removed: (id: number) => void): void {
    const before = this.size;
    for (let id = 1; id < this.slots; id++) {
      if (this.kind[id] === LineKind.None || this.seen[id] === this.iteration) continue;
      this.kind[id] = LineKind.None;
      this.serial[id] = 0;
      this.parsed[id] = undefined;
      this.free.push(id);
      this.size--;
      removed(id);
    }
    if (this.size === before) return;
    this.compact();
    let length = this.table.length;
    while (length > FIRST_SLOTS * 2 && this.size * 8 < length) length >>= 1;
    this.rehash(length);
    // A removed entry must not be tried as the successor of another: its bytes are gone.
    for (let id = 0; id < this.slots; id++) if (this.kind[this.next[id]] === LineKind.None) this.next[id] = 0;
  }

  private compact(): void {
    let live = 0;
    for (let id = 1; id < this.slots; id++) {
      if (this.kind[id] !== LineKind.None) live += (this.length[id] + 3) & ~3;
    }
    // Copying pays once a third of the arena is waste.
    if (live * 3 > this.used * 2) return;
    const arena = new Uint8Array(Math.max(FIRST_ARENA_BYTES, (live + (live >> 2) + 3) & ~3));
    let used = 0;
    for (let id = 1; id < this.slots; id++) {
      if (this.kind[id] === LineKind.None) continue;
      const start = this.start[id];
      arena.set(this.arena.subarray(start, start + this.length[id]), used);
      this.start[id] = used;
      used += (this.length[id] + 3) & ~3;
    }
    this.arena = arena;
    this.words = new Int32Array(arena.buffer);
    this.used = used;
  }

  private link(id: number): void {
    const table = this.table;
    const mask = table.length - 1;
    let slot = this.hash[id] & mask;
    while (table[slot] !== 0) slot = (slot + 1) & mask;
    table[slot] = id;
  }

  private rehash(length: number): void {
    this.table = new Int32Array(length);
    for (let id = 1; id < this.slots; id++) if (this.kind[id] !== LineKind.None) this.link(id);
  }

  private growArena(need: number): void {
    const arena = new Uint8Array((Math.max(need, this.arena.length * 2) + 3) & ~3);
    arena.set(this.arena.subarray(0, this.used));
    this.arena = arena;
    this.words = new Int32Array(arena.buffer);
  }

  private growSlots(): void {
    const length = this.kind.length * 2;
    this.kind = grown(this.kind, new Uint8Array(length));
    this.detail = grown(this.detail, new Uint8Array(length));
    this.start = grown(this.start, new Int32Array(length));
    this.length = grown(this.length, new Int32Array(length));
    this.next = grown(this.next, new Int32Array(length));
    this.seen = grown(this.seen, new Int32Array(length));
    this.serial = grown(this.serial, new Int32Array(length));
    this.hash = grown(this.hash, new Int32Array(length));
  }
}

/** ParsedMetadata is what one HELP, TYPE or UNIT line said of a metric family. */
export interface ParsedMetadata {
  family: string;
  text: string;
}

function grown<T extends Uint8Array | Int32Array>(old: T, into: T): T {
  into.set(old);
  return into;
}

/** HASH_SEED and hashByte make the hash of a prefix: FNV-1a over its bytes. */
export const HASH_SEED = 0x811c9dc5 | 0;

/** hashBytes hashes bytes[start, end). */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_SEED;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash;
}
