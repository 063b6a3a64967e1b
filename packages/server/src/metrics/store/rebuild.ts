// The rebuild reads the head back from the database after a start, newest samples first, while the store already
// answers: what is not in memory yet is read from the database as anything below the floor is. Each step ends with
// the floor lowered to where it began.
//
//   keepMs ........................ newest sample at the start | appended since
//          <-- step 3 --|-- step 2 --|-- step 1 (10 minutes) --|
//
// The steps after the first follow the tables' four-hour buckets: within a bucket rows are sorted by series, so a
// part of it costs as much to read as all.
import { SampleBuffer } from "@belfry/core/model";
import type { Clock } from "../../lib/clock.ts";
import type { ExemplarStore } from "../exemplars.ts";
import { type Head, TimeInterner } from "../head/head.ts";
import type { MetadataStore } from "../metadata.ts";
import type { RebuildStatus } from "../metric-store.ts";
import { dayOf } from "../rows.ts";
import type { CommitQueue } from "./commit-queue.ts";
import type { HistogramSample, SampleBlock } from "../../database/index.ts";
import type { MetricReader, StoredSeries } from "./metric-reader.ts";

const FIRST_STEP_MS = 10 * 60_000;
const BUCKET_MS = 4 * 3_600_000;
// The rest of the budget is for what is appended meanwhile.
const BUDGET_SHARE = 0.8;
// Exemplars are looked at near the present; more would delay the start for nothing.
const MAX_EXEMPLARS = 20_000;

/** RebuildParts is what a rebuild works on. */
export interface RebuildParts {
  head: Head;
  reader: MetricReader;
  queue: CommitQueue;
  exemplars: ExemplarStore;
  metadata: MetadataStore;
  clock: Clock;
  budgetBytes: number;
  signal: AbortSignal;
}

/** Rebuild is one rebuild. */
export class Rebuild {
  readonly status: RebuildStatus = { state: "waiting", doneSteps: 0, totalSteps: 0, samples: 0, series: 0, seconds: 0 };
  /** withHistograms tells whether the database has native histograms; true until that is known. */
  withHistograms = true;
  private readonly parts: RebuildParts;
  private readonly known = new Map<number, StoredSeries[]>();
  private readonly slots = new Map<StoredSeries, number>();

  constructor(parts: RebuildParts) {
    this.parts = parts;
    // Until the newest time is known, everything is read from the database.
    parts.head.setFloor(Infinity, -Infinity);
    parts.exemplars.completeFromMs = Infinity;
  }

  /** isRunning tells whether there is something left to read. */
  get isRunning(): boolean {
    return this.status.state === "waiting" || this.status.state === "in progress";
  }

  /** run rebuilds; `onFirstStep` is called when the newest samples are in memory. Rejects when the database fails. */
  async run(onFirstStep: () => void): Promise<void> {
    const { head, reader, queue, clock } = this.parts;
    const { status } = this;
    const begin = clock.monotonicMs();
    const tick = (): void => void (status.seconds = (clock.monotonicMs() - begin) / 1000);
    status.state = "in progress";
    await this.loadMetadata();
    const newest = await reader.newestTime();
    if (newest === undefined) {
      head.setFloor(-Infinity, -Infinity);
      this.parts.exemplars.completeFromMs = -Infinity;
      status.state = "done";
      tick();
      onFirstStep();
      return;
    }
    const keep = Math.max(head.keepMs, newest - head.windowMs);
    head.setFloor(newest + 1, keep);
    const steps = stepsOf(newest, keep);
    status.totalSteps = steps.length;
    await this.loadSeries(keep, newest);
    this.withHistograms = await reader.hasHistograms();
    for (const [from, to] of steps) {
      await this.step(from, to);
      head.setFloor(Math.min(head.floorMs, from), Math.max(head.keepMs, keep));
      status.doneSteps++;
      tick();
      if (status.doneSteps === 1) onFirstStep();
      if (head.usedBytes > this.parts.budgetBytes * BUDGET_SHARE) break;
    }
    // Where it ended early for want of memory, nothing below is kept either.
    head.setFloor(head.floorMs, Math.max(head.keepMs, head.floorMs));
    await queue.settleBefore(newest);
    await this.loadExemplars(newest);
    this.known.clear();
    this.slots.clear();
    status.state = "done";
    tick();
  }

  // Later days overwrite earlier ones: `day` ends as the newest.
  private async loadSeries(keep: number, newest: number): Promise<void> {
    const { reader, signal } = this.parts;
    for (let day = dayOf(keep); day <= dayOf(newest); day++) {
      for await (const batch of reader.seriesOfDay(day, signal)) {
        for (const series of batch) {
          const others = this.known.get(series.idLow);
          const same = others?.find((one) => one.idHigh === series.idHigh);
          if (same !== undefined) same.day = day;
          else if (others === undefined) this.known.set(series.idLow, [series]);
          else others.push(series);
        }
      }
    }
  }

