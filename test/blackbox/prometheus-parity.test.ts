// The same samples in a real Prometheus and in Belfry must give the same answers, byte for byte where the older
// Prometheus allows: results, errors, codes.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BelfryProcess, startBelfry } from "../support/belfry.ts";
import { hasPrometheus, type PrometheusProcess, startPrometheus } from "../support/prometheus.ts";
import { pushV1 } from "../support/remote-write.ts";
import { STALE, type WriteSeries } from "../support/remote-write-encoder.ts";

const CONFIG = "global: {scrape_interval: 15s, external_labels: {cluster: parity}}\n";
const STEP_MS = 15_000;
const SAMPLES = 160;
const endMs = Math.floor(Date.now() / 60_000) * 60_000 - 60_000;
const startMs = endMs - SAMPLES * STEP_MS;

function data(): WriteSeries[] {
  const series: WriteSeries[] = [];
  const add = (labels: Record<string, string>, value: (i: number) => number | typeof STALE | undefined): void => {
    const samples = Array.from({ length: SAMPLES }, (_, i) => ({
      timeMs: startMs + (i + 1) * STEP_MS,
      value: value(i),
    }));
    series.push({
      labels: Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)),
      samples: samples.filter(
        (sample): sample is { timeMs: number; value: number | typeof STALE } => sample.value !== undefined,
      ),
    });
  };
  for (let i = 0; i < 4; i++) {
    for (const path of ["/a", "/b"]) {
      // A counter with resets.
      add({ __name__: "requests_total", instance: `h${i}:80`, job: "web", path }, (n) => ((n + 13 * i) % 61) * (i + 1));
    }
    add({ __name__: "temperature", instance: `h${i}:80`, job: "web" }, (n) => 20 + 5 * Math.sin(n / 7 + i) - i);
    for (const le of ["0.1", "0.5", "1", "+Inf"]) {
      const share = { "0.1": 0.2, "0.5": 0.7, "1": 0.9, "+Inf": 1 }[le]!;
      add({ __name__: "latency_seconds_bucket", instance: `h${i}:80`, job: "web", le }, (n) =>
        Math.floor(n * 10 * share),
      );
    }
  }
  add({ __name__: "special", kind: "nan" }, (n) => (n % 3 === 0 ? NaN : n));
  add({ __name__: "special", kind: "inf" }, (n) => (n % 2 === 0 ? Infinity : -Infinity));
  add({ __name__: "special", kind: "extreme" }, (n) => (n % 2 === 0 ? 5e-324 : 1.7976931348623157e308));
  add({ __name__: "special", kind: "negzero" }, () => -0);
  // Gaps and staleness markers.
  add({ __name__: "flapping", instance: "h0:80" }, (n) => (n % 20 === 10 ? STALE : n % 20 > 10 ? undefined : n));
  return series;
}

const INSTANT = [
  "requests_total",
  "sum(requests_total)",
  "sum by (path) (rate(requests_total[5m]))",
  "increase(requests_total[10m])",
  "histogram_quantile(0.9, sum by (le) (rate(latency_seconds_bucket[5m])))",
  "topk(2, temperature)",
  "temperature > 20",
  "temperature > bool 20",
  "requests_total / on (instance) group_left temperature",
  "special",
  "special * 2",
  "flapping",
  "count_over_time(flapping[30m])",
  "quantile_over_time(0.3, temperature[10m])",
  "max_over_time(rate(requests_total[2m])[20m:1m])",
  "predict_linear(temperature[15m], 600)",
  "label_replace(temperature, 'host', '$1', 'instance', '(.*):.*')",
  "absent(nonexistent{a='b'})",
  "scalar(sum(temperature))",
  "1 + 2 * 3",
  "time()",
  "'text'",
  "requests_total[1m]",
  "sort_desc(temperature)",
  "count_values('value', requests_total)",
  "temperature offset 5m",
  "requests_total and on (instance) temperature > 20",
  "{__name__=~'temp.*', instance!~'h[01].*'}",
  "stddev by (job) (temperature)",
  "irate(requests_total[1m])",
  "changes(requests_total[10m])",
  "resets(requests_total[20m])",
  "deriv(temperature[5m])",
  "clamp(temperature, 18, 22)",
  "round(temperature, 0.5)",
  "day_of_week() > 9",
];

const RANGE = [
  "requests_total",
  "sum by (path) (rate(requests_total[5m]))",
  "histogram_quantile(0.5, rate(latency_seconds_bucket[5m]))",
  "flapping",
  "temperature - temperature offset 10m",
  "sum(special{kind!='nan'}) by (kind)",
  "avg_over_time(temperature[7m])",
  "temperature > 22",
  "requests_total @ end()",
];

