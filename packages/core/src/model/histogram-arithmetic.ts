// Arithmetic on native histograms. The functions here change their first argument and leave the second alone; the first
// must therefore be the caller's own (copyHistogram). What two histograms do not share is reconciled: the
// zero bucket grows to the wider one, the resolution falls to the lower one, custom bounds shrink to those in common.
// What cannot be reconciled is a mix of exponential and custom buckets.
//
// Results are not compacted: buckets may have become 0. Use compactHistogram before handing a result out.
import {
  CounterResetHint,
  CUSTOM_BUCKETS_SCHEMA,
  customBoundsMatch,
  copySpans,
  type Histogram,
  type Span,
  copyHistogram,
} from "./histogram.ts";
import { HistogramError } from "./histogram-error.ts";
import { addBuckets, type BucketLayout, compactLayout, reduceLayout } from "./histogram-layout.ts";
import { reconcileZeroBuckets } from "./histogram-zero.ts";
import { kahanError } from "./kahan.ts";

/** HistogramAddFlags are the bits that add, subtract and kahanAdd return; a query turns them into annotations. */
export const HistogramAddFlags = {
  /** One histogram says that the counter was reset, the other that it was not; the result says "unknown". */
  CounterResetCollision: 1,
  /** Custom bounds differed and only those in common were kept. */
  BoundsReconciled: 2,
} as const;

/** multiplyHistogram scales `h`. A negative factor makes it a gauge. */
export function multiplyHistogram(h: Histogram, factor: number): Histogram {
  h.zeroCount *= factor;
  h.count *= factor;
  h.sum *= factor;
  for (let i = 0; i < h.positiveBuckets.length; i++) h.positiveBuckets[i] *= factor;
  for (let i = 0; i < h.negativeBuckets.length; i++) h.negativeBuckets[i] *= factor;
  if (factor < 0) h.counterResetHint = CounterResetHint.Gauge;
  return h;
}

/** divideHistogram divides `h`. A negative divisor makes it a gauge; division by 0 removes all buckets. */
export function divideHistogram(h: Histogram, divisor: number): Histogram {
  h.zeroCount /= divisor;
  h.count /= divisor;
  h.sum /= divisor;
  if (divisor === 0) {
    h.positiveSpans = [];
    h.positiveBuckets = new Float64Array(0);
    h.negativeSpans = [];
    h.negativeBuckets = new Float64Array(0);
    return h;
  }
  for (let i = 0; i < h.positiveBuckets.length; i++) h.positiveBuckets[i] /= divisor;
  for (let i = 0; i < h.negativeBuckets.length; i++) h.negativeBuckets[i] /= divisor;
  if (divisor < 0) h.counterResetHint = CounterResetHint.Gauge;
  return h;
}

/** histogramsCompatible tells whether two histograms can be added: both exponential or both with custom bounds. */
export function histogramsCompatible(a: Histogram, b: Histogram): boolean {
  return (a.schema === CUSTOM_BUCKETS_SCHEMA) === (b.schema === CUSTOM_BUCKETS_SCHEMA);
}

/** addHistogram adds `other` to `h` and returns HistogramAddFlags. Throws HistogramError unless histogramsCompatible. */
export function addHistogram(h: Histogram, other: Histogram): number {
  return combine(h, other, 1);
}

/**
 * subtractHistogram subtracts `other` from `h` and returns HistogramAddFlags. The counter reset hint is set as by
 * addHistogram; the `-` operator of PromQL makes the result a gauge afterwards. Throws HistogramError unless
 * histogramsCompatible.
 */
export function subtractHistogram(h: Histogram, other: Histogram): number {
  return combine(h, other, -1);
}

function combine(h: Histogram, other: Histogram, sign: 1 | -1): number {
  mustBeCompatible(h, other);
  let flags = adjustCounterReset(h, other) ? HistogramAddFlags.CounterResetCollision : 0;
  const custom = h.schema === CUSTOM_BUCKETS_SCHEMA;
  if (!custom) {
    // Two statements: reconciling changes h.zeroCount, and `+=` would read it before.
    const zeroCount = reconcileZeroBuckets(h, other);
    h.zeroCount += sign * zeroCount;
  }
  h.count += sign * other.count;
  h.sum += sign * other.sum;
  if (custom && !customBoundsMatch(h.customValues, other.customValues)) {
    addToCommonBounds(h, other, sign, undefined);
    flags |= HistogramAddFlags.BoundsReconciled;
    return flags;
  }
  const target = Math.min(h.schema, other.schema);
  const positive = addBuckets(
    reduced(side(h.positiveSpans, h.positiveBuckets), h.schema, target),
    reduced(side(other.positiveSpans, other.positiveBuckets), other.schema, target),
    sign,
    target,
    h.zeroThreshold,
  );
  h.positiveSpans = positive.spans;
  h.positiveBuckets = positive.buckets;
  if (custom) return flags;
  const negative = addBuckets(
    reduced(side(h.negativeSpans, h.negativeBuckets), h.schema, target),
    reduced(side(other.negativeSpans, other.negativeBuckets), other.schema, target),
    sign,
    target,
    h.zeroThreshold,
  );
  h.negativeSpans = negative.spans;
  h.negativeBuckets = negative.buckets;
  h.schema = target;
  return flags;
}

