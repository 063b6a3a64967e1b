// The border between the head and the database: what a commit has to write.
import type { Exemplar, Histogram, Labels, MetricMetadata } from "@belfry/core/model";

/** RowBatch collects the rows of one commit. Series ids and values come as two 32-bit halves. */
export interface RowBatch {
  /** series adds the row that says which labels an id stands for; there is one per day (since 1970) with samples. */
  series(idHigh: number, idLow: number, labels: Labels, day: number): void;
  sample(idHigh: number, idLow: number, timeMs: number, low: number, high: number, startMs: number): void;
  histogram(idHigh: number, idLow: number, timeMs: number, histogram: Histogram, startMs: number): void;
  exemplar(idHigh: number, idLow: number, exemplar: Exemplar): void;
  metadata(metricFamily: string, metadata: MetricMetadata): void;
  /**
   * finish hands the rows over; the promise resolves when they are durable and rejects when they will not be.
   * Rows that are not urgent may wait about a second for company.
   */
  finish(urgent: boolean): Promise<void>;
}

/** RowSink begins the batch of a commit; a batch must be finished before the next begins. */
export interface RowSink {
  /** Throws OverloadedError when the rows could not be queued. */
  begin(): RowBatch;
}

export const DAY_MS = 86_400_000;

/** dayOf is the day a time lies in, as ClickHouse's Date counts them: 1970-01-01 is 0, 2149-06-06 the last. */
export function dayOf(timeMs: number): number {
  return Math.min(65_535, Math.max(0, Math.floor(timeMs / DAY_MS)));
}
