// Belfry's own metrics of scraping. Names follow upstream's prometheus_target_*, under our prefix.
import type { Counter, Histogram, MetricsRegistry, Vec } from "../../lib/metrics-registry.ts";
import type { AppendResult } from "./scrape-append.ts";

const INTERVAL_BUCKETS = [1, 5, 10, 15, 20, 30, 45, 60, 90, 120, 300];

/** ScrapeMetrics counts what scrapes bring and what they do not. */
export class ScrapeMetrics {
  readonly unexpectedFailures: Counter;
  readonly commitFailures: Counter;
  readonly exceededBodySizeLimit: Counter;
  readonly exceededTargetLimit: Counter;
  readonly refusedSeries: Counter;
  readonly syncFailures: Vec<Counter>;
  private readonly samples: Counter;
  private readonly outOfOrder: Counter;
  private readonly duplicates: Counter;
  private readonly outOfBounds: Counter;
  private readonly exemplarsOutOfOrder: Counter;
  private readonly exceededLimits: Vec<Counter>;
  private readonly intervals: Vec<Histogram>;

  constructor(registry: MetricsRegistry) {
    this.unexpectedFailures = registry.counter(
      "belfry_target_scrape_unexpected_failures_total",
      "Scrapes that failed by a bug of ours.",
    );
    this.commitFailures = registry.counter(
      "belfry_target_scrape_commit_failures_total",
      "Scrapes whose samples could not be made durable.",
    );
    this.samples = registry.counter("belfry_target_scrape_samples_total", "Samples found in scraped bodies.");
    this.exceededBodySizeLimit = registry.counter(
      "belfry_target_scrapes_exceeded_body_size_limit_total",
      "Scrapes that hit body_size_limit and were rejected.",
    );
    this.exceededTargetLimit = registry.counter(
      "belfry_target_scrape_pool_exceeded_target_limit_total",
      "Times a scrape pool hit target_limit, at a sync or reload.",
    );
    this.refusedSeries = registry.counter(
      "belfry_target_scrapes_refused_series_total",
      "Samples refused because their series would be new and the store is full.",
    );
    this.syncFailures = registry.counterVec(
      "belfry_target_sync_failed_total",
      "Discovered targets whose labels were not usable after relabelling.",
      ["scrape_job"],
    );
    this.outOfOrder = registry.counter(
      "belfry_target_scrapes_sample_out_of_order_total",
      "Samples rejected for being out of order.",
    );
    this.duplicates = registry.counter(
      "belfry_target_scrapes_sample_duplicate_timestamp_total",
      "Samples rejected for a timestamp seen before with another value.",
    );
    this.outOfBounds = registry.counter(
      "belfry_target_scrapes_sample_out_of_bounds_total",
      "Samples rejected for being too old or too far ahead.",
    );
    this.exemplarsOutOfOrder = registry.counter(
      "belfry_target_scrapes_exemplar_out_of_order_total",
      "Exemplars rejected for being out of order.",
    );
    this.exceededLimits = registry.counterVec(
      "belfry_target_scrapes_exceeded_limit_total",
      "Scrapes that hit sample_limit, a label limit or native_histogram_bucket_limit and were rejected.",
      ["limit"],
    );
    this.intervals = registry.histogramVec(
      "belfry_target_interval_length_seconds",
      "Actual intervals between scrapes.",
      ["interval"],
      INTERVAL_BUCKETS,
    );
  }

  /** interval is the histogram of actual intervals for a configured one. */
  interval(intervalMs: number): Histogram {
    return this.intervals.with(`${intervalMs / 1000}s`);
  }

  /** count adds up one scrape. */
  count(result: AppendResult): void {
    this.samples.inc(result.total);
    if (result.outOfOrder > 0) this.outOfOrder.inc(result.outOfOrder);
    if (result.duplicates > 0) this.duplicates.inc(result.duplicates);
    if (result.outOfBounds > 0) this.outOfBounds.inc(result.outOfBounds);
    if (result.refusedSeries > 0) this.refusedSeries.inc(result.refusedSeries);
    if (result.exemplarsOutOfOrder > 0) this.exemplarsOutOfOrder.inc(result.exemplarsOutOfOrder);
    if (result.limit !== "") this.exceededLimits.with(result.limit).inc();
  }
}
