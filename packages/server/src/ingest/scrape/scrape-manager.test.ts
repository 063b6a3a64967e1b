import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EMPTY_LABELS, type Labels } from "@belfry/core/model";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/log.ts";
import { MetricsRegistry } from "../../lib/metrics-registry.ts";
import { ManualClock } from "../../metrics/manual-clock.ts";
import { RecordingAppendable } from "./recording-appendable.ts";
import { ScrapeManager } from "./scrape-manager.ts";
import type { PoolSettings, TargetGroup } from "./scrape-pool.ts";
import { poolDefaults } from "./scrape-settings-fixture.ts";

const managers: ScrapeManager[] = [];
afterEach(async () => {
  for (const manager of managers.splice(0)) await manager.stop();
});

function setUp(clock = new ManualClock(1_700_000_000_000)) {
  const appendable = new RecordingAppendable();
  const registry = new MetricsRegistry();
  const manager = new ScrapeManager({ appendable, clock, logger: silentLogger, registry });
  managers.push(manager);
  const run = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      clock.advance(500);
      for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { appendable, registry, manager, run };
}

const group = (...targets: Record<string, string>[]): TargetGroup => ({
  source: "test",
  targets: targets.map((target) => Object.entries(target)),
  labels: [],
});
const builtin = (changed: Partial<PoolSettings> = {}): PoolSettings =>
  poolDefaults({ fallbackProtocol: "PrometheusText0.0.4", collect: async () => Buffer.from("a 1\n"), ...changed });
const instances = (manager: ScrapeManager): string[] =>
  manager.activeTargets().map(({ labels }) => labels.get("instance"));

