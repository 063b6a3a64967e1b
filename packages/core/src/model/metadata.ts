import type { Labels } from "./labels.ts";

/** METRIC_TYPES are the types of OpenMetrics and Prometheus, as the API spells them. */
export const METRIC_TYPES = [
  "counter",
  "gauge",
  "histogram",
  "gaugehistogram",
  "summary",
  "info",
  "stateset",
  "unknown",
] as const;
export type MetricType = (typeof METRIC_TYPES)[number];

/** MetricMetadata is what an exposition says of a metric family. */
export interface MetricMetadata {
  type: MetricType;
  help: string;
  unit: string;
}

/** Exemplar is one observed value with labels (usually a trace id) that point at its origin. */
export interface Exemplar {
  labels: Labels;
  value: number;
  timeMs: number;
  /** hasTime is false when the exposition gave no timestamp and `timeMs` is the scrape's. */
  hasTime: boolean;
}
