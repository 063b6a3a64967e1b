// Bad scrape targets: each spoils its own scrapes, says why beside the target, and comes back when it is well again. All
// of them are scraped by one server at the same time, next to a target that is always well.
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BelfryProcess, instant, startBelfry, waitFor } from "../support/belfry.ts";
import {
  exposes,
  exposesWithoutEnd,
  ExpositionTarget,
  OPENMETRICS_FORMAT,
  resets,
  type TargetAnswer,
} from "../support/exposition-target.ts";
import { get } from "../support/prometheus-api.ts";
import { canReadMemory, forgetPeak, peakBytes, residentBytes } from "../support/resident-memory.ts";

const MB = 1024 * 1024;
const WELL = exposes("# TYPE exposed counter\nexposed 1\n");

interface Case {
  name: string;
  answer: TargetAnswer;
  /** error is what lastError says, with TARGET for the address. */
  error: RegExp;
  /** config are more lines of the job. */
  config?: string;
}

const CASES: readonly Case[] = [
  {
    name: "one-malformed-line",
    answer: exposes('exposed 1\nother{a="b"} 2\nbroken{ 3\nlast 4\n'),
    error:
      /^expected label name, got ".*" \(".*"\) while parsing: "broken\{ 3".* \(line 3 of http:\/\/TARGET\/metrics\)$/,
  },
  {
    name: "value-is-no-number",
    answer: exposes("exposed 1\nother one\n"),
    error: /^strconv\.ParseFloat: parsing "one": invalid syntax.* \(line 2 of http:\/\/TARGET\/metrics\)$/,
  },
  {
    name: "line-without-value",
    answer: exposes("exposed 1\n\n# a comment\nother\n"),
    error: /^expected value after metric, got "\\n" .* \(line 4 of http:\/\/TARGET\/metrics\)$/,
  },
  {
    name: "invalid-utf8",
    answer: exposes(Buffer.concat([Buffer.from('exposed 1\nother{a="'), Buffer.from([0xff]), Buffer.from('"} 2\n')])),
    error: /^invalid UTF-8 label value: .* \(line 2 of http:\/\/TARGET\/metrics\)$/,
  },
  {
    name: "no-end-of-openmetrics",
    answer: exposes("exposed 1\n", { "content-type": OPENMETRICS_FORMAT }),
    error: /^data does not end with # EOF/,
  },
  {
    name: "text-after-end-of-openmetrics",
    answer: exposes("exposed 1\n# EOF\nother 2\n", { "content-type": OPENMETRICS_FORMAT }),
    error: /^unexpected data after # EOF/,
  },
  {
    name: "noise-as-protobuf",
    answer: exposes("exposed 1\n", {
      "content-type": "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
    }),
    error: /proto/i,
  },
  {
    name: "html",
    answer: exposes("<html><body>Sign in</body></html>", { "content-type": "text/html" }),
    error: /^received unsupported Content-Type "text\/html" and no fallback_scrape_protocol specified for target$/,
  },
  {
    name: "no-content-type",
    answer: (_request, response) => response.end("exposed 1\n"),
    error:
      /^non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target$/,
  },
  {
    name: "body-size-limit",
    answer: exposes(`exposed 1\n${"#".repeat(3000)}\n`),
    error: /^body size limit exceeded$/,
    config: "body_size_limit: 2KB",
  },
  {
    name: "body-size-limit-unpacked",
    answer: exposes(gzipSync(`exposed 1\n# ${"x".repeat(MB)}\n`), { "content-encoding": "gzip" }),
    error: /^body size limit exceeded$/,
    config: "body_size_limit: 100KB",
  },
  {
    name: "gzip-bomb",
    answer: exposes(gzipSync(Buffer.alloc(1024 * MB), { level: 9 }), { "content-encoding": "gzip" }),
    error: /^body size limit exceeded$/,
    config: "body_size_limit: 10MB",
  },
  {
    name: "not-gzip",
    answer: exposes("exposed 1\n", { "content-encoding": "gzip" }),
    error: /^gzip: /,
  },
  {
    name: "unknown-encoding",
    answer: exposes("exposed 1\n", { "content-encoding": "rot13" }),
    error: /^unknown content encoding "rot13"$/,
  },
  {
    name: "never-answers",
    answer: () => {},
    error: /context deadline exceeded/,
    config: "scrape_timeout: 300ms",
  },
  {
    name: "slow-body",
    answer: (_request, response) => {
      response.writeHead(200, { "content-type": "text/plain; version=0.0.4" });
      response.write("exposed 1\n");
      const timer = setInterval(() => response.write("#\n"), 50);
      response.once("close", () => clearInterval(timer));
    },
    error: /context deadline exceeded/,
    config: "scrape_timeout: 300ms",
  },
  {
    name: "endless-body",
    answer: exposesWithoutEnd(`# ${"x".repeat(64 * 1024)}\n`),
    error: /^body size limit exceeded$/,
    config: "body_size_limit: 4MB",
  },
  {
    name: "connection-reset",
    answer: resets(""),
    error: /^Get "http:\/\/TARGET\/metrics": (read: connection reset by peer|EOF)$/,
  },
  {
    name: "connection-reset-within-body",
    answer: resets("exposed 1\n"),
    error: /(connection reset by peer|ECONNRESET|unexpected EOF)/,
  },
  {
    name: "not-http",
    answer: (request) => request.socket.end("220 smtp.example.org ESMTP\r\n"),
    error: /^Get "http:\/\/TARGET\/metrics": malformed HTTP response/,
  },
  {
    name: "redirect-loop",
    answer: (_request, response) => response.writeHead(302, { location: "/metrics" }).end(),
    error: /^Get "http:\/\/TARGET\/metrics": stopped after 10 redirects$/,
  },
  {
    name: "status-500",
    answer: (_request, response) => response.writeHead(500, { "content-type": "text/plain" }).end("exposed 1\n"),
    error: /^server returned HTTP status 500 Internal Server Error$/,
  },
  {
    name: "sample-limit",
    answer: exposes('exposed 1\nother{a="1"} 1\nother{a="2"} 1\n'),
    error: /^sample limit exceeded$/,
    config: "sample_limit: 2",
  },
  {
    name: "label-limit",
    answer: exposes('exposed 1\nother{a="1",b="2"} 1\n'),
    error: /^label_limit exceeded \(metric: other, number of labels: 5, limit: 4\)$/,
    config: "label_limit: 4",
  },
  {
    name: "label-name-length-limit",
    answer: exposes('exposed 1\nother{a_label_name="1"} 1\n'),
    error: /^label_name_length_limit exceeded \(metric: other, label name: a_label_name, length: 12, limit: 10\)$/,
    config: "label_name_length_limit: 10",
  },
  {
    name: "label-value-length-limit",
    answer: exposes('exposed 1\nother{a="é0123456789012345678901234567890123456789"} 1\n'),
    error:
      /^label_value_length_limit exceeded \(metric: other, label name: a, value: "é0123456789012345678901234567890123456789", length: 42, limit: 40\)$/,
    config: "label_value_length_limit: 40",
  },
];

