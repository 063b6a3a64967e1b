// Histogram is a Prometheus native histogram. Counts are always floating point here: integer histograms are
// converted on the way in, exactly up to 2^53 per bucket. See
// https://prometheus.io/docs/specs/native_histograms/ for schemas, spans and the arithmetic.

/** CounterResetHint tells what is known about a counter reset before a histogram sample. */
export const CounterResetHint = { Unknown: 0, Reset: 1, NotReset: 2, Gauge: 3 } as const;
export type CounterResetHint = (typeof CounterResetHint)[keyof typeof CounterResetHint];

/** CUSTOM_BUCKETS_SCHEMA marks a histogram with custom bucket bounds (NHCB). */
export const CUSTOM_BUCKETS_SCHEMA = -53;

/** Span is a run of consecutive buckets: `offset` empty ones after the previous span (or from index 0), then `length`. */
export interface Span {
  offset: number;
  length: number;
}

/** Histogram is one native histogram sample. Buckets are absolute counts (not deltas), in span order. */
export interface Histogram {
  counterResetHint: CounterResetHint;
  /** schema is -4..8 for exponential buckets, CUSTOM_BUCKETS_SCHEMA for custom bounds. */
  schema: number;
  zeroThreshold: number;
  zeroCount: number;
  count: number;
  sum: number;
  positiveSpans: Span[];
  positiveBuckets: Float64Array;
  negativeSpans: Span[];
  negativeBuckets: Float64Array;
  /** customValues are the upper bounds of custom buckets, ascending, without +Inf; only for CUSTOM_BUCKETS_SCHEMA. */
  customValues: Float64Array | undefined;
}
