// DiscoveryManager runs the discoverers of all jobs and hands on what they found, job by job. Jobs with the same
// discovery share one discoverer; a reload leaves unchanged ones running, so their targets never disappear.
//
// Changes are gathered: the first of a quiet time is passed on at once, further ones after `gatherMs`, because a
// rollout in a cluster is hundreds of changes and each update costs a synchronisation of the scrape pool.
import type { Clock, Timer } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { MetricsRegistry } from "../../lib/metrics-registry.ts";
import type { DiscoveryConfig } from "./config.ts";
import type { Discoverer } from "./discoverer.ts";
import type { TargetGroup } from "./target-group.ts";

/** DiscoveryManagerOptions is what a manager stands on. */
export interface DiscoveryManagerOptions {
  clock: Clock;
  log: Logger;
  registry: MetricsRegistry;
  /** create makes the discoverer for a configuration. Throws for a kind that is not supported. */
  create(config: DiscoveryConfig): Discoverer;
  /** update is told all groups of a job whenever they change. */
  update(job: string, groups: readonly TargetGroup[]): void;
  /** gatherMs is how long changes are gathered; default 5,000. */
  gatherMs?: number;
}

interface Provider {
  kind: string;
  /** jobs that use it, each with the position it has in the job's list. */
  jobs: Set<string>;
  groups: Map<string, TargetGroup>;
  /** answered is false until the first groups arrive. */
  answered: boolean;
  stop(): void;
}

const DEFAULT_GATHER_MS = 5_000;

/** DiscoveryManager belongs to the running process; `applyConfig` may be called again and again. */
export class DiscoveryManager {
  private readonly options: DiscoveryManagerOptions;
  private readonly providers = new Map<string, Provider>();
  /** jobs maps each job to the keys of its providers, in order. */
  private jobs = new Map<string, readonly string[]>();
  private readonly changed = new Set<string>();
  private gathering: Timer | undefined;

  constructor(options: DiscoveryManagerOptions) {
    this.options = options;
    options.registry.gaugeVecFunc("belfry_sd_discovered_targets", "Targets found, by job.", ["config"], (emit) => {
      for (const job of this.jobs.keys()) {
        emit(
          this.groupsOf(job).reduce((sum, group) => sum + group.targets.length, 0),
          job,
        );
      }
    });
  }

  /** applyConfig takes on the discovery of all jobs. Throws before anything changes when a kind is not supported. */
  applyConfig(jobs: ReadonlyMap<string, readonly DiscoveryConfig[]>): void {
    const wanted = new Map<string, { config: DiscoveryConfig; jobs: Set<string> }>();
    const order = new Map<string, readonly string[]>();
    for (const [job, configs] of jobs) {
      const keys: string[] = [];
      for (const config of configs) {
        const key = keyOf(config);
        keys.push(key);
        const entry = wanted.get(key);
        if (entry) entry.jobs.add(job);
        else wanted.set(key, { config, jobs: new Set([job]) });
      }
      order.set(job, [...new Set(keys)]);
    }
    const fresh = new Map<string, Discoverer>();
    for (const [key, { config }] of wanted) {
      if (!this.providers.has(key)) fresh.set(key, this.options.create(config));
    }
    this.jobs = order;
    for (const [key, provider] of this.providers) {
      const entry = wanted.get(key);
      if (entry) {
        provider.jobs = entry.jobs;
      } else {
        provider.stop();
        this.providers.delete(key);
      }
    }
    for (const [key, discoverer] of fresh) this.start(key, wanted.get(key)!, discoverer);
    for (const job of order.keys()) this.changed.add(job);
    this.flush();
  }

  /** stop ends all discoverers. */
  stop(): void {
    this.gathering?.cancel();
    this.gathering = undefined;
    for (const provider of this.providers.values()) provider.stop();
    this.providers.clear();
  }

  private start(key: string, entry: { config: DiscoveryConfig; jobs: Set<string> }, discoverer: Discoverer): void {
    const abort = new AbortController();
    const provider: Provider = {
      kind: entry.config.kind,
      jobs: entry.jobs,
      groups: new Map(),
      answered: false,
      stop: () => abort.abort(new Error("discovery stopped")),
    };
    this.providers.set(key, provider);
    const emit = (groups: readonly TargetGroup[]): void => {
      if (abort.signal.aborted) return;
      provider.answered = true;
      for (const group of groups) {
        if (group.targets.length === 0) provider.groups.delete(group.source);
        else provider.groups.set(group.source, group);
      }
      for (const job of provider.jobs) this.changed.add(job);
      this.gather();
    };
    discoverer.run(emit, abort.signal).catch((error: unknown) => {
      if (!abort.signal.aborted) {
        this.options.log.error("Discovery ended unexpectedly", { discovery: provider.kind, err: error });
      }
    });
  }

  private gather(): void {
    if (this.gathering) return;
    this.flush();
    this.gathering = this.options.clock.setInterval(() => {
      if (this.changed.size > 0) {
        this.flush();
        return;
      }
      this.gathering?.cancel();
      this.gathering = undefined;
    }, this.options.gatherMs ?? DEFAULT_GATHER_MS);
  }

  private flush(): void {
    for (const job of this.changed) {
      const keys = this.jobs.get(job);
      // A job that has not heard from any of its discoverers keeps the targets it had before the reload.
      const answered = keys?.length === 0 || keys?.some((key) => this.providers.get(key)?.answered);
      if (keys && answered) this.options.update(job, this.groupsOf(job));
    }
    this.changed.clear();
  }

  private groupsOf(job: string): TargetGroup[] {
    const groups: TargetGroup[] = [];
    const keys = this.jobs.get(job) ?? [];
    for (let i = 0; i < keys.length; i++) {
      for (const group of this.providers.get(keys[i]!)?.groups.values() ?? []) {
        // Two discoverers of a job may use the same names for their sources.
        groups.push({ ...group, source: `${i}/${group.source}` });
      }
    }
    return groups;
  }
}

// Configurations are equal when all they say is equal; secrets take part, so the key is never shown.
function keyOf(config: DiscoveryConfig): string {
  return JSON.stringify(config, (_name, value: unknown) => {
    if (value instanceof Map) return [...value];
    if (typeof value === "bigint") return String(value);
    return value;
  });
}
