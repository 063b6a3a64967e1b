// Small things about single histogram samples that many nodes need.
import { copyHistogram, type Histogram, histogramSizeBytes, multiplyHistogram } from "@belfry/core/model";

/** histogramSamples is how many float samples a histogram counts for in limits and statistics. */
export function histogramSamples(histogram: Histogram): number {
  return Math.floor((histogramSizeBytes(histogram) + 8) / 16);
}

/** negateHistogram returns the histogram with all counts negated. */
export function negateHistogram(histogram: Histogram): Histogram {
  return multiplyHistogram(copyHistogram(histogram), -1);
}
