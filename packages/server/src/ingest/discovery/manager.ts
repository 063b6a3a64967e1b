// DiscoveryManager runs the discovery of all jobs and hands on what each job's targets are now.
//
//   discoverer --emit--> provider: groups by source --+--> job a --(at once, then every 5 s at most)--> update
//                                                     +--> job b
//
// Sections that are equal share one provider, also across jobs and configurations: a reload that changes nothing
// about a section does not disturb it. A job with new sections is handed on when each has spoken, or at last after
// 5 s, so that a reload does not drop targets only to find them again.
import type { Clock, Timer } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { MetricsRegistry } from "../../lib/metrics-registry.ts";
import { kindName } from "./codecs.ts";
import type { DiscoveryConfig } from "./config.ts";
import type { Discoverer } from "./discoverer.ts";
import { type DiscoveryMetrics, discoveryMetrics } from "./metrics.ts";
import type { TargetGroup } from "./target-group.ts";

/** DiscoveryManagerOptions is what a manager stands on. */
export interface DiscoveryManagerOptions {
  clock: Clock;
  log: Logger;
  registry: MetricsRegistry;
  /** create makes the discoverer of a section; a section for which it throws is logged, counted and left out. */
  create(config: DiscoveryConfig): Discoverer;
  /** update is told all groups of a job whenever they have changed. */
  update(job: string, groups: readonly TargetGroup[]): void;
  /** gatherMs is the least time between two updates of a job; default 5,000. */
  gatherMs?: number;
}

// A rollout in a cluster is hundreds of changes, and each update costs a synchronisation of the scrape pool.
// Upstream's value.
const GATHER_MS = 5_000;
// How long to wait before a discoverer that fell over is started again.
const RESTART_DELAY_MS = 5_000;

interface Provider {
  readonly kind: string;
  readonly discoverer: Discoverer;
  readonly groups: Map<string, TargetGroup>;
  readonly abort: AbortController;
  /** spoke is true once groups have arrived, none perhaps. */
  spoke: boolean;
}

interface Job {
  readonly providers: readonly Provider[];
  readonly sinceMs: number;
  /** sentMs is when the job was handed on last; undefined before the first time. */
  sentMs: number | undefined;
  timer: Timer | undefined;
}

/** DiscoveryManager belongs to the running process; `applyConfig` may be called again and again. */
export class DiscoveryManager {
  private readonly options: DiscoveryManagerOptions;
  private readonly gatherMs: number;
  private readonly metrics: DiscoveryMetrics;
  private providers = new Map<string, Provider>();
  private jobs = new Map<string, Job>();
  private failedConfigs = 0;

  constructor(options: DiscoveryManagerOptions) {
    this.options = options;
    this.gatherMs = options.gatherMs ?? GATHER_MS;
    this.metrics = discoveryMetrics(options.registry);
    options.registry.gaugeVecFunc("belfry_sd_discovered_targets", "Targets found, by job.", ["config"], (emit) => {
      for (const [name, job] of this.jobs) emit(countTargets(job), name);
    });
    options.registry.gaugeFunc(
      "belfry_sd_failed_configs",
      "Discovery sections of the present configuration that could not be started.",
      () => this.failedConfigs,
    );
  }

  /** applyConfig takes on the sections of all jobs; jobs and sections that are not among them end. */
  applyConfig(jobs: ReadonlyMap<string, readonly DiscoveryConfig[]>): void {
    const before = this.providers;
    const fresh: Provider[] = [];
    const sinceMs = this.options.clock.monotonicMs();
    for (const job of this.jobs.values()) job.timer?.cancel();
    this.providers = new Map();
    this.jobs = new Map();
    this.failedConfigs = 0;
    for (const [name, sections] of jobs) {
      const providers = new Set<Provider>();
      for (const section of sections) {
        const key = keyOf(section);
        let provider = this.providers.get(key) ?? before.get(key);
        if (provider === undefined) {
          provider = this.create(section, name);
          if (provider === undefined) continue;
          fresh.push(provider);
        }
        this.providers.set(key, provider);
        providers.add(provider);
      }
      this.jobs.set(name, { providers: [...providers], sinceMs, sentMs: undefined, timer: undefined });
    }
    for (const [key, provider] of before) if (!this.providers.has(key)) provider.abort.abort();
    for (const provider of fresh) void this.run(provider);
    // Scraping expects the whole state after a reload, also of jobs without targets.
    for (const [name, job] of this.jobs) if (job.sentMs === undefined) this.schedule(name, job);
  }

