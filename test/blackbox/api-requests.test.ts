// How requests may be made and answered: forms, limits, options of queries, compression, HEAD, origins, odd requests.
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BelfryProcess, startBelfry } from "../support/belfry.ts";
import { type ApiAnswer, encoded, exchange, get, type Parameters, post } from "../support/prometheus-api.ts";
import { pushV1 } from "../support/remote-write.ts";

const SERIES = 50;
const endMs = Math.floor(Date.now() / 1000) * 1000 - 60_000;
const end = endMs / 1000;

let belfry: BelfryProcess;
beforeAll(async () => {
  belfry = await startBelfry({ config: "global: {scrape_interval: 15s}\n" });
  const pushed = await pushV1(
    belfry.url,
    Array.from({ length: SERIES }, (_, i) => ({
      labels: { __name__: "m", i: String(i).padStart(2, "0"), ...(i === 0 ? { "odd.name": "ü" } : {}) },
      samples: Array.from({ length: 10 }, (_unused, s) => ({ timeMs: endMs - (9 - s) * 30_000, value: s })),
    })),
  );
  expect(pushed).toEqual({ status: 204, text: "" });
});
afterAll(() => belfry?.remove());

const FORM = "application/x-www-form-urlencoded";

function scalar(answer: ApiAnswer): string {
  expect(answer.json).toMatchObject({ status: "success", data: { resultType: "scalar" } });
  return (answer.json.data as { result: [number, string] }).result[1];
}

async function postBody(query: string, body: string, type: string): Promise<ApiAnswer> {
  const response = await fetch(`${belfry.url}/api/v1/query${query}`, {
    method: "POST",
    body,
    headers: { "content-type": type },
  });
  return { status: response.status, headers: response.headers, json: (await response.json()) as ApiAnswer["json"] };
}

describe("GET and POST", () => {
  test.each<[string, Parameters]>([
    ["query", { query: "m{i='01'}", time: end }],
    ["query_range", { query: "sum(rate(m[2m]))", start: end - 120, end, step: "30s" }],
    ["query_exemplars", { query: "m", start: end - 120, end }],
    ["format_query", { query: "sum by(i)(m)" }],
    ["parse_query", { query: "sum by(i)(m)" }],
    ["series", { "match[]": ["m{i='01'}", "m{i='02'}"], start: end - 120, end }],
    ["labels", { "match[]": "m", start: end - 120, end }],
  ])("%s answers the same to both", async (route, parameters) => {
    const got = await get(belfry.url, route, parameters);
    const posted = await post(belfry.url, route, parameters);
    expect(got.status).toBe(200);
    expect(posted.json).toEqual(got.json);
    expect(got.headers.get("content-type")).toBe("application/json");
  });

  test("the form comes before the address, and what the form lacks is taken from the address", async () => {
    expect(scalar(await postBody("?query=2", "query=1", FORM))).toBe("1");
    expect(scalar(await postBody("?query=2", "", FORM))).toBe("2");
    expect(scalar(await postBody(`?query=2&time=${end}`, "query=time()", FORM))).toBe(String(end));
    expect(scalar(await postBody("?query=2", "query=1", `${FORM}; charset=utf-8`))).toBe("1");
  });

  test("a body that is no form is not looked at, unless nothing is asked without it", async () => {
    expect(scalar(await postBody("?query=2", "query=1", "text/plain"))).toBe("2");
    expect(scalar(await postBody("?query=2", '{"query":"1"}', "application/json"))).toBe("2");
    const answer = await postBody("", '{"query":"1"}', "application/json");
    expect([answer.status, answer.json]).toEqual([
      400,
      {
        status: "error",
        errorType: "bad_data",
        error: "error parsing form values: expected an application/x-www-form-urlencoded body",
      },
    ]);
  });

  test("UTF-8, plus signs and percent signs arrive as they are meant", async () => {
    expect(scalar(await get(belfry.url, "query", { query: "1 + 2 % 2" }))).toBe("1");
    const found = await post(belfry.url, "query", { query: '{"odd.name"="ü"}', time: end });
    expect(found.json.data).toMatchObject({ result: [{ metric: { "odd.name": "ü" } }] });
    for (const name of ["odd.name", "U__odd_2e_name"]) {
      expect((await get(belfry.url, `label/${name}/values`)).json.data).toEqual(["ü"]);
    }
  });
});

