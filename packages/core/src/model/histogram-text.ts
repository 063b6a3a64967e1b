// How histograms are written: upstream's String(), the notation of test series, and the bucket tuples of the HTTP API.
import { CounterResetHint, copyHistogram, CUSTOM_BUCKETS_SCHEMA, type Histogram, type Span } from "./histogram.ts";
import { compactHistogram } from "./histogram-arithmetic.ts";
import { allBuckets, type Bucket, negativeBucketsReverse, positiveBuckets } from "./histogram-buckets.ts";

/** formatFloatG prints a number as Go's %g does: shortest digits, with an exponent below 1e-4 and from 1e6 on. */
export function formatFloatG(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e6) return String(value);
  const [mantissa, exponent] = value.toExponential().split("e");
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/** bucketToString prints a bucket as `(lower,upper]:count`, with square brackets for inclusive bounds. */
export function bucketToString(bucket: Bucket): string {
  const open = bucket.lowerInclusive ? "[" : "(";
  const close = bucket.upperInclusive ? "]" : ")";
  return `${open}${formatFloatG(bucket.lower)},${formatFloatG(bucket.upper)}${close}:${formatFloatG(bucket.count)}`;
}

/** histogramToString prints count, sum and the populated buckets in ascending order: `{count:3, sum:5, (1,2]:3}`. */
export function histogramToString(h: Histogram): string {
  let out = `{count:${formatFloatG(h.count)}, sum:${formatFloatG(h.sum)}`;
  const negative = negativeBucketsReverse(h);
  while (negative.next()) if (negative.count !== 0) out += `, ${bucketToString(negative)}`;
  if (h.zeroCount !== 0) {
    const width = h.zeroThreshold;
    out += `, [${formatFloatG(-width)},${formatFloatG(width)}]:${formatFloatG(h.zeroCount)}`;
  }
  const positive = positiveBuckets(h);
  while (positive.next()) if (positive.count !== 0) out += `, ${bucketToString(positive)}`;
  return out + "}";
}

const HINT_NAMES = ["unknown", "reset", "not_reset", "gauge"] as const;

/** histogramTestExpression prints a histogram in the notation of test series: `{{schema:1 count:3 sum:5 buckets:[1 2]}}`. */
export function histogramTestExpression(h: Histogram): string {
  const m = compactHistogram(copyHistogram(h), Number.MAX_SAFE_INTEGER);
  const parts: string[] = [];
  if (m.schema !== 0) parts.push(`schema:${m.schema}`);
  if (m.count !== 0) parts.push(`count:${formatFloatG(m.count)}`);
  if (m.sum !== 0) parts.push(`sum:${formatFloatG(m.sum)}`);
  if (m.zeroCount !== 0) parts.push(`z_bucket:${formatFloatG(m.zeroCount)}`);
  if (m.zeroThreshold !== 0) parts.push(`z_bucket_w:${formatFloatG(m.zeroThreshold)}`);
  if (m.schema === CUSTOM_BUCKETS_SCHEMA) parts.push(`custom_values:${list(m.customValues ?? new Float64Array(0))}`);
  if (m.counterResetHint !== CounterResetHint.Unknown) {
    parts.push(`counter_reset_hint:${HINT_NAMES[m.counterResetHint]}`);
  }
  pushSide(parts, "", m.positiveSpans, m.positiveBuckets);
  pushSide(parts, "n_", m.negativeSpans, m.negativeBuckets);
  return `{{${parts.join(" ")}}}`;
}

function pushSide(parts: string[], prefix: string, spans: readonly Span[], buckets: Float64Array): void {
  if (spans.length > 0 && spans[0].offset !== 0) parts.push(`${prefix}offset:${spans[0].offset}`);
  if (buckets.length > 0) parts.push(`${prefix}buckets:${list(buckets)}`);
}

function list(values: Float64Array): string {
  return `[${Array.from(values, formatFloatG).join(" ")}]`;
}

/** boundaryRule says which ends of a bucket are inclusive: 0 upper only, 1 lower only, 2 neither, 3 both. */
export function boundaryRule(bucket: Bucket): 0 | 1 | 2 | 3 {
  if (bucket.lowerInclusive) return bucket.upperInclusive ? 3 : 1;
  return bucket.upperInclusive ? 0 : 2;
}

/** histogramBucketTuples lists the populated buckets as the HTTP API does: boundary rule, lower, upper, count. */
export function histogramBucketTuples(
  h: Histogram,
): [rule: 0 | 1 | 2 | 3, lower: number, upper: number, count: number][] {
  const out: [0 | 1 | 2 | 3, number, number, number][] = [];
  const bucket = allBuckets(h);
  while (bucket.next()) {
    if (bucket.count !== 0) out.push([boundaryRule(bucket), bucket.lower, bucket.upper, bucket.count]);
  }
  return out;
}
