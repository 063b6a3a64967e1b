// One body, from entries to appended samples. This is the innermost loop of ingest: for a series that is known
// it is a look into three columns and one call of the appender.
import type { Exemplar, Labels } from "@belfry/core/model";
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

// A body of millions of samples must not keep everything else waiting: after this long others have their turn.
const SLICE_MS = 10;
// Looking at the clock costs about as much as half a sample.
const ENTRIES_PER_LOOK = 256;

/** BodyInput is what one body is appended with. */
export interface BodyInput {
  /** parser has been loaded with the body. */
  parser: ExpositionParser;
  cache: SeriesCache;
  table: SeriesTable;
  appender: Appender;
  settings: SampleSettings;
  targetLabels: Labels;
  scrapeTimeMs: number;
  /** nowMs is the present; samples too far ahead of it are refused. */
  nowMs: number;
}

/** appendBody appends the samples of a body. It never rejects for what is in the body: see `error` of the result. */
export async function appendBody(input: BodyInput): Promise<AppendResult> {
  const run = new BodyRun(input);
  try {
    while (!run.slice()) await new Promise((resolve) => setImmediate(resolve));
  } catch (error) {
    if (!(error instanceof ExpositionError) && !(error instanceof ScrapeError)) throw error;
    run.result.error = error;
  }
  return run.result;
}

class BodyRun {
  readonly result = newAppendResult();
  private readonly input: BodyInput;
  private readonly maxTimeMs: number;
  /** counted is the number of samples that sample_limit counts. */
  private counted = 0;
  private limitError: ScrapeError | undefined;
  /** waiting is an entry that was found when the time was up. */
  private waiting: Entry | undefined;

  constructor(input: BodyInput) {
    this.input = input;
    this.maxTimeMs = input.nowMs + MAX_AHEAD_MS;
  }

  /** slice goes on for a while and returns whether the body is at its end. */
  slice(): boolean {
    const { result, maxTimeMs } = this;
    const { parser, cache, table, appender, settings, targetLabels, scrapeTimeMs } = this.input;
    const { honorTimestamps, trackTimestampsStaleness, sampleLimit, startTimestamps } = settings;
    const tracked = 2 * table.lines.iteration;
    const deadline = performance.now() + SLICE_MS;
    let { state, refs, trackedIn } = table;
    for (let look = ENTRIES_PER_LOOK; ;) {
      const kind: Entry = this.waiting ?? parser.next();
      this.waiting = undefined;
      if (--look === 0) {
        if (performance.now() > deadline) {
          this.waiting = kind;
          return false;
        }
        look = ENTRIES_PER_LOOK;
      }
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
      if (stored !== SeriesState.Dropped) {
        const ownTime = honorTimestamps && parser.hasTime;
        const timeMs = ownTime ? parser.timeMs : scrapeTimeMs;
        let labels: Labels | undefined = REF_IS_KNOWN;
        let ref = 0;
        if (stored === SeriesState.Stored) ref = refs[id];
        else labels = resolveLabels(parser, settings, targetLabels, result);
        let outcome: number;
        if (labels === undefined) outcome = DROPPED;
        else if (parser.repeated && !ownTime && stored === SeriesState.Stored) outcome = AppendFailure.Duplicate;
        else if (sampleLimit > 0 && ++this.counted > sampleLimit) outcome = OVER_LIMIT;
        else if (timeMs > maxTimeMs) outcome = AppendFailure.OutOfBounds;
        else {
          const startMs = startTimestamps ? parser.startMs() : 0;
          if (kind === Entry.Series) {
            try {
              outcome = appender.append(ref, labels, timeMs, parser.value, startMs);
            } catch (error) {
              if (!(error instanceof UnknownRefError)) throw error;
              labels = this.labelsAgain();
              outcome = appender.append(0, labels, timeMs, parser.value, startMs);
            }
          } else outcome = this.appendHistogram(ref, labels, timeMs, startMs);
        }
        if (outcome !== DROPPED) result.added++;
        if (outcome > 0) {
          if (stored !== SeriesState.Stored) {
            cache.store(table, id, outcome);
            ({ state, refs, trackedIn } = table);
            if (this.limitError === undefined) result.seriesAdded++;
          } else if (outcome !== ref) refs[id] = outcome;
          if (!ownTime || trackTimestampsStaleness) {
            const before = trackedIn[id];
            if (before < tracked) trackedIn[id] = before >= tracked - 2 ? tracked + 1 : tracked;
          }
          ref = outcome;
        } else if (outcome === DROPPED) {
          cache.drop(table, id);
          ({ state, refs, trackedIn } = table);
        } else if (outcome === OVER_LIMIT) {
          // Counting goes on, so that what is reported is the true number of samples.
          this.limitError ??= limitExceeded(result, "sample", "sample limit exceeded");
        } else if (outcome === TOO_MANY_BUCKETS) {
          this.limitError ??= limitExceeded(result, "bucket", "histogram bucket limit exceeded");
        } else countFailure(outcome, result);
        if (ref > 0) appendExemplars(parser, appender, ref, labels!, timeMs, kind === Entry.Histogram, result);
      }
    }
    if (this.limitError !== undefined) result.error = this.limitError;
    return true;
  }

  private appendHistogram(ref: number, labels: Labels, timeMs: number, startMs: number): number {
    const { parser, appender, settings } = this.input;
    const histogram = fitHistogram(parser.histogram!, settings);
    if (histogram === undefined) return TOO_MANY_BUCKETS;
    try {
      return appender.appendHistogram(ref, labels, timeMs, histogram, startMs);
    } catch (error) {
      if (!(error instanceof UnknownRefError)) throw error;
      return appender.appendHistogram(0, this.labelsAgain(), timeMs, histogram, startMs);
    }
  }

  // The store has forgotten the series (it was idle for long): its labels are needed once more.
  private labelsAgain(): Labels {
    const { parser, settings, targetLabels } = this.input;
    const labels = resolveLabels(parser, settings, targetLabels, this.result);
    if (labels === undefined) throw new ScrapeError("BUG: relabelling dropped a series that it kept before");
    return labels;
  }
}

// Outcomes besides AppendFailure.
const DROPPED = -99;
const OVER_LIMIT = -100;
const TOO_MANY_BUCKETS = -101;

function resolveLabels(
  parser: ExpositionParser,
  settings: SampleSettings,
  targetLabels: Labels,
  result: AppendResult,
): Labels | undefined {
  const exposed = parser.labels();
  const labels = settings.metricRelabel(
    addTargetLabels(exposed, targetLabels, settings.honorLabels, parser.emptyLabels),
  );
  if (labels === undefined || labels.size === 0) return undefined;
  if (labels.metricName === "") throw new ScrapeError("missing metric name (__name__ label)");
  if (!hasValidNames(labels, settings.nameValidation)) {
    throw new ScrapeError(`invalid metric name or label names: ${labels.toString()}`);
  }
  const exceeded = checkLabelLimits(labels, settings);
  if (exceeded !== undefined) throw limitExceeded(result, "label", exceeded);
  return labels;
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
