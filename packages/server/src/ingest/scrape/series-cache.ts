// SeriesCache is what a scrape loop knows of its target from one scrape to the next: for every line prefix the
// series it became (or that relabelling drops it), which series were there last time (for staleness markers), and
// the metadata of the families. It is upstream's scrapeCache, as columns beside the parser's LineCache.
//
// An entry is only trusted when its sample was accepted: a series that was refused is resolved again next time.
import type { MetricMetadata, MetricType } from "@belfry/core/model";
import { LineCache } from "../exposition/index.ts";
import type { SeriesRef } from "../../metrics/appender.ts";

/** SeriesState says what became of an entry. */
export const SeriesState = { Unknown: 0, Dropped: 1, Stored: 2 } as const;
export type SeriesState = (typeof SeriesState)[keyof typeof SeriesState];

// Metadata stays this many scrapes after its family was seen last, as upstream keeps it.
const METADATA_KEPT_SCRAPES = 10;

/** FamilyMetadata is the metadata of one family and when it was seen. */
export interface FamilyMetadata extends MetricMetadata {
  seenIn: number;
}

/** SeriesTable is the cache of one exposition format; a target that changes its format gets a second one for a while. */
export class SeriesTable {
  readonly lines = new LineCache();
  /** state, refs and trackedIn are indexed by entry. */
  state = new Uint8Array(this.lines.capacity);
  refs = new Float64Array(this.lines.capacity);
  /**
   * trackedIn is twice the iteration in which a series was there without a timestamp of its own, plus 1 when it was
   * there in the iteration before too (what `undo` goes back to); 0: never.
   */
  trackedIn = new Int32Array(this.lines.capacity);

  /** fit makes room for entries that the parser has added. */
  fit(): void {
    const { capacity } = this.lines;
    if (this.state.length >= capacity) return;
    const state = new Uint8Array(capacity);
    state.set(this.state);
    this.state = state;
    const refs = new Float64Array(capacity);
    refs.set(this.refs);
    this.refs = refs;
    const trackedIn = new Int32Array(capacity);
    trackedIn.set(this.trackedIn);
    this.trackedIn = trackedIn;
  }
}

/** SeriesCache belongs to one target and outlives a reload that does not change what samples mean. */
export class SeriesCache {
  readonly metadata = new Map<string, FamilyMetadata>();
  /** changedMetadata are families that the store has not been told of. */
  readonly changedMetadata = new Set<string>();
  private tables: { format: string; table: SeriesTable }[] = [];
  private iteration = 1;
  private successfulSize = 0;
  private added: number[] = [];
  private addedTo: SeriesTable | undefined;

  /** table is the cache for bodies of this format. */
  table(format: string): SeriesTable {
    let entry = this.tables.find((candidate) => candidate.format === format);
    if (entry === undefined) {
      entry = { format, table: new SeriesTable() };
      entry.table.lines.iteration = this.iteration;
      this.tables.push(entry);
    }
    return entry.table;
  }

  /** size counts cached lines. */
  get size(): number {
    let size = 0;
    for (const { table } of this.tables) size += table.lines.size;
    return size;
  }

  /** memoryBytes estimates what the cache holds. */
  get memoryBytes(): number {
    let bytes = 0;
    for (const { table } of this.tables) bytes += table.lines.arenaBytes + table.lines.capacity * 39;
    return bytes;
  }

  /** store notes the series that an entry became. */
  store(table: SeriesTable, entry: number, ref: SeriesRef): void {
    table.fit();
    table.state[entry] = SeriesState.Stored;
    table.refs[entry] = ref;
    table.trackedIn[entry] = 0;
    this.addedTo = table;
    this.added.push(entry);
  }

  /** drop notes that relabelling drops an entry. */
  drop(table: SeriesTable, entry: number): void {
    table.fit();
    table.state[entry] = SeriesState.Dropped;
    table.trackedIn[entry] = 0;
  }

  /** undo forgets what the scrape that is being rolled back has noted. */
  undo(): void {
    if (this.addedTo !== undefined) {
      for (const entry of this.added) {
        this.addedTo.state[entry] = SeriesState.Unknown;
        this.addedTo.trackedIn[entry] = 0;
      }
    }
    this.added = [];
    const now = 2 * this.iteration;
    for (const { table } of this.tables) {
      const { trackedIn } = table;
      // Seen in a scrape that failed is not seen: the series of the last good scrape are to be marked.
      for (let id = 1; id < trackedIn.length; id++) {
        if (trackedIn[id] >= now) trackedIn[id] = trackedIn[id] > now ? now - 2 : 0;
      }
    }
  }

  /** forEachStale calls `mark` for the series that were there in the last scrape and are not in this one. */
  forEachStale(mark: (ref: SeriesRef) => void): void {
    const candidates = new Set<SeriesRef>();
    const now = 2 * this.iteration;
    for (const { table } of this.tables) {
      const { trackedIn, refs } = table;
      for (let id = 1; id < trackedIn.length; id++) {
        if (trackedIn[id] >= now - 2 && trackedIn[id] < now && trackedIn[id] > 0) candidates.add(refs[id]);
      }
    }
    if (candidates.size === 0) return;
    // The same series may have come back spelled differently.
    for (const { table } of this.tables) {
      const { trackedIn, refs } = table;
      for (let id = 1; id < trackedIn.length; id++) if (trackedIn[id] >= now) candidates.delete(refs[id]);
    }
    for (const ref of candidates) mark(ref);
  }

  /** finish ends a scrape. After a successful one (`flush`) everything that it did not show is forgotten. */
  finish(flush: boolean): void {
    const size = this.size + this.metadata.size;
    let sweep = flush;
    if (flush) this.successfulSize = size;
    // Failing scrapes with ever new lines must not grow the cache without bound.
    else if (size > this.successfulSize * 2 + 1000) sweep = true;
    if (sweep) this.sweep();
    this.added = [];
    this.addedTo = undefined;
    this.iteration++;
    for (const { table } of this.tables) table.lines.iteration = this.iteration;
  }

  private sweep(): void {
    for (const { table } of this.tables) {
      table.fit();
      const { state, trackedIn } = table;
      table.lines.sweep((id) => {
        state[id] = SeriesState.Unknown;
        trackedIn[id] = 0;
      });
    }
    this.tables = this.tables.filter(({ table }) => table.lines.size > 0);
    for (const [family, metadata] of this.metadata) {
      if (this.iteration - metadata.seenIn > METADATA_KEPT_SCRAPES) this.metadata.delete(family);
    }
  }

  /** setType, setHelp and setUnit note what a metadata line says. */
  setType(family: string, type: MetricType): void {
    const entry = this.family(family);
    if (entry.type === type) return;
    entry.type = type;
    this.changedMetadata.add(family);
  }

  setHelp(family: string, help: string): void {
    const entry = this.family(family);
    if (entry.help === help) return;
    entry.help = help;
    this.changedMetadata.add(family);
  }

  setUnit(family: string, unit: string): void {
    const entry = this.family(family);
    if (entry.unit === unit) return;
    entry.unit = unit;
    this.changedMetadata.add(family);
  }

  private family(name: string): FamilyMetadata {
    let entry = this.metadata.get(name);
    if (entry === undefined) {
      entry = { type: "unknown", help: "", unit: "", seenIn: this.iteration };
      this.metadata.set(name, entry);
      this.changedMetadata.add(name);
    }
    entry.seenIn = this.iteration;
    return entry;
  }
}
