// The store answers from the head what lies above its floor and from the database what lies below; a query that
// reaches across gets both, divided at the floor as it was when the query began.
import {
  compareLabels,
  compareStrings,
  type Exemplar,
  type Labels,
  type Matcher,
  type MetricMetadata,
  METRIC_NAME,
} from "@belfry/core/model";
import {
  type ClosableBatchWriter,
  createBatchWriter,
  type Database,
  ExemplarRows,
  HistogramRows,
  MetadataRows,
  SampleRows,
  SeriesRows,
} from "../database/index.ts";
import { AppError } from "../lib/errors.ts";
import type { Clock, Timer } from "../lib/clock.ts";
import type { Appender, AppendOptions } from "./appender.ts";
import { ExemplarStore, sameExemplar, type SeriesExemplars } from "./exemplars.ts";
import { Head } from "./head/head.ts";
import { HeadAppendable } from "./head/head-appender.ts";
import { HeadSeries } from "./head/head-series.ts";
import { SeriesRow } from "./head/series-table.ts";
import { MetadataStore } from "./metadata.ts";
import type {
  MetricStore,
  MetricStoreOptions,
  MetricStoreStats,
  MetricWriters,
  RebuildStatus,
  TsdbStats,
} from "./metric-store.ts";
import type { QueryContext, SelectedSeries, SelectHints, SeriesSet } from "./queryable.ts";
import { DAY_MS } from "./rows.ts";
import { CommitQueue } from "./store/commit-queue.ts";
import { deleteStored, dropDeleted } from "./store/deletion.ts";
import { MetricReader, type StoredSeries } from "./store/metric-reader.ts";
import { Rebuild } from "./store/rebuild.ts";
import { takeSnapshot } from "./store/snapshot.ts";
import { AboveBorder, StitchedSeries, type StoredSamples } from "./store/stored-samples.ts";
import { type StoredRange, StoredReader } from "./store/stored-reader.ts";

const MAINTENANCE_MS = 15_000;
const DEFAULT_BUDGET_BYTES = 512 * 1024 * 1024;
const DEFAULT_RETENTION_MS = 15 * DAY_MS;
// What was read below the floor may take this share of the head's budget, up to a bound, besides it.
const CACHE_SHARE = 0.1;
const MAX_CACHE_BYTES = 64 * 1024 * 1024;
// On a server others may write too; what they write late is seen after this at the latest.
const OTHERS_WRITE_MS = 10_000;

/** openMetricStore opens the store. With a database it answers at once and rebuilds the head in the background. */
export function openMetricStore(options: MetricStoreOptions): Promise<MetricStore> {
  return Promise.resolve(new Store(options));
}

type MatcherSets = readonly (readonly Matcher[])[];

/** Backing is what a store with a database has. */
interface Backing {
  database: Database;
  reader: MetricReader;
  stored: StoredReader;
  queue: CommitQueue;
  rebuild: Rebuild;
  ownWriters: ClosableBatchWriter[];
}

class Store implements MetricStore {
  readonly ready: Promise<void>;
  readonly rebuilt: Promise<void>;
  private readonly head: Head;
  private readonly exemplarStore: ExemplarStore;
  private readonly metadataStore = new MetadataStore();
  private readonly appendable: HeadAppendable;
  private readonly backing: Backing | undefined;
  private readonly maintenance: Timer;
  private readonly clock: Clock;
  private readonly onError: (what: string, cause: unknown) => void;
  private readonly snapshotPath: string | undefined;
  private readonly closing = new AbortController();
  private retentionMs: number;
  // Readers of the database wait for deletions under way, so that what is being deleted is not seen any more.
  private deletions: Promise<void> = Promise.resolve();
  private deleting = 0;
  private databaseReads = 0;
  private databaseReadFailures = 0;
  private oldestStoredMs = Infinity;

  constructor(options: MetricStoreOptions) {
    const { clock } = options;
    const budgetBytes = options.budgetBytes ?? DEFAULT_BUDGET_BYTES;
    this.clock = clock;
    this.onError = options.onError ?? (() => undefined);
    this.snapshotPath = options.snapshotPath;
    this.retentionMs = options.retentionMs ?? DEFAULT_RETENTION_MS;
    this.head = new Head({ ...options, budgetBytes, now: () => clock.now() });
    this.exemplarStore = new ExemplarStore(options.maxExemplars);
    if (options.database === undefined) {
      this.ready = Promise.resolve();
      this.rebuilt = this.ready;
    } else {
      this.backing = this.openBacking(options.database, options.writers, budgetBytes);
      let onReady!: () => void;
      this.ready = new Promise((resolve) => (onReady = resolve));
      this.rebuilt = this.runRebuild(this.backing.rebuild, onReady);
    }
    this.appendable = new HeadAppendable(this.head, this.exemplarStore, this.metadataStore, this.backing?.queue);
    this.maintenance = clock.setInterval(() => this.maintain(), MAINTENANCE_MS);
  }