describe("limit", () => {
  const TRUNCATED = ["results truncated due to limit"];
  test.each<[string, Parameters]>([
    ["query", { query: "m", time: end }],
    ["query", { query: "m[5m]", time: end }],
    ["query_range", { query: "m", start: end - 60, end, step: 30 }],
    ["series", { "match[]": "m" }],
    ["labels", {}],
    ["label/i/values", {}],
  ])("of %s cuts the answer and says so", async (route, parameters) => {
    const items = (answer: ApiAnswer): unknown[] => {
      const data = answer.json.data as unknown[] | { result: unknown[] };
      return Array.isArray(data) ? data : data.result;
    };
    const all = await get(belfry.url, route, parameters);
    expect(items(all).length).toBeGreaterThan(2);
    expect(all.json.warnings).toBeUndefined();
    const cut = await get(belfry.url, route, { ...parameters, limit: 2 });
    expect(items(cut)).toEqual(items(all).slice(0, 2));
    expect(cut.json.warnings).toEqual(TRUNCATED);
    for (const limit of [0, items(all).length, 1_000_000_000]) {
      expect((await get(belfry.url, route, { ...parameters, limit })).json).toEqual(all.json);
    }
    for (const [limit, error] of [
      ["-1", 'invalid parameter "limit": limit must be non-negative'],
      ["x", 'invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax'],
      ["1.5", 'invalid parameter "limit": strconv.Atoi: parsing "1.5": invalid syntax'],
    ] as const) {
      const answer = await get(belfry.url, route, { ...parameters, limit });
      expect([answer.status, answer.json]).toEqual([400, { status: "error", errorType: "bad_data", error }]);
    }
  });
});

describe("options of a query", () => {
  test("stats", async () => {
    const timings = {
      evalTotalTime: expect.any(Number),
      resultSortTime: expect.any(Number),
      queryPreparationTime: expect.any(Number),
      innerEvalTime: expect.any(Number),
      execQueueTime: expect.any(Number),
      execTotalTime: expect.any(Number),
    };
    for (const [route, parameters, total] of [
      ["query", { query: "count(m)", time: end }, 50],
      ["query_range", { query: "count(m)", start: end - 60, end, step: 30 }, 150],
    ] as const) {
      expect((await get(belfry.url, route, parameters)).json.data).not.toHaveProperty("stats");
      for (const stats of ["all", "true", "1"]) {
        expect((await get(belfry.url, route, { ...parameters, stats })).json.data).toMatchObject({
          stats: { timings, samples: { totalQueryableSamples: total, peakSamples: expect.any(Number) } },
        });
      }
    }
  });

  test("lookback_delta", async () => {
    const found = async (lookback_delta: string | number): Promise<number> => {
      const answer = await get(belfry.url, "query", { query: "m", time: end + 600, lookback_delta });
      return (answer.json.data as { result: unknown[] }).result.length;
    };
    expect([await found(""), await found("5m"), await found("10m"), await found(601), await found("1h")]).toEqual([
      0, 0, 0, 50, 50,
    ]);
    const bad = await get(belfry.url, "query", { query: "m", lookback_delta: "x" });
    expect([bad.status, bad.json.error]).toEqual([
      400,
      'error parsing lookback delta duration: cannot parse "x" to a valid duration',
    ]);
  });

  test("timeout", async () => {
    for (const timeout of ["1m", "30", "0.5", "1y"]) {
      expect(scalar(await get(belfry.url, "query", { query: "1", timeout }))).toBe("1");
    }
    for (const timeout of ["0", "-1", "0s"]) {
      const answer = await get(belfry.url, "query", { query: "1", timeout });
      expect([answer.status, answer.json.errorType, answer.json.error]).toEqual([
        503,
        "timeout",
        "query timed out in query queue",
      ]);
    }
    const bad = await get(belfry.url, "query", { query: "1", timeout: "-5s" });
    expect(bad.json.error).toBe('invalid parameter "timeout": cannot parse "-5s" to a valid duration');
  });

  test("times", async () => {
    const at = async (time: string): Promise<string> =>
      scalar(await get(belfry.url, "query", { query: "time()", time }));
    expect(await at("0")).toBe("0");
    expect(await at("-1.5")).toBe("-1.5");
    expect(await at("1e9")).toBe("1000000000");
    expect(await at("2026-01-02T13:37:00.123Z")).toBe("1767361020.123");
    expect(await at("2026-01-02T14:37:00+01:00")).toBe("1767361020");
    for (const time of ["x", "2026-13-45T00:00:00Z", "2026-01-02", "1s", "0x10"]) {
      const answer = await get(belfry.url, "query", { query: "1", time });
      expect([answer.status, answer.json.error]).toEqual([
        400,
        `invalid parameter "time": Invalid time value for 'time': cannot parse "${time}" to a valid timestamp`,
      ]);
    }
    for (const step of ["0", "-1", "0s"]) {
      const answer = await get(belfry.url, "query_range", { query: "1", start: 0, end: 1, step });
      expect(answer.json.error).toBe(
        'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer',
      );
    }
    const points = await get(belfry.url, "query_range", { query: "1", start: 0, end: 11_000, step: 1 });
    expect((points.json.data as { result: { values: unknown[] }[] }).result[0]!.values).toHaveLength(11_001);
    const tooMany = await get(belfry.url, "query_range", { query: "1", start: 0, end: 11_001, step: 1 });
    expect([tooMany.status, tooMany.json.error]).toEqual([
      400,
      "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
    ]);
  });
});

