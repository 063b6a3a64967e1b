// Belfry is everything together: built here, started and stopped in order. No other folder knows all the parts.
//
//   start: data directory, database, store -> engine, receivers, routes -> listeners -> scraping
//   stop:  scraping -> listeners -> store and writers flush -> database
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { existsSync } from "node:fs";
import { Labels } from "@belfry/core/model";
import type { FastifyInstance } from "fastify";
import { createHttpServer, registerManagementRoutes, registerPrometheusRoutes } from "../api/index.ts";
import { createDiscoverer, DiscoveryManager } from "../ingest/discovery/index.ts";
import { createHostCollector, type HostCollector } from "../ingest/exporters/host/index.ts";
import { createRemoteWriteReceiver, DEFAULT_REMOTE_WRITE_LIMITS } from "../ingest/remote-write/index.ts";
import { ScrapeManager } from "../ingest/scrape/index.ts";
import type { Clock } from "../lib/clock.ts";
import { HttpClient } from "../lib/http-client.ts";
import type { Logger } from "../lib/log.ts";
import { MetricsRegistry, EXPOSITION_CONTENT_TYPES, negotiateExposition } from "../lib/metrics-registry.ts";
import { registerProcessMetrics } from "../lib/metrics-registry-process.ts";
import { VERSION } from "../lib/version.ts";
import { Engine } from "../metrics/engine/index.ts";
import { builtinTarget, type BuiltinTarget, hostInstance } from "./builtin-targets.ts";
import { featureReport } from "./features.ts";
import { Listeners, type HostPort } from "./listeners.ts";
import { Notifications } from "./notifications.ts";
import type { RuntimeConfig } from "./runtime-config.ts";
import { openStorage, type Storage } from "./storage.ts";
import { registerStoreMetrics } from "./store-metrics.ts";
import { selfMetricFamilies } from "./self-metrics.ts";
import { joinTargetLabels } from "./target-labels.ts";

/** BelfryOptions is what the command line decides. */
export interface BelfryOptions {
  storagePath: string;
  storageUrl: string | undefined;
  listen: readonly HostPort[];
  compatListeners: readonly { what: string; address: HostPort }[];
  externalUrl: string | undefined;
  builtinTargets: { host: boolean; self: boolean } | "auto";
  lifecycleEnabled: boolean;
  adminEnabled: boolean;
  remoteWriteEnabled: boolean;
  corsOrigin: { test(origin: string): boolean } | undefined;
  /** memoryBudgetBytes and the next two are undefined where the configuration or the default decides. */
  memoryBudgetBytes: number | undefined;
  diskBudgetBytes: number | undefined;
  retentionMs: number | undefined;
  query: { lookbackDeltaMs: number; timeoutMs: number; maxConcurrency: number; maxSamples: number };
  features: ReadonlySet<string>;
  flags: Record<string, string>;
  /** loadConfig reads the configuration; called at the start and for every reload. Throws what is wrong with it. */
  loadConfig(): RuntimeConfig;
  /** onQuit is called when a client asked the process to end. */
  onQuit(): void;
  clock: Clock;
  log: Logger;
}

/** Belfry is a running server. */
export interface Belfry {
  /** ports are the ports of the main addresses, in order. */
  readonly ports: readonly number[];
  /** reload applies the configuration anew, or keeps the old one and throws. */
  reload(): Promise<void>;
  /** close stops in order; everything accepted is durable when it resolves. */
  close(): Promise<void>;
}

const DEFAULT_RETENTION_MS = 15 * 86_400_000;
const DEFAULT_MEMORY_BUDGET_BYTES = 1024 ** 3;
const RETENTION_INTERVAL_MS = 60_000;
// Requests under way get this long to finish when the process is asked to stop.
const STOP_GRACE_MS = 5_000;
const RELOAD_FAILED = "Configuration reload has failed.";
const STARTING_UP = "Belfry is starting and rebuilding recent metrics...";

