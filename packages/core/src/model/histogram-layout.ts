// The layout of buckets: spans on the outside, a plain list of bucket indices inside. Operations on two
// histograms decode both span lists to indices, walk them side by side, and encode the result again. That keeps
// every operation one loop, linear in the number of buckets, and every result in normal form: one span
// per run of consecutive buckets, none of length 0.
//
// The compensation buckets that go along in some places are the error terms of Kahan summation, one per bucket.
import { isExponentialSchema, type Span } from "./histogram.ts";
import { exponentialBound } from "./histogram-bounds.ts";
import { HistogramError } from "./histogram-error.ts";
import { kahanError } from "./kahan.ts";

/** BucketLayout is one side of a histogram: spans, counts, and the error terms of the counts where they are kept. */
export interface BucketLayout {
  spans: Span[];
  buckets: Float64Array;
  compensation: Float64Array | undefined;
}

// Scratch space for one operation at a time; everything here is synchronous. It grows to the largest histogram seen.
let indicesA = new Int32Array(256);
let indicesB = new Int32Array(256);
let outIndices = new Int32Array(512);
let outCounts = new Float64Array(512);
let outErrors = new Float64Array(512);

function reserve(a: number, b: number): void {
  if (indicesA.length < a) indicesA = new Int32Array(2 * a);
  if (indicesB.length < b) indicesB = new Int32Array(2 * b);
  if (outIndices.length < a + b) {
    outIndices = new Int32Array(2 * (a + b));
    outCounts = new Float64Array(2 * (a + b));
    outErrors = new Float64Array(2 * (a + b));
  }
}

/** decodeIndices writes the indices of up to `limit` buckets to `into` and returns how many there are. */
function decodeIndices(spans: readonly Span[], limit: number, into: Int32Array): number {
  let n = 0;
  let index = 0;
  for (let s = 0; s < spans.length && n < limit; s++) {
    index += spans[s].offset;
    const end = Math.min(n + spans[s].length, limit);
    while (n < end) into[n++] = index++;
  }
  return n;
}

function encode(n: number, withErrors: boolean): BucketLayout {
  return {
    spans: encodeSpans(outIndices, n),
    buckets: outCounts.slice(0, n),
    compensation: withErrors ? outErrors.slice(0, n) : undefined,
  };
}

function encodeSpans(indices: Int32Array, n: number): Span[] {
  const spans: Span[] = [];
  for (let i = 0; i < n;) {
    let end = i + 1;
    while (end < n && indices[end] === indices[end - 1] + 1) end++;
    spans.push({ offset: i === 0 ? indices[0] : indices[i] - indices[i - 1] - 1, length: end - i });
    i = end;
  }
  return spans;
}

/** sameSpans tells whether two span lists are literally the same. */
export function sameSpans(a: readonly Span[], b: readonly Span[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i].offset !== b[i].offset || a[i].length !== b[i].length) return false;
  return true;
}

/**
 * addBuckets adds `b`, times `sign`, to `a` and returns the union. Buckets of `b` that lie within `threshold` are left
 * out (they are part of the zero bucket). `a.buckets` may be changed and returned.
 */
export function addBuckets(
  a: BucketLayout,
  b: BucketLayout,
  sign: 1 | -1,
  schema: number,
  threshold: number,
): BucketLayout {
  const countB = b.buckets.length;
  if (countB === 0) return a;
  const withErrors = a.compensation !== undefined;
  // Fast path: the two have the same buckets, as they have nearly always when they come from one metric.
  if (sameSpans(a.spans, b.spans) && a.buckets.length === countB && !reaches(b.spans, schema, threshold)) {
    addInPlace(a, b, sign);
    return a;
  }
  reserve(a.buckets.length, countB);
  const nA = decodeIndices(a.spans, a.buckets.length, indicesA);
  const nB = decodeIndices(b.spans, countB, indicesB);
  let j = 0;
  if (threshold > 0 && isExponentialSchema(schema)) {
    while (j < nB && exponentialBound(indicesB[j], schema) <= threshold) j++;
  }
  let i = 0;
  let n = 0;
  while (i < nA || j < nB) {
    if (j >= nB || (i < nA && indicesA[i] < indicesB[j])) {
      outIndices[n] = indicesA[i];
      outCounts[n] = a.buckets[i];
      if (withErrors) outErrors[n] = a.compensation![i];
      i++;
    } else if (i >= nA || indicesB[j] < indicesA[i]) {
      outIndices[n] = indicesB[j];
      outCounts[n] = sign * b.buckets[j];
      if (withErrors) outErrors[n] = b.compensation ? sign * b.compensation[j] : 0;
      j++;
    } else {
      outIndices[n] = indicesA[i];
      const increment = sign * b.buckets[j];
      if (withErrors) {
        const error = kahanError(increment, a.buckets[i], a.compensation![i]);
        outCounts[n] = a.buckets[i] + increment;
        outErrors[n] = error;
        const second = b.compensation ? sign * b.compensation[j] : 0;
        if (second !== 0) {
          outErrors[n] = kahanError(second, outCounts[n], error);
          outCounts[n] += second;
        }
      } else {
        outCounts[n] = a.buckets[i] + increment;
      }
      i++;
      j++;
    }
    n++;
  }
  return encode(n, withErrors);
}

/** reaches tells whether the lowest bucket lies within the threshold. */
function reaches(spans: readonly Span[], schema: number, threshold: number): boolean {
  return (
    threshold > 0 &&
    spans.length > 0 &&
    isExponentialSchema(schema) &&
    exponentialBound(spans[0].offset, schema) <= threshold
  );
}

