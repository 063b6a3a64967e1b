// targets, scrape_pools and metadata of the Prometheus API.
import { matchesAll, type Labels, type Matcher, type MetricMetadata } from "@belfry/core/model";
import { parseMetricSelector } from "@belfry/core/promql";
import type { FastifyInstance } from "fastify";
import type { MetadataSource } from "../../metrics/queryable.ts";
import { ApiError, invalidParameter } from "../errors.ts";
import { parseForm } from "../params.ts";
import { sendData } from "../respond.ts";

/** ActiveTargetView is one scraped target as the API shows it. */
export interface ActiveTargetView {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  globalUrl: string;
  lastError: string;
  /** lastScrapeMs is Unix milliseconds, 0 before the first scrape. */
  lastScrapeMs: number;
  lastScrapeDurationSeconds: number;
  health: "up" | "down" | "unknown";
  scrapeInterval: string;
  scrapeTimeout: string;
  /** metadata lists what the target said of its metric families. */
  metadata(): Iterable<readonly [string, MetricMetadata]>;
}

/** TargetSource is what the routes need of the scrape machinery. */
export interface TargetSource {
  /** pools are the names of all scrape pools, sorted. */
  pools(): string[];
  active(pool?: string): ActiveTargetView[];
  dropped(pool?: string): { discoveredLabels: Labels; scrapePool: string }[];
  /** droppedCounts counts dropped targets by pool, those not kept included. */
  droppedCounts(): Record<string, number>;
  /** poolConfig is the YAML of one pool's configuration, undefined for an unknown pool. */
  poolConfig(pool: string): string | undefined;
  /** relabelSteps applies the pool's relabel rules one by one, undefined for an unknown pool. */
  relabelSteps(
    pool: string,
    labels: Labels,
  ): { rule: unknown; output: Record<string, string>; keep: boolean }[] | undefined;
}

/** rfc3339 writes milliseconds as upstream writes times; 0 is Go's zero time. */
export function rfc3339(timeMs: number): string {
  return timeMs === 0 ? "0001-01-01T00:00:00Z" : new Date(timeMs).toISOString();
}

/** registerTargetRoutes adds the routes below `/api/v1`. */
export function registerTargetRoutes(
  app: FastifyInstance,
  targets: TargetSource,
  metadata: MetadataSource,
  labelsFromRecord: (record: Record<string, string>) => Labels,
): void {
  app.get("/targets", async (request, reply) => {
    const form = parseForm(request.url, undefined);
    const state = form.get("state").toLowerCase();
    const pool = form.get("scrapePool");
    const all = state === "" || state === "any";
    const active = all || state === "active" ? targets.active(pool === "" ? undefined : pool) : [];
    const showDropped = all || state === "dropped";
    return sendData(request, reply, {
      activeTargets: active.map((target) => ({
        discoveredLabels: target.discoveredLabels,
        labels: target.labels,
        scrapePool: target.scrapePool,
        scrapeUrl: target.scrapeUrl,
        globalUrl: target.globalUrl,
        lastError: target.lastError,
        lastScrape: rfc3339(target.lastScrapeMs),
        lastScrapeDuration: target.lastScrapeDurationSeconds,
        health: target.health,
        scrapeInterval: target.scrapeInterval,
        scrapeTimeout: target.scrapeTimeout,
      })),
      droppedTargets: showDropped ? targets.dropped(pool === "" ? undefined : pool) : [],
      droppedTargetCounts: showDropped ? targets.droppedCounts() : {},
    });
  });

  app.get("/targets/metadata", async (request, reply) => {
    const form = parseForm(request.url, undefined);
    const limit = metadataLimit(form.get("limit"), "limit");
    const matchTarget = form.get("match_target");
    let matchers: Matcher[] = [];
    if (matchTarget !== "") {
      try {
        matchers = parseMetricSelector(matchTarget);
      } catch (error) {
        throw invalidParameter("match_target", error);
      }
    }
    const metric = form.get("metric");
    const found: { target: Labels; metric?: string; type: string; help: string; unit: string }[] = [];
    for (const target of targets.active()) {
      if (limit >= 0 && found.length >= limit) break;
      if (!matchesAll(target.labels, matchers)) continue;
      for (const [family, { type, help, unit }] of target.metadata()) {
        if (metric === "") found.push({ target: target.labels, metric: family, type, help, unit });
        else if (metric === family) found.push({ target: target.labels, type, help, unit });
        if (limit >= 0 && found.length >= limit) break;
      }
    }
    return sendData(request, reply, found);
  });

  app.get("/targets/relabel_steps", async (request, reply) => {
    const form = parseForm(request.url, undefined);
    const pool = form.get("scrapePool");
    if (pool === "") throw new ApiError("bad_data", "no scrapePool parameter provided");
    const text = form.get("labels");
    if (text === "") throw new ApiError("bad_data", "no labels parameter provided");
    let record: unknown;
    try {
      record = JSON.parse(text);
    } catch (error) {
      throw invalidParameter("labels", error);
    }
    if (typeof record !== "object" || record === null || Array.isArray(record)) {
      throw invalidParameter("labels", "expected a JSON object of label names and values");
    }
    const steps = targets.relabelSteps(pool, labelsFromRecord(record as Record<string, string>));
    if (steps === undefined) throw new ApiError("bad_data", `scrape pool not found: ${pool}`);
    return sendData(request, reply, { steps });
  });

  app.get("/scrape_pools", async (request, reply) => sendData(request, reply, { scrapePools: targets.pools() }));

  app.get("/scrape_pools/config", async (request, reply) => {
    const pool = parseForm(request.url, undefined).get("scrapePool");
    if (pool === "") throw new ApiError("bad_data", "no scrapePool parameter provided");
    const yaml = targets.poolConfig(pool);
    if (yaml === undefined) throw new ApiError("not_found", `scrape pool not found: ${pool}`);
    return sendData(request, reply, { yaml });
  });

  app.get("/metadata", async (request, reply) => {
    const form = parseForm(request.url, undefined);
    const limit = metadataLimit(form.get("limit"), "limit");
    const limitPerMetric = metadataLimit(form.get("limit_per_metric"), "limit_per_metric");
    const metric = form.get("metric");
    const out: Record<string, MetricMetadata[]> = {};
    let count = 0;
    for (const [family, entries] of metadata.allMetadata()) {
      if (metric !== "" && family !== metric) continue;
      if (limit >= 0 && count >= limit) break;
      out[family] = (limitPerMetric > 0 ? entries.slice(0, limitPerMetric) : entries).map(({ type, help, unit }) => ({
        type,
        help,
        unit,
      }));
      count++;
    }
    return sendData(request, reply, out);
  });
}

// -1 means no limit, as upstream reads these two.
function metadataLimit(text: string, name: string): number {
  if (text === "") return -1;
  if (!/^[+-]?\d+$/.test(text)) throw new ApiError("bad_data", `${name} must be a number`);
  return Number(text);
}