/** CompensatedAdd is the result of kahanAddHistogram. */
export interface CompensatedAdd {
  /** compensation holds the error terms and belongs to the next call for the same sum. */
  compensation: Histogram;
  flags: number;
}

/**
 * kahanAddHistogram adds `other` to `h` like addHistogram, keeping the error of each count in a histogram of the same
 * layout. Pass undefined at first and the returned compensation from then on; the sum is `addHistogram(h, compensation)` at the end.
 */
export function kahanAddHistogram(h: Histogram, other: Histogram, compensation: Histogram | undefined): CompensatedAdd {
  mustBeCompatible(h, other);
  let flags = adjustCounterReset(h, other) ? HistogramAddFlags.CounterResetCollision : 0;
  const c = compensation ?? newCompensation(h);
  const custom = h.schema === CUSTOM_BUCKETS_SCHEMA;
  if (!custom) {
    const zeroCount = reconcileZeroBuckets(h, other, c);
    c.zeroCount = kahanError(zeroCount, h.zeroCount, c.zeroCount);
    h.zeroCount += zeroCount;
  }
  c.count = kahanError(other.count, h.count, c.count);
  h.count += other.count;
  c.sum = kahanError(other.sum, h.sum, c.sum);
  h.sum += other.sum;
  if (custom && !customBoundsMatch(h.customValues, other.customValues)) {
    addToCommonBounds(h, other, 1, c);
    flags |= HistogramAddFlags.BoundsReconciled;
    return { compensation: c, flags };
  }
  const target = Math.min(h.schema, other.schema);
  const positive = addBuckets(
    reduced(side(h.positiveSpans, h.positiveBuckets, c.positiveBuckets), h.schema, target),
    reducedExactly(other.positiveSpans, other.positiveBuckets, other.schema, target),
    1,
    target,
    h.zeroThreshold,
  );
  h.positiveSpans = positive.spans;
  h.positiveBuckets = positive.buckets;
  c.positiveSpans = copySpans(positive.spans);
  c.positiveBuckets = positive.compensation!;
  if (!custom) {
    const negative = addBuckets(
      reduced(side(h.negativeSpans, h.negativeBuckets, c.negativeBuckets), h.schema, target),
      reducedExactly(other.negativeSpans, other.negativeBuckets, other.schema, target),
      1,
      target,
      h.zeroThreshold,
    );
    h.negativeSpans = negative.spans;
    h.negativeBuckets = negative.buckets;
    c.negativeSpans = copySpans(negative.spans);
    c.negativeBuckets = negative.compensation!;
    h.schema = target;
    c.schema = target;
    c.zeroThreshold = h.zeroThreshold;
  }
  return { compensation: c, flags };
}

function newCompensation(h: Histogram): Histogram {
  const c = copyHistogram(h);
  c.zeroCount = 0;
  c.count = 0;
  c.sum = 0;
  c.positiveBuckets.fill(0);
  c.negativeBuckets.fill(0);
  return c;
}

function side(spans: Span[], buckets: Float64Array, compensation?: Float64Array): BucketLayout {
  return { spans, buckets, compensation };
}

function reduced(layout: BucketLayout, schema: number, target: number): BucketLayout {
  return schema === target ? layout : reduceLayout(layout, schema, target);
}

/** reducedExactly keeps the error of merging buckets; without merging there is none. */
function reducedExactly(spans: Span[], buckets: Float64Array, schema: number, target: number): BucketLayout {
  if (schema === target) return side(spans, buckets);
  return reduceLayout(side(spans, buckets, new Float64Array(buckets.length)), schema, target);
}

function mustBeCompatible(a: Histogram, b: Histogram): void {
  if (!histogramsCompatible(a, b)) {
    throw new HistogramError(
      "incompatible-schemas",
      "cannot apply this operation on histograms with a mix of exponential and custom bucket schemas",
    );
  }
}

/** adjustCounterReset sets the hint of a sum and tells whether the two hints contradict each other. */
function adjustCounterReset(h: Histogram, other: Histogram): boolean {
  const a = h.counterResetHint;
  const b = other.counterResetHint;
  if (a === b) return false;
  if (a === CounterResetHint.Gauge || b === CounterResetHint.Gauge) {
    h.counterResetHint = CounterResetHint.Gauge;
    return false;
  }
  h.counterResetHint = CounterResetHint.Unknown;
  return a !== CounterResetHint.Unknown && b !== CounterResetHint.Unknown;
}

/** commonBounds lists the custom bounds that are in both lists. */
function commonBounds(a: Float64Array | undefined, b: Float64Array | undefined): Float64Array {
  const out: number[] = [];
  if (a && b) {
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
      if (a[i] === b[j]) {
        out.push(a[i]);
        i++;
        j++;
      } else if (a[i] < b[j]) i++;
      else j++;
    }
  }
  return Float64Array.from(out);
}

