// One body, from entries to appended samples. This is the innermost loop of ingest: for a series that is known
// it is a look into three columns and one call of the appender.
import { type Exemplar, type Histogram, type Labels } from "@belfry/core/model";
import { ExpositionError, Entry, type ExpositionParser } from "../exposition/index.ts";
import { AppendFailure, type Appender } from "../../metrics/appender.ts";
import { fitHistogram, type HistogramLimits } from "./histogram-limits.ts";
import { REF_IS_KNOWN, UnknownRefError } from "./known-ref.ts";
import { addTargetLabels, checkLabelLimits, hasValidNames, type LabelLimits } from "./sample-labels.ts";
import { type SeriesCache, SeriesState, type SeriesTable } from "./series-cache.ts";

// A sample further ahead than this of the present is refused, as upstream refuses it.
const MAX_AHEAD_MS = 10 * 60_000;

/** SampleSettings are the settings of a scrape pool that decide what becomes of a sample. */
export interface SampleSettings extends LabelLimits, HistogramLimits {
  honorLabels: boolean;
  honorTimestamps: boolean;
  trackTimestampsStaleness: boolean;
  /** sampleLimit is the most samples a scrape may have after relabelling; 0 means no limit. */
  sampleLimit: number;
  nameValidation: "utf8" | "legacy";
  /** metricRelabel applies metric_relabel_configs; undefined drops the sample. */
  metricRelabel(labels: Labels): Labels | undefined;
  /** startTimestamps passes start (created) timestamps on to the store. */
  startTimestamps: boolean;
}

/** AppendResult counts what one scrape brought. `error` fails the scrape. */
export interface AppendResult {
  /** total is the number of samples in the body, added those left after relabelling, seriesAdded the new ones among them. */
  total: number;
  added: number;
  seriesAdded: number;
  outOfOrder: number;
  duplicates: number;
  outOfBounds: number;
  /** refusedSeries are samples that would have begun a series when the store was full. */
  refusedSeries: number;
  exemplarsOutOfOrder: number;
  error: Error | undefined;
  /** limit names the limit that was exceeded. */
  limit: "" | "sample" | "bucket" | "label";
}

/** ScrapeError fails a scrape for what the target exposes or how it answers; its message is shown as the target's last error. */
export class ScrapeError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "ScrapeError";
  }
}

/** newAppendResult is a result without anything counted. */
export function newAppendResult(): AppendResult {
  return {
    total: 0,
    added: 0,
    seriesAdded: 0,
    outOfOrder: 0,
    duplicates: 0,
    outOfBounds: 0,
    refusedSeries: 0,
    exemplarsOutOfOrder: 0,
    error: undefined,
    limit: "",
  };
}

/** appendBody appends the samples of a loaded body. It never throws for what is in the body: see `error` of the result. */
export function appendBody(
  parser: ExpositionParser,
  cache: SeriesCache,
  table: SeriesTable,
  appender: Appender,
  settings: SampleSettings,
  targetLabels: Labels,
  scrapeTimeMs: number,
  nowMs: number,
): AppendResult {
  const result = newAppendResult();
  try {
    appendEntries(parser, cache, table, appender, settings, targetLabels, scrapeTimeMs, nowMs + MAX_AHEAD_MS, result);
  } catch (error) {
    if (!(error instanceof ExpositionError) && !(error instanceof ScrapeError)) throw error;
    result.error = error;
  }
  return result;
}

function appendEntries(
  parser: ExpositionParser,
  cache: SeriesCache,
  table: SeriesTable,
  appender: Appender,
  settings: SampleSettings,
  targetLabels: Labels,
  scrapeTimeMs: number,
  maxTimeMs: number,
  result: AppendResult,
): void {
  const { lines } = table;
  const { honorTimestamps, trackTimestampsStaleness, sampleLimit, startTimestamps } = settings;
  const tracked = 2 * lines.iteration;
  let { state, refs, trackedIn } = table;
  let counted = 0;
  let limitError: ScrapeError | undefined;
  for (;;) {
    const kind = parser.next();
    if (kind !== Entry.Series && kind !== Entry.Histogram) {
      if (kind === Entry.End) break;
      if (kind === Entry.Type) cache.setType(parser.family, parser.type);
      else if (kind === Entry.Help) cache.setHelp(parser.family, parser.text);
      else if (kind === Entry.Unit) cache.setUnit(parser.family, parser.text);
      continue;
    }
    result.total++;
    const id = parser.entry;
    if (id >= state.length) {
      table.fit();
      ({ state, refs, trackedIn } = table);
    }
    const stored = state[id];
    if (stored === SeriesState.Dropped) continue;
    const ownTime = honorTimestamps && parser.hasTime;
    const timeMs = ownTime ? parser.timeMs : scrapeTimeMs;
    let labels = REF_IS_KNOWN;
    let ref = 0;
    if (stored === SeriesState.Stored) ref = refs[id];
    else {
      const mutated = resolveLabels(parser.labels(), settings, targetLabels, result);
      if (mutated === undefined) {
        cache.drop(table, id);
        continue;
      }
      labels = mutated;
    }
    let outcome: number;
    if (parser.repeated && !ownTime && stored === SeriesState.Stored) {
      outcome = AppendFailure.Duplicate;
    } else if (sampleLimit > 0 && ++counted > sampleLimit) {
      // Counting goes on, so that what is reported is the true number of samples.
      limitError ??= limitExceeded(result, "sample", "sample limit exceeded");
      result.added++;
      continue;
    } else if (timeMs > maxTimeMs) {
      outcome = AppendFailure.OutOfBounds;
    } else {
      const startMs = startTimestamps ? parser.startMs() : 0;
      if (kind === Entry.Series) {
        try {
          outcome = appender.append(ref, labels, timeMs, parser.value, startMs);
        } catch (error) {
          if (!(error instanceof UnknownRefError)) throw error;
          labels = labelsAgain(parser, settings, targetLabels, result);
          outcome = appender.append(0, labels, timeMs, parser.value, startMs);
        }
      } else {
        const histogram = fitHistogram(parser.histogram!, settings);
        if (histogram === undefined) {
          limitError ??= limitExceeded(result, "bucket", "histogram bucket limit exceeded");
          result.added++;
          continue;
        }
        outcome = appendHistogram(
          parser,
          appender,
          settings,
          targetLabels,
          result,
          ref,
          labels,
          timeMs,
          histogram,
          startMs,
        );
      }
    }
    if (outcome > 0) {
      if (stored !== SeriesState.Stored) {
        cache.store(table, id, outcome);
        ({ state, refs, trackedIn } = table);
        if (limitError === undefined) result.seriesAdded++;
      } else if (outcome !== ref) refs[id] = outcome;
      if (!ownTime || trackTimestampsStaleness) {
        const before = trackedIn[id];
        if (before < tracked) trackedIn[id] = before >= tracked - 2 ? tracked + 1 : tracked;
      }
      ref = outcome;
    } else countFailure(outcome, result);
    result.added++;
    if (ref > 0) appendExemplars(parser, appender, ref, labels, timeMs, kind === Entry.Histogram, result);
  }
  if (limitError !== undefined) result.error = limitError;
}