  private openBacking(database: Database, given: MetricWriters | undefined, budgetBytes: number): Backing {
    const { clock } = this;
    const ownWriters: ClosableBatchWriter[] = [];
    const writer = ({ table, columns }: { table: string; columns: readonly string[] }): ClosableBatchWriter => {
      const made = createBatchWriter(database, { table, columns, clock });
      ownWriters.push(made);
      return made;
    };
    const writers = given ?? {
      series: writer(SeriesRows),
      samples: writer(SampleRows),
      histograms: writer(HistogramRows),
      exemplars: writer(ExemplarRows),
      metadata: writer(MetadataRows),
    };
    const reader = new MetricReader(database);
    const cacheBytes = Math.min(MAX_CACHE_BYTES, budgetBytes * CACHE_SHARE);
    const stored = new StoredReader(reader, cacheBytes, database.kind === "embedded" ? Infinity : OTHERS_WRITE_MS);
    const queue = new CommitQueue(
      writers,
      clock,
      (metric) => reader.cache.forget(metric),
      (minTimeMs) => stored.cache.forgetFrom(minTimeMs),
    );
    const rebuild = new Rebuild({
      head: this.head,
      reader,
      queue,
      exemplars: this.exemplarStore,
      metadata: this.metadataStore,
      clock,
      budgetBytes,
      signal: this.closing.signal,
    });
    return { database, reader, stored, queue, rebuild, ownWriters };
  }

  private async runRebuild(rebuild: Rebuild, onReady: () => void): Promise<void> {
    try {
      await rebuild.run(onReady);
      this.oldestStoredMs = (await this.backing!.reader.oldestTime()) ?? Infinity;
    } catch (cause) {
      // The database stays responsible for everything below the floor; only speed is lost.
      rebuild.status.state = "failed";
      if (!this.closing.signal.aborted) this.onError("could not rebuild the head", cause);
    }
    onReady();
  }

  appender(options?: AppendOptions): Appender {
    return this.appendable.appender(options);
  }

  async select(matchers: readonly Matcher[], hints: SelectHints, context: QueryContext): Promise<SeriesSet> {
    context.signal.throwIfAborted();
    const { backing } = this;
    const { head } = this;
    let series: SelectedSeries[];
    if (backing === undefined || hints.startMs >= head.floorMs) {
      series = [];
      for (const slot of head.select(matchers)) series.push(new HeadSeries(head, slot));
    } else series = await this.selectAcross(backing, matchers, hints, context);
    if (hints.limit > 0 && series.length > hints.limit) series.length = hints.limit;
    return { series, warnings: [] };
  }

  private async selectAcross(
    backing: Backing,
    matchers: readonly Matcher[],
    hints: SelectHints,
    { signal, budget }: QueryContext,
  ): Promise<SelectedSeries[]> {
    const { head } = this;
    const floor = head.floorMs;
    await this.settled(backing, Math.min(hints.endMs, floor - 1));
    signal.throwIfAborted();
    // The floor may have come down meanwhile (rebuild) or gone up (then the head still has what it left).
    const borderMs = Math.min(floor, head.floorMs);
    const startMs = Math.max(hints.startMs, this.retentionFloorMs());
    const endMs = Math.min(hints.endMs, borderMs - 1);
    const selected: SelectedSeries[] = [];
    const taken = new Set<number>();
    if (startMs <= endMs) {
      const range = { startMs, endMs, borderMs };
      for (const stored of await this.readStored(backing, matchers, range, { signal, budget })) {
        const { idHigh, idLow, labels } = stored.series;
        const slot = head.series.findId(idHigh, idLow);
        const inHead = slot >= 0 && head.series.labels(slot).equals(labels);
        if (inHead) taken.add(slot);
        selected.push(new StitchedSeries(stored, inHead ? new HeadSeries(head, slot) : undefined, borderMs));
      }
    }
    for (const slot of head.select(matchers)) {
      if (!taken.has(slot)) selected.push(new AboveBorder(new HeadSeries(head, slot), borderMs));
    }
    return selected;
  }

