// ScrapePool holds the targets of one scrape configuration and a running loop for each. Two targets with the same
// labels and URL are one.
import type { Labels } from "@belfry/core/model";
import type { HttpClient } from "../../lib/http-client.ts";
import type { HttpClientConfig } from "../../lib/http-config.ts";
import { parseDuration } from "@belfry/core/format";
import { acceptHeader, fallbackMediaType } from "./accept.ts";
import type { EscapingScheme, ScrapeProtocol } from "./config.ts";
import type { FailureLogs } from "./failure-log.ts";
import { HttpScraper } from "./http-scraper.ts";
import {
  discoveredLabels,
  type LabelPairs,
  populateLabels,
  type TargetDefaults,
  targetUrl,
} from "./populate-labels.ts";
import type { LabelLimits } from "./sample-labels.ts";
import { type LoopEnvironment, type LoopSettings, ScrapeLoop } from "./scrape-loop.ts";
import { ScrapeError } from "./scrape-append.ts";
import { builtinScraper, type Scraper } from "./scraper.ts";
import { Target } from "./target.ts";

/** TargetGroup is what discovery hands over: targets that share labels. `source` names the group within its job. */
export interface TargetGroup {
  source: string;
  targets: readonly LabelPairs[];
  labels: LabelPairs;
}

/** PoolSettings are one scrape configuration, validated, with defaults filled in. 0 means "no limit" for every limit. */
export interface PoolSettings extends TargetDefaults, LabelLimits {
  honorLabels: boolean;
  honorTimestamps: boolean;
  trackTimestampsStaleness: boolean;
  enableCompression: boolean;
  scrapeProtocols: readonly ScrapeProtocol[];
  fallbackProtocol: ScrapeProtocol | "";
  bodySizeLimitBytes: number;
  sampleLimit: number;
  targetLimit: number;
  keepDroppedTargets: number;
  nativeHistogramBucketLimit: number;
  nativeHistogramMinBucketFactor: number;
  scrapeNativeHistograms: boolean;
  alwaysScrapeClassicHistograms: boolean;
  convertClassicHistogramsToNhcb: boolean;
  extraScrapeMetrics: boolean;
  nameValidation: "utf8" | "legacy";
  nameEscaping: EscapingScheme;
  relabel(labels: Labels): Labels | undefined;
  metricRelabel(labels: Labels): Labels | undefined;
  /** collect makes this a built-in job: its targets are not asked over HTTP, this function renders them. */
  collect?(): Promise<Uint8Array>;
  /** failureLogFile names a file that every failed scrape is written to; "" for none. */
  failureLogFile?: string;
  /** http configures the client; ignored for a built-in job. */
  http?: HttpClientConfig;
  /** key is equal for equal configurations; without it a reload compares identity. */
  key?: string;
  /** samplesKey is equal for configurations that make the same series of the same body: a reload then keeps the caches. */
  samplesKey?: string;
}

/** PoolEnvironment is what all pools share. */
export interface PoolEnvironment extends LoopEnvironment {
  failureLogs: FailureLogs;
  userAgent: string;
  /** startTimestamps, typeAndUnitLabels and extraMetrics are the features of the same names. */
  startTimestamps: boolean;
  typeAndUnitLabels: boolean;
  extraMetrics: boolean;
}

/** ScrapePool is changed by `sync` and `reload` and ended by `stop`; callers run these one after another. */
export class ScrapePool {
  settings: PoolSettings;
  /** droppedTargets are discovered labels of targets that relabelling dropped, at most keep_dropped_targets of them. */
  droppedTargets: Labels[] = [];
  droppedCount = 0;
  private readonly env: PoolEnvironment;
  private client: HttpClient | undefined;
  private readonly loops = new Map<string, ScrapeLoop>();
  /** ending are loops that have been stopped and may still write staleness markers. */
  private readonly ending = new Set<ScrapeLoop>();
  private groups: readonly TargetGroup[] = [];

  /** `client` is undefined for a built-in job; otherwise the pool owns it. */
  constructor(settings: PoolSettings, client: HttpClient | undefined, env: PoolEnvironment) {
    this.settings = settings;
    this.client = client;
    this.env = env;
  }