  private async step(from: number, to: number): Promise<void> {
    const { head, reader, queue, signal } = this.parts;
    // What was appended meanwhile for these times is in the head as well; rows that come twice are dropped there.
    await queue.settleBefore(to);
    const interner = new TimeInterner(head.chunks);
    try {
      const run = new Run(this, interner);
      for await (const piece of reader.samples("all", from, to, signal)) run.add(piece);
      run.end();
      if (this.withHistograms) {
        const histograms = new HistogramRun(this, interner);
        for await (const row of reader.histograms("all", from, to, signal)) histograms.add(row);
        histograms.end();
      }
    } finally {
      interner.close();
    }
  }

  /** slotOf finds or restores the series with an id; -1 when the database does not know its labels. */
  slotOf(idHigh: number, idLow: number): number {
    const series = this.known.get(idLow)?.find((one) => one.idHigh === idHigh);
    if (series === undefined) return -1;
    let slot = this.slots.get(series);
    if (slot === undefined) {
      slot = this.parts.head.restore(series.labels.pairs, idHigh, idLow, series.day);
      this.slots.set(series, slot);
      this.status.series++;
    }
    return slot;
  }

  /** insert puts the samples of one series into the head. */
  insert(slot: number, samples: SampleBuffer, interner: TimeInterner): void {
    if (slot < 0 || samples.length === 0) return;
    this.parts.head.insertOlder(slot, samples, interner);
    this.status.samples += samples.length;
  }

  private async loadMetadata(): Promise<void> {
    for (const { family, metadata } of await this.parts.reader.metadata()) this.parts.metadata.update(family, metadata);
  }

  private async loadExemplars(newest: number): Promise<void> {
    const { reader, exemplars, head, signal } = this.parts;
    let from = newest - head.windowMs;
    const series = [...this.known.values()].flat();
    const rows = await reader.exemplars(series, from, Infinity, signal);
    rows.sort((a, b) => a.exemplar.timeMs - b.exemplar.timeMs);
    const surplus = rows.length - Math.min(MAX_EXEMPLARS, exemplars.capacity);
    if (surplus > 0) from = rows.splice(0, surplus).at(-1)!.exemplar.timeMs + 1;
    for (const { labels, exemplar } of rows) {
      // What was appended since the start is there already.
      if (exemplars.check(labels, exemplar) !== "duplicate") exemplars.restore(labels, exemplar);
    }
    exemplars.completeFromMs = from;
  }
}

// stepsOf divides [keep, newest] into steps, newest first.
function stepsOf(newest: number, keep: number): [from: number, to: number][] {
  const steps: [number, number][] = [];
  let to = newest;
  let from = Math.max(keep, newest - FIRST_STEP_MS);
  for (;;) {
    steps.push([from, to]);
    if (from <= keep) return steps;
    to = from - 1;
    from = Math.max(keep, Math.floor(to / BUCKET_MS) * BUCKET_MS);
  }
}

// Run collects rows until the series changes.
class Run {
  private readonly rebuild: Rebuild;
  private readonly interner: TimeInterner;
  private readonly buffer = new SampleBuffer(1024);
  private low = -1;
  private high = -1;
  private slot = -1;

  constructor(rebuild: Rebuild, interner: TimeInterner) {
    this.rebuild = rebuild;
    this.interner = interner;
  }

  add(piece: SampleBlock): void {
    const { ids, times, words, starts, length } = piece;
    const { buffer } = this;
    for (let i = 0; i < length; i++) {
      if (ids[2 * i] !== this.low || ids[2 * i + 1] !== this.high) {
        this.end();
        this.low = ids[2 * i]!;
        this.high = ids[2 * i + 1]!;
        this.slot = this.rebuild.slotOf(this.high, this.low);
      }
      if (this.slot < 0) continue;
      const at = buffer.length;
      if (at === buffer.times.length) buffer.reserve(1);
      buffer.times[at] = times[i]!;
      buffer.words[2 * at] = words[2 * i]!;
      buffer.words[2 * at + 1] = words[2 * i + 1]!;
      buffer.length = at + 1;
      if (starts !== null && starts[i] !== 0) buffer.setStart(starts[i]!);
    }
  }

  end(): void {
    this.rebuild.insert(this.slot, this.buffer, this.interner);
    this.buffer.clear();
  }
}

class HistogramRun {
  private readonly rebuild: Rebuild;
  private readonly interner: TimeInterner;
  private readonly buffer = new SampleBuffer(256);
  private last: HistogramSample | undefined;

  constructor(rebuild: Rebuild, interner: TimeInterner) {
    this.rebuild = rebuild;
    this.interner = interner;
  }

  add(row: HistogramSample): void {
    const { last } = this;
    if (last !== undefined && (last.idLow !== row.idLow || last.idHigh !== row.idHigh)) this.end();
    this.buffer.pushHistogram(row.timeMs, row.histogram);
    if (row.startMs !== 0) this.buffer.setStart(row.startMs);
    this.last = row;
  }

  end(): void {
    if (this.last === undefined) return;
    this.rebuild.insert(this.rebuild.slotOf(this.last.idHigh, this.last.idLow), this.buffer, this.interner);
    this.buffer.clear();
  }
}
