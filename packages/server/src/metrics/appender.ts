// The border between ingest and the metric store. One appender is one batch: a scrape, a remote write
// request, the results of a rule group. Nothing of it is visible before `commit`.
import type { Exemplar, Histogram, Labels, MetricMetadata } from "@belfry/core/model";

/** SeriesRef is a positive number that stands for a series while the process lives; 0 means "not known yet". */
export type SeriesRef = number;

/** AppendFailure is what `append` returns (a negative number) instead of a SeriesRef when a sample is refused. */
export const AppendFailure = {
  /** The sample is older than the newest one of its series (and outside the out-of-order window). */
  OutOfOrder: -1,
  /** A different value for a timestamp the series has already. */
  Duplicate: -2,
  /** The sample is older than what the store accepts. */
  OutOfBounds: -3,
  /** The sample is too far in the future. */
  TooFarInFuture: -4,
  /** The series would be new and the store is at its limit. */
  SeriesLimit: -5,
  /** The sample is older than the out-of-order window allows. */
  TooOld: -6,
} as const;
export type AppendFailure = (typeof AppendFailure)[keyof typeof AppendFailure];

/** Appender collects one batch. Methods return the series' ref to be passed next time, or an AppendFailure. */
export interface Appender {
  /** append adds a sample. With a known `ref`, `labels` is not looked at. `startMs` is the start timestamp, 0 if none. */
  append(ref: SeriesRef, labels: Labels, timeMs: number, value: number, startMs?: number): SeriesRef | AppendFailure;
  /** appendStale adds a staleness marker. */
  appendStale(ref: SeriesRef, labels: Labels, timeMs: number): SeriesRef | AppendFailure;
  appendHistogram(
    ref: SeriesRef,
    labels: Labels,
    timeMs: number,
    histogram: Histogram,
    startMs?: number,
  ): SeriesRef | AppendFailure;
  /** appendExemplar attaches an exemplar to a series that this appender or an earlier one has created. */
  appendExemplar(ref: SeriesRef, labels: Labels, exemplar: Exemplar): boolean;
  updateMetadata(metricFamily: string, metadata: MetricMetadata): void;
  /**
   * commit makes the batch visible to queries at once and hands it to the batch writer. The promise it
   * returns resolves when the batch is durable and rejects (DatabaseError, OverloadedError) when it will not be.
   * A scrape need not wait for it; a push API must before it acknowledges.
   */
  commit(): Promise<void>;
  /** rollback forgets the batch. */
  rollback(): void;
}

/** AppendOptions applies to one batch. */
export interface AppendOptions {
  /** scrape marks batches in which all samples without a timestamp of their own share one time. */
  scrape?: boolean;
  /** allowOutOfOrder accepts samples within the configured out-of-order window. */
  allowOutOfOrder?: boolean;
}

/** Appendable hands out appenders. */
export interface Appendable {
  appender(options?: AppendOptions): Appender;
}
