// Histogram is a Prometheus native histogram. Counts are always floating point here: integer histograms are
// converted on the way in, exactly up to 2^53 per bucket. See
// https://prometheus.io/docs/specs/native_histograms/ for schemas, spans and the arithmetic.
//
// The data type is a plain object; what can be done with it lies in the histogram-*.ts files beside it.
// Functions that change a histogram say so and change their first argument only. Stored samples are shared
// between queries and must never be changed: copy first.

/** CounterResetHint tells what is known about a counter reset before a histogram sample. */
export const CounterResetHint = { Unknown: 0, Reset: 1, NotReset: 2, Gauge: 3 } as const;
export type CounterResetHint = (typeof CounterResetHint)[keyof typeof CounterResetHint];

/** CUSTOM_BUCKETS_SCHEMA marks a histogram with custom bucket bounds (NHCB). */
export const CUSTOM_BUCKETS_SCHEMA = -53;
/** MIN_EXPONENTIAL_SCHEMA and MAX_EXPONENTIAL_SCHEMA bound the resolutions that are stored and computed with. */
export const MIN_EXPONENTIAL_SCHEMA = -4;
export const MAX_EXPONENTIAL_SCHEMA = 8;
/** Schemas up to the reserved bounds are understood on the way in; above 8 the resolution is reduced to 8. */
export const MIN_RESERVED_SCHEMA = -9;
export const MAX_RESERVED_SCHEMA = 52;

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
  /** customValues are the upper bounds of custom buckets, ascending, without +Inf; only for CUSTOM_BUCKETS_SCHEMA. Never modified, shared between copies. */
  customValues: Float64Array | undefined;
}

const NO_BUCKETS = new Float64Array(0);

/** newHistogram makes a histogram without observations, with the given fields set. */
export function newHistogram(fields: Partial<Histogram> = {}): Histogram {
  return {
    counterResetHint: CounterResetHint.Unknown,
    schema: 0,
    zeroThreshold: 0,
    zeroCount: 0,
    count: 0,
    sum: 0,
    positiveSpans: [],
    positiveBuckets: NO_BUCKETS,
    negativeSpans: [],
    negativeBuckets: NO_BUCKETS,
    customValues: undefined,
    ...fields,
  };
}

/** usesCustomBuckets tells whether the histogram has custom bounds (NHCB). */
export function usesCustomBuckets(h: Histogram): boolean {
  return h.schema === CUSTOM_BUCKETS_SCHEMA;
}

/** isExponentialSchema tells whether buckets of this schema can be computed with. */
export function isExponentialSchema(schema: number): boolean {
  return schema >= MIN_EXPONENTIAL_SCHEMA && schema <= MAX_EXPONENTIAL_SCHEMA;
}

/** isKnownSchema tells whether a schema is accepted on the way in, perhaps at reduced resolution. */
export function isKnownSchema(schema: number): boolean {
  return schema === CUSTOM_BUCKETS_SCHEMA || (schema >= MIN_RESERVED_SCHEMA && schema <= MAX_RESERVED_SCHEMA);
}

/** copyHistogram makes a deep copy, except for the custom bounds, which are shared. Fields the schema does not use are dropped. */
export function copyHistogram(h: Histogram): Histogram {
  const custom = h.schema === CUSTOM_BUCKETS_SCHEMA;
  return {
    counterResetHint: h.counterResetHint,
    schema: h.schema,
    zeroThreshold: custom ? 0 : h.zeroThreshold,
    zeroCount: custom ? 0 : h.zeroCount,
    count: h.count,
    sum: h.sum,
    positiveSpans: copySpans(h.positiveSpans),
    positiveBuckets: h.positiveBuckets.slice(),
    negativeSpans: custom ? [] : copySpans(h.negativeSpans),
    negativeBuckets: custom ? NO_BUCKETS : h.negativeBuckets.slice(),
    customValues: custom ? h.customValues : undefined,
  };
}

/** copySpans makes a deep copy of spans. */
export function copySpans(spans: readonly Span[]): Span[] {
  const out: Span[] = [];
  for (let i = 0; i < spans.length; i++) out.push({ offset: spans[i].offset, length: spans[i].length });
  return out;
}

/** customBoundsMatch tells whether two sets of custom bounds are the same. */
export function customBoundsMatch(a: Float64Array | undefined, b: Float64Array | undefined): boolean {
  if (a === b) return true;
  const length = a?.length ?? 0;
  if (length !== (b?.length ?? 0)) return false;
  for (let i = 0; i < length; i++) if (a![i] !== b![i]) return false;
  return true;
}

/** histogramsEqual compares data: equal bit for bit (any NaN equals any other) and of the same bucket layout, empty buckets included. */
export function histogramsEqual(a: Histogram, b: Histogram): boolean {
  return (
    a.schema === b.schema &&
    Object.is(a.count, b.count) &&
    Object.is(a.sum, b.sum) &&
    (a.schema !== CUSTOM_BUCKETS_SCHEMA || customBoundsMatch(a.customValues, b.customValues)) &&
    a.zeroThreshold === b.zeroThreshold &&
    Object.is(a.zeroCount, b.zeroCount) &&
    spansMatch(a.negativeSpans, b.negativeSpans) &&
    bucketsEqual(a.negativeBuckets, b.negativeBuckets) &&
    spansMatch(a.positiveSpans, b.positiveSpans) &&
    bucketsEqual(a.positiveBuckets, b.positiveBuckets)
  );
}

function bucketsEqual(a: Float64Array, b: Float64Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

/** spansMatch tells whether two lists of spans lay out the same buckets; spans of length 0 count into the next offset. */
export function spansMatch(a: readonly Span[], b: readonly Span[]): boolean {
  let i = 0;
  let j = 0;
  for (;;) {
    let offsetA = 0;
    let offsetB = 0;
    while (i < a.length && a[i].length === 0) offsetA += a[i++].offset;
    while (j < b.length && b[j].length === 0) offsetB += b[j++].offset;
    if (i >= a.length || j >= b.length) return i >= a.length && j >= b.length;
    if (offsetA + a[i].offset !== offsetB + b[j].offset || a[i].length !== b[j].length) return false;
    i++;
    j++;
  }
}

/** histogramSizeBytes is what upstream's FloatHistogram.Size() says, by which histogram samples are counted against a query's limit. */
export function histogramSizeBytes(h: Histogram): number {
  const entries =
    h.positiveSpans.length +
    h.negativeSpans.length +
    h.positiveBuckets.length +
    h.negativeBuckets.length +
    (h.customValues?.length ?? 0);
  return 168 + 8 * entries;
}