/** startBelfry builds and starts everything, or rejects and holds nothing. */
export async function startBelfry(options: BelfryOptions): Promise<Belfry> {
  const config = options.loadConfig();
  tellNotices(config, options.log);
  const registry = new MetricsRegistry();
  const storage = await openStorage({
    path: options.storagePath,
    url: options.storageUrl,
    memoryBudgetBytes: memoryBudget(options, config),
    retentionMs: options.retentionMs ?? config.retentionMs ?? DEFAULT_RETENTION_MS,
    clock: options.clock,
    log: options.log,
    registry,
  });
  const running = new Running(options, config, registry, storage);
  try {
    await running.start();
    return running;
  } catch (error) {
    await running.close().catch(() => {});
    throw error;
  }
}

// The budget is taken at the start: the engine and the head are made for it.
function memoryBudget(options: BelfryOptions, config: RuntimeConfig): number {
  return options.memoryBudgetBytes ?? config.memoryBudgetBytes ?? DEFAULT_MEMORY_BUDGET_BYTES;
}

function tellNotices(config: RuntimeConfig, log: Logger): void {
  for (const warning of config.warnings) log.warn(warning);
  for (const error of config.errors) log.error(error);
}

class Running implements Belfry {
  ports: number[] = [];
  private readonly options: BelfryOptions;
  private readonly registry: MetricsRegistry;
  private readonly storage: Storage;
  private readonly engine: Engine;
  private readonly scraping: ScrapeManager;
  private readonly discovery: DiscoveryManager;
  private readonly memoryBudgetBytes: number;
  private readonly notifications = new Notifications();
  private readonly app: FastifyInstance;
  private readonly listeners: Listeners;
  private readonly startTimeMs: number;
  private hostCollector: HostCollector | undefined;
  private readonly processMetrics: { close(): void };
  private config: RuntimeConfig;
  private lastConfigTimeMs: number;
  private reloadSucceeded = true;
  private isReady = false;
  private reloading: Promise<void> = Promise.resolve();
  private closing: Promise<void> | undefined;
  private stopTimers: (() => void)[] = [];

  constructor(options: BelfryOptions, config: RuntimeConfig, registry: MetricsRegistry, storage: Storage) {
    this.options = options;
    this.registry = registry;
    this.storage = storage;
    this.config = config;
    this.memoryBudgetBytes = memoryBudget(options, config);
    this.startTimeMs = options.clock.now();
    this.lastConfigTimeMs = this.startTimeMs;
    this.engine = new Engine({
      ...options.query,
      features: options.features,
      clock: options.clock,
      noStepSubqueryIntervalMs: () => this.config.evaluationIntervalMs,
    });
    this.scraping = new ScrapeManager({
      appendable: storage.store,
      clock: options.clock,
      logger: options.log,
      registry,
      startTimestamps: options.features.has("created-timestamp-zero-ingestion"),
      typeAndUnitLabels: options.features.has("type-and-unit-labels"),
      extraMetrics: options.features.has("extra-scrape-metrics"),
    });
    this.discovery = new DiscoveryManager({
      clock: options.clock,
      log: options.log,
      registry,
      create: (wanted) =>
        createDiscoverer(wanted, {
          clock: options.clock,
          log: options.log,
          registry,
          httpClient: (http) => new HttpClient(http),
        }),
      update: (job, groups) => void this.scraping.updateTargets(job, groups.map(joinTargetLabels)),
    });
    this.processMetrics = registerProcessMetrics(registry);
    registerStoreMetrics(registry, storage.store);
    this.registerOwnMetrics();
    this.app = this.buildHttp();
    this.listeners = new Listeners((request, response) => this.app.routing(request, response), options.log);
  }

