// Hostile and oversized queries: each ends, with an answer or upstream's error, and the server goes on.
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BelfryProcess, instant, startBelfry, waitFor } from "../support/belfry.ts";
import { type ApiAnswer, encoded, exchange, type Parameters, post, unlessBroken } from "../support/prometheus-api.ts";
import { pushV1 } from "../support/remote-write.ts";
import type { WriteSeries } from "../support/remote-write-encoder.ts";
import { canReadMemory, peakBytes } from "../support/resident-memory.ts";

const CONFIG = "global: {scrape_interval: 15s}\n";
const SERIES = 1000;
const SAMPLES = 100;
const endMs = Math.floor(Date.now() / 1000) * 1000;
const startMs = endMs - SAMPLES * 30_000;
const startSeconds = startMs / 1000;
const endSeconds = endMs / 1000;
// 1,000 series at 3,000 steps of up to 100 samples, each window sorted: half a minute of work on a good day.
const HEAVY: Parameters = {
  query: "quantile_over_time(0.9, heavy[50m])",
  start: startSeconds,
  end: endSeconds,
  step: 1,
};
const TOO_MANY = "query processing would load too many samples into memory in query execution";

async function load(url: string): Promise<void> {
  for (let from = 0; from < SERIES; from += 200) {
    const series: WriteSeries[] = Array.from({ length: 200 }, (_, i) => ({
      labels: { __name__: "heavy", id: String(from + i), path: `/${"a".repeat(100)}/${from + i}` },
      samples: Array.from({ length: SAMPLES }, (_, s) => ({ timeMs: startMs + (s + 1) * 30_000, value: s })),
    }));
    expect(await pushV1(url, series)).toEqual({ status: 204, text: "" });
  }
}

async function ownMetric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = new RegExp(`^${name} (\\S+)$`, "m").exec(text);
  if (!found) throw new Error(`no metric ${name}`);
  return Number(found[1]);
}

async function count(url: string, query = "count(heavy)"): Promise<string | undefined> {
  return (await instant(url, query, endSeconds))[0]?.value[1];
}

/** begin sends a range query and gives back the means to hang up on it. */
function begin(url: string, parameters: Parameters): { hangUp(): void; done: Promise<string> } {
  const open = request(`${url}/api/v1/query_range?${encoded(parameters).toString()}`, { agent: false });
  const done = new Promise<string>((resolve) => {
    open.once("response", (response) => {
      response.resume();
      response.once("close", () => resolve(String(response.statusCode)));
    });
    open.once("error", (error) => resolve(error.message));
  });
  open.end();
  return { hangUp: () => open.destroy(new Error("hung up")), done };
}

