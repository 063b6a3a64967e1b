import {
  type Histogram,
  isExponentialSchema,
  MIN_EXPONENTIAL_SCHEMA,
  reduceResolution,
  usesCustomBuckets,
} from "@belfry/core/model";

/** HistogramLimits bound the resolution of native histograms. */
export interface HistogramLimits {
  /** bucketLimit is the most buckets of one histogram; 0 means no limit. */
  bucketLimit: number;
  /** maxSchema is the highest resolution kept, -4 to 8. */
  maxSchema: number;
}

/** fitHistogram reduces a histogram's resolution to the limits; undefined when that is not enough. The argument may be changed. */
export function fitHistogram(histogram: Histogram, limits: HistogramLimits): Histogram | undefined {
  let fitted = histogram;
  if (!usesCustomBuckets(fitted) && fitted.schema > limits.maxSchema)
    fitted = reduceResolution(fitted, limits.maxSchema);
  const { bucketLimit } = limits;
  if (bucketLimit === 0) return fitted;
  while (fitted.positiveBuckets.length + fitted.negativeBuckets.length > bucketLimit) {
    if (!isExponentialSchema(fitted.schema) || fitted.schema <= MIN_EXPONENTIAL_SCHEMA) return undefined;
    fitted = reduceResolution(fitted, fitted.schema - 1);
  }
  return fitted;
}