  async start(): Promise<void> {
    await this.app.ready();
    for (const address of this.options.listen) this.ports.push(await this.listeners.listen(address));
    for (const { what, address } of this.options.compatListeners) {
      await this.listeners.listenConventional(what, address);
    }
    this.notifications.add(STARTING_UP);
    void this.storage.store.rebuilt.then(() => this.notifications.clear(STARTING_UP));
    await this.storage.store.ready;
    await this.applyConfig(this.config);
    this.startRetention();
    this.isReady = true;
  }

  reload(): Promise<void> {
    const next = this.reloading.then(async () => {
      try {
        const config = this.options.loadConfig();
        tellNotices(config, this.options.log);
        await this.applyConfig(config);
        this.reloadSucceeded = true;
        this.lastConfigTimeMs = this.options.clock.now();
        this.notifications.clear(RELOAD_FAILED);
        this.options.log.info("Completed loading of configuration file");
      } catch (error) {
        this.reloadSucceeded = false;
        this.notifications.add(RELOAD_FAILED);
        throw error;
      }
    });
    this.reloading = next.catch(() => {});
    return next;
  }

  close(): Promise<void> {
    this.closing ??= this.closeOnce();
    return this.closing;
  }

  private async closeOnce(): Promise<void> {
    this.isReady = false;
    for (const stop of this.stopTimers) stop();
    this.discovery.stop();
    await this.scraping.stop();
    // Together: requests under way finish, new ones on open connections are told 503, streams of events end.
    await Promise.all([this.listeners.close(STOP_GRACE_MS), this.app.close()]);
    this.hostCollector?.close();
    this.processMetrics.close();
    await this.storage.close();
  }

  private async applyConfig(config: RuntimeConfig): Promise<void> {
    const builtin = this.builtinTargets(config);
    await this.scraping.applyConfig(
      [...config.pools, ...builtin.map((target) => target.settings)],
      config.externalLabels,
    );
    this.storage.store.configure({
      outOfOrderWindowMs: config.outOfOrderWindowMs,
      ...(config.maxExemplars === undefined ? {} : { maxExemplars: config.maxExemplars }),
    });
    for (const error of this.config.errors) if (!config.errors.includes(error)) this.notifications.clear(error);
    for (const error of config.errors) this.notifications.add(error);
    this.config = config;
    for (const { settings, groups } of builtin) await this.scraping.updateTargets(settings.jobName, groups);
    this.discovery.applyConfig(config.discovery);
  }

  private builtinTargets(config: RuntimeConfig): BuiltinTarget[] {
    const choice = this.options.builtinTargets;
    const wanted = choice === "auto" ? { host: config.builtinTargets, self: config.builtinTargets } : choice;
    const targets: BuiltinTarget[] = [];
    if (wanted.self) {
      const instance = `${this.options.listen[0]?.host || "localhost"}:${this.ports[0]}`;
      targets.push(builtinTarget("belfry", instance, async () => this.registry.render("text")));
    }
    if (wanted.host) {
      this.hostCollector ??= createHostCollector({ log: this.options.log, clock: this.options.clock });
      const collector = this.hostCollector;
      targets.push(builtinTarget("node", hostInstance(), () => collector.collect()));
    }
    // A job of the configuration with the same name is what the user means.
    const configured = new Set(config.pools.map((pool) => pool.jobName));
    return targets.filter((target) => !configured.has(target.settings.jobName));
  }

  private startRetention(): void {
    const timer = this.options.clock.setInterval(() => {
      this.storage.enforceRetention(this.diskBudget()).catch((error: unknown) => {
        this.options.log.error("Could not enforce the retention", { err: error });
      });
    }, RETENTION_INTERVAL_MS);
    this.stopTimers.push(() => timer.cancel());
  }

  private diskBudget(): number | undefined {
    return this.options.diskBudgetBytes ?? this.config.diskBudgetBytes;
  }