  private async readStored(
    backing: Backing,
    matchers: readonly Matcher[],
    range: StoredRange,
    context: QueryContext,
  ): Promise<StoredSamples[]> {
    this.databaseReads++;
    try {
      const series = await backing.reader.series(matchers, range.startMs, range.endMs, context.signal);
      context.signal.throwIfAborted();
      if (series.length === 0) return [];
      return await backing.stored.read(series, range, this.mayHaveHistograms(backing), context);
    } catch (cause) {
      this.databaseReadFailures++;
      throw cause;
    }
  }

  private mayHaveHistograms(backing: Backing): boolean {
    return backing.rebuild.withHistograms || this.head.stats.histogramsAppended > 0;
  }

  // settled resolves when the database has everything up to a time, and nothing that is being deleted.
  private async settled(backing: Backing, timeMs: number): Promise<void> {
    if (this.deleting > 0) await this.deletions;
    await backing.queue.settleBefore(timeMs);
  }

  // Nothing older than the retention is returned. It counts from the newest sample where that is older than now,
  // as upstream's does.
  private retentionFloorMs(): number {
    const newest = this.head.maxTimeMs;
    return (Number.isFinite(newest) ? Math.min(this.clock.now(), newest) : this.clock.now()) - this.retentionMs;
  }

  async labelNames(
    matcherSets: MatcherSets,
    startMs: number,
    endMs: number,
    limit: number,
    context: QueryContext,
  ): Promise<{ values: string[]; warnings: string[] }> {
    const names = new Set<string>();
    const addNames = (labels: Labels): void => {
      for (let i = 0; i < labels.pairs.length; i += 2) names.add(labels.pairs[i]!);
    };
    await this.eachStored(matcherSets, startMs, endMs, context, addNames, async (reader, matchers, from, to) => {
      const found = await reader.labelNames(matchers, from, to, context.signal);
      for (const name of found ?? []) names.add(name);
      return found !== undefined;
    });
    const { head } = this;
    if (selectsAll(matcherSets)) {
      for (const name of head.index.names((slot) => head.hasSampleIn(slot, startMs, endMs))) names.add(name);
    } else this.eachInHead(matcherSets, startMs, endMs, addNames);
    return limited([...names].sort(compareStrings), limit);
  }

  async labelValues(
    name: string,
    matcherSets: MatcherSets,
    startMs: number,
    endMs: number,
    limit: number,
    context: QueryContext,
  ): Promise<{ values: string[]; warnings: string[] }> {
    const values = new Set<string>();
    const addValue = (labels: Labels): void => {
      const value = labels.get(name);
      if (value !== "") values.add(value);
    };
    await this.eachStored(matcherSets, startMs, endMs, context, addValue, async (reader, matchers, from, to) => {
      const found = await reader.labelValues(name, matchers, from, to, context.signal);
      for (const value of found ?? []) values.add(value);
      return found !== undefined;
    });
    const { head } = this;
    if (selectsAll(matcherSets)) {
      for (const value of head.index.values(name, (slot) => head.hasSampleIn(slot, startMs, endMs))) values.add(value);
    } else this.eachInHead(matcherSets, startMs, endMs, addValue);
    return limited([...values].sort(compareStrings), limit);
  }

  async series(
    matcherSets: MatcherSets,
    startMs: number,
    endMs: number,
    limit: number,
    context: QueryContext,
  ): Promise<{ values: Labels[]; warnings: string[] }> {
    const found = new Map<string, Labels>();
    const add = (labels: Labels): void => void found.set(labels.key, labels);
    await this.eachStored(matcherSets, startMs, endMs, context, add);
    this.eachInHead(matcherSets, startMs, endMs, add);
    return limited([...found.values()].sort(compareLabels), limit);
  }

  async exemplars(
    matcherSets: MatcherSets,
    startMs: number,
    endMs: number,
    context: QueryContext,
  ): Promise<SeriesExemplars[]> {
    const kept = this.exemplarStore.select(matcherSets, startMs, endMs);
    const { backing } = this;
    // What the circular buffer has dropped, or never had since the start, is in the database.
    const keptFromMs = this.exemplarStore.completeFromMs;
    if (backing === undefined || startMs >= keptFromMs) return kept;
    await this.settled(backing, Math.min(endMs, keptFromMs));
    const bySeries = new Map<string, SeriesExemplars>();
    for (const matchers of matcherSets) {
      const series = await backing.reader.series(matchers, startMs, endMs, context.signal);
      if (series.length === 0) continue;
      for (const { labels, exemplar } of await backing.reader.exemplars(series, startMs, endMs, context.signal)) {
        addExemplar(bySeries, labels, exemplar);
      }
    }
    for (const { labels, exemplars } of kept) {
      for (const exemplar of exemplars) addExemplar(bySeries, labels, exemplar);
    }
    for (const { exemplars } of bySeries.values()) exemplars.sort((a, b) => a.timeMs - b.timeMs);
    return [...bySeries.values()].sort((a, b) => compareLabels(a.labels, b.labels));
  }

