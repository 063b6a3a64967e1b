// Scraping real HTTP servers: what is asked, and every way in which an answer can be bad.
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { Labels } from "@belfry/core/model";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../lib/clock.ts";
import { HttpClient } from "../../lib/http-client.ts";
import { silentLogger } from "../../lib/log.ts";
import { MetricsRegistry } from "../../lib/metrics-registry.ts";
import {
  double,
  family,
  int,
  label,
  message,
  packed,
  span,
  text,
  time,
  zigzag,
} from "../exposition/protobuf-writer.ts";
import { acceptHeader } from "./accept.ts";
import { HttpScraper, type HttpScraperSettings } from "./http-scraper.ts";
import { RecordingAppendable } from "./recording-appendable.ts";
import { type LoopSettings, ScrapeLoop } from "./scrape-loop.ts";
import { ScrapeMetrics } from "./scrape-metrics.ts";
import { loopSettings, poolDefaults } from "./scrape-settings-fixture.ts";
import { Target } from "./target.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
}

interface Outcome {
  target: Target;
  appendable: RecordingAppendable;
  scrape: () => Promise<void>;
}

async function setUp(
  handler: RequestListener,
  loop: Partial<LoopSettings> = {},
  scraper: Partial<HttpScraperSettings> = {},
): Promise<Outcome & { url: string }> {
  const url = await serve(handler);
  const client = new HttpClient();
  closers.push(() => client.close());
  const appendable = new RecordingAppendable();
  const target = new Target(Labels.fromRecord({ instance: "i" }), Labels.fromRecord({}), url);
  const settings = loopSettings(loop);
  const { scrapeProtocols, nameEscaping } = poolDefaults();
  const http = new HttpScraper(client, {
    url,
    accept: acceptHeader(scrapeProtocols, nameEscaping),
    acceptEncoding: "gzip",
    userAgent: "Belfry/test",
    timeoutMs: settings.timeoutMs,
    bodySizeLimitBytes: 0,
    ...scraper,
  });
  const running = new ScrapeLoop(target, http, settings, {
    clock: systemClock,
    logger: silentLogger,
    appendable,
    metrics: new ScrapeMetrics(new MetricsRegistry()),
    shutdown: new AbortController().signal,
    offsetSeed: 0n,
  });
  let timeMs = Date.now();
  return { url, target, appendable, scrape: () => running.scrapeOnce(++timeMs) };
}

const TEXT = "text/plain; version=0.0.4; charset=utf-8";
const answer =
  (body: string | Uint8Array, headers: Record<string, string> = { "content-type": TEXT }): RequestListener =>
  (_, response) =>
    void response.writeHead(200, headers).end(body);

const UP = '{__name__="up", instance="i"}';
const A = '{__name__="a", instance="i"}';

describe("the request", () => {
  test("is what upstream sends", async () => {
    let seen: IncomingMessage["headers"] = {};
    const { scrape, target } = await setUp(
      (request, response) => {
        seen = request.headers;
        answer("a 1\n")(request, response as ServerResponse & { req: IncomingMessage });
      },
      { timeoutMs: 2500 },
    );
    await scrape();
    expect(target.health).toBe("up");
    expect(seen).toMatchObject({
      accept:
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6," +
        "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4," +
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
      "accept-encoding": "gzip",
      "user-agent": "Belfry/test",
      "x-prometheus-scrape-timeout-seconds": "2.5",
    });
  });
});

