// ScrapeLoop scrapes one target for as long as it exists. Its rhythm is pinned to absolute time by a hash of the
// target, so that targets spread over the interval and a restart keeps each at its place.
//
//   start -> (offset) -> scrape -> (interval) -> scrape ... -> stop -> (2.1 intervals) -> staleness markers
//
// A scrape is one batch: the samples, staleness markers of series that are gone, and `up` with its companions. When
// the body cannot be read, or a limit is exceeded, nothing of it is stored: the batch then holds the staleness
// markers of everything the last scrape had, and up = 0.
import type { Labels } from "@belfry/core/model";
import { AppError } from "../../lib/errors.ts";
import { type Clock, sleep, type Timer } from "../../lib/clock.ts";
import { HttpClientError } from "../../lib/http-client.ts";
import type { Logger } from "../../lib/log.ts";
import { type Appendable, type Appender, AppendFailure } from "../../metrics/appender.ts";
import { ExpositionError } from "../exposition/index.ts";
import { type ParserSettings, ParserSet } from "./parser-set.ts";
import { appendBody, type AppendResult, newAppendResult, type SampleSettings, ScrapeError } from "./scrape-append.ts";
import type { ScrapeMetrics } from "./scrape-metrics.ts";
import { BodySizeLimitError, type ScrapedBody, type Scraper } from "./scraper.ts";
import { reportLabels } from "./sample-labels.ts";
import { SeriesCache } from "./series-cache.ts";
import { REF_IS_KNOWN, UnknownRefError } from "./known-ref.ts";
import type { Target } from "./target.ts";

// Timers are not exact. A scrape this close to its due time is stamped with the due time: regular timestamps
// compress to nearly nothing. Upstream's value; never more than 1 % of the interval.
const ALIGN_TOLERANCE_MS = 2;
// After this many scrapes off the rhythm in a row the wall clock was set, and the rhythm follows it.
const MISSES_BEFORE_REALIGN = 3;

/** LoopSettings are what a loop needs of its pool's configuration. */
export interface LoopSettings extends SampleSettings, ParserSettings {
  intervalMs: number;
  timeoutMs: number;
  /** extraMetrics adds scrape_timeout_seconds, scrape_sample_limit and scrape_body_size_bytes. */
  extraMetrics: boolean;
  /** failureLog hears of every failed scrape (scrape_failure_log_file). */
  failureLog?: (url: string, message: string) => void;
}

/** LoopEnvironment is what all loops share. */
export interface LoopEnvironment {
  clock: Clock;
  logger: Logger;
  appendable: Appendable;
  metrics: ScrapeMetrics;
  /** shutdown aborts when the process ends: loops then stop at once and write no staleness markers. */
  shutdown: AbortSignal;
  /** offsetSeed moves the offsets of all targets, so that two servers scrape at different times. */
  offsetSeed: bigint;
}

const APPEND_OPTIONS = { scrape: true, allowOutOfOrder: true };
// What a parser holds between scrapes.
const NO_BODY = new Uint8Array(16);

const REPORT_METRICS = [
  "up",
  "scrape_duration_seconds",
  "scrape_samples_scraped",
  "scrape_samples_post_metric_relabeling",
  "scrape_series_added",
] as const;
const EXTRA_REPORT_METRICS = ["scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes"] as const;

/** ScrapeLoop runs the scrapes of one target; it is started and stopped once. */
export class ScrapeLoop {
  readonly target: Target;
  readonly cache: SeriesCache;
  private readonly scraper: Scraper;
  private readonly settings: LoopSettings;
  private readonly env: LoopEnvironment;
  private readonly parsers: ParserSet;
  /** ending aborts when the loop is stopped and when the process shuts down. */
  private readonly ending = new AbortController();
  private readonly onShutdown = (): void => this.ending.abort(this.env.shutdown.reason);
  private readonly reportRefs: Map<string, number>;
  private forcedError: Error | undefined;
  private markersAtEnd = true;
  private lastScrapeMs = 0;
  private lastStartMonotonic = 0;
  private running: Promise<void> | undefined;
  private markers: Promise<void> | undefined;
  private wallBase = 0;
  private misses = 0;
  private startMonotonic = 0;

