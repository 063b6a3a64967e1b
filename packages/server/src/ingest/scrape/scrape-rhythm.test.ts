// When a loop scrapes: offsets, alignment, late and slow scrapes, and what it writes after it has been stopped.
import { Labels } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import { silentLogger } from "../../lib/log.ts";
import { MetricsRegistry } from "../../lib/metrics-registry.ts";
import { ManualClock } from "../../metrics/manual-clock.ts";
import { RecordingAppendable } from "./recording-appendable.ts";
import { ScrapeLoop } from "./scrape-loop.ts";
import { loopSettings } from "./scrape-settings-fixture.ts";
import { ScrapeMetrics } from "./scrape-metrics.ts";
import type { Scraper } from "./scraper.ts";
import { Target } from "./target.ts";

const INTERVAL_MS = 10_000;
const SETTINGS = loopSettings({ intervalMs: INTERVAL_MS, timeoutMs: 5000, extraMetrics: true });

/** JitteryClock wakes sleepers late by what it is told, and stops at every waking so that promises are followed up. */
class JitteryClock extends ManualClock {
  lateMs = 0;
  private due: number[] = [];

  override setTimeout(run: () => void, delayMs: number): { cancel(): void } {
    const late = delayMs + (delayMs > 1000 ? this.lateMs : 0);
    this.due.push(super.now() + late);
    return super.setTimeout(run, late);
  }