describe("bodies", () => {
  test.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["zstd", zstdCompressSync],
    ["identity", (body: Uint8Array) => body],
  ])("come in %s", async (encoding, compress) => {
    const body = Array.from({ length: 500 }, (_, i) => `a{i="${i}"} ${i}\n`).join("");
    const headers = { "content-type": TEXT, "content-encoding": encoding };
    const { scrape, appendable } = await setUp(answer(compress(Buffer.from(body)), headers));
    await scrape();
    expect(appendable.of('{__name__="a", i="499", instance="i"}')).toEqual([499]);
    expect(appendable.of('{__name__="scrape_samples_scraped", instance="i"}')).toEqual([500]);
  });

  test.each([
    ["plain", {}, Buffer.alloc(3000, "#")],
    ["announced", { "content-length": "3000" }, Buffer.alloc(3000, "#")],
    ["a bomb", { "content-encoding": "gzip" }, gzipSync(Buffer.alloc(50_000_000, "#"))],
  ])("that are too large fail the scrape (%s)", async (_, headers, body) => {
    const { scrape, appendable, target } = await setUp(
      answer(body, { "content-type": TEXT, ...headers }),
      { extraMetrics: true },
      { bodySizeLimitBytes: 2000 },
    );
    await scrape();
    expect(target.lastError).toBe("body size limit exceeded");
    expect(appendable.of(UP)).toEqual([0]);
    expect(appendable.of('{__name__="scrape_body_size_bytes", instance="i"}')).toEqual([-1]);
  });

  test("of exactly the limit are too large, as upstream has it", async () => {
    const { scrape, target } = await setUp(answer("a 1\n"), {}, { bodySizeLimitBytes: 4 });
    await scrape();
    expect(target.lastError).toBe("body size limit exceeded");
    const other = await setUp(answer("a 1\n"), {}, { bodySizeLimitBytes: 5 });
    await other.scrape();
    expect(other.target.health).toBe("up");
  });

  test("without end are cut off by the timeout, and by the limit", async () => {
    const endless: RequestListener = (_, response) => {
      response.writeHead(200, { "content-type": TEXT });
      const timer = setInterval(() => response.write("# more and more\n"), 1);
      response.on("close", () => clearInterval(timer));
    };
    const one = await setUp(endless, { timeoutMs: 150 });
    await one.scrape();
    expect(one.target.lastError).toContain("context deadline exceeded");
    const two = await setUp(endless, {}, { bodySizeLimitBytes: 300 });
    await two.scrape();
    expect(two.target.lastError).toBe("body size limit exceeded");
  });

  test("that never begin, break off or are damaged fail the scrape", async () => {
    const silent = await setUp(() => undefined, { timeoutMs: 50 });
    await silent.scrape();
    expect(silent.target.lastError).toBe(`Get "${silent.url}": context deadline exceeded`);
    const broken = await setUp((request, response) => {
      response.writeHead(200, { "content-type": TEXT, "content-length": "100" });
      response.write("a 1\n");
      setTimeout(() => request.socket.destroy(), 10);
    });
    await broken.scrape();
    expect(broken.target.health).toBe("down");
    expect(broken.appendable.of(A)).toEqual([]);
    const damaged = await setUp(answer("no gzip", { "content-type": TEXT, "content-encoding": "gzip" }));
    await damaged.scrape();
    expect(damaged.target.lastError).toBe("gzip: incorrect header check");
  });

  test("that are empty are no failure: everything is stale", async () => {
    let body = "a 1\n";
    const { scrape, appendable, target } = await setUp((request, response) =>
      answer(body)(request, response as ServerResponse & { req: IncomingMessage }),
    );
    await scrape();
    body = "";
    await scrape();
    expect(target.health).toBe("up");
    expect(appendable.of(A)).toEqual([1, "stale"]);
    expect(appendable.of(UP)).toEqual([1, 1]);
  });
});

describe("statuses and content types", () => {
  test("anything but 200 is a failure", async () => {
    const { scrape, target } = await setUp((_, response) => void response.writeHead(404).end("no"));
    await scrape();
    expect(target.lastError).toBe("server returned HTTP status 404 Not Found");
  });

  test.each([
    [
      undefined,
      "",
      "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target",
    ],
    [undefined, "text/plain", ""],
    [
      "text/html",
      "",
      'received unsupported Content-Type "text/html" and no fallback_scrape_protocol specified for target',
    ],
    ["text/html", "text/plain", ""],
    ["TEXT/PLAIN; charset=utf-8", "", ""],
    [
      'counter \\"',
      "",
      'cannot parse Content-Type "counter \\\\\\"" and no fallback_scrape_protocol for target\nmime: unexpected content after media type',
    ],
    [
      "text/plain; version",
      "",
      'cannot parse Content-Type "text/plain; version" and no fallback_scrape_protocol for target\nmime: invalid media parameter',
    ],
  ])("%j with fallback %j", async (contentType, fallbackMediaType, error) => {
    const headers: Record<string, string> = contentType === undefined ? {} : { "content-type": contentType };
    const { scrape, target } = await setUp(answer("a 1\n", headers), { fallbackMediaType });
    await scrape();
    expect(target.lastError).toBe(error);
  });
});

