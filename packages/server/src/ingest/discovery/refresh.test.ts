import { afterEach, expect, test } from "vitest";
import { ManualClock } from "../../metrics/manual-clock.ts";
import { newEnvironment, type Running, start } from "./discovery-fixture.ts";
import { RefreshDiscoverer } from "./refresh.ts";
import type { TargetGroup } from "./target-group.ts";

let running: Running | undefined;
afterEach(() => running?.stop());

const settle = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};
const group = (address: string): TargetGroup => ({
  source: "x",
  targets: [new Map([["__address__", address]])],
  labels: new Map(),
});

function run(refresh: (signal: AbortSignal) => Promise<readonly TargetGroup[]>) {
  const clock = new ManualClock(1000);
  const env = newEnvironment(clock);
  let closed = 0;
  const close = async (): Promise<void> => void closed++;
  running = start(new RefreshDiscoverer({ kind: "test", intervalMs: 60_000, refresh, close }, env));
  return { clock, env, running, closed: () => closed };
}

test("asks at once, then at every interval", async () => {
  let asked = 0;
  const { clock, running, env } = run(async () => [group(`a:${++asked}`)]);
  await settle();
  expect(running.addresses()).toEqual(["a:1"]);
  clock.advance(59_999);
  await settle();
  expect(asked).toBe(1);
  clock.advance(1);
  await settle();
  expect(running.addresses()).toEqual(["a:2"]);
  expect(env.metric('belfry_sd_refresh_duration_seconds_count{mechanism="test"}')).toBe(2);
});

test("a failure keeps the targets, is counted and told, and the next interval tries again", async () => {
  let failing = false;
  const { clock, running, env } = run(async () => {
    if (failing) throw new Error("no");
    return [group("a:1")];
  });
  await settle();
  failing = true;
  clock.advance(60_000);
  await settle();
  expect(env.errors).toEqual(["Unable to refresh target groups: no"]);
  expect(env.metric('belfry_sd_refresh_failures_total{mechanism="test"}')).toBe(1);
  expect(running.addresses()).toEqual(["a:1"]);
  expect(running.updates).toBe(1);
  failing = false;
  clock.advance(60_000);
  await settle();
  expect(running.updates).toBe(2);
});

test("a refresh that outlasts the interval is followed by one, not by all that were missed", async () => {
  let asked = 0;
  let finish: () => void = () => {};
  const { clock } = run(async () => {
    asked++;
    await new Promise<void>((resolve) => (finish = resolve));
    return [];
  });
  clock.advance(200_000);
  await settle();
  expect(asked).toBe(1);
  finish();
  clock.advance(0);
  await settle();
  clock.advance(1);
  await settle();
  expect(asked).toBe(2);
  finish();
  await settle();
  clock.advance(59_998);
  await settle();
  expect(asked).toBe(2);
  clock.advance(2);
  await settle();
  expect(asked).toBe(3);
  finish();
});

test("an end aborts the refresh under way, emits nothing, and closes once", async () => {
  let signalled = false;
  const { running, closed, env } = run(
    (signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          signalled = true;
          reject(signal.reason as Error);
        }),
      ),
  );
  await running.stop();
  expect(signalled).toBe(true);
  expect(running.updates).toBe(0);
  expect(env.errors).toEqual([]);
  expect(closed()).toBe(1);
});

test("a result that comes after the end is dropped", async () => {
  let finish: (groups: readonly TargetGroup[]) => void = () => {};
  const { running } = run(() => new Promise((resolve) => (finish = resolve)));
  const stopped = running.stop();
  finish([group("a:1")]);
  await stopped;
  expect(running.updates).toBe(0);
});

test("an interval that would never rest is refused", () => {
  const options = { kind: "test", intervalMs: 0, refresh: async () => [] };
  expect(() => new RefreshDiscoverer(options, newEnvironment())).toThrow(
    "expected refresh_interval to be positive, got 0s",
  );
});