  constructor(target: Target, scraper: Scraper, settings: LoopSettings, env: LoopEnvironment, previous?: ScrapeLoop) {
    this.target = target;
    this.scraper = scraper;
    this.settings = settings;
    this.env = env;
    this.cache = previous?.cache ?? new SeriesCache();
    this.reportRefs = previous?.reportRefs ?? new Map<string, number>();
    // What was scraped before is to be marked stale if this loop ends before its first scrape.
    this.lastScrapeMs = previous?.lastScrapeMs ?? 0;
    this.startMonotonic = previous?.startMonotonic ?? 0;
    this.parsers = new ParserSet(this.cache, settings);
    target.cache = this.cache;
  }

  /** start begins the rhythm; with `skipOffset` the first scrape is at once. */
  start(skipOffset = false): void {
    const { shutdown, metrics, logger } = this.env;
    shutdown.addEventListener("abort", this.onShutdown, { once: true });
    if (shutdown.aborted) this.onShutdown();
    this.running = this.run(skipOffset).catch((error: unknown) => {
      metrics.unexpectedFailures.inc();
      logger.error("Scrape loop failed", { target: this.target.url, err: error });
    });
  }

  /**
   * stop ends the scraping and resolves when the scrape under way has ended. Staleness markers follow later by
   * themselves, unless `markers` is false because another loop goes on with the cache.
   */
  async stop(markers = true): Promise<void> {
    this.markersAtEnd &&= markers;
    this.ending.abort();
    this.env.shutdown.removeEventListener("abort", this.onShutdown);
    await this.running;
    this.scraper.close();
    if (this.markersAtEnd && !this.env.shutdown.aborted) {
      this.markers = this.endOfRunStaleness().catch((error: unknown) => {
        if (!this.env.shutdown.aborted)
          this.env.logger.warn("Stale append failed", { target: this.target.url, err: error });
      });
    }
  }

  /** settled resolves when the loop has nothing more to write. */
  async settled(): Promise<void> {
    await this.running;
    await this.markers;
  }

  /** setForcedError makes every scrape fail with this error without asking the target. */
  setForcedError(error: Error | undefined): void {
    this.forcedError = error;
  }

  /** disableMarkers prevents the staleness markers of a loop that has been stopped but whose target came back. */
  disableMarkers(): void {
    this.markersAtEnd = false;
  }

  private async run(skipOffset: boolean): Promise<void> {
    const { clock, offsetSeed } = this.env;
    const { intervalMs } = this.settings;
    if (!skipOffset && !(await this.wait(this.target.offsetMs(clock.now(), intervalMs, offsetSeed)))) return;
    this.startMonotonic = clock.monotonicMs();
    this.wallBase = Math.floor(clock.now());
    let tick = 0;
    while (!this.ending.signal.aborted) {
      await this.scrapeOnce(this.alignedTime());
      if (this.ending.signal.aborted) return;
      // A tick that passed during the scrape is made up for at once, once; further ones are skipped.
      const passed = (): number => Math.floor((clock.monotonicMs() - this.startMonotonic) / intervalMs);
      if (passed() <= tick) {
        tick++;
        if (!(await this.wait(this.startMonotonic + tick * intervalMs - clock.monotonicMs()))) return;
      }
      tick = Math.max(tick, passed());
    }
  }

  // wait sleeps and returns false when the loop has been stopped instead.
  private async wait(delayMs: number): Promise<boolean> {
    if (this.ending.signal.aborted) return false;
    try {
      await sleep(this.env.clock, Math.max(0, delayMs), this.ending.signal);
      return true;
    } catch {
      return false;
    }
  }

  // alignedTime is the time that the samples of a scrape starting now are stamped with.
  private alignedTime(): number {
    const { intervalMs } = this.settings;
    const now = this.env.clock.now();
    const due = this.wallBase + Math.round((now - this.wallBase) / intervalMs) * intervalMs;
    if (Math.abs(now - due) <= Math.min(intervalMs / 100, ALIGN_TOLERANCE_MS)) {
      this.misses = 0;
      return due;
    }
    const time = Math.floor(now);
    if (++this.misses >= MISSES_BEFORE_REALIGN) {
      this.wallBase = time;
      this.misses = 0;
    }
    return time;
  }

