// MetricStore is the one door to metrics: appenders go in, series come out. It ties the head in memory to the
// tables in ClickHouse and hides which of the two a sample comes from.
import type { Matcher } from "@belfry/core/model";
import type { Clock } from "../lib/clock.ts";
import type { BatchWriter, Database } from "../database/database.ts";
import type { Appendable } from "./appender.ts";
import type { HeadStats } from "./head/head-stats.ts";
import type { LabelCount } from "./head/label-index.ts";
import type { ExemplarQueryable, MetadataQueryable, MetadataSource, Queryable, QueryContext } from "./queryable.ts";
import type { SampleCacheStats } from "./store/sample-cache.ts";

/** MetricWriters are the batch writers of the metric tables. */
export interface MetricWriters {
  series: BatchWriter;
  samples: BatchWriter;
  histograms: BatchWriter;
  exemplars: BatchWriter;
  metadata: BatchWriter;
}

/** MetricStoreOptions says what a store stands on and what bounds it. */
export interface MetricStoreOptions {
  /** database and writers belong together; without them everything lives in memory only and is gone at the end. */
  database?: Database;
  writers?: MetricWriters;
  clock: Clock;
  /** budgetBytes bounds the head; default 512 MiB. */
  budgetBytes?: number;
  /** windowMs is how far back the head reaches; default 3 h. */
  windowMs?: number;
  /** retentionMs is how long samples are kept; queries do not look further back. Default 15 days. */
  retentionMs?: number;
  outOfOrderWindowMs?: number;
  maxFutureMs?: number;
  maxSeries?: number;
  maxExemplars?: number;
  /** snapshotPath is the folder that snapshots are written to; without it they are refused. */
  snapshotPath?: string;
  /** onError hears of failures in the background; default: nothing. */
  onError?: (what: string, cause: unknown) => void;
}

/** TsdbStats is what /api/v1/status/tsdb shows. */
export interface TsdbStats {
  numSeries: number;
  numLabelPairs: number;
  chunkCount: number;
  minTimeMs: number;
  maxTimeMs: number;
  seriesCountByMetricName: LabelCount[];
  labelValueCountByLabelName: LabelCount[];
  memoryInBytesByLabelName: LabelCount[];
  seriesCountByLabelValuePair: LabelCount[];
}

/** RebuildStatus is how far the head has been read back from the database: upstream's WAL replay in our terms. */
export interface RebuildStatus {
  state: "waiting" | "in progress" | "done" | "failed";
  /** steps are windows of time, newest first. */
  doneSteps: number;
  totalSteps: number;
  samples: number;
  series: number;
  seconds: number;
}

/** MetricStoreStats are the counters of the store; the head has its own. */
export interface MetricStoreStats {
  head: HeadStats;
  exemplars: number;
  exemplarSeries: number;
  exemplarCapacity: number;
  metadataFamilies: number;
  /** databaseReads counts queries that needed samples older than the head. */
  databaseReads: number;
  databaseSamplesRead: number;
  databaseReadFailures: number;
  /** sampleCache counts look-ups of one series and half hour below the floor. */
  sampleCache: SampleCacheStats;
  commitFailures: number;
  rebuild: RebuildStatus;
}

/** MetricStore keeps all metrics. */
export interface MetricStore extends Appendable, Queryable, MetadataQueryable, ExemplarQueryable, MetadataSource {
  /** ready resolves when the newest part of the head is rebuilt, so that appending knows what is a duplicate; it never rejects. */
  readonly ready: Promise<void>;
  /** rebuilt resolves when the whole window is; it never rejects (see rebuildStatus). */
  readonly rebuilt: Promise<void>;
  stats(): MetricStoreStats;
  tsdbStats(limit: number): TsdbStats;
  rebuildStatus(): RebuildStatus;
  /** oldestTimeMs is the oldest time that can be queried, Infinity when there is nothing. */
  oldestTimeMs(): number;
  /** deleteSeries removes samples with startMs <= t <= endMs of the series that satisfy one of the matcher sets. */
  deleteSeries(
    matcherSets: readonly (readonly Matcher[])[],
    startMs: number,
    endMs: number,
    context: QueryContext,
  ): Promise<void>;
  /** cleanTombstones gives the space of deleted samples back. */
  cleanTombstones(): Promise<void>;
  /** snapshot writes everything durable, and unless `skipHead` what is queued, to the snapshot folder and returns the snapshot's name. */
  snapshot(skipHead: boolean): Promise<string>;
  /** configure changes what can change while running. */
  configure(options: { outOfOrderWindowMs?: number; maxExemplars?: number; retentionMs?: number }): void;
  /** maintain does the regular work at once; the store does it by itself every 15 seconds. */
  maintain(): void;
  /** flush resolves when everything committed so far is durable. */
  flush(): Promise<void>;
  /** close stops background work and flushes. */
  close(): Promise<void>;
}
