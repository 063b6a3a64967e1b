import type { Labels, SampleBuffer } from "@belfry/core/model";
import type { SelectedSeries } from "../queryable.ts";
import type { SeriesRef } from "../appender.ts";
import type { Head } from "./head.ts";

/** HeadSeries is a selected series whose samples are all in memory. */
export class HeadSeries implements SelectedSeries {
  readonly labels: Labels;
  private readonly head: Head;
  private readonly ref: SeriesRef;
  private readonly slot: number;

  constructor(head: Head, slot: number) {
    this.head = head;
    this.slot = slot;
    this.ref = head.series.refOf(slot);
    this.labels = head.series.labels(slot);
  }

  read(startMs: number, endMs: number, into: SampleBuffer): void {
    // The series may have been removed since, and its slot given to another one.
    if (this.head.series.slotOf(this.ref) === this.slot) this.head.read(this.slot, startMs, endMs, into);
  }
}
