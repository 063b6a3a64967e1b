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
      .map((s) => `${s.labels.replace(', instance="i:1"', "").replace(', job="j"', "")} ${s.stale ? "stale" : s.value}`)
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
    expect(await scrape(body)).toEqual(['{__name__="a", x="1"} 1', '{__name__="a", x="2"} 2', ...report(1, 2, 2, 2)]);
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

  test("labels of the target win over exposed ones, which move to exported_", async () => {
    const { scrape } = setUp();
    expect((await scrape('a{job="own",exported_job="x",instance=""} 1\n'))[0]).toBe(
      '{__name__="a", exported_exported_job="own", exported_job="x"} 1',
    );
  });

  test("with honor_labels the exposed ones win", async () => {
    const { scrape } = setUp({ honorLabels: true });
    expect((await scrape('a{job="own"} 1\n'))[0]).toBe('{__name__="a", job="own"} 1');
  });

  test("with honor_labels an empty label keeps the target's away, as pushed metrics need it", async () => {
    const { scrape, appendable } = setUp({ honorLabels: true });
    await scrape('a{instance=""} 1\n');
    expect(appendable.samples[0].labels).toBe('{__name__="a", job="j"}');
    const plain = setUp();
    await plain.scrape('a{instance=""} 1\n');
    expect(plain.appendable.samples[0].labels).toBe('{__name__="a", instance="i:1", job="j"}');
  });

  test("timestamps of the target are kept and then not tracked for staleness, unless told otherwise", async () => {
    const now = Date.now();
    const plain = setUp();
    await plain.scrape(`a 1 ${now}\n`);
    expect(plain.appendable.samples[0].timeMs).toBe(now);
    expect(await plain.scrape("b 1\n")).toEqual(['{__name__="b"} 1', ...report(1, 1, 1, 1)]);
    const tracked = setUp({ trackTimestampsStaleness: true });
    await tracked.scrape(`a 1 ${now}\n`);
    expect((await tracked.scrape("b 1\n"))[1]).toBe('{__name__="a"} stale');
    const ignored = setUp({ honorTimestamps: false });
    await ignored.scrape("a 1 123\n");
    expect(ignored.appendable.samples[0].timeMs).toBeGreaterThan(now - 1000);
  });

  test("samples too far ahead, old or double are counted and left out", async () => {
    const { scrape, appendable } = setUp();
    const now = Date.now();
    expect(await scrape(`a 1 ${now + 20 * 60_000}\nb 1\nb 2\nc 1 ${now}\nc 2 ${now + 1}\n`)).toEqual([
      '{__name__="b"} 1',
      '{__name__="c"} 1',
      '{__name__="c"} 2',
      ...report(1, 5, 5, 2),
    ]);
    expect(await scrape(`c 1 ${now - 5}\n`)).toEqual(['{__name__="b"} stale', ...report(1, 1, 1, 0)]);
    expect(appendable.rollbacks).toBe(0);
  });

  test.each([
    [{ labelLimit: 3 }, 'a{b="c"} 1\n', "label_limit exceeded (metric: a, number of labels: 4, limit: 3)"],
    [
      { labelNameLengthLimit: 8 },
      'a{long_name="c"} 1\n',
      "label_name_length_limit exceeded (metric: a, label name: long_name, length: 9, limit: 8)",
    ],
    [
      { labelValueLengthLimit: 5 },
      'a{b="sixsix"} 1\n',
      'label_value_length_limit exceeded (metric: a, label name: b, value: "sixsix", length: 6, limit: 5)',
    ],
    [
      { nameValidation: "legacy" as const },
      '{"a.b"} 1\n',
      'invalid metric name or label names: {__name__="a.b", instance="i:1", job="j"}',
    ],
    [
      { nameValidation: "legacy" as const },
      'a{"b.c"="1"} 1\n',
      'invalid metric name or label names: {__name__="a", "b.c"="1", instance="i:1", job="j"}',
    ],
    [{}, '{""} 1\n', "missing metric name (__name__ label)"],
    [{}, 'a{b="1",b="2"} 1\n', 'label name "b" is not unique: invalid sample (line 1 of http://i:1/metrics)'],
  ])("%j refuses %s", async (settings, body, error) => {
    const { scrape, target } = setUp(settings);
    await scrape("ok 1\n");
    expect((await scrape(`ok 2\n${body}`)).slice(0, 2)).toEqual(['{__name__="ok"} stale', '{__name__="up"} 0']);
    expect(target.lastError.replace("line 2", "line 1")).toBe(error);
  });

  test("metric relabelling changes and drops series, which then are no samples after relabelling", async () => {
    const { scrape } = setUp({
      metricRelabel: (labels) => (labels.metricName === "drop" ? undefined : labels.with("extra", "1")),
    });
    for (let round = 0; round < 2; round++) {
      expect(await scrape("drop 1\na 1\n")).toEqual(['{__name__="a", extra="1"} 1', ...report(1, 2, 1, 1 - round)]);
    }
  });

  test("a store that takes no more series is no failure of the target", async () => {
    const { scrape, appendable, target } = setUp();
    await scrape("a 1\n");
    appendable.maxSeries = appendable.seriesCount;
    expect(await scrape("a 2\nnew 1\n")).toEqual(['{__name__="a"} 2', ...report(1, 2, 2, 0)]);
    expect(target.health).toBe("up");
  });

  test("a commit that fails is logged and the next scrape goes on", async () => {
    const { scrape, appendable } = setUp();
    appendable.failCommit = new Error("disk full");
    await scrape("a 1\n");
    appendable.failCommit = undefined;
    expect((await scrape("a 2\n"))[0]).toBe('{__name__="a"} 2');
  });

  test("metadata is told when it is new or changes, and not when the scrape failed", async () => {
    const { scrape, appendable, target } = setUp();
    await scrape("# TYPE a gauge\n# HELP a One.\na 1\nbroken{\n");
    expect(appendable.metadata.size).toBe(0);
    await scrape("# TYPE a gauge\n# HELP a One.\na 1\n");
    expect(appendable.metadata.get("a")).toEqual({ type: "gauge", help: "One.", unit: "" });
    appendable.metadata.clear();
    await scrape("# TYPE a gauge\n# HELP a One.\na 1\n");
    expect(appendable.metadata.size).toBe(0);
    await scrape("# TYPE a gauge\n# HELP a Two.\na 1\n");
    expect(appendable.metadata.get("a")?.help).toBe("Two.");
    for (let i = 0; i < 11; i++) {
      expect(target.cache?.metadata.has("a"), `scrape ${i}`).toBe(true);
      await scrape("b 1\n");
    }
    expect(target.cache?.metadata.has("a")).toBe(false);
  });

  test("failing scrapes with ever new lines do not grow the cache without bound", async () => {
    const { scrape, loop } = setUp();
    await scrape("a 1\n");
    for (let i = 0; i < 50; i++) {
      await scrape(`${Array.from({ length: 500 }, (_, k) => `m${i}_${k} 1\n`).join("")}broken{\n`);
    }
    expect(loop.cache.size).toBeLessThan(2500);
  });

  test("series that come and go leave nothing behind", async () => {
    const { scrape, loop } = setUp();
    for (let i = 0; i < 100; i++) {
      await scrape(Array.from({ length: 200 }, (_, k) => `m{pod="${i}-${k}"} 1\n`).join(""));
    }
    expect(loop.cache.size).toBe(200);
    expect(loop.cache.memoryBytes).toBeLessThan(100_000);
  });
});