/** addToCommonBounds adds two histograms of different custom bounds by moving the counts of both to the bounds in common. */
function addToCommonBounds(h: Histogram, other: Histogram, sign: 1 | -1, compensation: Histogram | undefined): void {
  const bounds = commonBounds(h.customValues, other.customValues);
  const counts = new Float64Array(bounds.length + 1);
  const errors = new Float64Array(bounds.length + 1);
  moveToBounds(h, h.positiveBuckets, 1, bounds, counts, errors, compensation?.positiveBuckets);
  moveToBounds(other, other.positiveBuckets, sign, bounds, counts, errors, undefined);
  const layout = compactLayout(
    { spans: [{ offset: 0, length: counts.length }], buckets: counts, compensation: errors },
    0,
  );
  h.customValues = bounds;
  h.positiveSpans = layout.spans;
  h.positiveBuckets = layout.buckets;
  if (compensation) {
    compensation.customValues = bounds;
    compensation.positiveSpans = copySpans(layout.spans);
    compensation.positiveBuckets = layout.compensation!;
  }
}

function moveToBounds(
  h: Histogram,
  buckets: Float64Array,
  sign: 1 | -1,
  bounds: Float64Array,
  counts: Float64Array,
  errors: Float64Array,
  compensation: Float64Array | undefined,
): void {
  const own = h.customValues;
  let source = 0;
  let position = 0;
  let target = 0;
  for (const span of h.positiveSpans) {
    source += span.offset;
    for (let k = 0; k < span.length && position < buckets.length; k++, source++, position++) {
      let at = bounds.length;
      if (own !== undefined && source < own.length) {
        while (target < bounds.length && bounds[target] < own[source]) target++;
        at = target;
      }
      errors[at] = kahanError(sign * buckets[position], counts[at], errors[at]);
      counts[at] += sign * buckets[position];
      if (compensation !== undefined) {
        errors[at] = kahanError(compensation[position], counts[at], errors[at]);
        counts[at] += compensation[position];
      }
    }
  }
}

/** compactHistogram drops empty buckets of `h`, keeping at most `maxEmptyBuckets` in a row between populated ones. */
export function compactHistogram(h: Histogram, maxEmptyBuckets = 0): Histogram {
  const positive = compactLayout(side(h.positiveSpans, h.positiveBuckets), maxEmptyBuckets);
  const negative = compactLayout(side(h.negativeSpans, h.negativeBuckets), maxEmptyBuckets);
  h.positiveSpans = positive.spans;
  h.positiveBuckets = positive.buckets;
  h.negativeSpans = negative.spans;
  h.negativeBuckets = negative.buckets;
  return h;
}

/** reduceResolution merges the buckets of `h` to a lower schema. Throws HistogramError when that is not possible. */
export function reduceResolution(h: Histogram, targetSchema: number): Histogram {
  if (h.schema === CUSTOM_BUCKETS_SCHEMA) {
    throw new HistogramError("incompatible-schemas", "cannot reduce resolution when there are custom buckets");
  }
  if (targetSchema === CUSTOM_BUCKETS_SCHEMA) {
    throw new HistogramError("incompatible-schemas", "cannot reduce resolution to custom buckets schema");
  }
  if (targetSchema >= h.schema) {
    throw new HistogramError(
      "incompatible-schemas",
      `cannot reduce resolution from schema ${h.schema} to ${targetSchema}`,
    );
  }
  const positive = reduceLayout(side(h.positiveSpans, h.positiveBuckets), h.schema, targetSchema);
  const negative = reduceLayout(side(h.negativeSpans, h.negativeBuckets), h.schema, targetSchema);
  h.positiveSpans = positive.spans;
  h.positiveBuckets = positive.buckets;
  h.negativeSpans = negative.spans;
  h.negativeBuckets = negative.buckets;
  h.schema = targetSchema;
  return h;
}

/** copyToSchema copies `h` at a schema that is not above its own; a lower one loses the counter reset hint. */
export function copyToSchema(h: Histogram, targetSchema: number): Histogram {
  const copy = copyHistogram(h);
  if (targetSchema === h.schema) return copy;
  reduceResolution(copy, targetSchema);
  copy.counterResetHint = CounterResetHint.Unknown;
  return copy;
}

/** hasOverflow tells whether a count or the sum has become infinite. */
export function hasOverflow(h: Histogram): boolean {
  if (isInfinite(h.zeroCount) || isInfinite(h.count) || isInfinite(h.sum)) return true;
  for (let i = 0; i < h.positiveBuckets.length; i++) if (isInfinite(h.positiveBuckets[i])) return true;
  for (let i = 0; i < h.negativeBuckets.length; i++) if (isInfinite(h.negativeBuckets[i])) return true;
  return false;
}

function isInfinite(value: number): boolean {
  return value === Infinity || value === -Infinity;
}