  /** scrapeOnce scrapes and stores one body stamped `timeMs`. */
  async scrapeOnce(timeMs: number): Promise<void> {
    const { clock, appendable, metrics, shutdown } = this.env;
    const started = clock.monotonicMs();
    if (this.lastStartMonotonic !== 0) {
      metrics.interval(this.settings.intervalMs).observe((started - this.lastStartMonotonic) / 1000);
    }
    this.lastStartMonotonic = started;
    let body: ScrapedBody | undefined;
    let failure = this.forcedError;
    if (failure === undefined) {
      try {
        body = await this.fetch();
      } catch (error) {
        // A scrape that the end of the process cut short says nothing about the target.
        if (shutdown.aborted) return;
        failure = error as Error;
      }
    }
    let appender = appendable.appender(APPEND_OPTIONS);
    let result = newAppendResult();
    let stored = false;
    if (body !== undefined && body.length > 0) {
      result = await this.storeBody(body, appender, timeMs);
      failure = result.error;
      stored = failure === undefined;
      if (!stored) {
        appender.rollback();
        appender = appendable.appender(APPEND_OPTIONS);
      }
    }
    body?.release();
    if (!stored) this.cache.undo();
    this.appendStaleMarkers(appender, timeMs);
    if (stored) this.appendMetadata(appender);
    this.cache.finish(stored);
    const durationMs = clock.monotonicMs() - started;
    this.lastScrapeMs = timeMs;
    this.target.report(timeMs, durationMs, describe(failure, this.target.url));
    if (failure !== undefined) this.noteFailure(failure);
    const bodyBytes = failure instanceof BodySizeLimitError ? -1 : (body?.length ?? 0);
    this.appendReport(appender, timeMs, durationMs, result, bodyBytes, failure === undefined);
    metrics.count(result);
    this.warn(result);
    appender.commit().catch((error: unknown) => {
      metrics.commitFailures.inc();
      this.env.logger.error("Scrape commit failed", { target: this.target.url, err: error });
    });
  }

  private async storeBody(body: ScrapedBody, appender: Appender, timeMs: number): Promise<AppendResult> {
    try {
      const { parser, table, warning } = this.parsers.parserFor(body.contentType);
      if (warning !== "") {
        this.env.logger.debug("Invalid content type on scrape, using fallback setting.", {
          target: this.target.url,
          err: warning,
        });
      }
      parser.load(body.bytes, body.length);
      try {
        return await appendBody({
          parser,
          cache: this.cache,
          table,
          appender,
          settings: this.settings,
          targetLabels: this.target.labels,
          scrapeTimeMs: timeMs,
          nowMs: this.env.clock.now(),
        });
      } finally {
        // Between scrapes the body's memory belongs to others.
        parser.load(NO_BODY, 0);
      }
    } catch (error) {
      return { ...newAppendResult(), error: error as Error };
    }
  }

  private noteFailure(failure: Error): void {
    const { logger, metrics } = this.env;
    const fields = { target: this.target.url, err: failure };
    if (failure instanceof BodySizeLimitError) metrics.exceededBodySizeLimit.inc();
    if (isBug(failure)) {
      metrics.unexpectedFailures.inc();
      logger.error("Scrape failed unexpectedly", fields);
    } else logger.debug("Scrape failed", fields);
    this.settings.failureLog?.(this.target.url, failure.message);
  }

  private async fetch(): Promise<ScrapedBody> {
    const { clock, shutdown } = this.env;
    const ending = new AbortController();
    const onShutdown = (): void => ending.abort(shutdown.reason);
    shutdown.addEventListener("abort", onShutdown, { once: true });
    let timedOut = false;
    const timer: Timer = clock.setTimeout(() => {
      timedOut = true;
      ending.abort(new ScrapeError("context deadline exceeded"));
    }, this.settings.timeoutMs);
    try {
      return await this.scraper.scrape(ending.signal);
    } catch (error) {
      // The client says what it was doing when the time was up; anything else is replaced by the plain reason.
      throw timedOut && !(error instanceof HttpClientError) ? (ending.signal.reason as Error) : error;
    } finally {
      timer.cancel();
      shutdown.removeEventListener("abort", onShutdown);
    }
  }

  private appendStaleMarkers(appender: Appender, timeMs: number): void {
    this.cache.forEachStale((ref) => {
      try {
        appender.appendStale(ref, REF_IS_KNOWN, timeMs);
      } catch (error) {
        // A series that the store has forgotten needs no marker.
        if (!(error instanceof UnknownRefError)) throw error;
      }
    });
  }

