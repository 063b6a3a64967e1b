// Our own metrics of the metric store and of the budget; the store keeps plain numbers, names are given here.
import type { MetricsRegistry } from "../lib/metrics-registry.ts";
import type { MetricStore } from "../metrics/index.ts";

/** registerStoreMetrics makes the store's counters visible. */
export function registerStoreMetrics(registry: MetricsRegistry, store: MetricStore): void {
  const head = () => store.stats().head;
  const counter = (name: string, help: string, read: () => number): void => registry.counterFunc(name, help, read);
  const gauge = (name: string, help: string, read: () => number): void => registry.gaugeFunc(name, help, read);

  counter("belfry_head_samples_appended_total", "Float samples appended to the head.", () => head().samplesAppended);
  counter(
    "belfry_head_histograms_appended_total",
    "Native histogram samples appended to the head.",
    () => head().histogramsAppended,
  );
  counter("belfry_head_exemplars_appended_total", "Exemplars appended.", () => head().exemplarsAppended);
  counter(
    "belfry_head_out_of_order_samples_appended_total",
    "Samples accepted although a newer one was there.",
    () => head().outOfOrderAccepted,
  );
  registry.counterVecFunc(
    "belfry_head_samples_rejected_total",
    "Samples refused by the head, by reason.",
    ["reason"],
    (emit) => {
      const stats = head();
      emit(stats.rejectedOutOfOrder, "out_of_order");
      emit(stats.rejectedDuplicate, "duplicate");
      emit(stats.rejectedOutOfBounds, "out_of_bounds");
      emit(stats.rejectedTooOld, "too_old");
      emit(stats.rejectedTooFarInFuture, "too_far_in_future");
      emit(stats.rejectedSeriesLimit, "series_limit");
    },
  );
  counter("belfry_head_exemplars_rejected_total", "Exemplars refused.", () => head().rejectedExemplars);
  counter("belfry_head_series_created_total", "Series that became active.", () => head().seriesCreated);
  counter("belfry_head_series_removed_total", "Series that left the head.", () => head().seriesRemoved);
  gauge("belfry_head_series", "Series in the head.", () => head().series);
  gauge("belfry_head_chunks", "Chunks in the head.", () => head().chunks);
  gauge("belfry_head_used_bytes", "Bytes of samples and index in use.", () => head().usedBytes);
  gauge("belfry_head_allocated_bytes", "Bytes allocated for samples and index.", () => head().allocatedBytes);
  gauge("belfry_head_budget_bytes", "Bytes the head may use.", () => head().budgetBytes);
  gauge("belfry_head_window_seconds", "How far back the head reaches at present.", () => head().windowMs / 1000);
  counter(
    "belfry_head_window_shrinks_total",
    "Times the window was shortened to stay within the budget.",
    () => head().windowShrinks,
  );
  gauge("belfry_head_refusing_series", "1 while new series are refused because the budget is used up.", () =>
    head().refusingSeries ? 1 : 0,
  );
  gauge("belfry_exemplars", "Exemplars kept.", () => store.stats().exemplars);
  gauge("belfry_exemplars_capacity", "Exemplars that can be kept.", () => store.stats().exemplarCapacity);
  gauge("belfry_metadata_families", "Metric families with metadata.", () => store.stats().metadataFamilies);
  counter(
    "belfry_store_database_reads_total",
    "Queries that needed samples older than the head.",
    () => store.stats().databaseReads,
  );
  counter(
    "belfry_store_database_samples_read_total",
    "Samples read from the database.",
    () => store.stats().databaseSamplesRead,
  );
  counter(
    "belfry_store_database_read_failures_total",
    "Reads from the database that failed.",
    () => store.stats().databaseReadFailures,
  );
  counter(
    "belfry_store_sample_cache_hits_total",
    "Half hours of a series that a read below the head found in the cache.",
    () => store.stats().sampleCache.hits,
  );
  counter(
    "belfry_store_sample_cache_misses_total",
    "Half hours of a series that had to be read from the database.",
    () => store.stats().sampleCache.misses,
  );
  gauge(
    "belfry_store_sample_cache_bytes",
    "Bytes of samples kept from the database.",
    () => store.stats().sampleCache.bytes,
  );
  counter(
    "belfry_store_commit_failures_total",
    "Batches that could not be made durable.",
    () => store.stats().commitFailures,
  );
  gauge("belfry_head_rebuild_seconds", "Time the last rebuild of the head took.", () => store.stats().rebuild.seconds);
}
