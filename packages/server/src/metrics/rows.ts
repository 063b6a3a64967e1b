// The border between the head and the database: what a commit has to write.
import type { Exemplar, Histogram, Labels, MetricMetadata } from "@belfry/core/model";

/** RowBatch collects the rows of one commit. Series ids and values come as two 32-bit halves. */
export interface RowBatch {
  series(idHigh: number, idLow: number, labels: Labels, timeMs: number): void;
  sample(idHigh: number, idLow: number, timeMs: number, low: number, high: number, startMs: number): void;
  histogram(idHigh: number, idLow: number, timeMs: number, histogram: Histogram, startMs: number): void;
  exemplar(idHigh: number, idLow: number, exemplar: Exemplar): void;
  metadata(metricFamily: string, metadata: MetricMetadata): void;
  /** finish hands the rows over; the promise resolves when they are durable and rejects when they will not be. */
  finish(): Promise<void>;
}

/** RowSink begins the batch of a commit; a batch must be finished before the next begins. */
export interface RowSink {
  begin(): RowBatch;
}