  private appendMetadata(appender: Appender): void {
    const { changedMetadata, metadata } = this.cache;
    if (changedMetadata.size === 0) return;
    for (const family of changedMetadata) {
      const entry = metadata.get(family);
      if (entry === undefined) continue;
      appender.updateMetadata(family, { type: entry.type, help: entry.help, unit: entry.unit });
    }
    changedMetadata.clear();
  }

  private appendReport(
    appender: Appender,
    timeMs: number,
    durationMs: number,
    result: AppendResult,
    bodyBytes: number,
    healthy: boolean,
  ): void {
    const values = [healthy ? 1 : 0, durationMs / 1000, result.total, result.added, result.seriesAdded];
    REPORT_METRICS.forEach((metric, i) => this.appendReportSample(appender, metric, timeMs, values[i]));
    if (!this.settings.extraMetrics) return;
    const extra = [this.settings.timeoutMs / 1000, this.settings.sampleLimit, bodyBytes];
    EXTRA_REPORT_METRICS.forEach((metric, i) => this.appendReportSample(appender, metric, timeMs, extra[i]));
  }

  private appendReportSample(appender: Appender, metric: string, timeMs: number, value: number | undefined): void {
    const put = (ref: number, labels: Labels): number =>
      value === undefined ? appender.appendStale(ref, labels, timeMs) : appender.append(ref, labels, timeMs, value);
    const ref = this.reportRefs.get(metric) ?? 0;
    let outcome: number;
    try {
      outcome = put(ref, ref > 0 ? REF_IS_KNOWN : reportLabels(metric, this.target.labels));
    } catch (error) {
      if (!(error instanceof UnknownRefError)) throw error;
      outcome = put(0, reportLabels(metric, this.target.labels));
    }
    if (outcome > 0) this.reportRefs.set(metric, outcome);
    else if (outcome === AppendFailure.SeriesLimit) this.env.metrics.refusedSeries.inc();
  }

  // Scraping has stopped for good, or the target comes back within two intervals: then its new loop has stored
  // samples by now, the markers are out of order and refused.
  private async endOfRunStaleness(): Promise<void> {
    if (this.lastScrapeMs === 0) return;
    const { clock, shutdown, appendable } = this.env;
    const { intervalMs } = this.settings;
    const nextTick = intervalMs - ((clock.monotonicMs() - this.startMonotonic) % intervalMs);
    await sleep(clock, nextTick, shutdown);
    const staleTimeMs = Math.floor(clock.now());
    await sleep(clock, intervalMs * 1.1, shutdown);
    if (!this.markersAtEnd) return;
    const appender = appendable.appender({ scrape: true });
    this.appendStaleMarkers(appender, staleTimeMs);
    this.cache.finish(false);
    for (const metric of REPORT_METRICS) this.appendReportSample(appender, metric, staleTimeMs, undefined);
    if (this.settings.extraMetrics) {
      for (const metric of EXTRA_REPORT_METRICS) this.appendReportSample(appender, metric, staleTimeMs, undefined);
    }
    await appender.commit();
  }

  private warn(result: AppendResult): void {
    const { logger } = this.env;
    const target = this.target.url;
    if (result.outOfOrder > 0) {
      logger.warn("Error on ingesting out-of-order samples", { target, num_dropped: result.outOfOrder });
    }
    if (result.duplicates > 0) {
      logger.warn("Error on ingesting samples with different value but same timestamp", {
        target,
        num_dropped: result.duplicates,
      });
    }
    if (result.outOfBounds > 0) {
      logger.warn("Error on ingesting samples that are too old or are too far into the future", {
        target,
        num_dropped: result.outOfBounds,
      });
    }
    if (result.refusedSeries > 0) {
      logger.warn("Error on ingesting new series: the memory budget is reached", {
        target,
        num_dropped: result.refusedSeries,
      });
    }
    if (result.exemplarsOutOfOrder > 0) {
      logger.warn("Error on ingesting out-of-order exemplars", { target, num_dropped: result.exemplarsOutOfOrder });
    }
  }
}

function describe(error: Error | undefined, url: string): string {
  if (error === undefined) return "";
  if (error instanceof ExpositionError && error.line > 0) return `${error.message} (line ${error.line} of ${url})`;
  return error.message;
}

function isBug(error: Error): boolean {
  if (error instanceof AppError || error instanceof ScrapeError) return false;
  return error.message.startsWith("BUG:") || error instanceof TypeError || error instanceof RangeError;
}
