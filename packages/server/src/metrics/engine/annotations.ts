// Annotations are the remarks a query collects while it runs: warnings ("the answer may not be what you want")
// and infos ("it probably is, but look"). The same text is kept once, whatever the position; of several
// positions the last one is shown, as upstream does. Hot loops must not build texts: they call these methods
// only when there is something to say.
import { quoteGo } from "@belfry/core/model";
import type { PositionRange } from "@belfry/core/promql";
import { formatG } from "./go-format.ts";

/** HistogramOperation names what was done when bucket bounds or counter resets did not fit. */
export type HistogramOperation = "addition" | "subtraction" | "aggregation";

interface Annotation {
  text: string;
  pos: PositionRange | undefined;
  /** detail is appended before the position; only forced monotonicity has one. */
  monotonicity?: Monotonicity;
}

interface Monotonicity {
  minTimeMs: number;
  maxTimeMs: number;
  minBucket: number;
  maxBucket: number;
  maxDiff: number;
  count: number;
}

const WARNING = "PromQL warning: ";
const INFO = "PromQL info: ";

/** Annotations collects the warnings and infos of one query. */
export class Annotations {
  private readonly warningsByText = new Map<string, Annotation>();
  private readonly infosByText = new Map<string, Annotation>();

  /** storageWarning keeps a text of the storage as it is. */
  storageWarning(text: string): void {
    this.warningsByText.set(text, { text, pos: undefined });
  }

  /** render returns the texts with their positions in `query`. */
  render(query: string): { warnings: string[]; infos: string[] } {
    return {
      warnings: [...this.warningsByText.values()].map((annotation) => renderOne(annotation, query)),
      infos: [...this.infosByText.values()].map((annotation) => renderOne(annotation, query)),
    };
  }

  private warn(text: string, pos: PositionRange): void {
    this.warningsByText.set(text, { text: WARNING + text, pos });
  }

  private info(text: string, pos: PositionRange): void {
    this.infosByText.set(text, { text: INFO + text, pos });
  }

  invalidQuantile(quantile: number, pos: PositionRange): void {
    this.warn(`quantile value should be between 0 and 1, got ${formatG(quantile)}`, pos);
  }

  invalidRatio(ratio: number, cappedTo: number, pos: PositionRange): void {
    this.warn(`ratio value should be between -1 and 1, got ${formatG(ratio)}, capping to ${formatG(cappedTo)}`, pos);
  }

  badBucketLabel(metricName: string, value: string, pos: PositionRange): void {
    this.warn(
      `bucket label "le" is missing or has a malformed value of ${quoteGo(value)}${forMetric(metricName)}`,
      pos,
    );
  }

  mixedFloatsHistograms(metricName: string, pos: PositionRange): void {
    this.warn(`encountered a mix of histograms and floats for metric name ${quoteGo(metricName)}`, pos);
  }

  mixedFloatsHistogramsInAggregation(pos: PositionRange): void {
    this.warn("encountered a mix of histograms and floats for aggregation", pos);
  }

  mixedClassicNativeHistograms(metricName: string, pos: PositionRange): void {
    this.warn(`vector contains a mix of classic and native histograms${forMetric(metricName)}`, pos);
  }

  nativeHistogramNotCounter(metricName: string, pos: PositionRange): void {
    this.warn(`this native histogram metric is not a counter: ${quoteGo(metricName)}`, pos);
  }

  nativeHistogramNotGauge(metricName: string, pos: PositionRange): void {
    this.warn(`this native histogram metric is not a gauge: ${quoteGo(metricName)}`, pos);
  }

  mixedExponentialCustomHistograms(metricName: string, pos: PositionRange): void {
    this.warn(
      `vector contains a mix of histograms with exponential and custom buckets schemas for metric name ${quoteGo(metricName)}`,
      pos,
    );
  }

  incompatibleBucketLayoutInBinOp(operator: string, pos: PositionRange): void {
    this.warn(`incompatible bucket layout encountered for binary operator ${operator}`, pos);
  }

  counterResetCollision(operation: HistogramOperation, pos: PositionRange): void {
    this.warn(`conflicting counter resets during histogram ${operation}`, pos);
  }

  sortInRangeQuery(pos: PositionRange): void {
    this.warn("sort is ineffective for range queries since results are always ordered by labels", pos);
  }

  startTimeOverlap(metricName: string, pos: PositionRange): void {
    this.warn(
      `sample has start time that overlaps with previous sample timestamp for metric ${quoteGo(metricName)}`,
      pos,
    );
  }

