// Opens what keeps the data: the database, its batch writers and the metric store on top.
import { join } from "node:path";
import {
  type ClosableBatchWriter,
  createBatchWriter,
  dropExpiredDays,
  enforceDiskBudget,
  ExemplarRows,
  HistogramRows,
  MetadataRows,
  openDatabase,
  SampleRows,
  SeriesRows,
  setRetention,
  type SqlDatabase,
  type StatementEvent,
} from "../database/index.ts";
import type { Clock } from "../lib/clock.ts";
import { diskSpace } from "../lib/disk.ts";
import type { Logger } from "../lib/log.ts";
import type { MetricsRegistry } from "../lib/metrics-registry.ts";
import { type MetricStore, openMetricStore } from "../metrics/index.ts";

// The tables of the metric store, each with a batch writer of its own.
const METRIC_ROWS = {
  series: SeriesRows,
  samples: SampleRows,
  histograms: HistogramRows,
  exemplars: ExemplarRows,
  metadata: MetadataRows,
} as const;

/** StorageOptions says where to store and within which bounds. */
export interface StorageOptions {
  path: string;
  /** url is a ClickHouse server or cluster to store in instead of the embedded engine. */
  url: string | undefined;
  memoryBudgetBytes: number;
  retentionMs: number;
  clock: Clock;
  log: Logger;
  registry: MetricsRegistry;
}

/** Storage is what is open; close flushes first. */
export interface Storage {
  database: SqlDatabase;
  store: MetricStore;
  /** enforceRetention drops the days that are past the retention, and the oldest ones until everything fits the budget. */
  enforceRetention(diskBudgetBytes: number | undefined): Promise<void>;
  close(): Promise<void>;
}

// Of the memory budget: the engine's share covers its caches and queries, the head's its samples and index; the
// rest is the process itself, code and connections. At the default of 1 GB: 300 MB, 350 MB, 350 MB.
const ENGINE_SHARE = 0.3;
const HEAD_SHARE = 0.35;

/** openStorage opens everything, or rejects with DatabaseError and holds nothing. */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { clock, log, registry } = options;
  const observe = statementObserver(registry);
  const database =
    options.url === undefined
      ? await openDatabase({
          path: options.path,
          memoryBytes: Math.floor(options.memoryBudgetBytes * ENGINE_SHARE),
          log,
          clock,
          onStatement: observe,
        })
      : await openDatabase({ ...parseStorageUrl(options.url), log, clock, onStatement: observe });
  const writers = Object.fromEntries(
    Object.entries(METRIC_ROWS).map(([name, { table, columns }]) => [
      name,
      createBatchWriter(database, {
        table,
        columns,
        clock,
        onError: (error, willRetry) =>
          log.error(`Writing to the database failed${willRetry ? ", trying again" : ""}`, { table, err: error }),
      }),
    ]),
  ) as Record<keyof typeof METRIC_ROWS, ClosableBatchWriter>;
  registerWriterMetrics(registry, writers);
  await setRetention(database, "metrics", options.retentionMs);
  if (options.url === undefined) {
    registry.gaugeFunc(
      "belfry_disk_available_bytes",
      "Room on the file system of the data directory.",
      () => diskSpace(options.path).availableBytes,
    );
  }
  const usage = registry.gauge("belfry_database_bytes", "Bytes of all tables when last measured.");
  const dropped = registry.counter(
    "belfry_retention_dropped_bytes_total",
    "Bytes of days dropped to stay within the disk budget.",
  );
  const store = await openMetricStore({
    database,
    writers,
    clock,
    budgetBytes: Math.floor(options.memoryBudgetBytes * HEAD_SHARE),
    retentionMs: options.retentionMs,
    ...(options.url === undefined ? { snapshotPath: join(options.path, "snapshots") } : {}),
    onError: (what, cause) => log.error(what, { err: cause }),
  });
  return {
    database,
    store,
    async enforceRetention(diskBudgetBytes) {
      const now = clock.now();
      const expired = await dropExpiredDays(database, "metrics", options.retentionMs, now);
      for (const { table, day } of expired) log.info("Dropped a day past the retention", { table, day });
      if (diskBudgetBytes === undefined) return;
      const today = new Date(now).toISOString().slice(0, 10);
      const result = await enforceDiskBudget(database, diskBudgetBytes, today);
      usage.set(result.afterBytes);
      for (const { table, day, bytes } of result.dropped) {
        dropped.inc(bytes);
        log.warn("Dropped a day to stay within the disk budget", { table, day, bytes });
      }
      if (result.afterBytes > diskBudgetBytes) {
        log.warn("The current day alone is larger than the disk budget", {
          bytes: result.afterBytes,
          budget: diskBudgetBytes,
        });
      }
    },
    async close() {
      // The store hands its last rows to the writers, the writers theirs to the database.
      await store.close();
      const closed = await Promise.allSettled(Object.values(writers).map((writer) => writer.close()));
      await database.close();
      for (const result of closed) if (result.status === "rejected") throw result.reason;
    },
  };
}

/** parseStorageUrl splits `http://user:password@host:8123/database?cluster=NAME`. */
export function parseStorageUrl(text: string): {
  url: string;
  user?: string;
  password?: string;
  database?: string;
  cluster?: string;
} {
  const url = new URL(text);
  const database = url.pathname.replace(/^\/|\/$/g, "");
  const cluster = url.searchParams.get("cluster");
  return {
    url: url.origin,
    ...(url.username === "" ? {} : { user: decodeURIComponent(url.username) }),
    ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
    ...(database === "" ? {} : { database }),
    ...(cluster === null ? {} : { cluster }),
  };
}

function statementObserver(registry: MetricsRegistry): (event: StatementEvent) => void {
  const seconds = registry.histogramVec("belfry_database_statement_seconds", "Time statements took.", ["kind"]);
  const failures = registry.counterVec("belfry_database_statement_failures_total", "Statements that failed.", ["kind"]);
  return (event) => {
    seconds.with(event.kind).observe(event.seconds);
    if (event.error) failures.with(event.kind).inc();
  };
}

function registerWriterMetrics(registry: MetricsRegistry, writers: Record<string, ClosableBatchWriter>): void {
  const each = (
    register: "gaugeVecFunc" | "counterVecFunc",
    name: string,
    help: string,
    read: (state: ReturnType<ClosableBatchWriter["state"]>) => number,
  ): void => {
    registry[register](name, help, ["table"], (emit) => {
      for (const [table, writer] of Object.entries(writers)) emit(read(writer.state()), table);
    });
  };
  each("gaugeVecFunc", "belfry_batch_writer_queue_rows", "Rows waiting to be written.", (s) => s.queuedRows);
  each("gaugeVecFunc", "belfry_batch_writer_queue_bytes", "Bytes waiting to be written.", (s) => s.queuedBytes);
  each("gaugeVecFunc", "belfry_batch_writer_degraded", "1 while writing fails.", (s) => (s.degraded ? 1 : 0));
  each("counterVecFunc", "belfry_batch_writer_rows_total", "Rows written.", (s) => s.writtenRows);
  each("counterVecFunc", "belfry_batch_writer_bytes_total", "Bytes written.", (s) => s.writtenBytes);
  each("counterVecFunc", "belfry_batch_writer_batches_total", "Inserts that succeeded.", (s) => s.batches);
  each("counterVecFunc", "belfry_batch_writer_retries_total", "Inserts that were tried again.", (s) => s.retries);
}
