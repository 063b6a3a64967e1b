// The commit queue turns commits into rows and groups them. A scrape's rows wait up to a second for those of other
// scrapes: one insert per second and table instead of one per target. A push is waited for, so it goes out at once
// and takes along whatever waits. The batch writers below group pushes that come together.
import type { Exemplar, Histogram, Labels, MetricMetadata } from "@belfry/core/model";
import {
  type BatchWriter,
  ExemplarRows,
  HistogramRows,
  MetadataRows,
  SampleRows,
  SeriesRows,
} from "../../database/index.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import { OverloadedError } from "../../lib/errors.ts";
import type { MetricWriters } from "../metric-store.ts";
import { DAY_MS, type RowBatch, type RowSink } from "../rows.ts";

const MAX_AGE_MS = 1000;
// 2 MB are about 50,000 samples: large enough to be cheap for the engine, small against the writers' queues.
const MAX_GROUP_BYTES = 2 * 1024 * 1024;
// The writers refuse past 2 M rows or 128 MiB. Commits are refused a little earlier, before anything of them is visible.
const MAX_QUEUED_ROWS = 1_800_000;
const MAX_QUEUED_BYTES = 112 * 1024 * 1024;

const TABLES = ["series", "samples", "histograms", "exemplars", "metadata"] as const;

/** Group is what goes out together. */
interface Group {
  /** minTimeMs is the oldest sample in it. */
  minTimeMs: number;
  /** metrics are the names of the series whose rows are in it. */
  metrics: Set<string>;
  done: Promise<void>;
  resolve: () => void;
  reject: (cause: unknown) => void;
}

/** CommitQueue is the RowSink in front of the batch writers. */
export class CommitQueue implements RowSink {
  private readonly writers: MetricWriters;
  private readonly clock: Clock;
  private readonly onSeries: (metric: string) => void;
  private readonly onSamples: (minTimeMs: number) => void;
  private readonly rows = {
    series: new SeriesRows(),
    samples: new SampleRows(64 * 1024),
    histograms: new HistogramRows(),
    exemplars: new ExemplarRows(),
    metadata: new MetadataRows(),
  };
  private readonly batch: RowBatch;
  private open: Group | undefined;
  private timer: Timer | undefined;
  private readonly inFlight = new Set<Group>();
  /** failures counts groups that did not become durable (in time). */
  failures = 0;
  lastFailure: unknown;

  /**
   * `onSeries` hears the metric of every series row, when it is handed over and again when it is durable or failed;
   * `onSamples` likewise the time of the oldest sample of what goes out together.
   */
  constructor(
    writers: MetricWriters,
    clock: Clock,
    onSeries: (metric: string) => void,
    onSamples: (minTimeMs: number) => void,
  ) {
    this.writers = writers;
    this.clock = clock;
    this.onSeries = onSeries;
    this.onSamples = onSamples;
    const { rows } = this;
    this.batch = {
      series: (idHigh: number, idLow: number, labels: Labels, day: number) => {
        const group = (this.open ??= newGroup());
        const { metricName } = labels;
        group.metrics.add(metricName);
        this.onSeries(metricName);
        rows.series.add(day * DAY_MS, idHigh, idLow, labels.pairs);
      },
      sample: (idHigh: number, idLow: number, timeMs: number, low: number, high: number, startMs: number) => {
        const group = (this.open ??= newGroup());
        if (timeMs < group.minTimeMs) group.minTimeMs = timeMs;
        rows.samples.add(idHigh, idLow, timeMs, low, high, startMs);
      },
      histogram: (idHigh: number, idLow: number, timeMs: number, histogram: Histogram, startMs: number) => {
        const group = (this.open ??= newGroup());
        if (timeMs < group.minTimeMs) group.minTimeMs = timeMs;
        rows.histograms.add(idHigh, idLow, timeMs, histogram, startMs);
      },
      exemplar: (idHigh: number, idLow: number, exemplar: Exemplar) => rows.exemplars.add(idHigh, idLow, exemplar),
      metadata: (metricFamily: string, metadata: MetricMetadata) =>
        rows.metadata.add(metricFamily, metadata, clock.now()),
      finish: (urgent: boolean) => this.finish(urgent),
    };
  }

  begin(): RowBatch {
    for (const table of TABLES) {
      const { queuedRows, queuedBytes } = this.writers[table];
      if (queuedRows > MAX_QUEUED_ROWS || queuedBytes > MAX_QUEUED_BYTES) {
        throw new OverloadedError(`the database does not keep up: ${queuedRows} rows wait to be written`, 5);
      }
    }
    return this.batch;
  }

  private finish(urgent: boolean): Promise<void> {
    let bytes = 0;
    for (const table of TABLES) bytes += this.rows[table].sizeBytes;
    if (bytes === 0) return Promise.resolve();
    const group = (this.open ??= newGroup());
    if (urgent || bytes >= MAX_GROUP_BYTES) this.send();
    else this.timer ??= this.clock.setTimeout(() => this.send(), MAX_AGE_MS);
    return group.done;
  }

  private send(): void {
    this.timer?.cancel();
    this.timer = undefined;
    const group = this.open;
    if (group === undefined) return;
    this.open = undefined;
    this.inFlight.add(group);
    this.onSamples(group.minTimeMs);
    const writes: Promise<void>[] = [];
    for (const table of TABLES) {
      const rows = this.rows[table];
      if (rows.rows > 0) writes.push(write(this.writers[table], rows));
    }
    Promise.all(writes).then(
      () => {
        this.end(group);
        group.resolve();
      },
      async (cause: unknown) => {
        this.failures++;
        this.lastFailure = cause;
        // Rows of the other tables may still be on their way; the group is over when all are.
        await Promise.allSettled(writes);
        this.end(group);
        group.reject(cause);
      },
    );
  }

  private end(group: Group): void {
    this.inFlight.delete(group);
    for (const metric of group.metrics) this.onSeries(metric);
    this.onSamples(group.minTimeMs);
  }

  /** settleBefore resolves when nothing at or before `timeMs` waits to become durable any more. It does not tell whether it did. */
  async settleBefore(timeMs: number): Promise<void> {
    if (this.open !== undefined && this.open.minTimeMs <= timeMs) this.send();
    const waiting = [...this.inFlight].filter((group) => group.minTimeMs <= timeMs).map((group) => group.done);
    if (waiting.length > 0) await Promise.allSettled(waiting);
  }

  /** flush sends what is open and resolves when everything is durable; rejects when something is not. */
  async flush(): Promise<void> {
    if (this.open !== undefined) this.send();
    await Promise.all([...this.inFlight].map((group) => group.done));
  }
}

function newGroup(): Group {
  let resolve!: () => void;
  let reject!: (cause: unknown) => void;
  const done = new Promise<void>((onDone, onFailed) => {
    resolve = onDone;
    reject = onFailed;
  });
  done.catch(() => undefined);
  return { minTimeMs: Infinity, metrics: new Set(), done, resolve, reject };
}

function write(writer: BatchWriter, rows: { rows: number; take(): Uint8Array }): Promise<void> {
  const count = rows.rows;
  try {
    return writer.write(count, rows.take());
  } catch (cause) {
    return Promise.reject(cause as Error);
  }
}