  async run(ms: number): Promise<void> {
    const end = super.now() + ms;
    for (;;) {
      this.due = this.due.filter((at) => at > super.now());
      const next = Math.min(end, ...this.due);
      this.advance(next - super.now());
      await settle();
      if (next === end) return;
    }
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

function setUp(scrapeMs = 0) {
  const clock = new JitteryClock(1_700_000_000_000);
  const appendable = new RecordingAppendable();
  const shutdown = new AbortController();
  const target = new Target(Labels.fromRecord({ job: "j", instance: "i" }), Labels.fromRecord({}), "http://i/metrics");
  const times: number[] = [];
  const state = { scrapeMs, body: "a 1\n" };
  const scraper: Scraper = {
    scrape(signal) {
      times.push(clock.now());
      const bytes = Buffer.from(state.body);
      const done = { bytes, length: bytes.length, contentType: "text/plain", release: () => undefined };
      if (state.scrapeMs === 0) return Promise.resolve(done);
      return new Promise((resolve, reject) => {
        const timer = clock.setTimeout(() => resolve(done), state.scrapeMs);
        signal.addEventListener("abort", () => {
          timer.cancel();
          reject(signal.reason as Error);
        });
      });
    },
    close: () => undefined,
  };
  const env = {
    clock,
    logger: silentLogger,
    appendable,
    metrics: new ScrapeMetrics(new MetricsRegistry()),
    shutdown: shutdown.signal,
    offsetSeed: 7n,
  };
  const loop = new ScrapeLoop(target, scraper, SETTINGS, env);
  const run = (ms: number): Promise<void> => clock.run(ms);
  return { clock, appendable, shutdown, target, times, state, loop, run, env, scraper };
}

const UP = '{__name__="up", instance="i", job="j"}';
const A = '{__name__="a", instance="i", job="j"}';

describe("offsets", () => {
  test("are the same whenever asked for, spread over the interval, and differ by seed", () => {
    const places: number[] = [];
    for (let i = 0; i < 1000; i++) {
      const target = new Target(Labels.fromRecord({ instance: `i${i}` }), Labels.fromRecord({}), `http://i${i}/`);
      const now = 1_700_000_000_000 + i * 137;
      const wait = target.offsetMs(now, INTERVAL_MS, 1n);
      expect(wait).toBeGreaterThanOrEqual(0);
      expect(wait).toBeLessThanOrEqual(INTERVAL_MS);
      const place = (now + wait) % INTERVAL_MS;
      const later = now + 3333;
      expect((later + target.offsetMs(later, INTERVAL_MS, 1n)) % INTERVAL_MS).toBeCloseTo(place, 3);
      places.push(place);
    }
    for (let tenth = 0; tenth < 10; tenth++) {
      const count = places.filter((place) => Math.floor(place / 1000) === tenth).length;
      expect(count).toBeGreaterThan(60);
      expect(count).toBeLessThan(150);
    }
    const target = new Target(Labels.fromRecord({ instance: "i" }), Labels.fromRecord({}), "http://i/");
    expect(target.offsetMs(0, INTERVAL_MS, 1n)).not.toBe(target.offsetMs(0, INTERVAL_MS, 2n));
  });

  test("the first scrape waits for the target's place, the next ones follow at the interval", async () => {
    const { clock, loop, run, times, target } = setUp();
    const first = clock.now() + target.offsetMs(clock.now(), INTERVAL_MS, 7n);
    loop.start();
    await run(35_000);
    expect(times.length).toBeGreaterThanOrEqual(3);
    expect(times[0]).toBeCloseTo(first, 3);
    expect(times[1] - times[0]).toBeCloseTo(INTERVAL_MS, 3);
  });
});

describe("timestamps", () => {
  test("are aligned when a scrape is a little late, true when it is much", async () => {
    const { clock, loop, run, appendable } = setUp();
    loop.start(true);
    await settle();
    const start = clock.now();
    for (const lateMs of [1.5, 0.4, 40, 1, 1]) {
      clock.lateMs = lateMs;
      await run(INTERVAL_MS);
    }
    await run(100);
    const stamps = appendable.samples.filter((sample) => sample.labels === UP).map((sample) => sample.timeMs - start);
    expect(stamps.slice(0, 6)).toEqual([0, 10_000, 20_000, 30_040, 40_000, 50_000]);
  });

  test("follow the wall clock after it was set", async () => {
    const { clock, loop, run, appendable } = setUp();
    loop.start(true);
    await run(INTERVAL_MS);
    const jump = 1234;
    const now = clock.now.bind(clock);
    const monotonic = clock.monotonicMs.bind(clock);
    clock.now = () => now() + jump;
    clock.monotonicMs = () => monotonic();
    clock.lateMs = 1;
    await run(6 * INTERVAL_MS);
    const stamps = appendable.samples.filter((sample) => sample.labels === UP).map((sample) => sample.timeMs);
    const gaps = stamps.slice(1).map((time, i) => time - stamps[i]);
    expect(gaps.slice(-2)).toEqual([INTERVAL_MS, INTERVAL_MS]);
  });
});

describe("slow targets", () => {
  test("ticks that were missed are made up for by one scrape at once", async () => {
    const { loop, run, times, state, clock } = setUp();
    const start = clock.now();
    state.scrapeMs = 0;
    loop.start(true);
    await settle();
    // Something else keeps this thread busy past two ticks.
    await run(5000);
    clock.advance(21_000);
    await settle();
    await run(20_000);
    expect(times.map((time) => time - start)).toEqual([0, 26_000, 30_000, 40_000]);
  });

  test("a timeout fails the scrape with upstream's words", async () => {
    const { loop, run, target, state, appendable } = setUp();
    state.scrapeMs = 60_000;
    loop.start(true);
    await run(5100);
    expect(target.health).toBe("down");
    expect(target.lastError).toBe("context deadline exceeded");
    expect(appendable.of(UP)).toEqual([0]);
    expect(appendable.of('{__name__="scrape_timeout_seconds", instance="i", job="j"}')).toEqual([5]);
    expect(appendable.of('{__name__="scrape_body_size_bytes", instance="i", job="j"}')).toEqual([0]);
  });
});

describe("the end", () => {
  test("a target that is gone gets staleness markers a good two intervals later, stamped with the missed scrape", async () => {
    const { loop, run, appendable, clock } = setUp();
    loop.start(true);
    await run(15_000);
    const stopped = loop.stop();
    await settle();
    await stopped;
    const stoppedAt = clock.now();
    await run(15_500);
    expect(appendable.of(A)).toEqual([1, 1]);
    await run(2000);
    expect(appendable.of(A)).toEqual([1, 1, "stale"]);
    expect(appendable.of(UP)).toEqual([1, 1, "stale"]);
    const marker = appendable.samples.find((sample) => sample.labels === A && sample.stale)!;
    expect(marker.timeMs).toBe(stoppedAt + 5000);
  });

  test("none when the target came back in time: its new samples are newer", async () => {
    const one = setUp();
    one.loop.start(true);
    await one.run(1000);
    await one.loop.stop();
    const again = new ScrapeLoop(one.target, one.scraper, SETTINGS, one.env);
    again.start(true);
    await one.run(40_000);
    expect(one.appendable.of(A)).not.toContain("stale");
    expect(one.appendable.of(UP)).not.toContain("stale");
  });

  test("none when another loop goes on with the cache, and none at shutdown", async () => {
    for (const how of ["replaced", "shutdown"]) {
      const { loop, run, appendable, shutdown } = setUp();
      loop.start(true);
      await run(1000);
      if (how === "shutdown") shutdown.abort(new Error("shutting down"));
      await loop.stop(how !== "replaced");
      await run(40_000);
      expect(appendable.of(A), how).toEqual([1]);
    }
  });

  test("shutdown does not wait for a scrape under way", async () => {
    const { loop, run, shutdown, state } = setUp();
    state.scrapeMs = 4000;
    loop.start(true);
    await run(1000);
    shutdown.abort(new Error("shutting down"));
    await loop.stop(false);
  });
});

test("a forced error fails every scrape without asking the target", async () => {
  const { loop, run, target, times, appendable } = setUp();
  loop.start(true);
  await run(1000);
  loop.setForcedError(new Error("target_limit exceeded (number of targets: 2, limit: 1)"));
  await run(10_000);
  expect(times.length).toBe(1);
  expect(target.lastError).toBe("target_limit exceeded (number of targets: 2, limit: 1)");
  expect(appendable.of(A)).toEqual([1, "stale"]);
  expect(appendable.of(UP)).toEqual([1, 0]);
});