  possibleNonCounter(metricName: string, pos: PositionRange): void {
    this.info(
      `metric might not be a counter, name does not end in _total/_sum/_count/_bucket: ${quoteGo(metricName)}`,
      pos,
    );
  }

  possibleNonCounterLabel(metricName: string, typeLabel: string, pos: PositionRange): void {
    this.info(
      `metric might not be a counter, __type__ label is not set to "counter" or "histogram", got ${quoteGo(typeLabel)}: ${quoteGo(metricName)}`,
      pos,
    );
  }

  incompatibleTypesInBinOp(left: string, operator: string, right: string, pos: PositionRange): void {
    this.info(
      `incompatible sample types encountered for binary operator ${quoteGo(operator)}: ${left} ${operator} ${right}`,
      pos,
    );
  }

  histogramIgnoredInAggregation(aggregation: string, pos: PositionRange): void {
    this.info(`ignored histogram in ${aggregation} aggregation`, pos);
  }

  histogramIgnoredInMixedRange(metricName: string, pos: PositionRange): void {
    this.info(
      `ignored histograms in a range containing both floats and histograms for metric name ${quoteGo(metricName)}`,
      pos,
    );
  }

  mismatchedCustomBuckets(operation: HistogramOperation, pos: PositionRange): void {
    this.info(`mismatched custom buckets were reconciled during ${operation}`, pos);
  }

  quantileNaNResult(metricName: string, pos: PositionRange): void {
    this.info(`input to histogram_quantile has NaN observations, result is NaN${forMetric(metricName)}`, pos);
  }

  quantileNaNSkew(metricName: string, pos: PositionRange): void {
    this.info(`input to histogram_quantile has NaN observations, result is skewed higher${forMetric(metricName)}`, pos);
  }

  fractionNaNs(metricName: string, pos: PositionRange): void {
    this.info(
      `input to histogram_fraction has NaN observations, which are excluded from all fractions${forMetric(metricName)}`,
      pos,
    );
  }

  /** forcedMonotonicity widens the earlier remark for the same metric instead of replacing it. */
  forcedMonotonicity(
    metricName: string,
    pos: PositionRange,
    timeMs: number,
    minBucket: number,
    maxBucket: number,
    maxDiff: number,
  ): void {
    const text = `input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)${forMetric(metricName)}`;
    const known = this.infosByText.get(text)?.monotonicity;
    if (known) {
      known.minTimeMs = Math.min(known.minTimeMs, timeMs);
      known.maxTimeMs = Math.max(known.maxTimeMs, timeMs);
      known.minBucket = Math.min(known.minBucket, minBucket);
      known.maxBucket = Math.max(known.maxBucket, maxBucket);
      known.maxDiff = Math.max(known.maxDiff, maxDiff);
      known.count++;
      return;
    }
    const monotonicity = { minTimeMs: timeMs, maxTimeMs: timeMs, minBucket, maxBucket, maxDiff, count: 1 };
    this.infosByText.set(text, { text: INFO + text, pos, monotonicity });
  }
}

function forMetric(metricName: string): string {
  return metricName === "" ? "" : ` for metric name ${quoteGo(metricName)}`;
}

function renderOne(annotation: Annotation, query: string): string {
  if (annotation.pos === undefined) return annotation.text;
  let text = annotation.text;
  const detail = annotation.monotonicity;
  if (detail) {
    text += `, from buckets ${formatG(detail.minBucket)} to ${formatG(detail.maxBucket)}`;
    text += `, with a max diff of ${formatG(detail.maxDiff, 2)}, over ${detail.count} samples`;
    text += ` from ${rfc3339Seconds(detail.minTimeMs)} to ${rfc3339Seconds(detail.maxTimeMs)}`;
  }
  return `${text} (${lineAndColumn(query, annotation.pos.start)})`;
}

/** lineAndColumn is a position as people read it: both from 1, columns counted in UTF-8 bytes as Go does. */
export function lineAndColumn(query: string, index: number): string {
  if (index < 0 || index > query.length) return "invalid position";
  let line = 1;
  let lineStart = 0;
  for (let i = 0; i < index; i++) {
    if (query.charCodeAt(i) === 10) {
      line++;
      lineStart = i + 1;
    }
  }
  return `${line}:${Buffer.byteLength(query.slice(lineStart, index)) + 1}`;
}

function rfc3339Seconds(timeMs: number): string {
  return new Date(Math.trunc(timeMs / 1000) * 1000).toISOString().replace(".000Z", "Z");
}
