// One request on its way into the store: what was appended, what was refused and why.
import type { Exemplar, Histogram, MetricMetadata } from "@belfry/core/model";
import { AppendFailure, type Appender } from "../../metrics/appender.ts";
import type { SeriesCache } from "./series-cache.ts";

/** RefusalReason names why samples are refused, in the metric. */
export type RefusalReason =
  | "out_of_order"
  | "duplicate"
  | "out_of_bounds"
  | "too_old"
  | "series_limit"
  | "invalid_labels"
  | "invalid_histogram"
  | "exemplar";

// Texts are upstream's errors of the same meaning.
const FAILURES: Readonly<Record<AppendFailure, { text: string; reason: RefusalReason }>> = {
  [AppendFailure.OutOfOrder]: { text: "out of order sample", reason: "out_of_order" },
  [AppendFailure.Duplicate]: { text: "duplicate sample for timestamp", reason: "duplicate" },
  [AppendFailure.OutOfBounds]: { text: "out of bounds", reason: "out_of_bounds" },
  [AppendFailure.TooFarInFuture]: {
    text: "out of bounds: timestamp is too far in the future",
    reason: "out_of_bounds",
  },
  [AppendFailure.SeriesLimit]: { text: "series limit reached", reason: "series_limit" },
  [AppendFailure.TooOld]: { text: "too old sample", reason: "too_old" },
};

// A request of 10,000 refused samples must not be answered with 10,000 lines.
const MAX_ERRORS = 20;

/** WriteBatch appends the samples of one request. */
export class WriteBatch {
  readonly appender: Appender;
  samples = 0;
  histograms = 0;
  exemplars = 0;
  readonly refused = new Map<RefusalReason, number>();
  private readonly maxTimeMs: number;
  private readonly errors: string[] = [];
  private errorCount = 0;

  /** Samples later than `maxTimeMs` are refused. */
  constructor(appender: Appender, maxTimeMs: number) {
    this.appender = appender;
    this.maxTimeMs = maxTimeMs;
  }

  /** error is everything that was wrong, or "". */
  get error(): string {
    const more = this.errorCount - this.errors.length;
    return this.errors.join("\n") + (more > 0 ? `\n... and ${more} more` : "");
  }

  sample(cache: SeriesCache, id: number, timeMs: number, value: number, startMs: number): void {
    const result =
      timeMs > this.maxTimeMs
        ? AppendFailure.TooFarInFuture
        : this.appender.append(cache.refs[id], cache.labels[id], timeMs, value, startMs);
    if (result < 0) {
      this.fail(result as AppendFailure, cache, id);
      return;
    }
    cache.refs[id] = result;
    this.samples++;
  }

  stale(cache: SeriesCache, id: number, timeMs: number, histogram: boolean): void {
    const result =
      timeMs > this.maxTimeMs
        ? AppendFailure.TooFarInFuture
        : this.appender.appendStale(cache.refs[id], cache.labels[id], timeMs);
    if (result < 0) {
      this.fail(result as AppendFailure, cache, id);
      return;
    }
    cache.refs[id] = result;
    if (histogram) this.histograms++;
    else this.samples++;
  }

  histogram(cache: SeriesCache, id: number, timeMs: number, histogram: Histogram, startMs: number): void {
    const result =
      timeMs > this.maxTimeMs
        ? AppendFailure.TooFarInFuture
        : this.appender.appendHistogram(cache.refs[id], cache.labels[id], timeMs, histogram, startMs);
    if (result < 0) {
      this.fail(result as AppendFailure, cache, id);
      return;
    }
    cache.refs[id] = result;
    this.histograms++;
  }

  /** exemplar appends; whether a refusal is the sender's error is the protocol version's to decide. */
  exemplar(cache: SeriesCache, id: number, exemplar: Exemplar): boolean {
    const accepted =
      exemplar.timeMs <= this.maxTimeMs && this.appender.appendExemplar(cache.refs[id], cache.labels[id], exemplar);
    if (accepted) this.exemplars++;
    else this.count("exemplar", 1);
    return accepted;
  }

  metadata(family: string, metadata: MetricMetadata): void {
    this.appender.updateMetadata(family, metadata);
  }

  /** refuse notes an error that cost `samples` samples. */
  refuse(reason: RefusalReason, samples: number, error: string): void {
    this.count(reason, samples);
    this.errorCount++;
    if (this.errors.length < MAX_ERRORS) this.errors.push(error);
  }

  private fail(failure: AppendFailure, cache: SeriesCache, id: number): void {
    const { text, reason } = FAILURES[failure];
    if (this.errors.length < MAX_ERRORS) this.refuse(reason, 1, `${text} for series ${cache.labels[id].toString()}`);
    else this.refuse(reason, 1, "");
  }

  private count(reason: RefusalReason, samples: number): void {
    if (samples > 0) this.refused.set(reason, (this.refused.get(reason) ?? 0) + samples);
  }
}
