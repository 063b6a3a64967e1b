// ScrapeManager owns the scrape pools: it follows configuration and discovery, and answers what the API asks.
import { createHash } from "node:crypto";
import { setMaxListeners } from "node:events";
import { hostname } from "node:os";
import { Labels, type MetricMetadata } from "@belfry/core/model";
import type { Clock } from "../../lib/clock.ts";
import { HttpClient } from "../../lib/http-client.ts";
import type { Logger } from "../../lib/log.ts";
import type { MetricsRegistry } from "../../lib/metrics-registry.ts";
import { VERSION } from "../../lib/version.ts";
import type { Appendable } from "../../metrics/appender.ts";
import { FailureLogs } from "./failure-log.ts";
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
  /** work is the configuration being applied, jobWork the targets being updated, by job. */
  private work: Promise<void> = Promise.resolve();
  private readonly jobWork = new Map<string, Promise<void>>();

  constructor(options: ScrapeManagerOptions) {
    this.env = {
      clock: options.clock,
      logger: options.logger,
      appendable: options.appendable,
      metrics: new ScrapeMetrics(options.registry),
      failureLogs: new FailureLogs(options.logger),
      shutdown: this.shutdown.signal,
      offsetSeed: offsetSeed(""),
      userAgent: `Belfry/${VERSION}`,
      startTimestamps: options.startTimestamps === true,
      typeAndUnitLabels: options.typeAndUnitLabels === true,
      extraMetrics: options.extraMetrics === true,
    };
    // Every loop listens.
    setMaxListeners(0, this.shutdown.signal);
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
      const gone: ScrapePool[] = [];
      for (const [job, pool] of this.pools) {
        if (wanted.has(job)) continue;
        this.pools.delete(job);
        this.groups.delete(job);
        gone.push(pool);
      }
      await Promise.all(gone.map((pool) => pool.stop(true)));
      await Promise.all([...wanted.values()].map((settings) => this.applyPool(settings)));
      this.env.failureLogs.keep(new Set(configs.map(({ failureLogFile = "" }) => failureLogFile)));
    });
  }

  private async applyPool(settings: PoolSettings): Promise<void> {
    const job = settings.jobName;
    const pool = this.pools.get(job);
    if (pool === undefined) {
      const fresh = new ScrapePool(settings, clientFor(settings), this.env);
      this.pools.set(job, fresh);
      await fresh.sync(this.groups.get(job) ?? []);
    } else if (!sameSettings(settings, pool.settings)) {
      const keepCaches = settings.samplesKey !== undefined && settings.samplesKey === pool.settings.samplesKey;
      await pool.reload(settings, clientFor(settings), keepCaches);
    }
  }

  /** updateTargets replaces the groups of a job by all that discovery knows now. */
  updateTargets(job: string, groups: readonly TargetGroup[]): Promise<void> {
    // Jobs do not wait for each other: one with a slow target to stop would hold up all.
    const before = Promise.all([this.work, this.jobWork.get(job)]);
    const done = before.then(async () => {
      this.groups.set(job, groups);
      await this.pools.get(job)?.sync(groups);
    });
    const settled = this.reported(done);
    this.jobWork.set(job, settled);
    void settled.then(() => {
      if (this.jobWork.get(job) === settled) this.jobWork.delete(job);
    });
    return done;
  }

  /** stop ends all scraping without staleness markers: the next start goes on where this one ended. */
  async stop(): Promise<void> {
    this.shutdown.abort(new Error("shutting down"));
    await this.enqueue(async () => {
      await Promise.all([...this.pools.values()].map((pool) => pool.stop(false)));
      this.pools.clear();
      this.env.failureLogs.keep(new Set());
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

  // A configuration is applied after everything that came before it, and before everything that comes after.
  private enqueue(step: () => Promise<void>): Promise<void> {
    const done = Promise.all([this.work, ...this.jobWork.values()]).then(step);
    this.work = this.reported(done);
    return done;
  }

  private reported(work: Promise<void>): Promise<void> {
    return work.catch((error: unknown) => this.env.logger.error("Updating scrape pools failed", { err: error }));
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
