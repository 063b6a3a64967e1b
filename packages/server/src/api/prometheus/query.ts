// query, query_range, query_exemplars, format_query and parse_query of the Prometheus API.
import { parseExpr, prettyExpr, toApiAst, walk, type Expr, type ParserOptions } from "@belfry/core/promql";
import type { Matcher } from "@belfry/core/model";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Engine, QueryResult } from "../../metrics/engine/index.ts";
import type { ExemplarQueryable, Queryable } from "../../metrics/queryable.ts";
import type { Clock } from "../../lib/clock.ts";
import { ApiError, invalidParameter, messageOf } from "../errors.ts";
import { formatTimestamp, formatValue, labelsJson, resultPieces } from "../json.ts";
import { type Form, MAX_TIME_MS, MIN_TIME_MS, parseApiDuration, parseForm } from "../params.ts";
import { closedSignal, metadataContext } from "../request-context.ts";
import { notesJson, sendData, sendPieces } from "../respond.ts";

// Sufficient for 60 s resolution for a week or 1 h resolution for a year; the limit of upstream.
const MAX_POINTS_PER_SERIES = 11_000;

/** QueryRouteOptions is what the query routes need. */
export interface QueryRouteOptions {
  engine: Engine;
  queryable: Queryable;
  exemplars: ExemplarQueryable;
  parserOptions: ParserOptions;
  clock: Clock;
}

/** registerQueryRoutes adds the routes below `/api/v1`. */
export function registerQueryRoutes(app: FastifyInstance, options: QueryRouteOptions): void {
  const both = (path: string, handler: (request: FastifyRequest, reply: FastifyReply, form: Form) => unknown): void => {
    app.route({
      method: ["GET", "POST"],
      url: path,
      handler: async (request, reply) => handler(request, reply, parseForm(request.url, request.body)),
    });
  };

  both("/query", async (request, reply, form) => {
    const limit = form.limit();
    const timeMs = form.time("time", Math.floor(options.clock.now()));
    const result = await wrapParse("query", () =>
      options.engine.instant(options.queryable, form.get("query"), timeMs, queryOptions(request, reply, form)),
    );
    return sendResult(request, reply, result, limit, form.get("stats"));
  });

  both("/query_range", async (request, reply, form) => {
    const limit = form.limit();
    const startMs = form.requiredTime("start");
    const endMs = form.requiredTime("end");
    if (endMs < startMs) throw invalidParameter("end", "end timestamp must not be before start time");
    const stepMs = form.duration("step");
    if (stepMs <= 0) {
      throw invalidParameter(
        "step",
        "zero or negative query resolution step widths are not accepted. Try a positive integer",
      );
    }
    if ((endMs - startMs) / stepMs > MAX_POINTS_PER_SERIES) {
      throw new ApiError(
        "bad_data",
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
      );
    }
    // Stored times are whole milliseconds, and so are steps; upstream truncates the same way.
    const wholeStepMs = Math.max(1, Math.trunc(stepMs));
    const result = await wrapParse("query", () =>
      options.engine.range(
        options.queryable,
        form.get("query"),
        startMs,
        endMs,
        wholeStepMs,
        queryOptions(request, reply, form),
      ),
    );
    return sendResult(request, reply, result, limit, form.get("stats"));
  });

  both("/query_exemplars", async (request, reply, form) => {
    const startMs = form.time("start", MIN_TIME_MS);
    const endMs = form.time("end", MAX_TIME_MS);
    if (endMs < startMs) {
      throw new ApiError("bad_data", "end timestamp must not be before start timestamp");
    }
    const expr = await wrapParse("query", () => parseExpr(form.get("query"), options.parserOptions));
    const selectors: Matcher[][] = [];
    walk(expr, (node: Expr) => {
      if (node.kind === "VectorSelector") selectors.push(node.matchers);
    });
    if (selectors.length === 0) return sendData(request, reply, []);
    const found = await options.exemplars.exemplars(selectors, startMs, endMs, metadataContext(request, reply));
    return sendPieces(request, reply, exemplarPieces(found), "application/json");
  });

  both("/format_query", async (request, reply, form) => {
    const expr = await wrapParse("query", () => parseExpr(form.get("query"), options.parserOptions));
    return sendData(request, reply, prettyExpr(expr));
  });

  both("/parse_query", async (request, reply, form) => {
    const expr = await wrapParse("query", () => parseExpr(form.get("query"), options.parserOptions));
    return sendData(request, reply, toApiAst(expr));
  });
}

function queryOptions(
  request: FastifyRequest,
  reply: FastifyReply,
  form: Form,
): { signal: AbortSignal; lookbackDeltaMs?: number; timeoutMs?: number; stats: "" | "all" } {
  const timeoutMs = form.get("timeout") === "" ? undefined : form.duration("timeout");
  // Time that is over before it begins; the engine takes 0 for "not limited".
  if (timeoutMs !== undefined && timeoutMs <= 0) throw new ApiError("timeout", "query timed out in query queue");
  return {
    signal: closedSignal(request, reply),
    stats: form.get("stats") === "all" ? "all" : "",
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(form.get("lookback_delta") === "" ? {} : { lookbackDeltaMs: lookbackDelta(form) }),
  };
}

function lookbackDelta(form: Form): number {
  try {
    return parseApiDuration(form.get("lookback_delta"));
  } catch (error) {
    throw new ApiError("bad_data", `error parsing lookback delta duration: ${messageOf(error)}`);
  }
}

// Upstream wraps what is wrong with the text of a query as `invalid parameter "query"`, but not what goes wrong later.
async function wrapParse<T>(parameter: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof Error && error.name === "ParseError") throw invalidParameter(parameter, error);
    if ((error as { code?: string }).code === "QUERY_PARSE") throw invalidParameter(parameter, error);
    throw error;
  }
}

function sendResult(
  request: FastifyRequest,
  reply: FastifyReply,
  result: QueryResult,
  limit: number,
  stats: string,
): FastifyReply {
  const warnings = [...result.warnings];
  const value = result.value;
  if (limit > 0) {
    if (value.type === "vector" && value.samples.length > limit) {
      value.samples = value.samples.slice(0, limit);
      warnings.push("results truncated due to limit");
    } else if (value.type === "matrix" && value.series.length > limit) {
      value.series = value.series.slice(0, limit);
      warnings.push("results truncated due to limit");
    }
  }
  const statsJson = stats === "" ? "" : `,"stats":${JSON.stringify(result.stats)}`;
  return sendPieces(
    request,
    reply,
    (function* pieces() {
      yield '{"status":"success","data":';
      yield* resultPieces(value);
      yield `${statsJson}}${notesJson({ warnings, infos: result.infos })}}`;
    })(),
    "application/json",
  );
}

function* exemplarPieces(found: Awaited<ReturnType<ExemplarQueryable["exemplars"]>>): Generator<string, void, void> {
  yield '{"status":"success","data":[';
  let first = true;
  for (const { labels, exemplars } of found) {
    const list = exemplars.map(
      (exemplar) =>
        `{"labels":${labelsJson(exemplar.labels)},"value":"${formatValue(exemplar.value)}","timestamp":${formatTimestamp(exemplar.timeMs)}}`,
    );
    yield `${first ? "" : ","}{"seriesLabels":${labelsJson(labels)},"exemplars":[${list.join(",")}]}`;
    first = false;
  }
  yield "]}";
}
