// The border between the query engine and whatever keeps samples. The engine knows storage only through
// these interfaces; the head with the database behind it, and the plain in-memory store of the
// conformance tests, implement them.
import type { Exemplar, Labels, Matcher, MetricMetadata, SampleBuffer } from "@belfry/core/model";

/** SelectHints tells storage what will be read. Times are Unix milliseconds, both inclusive. */
export interface SelectHints {
  startMs: number;
  endMs: number;
  /** stepMs is the step of the query, 0 for an instant query. */
  stepMs: number;
  /** rangeMs is the range of a range selector, 0 for an instant selector. */
  rangeMs: number;
  /** func is the function or aggregation around the selector, "" if none ("series" for metadata calls). */
  func: string;
  /** limit is the most series wanted, 0 for all. */
  limit: number;
}

/** QueryContext carries what bounds one query. */
export interface QueryContext {
  /** signal aborts on timeout, on cancellation and when the client goes away; long loops must look at it. */
  signal: AbortSignal;
  /** budget counts the samples a query holds; storage and engine both charge it. */
  budget: SampleBudget;
}

/** SampleBudget bounds the samples one query may hold in memory at a time. */
export interface SampleBudget {
  /** charge adds `samples` and throws the engine's "too many samples" error past the limit. */
  charge(samples: number): void;
  release(samples: number): void;
}

/** SelectedSeries is one series of an answer; valid until the query ends. */
export interface SelectedSeries {
  readonly labels: Labels;
  /**
   * read appends the samples with startMs <= t <= endMs to `into`, in time order, without duplicates and
   * with staleness markers in place. It does not block and may be called several times.
   */
  read(startMs: number, endMs: number, into: SampleBuffer): void;
}

/** SeriesSet is the answer to a select; `series` are in no particular order, each label set once. */
export interface SeriesSet {
  readonly series: readonly SelectedSeries[];
  readonly warnings: readonly string[];
}

/** Queryable is what the engine and the API ask for series. Rejections are DatabaseError or the signal's reason. */
export interface Queryable {
  /** select resolves when everything that `read` needs is in memory. */
  select(matchers: readonly Matcher[], hints: SelectHints, context: QueryContext): Promise<SeriesSet>;
}

/** MetadataQueryable answers the label, series and metadata routes. Times inclusive; results sorted as upstream sorts them. */
export interface MetadataQueryable {
  labelNames(
    matcherSets: readonly (readonly Matcher[])[],
    startMs: number,
    endMs: number,
    limit: number,
    context: QueryContext,
  ): Promise<{ values: string[]; warnings: string[] }>;
  labelValues(
    name: string,
    matcherSets: readonly (readonly Matcher[])[],
    startMs: number,
    endMs: number,
    limit: number,
    context: QueryContext,
  ): Promise<{ values: string[]; warnings: string[] }>;
  series(
    matcherSets: readonly (readonly Matcher[])[],
    startMs: number,
    endMs: number,
    limit: number,
    context: QueryContext,
  ): Promise<{ values: Labels[]; warnings: string[] }>;
}

/** ExemplarQueryable answers query_exemplars: the exemplars of the selected series, each series once, in time order. */
export interface ExemplarQueryable {
  exemplars(
    matcherSets: readonly (readonly Matcher[])[],
    startMs: number,
    endMs: number,
    context: QueryContext,
  ): Promise<{ labels: Labels; exemplars: Exemplar[] }[]>;
}

/** MetadataSource knows type, help and unit by metric family name. */
export interface MetadataSource {
  metadata(metric: string): MetricMetadata | undefined;
  /** allMetadata lists every known family; a family may have several differing entries. */
  allMetadata(): ReadonlyMap<string, readonly MetricMetadata[]>;
}
