// An appender stages samples in typed columns and gives them to the head at commit. What can be refused is
// refused while appending, against what is committed; what only the order inside the batch shows (two values of
// one series for one time) is dropped and counted at commit, as upstream does.
import {
  type Exemplar,
  type Histogram,
  type Labels,
  type MetricMetadata,
  NORMAL_NAN_HIGH,
  NORMAL_NAN_LOW,
  STALE_NAN_HIGH,
  STALE_NAN_LOW,
} from "@belfry/core/model";
import { type Appender, type AppendOptions, AppendFailure, type SeriesRef } from "../appender.ts";
import type { ExemplarStore } from "../exemplars.ts";
import type { MetadataStore } from "../metadata.ts";
import { dayOf, type RowBatch, type RowSink } from "../rows.ts";
import type { Head } from "./head.ts";
import { SeriesRow } from "./series-table.ts";
import { bug } from "../../lib/errors.ts";

/** Staging is the reusable memory of one open appender. */
class Staging {
  length = 0;
  slots = new Int32Array(1024);
  times = new Float64Array(1024);
  values = new Float64Array(1024);
  words = new Uint32Array(this.values.buffer);
  starts = new Float64Array(1024);
  histograms: (Histogram | undefined)[] | undefined;

  grow(): void {
    const capacity = this.length * 2;
    const slots = new Int32Array(capacity);
    slots.set(this.slots);
    this.slots = slots;
    const times = new Float64Array(capacity);
    times.set(this.times);
    this.times = times;
    const words = new Uint32Array(capacity * 2);
    words.set(this.words);
    this.words = words;
    this.values = new Float64Array(words.buffer);
    const starts = new Float64Array(capacity);
    starts.set(this.starts);
    this.starts = starts;
  }
}

// A staging that grew past this (about 9 MB) is not kept for the next batch.
const KEPT_STAGING = 256 * 1024;
const KEPT_STAGINGS = 8;
// What the tables can hold: 13 digits of milliseconds, the year 2286.
const MAX_TIME_MS = 1e13;

interface NewRow {
  slot: number;
  day: number;
}

/** HeadAppendable makes the appenders of one head. */
export class HeadAppendable {
  readonly head: Head;
  readonly exemplars: ExemplarStore;
  readonly metadata: MetadataStore;
  readonly sink: RowSink | undefined;
  private readonly stagings: Staging[] = [];
  private readonly inFlight = new Set<Promise<void>>();

  /** Without a sink the head stands alone: commits are durable nowhere and resolve at once. */
  constructor(head: Head, exemplars: ExemplarStore, metadata: MetadataStore, sink: RowSink | undefined) {
    this.head = head;
    this.exemplars = exemplars;
    this.metadata = metadata;
    this.sink = sink;
  }

  appender(options: AppendOptions = {}): Appender {
    return new HeadAppender(this, this.stagings.pop() ?? new Staging(), options);
  }

  /** giveBack keeps a staging for a later batch. */
  giveBack(staging: Staging): void {
    staging.length = 0;
    staging.histograms = undefined;
    if (staging.slots.length <= KEPT_STAGING && this.stagings.length < KEPT_STAGINGS) this.stagings.push(staging);
  }

  /**
   * settle returns the promise of a commit. A sample may be acknowledged only when the row of its series is
   * durable too, also when that row went out with an earlier batch (`waits`); likewise a sample that was already
   * there, when the batch that brought it is still on its way. If the write fails, a batch that will be sent
   * again (`taken` is given) is taken out of the head, or the repetition would look like a duplicate and be
   * acknowledged without ever being written.
   */
  settle(
    written: Promise<void>,
    newRows: readonly NewRow[],
    waits: boolean,
    taken: Staging | undefined,
  ): Promise<void> {
    const { series } = this.head;
    const earlier = waits ? [...this.inFlight] : [];
    const own = written.then(
      () => {
        for (const { slot, day } of newRows) if (series.rowDay[slot] === day) series.row[slot] = SeriesRow.Durable;
        if (taken) this.giveBack(taken);
        this.inFlight.delete(own);
      },
      (cause: unknown) => {
        for (const { slot, day } of newRows) if (series.rowDay[slot] === day) series.row[slot] = SeriesRow.Missing;
        if (taken) {
          this.head.forget(taken.slots, taken.times, taken.length);
          this.giveBack(taken);
        }
        this.inFlight.delete(own);
        throw cause;
      },
    );
    this.inFlight.add(own);
    const done = earlier.length === 0 ? own : Promise.all([own, ...earlier]).then(() => undefined);
    // The caller may not wait (a scrape does not); the batch writer counts and reports the failure.
    done.catch(() => undefined);
    own.catch(() => undefined);
    return done;
  }
}