const ERRORS = [
  "/api/v1/query?query=",
  "/api/v1/query?query=up&time=abc",
  "/api/v1/query?query=rate(x)",
  "/api/v1/query?query=sum(",
  "/api/v1/query?query=nope(1)",
  "/api/v1/query?query=up&timeout=x",
  "/api/v1/query_range?query=up&start=10&end=1&step=1",
  "/api/v1/query_range?query=up&start=1&end=10&step=0",
  "/api/v1/query_range?query=up&start=1&end=10&step=x",
  "/api/v1/query_range?query=up&start=0&end=100000&step=1",
  "/api/v1/query_range?query=up[1m]&start=1&end=10&step=1",
  "/api/v1/series",
  "/api/v1/label/__name__/values?start=x",
  "/api/v1/query?query=requests_total%20%2B%20on(job)%20temperature",
  "/api/v1/nothing",
  "/api/v1/admin/tsdb/delete_series",
];

describe.skipIf(!hasPrometheus)("answers like Prometheus (needs the Debian package prometheus)", () => {
  let belfry: BelfryProcess;
  let prometheus: PrometheusProcess;

  beforeAll(async () => {
    [belfry, prometheus] = await Promise.all([startBelfry({ config: CONFIG }), startPrometheus(CONFIG)]);
    const series = data();
    expect((await pushV1(prometheus.url, series)).status).toBe(204);
    expect((await pushV1(belfry.url, series)).status).toBe(204);
  }, 120_000);
  afterAll(async () => {
    await belfry?.remove();
    await prometheus?.remove();
  });

  async function both(path: string): Promise<[unknown, unknown]> {
    const answers = await Promise.all(
      [prometheus.url, belfry.url].map(async (url) => {
        const response = await fetch(url + path);
        const text = await response.text();
        let body: unknown = text;
        try {
          body = JSON.parse(text);
        } catch {
          // Plain text it is.
        }
        return { status: response.status, type: response.headers.get("content-type"), body };
      }),
    );
    return answers as [unknown, unknown];
  }

  // Prometheus 3 sums with compensation, 2.42 does not: the last bits of results differ.
  function rounded(answer: unknown): unknown {
    return JSON.parse(JSON.stringify(answer), (_key, value: unknown) => {
      if (typeof value !== "string" || !/^-?\d[\d.]*(e[-+]\d+)?$/.test(value)) return value;
      return Number(value).toPrecision(13);
    });
  }

  // The order of the elements of an instant vector is not promised, except for sort and topk of one group.
  function sorted(answer: unknown, keepOrder: boolean): unknown {
    const result = (answer as { body?: { data?: { result?: { metric?: unknown }[] } } }).body?.data?.result;
    if (!keepOrder && Array.isArray(result) && result[0]?.metric) {
      result.sort((a, b) => (JSON.stringify(a.metric) < JSON.stringify(b.metric) ? -1 : 1));
    }
    return answer;
  }

  test.each(INSTANT)("instant %s", async (query) => {
    // Between two samples: there 2.42's closed and our left-open ranges select the same samples.
    const time = (endMs - 20 * STEP_MS + 7_000) / 1000;
    const [expected, actual] = await both(`/api/v1/query?query=${encodeURIComponent(query)}&time=${time}`);
    const keepOrder = /^(sort|topk)/.test(query);
    expect(rounded(sorted(actual, keepOrder))).toEqual(rounded(sorted(expected, keepOrder)));
  });

  test.each(RANGE)("range %s", async (query) => {
    const start = (startMs + 7_000) / 1000;
    const end = (endMs + 7_000) / 1000;
    const [expected, actual] = await both(
      `/api/v1/query_range?query=${encodeURIComponent(query)}&start=${start}&end=${end}&step=60`,
    );
    expect(rounded(actual)).toEqual(rounded(expected));
  });

  test.each([
    "/api/v1/labels",
    `/api/v1/labels?match[]=temperature`,
    "/api/v1/label/__name__/values",
    `/api/v1/label/instance/values?match[]=${encodeURIComponent('requests_total{path="/a"}')}`,
    "/api/v1/label/nope/values",
    "/api/v1/series?match[]=special",
    `/api/v1/series?match[]=temperature&match[]=special&start=${startMs / 1000}&end=${endMs / 1000}`,
    "/api/v1/query_exemplars?query=up",
    "/api/v1/format_query?query=sum(rate(x%5B5m%5D))by(job)",
    "/api/v1/scrape_pools",
    "/api/v1/rules",
    "/api/v1/alerts",
    "/api/v1/alertmanagers",
    "/-/healthy",
    "/-/ready",
  ])("%s", async (path) => {
    const [expected, actual] = await both(path);
    expect(actual).toEqual(expected);
  });

  // Where Prometheus 3 words an error differently, its words count: the wrapped parameter of range queries, the
  // position of an empty query. Which of two duplicates comes first depends on the order of storage.
  function reworded(answer: unknown): unknown {
    const text = JSON.stringify(answer)
      .replace('invalid parameter \\"query\\": invalid expression type', "invalid expression type")
      .replace("unknown position: parse error", "1:1: parse error")
      .replace(/\[\{(.*?)\}, \{(.*?)\}\]/, (_, a: string, b: string) => [a, b].sort().join(" and "));
    return JSON.parse(text) as unknown;
  }

  test.each(ERRORS)("the error of %s", async (path) => {
    const [expected, actual] = await both(path);
    expect(reworded(actual)).toEqual(reworded(expected));
  });
});
