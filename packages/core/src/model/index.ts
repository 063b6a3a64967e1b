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
export { CounterResetHint, CUSTOM_BUCKETS_SCHEMA, type Histogram, type Span } from "./histogram.ts";
export { type Exemplar, type MetricMetadata, type MetricType, METRIC_TYPES } from "./metadata.ts";
