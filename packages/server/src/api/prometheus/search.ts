// The search routes of the Prometheus API: names and values by relevance, answered as NDJSON batches.
import { compareStrings, METRIC_NAME } from "@belfry/core/model";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { MetadataQueryable, MetadataSource, QueryContext } from "../../metrics/queryable.ts";
import { ApiError } from "../errors.ts";
import { type Form, MAX_TIME_MS, MIN_TIME_MS, parseForm } from "../params.ts";
import { metadataContext } from "../request-context.ts";
import { sendPieces } from "../respond.ts";
import { jaroWinklerScorer, type Scorer, subsequenceScorer } from "./fuzzy.ts";

interface SearchParameters {
  accept(candidate: string): number;
  sortBy: string;
  descending: boolean;
  limit: number;
  batchSize: number;
  includeScore: boolean;
}

interface Found {
  value: string;
  score: number;
}

/** registerSearchRoutes adds the routes below `/api/v1/search`. */
export function registerSearchRoutes(app: FastifyInstance, store: MetadataQueryable, metadata: MetadataSource): void {
  const route = (
    path: string,
    candidates: (form: Form, context: QueryContext) => Promise<{ values: string[]; warnings: string[] }>,
    describe: (found: Found, form: Form) => Record<string, unknown>,
  ): void => {
    app.route({
      method: ["GET", "POST"],
      url: path,
      handler: async (request: FastifyRequest, reply: FastifyReply) => {
        const form = parseForm(request.url, request.body);
        const parameters = searchParameters(form, path.slice(path.lastIndexOf("/") + 1));
        const { values, warnings } = await candidates(form, metadataContext(request, reply));
        const found = search(values, parameters);
        const shown = found.slice(0, parameters.limit);
        return sendPieces(
          request,
          reply,
          batches(
            shown.map((result) => ({
              ...describe(result, form),
              ...(parameters.includeScore ? { score: result.score } : {}),
            })),
            parameters.batchSize,
            warnings,
            found.length > shown.length,
          ),
          "application/x-ndjson; charset=utf-8",
        );
      },
    });
  };
  const times = (form: Form): [number, number] => [form.time("start", MIN_TIME_MS), form.time("end", MAX_TIME_MS)];

  route(
    "/search/metric_names",
    (form, context) => store.labelValues(METRIC_NAME, form.matcherSets(), ...times(form), 0, context),
    (found, form) => ({
      name: found.value,
      ...(form.boolean("include_metadata", false) ? metadataOf(metadata, found.value) : {}),
    }),
  );
  route(
    "/search/label_names",
    (form, context) => store.labelNames(form.matcherSets(), ...times(form), 0, context),
    (found) => ({ name: found.value }),
  );
  route(
    "/search/label_values",
    (form, context) => {
      const label = form.get("label");
      if (label === "") throw new ApiError("bad_data", "label parameter is required");
      return store.labelValues(label, form.matcherSets(), ...times(form), 0, context);
    },
    (found) => ({ value: found.value }),
  );
}

function metadataOf(metadata: MetadataSource, name: string): Record<string, unknown> {
  const known = metadata.metadata(name);
  return known ? { type: known.type, help: known.help, unit: known.unit } : {};
}

function searchParameters(form: Form, route: string): SearchParameters {
  const threshold = integer(form, "fuzz_threshold", 0);
  if (threshold > 100) throw new ApiError("bad_data", `invalid fuzz_threshold "${threshold}": must be 0-100`);
  const algorithm = form.get("fuzz_alg");
  if (algorithm !== "" && algorithm !== "subsequence" && algorithm !== "jarowinkler") {
    throw new ApiError(
      "bad_data",
      `unsupported fuzz_alg ${JSON.stringify(algorithm)}: must be "subsequence" or "jarowinkler"`,
    );
  }
  const caseSensitive = form.boolean("case_sensitive", true);
  const sortBy = form.get("sort_by");
  if (sortBy !== "" && sortBy !== "alpha" && sortBy !== "score") {
    throw new ApiError("bad_data", `invalid sort_by ${JSON.stringify(sortBy)} for ${route}: must be alpha or score`);
  }
  const direction = form.get("sort_dir");
  if (direction !== "" && sortBy !== "alpha") {
    throw new ApiError("bad_data", "sort_dir is only valid when sort_by=alpha");
  }
  if (direction !== "" && direction !== "asc" && direction !== "dsc") {
    throw new ApiError("bad_data", `invalid sort_dir ${JSON.stringify(direction)}: must be "asc" or "dsc"`);
  }
  const terms = [...form.getAll("search[]"), ...form.getAll("search")].filter((term) => term !== "");
  const fold = (text: string): string => (caseSensitive ? text : text.toLowerCase());
  const makeScorer = algorithm === "jarowinkler" ? jaroWinklerScorer : subsequenceScorer;
  const scorers: Scorer[] = terms.map((term) => makeScorer(fold(term)));
  return {
    accept(candidate) {
      if (scorers.length === 0) return 1;
      const folded = fold(candidate);
      let best = 0;
      for (const scorer of scorers) {
        const score = scorer(folded);
        if (score >= threshold / 100 && score > best) best = score;
      }
      return best;
    },
    sortBy,
    descending: direction === "dsc",
    limit: integer(form, "limit", 100) || 100,
    batchSize: integer(form, "batch_size", 100) || 100,
    includeScore: form.boolean("include_score", false),
  };
}

function integer(form: Form, name: string, fallback: number): number {
  const text = form.get(name);
  if (text === "") return fallback;
  if (!/^\d+$/.test(text)) {
    throw new ApiError("bad_data", `invalid ${name} ${JSON.stringify(text)}: must be non-negative integer`);
  }
  return Number(text);
}

function search(values: readonly string[], parameters: SearchParameters): Found[] {
  const found: Found[] = [];
  for (const value of values) {
    const score = parameters.accept(value);
    if (score > 0) found.push({ value, score });
  }
  found.sort((a, b) => {
    if (parameters.sortBy === "score" && a.score !== b.score) return b.score - a.score;
    const order = compareStrings(a.value, b.value);
    return parameters.descending ? -order : order;
  });
  return found;
}

function* batches(
  results: readonly unknown[],
  batchSize: number,
  warnings: readonly string[],
  hasMore: boolean,
): Generator<string, void, void> {
  const notes = warnings.length > 0 ? { warnings } : {};
  if (results.length === 0) yield JSON.stringify({ results: [], ...notes }) + "\n";
  for (let i = 0; i < results.length; i += batchSize) {
    yield JSON.stringify({ results: results.slice(i, i + batchSize), ...(i === 0 ? notes : {}) }) + "\n";
  }
  yield JSON.stringify({ status: "success", has_more: hasMore }) + "\n";
}
