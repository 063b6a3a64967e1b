// What all exposition parsers have in common: whoever reads a body pulls entry after entry and looks at the fields
// that the entry's kind makes valid. Nothing is allocated for a series that the cache knows.
import type { Exemplar, Histogram, Labels, MetricType } from "@belfry/core/model";
import type { LineCache } from "./line-cache.ts";

/** Entry is what `next` found. Values below 6 are the LineKind of the cache entry. */
export const Entry = { End: 0, Series: 1, Type: 2, Help: 3, Unit: 4, Comment: 5, Histogram: 6 } as const;
export type Entry = (typeof Entry)[keyof typeof Entry];

/** ExpositionParser reads one body after another; all fields and results are valid until the next call of `next`. */
export interface ExpositionParser {
  /** cache remembers the series of earlier bodies of the same target. */
  readonly cache: LineCache;
  /** entry is the cache's number of the current line (series, or metadata line). */
  readonly entry: number;
  /** repeated tells that the same line prefix occurred before in this body. */
  readonly repeated: boolean;
  /** value is the sample's value; meaningless after Entry.Histogram. */
  readonly value: number;
  readonly hasTime: boolean;
  /** timeMs is the sample's own timestamp in Unix milliseconds, where `hasTime`. */
  readonly timeMs: number;
  readonly histogram: Histogram | undefined;
  /** type is the type the last TYPE line gave. */
  readonly type: MetricType;
  /** family and text are what the current HELP, TYPE or UNIT line is about and says. */
  readonly family: string;
  readonly text: string;

  /** load starts a body: the first `length` bytes. Spare room behind it (8 bytes) saves a copy; it is overwritten. */
  load(bytes: Uint8Array, length: number): void;
  /** next advances; Entry.End at the end. Throws ExpositionError, after which the body cannot be read on. */
  next(): Entry;
  /** labels are those of the current series, name included, as the target gave them. */
  labels(): Labels;
  /**
   * emptyLabels are the labels that the target gave with an empty value, as found by the last call of `labels`. They are
   * no labels of the series, but with honor_labels they keep the target's label of that name away.
   */
  readonly emptyLabels: readonly string[];
  /** startMs is the start (created) timestamp of the current series in Unix milliseconds, 0 if unknown. */
  startMs(): number;
  /** exemplar returns the exemplars of the current series one by one, then undefined. `timeMs` is 0 without a timestamp. */
  exemplar(): Exemplar | undefined;
}

/** ParserOptions are the scrape settings that change what a body means. */
export interface ParserOptions {
  /** typeAndUnitLabels adds `__type__` and `__unit__`. */
  typeAndUnitLabels?: boolean;
  /** skipCreatedSeries takes `_created` samples of OpenMetrics as start timestamps only. */
  skipCreatedSeries?: boolean;
  /** ignoreNativeHistograms reads native histograms as the classic ones they also are. */
  ignoreNativeHistograms?: boolean;
  /** keepClassicHistograms gives the classic series besides the native histogram. */
  keepClassicHistograms?: boolean;
  /** convertClassicHistograms makes native histograms with custom buckets of classic ones. */
  convertClassicHistograms?: boolean;
}