describe("compression", () => {
  const unpack: Record<string, (body: Buffer) => Buffer> = {
    gzip: gunzipSync,
    deflate: inflateSync,
    br: brotliDecompressSync,
    zstd: zstdDecompressSync,
    "": (body) => body,
  };
  const large = `/api/v1/query?${encoded({ query: "m[5m]", time: end }).toString()}`;

  async function raw(path: string, encoding: string | undefined): Promise<{ encoding: string; body: string }> {
    const headers: Record<string, string> = encoding === undefined ? {} : { "accept-encoding": encoding };
    const answer = await exchange(belfry.url + path, { headers });
    expect(answer.status).toBe(200);
    const used = answer.headers["content-encoding"] ?? "";
    if (used !== "") expect(answer.headers["vary"]).toMatch(/accept-encoding/i);
    return { encoding: used, body: unpack[used]!(answer.body).toString() };
  }

  test.each([
    ["gzip", "gzip"],
    ["gzip, deflate, br", "gzip"],
    ["deflate, gzip;q=1.0, *;q=0.5", "gzip"],
    ["gzip;q=0, identity", ""],
    ["identity", ""],
    ["nonsense", ""],
    [undefined, ""],
  ])("Accept-Encoding %s is answered with %s", async (accepted, used) => {
    const plain = await raw(large, undefined);
    expect(plain.encoding).toBe("");
    const answer = await raw(large, accepted);
    expect(answer).toEqual({ encoding: used, body: plain.body });
    const metrics = await raw("/metrics", accepted);
    expect(metrics.encoding).toBe(used);
    expect(metrics.body).toMatch(/^# HELP belfry_/m);
  });

  test("answers that stream are complete in every encoding", async () => {
    // Large enough to be written in several pieces.
    const path = `/api/v1/query_range?${encoded({ query: "m", start: end - 250, end, step: "0.1" }).toString()}`;
    const plain = await raw(path, undefined);
    expect(plain.body.length).toBeGreaterThan(1_000_000);
    for (const encoding of ["gzip", "deflate", "br", "zstd"]) {
      expect(await raw(path, encoding)).toEqual({ encoding, body: plain.body });
    }
  });
});

describe("HEAD", () => {
  test.each(["/-/healthy", "/-/ready", "/metrics", "/api/v1/query?query=1", "/api/v1/status/buildinfo"])(
    "%s has the headers of GET and no body",
    async (path) => {
      const headers = { "accept-encoding": "identity" };
      const got = await exchange(belfry.url + path, { headers });
      const head = await exchange(belfry.url + path, { method: "HEAD", headers });
      expect([head.status, head.headers["content-type"], head.body.length]).toEqual([
        got.status,
        got.headers["content-type"],
        0,
      ]);
    },
  );
});

describe("origins", () => {
  async function ask(origin: string | undefined, method = "GET", url = belfry.url): Promise<Headers> {
    const response = await fetch(`${url}/api/v1/query?query=1`, {
      method,
      headers: origin === undefined ? {} : { origin },
    });
    expect(response.status).toBe(method === "OPTIONS" ? 204 : 200);
    await response.arrayBuffer();
    return response.headers;
  }

  test("pages of this machine may read answers, also after asking first", async () => {
    for (const origin of ["http://localhost:3001", "https://localhost", "http://127.0.0.1:5173", "http://[::1]:80"]) {
      for (const method of ["GET", "OPTIONS"]) {
        const headers = await ask(origin, method);
        expect(headers.get("access-control-allow-origin")).toBe(origin);
        expect(headers.get("access-control-allow-methods")).toBe("GET, POST, OPTIONS");
        expect(headers.get("access-control-allow-headers")).toBe("Accept, Authorization, Content-Type, Origin");
        expect(headers.get("vary")).toMatch(/Origin/);
      }
    }
  });

  test("pages of others may not", async () => {
    for (const origin of [
      "https://example.org",
      "http://localhost.example.org",
      "http://127.0.0.1.example.org",
      "http://example.org/?http://localhost",
      "null",
    ]) {
      for (const method of ["GET", "OPTIONS"]) {
        const headers = await ask(origin, method);
        expect(headers.get("access-control-allow-origin")).toBeNull();
        expect(headers.get("vary")).toMatch(/Origin/);
      }
    }
    expect((await ask(undefined)).get("access-control-allow-origin")).toBeNull();
  });

  test("--web.cors.origin decides instead, for the whole origin", async () => {
    const own = await startBelfry({
      config: "global: {scrape_interval: 15s}\n",
      flags: ["--web.cors.origin=https?://(grafana|x)\\.example\\.org"],
    });
    try {
      const allowed = async (origin: string): Promise<string | null> =>
        (await ask(origin, "GET", own.url)).get("access-control-allow-origin");
      expect(await allowed("https://grafana.example.org")).toBe("https://grafana.example.org");
      expect(await allowed("https://grafana.example.org.evil.example")).toBeNull();
      expect(await allowed("http://localhost:3000")).toBeNull();
    } finally {
      await own.remove();
    }
  });
});

describe("odd requests", () => {
  test.each([
    ["/api/v1/nope", 404],
    ["/api/v1", 404],
    ["/api/v2/status", 404],
    ["/api/v1/query/more", 404],
  ])("%s is not found", async (path, status) => {
    const response = await fetch(belfry.url + path);
    expect([response.status, await response.text()]).toEqual([status, "404 page not found\n"]);
  });

  test("a path that is none", async () => {
    for (const path of ["/api/v1/label/%ff/values", "/%", "/api/v1/label/%zz/values"]) {
      const answer = await exchange(belfry.url + path, {});
      expect([path, answer.status]).toEqual([path, 400]);
      expect(JSON.parse(answer.body.toString())).toMatchObject({ status: "error", errorType: "bad_data" });
    }
  });

  test("a path that climbs out of the interface's folder", async () => {
    for (const path of [
      "/..%2f..%2f..%2f..%2fetc%2fpasswd",
      "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
      "/assets/..%2f..%2fpackage.json",
    ]) {
      const answer = await exchange(belfry.url + path, {});
      expect(answer.body.toString()).not.toMatch(/root:|"name"/);
    }
  });

  test("requests one after the other on one connection, some of them bad", async () => {
    for (let i = 0; i < 50; i++) {
      expect((await get(belfry.url, "query", { query: i % 2 === 0 ? "1" : "(" })).status).toBe(i % 2 === 0 ? 200 : 400);
    }
  });

  test("noise instead of HTTP", async () => {
    const { connect } = await import("node:net");
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(belfry.port, "127.0.0.1", () =>
        socket.write("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
      );
      let text = "";
      socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
      socket.once("close", () => resolve(text));
      socket.once("error", () => {});
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(scalar(await get(belfry.url, "query", { query: "1" }))).toBe("1");
  });
});
