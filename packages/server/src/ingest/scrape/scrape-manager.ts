// ScrapeManager owns the scrape pools: it follows configuration and discovery, and answers what the API asks.
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { Labels, type MetricMetadata } from "@belfry/core/model";
import type { Clock } from "../../lib/clock.ts";
import { HttpClient } from "../../lib/http-client.ts";
import type { Logger } from "../../lib/log.ts";
import type { MetricsRegistry } from "../../lib/metrics-registry.ts";
import { VERSION } from "../../lib/version.ts";
import type { Appendable } from "../../metrics/appender.ts";
import { ScrapeMetrics } from "./scrape-metrics.ts";
import { type PoolEnvironment, type PoolSettings, ScrapePool, type TargetGroup } from "./scrape-pool.ts";
import type { Target, TargetHealth } from "./target.ts";

/** ScrapeManagerOptions are what a manager stands on. */
export interface ScrapeManagerOptions {
  appendable: Appendable;
  clock: Clock;
  logger: Logger;
  registry: MetricsRegistry;
  /** startTimestamps stores created timestamps instead of `_created` series (feature created-timestamp-zero-ingestion). */
  startTimestamps?: boolean;
  /** typeAndUnitLabels adds `__type__` and `__unit__` (feature type-and-unit-labels). */
  typeAndUnitLabels?: boolean;
  /** extraMetrics adds scrape_timeout_seconds and its like to every scrape (feature extra-scrape-metrics). */
  extraMetrics?: boolean;
}

/** TargetStatus is one scraped target as the API shows it. */
export interface TargetStatus {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  lastError: string;
  lastScrapeMs: number;
  lastScrapeDurationSeconds: number;
  health: TargetHealth;
  scrapeInterval: string;
  scrapeTimeout: string;
  metadata(): Iterable<readonly [string, MetricMetadata]>;
}

/** ScrapeManager applies configuration and target updates one after another. */
export class ScrapeManager {
  private readonly env: PoolEnvironment;
  private readonly shutdown = new AbortController();
  private readonly pools = new Map<string, ScrapePool>();
  private readonly groups = new Map<string, readonly TargetGroup[]>();
  private work: Promise<void> = Promise.resolve();

  constructor(options: ScrapeManagerOptions) {
    this.env = {
      clock: options.clock,
      logger: options.logger,
      appendable: options.appendable,
      metrics: new ScrapeMetrics(options.registry),
      shutdown: this.shutdown.signal,
      offsetSeed: offsetSeed(""),
      userAgent: `Belfry/${VERSION}`,
      startTimestamps: options.startTimestamps === true,
      typeAndUnitLabels: options.typeAndUnitLabels === true,
      extraMetrics: options.extraMetrics === true,
    };
    options.registry.gaugeFunc("belfry_target_scrape_pools", "Scrape pools.", () => this.pools.size);
    options.registry.gaugeVecFunc(
      "belfry_target_scrape_pool_targets",
      "Targets of each scrape pool.",
      ["scrape_job"],
      (emit) => {
        for (const [job, pool] of this.pools) emit(pool.activeTargets().length, job);
      },
    );
  }

  /** applyConfig takes on the scrape configurations; pools that did not change go on undisturbed. */
  applyConfig(configs: readonly PoolSettings[], externalLabels: Labels): Promise<void> {
    return this.enqueue(async () => {
      this.env.offsetSeed = offsetSeed(externalLabels.toString());
      const wanted = new Map(configs.map((config) => [config.jobName, config]));
      for (const [job, pool] of this.pools) {
        const settings = wanted.get(job);
        if (settings === undefined) {
          this.pools.delete(job);
          this.groups.delete(job);
          await pool.stop(true);
        } else if (!sameSettings(settings, pool.settings)) {
          const keepCaches = settings.samplesKey !== undefined && settings.samplesKey === pool.settings.samplesKey;
          await pool.reload(settings, clientFor(settings), keepCaches);
        }
      }
      for (const [job, settings] of wanted) {
        if (this.pools.has(job)) continue;
        const pool = new ScrapePool(settings, clientFor(settings), this.env);
        this.pools.set(job, pool);
        await pool.sync(this.groups.get(job) ?? []);
      }
    });
  }

  /** updateTargets replaces the groups of a job by all that discovery knows now. */
  updateTargets(job: string, groups: readonly TargetGroup[]): Promise<void> {
    return this.enqueue(async () => {
      this.groups.set(job, groups);
      await this.pools.get(job)?.sync(groups);
    });
  }

  /** stop ends all scraping without staleness markers: the next start goes on where this one ended. */
  async stop(): Promise<void> {
    this.shutdown.abort(new Error("shutting down"));
    await this.enqueue(async () => {
      await Promise.all([...this.pools.values()].map((pool) => pool.stop(false)));
      this.pools.clear();
    });
  }

  /** poolNames are sorted. */
  poolNames(): string[] {
    return [...this.pools.keys()].sort();
  }

  /** activeTargets of one pool, or of all. */
  activeTargets(pool?: string): TargetStatus[] {
    const out: TargetStatus[] = [];
    for (const job of this.poolNames()) {
      if (pool !== undefined && job !== pool) continue;
      for (const target of this.pools.get(job)!.activeTargets()) out.push(statusOf(target, job));
    }
    return out;
  }

  droppedTargets(pool?: string): { discoveredLabels: Labels; scrapePool: string }[] {
    const out: { discoveredLabels: Labels; scrapePool: string }[] = [];
    for (const job of this.poolNames()) {
      if (pool !== undefined && job !== pool) continue;
      for (const labels of this.pools.get(job)!.droppedTargets) out.push({ discoveredLabels: labels, scrapePool: job });
    }
    return out;
  }

  droppedCounts(): Record<string, number> {
    const out: Record<string, number> = {};
    for (const job of this.poolNames()) out[job] = this.pools.get(job)!.droppedCount;
    return out;
  }

  // Configuration and target updates change the same pools: one at a time, in the order they came.
  private enqueue(step: () => Promise<void>): Promise<void> {
    const done = this.work.then(step);
    this.work = done.catch((error: unknown) => this.env.logger.error("Updating scrape pools failed", { err: error }));
    return done;
  }
}

function clientFor(settings: PoolSettings): HttpClient | undefined {
  return settings.collect === undefined ? new HttpClient(settings.http, { connectionsPerHost: 2 }) : undefined;
}

function sameSettings(a: PoolSettings, b: PoolSettings): boolean {
  return a === b || (a.key !== undefined && a.key === b.key);
}

function statusOf(target: Target, job: string): TargetStatus {
  return {
    discoveredLabels: target.discoveredLabels,
    labels: target.labels,
    scrapePool: job,
    scrapeUrl: target.url,
    lastError: target.lastError,
    lastScrapeMs: target.lastScrapeMs,
    lastScrapeDurationSeconds: target.lastScrapeDurationMs / 1000,
    health: target.health,
    scrapeInterval: target.allLabels.get("__scrape_interval__"),
    scrapeTimeout: target.allLabels.get("__scrape_timeout__"),
    metadata: () => target.cache?.metadata ?? [],
  };
}

// Servers that scrape the same targets have different names or external labels, and so different offsets.
function offsetSeed(externalLabels: string): bigint {
  return createHash("sha256").update(hostname()).update(externalLabels).digest().readBigUInt64LE();
}
