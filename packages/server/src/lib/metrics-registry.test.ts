import { describe, expect, test } from "vitest";
import { ExpositionWriter, MetricsRegistry, negotiateExposition } from "./metrics-registry.ts";
import { registerProcessMetrics } from "./metrics-registry-process.ts";

const text = (registry: MetricsRegistry, format: "text" | "openmetrics" = "text"): string =>
  new TextDecoder().decode(registry.render(format));

describe("MetricsRegistry", () => {
  test("writes every kind in the text format, sorted by name", () => {
    const registry = new MetricsRegistry();
    const codes = registry.counterVec("belfry_http_requests_total", "HTTP requests.", ["code", "method"]);
    codes.with("200", "GET").inc();
    codes.with("200", "GET").inc(2);
    codes.with("500", "POST").inc();
    registry.gauge("belfry_head_series", "Series in the head.").set(-1.5);
    const seconds = registry.histogramVec("belfry_query_seconds", "Durations.", ["kind"], [0.1, 1]);
    for (const value of [0.05, 0.1, 0.5, 3, NaN]) seconds.with("range").observe(value);
    registry.gaugeFunc("belfry_answer_ratio", "Read when asked.", () => 42);
    expect(text(registry)).toBe(`# HELP belfry_answer_ratio Read when asked.
# TYPE belfry_answer_ratio gauge
belfry_answer_ratio 42
# HELP belfry_head_series Series in the head.
# TYPE belfry_head_series gauge
belfry_head_series -1.5
# HELP belfry_http_requests_total HTTP requests.
# TYPE belfry_http_requests_total counter
belfry_http_requests_total{code="200",method="GET"} 3
belfry_http_requests_total{code="500",method="POST"} 1
# HELP belfry_query_seconds Durations.
# TYPE belfry_query_seconds histogram
belfry_query_seconds_bucket{kind="range",le="0.1"} 2
belfry_query_seconds_bucket{kind="range",le="1"} 3
belfry_query_seconds_bucket{kind="range",le="+Inf"} 4
belfry_query_seconds_sum{kind="range"} 3.65
belfry_query_seconds_count{kind="range"} 4
`);
  });

  test("writes OpenMetrics: counters without _total in their header, decimal bounds, EOF", () => {
    const registry = new MetricsRegistry();
    registry.counter("belfry_rows_total", 'Say "rows".').inc(7);
    registry.histogram("belfry_size_bytes", "Sizes.", [1, 2.5]).observe(2);
    expect(text(registry, "openmetrics")).toBe(`# HELP belfry_rows Say \\"rows\\".
# TYPE belfry_rows counter
belfry_rows_total 7
# HELP belfry_size_bytes Sizes.
# TYPE belfry_size_bytes histogram
belfry_size_bytes_bucket{le="1.0"} 0
belfry_size_bytes_bucket{le="2.5"} 1
belfry_size_bytes_bucket{le="+Inf"} 1
belfry_size_bytes_sum 2
belfry_size_bytes_count 1
# EOF
`);
  });

  test("escapes label values and help, and keeps other scripts", () => {
    const registry = new MetricsRegistry();
    registry.gaugeVec("belfry_odd", "back\\slash\nnew line", ["value"]).with('a"b\\c\nü日😀').set(1);
    expect(text(registry)).toBe(`# HELP belfry_odd back\\\\slash\\nnew line
# TYPE belfry_odd gauge
belfry_odd{value="a\\"b\\\\c\\nü日😀"} 1
`);
  });

  test("prints infinities and NaN", () => {
    const registry = new MetricsRegistry();
    const gauge = registry.gaugeVec("belfry_edge", "Edges.", ["of"]);
    gauge.with("inf").set(Infinity);
    gauge.with("ninf").set(-Infinity);
    gauge.with("nan").set(NaN);
    gauge.with("big").set(1e21);
    expect(text(registry).match(/} (.*)/g)).toEqual(["} +Inf", "} -Inf", "} NaN", "} 1e+21"]);
  });

  test("the same definition gives the same metric, another one throws", () => {
    const registry = new MetricsRegistry();
    registry.counter("belfry_x_total", "X.").inc();
    registry.counter("belfry_x_total", "X.").inc();
    expect(registry.counter("belfry_x_total", "X.").value).toBe(2);
    expect(() => registry.counter("belfry_x_total", "Y.")).toThrow(
      "BUG: metric belfry_x_total is registered already with another definition",
    );
    expect(() => registry.gaugeFunc("belfry_x_total", "X.", () => 1)).toThrow("BUG: ");
    registry.histogram("belfry_h_seconds", "H.", [1, 2]);
    expect(() => registry.histogram("belfry_h_seconds", "H.", [1, 3])).toThrow("another definition");
  });

  test.each([
    ["foo_total", "metric name foo_total must be lower case and start with belfry_ or process_ or nodejs_"],
    ["belfry_count", "_total is the ending of counters only: counter belfry_count"],
    ["belfry_Upper_total", "metric name belfry_Upper_total must be lower case"],
  ])("refuses the counter name %s", (name, message) => {
    expect(() => new MetricsRegistry().counter(name, "X.")).toThrow(`BUG: ${message}`);
  });

  test("children can be removed, and the number of label values must fit", () => {
    const registry = new MetricsRegistry();
    const vec = registry.gaugeVec("belfry_v", "V.", ["a", "b"]);
    vec.with("1", "2").set(5);
    expect(vec.remove("1", "2")).toBe(true);
    expect(vec.remove("1", "2")).toBe(false);
    expect(text(registry)).toBe("");
    expect(() => vec.with("1")).toThrow("BUG: belfry_v has the labels [a, b], got 1 values");
    // These two would be one key if the values were merely joined.
    expect(vec.with("1", "23")).not.toBe(vec.with("12", "3"));
  });

  test("a vector is bounded: further label sets share one child", () => {
    const registry = new MetricsRegistry();
    const vec = registry.counterVec("belfry_many_total", "Many.", ["id"]);
    for (let i = 0; i < 10_050; i++) vec.with(String(i)).inc();
    expect(vec.with("other").value).toBe(50);
    expect(vec.with("0").value).toBe(1);
  });

  test("a function that throws costs its own metric only", () => {
    const registry = new MetricsRegistry();
    registry.gaugeFunc("belfry_a", "A.", () => {
      throw new Error("gone");
    });
    registry.gauge("belfry_b", "B.").set(1);
    expect(text(registry)).toBe("# HELP belfry_b B.\n# TYPE belfry_b gauge\nbelfry_b 1\n");
  });

  test("counters refuse to go down", () => {
    expect(() => new MetricsRegistry().counter("belfry_x_total", "X.").inc(-1)).toThrow(
      "BUG: a counter cannot go down",
    );
  });
});