function addInPlace(a: BucketLayout, b: BucketLayout, sign: 1 | -1): void {
  const into = a.buckets;
  const from = b.buckets;
  const errors = a.compensation;
  if (errors === undefined) {
    if (sign === 1) for (let i = 0; i < into.length; i++) into[i] += from[i];
    else for (let i = 0; i < into.length; i++) into[i] -= from[i];
    return;
  }
  const second = b.compensation;
  for (let i = 0; i < into.length; i++) {
    const increment = sign * from[i];
    errors[i] = kahanError(increment, into[i], errors[i]);
    into[i] += increment;
    if (second !== undefined && second[i] !== 0) {
      errors[i] = kahanError(sign * second[i], into[i], errors[i]);
      into[i] += sign * second[i];
    }
  }
}

/** targetIndex is the index, at a lower resolution, of the bucket that contains bucket `index`. */
export function targetIndex(index: number, schema: number, targetSchema: number): number {
  // Past 31 the shift would wrap; every positive index is then bucket 1 and every other bucket 0.
  const shift = Math.min(schema - targetSchema, 31);
  return ((index - 1) >> shift) + 1;
}

/** reduceLayout merges buckets so that they fit a lower resolution. Throws HistogramError when spans and buckets do not fit together. */
export function reduceLayout(layout: BucketLayout, schema: number, targetSchema: number): BucketLayout {
  const count = layout.buckets.length;
  const errors = layout.compensation;
  checkSpans(layout.spans, count);
  reserve(count, 0);
  decodeIndices(layout.spans, count, indicesA);
  let n = 0;
  for (let i = 0; i < count; i++) {
    const target = targetIndex(indicesA[i], schema, targetSchema);
    if (n > 0 && outIndices[n - 1] === target) {
      const last = n - 1;
      if (errors === undefined) {
        outCounts[last] += layout.buckets[i];
      } else {
        outErrors[last] = kahanError(layout.buckets[i], outCounts[last], outErrors[last]);
        outCounts[last] += layout.buckets[i];
        outErrors[last] = kahanError(errors[i], outCounts[last], outErrors[last]);
        outCounts[last] += errors[i];
      }
    } else {
      outIndices[n] = target;
      outCounts[n] = layout.buckets[i];
      if (errors !== undefined) outErrors[n] = errors[i];
      n++;
    }
  }
  return encode(n, errors !== undefined);
}

/**
 * compactLayout drops empty buckets so that at most `maxEmptyBuckets` in a row are left, and those only between
 * populated ones. A bucket whose count is 0 but whose error term is not is populated.
 */
export function compactLayout(layout: BucketLayout, maxEmptyBuckets: number): BucketLayout {
  const { buckets, compensation } = layout;
  if (isCompact(layout, maxEmptyBuckets)) return layout;
  reserve(buckets.length, 0);
  const count = decodeIndices(layout.spans, buckets.length, indicesA);
  const indices: number[] = [];
  const sources: number[] = [];
  for (let i = 0; i < count; i++) {
    if (buckets[i] === 0 && (compensation === undefined || compensation[i] === 0)) continue;
    if (indices.length > 0) {
      const last = indices[indices.length - 1];
      if (indicesA[i] - last - 1 <= maxEmptyBuckets) {
        for (let gap = last + 1; gap < indicesA[i]; gap++) {
          indices.push(gap);
          sources.push(-1);
        }
      }
    }
    indices.push(indicesA[i]);
    sources.push(i);
  }
  const n = indices.length;
  const outBuckets = new Float64Array(n);
  const outCompensation = compensation === undefined ? undefined : new Float64Array(n);
  for (let k = 0; k < n; k++) {
    if (sources[k] < 0) continue;
    outBuckets[k] = buckets[sources[k]];
    if (outCompensation !== undefined) outCompensation[k] = compensation![sources[k]];
  }
  return { spans: encodeSpans(Int32Array.from(indices), n), buckets: outBuckets, compensation: outCompensation };
}

function isCompact(layout: BucketLayout, maxEmptyBuckets: number): boolean {
  const { spans, buckets } = layout;
  for (let i = 0; i < buckets.length; i++) if (buckets[i] === 0) return false;
  let total = 0;
  for (let s = 0; s < spans.length; s++) {
    if (spans[s].length === 0 || (s > 0 && spans[s].offset <= maxEmptyBuckets)) return false;
    total += spans[s].length;
  }
  return total === buckets.length;
}

/** checkSpans throws HistogramError unless the spans ascend and lay out exactly `bucketCount` buckets. */
export function checkSpans(spans: readonly Span[], bucketCount: number): void {
  let total = 0;
  for (let s = 0; s < spans.length; s++) {
    if (s > 0 && spans[s].offset < 0) throw negativeOffset(s, spans[s].offset);
    total += spans[s].length;
  }
  if (total !== bucketCount) throw spansMismatch(total, bucketCount);
}

/** negativeOffset is the error for a span that goes backwards. */
export function negativeOffset(span: number, offset: number): HistogramError {
  return new HistogramError(
    "layout",
    `span number ${span + 1} with offset ${offset}: histogram has a span whose offset is negative`,
  );
}

/** spansMismatch is the error for spans that need more or fewer buckets than there are. */
export function spansMismatch(need: number, have: number): HistogramError {
  return new HistogramError(
    "layout",
    `spans need ${need} buckets, have ${have} buckets: histogram spans specify different number of buckets than provided`,
  );
}
