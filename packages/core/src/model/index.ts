export {
  compareLabels,
  compareStrings,
  EMPTY_LABELS,
  isLegacyLabelName,
  isLegacyMetricName,
  Labels,
  LabelsBuilder,
  METRIC_NAME,
  quoteGo,
} from "./labels.ts";
export { matchesAll, Matcher, type MatchType } from "./matcher.ts";
export { Replacement, Substitution } from "./replacement.ts";
export { type AnchoredRegex, compileAnchored, compileRE2, RegexError } from "./regex.ts";
export {
  isStaleNaN,
  NORMAL_NAN_HIGH,
  NORMAL_NAN_LOW,
  SampleBuffer,
  setStaleNaN,
  STALE_NAN_HIGH,
  STALE_NAN_LOW,
} from "./sample.ts";
export {
  copyHistogram,
  CounterResetHint,
  CUSTOM_BUCKETS_SCHEMA,
  customBoundsMatch,
  type Histogram,
  histogramsEqual,
  histogramSizeBytes,
  isExponentialSchema,
  isKnownSchema,
  MAX_EXPONENTIAL_SCHEMA,
  MIN_EXPONENTIAL_SCHEMA,
  newHistogram,
  type Span,
  spansMatch,
  usesCustomBuckets,
} from "./histogram.ts";
export {
  addHistogram,
  compactHistogram,
  type CompensatedAdd,
  copyToSchema,
  divideHistogram,
  hasOverflow,
  HistogramAddFlags,
  histogramsCompatible,
  kahanAddHistogram,
  multiplyHistogram,
  reduceResolution,
  subtractHistogram,
} from "./histogram-arithmetic.ts";
export { bucketBound } from "./histogram-bounds.ts";
export {
  allBuckets,
  allBucketsReverse,
  type Bucket,
  type BucketCursor,
  negativeBuckets,
  negativeBucketsReverse,
  positiveBuckets,
  positiveBucketsReverse,
} from "./histogram-buckets.ts";
export { almostEqual, ClassicBuckets } from "./histogram-classic.ts";
export { ClassicHistogramBuilder, type ClassicSuffix, splitClassicName } from "./histogram-convert.ts";
export { HistogramError, type HistogramErrorCode } from "./histogram-error.ts";
export {
  histogramAverage,
  histogramDeviation,
  type HistogramFraction,
  histogramFraction,
  type HistogramQuantile,
  histogramQuantile,
  histogramVariance,
  NaNObservations,
} from "./histogram-quantile.ts";
export { detectReset, storedCounterResetHint } from "./histogram-reset.ts";
export {
  boundaryRule,
  bucketToString,
  formatFloatG,
  histogramBucketTuples,
  histogramTestExpression,
  histogramToString,
} from "./histogram-text.ts";
export { trimHistogram } from "./histogram-trim.ts";
export {
  histogramFromIntDeltas,
  type IntHistogram,
  invalidSchema,
  unknownSchema,
  validateHistogram,
  validateIntHistogram,
} from "./histogram-validate.ts";
export { kahanError } from "./kahan.ts";
export { type Exemplar, type MetricMetadata, type MetricType, METRIC_TYPES } from "./metadata.ts";
