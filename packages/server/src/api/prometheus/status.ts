// status/*, features, notifications and the admin routes of the Prometheus API.
import type { ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import type { Matcher } from "@belfry/core/model";
import { parseMetricSelector } from "@belfry/core/promql";
import { ApiError, invalidParameter, messageOf } from "../errors.ts";
import { MAX_TIME_MS, MIN_TIME_MS, parseForm } from "../params.ts";
import { sendData } from "../respond.ts";
import { rfc3339 } from "./targets.ts";

/** NamedCount is one row of the cardinality statistics. */
export interface NamedCount {
  name: string;
  value: number;
}

/** StatusSource is what the status routes show. */
export interface StatusSource {
  configYaml(): string;
  flags(): Record<string, string>;
  build(): {
    version: string;
    revision: string;
    branch: string;
    buildUser: string;
    buildDate: string;
    goVersion: string;
  };
  runtime(): {
    startTimeMs: number;
    reloadConfigSuccess: boolean;
    lastConfigTimeMs: number;
    storageRetention: string;
    memoryLimitBytes: number;
  };
  tsdb(limit: number): {
    headStats: { numSeries: number; numLabelPairs: number; chunkCount: number; minTime: number; maxTime: number };
    seriesCountByMetricName: NamedCount[];
    labelValueCountByLabelName: NamedCount[];
    memoryInBytesByLabelName: NamedCount[];
    seriesCountByLabelValuePair: NamedCount[];
  };
  replay(): { min: number; max: number; current: number };
  features(): Record<string, Record<string, boolean>>;
  notifications(): { text: string; date: string; active: boolean }[];
  /** onNotification calls back for every change until the returned function is called. */
  onNotification(listener: (notification: { text: string; date: string; active: boolean }) => void): () => void;
  /** selfMetrics lists our own metric families in the JSON form of the exposition protobuf. */
  selfMetrics(): { name: string; help: string; type: string; metric: unknown[] }[];
}

/** AdminSource changes what is stored. */
export interface AdminSource {
  /** enabled is false unless the admin API was switched on. */
  readonly enabled: boolean;
  deleteSeries(matcherSets: readonly (readonly Matcher[])[], startMs: number, endMs: number): Promise<void>;
  cleanTombstones(): Promise<void>;
  /** snapshot returns the name of the snapshot's folder. */
  snapshot(skipHead: boolean): Promise<string>;
}

// Each holds a connection open. Upstream's default; further ones are told 204, on which browsers do not come back.
const MAX_NOTIFICATION_SUBSCRIBERS = 16;

/** registerStatusRoutes adds the routes below `/api/v1`. */
export function registerStatusRoutes(app: FastifyInstance, status: StatusSource, hostname: string): void {
  app.get("/status/config", async (request, reply) => sendData(request, reply, { yaml: status.configYaml() }));
  app.get("/status/flags", async (request, reply) => sendData(request, reply, status.flags()));
  app.get("/status/buildinfo", async (request, reply) => sendData(request, reply, status.build()));
  app.get("/status/runtimeinfo", async (request, reply) => {
    const runtime = status.runtime();
    return sendData(request, reply, {
      startTime: rfc3339(runtime.startTimeMs),
      CWD: process.cwd(),
      hostname,
      serverTime: new Date().toISOString(),
      reloadConfigSuccess: runtime.reloadConfigSuccess,
      lastConfigTime: rfc3339(runtime.lastConfigTimeMs),
      corruptionCount: 0,
      // There are no goroutines here; the members exist because clients of the API expect them.
      goroutineCount: 1,
      GOMAXPROCS: 1,
      GOMEMLIMIT: runtime.memoryLimitBytes,
      GOGC: "",
      GODEBUG: "",
      storageRetention: runtime.storageRetention,
    });
  });
  app.get("/status/tsdb", async (request, reply) => {
    const text = parseForm(request.url, undefined).get("limit");
    let limit = 10;
    if (text !== "") {
      limit = Number(text);
      if (!/^\d+$/.test(text) || limit < 1) throw new ApiError("bad_data", "limit must be a positive number");
      if (limit > 10_000) throw new ApiError("bad_data", "limit must not exceed 10000");
    }
    return sendData(request, reply, status.tsdb(limit));
  });
  // What upstream calls blocks are files of its own store; ours has none.
  app.get("/status/tsdb/blocks", async (request, reply) => sendData(request, reply, { blocks: [] }));
  app.get("/status/walreplay", async (request, reply) => {
    const { min, max, current } = status.replay();
    return sendData(request, reply, { min, max, current });
  });
  app.get("/status/self_metrics", async (request, reply) => {
    const pattern = parseForm(request.url, undefined).get("metric_name_pattern");
    let families = status.selfMetrics();
    if (pattern !== "") {
      const { compileAnchored } = await import("@belfry/core/model");
      let regex;
      try {
        regex = compileAnchored(pattern);
      } catch (error) {
        throw invalidParameter("metric_name_pattern", error);
      }
      families = families.filter((family) => regex.test(family.name));
    }
    return sendData(request, reply, families);
  });
  app.get("/features", async (request, reply) => sendData(request, reply, status.features()));
  app.get("/notifications", async (request, reply) => sendData(request, reply, status.notifications()));
  const subscribers = new Set<ServerResponse>();
  app.addHook("preClose", async () => {
    for (const subscriber of subscribers) subscriber.end();
  });
  app.get("/notifications/live", async (_request, reply) => {
    if (subscribers.size >= MAX_NOTIFICATION_SUBSCRIBERS) return reply.status(204).send();
    reply.hijack();
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      "content-type": "text/event-stream",
      "cache-control": "no-cache",
      connection: "keep-alive",
    });
    // There may be nothing to tell for days, and a client is connected only when it has seen the headers.
    reply.raw.flushHeaders();
    const send = (notification: { text: string; date: string; active: boolean }): void => {
      reply.raw.write(`data: ${JSON.stringify(notification)}\n\n`);
    };
    for (const notification of status.notifications()) send(notification);
    const stop = status.onNotification(send);
    subscribers.add(reply.raw);
    reply.raw.once("close", () => {
      subscribers.delete(reply.raw);
      stop();
    });
  });
  // Rules and alerts are not evaluated yet; clients such as Grafana ask anyway and must be told "none".
  app.get("/rules", async (request, reply) => sendData(request, reply, { groups: [] }));
  app.get("/alerts", async (request, reply) => sendData(request, reply, { alerts: [] }));
  app.get("/alertmanagers", async (request, reply) =>
    sendData(request, reply, { activeAlertmanagers: [], droppedAlertmanagers: [] }),
  );
}

