import { Labels } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/log.ts";
import { MetricsRegistry } from "../../lib/metrics-registry.ts";
import { RecordingAppendable } from "./recording-appendable.ts";
import { type LoopSettings, ScrapeLoop } from "./scrape-loop.ts";
import { loopSettings } from "./scrape-settings-fixture.ts";
import { ScrapeMetrics } from "./scrape-metrics.ts";
import { builtinScraper } from "./scraper.ts";
import { Target } from "./target.ts";

const SETTINGS = loopSettings();

/** setUp makes a loop whose target answers what `body` holds. */
function setUp(settings: Partial<LoopSettings> = {}) {
  const appendable = new RecordingAppendable();
  const target = new Target(
    Labels.fromRecord({ job: "j", instance: "i:1" }),
    Labels.fromRecord({}),
    "http://i:1/metrics",
  );
  const answer = { body: "" };
  const loop = new ScrapeLoop(
    target,
    builtinScraper(async () => Buffer.from(answer.body)),
    { ...SETTINGS, ...settings },
    {
      clock: systemClock,
      logger: silentLogger,
      appendable,
      metrics: new ScrapeMetrics(new MetricsRegistry()),
      shutdown: new AbortController().signal,
      offsetSeed: 0n,
    },
  );
  let timeMs = Date.now();
  const scrape = async (body: string): Promise<string[]> => {
    answer.body = body;
    timeMs += 1000;
    const before = appendable.samples.length;
    await loop.scrapeOnce(timeMs);
    return appendable.samples
      .slice(before)
      .map((s) => `${s.labels.replace(', instance="i:1", job="j"', "")} ${s.stale ? "stale" : s.value}`)
      .filter((line) => !line.includes("scrape_duration_seconds"));
  };
  return { appendable, target, scrape, loop };
}

const report = (up: number, total: number, added: number, seriesAdded: number): string[] => [
  `{__name__="up"} ${up}`,
  `{__name__="scrape_samples_scraped"} ${total}`,
  `{__name__="scrape_samples_post_metric_relabeling"} ${added}`,
  `{__name__="scrape_series_added"} ${seriesAdded}`,
];

describe("ScrapeLoop", () => {
  test("stores samples and reports on the scrape", async () => {
    const { scrape, target, appendable } = setUp();
    const body = '# HELP a An A.\n# TYPE a counter\na{x="1"} 1\na{x="2"} 2\n';
    expect(await scrape(body)).toEqual([
      '{__name__="a", x="1"} 1'.replace(", x", ', instance="i:1", job="j", x').replace(', instance="i:1", job="j"', ""),
      '{__name__="a", x="2"} 2',
      ...report(1, 2, 2, 2),
    ]);
    expect(await scrape(body)).toEqual(['{__name__="a", x="1"} 1', '{__name__="a", x="2"} 2', ...report(1, 2, 2, 0)]);
    expect(target.health).toBe("up");
    expect(appendable.metadata.get("a")).toEqual({ type: "counter", help: "An A.", unit: "" });
  });

  test("marks series that are gone as stale, also after a failed scrape", async () => {
    const { scrape, target } = setUp();
    await scrape("a 1\nb 2\n");
    expect(await scrape("a 1\n")).toEqual(['{__name__="a"} 1', '{__name__="b"} stale', ...report(1, 1, 1, 0)]);
    expect(await scrape("a 2\nrubbish{\n")).toEqual(['{__name__="a"} stale', ...report(0, 1, 1, 0)]);
    expect(target.health).toBe("down");
    expect(target.lastError).toBe(
      String.raw`expected label name, got "\n" ("INVALID") while parsing: "rubbish{\n" (line 2 of http://i:1/metrics)`,
    );
    expect(await scrape("a 2\nrubbish{\n")).toEqual(report(0, 1, 1, 0));
    expect(await scrape("a 3\n")).toEqual(['{__name__="a"} 3', ...report(1, 1, 1, 0)]);
  });

  test("a series spelled differently is the same series", async () => {
    const { scrape } = setUp();
    await scrape('a{x="1",y="2"} 1\n');
    expect(await scrape('a{y="2", x="1"} 2\n')).toEqual(['{__name__="a", x="1", y="2"} 2', ...report(1, 1, 1, 1)]);
  });

  test("sample_limit fails the scrape and is counted to the end", async () => {
    const { scrape, target } = setUp({ sampleLimit: 2 });
    await scrape("a 1\nb 1\n");
    expect(await scrape("a 1\nb 1\nc 1\nd 1\n")).toEqual([
      '{__name__="a"} stale',
      '{__name__="b"} stale',
      ...report(0, 4, 4, 0),
    ]);
    expect(target.lastError).toBe("sample limit exceeded");
  });

  test("a store that has forgotten its series gets them anew", async () => {
    const { scrape, appendable } = setUp();
    await scrape("a 1\nb 1\n");
    appendable.forgetRefs();
    expect(await scrape("a 2\n")).toEqual(['{__name__="a"} 2', ...report(1, 1, 1, 0)]);
  });
});
