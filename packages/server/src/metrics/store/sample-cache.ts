// What was read below the head's floor is kept for the next query, by series and half hour. It changes only by what
// goes through the store: samples that come late, and deletions. A load during which such a thing happened may lack
// it, so it is used for its own query and not kept.
import type { Chunk, Columns } from "./sample-columns.ts";

/** SPAN_MS is the time that one entry of the cache covers. */
export const SPAN_MS = 30 * 60_000;

/** SampleCacheStats are the counters of a SampleCache; look-ups are for one series and half hour. */
export interface SampleCacheStats {
  hits: number;
  misses: number;
  bytes: number;
}

/** Load is a read of the database whose result may be kept. */
export interface Load {
  readonly endMs: number;
  isStale: boolean;
}

/** SampleCache maps series and half hour to samples; what was not used for longest goes first. */
export class SampleCache {
  readonly stats: SampleCacheStats = { hits: 0, misses: 0, bytes: 0 };
  readonly maxBytes: number;
  private readonly maxAgeMs: number;
  private readonly spans = new Map<number, Map<number, Chunk>>();
  // In order of use.
  private readonly columns = new Map<Columns, number>();
  private readonly loads = new Set<Load>();

  /** `maxAgeMs` bounds how old an answer may be; where other processes write to the same tables it must be short. */
  constructor(maxBytes: number, maxAgeMs: number) {
    this.maxBytes = maxBytes;
    this.maxAgeMs = maxAgeMs;
  }

  /** span returns the chunks of a half hour, by the low half of the id. */
  span(number: number): ReadonlyMap<number, Chunk> | undefined {
    return this.spans.get(number);
  }

  /** use marks columns as used just now and tells whether they may be. */
  use(columns: Columns, nowMs: number): boolean {
    const bytes = this.columns.get(columns);
    if (bytes === undefined) return false;
    if (nowMs >= columns.untilMs) {
      this.drop(columns);
      return false;
    }
    this.columns.delete(columns);
    this.columns.set(columns, bytes);
    return true;
  }

  /** begin announces a read of samples before `endMs`; end must follow. */
  begin(endMs: number): Load {
    const load: Load = { endMs, isStale: false };
    this.loads.add(load);
    return load;
  }

  end(load: Load): void {
    this.loads.delete(load);
  }

  /** put keeps columns that were filled during a load. */
  put(load: Load, number: number, columns: Columns, nowMs: number): void {
    if (load.isStale || !this.loads.has(load)) return;
    columns.trim();
    const { bytes } = columns;
    if (bytes > this.maxBytes) return;
    columns.untilMs = nowMs + this.maxAgeMs;
    let span = this.spans.get(number);
    if (span === undefined) this.spans.set(number, (span = new Map()));
    for (const [idLow, first] of columns.chunks) {
      // Queries hold chunks only, not this chain, so that it may be changed.
      let known = span.get(idLow);
      for (let chunk: Chunk | undefined = first; chunk !== undefined;) {
        const { next }: Chunk = chunk;
        known = without(known, (other) => other.idHigh === chunk!.idHigh);
        chunk.next = known;
        known = chunk;
        chunk = next;
      }
      span.set(idLow, known!);
    }
    this.columns.set(columns, bytes);
    this.stats.bytes += bytes;
    for (const oldest of this.columns.keys()) {
      if (this.stats.bytes <= this.maxBytes) break;
      this.drop(oldest);
    }
  }

  /** forgetFrom drops everything at and after a time. */
  forgetFrom(timeMs: number): void {
    for (const load of this.loads) if (load.endMs > timeMs) load.isStale = true;
    for (const columns of this.columns.keys()) if (columns.baseMs + SPAN_MS > timeMs) this.drop(columns);
  }

  /** clear drops everything. */
  clear(): void {
    this.forgetFrom(-Infinity);
  }

  private drop(columns: Columns): void {
    this.stats.bytes -= this.columns.get(columns)!;
    this.columns.delete(columns);
    const number = Math.floor(columns.baseMs / SPAN_MS);
    const span = this.spans.get(number)!;
    for (const idLow of columns.chunks.keys()) {
      const rest = without(span.get(idLow), (chunk) => chunk.columns === columns);
      if (rest === undefined) span.delete(idLow);
      else span.set(idLow, rest);
    }
    if (span.size === 0) this.spans.delete(number);
  }
}

// without takes chunks out of a chain.
function without(first: Chunk | undefined, isOut: (chunk: Chunk) => boolean): Chunk | undefined {
  let kept: Chunk | undefined;
  for (let chunk = first; chunk !== undefined;) {
    const { next }: Chunk = chunk;
    if (!isOut(chunk)) {
      chunk.next = kept;
      kept = chunk;
    }
    chunk = next;
  }
  return kept;
}