  metadata(metric: string): MetricMetadata | undefined {
    return this.metadataStore.get(metric);
  }

  allMetadata(): ReadonlyMap<string, readonly MetricMetadata[]> {
    return this.metadataStore.all();
  }

  stats(): MetricStoreStats {
    return {
      head: this.head.currentStats(),
      exemplars: this.exemplarStore.size,
      exemplarSeries: this.exemplarStore.seriesCount,
      exemplarCapacity: this.exemplarStore.capacity,
      metadataFamilies: this.metadataStore.size,
      databaseReads: this.databaseReads,
      databaseSamplesRead: this.backing?.stored.samplesRead ?? 0,
      databaseReadFailures: this.databaseReadFailures,
      sampleCache: { ...(this.backing?.stored.cache.stats ?? { hits: 0, misses: 0, bytes: 0 }) },
      commitFailures: this.backing?.queue.failures ?? 0,
      rebuild: this.rebuildStatus(),
    };
  }

  tsdbStats(limit: number): TsdbStats {
    const { index } = this.head;
    const stats = this.head.currentStats();
    return {
      numSeries: stats.series,
      numLabelPairs: index.pairCount,
      chunkCount: stats.chunks,
      minTimeMs: stats.minTimeMs,
      maxTimeMs: stats.maxTimeMs,
      seriesCountByMetricName: index.seriesCountByValue(METRIC_NAME, limit),
      labelValueCountByLabelName: index.valueCountByName(limit),
      memoryInBytesByLabelName: index.bytesByName(limit),
      seriesCountByLabelValuePair: index.seriesCountByPair(limit),
    };
  }

  rebuildStatus(): RebuildStatus {
    return (
      this.backing?.rebuild.status ?? { state: "done", doneSteps: 0, totalSteps: 0, samples: 0, series: 0, seconds: 0 }
    );
  }

  oldestTimeMs(): number {
    const inHead = this.head.currentStats().minTimeMs;
    return Math.min(inHead, Math.max(this.oldestStoredMs, this.retentionFloorMs()));
  }

  deleteSeries(matcherSets: MatcherSets, startMs: number, endMs: number, _context: QueryContext): Promise<void> {
    this.deleteInHead(matcherSets, startMs, endMs);
    const { backing } = this;
    if (backing === undefined) return Promise.resolve();
    this.deleting++;
    const newestMs = backing.rebuild.isRunning ? Infinity : this.head.maxTimeMs;
    // What is appended from now on stays, though the range may reach into the future. (A late sample that falls
    // into it while the deletion is under way counts as having come before.)
    const done = this.deletions
      .then(() => this.deleteBehind(backing, matcherSets, startMs, Math.min(endMs, newestMs)))
      .finally(() => void this.deleting--);
    this.deletions = done.catch(() => undefined);
    return done;
  }

  private async deleteBehind(
    backing: Backing,
    matcherSets: MatcherSets,
    startMs: number,
    endMs: number,
  ): Promise<void> {
    if (backing.rebuild.isRunning) {
      // It would read back what is not deleted yet.
      await this.rebuilt;
      this.deleteInHead(matcherSets, startMs, endMs);
    }
    await backing.queue.settleBefore(endMs);
    const { database, reader, stored } = backing;
    let concerned: StoredSeries[];
    try {
      concerned = await deleteStored(database, reader, matcherSets, startMs, endMs);
    } finally {
      // One that fails may have deleted some.
      reader.cache.clear();
      stored.cache.clear();
    }
    for (const { idHigh, idLow } of concerned) {
      // Its row may be gone with the samples; the next sample writes it again.
      const slot = this.head.series.findId(idHigh, idLow);
      if (slot >= 0 && this.head.series.row[slot] === SeriesRow.Durable) this.head.series.row[slot] = SeriesRow.Missing;
    }
  }

