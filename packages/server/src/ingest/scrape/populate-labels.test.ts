import { Labels, LabelsBuilder } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import { discoveredLabels, populateLabels, type TargetDefaults, targetUrl } from "./populate-labels.ts";

const DEFAULTS: TargetDefaults = {
  jobName: "job",
  scrapeIntervalMs: 15_000,
  scrapeTimeoutMs: 10_000,
  metricsPath: "/metrics",
  scheme: "http",
  params: { module: ["a", "b"], empty: [] },
};
const BASE = {
  __metrics_path__: "/metrics",
  __param_module: "a",
  __scheme__: "http",
  __scrape_interval__: "15s",
  __scrape_timeout__: "10s",
};

const discover = (target: Record<string, string>, group: Record<string, string> = {}): Labels =>
  discoveredLabels(Object.entries(target), Object.entries(group), DEFAULTS);
const populate = (labels: Record<string, string>, changes: Record<string, string> = {}) =>
  populateLabels(discover(labels), (before) => {
    const builder = new LabelsBuilder(before);
    for (const [name, value] of Object.entries(changes)) builder.set(name, value);
    return builder.labels();
  });

describe("discoveredLabels", () => {
  test("adds the configuration's defaults where nothing is set", () => {
    expect(discover({ __address__: "h:1" }).toRecord()).toEqual({ ...BASE, __address__: "h:1", job: "job" });
    expect(discover({ __address__: "h:1", job: "own", __scheme__: "https" }).toRecord()).toMatchObject({
      job: "own",
      __scheme__: "https",
    });
  });

  test("a target's label wins over its group's, an empty one hides it", () => {
    expect(discover({ a: "1", b: "" }, { a: "2", b: "2", c: "2" }).toRecord()).toMatchObject({ a: "1", c: "2" });
    expect(discover({ a: "1", b: "" }, { b: "2" }).has("b")).toBe(false);
  });
});

describe("populateLabels", () => {
  test("drops meta labels and defaults the instance to the address, without adding a port", () => {
    const kept = populate({ __address__: "h", __meta_x: "1", __internal: "2" });
    expect(kept).toMatchObject({ kind: "kept" });
    expect(kept.kind === "kept" && kept.labels.toRecord()).toEqual({
      ...BASE,
      __address__: "h",
      __internal: "2",
      instance: "h",
      job: "job",
    });
    const own = populate({ __address__: "h:1", instance: "mine" });
    expect(own.kind === "kept" && own.labels.get("instance")).toBe("mine");
  });

  test("a target without labels after relabelling is dropped", () => {
    expect(populateLabels(discover({ __address__: "h" }), () => undefined)).toMatchObject({ kind: "dropped" });
  });

  test.each([
    [{ __address__: "" }, "no address"],
    [{ __address__: "http://h/x" }, '"http://h/x" is not a valid hostname'],
    [{ __scrape_interval__: "soon" }, 'error parsing scrape interval: not a valid duration string: "soon"'],
    [{ __scrape_interval__: "0" }, "scrape interval cannot be 0"],
    [{ __scrape_timeout__: "1h 5m" }, 'error parsing scrape timeout: unknown unit "h " in duration "1h 5m"'],
    [{ __scrape_timeout__: "0s" }, "scrape timeout cannot be 0"],
    [{ __scrape_timeout__: "20s" }, 'scrape timeout cannot be greater than scrape interval ("20s" > "15s")'],
  ])("%j fails", (changes, error) => {
    expect(populate({ __address__: "h:1" }, changes)).toMatchObject({ kind: "failed", error });
  });
});

describe("targetUrl", () => {
  const url = (labels: Record<string, string>, params: Record<string, string[]> = {}): string =>
    targetUrl(
      Labels.fromRecord({ __scheme__: "http", __address__: "h:1", __metrics_path__: "/metrics", ...labels }),
      params,
    );

  test.each([
    [{}, {}, "http://h:1/metrics"],
    [{ __scheme__: "https", __address__: "[::1]:9100" }, {}, "https://[::1]:9100/metrics"],
    [{ __metrics_path__: "probe" }, {}, "http://h:1/probe"],
    [{ __metrics_path__: "/a b/ü?x=y" }, {}, "http://h:1/a%20b/%C3%BC%3Fx=y"],
    [{}, { b: ["2"], a: ["1", "x y"] }, "http://h:1/metrics?a=1&a=x+y&b=2"],
    [{ __param_a: "new" }, { a: ["1", "2"] }, "http://h:1/metrics?a=new&a=2"],
    [{ __param_q: 'up{a="b"}&(c)' }, {}, "http://h:1/metrics?q=up%7Ba%3D%22b%22%7D%26%28c%29"],
  ])("%j %j", (labels, params, expected) => {
    expect(url(labels, params as Record<string, string[]>)).toBe(expected);
  });
});
