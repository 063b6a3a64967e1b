// Every route and method of Prometheus' OpenAPI description answers, with the described shape, for good requests and for
// bad ones. The description is part of the conformance data; where that is absent these tests are skipped.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeSnappy } from "../../packages/server/src/lib/snappy.ts";
import { hasConformance, readConformance } from "../conformance/data.ts";
import { type BelfryProcess, instant, startBelfry, waitFor } from "../support/belfry.ts";
import { exposes, ExpositionTarget, OPENMETRICS_FORMAT } from "../support/exposition-target.ts";
import { OpenApi, type OpenApiOperation } from "../support/openapi.ts";
import { encoded, type Parameters } from "../support/prometheus-api.ts";
import { pushV1 } from "../support/remote-write.ts";
import { encodeWriteRequestV1 } from "../support/remote-write-encoder.ts";

const FILE = "prometheus/openapi/openapi_3.2_golden.yaml";
const available = hasConformance(FILE);
const api = available ? new OpenApi(readConformance(FILE)) : undefined;

const now = Math.floor(Date.now() / 1000);
const range = { start: now - 600, end: now + 600 };

/** GOOD are requests that must succeed, by path; each is sent with every method that the path has. */
const GOOD: Readonly<Record<string, readonly Parameters[]>> = {
  "/query": [
    { query: "up" },
    { query: "pushed_histogram", time: now },
    { query: "{__name__=~'up|pushed_histogram'}[10m]", time: now + 60 },
    { query: "pushed_histogram[10m]", time: now },
    { query: "scalar(sum(up))" },
    { query: "up", time: "2026-01-02T13:37:00Z", timeout: "1m30s", lookback_delta: "5m" },
    { query: "up", time: now + 60, timeout: 90, lookback_delta: 300, stats: "all", limit: 1 },
    { query: "rate(up[10m])", time: now + 60, stats: "true" },
  ],
  "/query_range": [
    { query: "up", ...range, step: 15 },
    { query: "pushed_histogram", ...range, step: "1m", stats: "all", limit: 1, timeout: "30s", lookback_delta: "10m" },
    { query: "1", ...range, step: "0.5" },
  ],
  "/query_exemplars": [{ query: "requests_total", ...range }, { query: "nothing_of_that_name" }, { query: "1" }],
  "/format_query": [{ query: "sum by(job)(rate(up[5m]))" }],
  "/parse_query": [
    { query: "sum by(job)(rate(up{a!='b'}[5m] offset 1m)) / on(job) group_left(x) -y @ start() > bool 1" },
  ],
  "/labels": [{}, { ...range, "match[]": ["up", "{job='a'}"], limit: 2 }],
  "/label/{name}/values": [
    { name: "job" },
    { name: "__name__", ...range, "match[]": "up", limit: 1 },
    { name: "none" },
  ],
  "/search/metric_names": [
    { "search[]": "req", fuzz_threshold: 50, fuzz_alg: "jarowinkler", sort_by: "score", include_score: "true" },
    { include_metadata: "true", sort_by: "alpha", sort_dir: "dsc", limit: 3, batch_size: 1, case_sensitive: "false" },
  ],
  "/search/label_names": [{}, { "search[]": "jo", "match[]": "up", ...range }],
  "/search/label_values": [{ label: "job" }, { label: "job", "search[]": "nothing like it" }],
  "/series": [{ "match[]": "up" }, { "match[]": ["up", "{job='a'}"], ...range, limit: 1 }],
  "/metadata": [{}, { metric: "requests_total" }, { limit: 1, limit_per_metric: 1 }],
  "/scrape_pools": [{}],
  "/scrape_pools/config": [{ scrapePool: "a" }],
  "/targets": [{}, { state: "active" }, { state: "dropped" }, { scrapePool: "a", state: "any" }],
  "/targets/metadata": [{}, { match_target: "{job='a'}", limit: 1 }, { metric: "requests" }],
  "/targets/relabel_steps": [{ scrapePool: "a", labels: '{"__address__":"h:1","drop":"yes"}' }],
  "/rules": [{}, { type: "alert" }],
  "/alerts": [{}],
  "/alertmanagers": [{}],
  "/status/config": [{}],
  "/status/runtimeinfo": [{}],
  "/status/buildinfo": [{}],
  "/status/flags": [{}],
  "/status/tsdb": [{}, { limit: 3 }],
  "/status/tsdb/blocks": [{}],
  "/status/walreplay": [{}],
  "/status/self_metrics": [{}, { metric_name_pattern: "belfry_head_.*" }],
  "/notifications": [{}],
  "/features": [{}],
};