  private deleteInHead(matcherSets: MatcherSets, startMs: number, endMs: number): void {
    for (const matchers of matcherSets) {
      for (const slot of this.head.select(matchers).slice()) this.head.deleteRange(slot, startMs, endMs);
    }
    this.exemplarStore.deleteSeries(matcherSets, startMs, endMs);
  }

  async cleanTombstones(): Promise<void> {
    if (this.backing !== undefined) await dropDeleted(this.backing.database);
  }

  async snapshot(skipHead: boolean): Promise<string> {
    if (this.backing === undefined || this.snapshotPath === undefined) {
      throw new AppError("SNAPSHOT_UNAVAILABLE", "there is no data directory to take a snapshot of");
    }
    if (!skipHead) await this.backing.queue.flush();
    return takeSnapshot(this.backing.database, this.snapshotPath, this.clock.now());
  }

  configure(options: { outOfOrderWindowMs?: number; maxExemplars?: number; retentionMs?: number }): void {
    if (options.outOfOrderWindowMs !== undefined) this.head.outOfOrderWindowMs = options.outOfOrderWindowMs;
    if (options.maxExemplars !== undefined) this.exemplarStore.resize(options.maxExemplars);
    if (options.retentionMs === undefined) return;
    this.retentionMs = options.retentionMs;
    // What a shorter one had dropped must not come back with a longer one.
    this.backing?.stored.cache.clear();
  }

  maintain(): void {
    // What leaves the head now is in the database.
    this.oldestStoredMs = Math.min(this.oldestStoredMs, this.head.currentStats().minTimeMs);
    this.head.maintain();
  }

  async flush(): Promise<void> {
    await this.backing?.queue.flush();
  }

  async close(): Promise<void> {
    this.maintenance.cancel();
    this.closing.abort();
    await this.rebuilt;
    await this.deletions;
    if (this.backing === undefined) return;
    try {
      await this.backing.queue.flush();
    } finally {
      await Promise.all(this.backing.ownWriters.map((writer) => writer.close()));
    }
  }

  // eachInHead visits the series of the head that match one of the sets and have a sample in the range.
  private eachInHead(matcherSets: MatcherSets, startMs: number, endMs: number, visit: (labels: Labels) => void): void {
    const { head } = this;
    for (const matchers of matcherSets.length === 0 ? [[]] : matcherSets) {
      for (const slot of head.select(matchers)) {
        if (head.hasSampleIn(slot, startMs, endMs)) visit(head.series.labels(slot));
      }
    }
  }

  // eachStored visits the series that the database has below the floor, by whole days. `shortcut` may answer for a
  // matcher set with less work; it says whether it did.
  private async eachStored(
    matcherSets: MatcherSets,
    startMs: number,
    endMs: number,
    { signal }: QueryContext,
    visit: (labels: Labels) => void,
    shortcut?: (reader: MetricReader, matchers: readonly Matcher[], from: number, to: number) => Promise<boolean>,
  ): Promise<void> {
    const { backing, head } = this;
    if (backing === undefined || startMs >= head.floorMs) return;
    const to = Math.min(endMs, head.floorMs - 1);
    await this.settled(backing, to);
    const from = Math.max(startMs, this.retentionFloorMs());
    if (from > to) return;
    this.databaseReads++;
    try {
      for (const matchers of matcherSets.length === 0 ? [[]] : matcherSets) {
        if (await shortcut?.(backing.reader, matchers, from, to)) continue;
        for (const { labels } of await backing.reader.series(matchers, from, to, signal)) visit(labels);
      }
    } catch (cause) {
      this.databaseReadFailures++;
      throw cause;
    }
  }
}

function addExemplar(bySeries: Map<string, SeriesExemplars>, labels: Labels, exemplar: Exemplar): void {
  let entry = bySeries.get(labels.key);
  if (entry === undefined) bySeries.set(labels.key, (entry = { labels, exemplars: [] }));
  const isKnown = entry.exemplars.some((one) => one.timeMs === exemplar.timeMs && sameExemplar(one, exemplar));
  if (!isKnown) entry.exemplars.push(exemplar);
}

function selectsAll(matcherSets: MatcherSets): boolean {
  return matcherSets.length === 0 || matcherSets.some((matchers) => matchers.length === 0);
}

function limited<T>(values: T[], limit: number): { values: T[]; warnings: string[] } {
  if (limit <= 0 || values.length <= limit) return { values, warnings: [] };
  return { values: values.slice(0, limit), warnings: ["results truncated due to limit"] };
}
