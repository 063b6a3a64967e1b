import { type Counter, Histogram, type MetricsRegistry, type Vec } from "../../lib/metrics-registry.ts";

/** DiscoveryMetrics count what discovery does; all discoverers of a registry share them. */
export class DiscoveryMetrics {
  readonly receivedUpdates: Counter;
  readonly sentUpdates: Counter;
  readonly refreshFailures: Vec<Counter>;
  readonly refreshDuration: Vec<Histogram>;
  readonly fileReadErrors: Counter;
  readonly fileWatchErrors: Counter;
  readonly dnsLookups: Counter;
  readonly dnsLookupFailures: Counter;
  readonly httpFailures: Counter;
  readonly kubernetesEvents: Vec<Counter>;
  readonly kubernetesFailures: Counter;
  /** fileTimes are the modification times of the files that were read, in Unix seconds, by path. */
  readonly fileTimes = new Map<string, number>();

  constructor(registry: MetricsRegistry) {
    this.receivedUpdates = registry.counter("belfry_sd_received_updates_total", "Updates received from discoverers.");
    this.sentUpdates = registry.counter("belfry_sd_updates_total", "Updates of a job's targets handed to scraping.");
    this.refreshFailures = registry.counterVec(
      "belfry_sd_refresh_failures_total",
      "Discoveries that failed; their old targets stayed.",
      ["mechanism"],
    );
    this.refreshDuration = registry.histogramVec("belfry_sd_refresh_duration_seconds", "Duration of a discovery.", [
      "mechanism",
    ]);
    this.fileReadErrors = registry.counter("belfry_sd_file_read_errors_total", "Target files that could not be read.");
    this.fileWatchErrors = registry.counter(
      "belfry_sd_file_watcher_errors_total",
      "Folders of target files that could not be watched.",
    );
    this.dnsLookups = registry.counter("belfry_sd_dns_lookups_total", "Names looked up in the DNS.");
    this.dnsLookupFailures = registry.counter("belfry_sd_dns_lookup_failures_total", "DNS lookups that failed.");
    this.httpFailures = registry.counter("belfry_sd_http_failures_total", "HTTP discovery requests that failed.");
    this.kubernetesEvents = registry.counterVec(
      "belfry_sd_kubernetes_events_total",
      "Kubernetes objects that came, changed or went.",
      ["role", "event"],
    );
    this.kubernetesFailures = registry.counter(
      "belfry_sd_kubernetes_failures_total",
      "Lists and watches of Kubernetes objects that failed.",
    );
    registry.gaugeVecFunc(
      "belfry_sd_file_mtime_seconds",
      "Modification time of each target file when it was read.",
      ["filename"],
      (emit) => {
        for (const [path, seconds] of this.fileTimes) emit(seconds, path);
      },
    );
  }
}

const byRegistry = new WeakMap<MetricsRegistry, DiscoveryMetrics>();

/** discoveryMetrics returns the metrics in a registry, made with the first call. */
export function discoveryMetrics(registry: MetricsRegistry): DiscoveryMetrics {
  let metrics = byRegistry.get(registry);
  if (metrics === undefined) {
    metrics = new DiscoveryMetrics(registry);
    byRegistry.set(registry, metrics);
  }
  return metrics;
}