  /** activeTargets are those that are scraped. */
  activeTargets(): Target[] {
    return [...this.loops.values()].map((loop) => loop.target);
  }

  /** sync makes the running loops match what discovery has found; unchanged targets go on undisturbed. */
  sync(groups: readonly TargetGroup[]): Promise<void> {
    this.groups = groups;
    return this.replaceLoops(false, true);
  }

  /**
   * reload takes on a changed configuration: all loops are replaced, each after its scrape under way, and keep what
   * they know of their series when `keepCaches`.
   */
  async reload(settings: PoolSettings, client: HttpClient | undefined, keepCaches: boolean): Promise<void> {
    const oldClient = this.client;
    this.settings = settings;
    this.client = client;
    await this.replaceLoops(true, keepCaches);
    await oldClient?.close();
  }

  // A target whose interval or internal labels change is the same to its series: the new loop takes over the cache.
  // Only a target that is gone, or whose series may come to mean something else, gets staleness markers.
  private async replaceLoops(restart: boolean, keepCaches: boolean): Promise<void> {
    const old = new Map(this.loops);
    const heirs = new Map<string, ScrapeLoop>();
    if (keepCaches) for (const loop of old.values()) heirs.set(loop.target.identity, loop);
    this.loops.clear();
    const fresh: { target: Target; previous: ScrapeLoop | undefined }[] = [];
    const seen = new Set<string>();
    for (const target of this.populate(this.groups)) {
      if (seen.has(target.key)) continue;
      seen.add(target.key);
      const running = old.get(target.key);
      if (running !== undefined) running.target.discoveredLabels = target.discoveredLabels;
      if (running !== undefined && !restart) {
        this.loops.set(target.key, running);
        old.delete(target.key);
        heirs.delete(target.identity);
        continue;
      }
      const previous = heirs.get(target.identity);
      heirs.delete(target.identity);
      // The target is shown while its loop is replaced, and its state stays.
      if (running !== undefined) this.loops.set(target.key, running);
      fresh.push({ target: running?.target ?? target, previous });
    }
    const inherited = new Set(fresh.map(({ previous }) => previous));
    await Promise.all([...old.values()].map((loop) => this.end(loop, !inherited.has(loop))));
    const started = fresh.map(({ target, previous }) => this.newLoop(target, previous));
    for (const loop of started) this.loops.set(loop.target.key, loop);
    this.applyTargetLimit();
    // Built-in targets are few and near: there is nothing to spread, and the first screen waits for them.
    const skipOffset = this.settings.collect !== undefined;
    if (!this.env.shutdown.aborted) for (const loop of started) loop.start(skipOffset);
  }

  /** stop ends all loops; without `markers` (at shutdown) nothing more is written. */
  async stop(markers: boolean): Promise<void> {
    const loops = [...this.loops.values()];
    this.loops.clear();
    await Promise.all(loops.map((loop) => this.end(loop, markers)));
    if (!markers) await Promise.all([...this.ending].map((loop) => loop.settled()));
    await this.client?.close();
  }

  private async end(loop: ScrapeLoop, markers: boolean): Promise<void> {
    await loop.stop(markers);
    this.ending.add(loop);
    void loop.settled().then(() => this.ending.delete(loop));
  }

  private populate(groups: readonly TargetGroup[]): Target[] {
    const { settings, env } = this;
    const targets: Target[] = [];
    this.droppedTargets = [];
    this.droppedCount = 0;
    for (const group of groups) {
      group.targets.forEach((labels, i) => {
        const discovered = discoveredLabels(labels, group.labels, settings);
        const populated = populateLabels(discovered, (before) => settings.relabel(before));
        if (populated.kind === "failed") {
          env.metrics.syncFailures.with(settings.jobName).inc();
          env.logger.error("Creating target failed", {
            scrape_pool: settings.jobName,
            err: `instance ${i} in group ${group.source}: ${populated.error}`,
          });
          return;
        }
        if (populated.kind === "kept") {
          const url =
            settings.collect === undefined ? targetUrl(populated.labels, settings.params) : builtinUrl(settings);
          targets.push(new Target(populated.labels, discovered, url));
          return;
        }
        this.droppedCount++;
        if (settings.keepDroppedTargets === 0 || this.droppedTargets.length < settings.keepDroppedTargets) {
          this.droppedTargets.push(discovered);
        }
      });
    }
    return targets;
  }