describe("ExpositionWriter", () => {
  test("grows, and survives text that is longer in UTF-8", () => {
    const writer = new ExpositionWriter("text", 4);
    writer.sample("m", ["l"], ["日".repeat(1000)], 1);
    expect(new TextDecoder().decode(writer.bytes())).toBe(`m{l="${"日".repeat(1000)}"} 1\n`);
  });
});

describe("negotiateExposition", () => {
  test.each([
    [undefined, "text"],
    ["", "text"],
    ["*/*", "text"],
    ["text/html,application/xhtml+xml,*/*;q=0.8", "text"],
    ["application/openmetrics-text; version=1.0.0", "openmetrics"],
    ["application/openmetrics-text;version=2.0.0", "text"],
    [
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
      "openmetrics",
    ],
    ["text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.1", "text"],
    ["application/openmetrics-text;q=0", "text"],
  ])("%s", (accept, format) => {
    expect(negotiateExposition(accept)).toBe(format);
  });
});

describe("registerProcessMetrics", () => {
  test("reports the process under the usual names", async () => {
    const registry = new MetricsRegistry();
    const metrics = registerProcessMetrics(registry);
    text(registry);
    await new Promise((resolve) => setTimeout(resolve, 60));
    const values = new Map<string, number>();
    for (const line of text(registry).split("\n")) {
      const space = line.lastIndexOf(" ");
      if (!line.startsWith("#") && space > 0) values.set(line.slice(0, space), Number(line.slice(space + 1)));
    }
    metrics.close();
    expect(values.get("process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(values.get("process_resident_memory_bytes")).toBeGreaterThan(10e6);
    expect(Math.abs(values.get("process_start_time_seconds")! - (Date.now() / 1000 - process.uptime()))).toBeLessThan(
      1,
    );
    expect(values.get("nodejs_heap_size_used_bytes")).toBeGreaterThan(1e6);
    expect(values.get('nodejs_heap_space_size_used_bytes{space="old"}')).toBeGreaterThan(0);
    expect(values.get("nodejs_eventloop_lag_p99_seconds")).toBeGreaterThanOrEqual(0);
    expect(values.get("nodejs_eventloop_lag_p99_seconds")).toBeLessThan(5);
    expect([...values.keys()].some((name) => name.startsWith("nodejs_version_info{version="))).toBe(true);
    if (process.platform === "linux") {
      expect(values.get("process_open_fds")).toBeGreaterThan(2);
      expect(values.get("process_max_fds")).toBeGreaterThan(values.get("process_open_fds")!);
      expect(values.get("process_virtual_memory_bytes")).toBeGreaterThan(values.get("process_resident_memory_bytes")!);
    }
  });
});
