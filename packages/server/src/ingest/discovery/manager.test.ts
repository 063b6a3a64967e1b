import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLogger } from "../../lib/log.ts";
import { MetricsRegistry } from "../../lib/metrics-registry.ts";
import { ManualClock } from "../../metrics/manual-clock.ts";
import type { DiscoveryConfig } from "./config.ts";
import { createDiscoverer } from "./create.ts";
import { newEnvironment, section } from "./discovery-fixture.ts";
import type { Emit } from "./discoverer.ts";
import { DiscoveryManager } from "./manager.ts";
import type { TargetGroup } from "./target-group.ts";

let clock: ManualClock;
let manager: DiscoveryManager;
let updates: [job: string, addresses: string][];
/** emitters are the running doubles of file discovery, by the file they are for. */
let emitters: Map<string, Emit>;
let stopped: string[];

beforeEach(() => {
  clock = new ManualClock(0);
  updates = [];
  emitters = new Map();
  stopped = [];
  manager = new DiscoveryManager({
    clock,
    log: silentLogger,
    registry: new MetricsRegistry(),
    update: (job, groups) => {
      updates.push([job, groups.flatMap((g) => g.targets.map((t) => t.get("__address__"))).join()]);
    },
    create(config) {
      if (config.kind !== "file") return createDiscoverer(config, newEnvironment(clock));
      const name = config.files[0]!;
      return {
        run: (emit, signal) => {
          emitters.set(name, emit);
          return new Promise((resolve) =>
            signal.addEventListener("abort", () => (stopped.push(name), emitters.delete(name), resolve())),
          );
        },
      };
    },
  });
});
afterEach(() => manager.stop());

const fixed = (address: string): DiscoveryConfig => section(`static_configs: [{targets: ["${address}"]}]\n`);
const file = (name: string): DiscoveryConfig => section(`file_sd_configs: [{files: [${name}.json]}]\n`);
const group = (source: string, ...addresses: string[]): TargetGroup => ({
  source,
  targets: addresses.map((address) => new Map([["__address__", address]])),
  labels: new Map(),
});
const apply = (jobs: Record<string, DiscoveryConfig[]>): void => manager.applyConfig(new Map(Object.entries(jobs)));
const taken = (): [string, string][] => updates.splice(0);

test("static targets are there at once", async () => {
  apply({ a: [fixed("x:1"), fixed("y:1")], b: [] });
  expect(taken()).toEqual([
    ["a", "x:1,y:1"],
    ["b", ""],
  ]);
});

test("the first word of a discoverer goes on at once, further ones every five seconds at most", async () => {
  apply({ a: [file("f")] });
  expect(taken()).toEqual([]);
  emitters.get("f.json")!([group("1", "x:1")]);
  expect(taken()).toEqual([["a", "x:1"]]);
  emitters.get("f.json")!([group("2", "y:1")]);
  emitters.get("f.json")!([group("1")]);
  expect(taken()).toEqual([]);
  clock.advance(4999);
  expect(taken()).toEqual([]);
  clock.advance(1);
  expect(taken()).toEqual([["a", "y:1"]]);
  clock.advance(20_000);
  expect(taken()).toEqual([]);
  emitters.get("f.json")!([group("2", "z:1")]);
  expect(taken()).toEqual([["a", "z:1"]]);
});

test("a job waits for all its discoverers to speak, five seconds at most", async () => {
  apply({ a: [fixed("s:1"), file("f"), file("g")] });
  expect(taken()).toEqual([]);
  emitters.get("f.json")!([group("1", "x:1")]);
  expect(taken()).toEqual([]);
  emitters.get("g.json")!([group("1", "y:1")]);
  expect(taken()).toEqual([["a", "s:1,x:1,y:1"]]);
  apply({ b: [fixed("s:1"), file("h")] });
  clock.advance(5000);
  expect(taken()).toEqual([["b", "s:1"]]);
});

describe("a new configuration", () => {
  test("leaves equal sections alone, ends the others, and hands all jobs on anew", async () => {
    apply({ a: [file("f"), file("g")] });
    emitters.get("f.json")!([group("1", "x:1")]);
    emitters.get("g.json")!([group("1", "y:1")]);
    taken();
    const before = emitters.get("f.json");
    apply({ a: [file("f")], b: [file("f")] });
    expect(stopped).toEqual(["g.json"]);
    expect(emitters.get("f.json")).toBe(before);
    expect(taken()).toEqual([
      ["a", "x:1"],
      ["b", "x:1"],
    ]);
    emitters.get("f.json")!([group("1", "z:1")]);
    clock.advance(5000);
    expect(taken()).toEqual([
      ["a", "z:1"],
      ["b", "z:1"],
    ]);
  });

  test("changed sections keep the job's targets until the new ones have spoken", async () => {
    apply({ a: [file("f")] });
    emitters.get("f.json")!([group("1", "x:1")]);
    taken();
    apply({ a: [file("g")] });
    expect(taken()).toEqual([]);
    emitters.get("g.json")!([group("1", "y:1")]);
    expect(taken()).toEqual([["a", "y:1"]]);
  });
});