  private newLoop(target: Target, previous?: ScrapeLoop): ScrapeLoop {
    const { settings, env } = this;
    const intervalMs = durationOf(target, "__scrape_interval__", settings.scrapeIntervalMs);
    const timeoutMs = durationOf(target, "__scrape_timeout__", settings.scrapeTimeoutMs);
    const loopSettings: LoopSettings = {
      intervalMs,
      timeoutMs,
      extraMetrics: settings.extraScrapeMetrics || env.extraMetrics,
      honorLabels: settings.honorLabels,
      honorTimestamps: settings.honorTimestamps,
      trackTimestampsStaleness: settings.trackTimestampsStaleness,
      sampleLimit: settings.sampleLimit,
      labelLimit: settings.labelLimit,
      labelNameLengthLimit: settings.labelNameLengthLimit,
      labelValueLengthLimit: settings.labelValueLengthLimit,
      bucketLimit: settings.nativeHistogramBucketLimit,
      maxSchema: schemaForFactor(settings.nativeHistogramMinBucketFactor),
      nameValidation: settings.nameValidation,
      metricRelabel: (labels) => settings.metricRelabel(labels),
      startTimestamps: env.startTimestamps,
      skipCreatedSeries: env.startTimestamps,
      typeAndUnitLabels: env.typeAndUnitLabels,
      ignoreNativeHistograms: !settings.scrapeNativeHistograms,
      keepClassicHistograms: settings.alwaysScrapeClassicHistograms,
      convertClassicHistograms: settings.convertClassicHistogramsToNhcb,
      fallbackMediaType: fallbackMediaType(settings.fallbackProtocol),
    };
    const { failureLogFile = "", jobName } = settings;
    if (failureLogFile !== "") {
      loopSettings.failureLog = (url, message) => env.failureLogs.log(failureLogFile, jobName, url, message);
    }
    return new ScrapeLoop(target, this.newScraper(target, timeoutMs), loopSettings, env, previous);
  }

  private newScraper(target: Target, timeoutMs: number): Scraper {
    const { settings, client, env } = this;
    if (settings.collect !== undefined) return builtinScraper(() => settings.collect!());
    return new HttpScraper(client!, {
      url: target.url,
      accept: acceptHeader(settings.scrapeProtocols, settings.nameEscaping),
      acceptEncoding: settings.enableCompression ? "gzip" : "identity",
      userAgent: env.userAgent,
      timeoutMs,
      bodySizeLimitBytes: settings.bodySizeLimitBytes,
    });
  }

  private applyTargetLimit(): void {
    const { targetLimit } = this.settings;
    const count = this.loops.size;
    let error: ScrapeError | undefined;
    if (targetLimit > 0 && count > targetLimit) {
      this.env.metrics.exceededTargetLimit.inc();
      error = new ScrapeError(`target_limit exceeded (number of targets: ${count}, limit: ${targetLimit})`);
    }
    for (const loop of this.loops.values()) loop.setForcedError(error);
  }
}

function durationOf(target: Target, label: string, fallbackMs: number): number {
  // populateLabels has checked the text.
  const text = target.allLabels.get(label);
  return text === "" ? fallbackMs : parseDuration(text);
}

function builtinUrl(settings: PoolSettings): string {
  return `builtin:${settings.jobName}`;
}

/** schemaForFactor is the highest native histogram schema whose buckets grow by at least `factor`. */
export function schemaForFactor(factor: number): number {
  const wanted = factor <= 1 ? 1.00271 : factor;
  return Math.min(8, Math.max(-4, Math.floor(-Math.log2(Math.log2(wanted)))));
}
