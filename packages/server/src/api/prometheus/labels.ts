// series, labels and label values of the Prometheus API.
import { compareLabels, quoteGo, type Labels } from "@belfry/core/model";
import type { FastifyInstance } from "fastify";
import type { MetadataQueryable } from "../../metrics/queryable.ts";
import { ApiError } from "../errors.ts";
import { labelsJson } from "../json.ts";
import { MAX_TIME_MS, MIN_TIME_MS, parseForm } from "../params.ts";
import { metadataContext } from "../request-context.ts";
import { notesJson, sendData, sendPieces } from "../respond.ts";

const TRUNCATED = "results truncated due to limit";

/** registerLabelRoutes adds the routes below `/api/v1`. */
export function registerLabelRoutes(app: FastifyInstance, store: MetadataQueryable): void {
  app.route({
    method: ["GET", "POST"],
    url: "/labels",
    handler: async (request, reply) => {
      const form = parseForm(request.url, request.body);
      const limit = form.limit();
      const startMs = form.time("start", MIN_TIME_MS);
      const endMs = form.time("end", MAX_TIME_MS);
      const matchers = form.matcherSets();
      const found = await store.labelNames(matchers, startMs, endMs, onePast(limit), metadataContext(request, reply));
      return sendData(request, reply, ...truncate(found.values, limit, found.warnings));
    },
  });

  app.get<{ Params: { name: string } }>("/label/:name/values", async (request, reply) => {
    const form = parseForm(request.url, undefined);
    const name = unescapeLabelName(request.params.name);
    if (name === "") throw new ApiError("bad_data", `invalid label name: ${quoteGo(name)}`);
    const limit = form.limit();
    const startMs = form.time("start", MIN_TIME_MS);
    const endMs = form.time("end", MAX_TIME_MS);
    const matchers = form.matcherSets();
    const found = await store.labelValues(
      name,
      matchers,
      startMs,
      endMs,
      onePast(limit),
      metadataContext(request, reply),
    );
    return sendData(request, reply, ...truncate(found.values, limit, found.warnings));
  });

  app.route({
    method: ["GET", "POST"],
    url: "/series",
    handler: async (request, reply) => {
      const form = parseForm(request.url, request.body);
      if (form.getAll("match[]").length === 0) throw new ApiError("bad_data", "no match[] parameter provided");
      const limit = form.limit();
      const startMs = form.time("start", MIN_TIME_MS);
      const endMs = form.time("end", MAX_TIME_MS);
      const matchers = form.matcherSets();
      const found = await store.series(matchers, startMs, endMs, onePast(limit), metadataContext(request, reply));
      found.values.sort(compareLabels);
      const [values, notes] = truncate(found.values, limit, found.warnings);
      return sendPieces(
        request,
        reply,
        (function* pieces() {
          yield '{"status":"success","data":[';
          yield* seriesPieces(values);
          yield `]${notesJson(notes)}}`;
        })(),
        "application/json",
      );
    },
  });

  app.delete("/series", async () => {
    throw new ApiError("internal", "not implemented");
  });
}

function* seriesPieces(values: readonly Labels[]): Generator<string, void, void> {
  let piece = "";
  let first = true;
  for (const labels of values) {
    piece += (first ? "" : ",") + labelsJson(labels);
    first = false;
    if (piece.length >= 65_536) {
      yield piece;
      piece = "";
    }
  }
  yield piece;
}

// One more than asked for tells whether the answer was cut.
function onePast(limit: number): number {
  return limit === 0 ? 0 : limit + 1;
}

function truncate<T>(values: T[], limit: number, warnings: string[]): [T[], { warnings: string[] }] {
  if (limit === 0 || values.length <= limit) return [values, { warnings }];
  // The store may have said so itself.
  return [values.slice(0, limit), { warnings: [...new Set([...warnings, TRUNCATED])] }];
}

/** unescapeLabelName undoes the `U__` escaping of UTF-8 names in URL paths (each `_hex_` is a code point, `__` an underscore). */
export function unescapeLabelName(name: string): string {
  if (!name.startsWith("U__")) return name;
  const body = name.slice(3);
  let out = "";
  for (let i = 0; i < body.length;) {
    if (body[i] !== "_") {
      out += body[i++];
      continue;
    }
    if (body[i + 1] === "_") {
      out += "_";
      i += 2;
      continue;
    }
    const end = body.indexOf("_", i + 1);
    const hex = end < 0 ? "" : body.slice(i + 1, end);
    if (!/^[0-9a-fA-F]{1,6}$/.test(hex)) return name;
    const codePoint = parseInt(hex, 16);
    if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) return name;
    out += String.fromCodePoint(codePoint);
    i = end + 1;
  }
  return out;
}