/** BAD are requests that must fail as described. */
const BAD: Readonly<Record<string, readonly Parameters[]>> = {
  "/query": [
    {},
    { query: "up(" },
    { query: "up", time: "x" },
    { query: "up", timeout: "x" },
    { query: "up", limit: -1 },
  ],
  "/query_range": [{}, { query: "up", start: 2, end: 1, step: 1 }, { query: "up", start: 1, end: 2, step: -1 }],
  "/query_exemplars": [{}, { query: "up", start: 2, end: 1 }],
  "/format_query": [{}, { query: "up(" }],
  "/parse_query": [{}, { query: "up(" }],
  "/labels": [{ start: "x" }, { "match[]": "{}" }, { limit: "x" }],
  "/label/{name}/values": [
    { name: "job", start: "x" },
    { name: "job", "match[]": "up(" },
  ],
  "/search/metric_names": [{ sort_by: "x" }, { fuzz_threshold: 101 }, { fuzz_alg: "x" }, { limit: "x" }],
  "/search/label_names": [{ sort_dir: "asc" }, { batch_size: -1 }],
  "/search/label_values": [{}, { label: "job", "match[]": "up(" }],
  "/series": [{}, { "match[]": "{a=~'.*'}" }, { "match[]": "up", end: "x" }],
  "/metadata": [{ limit: "x" }, { limit_per_metric: "x" }],
  "/scrape_pools/config": [{}, { scrapePool: "none" }],
  "/targets/metadata": [{ limit: "x" }, { match_target: "{" }],
  "/targets/relabel_steps": [
    {},
    { scrapePool: "a" },
    { scrapePool: "none", labels: "{}" },
    { scrapePool: "a", labels: "x" },
  ],
  "/status/tsdb": [{ limit: 0 }, { limit: 10_001 }],
  "/status/self_metrics": [{ metric_name_pattern: "(" }],
  "/admin/tsdb/delete_series": [{}, { "match[]": "up(" }, { "match[]": "up", start: "x" }],
  "/admin/tsdb/snapshot": [{ skip_head: "x" }],
};

/** OTHERWISE are tested below, by what they do. */
const OTHERWISE = new Set([
  "PUT /admin/tsdb/delete_series",
  "POST /admin/tsdb/delete_series",
  "PUT /admin/tsdb/clean_tombstones",
  "POST /admin/tsdb/clean_tombstones",
  "PUT /admin/tsdb/snapshot",
  "POST /admin/tsdb/snapshot",
  "POST /read",
  "POST /write",
  "POST /otlp/v1/metrics",
  "GET /notifications/live",
]);

let belfry: BelfryProcess;
let target: ExpositionTarget;

beforeAll(async () => {
  if (!available) return;
  target = await ExpositionTarget.start(
    exposes(
      '# HELP requests Requests.\n# TYPE requests counter\nrequests_total{path="/"} 3 # {trace_id="abc"} 0.5\n# UNIT size_bytes bytes\n# TYPE size_bytes gauge\nsize_bytes 4\n# EOF\n',
      { "content-type": OPENMETRICS_FORMAT },
    ),
  );
  belfry = await startBelfry({
    flags: ["--web.enable-admin-api"],
    config: `global: {scrape_interval: 1s}
scrape_configs:
  - job_name: a
    relabel_configs: [{source_labels: [drop], regex: "yes", action: drop}]
    static_configs:
      - targets: ["${target.address}"]
      - targets: ["dropped:1"]
        labels: {drop: "yes"}
  - job_name: down
    static_configs: [{targets: ["127.0.0.1:1"]}]
`,
  });
  const int = {
    schema: 0,
    zeroThreshold: 0.001,
    zeroCount: 2,
    count: 9,
    sum: 18.4,
    positiveSpans: [{ offset: 0, length: 2 }],
    negativeSpans: [],
    positiveDeltas: [3, 1],
    negativeDeltas: [],
    counterResetHint: 0,
  } as const;
  const pushed = await pushV1(belfry.url, [
    { labels: { __name__: "pushed_histogram" }, histograms: [{ timeMs: now * 1000, int: int as never }] },
  ]);
  expect(pushed).toEqual({ status: 204, text: "" });
  await waitFor(async () => ((await instant(belfry.url, "up")).length === 2 ? true : undefined));
  await waitFor(async () => ((await instant(belfry.url, "requests_total")).length === 1 ? true : undefined));
});
afterAll(async () => {
  await belfry?.remove();
  await target?.close();
});

async function ask(method: string, path: string, parameters: Parameters): Promise<Response> {
  const { name, ...others } = parameters;
  const url = `${belfry.url}/api/v1${path.replace("{name}", String(name))}`;
  return method === "POST"
    ? fetch(url, { method, body: encoded(others) })
    : fetch(`${url}?${encoded(others).toString()}`, { method });
}

