import { Labels } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import { ExemplarStore } from "./exemplars.ts";
import { Head, MIN_WINDOW_MS } from "./head/head.ts";
import { HeadAppendable } from "./head/head-appender.ts";
import { AppendFailure, openMetricStore } from "./index.ts";
import { ManualClock } from "./manual-clock.ts";
import { MetadataStore } from "./metadata.ts";
import { labels, matchers, read, unlimited, write } from "./store-testing.ts";

const T = 1_700_000_000_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function standalone(options: { budgetBytes?: number; windowMs?: number } = {}): {
  head: Head;
  scrape: (timeMs: number, series: readonly Labels[], value: (i: number) => number) => number[];
} {
  let now = T;
  const head = new Head({ now: () => now, ...options });
  const appendable = new HeadAppendable(head, new ExemplarStore(0), new MetadataStore(), undefined);
  const scrape = (timeMs: number, series: readonly Labels[], value: (i: number) => number): number[] => {
    now = timeMs;
    const appender = appendable.appender({ scrape: true });
    const refs = series.map((one, i) => appender.append(0, one, timeMs, value(i)));
    void appender.commit();
    return refs;
  };
  return { head, scrape };
}

function manySeries(count: number, extra = ""): Labels[] {
  return Array.from({ length: count }, (_, i) =>
    Labels.fromRecord({ __name__: "m", pod: `pod-${extra}-${i}`, zone: `z${i % 3}` }),
  );
}

test("[HD21] the floor follows the newest sample; what it leaves behind stays readable for a while", async () => {
  const clock = new ManualClock(T);
  const store = await openMetricStore({ clock, windowMs: HOUR });
  for (let t = T; t <= T + 2 * HOUR; t += MINUTE) {
    clock.advance(MINUTE);
    await write(store, { m: [[t, t - T]] });
  }
  store.maintain();
  const { head } = store.stats();
  expect(head.floorMs).toBe(T + HOUR);
  const { series } = await store.select(
    matchers("m"),
    { startMs: 0, endMs: T, stepMs: 0, rangeMs: 0, func: "", limit: 0 },
    unlimited(),
  );
  expect(series).toHaveLength(1);
  const samples = (await read(store, "m", 0, Infinity))['{__name__="m"}']!;
  // A chunk goes when all of it is older than floor and grace.
  expect(samples[0]![0]).toBeLessThanOrEqual(T + HOUR - 2.5 * MINUTE);
  expect(samples.length).toBeLessThanOrEqual(120 + 63);
});

test("[HD21] a floor that moves does not take samples from a query that is under way", () => {
  const { head, scrape } = standalone({ windowMs: HOUR });
  const series = manySeries(1);
  for (let i = 0; i <= 400; i++) scrape(T + i * 15_000, series, () => i);
  head.maintain();
  const floor = head.floorMs;
  for (let i = 401; i <= 410; i++) {
    scrape(T + i * 15_000, series, () => i);
    head.maintain();
  }
  expect(head.floorMs).toBeGreaterThan(floor);
  expect(head.firstTimeOf(0)).toBeLessThanOrEqual(floor);
});

describe("budget", () => {
  test("[HD22] the window shrinks before anything is refused", () => {
    const { head, scrape } = standalone({ budgetBytes: 1_000_000, windowMs: 3 * HOUR });
    const series = manySeries(200);
    let state = 1;
    for (let i = 0; i < 1440; i++) {
      const refs = scrape(T + i * 15_000, series, () => (state = (state * 48271) % 2147483647) / 7);
      expect(refs.every((ref) => ref > 0)).toBe(true);
      if (i % 4 === 0) head.maintain();
    }
    expect(head.usedBytes).toBeLessThanOrEqual(1_000_000);
    expect(head.stats.windowMs).toBeLessThan(3 * HOUR);
    expect(head.stats.windowMs).toBeGreaterThan(MIN_WINDOW_MS);
    expect(head.currentStats().refusingSeries).toBe(false);
  });

  test("[HD22] a cardinality explosion is refused, known series go on, and it passes", () => {
    const { head, scrape } = standalone({ budgetBytes: 2_000_000 });
    const known = manySeries(100);
    let time = T;
    scrape(time, known, () => 1);
    const refusals = scrape((time += 15_000), manySeries(20_000, "explosion"), () => 1).filter(
      (ref) => ref === AppendFailure.SeriesLimit,
    ).length;
    expect(refusals).toBeGreaterThan(10_000);
    expect(head.usedBytes).toBeLessThan(2_400_000);
    expect(scrape((time += 15_000), known, () => 2).every((ref) => ref > 0)).toBe(true);
    expect(scrape(time, manySeries(1, "new"), () => 1)).toEqual([AppendFailure.SeriesLimit]);
    // The exploded series are gone after the smallest window.
    for (let i = 0; i < 60; i++) {
      scrape((time += 15_000), known, () => i);
      head.maintain();
    }
    expect(head.series.size).toBe(100);
    expect(scrape((time += 15_000), manySeries(1, "new"), () => 1)[0]).toBeGreaterThan(0);
  });

  test("[HD22] the window grows back when there is room", () => {
    const { head, scrape } = standalone({ budgetBytes: 1_000_000 });
    head.stats.windowMs = MIN_WINDOW_MS;
    for (let i = 0; i < 1000; i++) {
      scrape(T + i * 15_000, manySeries(1), () => 1);
      head.maintain();
    }
    expect(head.stats.windowMs).toBe(3 * HOUR);
  });
});