  private registerOwnMetrics(): void {
    const { registry } = this;
    registry.gaugeVecFunc("belfry_build_info", "1, with the version as a label.", ["version", "node"], (emit) =>
      emit(1, VERSION, process.version),
    );
    registry.gaugeFunc("belfry_ready", "1 when ready to serve.", () => (this.isReady ? 1 : 0));
    registry.gaugeFunc("belfry_config_last_reload_successful", "1 when the last reload succeeded.", () =>
      this.reloadSucceeded ? 1 : 0,
    );
    registry.gaugeFunc(
      "belfry_config_last_reload_success_timestamp_seconds",
      "When the configuration was last loaded.",
      () => this.lastConfigTimeMs / 1000,
    );
    registry.gaugeFunc("belfry_budget_memory_bytes", "--budget.memory.", () => this.memoryBudgetBytes);
    registry.gaugeFunc("belfry_engine_queries", "Queries being evaluated.", () => this.engine.load.running);
    registry.gaugeFunc("belfry_engine_queries_queued", "Queries waiting.", () => this.engine.load.queued);
    registry.gaugeFunc(
      "belfry_engine_queries_concurrent_max",
      "Queries evaluated at the same time at most.",
      () => this.engine.load.maxConcurrency,
    );
  }

  private buildHttp(): FastifyInstance {
    const { options, registry, storage } = this;
    const seconds = registry.histogramVec("belfry_http_request_duration_seconds", "Time requests took.", ["handler"]);
    const requests = registry.counterVec("belfry_http_requests_total", "Requests.", ["handler", "method", "code"]);
    const bytes = registry.counterVec("belfry_http_response_size_bytes_total", "Bytes answered.", ["handler"]);
    const app = createHttpServer({
      corsOrigin: options.corsOrigin,
      uiFolder: uiFolder(),
      observe(handler, method, status, elapsed, size) {
        seconds.with(handler).observe(elapsed);
        requests.with(handler, method, String(status)).inc();
        bytes.with(handler).inc(size);
      },
      logError: (error, request) => options.log.error("Request failed", { ...request, err: error }),
    });
    registerManagementRoutes(app, {
      lifecycleEnabled: options.lifecycleEnabled,
      ready: () => this.isReady,
      reload: () => this.reload(),
      quit: () => options.onQuit(),
      metrics: (accept) => {
        const format = negotiateExposition(accept);
        return { body: registry.render(format), contentType: EXPOSITION_CONTENT_TYPES[format] };
      },
      version: VERSION,
    });
    const receiver = createRemoteWriteReceiver({
      appendable: storage.store,
      registry,
      log: options.log,
      clock: options.clock,
      typeAndUnitLabels: options.features.has("type-and-unit-labels"),
    });
    registerPrometheusRoutes(app, {
      query: {
        engine: this.engine,
        queryable: storage.store,
        exemplars: storage.store,
        parserOptions: this.engine.parserOptions,
        clock: options.clock,
      },
      labels: storage.store,
      metadata: storage.store,
      labelsFromRecord: (record) => Labels.fromRecord(record),
      hostname: hostname(),
      write: options.remoteWriteEnabled
        ? { handle: (request) => receiver.handle(request), maxBodyBytes: DEFAULT_REMOTE_WRITE_LIMITS.maxBodyBytes }
        : undefined,
      targets: {
        pools: () => this.scraping.poolNames(),
        active: (pool) => this.scraping.activeTargets(pool).map((t) => ({ ...t, globalUrl: globalUrl(t.scrapeUrl) })),
        dropped: (pool) => this.scraping.droppedTargets(pool),
        droppedCounts: () => this.scraping.droppedCounts(),
        poolConfig: (pool) =>
          this.config.poolYaml.get(pool) ?? (this.scraping.poolNames().includes(pool) ? "# built in\n" : undefined),
        relabelSteps: (pool, labels) => this.config.relabelSteps(pool, labels),
      },
      status: this.statusSource(),
      admin: {
        enabled: options.adminEnabled,
        deleteSeries: (sets, startMs, endMs) =>
          storage.store.deleteSeries(sets, startMs, endMs, {
            signal: AbortSignal.timeout(600_000),
            budget: { charge() {}, release() {} },
          }),
        cleanTombstones: () => storage.store.cleanTombstones(),
        snapshot: (skipHead) => storage.store.snapshot(skipHead),
      },
    });
    return app;
  }

