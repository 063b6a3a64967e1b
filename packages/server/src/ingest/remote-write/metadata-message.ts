import type { MetricType } from "@belfry/core/model";

/** WIRE_METRIC_TYPES are the metric types by their number, which is the same in both versions. */
export const WIRE_METRIC_TYPES: readonly MetricType[] = [
  "unknown",
  "counter",
  "gauge",
  "histogram",
  "gaugehistogram",
  "summary",
  "info",
  "stateset",
];

const SUFFIXES: Readonly<Partial<Record<MetricType, readonly string[]>>> = {
  histogram: ["_bucket", "_count", "_sum"],
  gaugehistogram: ["_bucket", "_gcount", "_gsum"],
  summary: ["_count", "_sum"],
};

/** metricFamilyOf names the family of a series: metadata is kept per family, a classic histogram is one of several series. */
export function metricFamilyOf(metricName: string, type: MetricType): string {
  for (const suffix of SUFFIXES[type] ?? []) {
    if (metricName.endsWith(suffix)) return metricName.slice(0, -suffix.length);
  }
  return metricName;
}