/** registerAdminRoutes adds the routes below `/api/v1/admin/tsdb`. */
export function registerAdminRoutes(app: FastifyInstance, admin: AdminSource): void {
  const mustBeEnabled = (): void => {
    if (!admin.enabled) throw new ApiError("unavailable", "admin APIs disabled");
  };
  app.route({
    method: ["POST", "PUT"],
    url: "/admin/tsdb/delete_series",
    handler: async (request, reply) => {
      mustBeEnabled();
      const form = parseForm(request.url, request.body ?? undefined);
      const texts = form.getAll("match[]");
      if (texts.length === 0) throw new ApiError("bad_data", "no match[] parameter provided");
      const startMs = form.time("start", MIN_TIME_MS);
      const endMs = form.time("end", MAX_TIME_MS);
      const sets = texts.map((text) => {
        try {
          return parseMetricSelector(text);
        } catch (error) {
          throw invalidParameter("match[]", error);
        }
      });
      await admin.deleteSeries(sets, startMs, endMs);
      return reply.status(204).send();
    },
  });
  app.route({
    method: ["POST", "PUT"],
    url: "/admin/tsdb/clean_tombstones",
    handler: async (_request, reply) => {
      mustBeEnabled();
      await admin.cleanTombstones();
      return reply.status(204).send();
    },
  });
  app.route({
    method: ["POST", "PUT"],
    url: "/admin/tsdb/snapshot",
    handler: async (request, reply) => {
      mustBeEnabled();
      const form = parseForm(request.url, request.body ?? undefined);
      let skipHead: boolean;
      try {
        skipHead = form.boolean("skip_head", false);
      } catch (error) {
        throw invalidParameter("skip_head", `unable to parse boolean: ${messageOf(error)}`);
      }
      return sendData(request, reply, { name: await admin.snapshot(skipHead) });
    },
  });
}