describe("formats", () => {
  test("OpenMetrics brings exemplars, units and start times", async () => {
    const body = `# TYPE a_seconds counter
# UNIT a_seconds seconds
# HELP a_seconds Time.
a_seconds_total 1 # {trace_id="t"} 0.5 1700000000.5
a_seconds_created 1600000000
# EOF
`;
    const { scrape, appendable } = await setUp(
      answer(body, { "content-type": "application/openmetrics-text; version=1.0.0" }),
      { startTimestamps: true, skipCreatedSeries: true },
    );
    await scrape();
    expect(appendable.samples[0]).toMatchObject({
      labels: '{__name__="a_seconds_total", instance="i"}',
      startMs: 1.6e12,
    });
    expect(appendable.exemplars).toEqual([
      {
        labels: '{__name__="a_seconds_total", instance="i"}',
        exemplar: {
          labels: Labels.fromRecord({ trace_id: "t" }),
          value: 0.5,
          timeMs: 1_700_000_000_500,
          hasTime: true,
        },
      },
    ]);
    expect(appendable.metadata.get("a_seconds")).toEqual({ type: "counter", help: "Time.", unit: "seconds" });
  });

  const NATIVE = family(
    "rpc",
    4,
    message(
      4,
      label("zone", "a"),
      message(
        7,
        int(1, 10),
        double(2, 12.5),
        int(5, zigzag(3)),
        double(6, 0.001),
        span(12, 0, 4),
        packed(13, zigzag(1), zigzag(1), zigzag(1), zigzag(1)),
        message(3, int(1, 10), double(2, 5)),
        message(16, message(1, text(1, "id"), text(2, "x")), double(2, 3), time(3, 1700000000, 0)),
      ),
    ),
  );
  const protobuf = answer(Uint8Array.from(NATIVE), {
    "content-type": "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
  });

  test("protobuf brings native histograms within their limits", async () => {
    const plain = await setUp(protobuf);
    await plain.scrape();
    const [sample] = plain.appendable.samples;
    expect(sample).toMatchObject({ labels: '{__name__="rpc", instance="i", zone="a"}' });
    expect(sample.histogram).toMatchObject({ schema: 3, count: 10 });
    expect(plain.appendable.exemplars.length).toBe(1);
    const coarse = await setUp(protobuf, { maxSchema: 1 });
    await coarse.scrape();
    expect(coarse.appendable.samples[0].histogram!.schema).toBe(1);
    const few = await setUp(protobuf, { bucketLimit: 2 });
    await few.scrape();
    expect(few.appendable.samples[0].histogram!.positiveBuckets.length).toBeLessThanOrEqual(2);
    const classic = await setUp(protobuf, { ignoreNativeHistograms: true });
    await classic.scrape();
    expect(classic.appendable.of('{__name__="rpc_count", instance="i", zone="a"}')).toEqual([10]);
  });

  test("a histogram that stays too fine fails the scrape", async () => {
    const { scrape, target } = await setUp(
      answer('# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="2"} 2\nh_count 2\nh_sum 1\n'),
      {
        convertClassicHistograms: true,
        bucketLimit: 1,
      },
    );
    await scrape();
    expect(target.lastError).toBe("histogram bucket limit exceeded");
  });

  test("a target that changes its format keeps its series", async () => {
    let openMetrics = false;
    const { scrape, appendable } = await setUp((_, response) => {
      const type = openMetrics ? "application/openmetrics-text; version=1.0.0" : TEXT;
      response.writeHead(200, { "content-type": type }).end(openMetrics ? "a 2\n# EOF\n" : "a 1\nb 1\n");
    });
    await scrape();
    openMetrics = true;
    await scrape();
    openMetrics = false;
    await scrape();
    expect(appendable.of(A)).toEqual([1, 2, 1]);
    expect(appendable.of('{__name__="b", instance="i"}')).toEqual([1, "stale", 1]);
  });
});