/** described checks an answer against what the description says for its status. */
async function described(operation: OpenApiOperation, response: Response): Promise<unknown> {
  const schemas = operation.responses.get(String(response.status)) ?? operation.responses.get("default")!;
  const type = response.headers.get("content-type")?.split(";")[0] ?? "";
  expect([...schemas.keys()]).toContain(type);
  const text = await response.text();
  if (type === "application/x-ndjson") return text;
  const value: unknown = JSON.parse(text);
  expect(api!.mistakes(value, schemas.get(type)!)).toEqual([]);
  return value;
}

describe.skipIf(!available)(`the API of ${FILE}`, () => {
  const named = (api?.operations ?? []).map((operation) => ({
    name: `${operation.method} ${operation.path}`,
    operation,
  }));

  test("is covered completely here", () => {
    const known = new Set([...Object.keys(GOOD), ...[...OTHERWISE].map((name) => name.split(" ")[1]!)]);
    expect(named.map(({ operation }) => operation.path).filter((path) => !known.has(path))).toEqual([]);
    expect(named.length).toBeGreaterThan(40);
  });

  test.each(named.filter(({ name }) => !OTHERWISE.has(name)))("$name answers as described", async ({ operation }) => {
    for (const parameters of GOOD[operation.path]!) {
      const response = await ask(operation.method, operation.path, parameters);
      expect(response.status, JSON.stringify(parameters)).toBe(200);
      const value = await described(operation, response);
      if (typeof value === "string") {
        const lines = value
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line) as Record<string, unknown>);
        expect(lines.at(-1)).toEqual({ status: "success", has_more: expect.any(Boolean) });
        for (const line of lines.slice(0, -1)) expect(line).toEqual({ results: expect.any(Array) });
      } else expect((value as { status: string }).status).toBe("success");
    }
  });

  test.each(named.filter(({ operation }) => BAD[operation.path] !== undefined))(
    "$name refuses as described",
    async ({ operation }) => {
      for (const parameters of BAD[operation.path]!) {
        const response = await ask(operation.method, operation.path, parameters);
        expect(response.status, JSON.stringify(parameters)).toBeGreaterThanOrEqual(400);
        expect(response.status, JSON.stringify(parameters)).toBeLessThan(500);
        expect(await described(operation, response)).toMatchObject({ status: "error" });
      }
    },
  );

  test.each(named.filter(({ operation }) => operation.required.length > 0))(
    "$name misses its required parameters",
    async ({ operation }) => {
      if (operation.path.includes("{")) return;
      const response = await ask(operation.method, operation.path, {});
      expect(response.status).toBe(400);
      expect(await described(operation, response)).toMatchObject({ status: "error", errorType: "bad_data" });
    },
  );

  test("routes with GET only refuse the others", async () => {
    const methods = new Map<string, string[]>();
    for (const { operation } of named) {
      methods.set(operation.path, [...(methods.get(operation.path) ?? []), operation.method]);
    }
    for (const [path, known] of methods) {
      for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH"]) {
        // The one method that upstream has beyond its description: DELETE of series, which is "not implemented".
        if (known.includes(method) || (path === "/series" && method === "DELETE")) continue;
        const response = await fetch(`${belfry.url}/api/v1${path.replace("{name}", "job")}`, { method });
        await response.arrayBuffer();
        expect(`${method} ${path} ${response.status}`).toBe(`${method} ${path} 405`);
        for (const one of known) expect(response.headers.get("allow")).toContain(one);
      }
    }
  });

  test("POST /write takes remote write; /read and /otlp say that they are not there yet", async () => {
    const body = encodeSnappy(
      encodeWriteRequestV1([{ labels: { __name__: "w" }, samples: [{ timeMs: now * 1000, value: 1 }] }]),
    );
    const write = await fetch(`${belfry.url}/api/v1/write`, { method: "POST", body: Buffer.from(body) });
    expect(write.status).toBe(204);
    for (const path of ["read", "otlp/v1/metrics"]) {
      const response = await fetch(`${belfry.url}/api/v1/${path}`, { method: "POST", body: "" });
      expect([response.status, await response.text()]).toEqual([404, expect.stringMatching(/yet\n$/)]);
    }
  });

  test("GET /notifications/live is a stream of events that begins at once", async () => {
    const response = await fetch(`${belfry.url}/api/v1/notifications/live`, {
      headers: { origin: "http://localhost:5173" },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("access-control-allow-origin")).toBe("http://localhost:5173");
    await response.body!.cancel();
  });
});
