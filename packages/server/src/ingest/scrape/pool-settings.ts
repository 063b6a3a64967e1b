// From a scrape configuration as it was read to what a pool runs with.
import { Relabeller } from "../relabel/index.ts";
import type { ScrapeConfig } from "./config.ts";
import type { PoolSettings } from "./scrape-pool.ts";

/** poolSettings makes the settings of one job. Throws RegexError for a relabelling rule that is not RE2. */
export function poolSettings(config: ScrapeConfig): PoolSettings {
  const targetRules = new Relabeller(config.relabelConfigs);
  const sampleRules = new Relabeller(config.metricRelabelConfigs);
  const { discovery: _discovery, ...own } = config;
  const { scrapeIntervalMs: _interval, scrapeTimeoutMs: _timeout, sampleLimit: _limit, http: _http, ...samples } = own;
  return {
    jobName: config.jobName,
    scrapeIntervalMs: config.scrapeIntervalMs,
    scrapeTimeoutMs: config.scrapeTimeoutMs,
    metricsPath: config.metricsPath,
    scheme: config.scheme,
    params: Object.fromEntries(config.params),
    labelLimit: config.labelLimit,
    labelNameLengthLimit: config.labelNameLengthLimit,
    labelValueLengthLimit: config.labelValueLengthLimit,
    honorLabels: config.honorLabels,
    honorTimestamps: config.honorTimestamps,
    trackTimestampsStaleness: config.trackTimestampsStaleness,
    enableCompression: config.enableCompression,
    scrapeProtocols: config.scrapeProtocols,
    fallbackProtocol: config.fallbackScrapeProtocol,
    bodySizeLimitBytes: config.bodySizeLimit,
    sampleLimit: config.sampleLimit,
    targetLimit: config.targetLimit,
    keepDroppedTargets: config.keepDroppedTargets,
    nativeHistogramBucketLimit: config.nativeHistogramBucketLimit,
    nativeHistogramMinBucketFactor: config.nativeHistogramMinBucketFactor,
    scrapeNativeHistograms: config.scrapeNativeHistograms,
    alwaysScrapeClassicHistograms: config.alwaysScrapeClassicHistograms,
    convertClassicHistogramsToNhcb: config.convertClassicHistogramsToNhcb,
    extraScrapeMetrics: config.extraScrapeMetrics,
    nameValidation: config.nameScheme,
    nameEscaping: config.escapingScheme,
    relabel: (labels) => targetRules.relabel(labels),
    metricRelabel: (labels) => sampleRules.relabel(labels),
    failureLogFile: config.scrapeFailureLogFile,
    http: config.http,
    key: stableText(own),
    samplesKey: stableText(samples),
  };
}

// stableText is equal for equal values: maps and bigints, which JSON leaves out or refuses, are written too.
function stableText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (part instanceof Map) return [...(part as Map<unknown, unknown>)];
    return typeof part === "bigint" ? `${part}n` : part;
  });
}