describe("one server", () => {
  let belfry: BelfryProcess;
  beforeAll(async () => {
    belfry = await startBelfry({ config: CONFIG });
    await load(belfry.url);
  });
  afterAll(() => belfry?.remove());

  const query = (text: string, more: Parameters = {}): Promise<ApiAnswer> =>
    post(belfry.url, "query", { query: text, time: endSeconds, ...more });

  describe("regular expressions", () => {
    // Each would keep a backtracking engine busy for longer than the universe has been there.
    test.each([
      ["(a+)+$", "0"],
      ["/(a+)+/.*", "1000"],
      ["(a|a)*b", "0"],
      ["/(a|aa)+/[0-9]+", "1000"],
      ["(.*)*x", "0"],
      [".*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*x", "0"],
      [".*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*[0-4]", "500"],
      ["/(a?){100}a{100}/.*", "1000"],
      ["/(a|b|c){0,900}/[0-9]", "10"],
      ["(([^x]+)+)+x", "0"],
      ["(?i:/A+/[0-9]{2})", "90"],
    ])("%s matches in linear time", async (regex, expected) => {
      const answer = await query(`count(heavy{path=~"${regex}"}) or vector(0)`);
      expect(answer.json).toMatchObject({ status: "success", data: { result: [{ value: [endSeconds, expected] }] } });
      const replaced = await query(
        `count(label_replace(heavy, "x", "yes", "path", "${regex}") == 99 and on (id) heavy)`,
      );
      expect(replaced.json).toMatchObject({ data: { result: [{ value: [endSeconds, "1000"] }] } });
    });

    test.each([
      ["(", "missing closing ): `(`"],
      ["a)", "unexpected ): `a)`"],
      ["[a", "missing closing ]: `[a`"],
      ["*", "missing argument to repetition operator: `*`"],
      ["a**", "invalid nested repetition operator: `**`"],
      ["[z-a]", "invalid character class range: `z-a`"],
      ["a{1001}", "invalid repeat count: `{1001}`"],
      ["((a{100}){100}){100}", "invalid repeat count: `{100}`"],
      ["(?=a)", "invalid or unsupported Perl syntax: `(?=`"],
      ["(?<!a)b", "invalid named capture: `(?<!a)b`"],
      ["(a)\\\\1", "invalid escape sequence: `\\1`"],
      ["\\\\pX", "invalid character class range: `\\pX`"],
    ])("%s is refused", async (regex, text) => {
      const error = `invalid parameter "query": 1:7: parse error: error parsing regexp: ${text}`;
      const answer = await query(`heavy{path=~"${regex}"}`);
      expect([answer.status, answer.json]).toEqual([400, { status: "error", errorType: "bad_data", error }]);
    });

    test("nested a thousand deep, or with 150,000 alternatives", async () => {
      const deep = await query(`heavy{path=~"${"(".repeat(2000)}a${")".repeat(2000)}"}`);
      expect([deep.status, deep.json.errorType]).toEqual([400, "bad_data"]);
      const wide = await query(`count(heavy{id=~"${Array.from({ length: 150_000 }, (_, i) => i).join("|")}"})`);
      expect(wide.json).toMatchObject({ data: { result: [{ value: [endSeconds, "1000"] }] } });
    });
  });

  describe("the text of a query", () => {
    const nested = "expression is nested more than 1000 levels deep";
    test.each([
      ["100 parentheses", `${"(".repeat(100)}1${")".repeat(100)}`, 200, undefined],
      ["100,000 parentheses", `${"(".repeat(100_000)}1${")".repeat(100_000)}`, 400, nested],
      ["100,000 signs", `${"-".repeat(100_000)}1`, 200, undefined],
      ["20,000 calls", `${"abs(".repeat(20_000)}up${")".repeat(20_000)}`, 400, nested],
      ["20,000 aggregations", `${"sum(".repeat(20_000)}up${")".repeat(20_000)}`, 400, nested],
      ["20,000 subqueries", `${"max_over_time(".repeat(20_000)}up${"[5m:1m])".repeat(20_000)}`, 400, nested],
      ["60,000 additions", Array(60_000).fill("vector(1)").join("+"), 400, nested],
      ["60,000 powers", Array(60_000).fill("1").join("^"), 400, nested],
      ["a string of a megabyte", `"${"x".repeat(1e6)}"`, 200, undefined],
      ["a name of a megabyte", "x".repeat(1e6), 200, undefined],
      ["a number of a megabyte", "1".repeat(1e6), 400, "value out of range"],
      ["a megabyte of parentheses", "(".repeat(1e6), 400, "unclosed left parenthesis"],
      ["a megabyte of noise", "%".repeat(1e6), 400, "unexpected <op:%>"],
      ["a megabyte of comment", "#".repeat(1e6), 400, "no expression found in input"],
      [
        "50,000 matchers",
        `{${Array.from({ length: 50_000 }, (_, i) => `l${i}!="x"`).join(",")},__name__="up"}`,
        200,
        undefined,
      ],
      ["nothing", "", 400, "no expression found in input"],
      ["a zero byte", "up\0", 400, "unexpected character: '\\x00'"],
      ["half a surrogate pair", 'up{a="\ud83d"}', 400, "invalid UTF-8 rune"],
    ])("%s", async (_what, text, status, error) => {
      const answer = await query(text);
      expect([answer.status, answer.json.error ?? ""]).toEqual([
        status,
        error === undefined ? "" : expect.stringContaining(error),
      ]);
      if (status !== 200) expect(answer.json.errorType).toBe("bad_data");
      expect(await count(belfry.url)).toBe(String(SERIES));
    });

    test("invalid UTF-8", async () => {
      const answer = await exchange(`${belfry.url}/api/v1/query?query=up%7Ba%3D%22%FF%22%7D`, {});
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.body.toString())).toEqual({
        status: "error",
        errorType: "bad_data",
        error: 'invalid parameter "query": 1:6: parse error: invalid UTF-8 rune',
      });
    });

    test("a form larger than any query", async () => {
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const answer = await unlessBroken(
        exchange(`${belfry.url}/api/v1/query`, { method: "POST", headers }, (open) =>
          open.end(`query=${"x".repeat(11 * 1024 * 1024)}`),
        ),
      );
      if (answer !== undefined) {
        expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([
          413,
          { status: "error", errorType: "bad_data", error: "Request body is too large" },
        ]);
      }
      expect(await count(belfry.url)).toBe(String(SERIES));
    });

    test("an address of 900 kB is taken, one of 2 MB refused", async () => {
      const ask = (bytes: number) =>
        unlessBroken(exchange(`${belfry.url}/api/v1/query?query=%22${"x".repeat(bytes)}%22`, {}));
      expect((await ask(900_000))?.status).toBe(200);
      expect([431, undefined]).toContain((await ask(2_000_000))?.status);
      expect(await count(belfry.url)).toBe(String(SERIES));
    });
  });

  describe("a query that takes too long", () => {
    test("ends at its timeout", async () => {
      for (const timeout of ["1ms", "0.05", "200ms"]) {
        const answer = await post(belfry.url, "query_range", { ...HEAVY, timeout });
        expect([answer.status, answer.json]).toEqual([
          503,
          { status: "error", errorType: "timeout", error: expect.stringMatching(/^query timed out in /) },
        ]);
      }
    });

    test("ends when its client has gone", async () => {
      const { hangUp, done } = begin(belfry.url, HEAVY);
      await waitFor(async () => ((await ownMetric(belfry.url, "belfry_engine_queries")) === 1 ? true : undefined));
      hangUp();
      expect(await done).toBe("hung up");
      await waitFor(
        async () => ((await ownMetric(belfry.url, "belfry_engine_queries")) === 0 ? true : undefined),
        5000,
      );
      expect(await count(belfry.url)).toBe(String(SERIES));
    });

    test("ends when its client leaves in the middle of the answer", async () => {
      const parameters = encoded({ query: "heavy", start: startSeconds, end: endSeconds, step: 1 });
      const received = await new Promise<number>((resolve, reject) => {
        const open = request(
          `${belfry.url}/api/v1/query_range?${parameters.toString()}`,
          { agent: false },
          (response) => {
            response.once("data", (chunk: Buffer) => {
              open.destroy();
              resolve(chunk.length);
            });
          },
        );
        open.once("error", reject);
        open.end();
      });
      // The whole answer would be about 60 MB.
      expect(received).toBeGreaterThan(0);
      await waitFor(
        async () => ((await ownMetric(belfry.url, "belfry_engine_queries")) === 0 ? true : undefined),
        5000,
      );
      expect(await count(belfry.url)).toBe(String(SERIES));
    });

    test("fifty at once are all answered, and the server is healthy meanwhile", async () => {
      const heavy = {
        query: "sum(quantile_over_time(0.9, heavy[10m]))",
        start: startSeconds,
        end: endSeconds,
        step: 30,
      };
      const alone = (await post(belfry.url, "query_range", heavy)).json.data;
      let asking = true;
      let healthy = 0;
      const health = (async () => {
        while (asking) {
          const response = await fetch(`${belfry.url}/-/healthy`);
          expect([response.status, await response.text()]).toEqual([200, "Prometheus Server is Healthy.\n"]);
          healthy++;
        }
      })();
      const answers = await Promise.all(Array.from({ length: 50 }, () => post(belfry.url, "query_range", heavy)));
      asking = false;
      await health;
      for (const answer of answers) {
        expect(answer.status).toBe(200);
        expect(answer.json.data).toEqual(alone);
      }
      expect(healthy).toBeGreaterThan(1);
      expect(await ownMetric(belfry.url, "belfry_engine_queries")).toBe(0);
    });
  });

  test("has not logged a single error of its own", () => {
    expect(belfry.log()).not.toMatch(/level=ERROR|BUG:/);
  });
});