  private statusSource(): Parameters<typeof registerPrometheusRoutes>[1]["status"] {
    const { options, storage, registry } = this;
    return {
      configYaml: () => this.config.yaml,
      flags: () => options.flags,
      build: () => ({
        // Grafana reads the version to decide which API it may use; Belfry answers as this Prometheus does.
        version: COMPATIBLE_PROMETHEUS_VERSION,
        revision: `belfry-${VERSION}`,
        branch: "belfry",
        buildUser: "belfry",
        buildDate: "",
        goVersion: `node${process.version}`,
      }),
      runtime: () => ({
        startTimeMs: this.startTimeMs,
        reloadConfigSuccess: this.reloadSucceeded,
        lastConfigTimeMs: this.lastConfigTimeMs,
        storageRetention: retentionText(
          options.retentionMs ?? this.config.retentionMs ?? DEFAULT_RETENTION_MS,
          this.diskBudget(),
        ),
        memoryLimitBytes: this.memoryBudgetBytes,
      }),
      tsdb: (limit) => {
        const stats = storage.store.tsdbStats(limit);
        return {
          headStats: {
            numSeries: stats.numSeries,
            numLabelPairs: stats.numLabelPairs,
            chunkCount: stats.chunkCount,
            minTime: Number.isFinite(stats.minTimeMs) ? stats.minTimeMs : 0,
            maxTime: Number.isFinite(stats.maxTimeMs) ? stats.maxTimeMs : 0,
          },
          seriesCountByMetricName: stats.seriesCountByMetricName,
          labelValueCountByLabelName: stats.labelValueCountByLabelName,
          memoryInBytesByLabelName: stats.memoryInBytesByLabelName,
          seriesCountByLabelValuePair: stats.seriesCountByLabelValuePair,
        };
      },
      replay: () => {
        const rebuild = storage.store.rebuildStatus();
        return { min: 0, max: rebuild.totalSteps, current: rebuild.doneSteps, state: rebuild.state };
      },
      features: () =>
        featureReport(options.features, {
          admin: options.adminEnabled,
          lifecycle: options.lifecycleEnabled,
          remoteWrite: options.remoteWriteEnabled,
        }),
      notifications: () => this.notifications.list(),
      onNotification: (listener) => this.notifications.onChange(listener),
      selfMetrics: () => selfMetricFamilies(registry.render("text")),
    };
  }
}

/** COMPATIBLE_PROMETHEUS_VERSION is the Prometheus whose API and language Belfry answers with. */
const COMPATIBLE_PROMETHEUS_VERSION = "3.10.0";

function retentionText(retentionMs: number, diskBudgetBytes: number | undefined): string {
  const days = retentionMs / 86_400_000;
  const time = Number.isInteger(days) ? `${days}d` : `${Math.round(retentionMs / 1000)}s`;
  return diskBudgetBytes === undefined ? time : `${time} or ${diskBudgetBytes}B`;
}

// Targets on this machine are shown under its name, as they would be reached from elsewhere.
function globalUrl(scrapeUrl: string): string {
  try {
    const url = new URL(scrapeUrl);
    if (["localhost", "127.0.0.1", "[::1]"].includes(url.hostname)) url.hostname = hostname();
    return url.href;
  } catch {
    return scrapeUrl;
  }
}

function uiFolder(): string | undefined {
  const here = fileURLToPath(new URL(".", import.meta.url));
  const candidates = [join(here, "..", "..", "..", "ui", "dist"), join(here, "ui"), join(here, "..", "ui")];
  return candidates.find((folder) => existsSync(join(folder, "index.html")));
}