class HeadAppender implements Appender {
  private readonly owner: HeadAppendable;
  private readonly head: Head;
  private readonly allowOutOfOrder: boolean;
  private readonly isScrape: boolean;
  private readonly futureLimitMs: number;
  private staging: Staging | undefined;
  private exemplars: { slot: number; exemplar: Exemplar }[] | undefined;
  private metadata: Map<string, MetricMetadata> | undefined;

  constructor(owner: HeadAppendable, staging: Staging, options: AppendOptions) {
    this.owner = owner;
    this.head = owner.head;
    this.staging = staging;
    this.allowOutOfOrder = options.allowOutOfOrder === true;
    this.isScrape = options.scrape === true;
    this.futureLimitMs = owner.head.limitNow();
  }

  append(ref: SeriesRef, labels: Labels, timeMs: number, value: number, startMs = 0): SeriesRef | AppendFailure {
    // A NaN that comes as a number has lost its bits; upstream stores this one.
    if (value !== value) return this.stage(ref, labels, timeMs, NORMAL_NAN_LOW, NORMAL_NAN_HIGH, startMs);
    const staging = this.open();
    const n = staging.length;
    if (n === staging.slots.length) staging.grow();
    staging.values[n] = value;
    return this.stage(ref, labels, timeMs, staging.words[2 * n]!, staging.words[2 * n + 1]!, startMs);
  }

  appendStale(ref: SeriesRef, labels: Labels, timeMs: number): SeriesRef | AppendFailure {
    return this.stage(ref, labels, timeMs, STALE_NAN_LOW, STALE_NAN_HIGH, 0);
  }

  private stage(
    ref: SeriesRef,
    labels: Labels,
    timeMs: number,
    low: number,
    high: number,
    startMs: number,
  ): SeriesRef | AppendFailure {
    const staging = this.open();
    const { head } = this;
    const time = Math.floor(timeMs);
    if (time > this.futureLimitMs) return this.refuse(AppendFailure.TooFarInFuture);
    if (!(time >= 0 && time < MAX_TIME_MS)) return this.refuse(AppendFailure.OutOfBounds);
    const slot = head.resolve(ref, labels);
    if (slot < 0) return slot as AppendFailure;
    const failure = head.check(slot, time, low, high, undefined, this.allowOutOfOrder);
    if (failure !== 0) return this.refuse(failure);
    const n = staging.length;
    if (n === staging.slots.length) staging.grow();
    staging.slots[n] = slot;
    staging.times[n] = time;
    staging.words[2 * n] = low;
    staging.words[2 * n + 1] = high;
    staging.starts[n] = startMs > 0 && startMs < MAX_TIME_MS ? Math.floor(startMs) : 0;
    staging.length = n + 1;
    return head.series.refOf(slot);
  }

  appendHistogram(
    ref: SeriesRef,
    labels: Labels,
    timeMs: number,
    histogram: Histogram,
    startMs = 0,
  ): SeriesRef | AppendFailure {
    const staging = this.open();
    const { head } = this;
    const time = Math.floor(timeMs);
    if (time > this.futureLimitMs) return this.refuse(AppendFailure.TooFarInFuture);
    if (!(time >= 0 && time < MAX_TIME_MS)) return this.refuse(AppendFailure.OutOfBounds);
    const slot = head.resolve(ref, labels);
    if (slot < 0) return slot as AppendFailure;
    const failure = head.check(slot, time, 0, 0, histogram, this.allowOutOfOrder);
    if (failure !== 0) return this.refuse(failure);
    const n = staging.length;
    if (n === staging.slots.length) staging.grow();
    staging.slots[n] = slot;
    staging.times[n] = time;
    staging.values[n] = 0;
    staging.starts[n] = startMs > 0 && startMs < MAX_TIME_MS ? Math.floor(startMs) : 0;
    (staging.histograms ??= [])[n] = histogram;
    staging.length = n + 1;
    return head.series.refOf(slot);
  }

  appendExemplar(ref: SeriesRef, labels: Labels, exemplar: Exemplar): boolean {
    this.open();
    const { series, stats } = this.head;
    let slot = series.slotOf(ref);
    if (slot < 0) slot = series.find(labels.pairs);
    // A time that the tables cannot hold would spoil the whole batch.
    if (!(exemplar.timeMs >= 0 && exemplar.timeMs < MAX_TIME_MS)) slot = -1;
    const verdict = slot < 0 ? "refused" : this.owner.exemplars.check(series.labels(slot), exemplar);
    if (verdict === "refused") {
      stats.rejectedExemplars++;
      return false;
    }
    if (verdict === "new") (this.exemplars ??= []).push({ slot, exemplar });
    return true;
  }

  updateMetadata(metricFamily: string, metadata: MetricMetadata): void {
    this.open();
    (this.metadata ??= new Map()).set(metricFamily, metadata);
  }

