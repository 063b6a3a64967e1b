// What is known of the series that senders send: the labels behind the bytes, the ref under which the head knows the
// series, or why the labels are not valid. A series that was seen before costs a comparison of bytes.
import type { Labels, MetricMetadata } from "@belfry/core/model";
import type { SeriesRef } from "../../metrics/appender.ts";
import { ByteTable } from "./byte-table.ts";

const FIRST_SLOTS = 1024;

// The labels of a series are shared with the head, which keeps them anyway; this is what an entry adds.
const ENTRY_BYTES = 48;

/** SeriesCache keeps one entry per series, by number. Refs outlive the series they stand for: the head looks a forgotten one up by its labels. */
export class SeriesCache {
  readonly keys = new ByteTable();
  refs = new Float64Array(FIRST_SLOTS);
  readonly labels: Labels[] = [];
  /** errors holds why a series' labels are refused. */
  readonly errors = new Map<number, string>();
  /** metadata holds what the head was told last, so that it is told only what is new. */
  readonly metadata: (MetricMetadata | undefined)[] = [];
  private readonly maxBytes: number;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get size(): number {
    return this.keys.size;
  }

  /** begin makes room before a request: a cache that is full starts afresh. Tells whether it did. */
  begin(): boolean {
    if (this.keys.bytesUsed + this.keys.size * ENTRY_BYTES < this.maxBytes) return false;
    this.reset();
    return true;
  }

  /** forgetMetadata lets all metadata be told again, after some of it was lost with a batch. */
  forgetMetadata(): void {
    this.metadata.length = 0;
  }

  reset(): void {
    this.keys.reset();
    this.refs = new Float64Array(FIRST_SLOTS);
    this.labels.length = 0;
    this.metadata.length = 0;
    this.errors.clear();
  }

  /** add makes an entry for bytes[from, to). */
  add(
    previous: number,
    bytes: Uint8Array,
    view: DataView,
    from: number,
    to: number,
    labels: Labels,
    error: string,
  ): number {
    const id = this.keys.add(previous, bytes, view, from, to);
    if (id >= this.refs.length) {
      const grown = new Float64Array(this.refs.length * 2);
      grown.set(this.refs);
      this.refs = grown;
    }
    this.refs[id] = 0 satisfies SeriesRef;
    this.labels[id] = labels;
    this.metadata[id] = undefined;
    if (error !== "") this.errors.set(id, error);
    return id;
  }
}
