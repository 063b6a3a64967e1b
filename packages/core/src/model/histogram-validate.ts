// What is accepted as a histogram. Messages are upstream's, because remote write and scrape answers carry them.
import {
  CounterResetHint,
  CUSTOM_BUCKETS_SCHEMA,
  type Histogram,
  isExponentialSchema,
  MAX_EXPONENTIAL_SCHEMA,
  MAX_RESERVED_SCHEMA,
  MIN_EXPONENTIAL_SCHEMA,
  MIN_RESERVED_SCHEMA,
  type Span,
  copySpans,
} from "./histogram.ts";
import { HistogramError } from "./histogram-error.ts";
import { checkSpans, negativeOffset, spansMismatch } from "./histogram-layout.ts";
import { formatFloatG } from "./histogram-text.ts";

/** IntHistogram is a histogram as it travels: integer counts, each bucket as the difference to the one before it. */
export interface IntHistogram {
  counterResetHint?: CounterResetHint;
  schema: number;
  zeroThreshold: number;
  zeroCount: number;
  count: number;
  sum: number;
  positiveSpans: readonly Span[];
  positiveDeltas: ArrayLike<number>;
  negativeSpans: readonly Span[];
  negativeDeltas: ArrayLike<number>;
  customValues?: ArrayLike<number>;
}

/** histogramFromIntDeltas turns deltas into absolute counts. It checks nothing; validateIntHistogram does. */
export function histogramFromIntDeltas(from: IntHistogram): Histogram {
  const custom = from.schema === CUSTOM_BUCKETS_SCHEMA;
  return {
    counterResetHint: from.counterResetHint ?? CounterResetHint.Unknown,
    schema: from.schema,
    zeroThreshold: from.zeroThreshold,
    zeroCount: from.zeroCount,
    count: from.count,
    sum: from.sum,
    positiveSpans: copySpans(from.positiveSpans),
    positiveBuckets: absoluteCounts(from.positiveDeltas),
    negativeSpans: copySpans(from.negativeSpans),
    negativeBuckets: absoluteCounts(from.negativeDeltas),
    customValues: custom ? Float64Array.from(from.customValues ?? []) : undefined,
  };
}

function absoluteCounts(deltas: ArrayLike<number>): Float64Array {
  const out = new Float64Array(deltas.length);
  let count = 0;
  for (let i = 0; i < deltas.length; i++) out[i] = count += deltas[i];
  return out;
}

/** validateHistogram throws HistogramError unless `h` is consistent: schema, spans against buckets, no negative counts. */
export function validateHistogram(h: Histogram): void {
  if (h.schema === CUSTOM_BUCKETS_SCHEMA) {
    checkCustomBounds(h.customValues, h.positiveSpans, h.positiveBuckets.length);
    const field = unusedCustomField(h);
    if (field !== undefined) throw new HistogramError("custom-buckets", `custom buckets: must ${field}`);
  } else if (isExponentialSchema(h.schema)) {
    prefixed("positive side", () => checkSpans(h.positiveSpans, h.positiveBuckets.length));
    prefixed("negative side", () => checkSpans(h.negativeSpans, h.negativeBuckets.length));
    checkCounts("negative side", h.negativeBuckets);
    if (h.zeroCount < 0) {
      throw new HistogramError(
        "negative-count",
        `zero bucket has observation count of ${formatFloatG(h.zeroCount)}: histogram has a bucket whose observation count is negative`,
      );
    }
    if (h.customValues !== undefined) {
      throw new HistogramError("custom-buckets", "histogram with exponential schema must not have custom bounds");
    }
  } else {
    throw invalidSchema(h.schema);
  }
  if (h.count < 0) {
    throw new HistogramError(
      "negative-count",
      // Two spaces, as upstream has them.
      `observation count is  ${formatFloatG(h.count)}: histogram's observation count is negative`,
    );
  }
  checkCounts("positive side", h.positiveBuckets);
}

/**
 * validateIntHistogram is validateHistogram for a histogram that was made of integers; its buckets must add up to its count
 * (or to less, when there were NaN observations). The float form cannot be checked so, for rounding.
 */