describe("ScrapeManager", () => {
  test("scrapes what discovery finds, each target once, and stops what is gone", async () => {
    const { manager, run, appendable } = setUp();
    await manager.applyConfig([builtin()], EMPTY_LABELS);
    expect(manager.activeTargets()).toEqual([]);
    await manager.updateTargets("job", [group({ __address__: "one" }, { __address__: "two" }, { __address__: "one" })]);
    expect(instances(manager)).toEqual(["one", "two"]);
    await run(16_000);
    expect(appendable.of('{__name__="a", instance="one", job="job"}').length).toBeGreaterThan(0);
    await manager.updateTargets("job", [group({ __address__: "two" })]);
    expect(instances(manager)).toEqual(["two"]);
    const before = appendable.of('{__name__="a", instance="one", job="job"}').length;
    await run(50_000);
    const all = appendable.of('{__name__="a", instance="one", job="job"}');
    expect(all.slice(before)).toEqual(["stale"]);
    expect(appendable.of('{__name__="a", instance="two", job="job"}')).not.toContain("stale");
  });

  test("targets found before the configuration is there are kept for it", async () => {
    const { manager } = setUp();
    await manager.updateTargets("job", [group({ __address__: "one" })]);
    await manager.applyConfig([builtin()], EMPTY_LABELS);
    expect(instances(manager)).toEqual(["one"]);
  });

  test("tells of targets as the API shows them", async () => {
    const { manager, run } = setUp();
    const body = "# TYPE a gauge\n# HELP a An A.\na 1\n";
    await manager.applyConfig([builtin({ collect: async () => Buffer.from(body) })], EMPTY_LABELS);
    await manager.updateTargets("job", [group({ __address__: "one", __meta_x: "y" })]);
    const [unknown] = manager.activeTargets();
    expect(unknown).toMatchObject({
      health: "unknown",
      lastScrapeMs: 0,
      scrapePool: "job",
      scrapeInterval: "15s",
      scrapeTimeout: "10s",
    });
    expect(unknown.labels.toRecord()).toEqual({ instance: "one", job: "job" });
    expect(unknown.discoveredLabels.get("__meta_x")).toBe("y");
    await run(16_000);
    const [up] = manager.activeTargets("job");
    expect(up).toMatchObject({ health: "up", lastError: "" });
    expect([...up.metadata()]).toMatchObject([["a", { type: "gauge", help: "An A.", unit: "" }]]);
    expect(manager.activeTargets("other")).toEqual([]);
    expect(manager.poolNames()).toEqual(["job"]);
  });

  test("dropped targets are shown up to keep_dropped_targets and all counted; bad ones are counted apart", async () => {
    const { manager, registry } = setUp();
    const relabel = (labels: Labels): Labels | undefined =>
      labels.get("__address__").startsWith("keep") ? labels : undefined;
    await manager.applyConfig([builtin({ relabel, keepDroppedTargets: 2 })], EMPTY_LABELS);
    await manager.updateTargets("job", [
      group(
        { __address__: "a" },
        { __address__: "b" },
        { __address__: "c" },
        { __address__: "keep" },
        { __address__: "keep/this" },
      ),
    ]);
    expect(instances(manager)).toEqual(["keep"]);
    expect(manager.droppedTargets().map(({ discoveredLabels }) => discoveredLabels.get("__address__"))).toEqual([
      "a",
      "b",
    ]);
    expect(manager.droppedCounts()).toEqual({ job: 3 });
    expect(Buffer.from(registry.render()).toString()).toContain('belfry_target_sync_failed_total{scrape_job="job"} 1');
  });

  test("target_limit fails all targets of the pool until there are fewer", async () => {
    const { manager, run, appendable } = setUp();
    await manager.applyConfig([builtin({ targetLimit: 1 })], EMPTY_LABELS);
    await manager.updateTargets("job", [group({ __address__: "one" }, { __address__: "two" })]);
    await run(16_000);
    expect(manager.activeTargets().map(({ lastError }) => lastError)).toEqual(
      Array(2).fill("target_limit exceeded (number of targets: 2, limit: 1)"),
    );
    expect(appendable.of('{__name__="up", instance="one", job="job"}')[0]).toBe(0);
    await manager.updateTargets("job", [group({ __address__: "one" })]);
    await run(16_000);
    expect(manager.activeTargets()[0]).toMatchObject({ health: "up", lastError: "" });
  });

  test("interval and timeout can be relabelled for one target", async () => {
    const { manager, run, appendable } = setUp();
    const relabel = (labels: Labels): Labels =>
      labels.with("__scrape_interval__", "2s").with("__scrape_timeout__", "1s");
    await manager.applyConfig([builtin({ relabel })], EMPTY_LABELS);
    await manager.updateTargets("job", [group({ __address__: "one" })]);
    await run(20_000);
    expect(appendable.of('{__name__="a", instance="one", job="job"}').length).toBeGreaterThan(8);
    expect(manager.activeTargets()[0]).toMatchObject({ scrapeInterval: "2s", scrapeTimeout: "1s" });
  });

  test("an unchanged configuration leaves loops alone, a changed one replaces them and keeps series where it may", async () => {
    const { manager, run, appendable } = setUp();
    let calls = 0;
    const settings = (over: Partial<PoolSettings>): PoolSettings =>
      builtin({
        key: "1",
        samplesKey: "s",
        collect: async () => Buffer.from(++calls === 1 ? "a 1\nb 1\n" : "a 1\n"),
        ...over,
      });
    await manager.applyConfig([settings({})], EMPTY_LABELS);
    await manager.updateTargets("job", [group({ __address__: "one" })]);
    await run(5_000);
    expect(appendable.of('{__name__="b", instance="one", job="job"}')).toEqual([1]);
    const target = manager.activeTargets()[0];
    await manager.applyConfig([settings({})], EMPTY_LABELS);
    expect(manager.activeTargets()[0].lastScrapeMs).toBe(target.lastScrapeMs);
    await manager.applyConfig([settings({ key: "2", scrapeTimeoutMs: 5000 })], EMPTY_LABELS);
    await run(16_000);
    // The new loop knew of b and marks it stale; it does not count a as new.
    expect(appendable.of('{__name__="b", instance="one", job="job"}')).toEqual([1, "stale"]);
    expect(appendable.of('{__name__="scrape_series_added", instance="one", job="job"}').slice(0, 2)).toEqual([2, 0]);
    await run(60_000);
    expect(appendable.of('{__name__="a", instance="one", job="job"}')).not.toContain("stale");
  });

  test("a job that is gone stops, with staleness markers", async () => {
    const { manager, run, appendable } = setUp();
    await manager.applyConfig([builtin()], EMPTY_LABELS);
    await manager.updateTargets("job", [group({ __address__: "one" })]);
    await run(15_000);
    await manager.applyConfig([], EMPTY_LABELS);
    expect(manager.poolNames()).toEqual([]);
    await run(40_000);
    expect(appendable.of('{__name__="a", instance="one", job="job"}').at(-1)).toBe("stale");
  });

  test("stop ends everything at once and writes nothing more", async () => {
    const { manager, run, appendable } = setUp();
    await manager.applyConfig([builtin()], EMPTY_LABELS);
    await manager.updateTargets("job", [group({ __address__: "one" })]);
    await run(15_000);
    await manager.stop();
    const count = appendable.samples.length;
    await run(60_000);
    expect(appendable.samples.length).toBe(count);
  });

  test("failed scrapes are written to scrape_failure_log_file", async () => {
    const { manager, run } = setUp();
    const folder = mkdtempSync(join(tmpdir(), "belfry-failures-"));
    const failureLogFile = join(folder, "failures.json");
    await manager.applyConfig([builtin({ failureLogFile, collect: async () => Buffer.from("bad{\n") })], EMPTY_LABELS);
    await manager.updateTargets("job", [group({ __address__: "one" })]);
    await run(16_000);
    await manager.stop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [line] = readFileSync(failureLogFile, "utf8").split("\n");
    rmSync(folder, { recursive: true });
    expect(JSON.parse(line)).toMatchObject({ level: "ERROR", job_name: "job", target: "builtin:job" });
    expect((JSON.parse(line) as { msg: string }).msg).toContain("expected label name");
  });

  test("real targets over HTTP, with parameters, in real time", async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url!);
      response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end("a 1\n");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const appendable = new RecordingAppendable();
    const manager = new ScrapeManager({
      appendable,
      clock: systemClock,
      logger: silentLogger,
      registry: new MetricsRegistry(),
    });
    managers.push(manager);
    const settings = poolDefaults({ scrapeIntervalMs: 100, scrapeTimeoutMs: 100, params: { match: ["x", "y"] } });
    await manager.applyConfig([settings], EMPTY_LABELS);
    await manager.updateTargets("job", [group({ __address__: address })]);
    // Timers of the clock do not keep the process alive, so something must.
    await new Promise((resolve) => setTimeout(resolve, 700));
    await manager.stop();
    server.close();
    expect(asked[0]).toBe("/metrics?match=x&match=y");
    const up = appendable.of(`{__name__="up", instance="${address}", job="job"}`);
    // A busy machine may be too slow for one or the other.
    expect(up.filter((value) => value === 1).length).toBeGreaterThan(2);
  });
});