describe("sharing", () => {
  test("equal sections share a discoverer, within a job and between jobs, and count once in a job", () => {
    let created = 0;
    const shared = new DiscoveryManager({
      clock,
      log: silentLogger,
      registry: new MetricsRegistry(),
      create: () => {
        created++;
        return { run: async (emit) => emit([group("1", "x:1")]) };
      },
      update: (job, groups) => void updates.push([job, groups.map(({ source }) => source).join()]),
    });
    const http = (header: string): DiscoveryConfig =>
      section(`http_sd_configs: [{url: "http://x/", http_headers: {A: {values: [${header}]}}}]\n`);
    shared.applyConfig(
      new Map([
        ["a", [http("one"), http("one")]],
        ["b", [http("one"), http("two")]],
      ]),
    );
    expect(created).toBe(2);
    expect(taken()).toEqual([
      ["a", "0/1"],
      ["b", "0/1,1/1"],
    ]);
    shared.stop();
  });
});

test("a job that is gone is handed on no more, and its metric goes", () => {
  const registry = new MetricsRegistry();
  const metrics = (): string => Buffer.from(registry.render()).toString("utf8");
  let emit: Emit = () => {};
  const other = new DiscoveryManager({
    clock,
    log: silentLogger,
    registry,
    create: () => ({
      run(own) {
        emit = own;
        return new Promise(() => {});
      },
    }),
    update: (job, groups) => void updates.push([job, String(groups.length)]),
  });
  other.applyConfig(
    new Map([
      ["a", [file("f")]],
      ["b", [file("f")]],
    ]),
  );
  emit([group("1", "x:1", "y:1")]);
  expect(taken()).toEqual([
    ["a", "1"],
    ["b", "1"],
  ]);
  expect(metrics()).toContain('belfry_sd_discovered_targets{config="b"} 2');
  // A change waits for its time when the job goes.
  emit([group("2", "z:1")]);
  other.applyConfig(new Map([["a", [file("f")]]]));
  expect(taken()).toEqual([["a", "2"]]);
  expect(metrics()).toContain('belfry_sd_discovered_targets{config="a"} 3');
  expect(metrics()).not.toContain('config="b"');
  clock.advance(60_000);
  expect(taken()).toEqual([]);
  other.stop();
});

test("after the end, or for a section that is gone, what a discoverer still says is not heard", () => {
  apply({ a: [file("f")] });
  const late = emitters.get("f.json")!;
  late([group("1", "x:1")]);
  taken();
  late([group("2", "y:1")]);
  apply({ a: [file("g")] });
  late([group("1", "z:1")]);
  clock.advance(5000);
  expect(taken()).toEqual([["a", ""]]);
  const last = emitters.get("g.json")!;
  manager.stop();
  last([group("1", "x:1")]);
  clock.advance(60_000);
  expect(taken()).toEqual([]);
  expect(stopped).toEqual(["f.json", "g.json"]);
});

test("reloads in quick succession do not hold a job's targets back", () => {
  apply({ a: [file("f")] });
  emitters.get("f.json")!([group("1", "x:1")]);
  taken();
  for (let i = 0; i < 3; i++) {
    clock.advance(1000);
    apply({ a: [file("f"), fixed(`s:${i}`)] });
    expect(taken()).toEqual([["a", `x:1,s:${i}`]]);
  }
});

test("a kind that is not supported is refused by name, its job goes on without it", async () => {
  const errors: unknown[] = [];
  const registry = new MetricsRegistry();
  const refusing = new DiscoveryManager({
    clock,
    registry,
    log: { ...silentLogger, error: (_message, fields) => void errors.push((fields!["err"] as Error).message) },
    create: (config) => createDiscoverer(config, newEnvironment(clock)),
    update: (job, groups) => void updates.push([job, String(groups.length)]),
  });
  refusing.applyConfig(new Map([["a", [section("consul_sd_configs: [{server: x}]\n"), fixed("s:1")]]]));
  expect(errors).toEqual([
    expect.stringMatching(/^line 1: consul_sd_configs: this kind of service discovery is not supported/),
  ]);
  expect(taken()).toEqual([["a", "1"]]);
  const text = new TextDecoder().decode(registry.render("text"));
  expect(text).toContain("belfry_sd_failed_configs 1");
  expect(text).toContain('belfry_sd_discovered_targets{config="a"} 1');
  refusing.stop();
});

test("a discoverer that falls over is started again", async () => {
  let runs = 0;
  const restarting = new DiscoveryManager({
    clock,
    log: silentLogger,
    registry: new MetricsRegistry(),
    update: () => {},
    create: () => ({
      run: async (_emit, signal) => {
        if (runs++ === 0) throw new TypeError("fell over");
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    }),
  });
  restarting.applyConfig(new Map([["a", [fixed("x:1")]]]));
  await Promise.resolve();
  clock.advance(5000);
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(runs).toBe(2);
  restarting.stop();
});