  commit(): Promise<void> {
    const staging = this.open();
    this.staging = undefined;
    const { head, owner } = this;
    const { series, stats } = head;
    let batch: RowBatch | undefined;
    let overload: Promise<never> | undefined;
    try {
      batch = owner.sink?.begin();
    } catch (cause) {
      // No room to write: better refuse a batch than acknowledge what will be lost. A scrape is shown all the
      // same: it cannot be repeated, and the head is where an overloaded system is watched.
      if (!this.isScrape) {
        owner.giveBack(staging);
        return rejected(cause);
      }
      overload = rejected(cause);
    }
    const newRows: NewRow[] = [];
    let waits = false;
    let taken = 0;
    head.beginBatch();
    for (let i = 0; i < staging.length; i++) {
      const slot = staging.slots[i]!;
      const timeMs = staging.times[i]!;
      const low = staging.words[2 * i]!;
      const high = staging.words[2 * i + 1]!;
      const startMs = staging.starts[i]!;
      const histogram = staging.histograms?.[i];
      const failure = head.check(slot, timeMs, low, high, histogram, this.allowOutOfOrder);
      if (failure !== 0) {
        this.refuse(failure);
        continue;
      }
      const added = head.append(slot, timeMs, staging.values[i]!, low, high, histogram, startMs);
      if (added === false) {
        waits = true;
        continue;
      }
      if (added !== true) {
        this.refuse(added);
        continue;
      }
      if (histogram === undefined) stats.samplesAppended++;
      else stats.histogramsAppended++;
      staging.slots[taken] = slot;
      staging.times[taken++] = timeMs;
      if (batch === undefined) continue;
      const idHigh = series.idHigh[slot]!;
      const idLow = series.idLow[slot]!;
      const day = dayOf(timeMs);
      if (series.row[slot] !== SeriesRow.Durable || series.rowDay[slot] !== day) {
        if (series.row[slot] === SeriesRow.InFlight) waits = true;
        if (series.row[slot] === SeriesRow.Missing || day > series.rowDay[slot]!) {
          // Once per batch and day, also when the series has several samples in it.
          series.row[slot] = SeriesRow.InFlight;
          series.rowDay[slot] = day;
          newRows.push({ slot, day });
          batch.series(idHigh, idLow, series.labels(slot), day);
        } else if (day < series.rowDay[slot]!) batch.series(idHigh, idLow, series.labels(slot), day);
      }
      if (histogram === undefined) batch.sample(idHigh, idLow, timeMs, low, high, startMs);
      else batch.histogram(idHigh, idLow, timeMs, histogram, startMs);
    }
    staging.length = taken;
    this.commitExemplars(batch);
    if (this.metadata) {
      for (const [family, metadata] of this.metadata) {
        if (owner.metadata.update(family, metadata)) batch?.metadata(family, metadata);
      }
    }
    head.relieve();
    if (batch === undefined || this.isScrape) owner.giveBack(staging);
    if (batch === undefined) return overload ?? Promise.resolve();
    return owner.settle(batch.finish(!this.isScrape), newRows, waits, this.isScrape ? undefined : staging);
  }

  private commitExemplars(batch: RowBatch | undefined): void {
    if (!this.exemplars) return;
    const { series, stats } = this.head;
    for (const { slot, exemplar } of this.exemplars) {
      const labels = series.labels(slot);
      if (!this.owner.exemplars.add(labels, exemplar)) {
        stats.rejectedExemplars++;
        continue;
      }
      stats.exemplarsAppended++;
      batch?.exemplar(series.idHigh[slot]!, series.idLow[slot]!, exemplar);
    }
  }

  rollback(): void {
    const staging = this.open();
    this.staging = undefined;
    this.owner.giveBack(staging);
  }

  private open(): Staging {
    if (this.staging === undefined) throw bug("appender used after commit or rollback");
    return this.staging;
  }

  private refuse(failure: AppendFailure): AppendFailure {
    const { stats } = this.head;
    switch (failure) {
      case AppendFailure.OutOfOrder:
        stats.rejectedOutOfOrder++;
        break;
      case AppendFailure.Duplicate:
        stats.rejectedDuplicate++;
        break;
      case AppendFailure.OutOfBounds:
        stats.rejectedOutOfBounds++;
        break;
      case AppendFailure.TooFarInFuture:
        stats.rejectedTooFarInFuture++;
        break;
      case AppendFailure.SeriesLimit:
        stats.rejectedSeriesLimit++;
        break;
      case AppendFailure.TooOld:
        stats.rejectedTooOld++;
    }
    return failure;
  }
}

// rejected returns a rejected promise that may be ignored.
function rejected(cause: unknown): Promise<never> {
  const promise = Promise.reject(cause);
  promise.catch(() => undefined);
  return promise;
}