  /** stop ends all discovery; no update follows. */
  stop(): void {
    for (const job of this.jobs.values()) job.timer?.cancel();
    this.jobs = new Map();
    for (const provider of this.providers.values()) provider.abort.abort();
    this.providers = new Map();
  }

  private create(section: DiscoveryConfig, job: string): Provider | undefined {
    const kind = kindName(section);
    try {
      const discoverer = this.options.create(section);
      return { kind, discoverer, groups: new Map(), abort: new AbortController(), spoke: false };
    } catch (error) {
      this.failedConfigs++;
      this.options.log.error("Cannot create service discovery", { err: error, type: kind, config: job });
      return undefined;
    }
  }

  private async run(provider: Provider): Promise<void> {
    const { clock, log } = this.options;
    const { signal } = provider.abort;
    while (!signal.aborted) {
      try {
        await provider.discoverer.run((groups) => this.received(provider, groups), signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.metrics.refreshFailures.with(provider.kind).inc();
        log.error("Discovery ended unexpectedly and starts again", { discovery: provider.kind, err: error });
      }
      await new Promise<void>((resolve) => {
        const onAbort = (): void => {
          timer.cancel();
          resolve();
        };
        const timer = clock.setTimeout(() => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        }, RESTART_DELAY_MS);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    }
  }

  private received(provider: Provider, groups: readonly TargetGroup[]): void {
    if (provider.abort.signal.aborted) return;
    this.metrics.receivedUpdates.inc();
    provider.spoke = true;
    for (const group of groups) {
      if (group.targets.length === 0) provider.groups.delete(group.source);
      else provider.groups.set(group.source, group);
    }
    for (const [name, job] of this.jobs) if (job.providers.includes(provider)) this.schedule(name, job);
  }

  // schedule hands a job on at once where its last time is long enough ago, otherwise as soon as it is.
  private schedule(name: string, job: Job): void {
    const now = this.options.clock.monotonicMs();
    let dueMs = now;
    if (job.sentMs !== undefined) dueMs = job.sentMs + this.gatherMs;
    else if (job.providers.some((provider) => !provider.spoke)) dueMs = job.sinceMs + this.gatherMs;
    if (dueMs > now) {
      job.timer ??= this.options.clock.setTimeout(() => this.send(name, job), dueMs - now);
      return;
    }
    job.timer?.cancel();
    this.send(name, job);
  }

  private send(name: string, job: Job): void {
    job.timer = undefined;
    job.sentMs = this.options.clock.monotonicMs();
    this.metrics.sentUpdates.inc();
    const groups: TargetGroup[] = [];
    for (let i = 0; i < job.providers.length; i++) {
      // Two discoverers of a job may use the same names for their sources.
      for (const group of job.providers[i].groups.values()) groups.push({ ...group, source: `${i}/${group.source}` });
    }
    this.options.update(name, groups);
  }
}

function countTargets(job: Job): number {
  let count = 0;
  for (const provider of job.providers) for (const group of provider.groups.values()) count += group.targets.length;
  return count;
}

// Equal sections have equal keys. Secrets take part, so a key is never shown.
function keyOf(section: DiscoveryConfig): string {
  return JSON.stringify(section, (name, value: unknown) => {
    if (name === "line") return undefined;
    if (value instanceof Map) return [...(value as Map<unknown, unknown>)];
    return typeof value === "bigint" ? String(value) : value;
  });
}