function resolveLabels(
  exposed: Labels,
  settings: SampleSettings,
  targetLabels: Labels,
  result: AppendResult,
): Labels | undefined {
  const labels = settings.metricRelabel(addTargetLabels(exposed, targetLabels, settings.honorLabels));
  if (labels === undefined || labels.size === 0) return undefined;
  if (labels.metricName === "") throw new ScrapeError("missing metric name (__name__ label)");
  if (!hasValidNames(labels, settings.nameValidation)) {
    throw new ScrapeError(`invalid metric name or label names: ${labels.toString()}`);
  }
  const exceeded = checkLabelLimits(labels, settings);
  if (exceeded !== undefined) throw limitExceeded(result, "label", exceeded);
  return labels;
}

// The store has forgotten the series (it was idle for long): its labels are needed once more.
function labelsAgain(
  parser: ExpositionParser,
  settings: SampleSettings,
  targetLabels: Labels,
  result: AppendResult,
): Labels {
  const labels = resolveLabels(parser.labels(), settings, targetLabels, result);
  if (labels === undefined) throw new ScrapeError("BUG: relabelling dropped a series that it kept before");
  return labels;
}

function appendHistogram(
  parser: ExpositionParser,
  appender: Appender,
  settings: SampleSettings,
  targetLabels: Labels,
  result: AppendResult,
  ref: number,
  labels: Labels,
  timeMs: number,
  histogram: Histogram,
  startMs: number,
): number {
  try {
    return appender.appendHistogram(ref, labels, timeMs, histogram, startMs);
  } catch (error) {
    if (!(error instanceof UnknownRefError)) throw error;
    const again = labelsAgain(parser, settings, targetLabels, result);
    return appender.appendHistogram(0, again, timeMs, histogram, startMs);
  }
}

function appendExemplars(
  parser: ExpositionParser,
  appender: Appender,
  ref: number,
  labels: Labels,
  timeMs: number,
  isHistogram: boolean,
  result: AppendResult,
): void {
  let exemplar = parser.exemplar();
  if (exemplar === undefined) return;
  const exemplars: Exemplar[] = [];
  for (; exemplar !== undefined; exemplar = parser.exemplar()) {
    if (!exemplar.hasTime) {
      // Of a native histogram only exemplars with a timestamp can be told from ones seen before.
      if (isHistogram) continue;
      exemplar.timeMs = timeMs;
    }
    exemplars.push(exemplar);
  }
  exemplars.sort((a, b) => a.timeMs - b.timeMs || a.value - b.value);
  let refused = 0;
  for (const one of exemplars) {
    try {
      if (!appender.appendExemplar(ref, labels, one)) refused++;
    } catch (error) {
      if (!(error instanceof UnknownRefError)) throw error;
    }
  }
  // Some of a histogram's exemplars are usually old; only when all are is something wrong.
  if (refused > 0 && refused === exemplars.length) result.exemplarsOutOfOrder += refused;
}

function limitExceeded(result: AppendResult, limit: AppendResult["limit"], message: string): ScrapeError {
  // The sample limit takes precedence when both are exceeded.
  if (result.limit !== "sample") result.limit = limit;
  return new ScrapeError(message);
}

function countFailure(failure: number, result: AppendResult): void {
  switch (failure) {
    case AppendFailure.OutOfOrder:
    case AppendFailure.TooOld:
      result.outOfOrder++;
      break;
    case AppendFailure.Duplicate:
      result.duplicates++;
      break;
    case AppendFailure.SeriesLimit:
      result.refusedSeries++;
      break;
    default:
      result.outOfBounds++;
  }
}
