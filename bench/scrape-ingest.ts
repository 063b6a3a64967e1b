// node bench/scrape-ingest.ts [series] [scrapes]
// CPU per sample of scraping one target again and again: reading alone, reading and appending to an appender that
// does nothing, and to a real head. The first scrape, in which every series is new, is reported by itself.
import { Labels } from "@belfry/core/model";
import { systemClock } from "../packages/server/src/lib/clock.ts";
import { silentLogger } from "../packages/server/src/lib/log.ts";
import { MetricsRegistry } from "../packages/server/src/lib/metrics-registry.ts";
import type { Appendable, Appender } from "../packages/server/src/metrics/appender.ts";
import { openMetricStore } from "../packages/server/src/metrics/index.ts";
import { Entry, LineCache, TextParser } from "../packages/server/src/ingest/exposition/index.ts";
import { ScrapeLoop } from "../packages/server/src/ingest/scrape/scrape-loop.ts";
import { loopSettings } from "../packages/server/src/ingest/scrape/scrape-settings-fixture.ts";
import { ScrapeMetrics } from "../packages/server/src/ingest/scrape/scrape-metrics.ts";
import { builtinScraper } from "../packages/server/src/ingest/scrape/scraper.ts";
import { Target } from "../packages/server/src/ingest/scrape/target.ts";

const SERIES = Number(process.argv[2] ?? 10_000);
const SCRAPES = Number(process.argv[3] ?? 200);
const BODIES = 16;

// A deterministic stand-in for chance, so that two runs read the same bytes.
let state = 12345;
const random = (): number => {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return state / 0x7fffffff;
};

/** makeBodies writes what an application with counters, gauges and histograms exposes, with values that move. */
function makeBodies(): Uint8Array[] {
  const values = new Float64Array(SERIES);
  const bodies: Uint8Array[] = [];
  for (let n = 0; n < BODIES; n++) {
    const lines: string[] = [];
    for (let i = 0; i < SERIES; i++) {
      const kind = i % 20;
      if (kind === 0) {
        lines.push(
          `# HELP http_requests_${i}_total Requests by handler, method and code.`,
          `# TYPE http_requests_${i}_total counter`,
        );
      }
      const name = `http_requests_${i - kind}_total{handler="/api/v1/query_range/${kind}",method="GET",code="${200 + kind}"}`;
      // A third changes by whole numbers, a third by fractions, a third does not change.
      if (i % 3 === 0) values[i] += Math.floor(random() * 100);
      else if (i % 3 === 1) values[i] = random() * 1000;
      lines.push(`${name} ${values[i]}`);
    }
    bodies.push(Buffer.from(`${lines.join("\n")}\n`));
  }
  return bodies;
}

function measure(what: string, run: () => void | Promise<void>, samples: number): Promise<void> {
  const before = process.cpuUsage();
  const start = performance.now();
  return Promise.resolve(run()).then(() => {
    const used = process.cpuUsage(before);
    const nanos = ((used.user + used.system) * 1000) / samples;
    const wall = ((performance.now() - start) * 1e6) / samples;
    console.log(
      `${what.padEnd(44)} ${nanos.toFixed(0).padStart(6)} ns CPU/sample ${wall.toFixed(0).padStart(6)} ns wall`,
    );
  });
}

const SETTINGS = loopSettings();

const nothing: Appendable = {
  appender(): Appender {
    let next = 1;
    return {
      append: (ref) => (ref > 0 ? ref : next++),
      appendStale: (ref) => ref,
      appendHistogram: (ref) => ref,
      appendExemplar: () => true,
      updateMetadata: () => undefined,
      commit: () => Promise.resolve(),
      rollback: () => undefined,
    };
  },
};

async function scrapeInto(
  what: string,
  appendable: Appendable,
  bodies: readonly Uint8Array[],
  at: { ms: number },
): Promise<void> {
  const target = new Target(
    Labels.fromRecord({ job: "bench", instance: "127.0.0.1:9100" }),
    Labels.fromRecord({}),
    "bench",
  );
  let next = 0;
  const loop = new ScrapeLoop(
    target,
    builtinScraper(async () => bodies[next++ % BODIES]),
    SETTINGS,
    {
      clock: { ...systemClock, now: () => at.ms },
      logger: silentLogger,
      appendable,
      metrics: new ScrapeMetrics(new MetricsRegistry()),
      shutdown: new AbortController().signal,
      offsetSeed: 0n,
    },
  );
  const scrape = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      at.ms += 15_000;
      await loop.scrapeOnce(at.ms);
    }
  };
  await measure(`${what}, first scrape`, () => scrape(1), SERIES);
  await scrape(20);
  await measure(`${what}, ${SCRAPES} scrapes`, () => scrape(SCRAPES), SERIES * SCRAPES);
}

const bodies = makeBodies();
console.log(`${SERIES} series, ${bodies[0].length} bytes a scrape, node ${process.version}`);
const parser = new TextParser(new LineCache());
const parse = (times: number): void => {
  for (let k = 0; k < times; k++) {
    parser.cache.iteration++;
    parser.load(bodies[k % BODIES], bodies[k % BODIES].length);
    while (parser.next() !== Entry.End);
  }
};
parse(20);
await measure("reading alone", () => parse(SCRAPES), SERIES * SCRAPES);
const at = { ms: Date.now() - 6 * 3_600_000 };
await scrapeInto("reading, appending nowhere", nothing, bodies, at);
const store = await openMetricStore({ clock: { ...systemClock, now: () => at.ms } });
await scrapeInto("reading, appending to a head in memory", store, bodies, at);
await store.close();