test("[HD23] replacing every series every few minutes for a day does not make the head grow", () => {
  const { head, scrape } = standalone({ windowMs: HOUR });
  const peaks: { series: number; used: number; allocated: number; labels: number }[] = [];
  let time = T;
  for (let hour = 0; hour < 24; hour++) {
    for (let deployment = 0; deployment < 12; deployment++) {
      const series = manySeries(150, `${hour}-${deployment}`);
      for (let i = 0; i < 20; i++) {
        scrape((time += 15_000), series, (k) => i * k);
        head.maintain();
      }
    }
    peaks.push({
      series: head.series.size,
      used: head.usedBytes,
      allocated: head.allocatedBytes,
      labels: head.index.pairCount,
    });
  }
  const early = peaks[2]!;
  const late = peaks[23]!;
  expect(late.series).toBeLessThanOrEqual(early.series);
  expect(late.series).toBeLessThan(150 * 15);
  expect(late.used).toBeLessThan(early.used * 1.02);
  expect(late.allocated).toBeLessThan(early.allocated * 1.1);
  expect(late.labels).toBeLessThanOrEqual(early.labels);
  expect(head.series.limit).toBeLessThan(150 * 20);
  expect(head.stats.seriesRemoved).toBeGreaterThan(150 * 12 * 22);
});

describe("shared timestamps", () => {
  test("[HD24] series of one scrape share them, however uneven", () => {
    const { head, scrape } = standalone();
    const series = manySeries(50);
    for (let i = 0; i < 120; i++) scrape(T + i * 15_000 + ((i * 37) % 11), series, () => i);
    expect(head.chunks.size).toBe(50);
    expect(head.chunks.times.size).toBe(1);
    scrape(T + 120 * 15_000, series, () => 1);
    expect(head.chunks.times.size).toBe(2);
  });

  test("[HD24] a series that joins late shares the rest", () => {
    const { head, scrape } = standalone();
    const series = manySeries(50);
    for (let i = 0; i < 70; i++) scrape(T + i * 15_000, series.slice(0, 49), () => i);
    for (let i = 70; i < 240; i++) scrape(T + i * 15_000, series, () => i);
    expect(head.chunks.times.size).toBe(2);
  });

  test("[HD24] series that part together stay together", () => {
    const { head, scrape } = standalone();
    const series = manySeries(60);
    const [left, right] = [series.slice(0, 30), series.slice(30)];
    for (let i = 0; i < 50; i++) scrape(T + i * 15_000, series, () => i);
    for (let i = 50; i < 120; i++) {
      scrape(T + i * 15_000, left, () => i);
      scrape(T + i * 15_000 + 7000, right, () => i);
    }
    expect(head.chunks.times.size).toBe(2);
  });

  test("[HD24] two targets of one interval do not share what differs", () => {
    const { head, scrape } = standalone();
    const series = manySeries(60);
    for (let i = 0; i < 240; i++) {
      scrape(T + i * 15_000, series.slice(0, 30), () => i);
      scrape(T + i * 15_000 + 3000 + (i % 5), series.slice(30), () => i);
    }
    expect(head.chunks.times.size).toBe(4);
    head.maintain();
    expect(head.chunks.bytesByEncoding["times"]).toBeLessThan(1000);
  });
});

test("[HD20] memory of realistic series is a few bytes per sample", () => {
  const { head, scrape } = standalone();
  const series = manySeries(500);
  const values = series.map((_, i) => i * 1000);
  for (let s = 0; s < 480; s++) {
    scrape(T + s * 15_000, series, (i) => (values[i]! += i % 3 === 0 ? 0 : (i * s) % 97));
  }
  const samples = 500 * 480;
  expect(head.chunks.usedBytes / samples).toBeLessThan(1.2);
  expect(head.usedBytes / samples).toBeLessThan(2.5);
});

test("label strings are copies, not slices of what they were cut from", async () => {
  const clock = new ManualClock(T);
  const store = await openMetricStore({ clock });
  const body = `${"x".repeat(1000)}a_rather_long_metric_name`;
  await write(store, { [body.slice(1000)]: [[T, 1]] });
  expect(
    (await store.series([matchers("a_rather_long_metric_name")], 0, T, 0, unlimited())).values.map(String),
  ).toEqual([labels("a_rather_long_metric_name").toString()]);
});