interface TargetView {
  scrapePool: string;
  health: string;
  lastError: string;
}

const targets = new Map<string, ExpositionTarget>();
let belfry: BelfryProcess;

async function view(job: string): Promise<TargetView> {
  const { json } = await get(belfry.url, "targets", { state: "active", scrapePool: job });
  return (json.data as { activeTargets: TargetView[] }).activeTargets[0]!;
}

async function value(query: string): Promise<string | undefined> {
  return (await instant(belfry.url, query))[0]?.value[1];
}

async function ownMetric(name: string): Promise<number> {
  const text = await (await fetch(`${belfry.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
}

/** waitUp waits until the target is up and its series can be queried. */
async function waitUp(job: string): Promise<void> {
  await waitFor(
    async () => ((await value(`exposed{job="${job}"}`)) === "1" ? true : undefined),
    30_000,
    `${job} is up`,
  );
  expect(await view(job)).toMatchObject({ health: "up", lastError: "" });
}

beforeAll(async () => {
  const jobs: string[] = [];
  for (const { name, config } of [
    ...CASES,
    { name: "well", config: "scrape_interval: 3s\n    scrape_timeout: 3s" },
    { name: "repeats", config: undefined },
  ]) {
    const target = await ExpositionTarget.start(WELL);
    targets.set(name, target);
    jobs.push(`  - job_name: ${name}\n    static_configs: [{targets: ["${target.address}"]}]`);
    if (config !== undefined) jobs.push(`    ${config}`);
  }
  const two = `"${targets.get("well")!.address}", "${targets.get("repeats")!.address}"`;
  jobs.push(`  - job_name: crowd\n    static_configs: [{targets: [${two}]}]\n    target_limit: 1`);
  belfry = await startBelfry({
    config: `global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n${jobs.join("\n")}\n`,
  });
});
afterAll(async () => {
  await belfry?.remove();
  for (const target of targets.values()) await target.close();
});

describe("a scrape is spoiled by", () => {
  test.concurrent.each(CASES)("$name", async ({ name, answer, error }) => {
    const target = targets.get(name)!;
    await waitUp(name);
    target.answer = answer;
    const shown = await waitFor(
      async () => {
        const now = await view(name);
        return now.health === "down" ? now : undefined;
      },
      30_000,
      `${name} is down`,
    );
    expect(shown.lastError).toMatch(new RegExp(error.source.replaceAll("TARGET", target.address), error.flags));
    // Nothing of the bad scrape is there, and what the last good one had has ended.
    await waitFor(async () => ((await value(`up{job="${name}"}`)) === "0" ? true : undefined));
    expect(await instant(belfry.url, `{job="${name}", __name__!~"up|scrape_.*"}`)).toEqual([]);
    expect(await instant(belfry.url, `count_over_time({job="${name}", __name__=~"other|broken|last"}[5m])`)).toEqual(
      [],
    );
    target.answer = WELL;
    await waitUp(name);
  });

  test("none of the others", async () => {
    // Not one scrape of the target that is well was missed or failed while the others were bad.
    expect(await value('min_over_time(up{job="well"}[10m])')).toBe("1");
    const kept = Number(await value('count_over_time(exposed{job="well"}[10m])'));
    const scrapes = targets.get("well")!.scrapes;
    expect(kept).toBeGreaterThanOrEqual(scrapes - 2);
    expect(await value('min(up{job!="crowd"})')).toBe("1");
    expect(await ownMetric("belfry_target_scrape_unexpected_failures_total")).toBe(0);
  });
});

test("more targets than target_limit: none of the job is scraped", async () => {
  const shown = await waitFor(async () => {
    const { json } = await get(belfry.url, "targets", { state: "active", scrapePool: "crowd" });
    const { activeTargets } = json.data as { activeTargets: TargetView[] };
    return activeTargets.every((target) => target.health === "down") ? activeTargets : undefined;
  });
  expect(shown.map((target) => target.lastError)).toEqual(
    Array(2).fill("target_limit exceeded (number of targets: 2, limit: 1)"),
  );
  expect(await value('max(up{job="crowd"})')).toBe("0");
  expect(await instant(belfry.url, 'exposed{job="crowd"}')).toEqual([]);
});

test("a series twice in one scrape: the first is kept, the scrape is good, and it is counted", async () => {
  targets.get("repeats")!.answer = exposes('exposed 1\nexposed 2\nother{a="1"} 3\nother{a="1"} 3\n');
  await waitFor(async () => ((await value('other{job="repeats"}')) === "3" ? true : undefined));
  expect(await view("repeats")).toMatchObject({ health: "up", lastError: "" });
  expect(await value('max_over_time(exposed{job="repeats"}[1m])')).toBe("1");
  expect(await value('scrape_samples_scraped{job="repeats"}')).toBe("4");
  expect(await ownMetric("belfry_target_scrapes_sample_duplicate_timestamp_total")).toBeGreaterThan(0);
});

test.skipIf(!canReadMemory)("endless bodies and bombs beyond body_size_limit do not fill the memory", async () => {
  const bombs = await Promise.all([
    ...Array.from({ length: 3 }, () => ExpositionTarget.start(exposesWithoutEnd(`# ${"x".repeat(64 * 1024)}\n`))),
    ...Array.from({ length: 3 }, () =>
      ExpositionTarget.start(exposes(gzipSync(Buffer.alloc(400 * MB, "#")), { "content-encoding": "gzip" })),
    ),
  ]);
  const own = await startBelfry({
    config: `global: {scrape_interval: 1s, scrape_timeout: 1s, body_size_limit: 20MB}
scrape_configs:
  - job_name: bombs
    static_configs: [{targets: [${bombs.map((target) => `"${target.address}"`).join(", ")}]}]
`,
  });
  try {
    const pid = own.child.pid!;
    const before = residentBytes(pid);
    forgetPeak(pid);
    await waitFor(async () => (bombs.every((target) => target.scrapes >= 4) ? true : undefined), 60_000);
    // 1.2 GB would be unpacked each second, and as much as the loopback carries read.
    expect(peakBytes(pid) - before).toBeLessThan(500 * MB);
    expect(await instant(own.url, "max(up)")).toMatchObject([{ value: [expect.anything(), "0"] }]);
  } finally {
    await own.remove();
    for (const target of bombs) await target.close();
  }
});