export function validateIntHistogram(h: Histogram): void {
  validateHistogram(h);
  let sum = h.zeroCount;
  for (let i = 0; i < h.positiveBuckets.length; i++) sum += h.positiveBuckets[i];
  for (let i = 0; i < h.negativeBuckets.length; i++) sum += h.negativeBuckets[i];
  const found = `${sum} observations found in buckets, but the Count field is ${h.count}`;
  if (Number.isNaN(h.sum)) {
    if (sum > h.count) {
      throw new HistogramError(
        "count-mismatch",
        `${found}: histogram's observation count should be at least the number of observations found in the buckets`,
      );
    }
  } else if (sum !== h.count) {
    throw new HistogramError(
      "count-mismatch",
      `${found}: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)`,
    );
  }
}

/** invalidSchema is the error for a schema that cannot be computed with. */
export function invalidSchema(schema: number): HistogramError {
  return new HistogramError(
    "invalid-schema",
    `histogram has an invalid schema, which must be between ${MIN_EXPONENTIAL_SCHEMA} and ${MAX_EXPONENTIAL_SCHEMA} for exponential buckets, or ${CUSTOM_BUCKETS_SCHEMA} for custom buckets, got schema ${schema}`,
  );
}

/** unknownSchema is the error for a schema that is not even accepted at reduced resolution. */
export function unknownSchema(schema: number): HistogramError {
  return new HistogramError(
    "unknown-schema",
    `histogram has an unknown schema, which must be between ${MIN_RESERVED_SCHEMA} and ${MAX_RESERVED_SCHEMA} for exponential buckets, or ${CUSTOM_BUCKETS_SCHEMA} for custom buckets, got schema ${schema}`,
  );
}

function unusedCustomField(h: Histogram): string | undefined {
  if (h.zeroCount !== 0) return "have zero count of 0";
  if (h.zeroThreshold !== 0) return "have zero threshold of 0";
  if (h.negativeSpans.length > 0) return "not have negative spans";
  if (h.negativeBuckets.length > 0) return "not have negative buckets";
  return undefined;
}

function checkCounts(side: string, buckets: Float64Array): void {
  for (let i = 0; i < buckets.length; i++) {
    if (buckets[i] < 0) {
      throw new HistogramError(
        "negative-count",
        `${side}: bucket number ${i + 1} has observation count of ${formatFloatG(buckets[i])}: histogram has a bucket whose observation count is negative`,
      );
    }
  }
}

function checkCustomBounds(bounds: Float64Array | undefined, spans: readonly Span[], bucketCount: number): void {
  const count = bounds?.length ?? 0;
  for (let i = 0; i < count; i++) {
    if (Number.isNaN(bounds![i])) {
      throw new HistogramError("custom-buckets", "custom buckets: histogram custom bounds must not be NaN");
    }
    if (i > 0 && bounds![i] <= bounds![i - 1]) {
      throw new HistogramError(
        "custom-buckets",
        `custom buckets: previous bound is ${fixed(bounds![i - 1])} and current is ${fixed(bounds![i])}: histogram custom bounds must be in strictly increasing order`,
      );
    }
  }
  if (count > 0 && bounds![count - 1] === Infinity) {
    throw new HistogramError(
      "custom-buckets",
      "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be finite",
    );
  }
  let total = 0;
  let reach = 0;
  prefixed("custom buckets", () => {
    for (let s = 0; s < spans.length; s++) {
      if (spans[s].offset < 0) throw negativeOffset(s, spans[s].offset);
      total += spans[s].length;
      reach += spans[s].length + spans[s].offset;
    }
    if (total !== bucketCount) throw spansMismatch(total, bucketCount);
  });
  if (count + 1 < reach) {
    throw new HistogramError(
      "custom-buckets",
      `custom buckets: only ${count} custom bounds defined which is insufficient to cover total span length of ${reach}: histogram custom bounds are too few`,
    );
  }
}

function prefixed(prefix: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof HistogramError) throw new HistogramError(error.code, `${prefix}: ${error.message}`);
    throw error;
  }
}

/** fixed prints as Go's %f. */
function fixed(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return value.toFixed(6);
}
