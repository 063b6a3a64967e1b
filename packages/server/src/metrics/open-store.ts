import {
  compareLabels,
  compareStrings,
  type Labels,
  type Matcher,
  type MetricMetadata,
  METRIC_NAME,
} from "@belfry/core/model";
import { AppError } from "../lib/errors.ts";
import type { Timer } from "../lib/clock.ts";
import type { Appender, AppendOptions } from "./appender.ts";
import { ExemplarStore, type SeriesExemplars } from "./exemplars.ts";
import { Head } from "./head/head.ts";
import { HeadAppendable } from "./head/head-appender.ts";
import { HeadSeries } from "./head/head-series.ts";
import { MetadataStore } from "./metadata.ts";
import type { MetricStore, MetricStoreOptions, MetricStoreStats, RebuildStatus, TsdbStats } from "./metric-store.ts";
import type { QueryContext, SelectHints, SeriesSet } from "./queryable.ts";

const MAINTENANCE_MS = 15_000;
const DEFAULT_BUDGET_BYTES = 512 * 1024 * 1024;

/** openMetricStore opens the store. With a database it answers at once and rebuilds the head in the background. */
export function openMetricStore(options: MetricStoreOptions): Promise<MetricStore> {
  return Promise.resolve(new Store(options));
}

class Store implements MetricStore {
  readonly ready = Promise.resolve();
  readonly rebuilt = Promise.resolve();
  private readonly head: Head;
  private readonly exemplarStore: ExemplarStore;
  private readonly metadataStore = new MetadataStore();
  private readonly appendable: HeadAppendable;
  private readonly maintenance: Timer;

  constructor(options: MetricStoreOptions) {
    const { clock } = options;
    this.head = new Head({
      ...options,
      budgetBytes: options.budgetBytes ?? DEFAULT_BUDGET_BYTES,
      now: () => clock.now(),
    });
    this.exemplarStore = new ExemplarStore(options.maxExemplars);
    this.appendable = new HeadAppendable(this.head, this.exemplarStore, this.metadataStore, undefined);
    this.maintenance = clock.setInterval(() => this.maintain(), MAINTENANCE_MS);
  }

  appender(options?: AppendOptions): Appender {
    return this.appendable.appender(options);
  }

  select(matchers: readonly Matcher[], hints: SelectHints, context: QueryContext): Promise<SeriesSet> {
    context.signal.throwIfAborted();
    const slots = this.head.select(matchers);
    const wanted = hints.limit > 0 ? Math.min(hints.limit, slots.length) : slots.length;
    const series: HeadSeries[] = [];
    for (let i = 0; i < wanted; i++) series.push(new HeadSeries(this.head, slots[i]!));
    return Promise.resolve({ series, warnings: [] });
  }

  labelNames(
    matcherSets: readonly (readonly Matcher[])[],
    startMs: number,
    endMs: number,
    limit: number,
    _context: QueryContext,
  ): Promise<{ values: string[]; warnings: string[] }> {
    const names = new Set<string>();
    this.eachMatching(matcherSets, startMs, endMs, (labels) => {
      for (let i = 0; i < labels.pairs.length; i += 2) names.add(labels.pairs[i]!);
    });
    return Promise.resolve(limited([...names].sort(compareStrings), limit));
  }

  labelValues(
    name: string,
    matcherSets: readonly (readonly Matcher[])[],
    startMs: number,
    endMs: number,
    limit: number,
    _context: QueryContext,
  ): Promise<{ values: string[]; warnings: string[] }> {
    const values = new Set<string>();
    this.eachMatching(matcherSets, startMs, endMs, (labels) => {
      const value = labels.get(name);
      if (value !== "") values.add(value);
    });
    return Promise.resolve(limited([...values].sort(compareStrings), limit));
  }

  series(
    matcherSets: readonly (readonly Matcher[])[],
    startMs: number,
    endMs: number,
    limit: number,
    _context: QueryContext,
  ): Promise<{ values: Labels[]; warnings: string[] }> {
    const found = new Set<Labels>();
    this.eachMatching(matcherSets, startMs, endMs, (labels) => found.add(labels));
    return Promise.resolve(limited([...found].sort(compareLabels), limit));
  }

  exemplars(
    matcherSets: readonly (readonly Matcher[])[],
    startMs: number,
    endMs: number,
    _context: QueryContext,
  ): Promise<SeriesExemplars[]> {
    return Promise.resolve(this.exemplarStore.select(matcherSets, startMs, endMs));
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
      databaseReads: 0,
      databaseSamplesRead: 0,
      databaseReadFailures: 0,
      commitFailures: 0,
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
    return { state: "done", doneSteps: 0, totalSteps: 0, samples: 0, series: 0, seconds: 0 };
  }

  oldestTimeMs(): number {
    return this.head.currentStats().minTimeMs;
  }

  deleteSeries(
    matcherSets: readonly (readonly Matcher[])[],
    startMs: number,
    endMs: number,
    _context: QueryContext,
  ): Promise<void> {
    for (const matchers of matcherSets) {
      for (const slot of this.head.select(matchers).slice()) this.head.deleteRange(slot, startMs, endMs);
    }
    this.exemplarStore.deleteSeries(matcherSets, startMs, endMs);
    return Promise.resolve();
  }

  cleanTombstones(): Promise<void> {
    return Promise.resolve();
  }

  snapshot(_skipHead: boolean): Promise<string> {
    return Promise.reject(new AppError("SNAPSHOT_UNAVAILABLE", "there is no database to take a snapshot of"));
  }

  configure(options: { outOfOrderWindowMs?: number; maxExemplars?: number; retentionMs?: number }): void {
    if (options.outOfOrderWindowMs !== undefined) this.head.outOfOrderWindowMs = options.outOfOrderWindowMs;
    if (options.maxExemplars !== undefined) this.exemplarStore.resize(options.maxExemplars);
  }

  maintain(): void {
    this.head.maintain();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.maintenance.cancel();
    return Promise.resolve();
  }

  private eachMatching(
    matcherSets: readonly (readonly Matcher[])[],
    startMs: number,
    endMs: number,
    visit: (labels: Labels) => void,
  ): void {
    const { head } = this;
    for (const matchers of matcherSets.length === 0 ? [[]] : matcherSets) {
      for (const slot of head.select(matchers)) {
        if (head.firstTimeOf(slot) <= endMs && head.lastTimeOf(slot) >= startMs) visit(head.series.labels(slot));
      }
    }
  }
}

function limited<T>(values: T[], limit: number): { values: T[]; warnings: string[] } {
  if (limit <= 0 || values.length <= limit) return { values, warnings: [] };
  return { values: values.slice(0, limit), warnings: ["results truncated due to limit"] };
}