describe("limits", () => {
  test("too many samples", async () => {
    const belfry = await startBelfry({ config: CONFIG, flags: ["--query.max-samples=50000"] });
    try {
      await load(belfry.url);
      const refused = { status: "error", errorType: "execution", error: TOO_MANY };
      for (const [route, parameters] of [
        ["query", { query: "heavy[1h]", time: endSeconds }],
        ["query_range", { query: "heavy", start: startSeconds, end: endSeconds, step: 1 }],
        ["query", { query: "heavy[50m:1s]", time: endSeconds }],
      ] as const) {
        const answer = await post(belfry.url, route, parameters);
        expect([answer.status, answer.json]).toEqual([422, refused]);
      }
      expect(await count(belfry.url)).toBe(String(SERIES));
    } finally {
      await belfry.remove();
    }
  });

  test("too many queries", async () => {
    const belfry = await startBelfry({ config: CONFIG, flags: ["--query.max-concurrency=1"] });
    try {
      await load(belfry.url);
      // One runs, a thousand wait, more are sent away at once; those that wait go when their clients do.
      const waiting = Array.from({ length: 1100 }, () => begin(belfry.url, HEAVY));
      await waitFor(async () => {
        const more = await fetch(`${belfry.url}/api/v1/query?query=1`, { signal: AbortSignal.timeout(2000) });
        if (more.status === 200) return undefined;
        expect([more.status, more.headers.get("retry-after"), await more.json()]).toEqual([
          503,
          "1",
          { status: "error", errorType: "unavailable", error: "too many queries: 1 running, 1000 waiting" },
        ]);
        return true;
      }, 60_000);
      expect((await fetch(`${belfry.url}/-/healthy`)).status).toBe(200);
      for (const one of waiting) one.hangUp();
      await waitFor(async () =>
        (await ownMetric(belfry.url, "belfry_engine_queries_queued")) === 0 &&
        (await ownMetric(belfry.url, "belfry_engine_queries")) === 0
          ? true
          : undefined,
      );
      expect(await count(belfry.url)).toBe(String(SERIES));
    } finally {
      await belfry.remove();
    }
  });

  test("more series than the memory allows are refused, and those that are known go on", async () => {
    const belfry = await startBelfry({ config: CONFIG, flags: ["--budget.memory=200MB"] });
    try {
      const known = (at: number) => [{ labels: { __name__: "known" }, samples: [{ timeMs: endMs + at, value: at }] }];
      expect(await pushV1(belfry.url, known(0))).toEqual({ status: 204, text: "" });
      let accepted = 0;
      let refused = 0;
      for (let from = 0; from < 200_000; from += 2000) {
        const answer = await pushV1(
          belfry.url,
          Array.from({ length: 2000 }, (_, i) => ({
            labels: {
              __name__: "exploding",
              pod: `checkout-${(from + i).toString(36)}`,
              path: `/orders/${from + i}`,
              zone: "eu",
            },
            samples: [{ timeMs: endMs, value: 1 }],
          })),
        );
        if (answer.status === 204) accepted += 2000;
        else {
          expect(answer.status).toBe(400);
          expect(answer.text).toMatch(/^series limit reached for series \{__name__="exploding", path="/);
          expect(answer.text.length).toBeLessThan(5000);
          refused++;
        }
      }
      expect(accepted).toBeGreaterThan(10_000);
      expect(refused).toBeGreaterThan(0);
      expect(await ownMetric(belfry.url, "belfry_head_refusing_series")).toBe(1);
      expect(
        await ownMetric(belfry.url, 'belfry_head_samples_rejected_total\\{reason="series_limit"\\}'),
      ).toBeGreaterThan(0);
      expect(
        await pushV1(belfry.url, [{ labels: { __name__: "new" }, samples: [{ timeMs: endMs, value: 1 }] }]),
      ).toEqual({
        status: 400,
        text: 'series limit reached for series {__name__="new"}\n',
      });
      expect(await pushV1(belfry.url, known(1000))).toEqual({ status: 204, text: "" });
      expect(await count(belfry.url, "known")).toBe("0");
      expect((await instant(belfry.url, "known", endSeconds + 1))[0]!.value[1]).toBe("1000");
      const kept = Number(await count(belfry.url, "count(exploding)"));
      expect(kept).toBeGreaterThanOrEqual(accepted);
      expect(kept).toBeLessThan(200_000);
      if (canReadMemory) expect(peakBytes(belfry.child.pid!)).toBeLessThan(1200 * 1024 * 1024);
      expect(await belfry.stop()).toBe(0);
    } finally {
      await belfry.remove();
    }
  });
});
