import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { newEnvironment, type Running, section, serve, start, type TestEnvironment } from "./discovery-fixture.ts";
import { httpDiscoverer } from "./http.ts";

let env: TestEnvironment;
let server: { url: string; close: () => Promise<void> };
let running: Running;
let answer: { status: number; type: string; body: string | Uint8Array; encoding?: string };
/** endless leaves the body open. */
let endless = false;
let headers: Record<string, string | string[] | undefined> = {};

beforeEach(async () => {
  env = newEnvironment();
  answer = { status: 200, type: "application/json", body: "[]" };
  endless = false;
  server = await serve((request, response) => {
    headers = request.headers;
    const { status, type, body, encoding } = answer;
    response.writeHead(status, {
      "content-type": type,
      ...(encoding === undefined ? {} : { "content-encoding": encoding }),
    });
    response.write(body);
    if (!endless) response.end();
  });
});
afterEach(async () => {
  await running.stop();
  await server.close();
});

function run(maxAnswerBytes?: number): void {
  const yaml = `http_sd_configs:\n- url: ${server.url}/sd\n  refresh_interval: 50ms\n  basic_auth: {username: u, password: p}\n`;
  running = start(httpDiscoverer(section<"http">(yaml), env, maxAnswerBytes));
}

test("fetches groups with the URL as a label, with credentials and upstream's headers", async () => {
  answer.body = '[{"targets": ["a:1"], "labels": {"__meta_datacenter": "x"}}, {"targets": ["b:1"]}]';
  run();
  await running.until(() => running.groups.size === 2);
  expect(running.targets()).toEqual([
    { __address__: "a:1", __meta_datacenter: "x", __meta_url: `${server.url}/sd` },
    { __address__: "b:1", __meta_url: `${server.url}/sd` },
  ]);
  expect(headers).toMatchObject({
    accept: "application/json",
    "x-prometheus-refresh-interval-seconds": "0.05",
    authorization: `Basic ${Buffer.from("u:p").toString("base64")}`,
  });
  answer.body = '[{"targets": ["c:1"]}]';
  await running.until(
    () =>
      running
        .targets()
        .map((t) => t["__address__"])
        .join() === "c:1",
  );
});

test.each([
  [500, "application/json", "[]", "server returned HTTP status 500 Internal Server Error"],
  [200, "text/plain", "[]", 'unsupported content type "text/plain"'],
  [200, "application/json; charset=latin1", "[]", "unsupported content type"],
  [200, "application/json", "[", "unexpected end of JSON input"],
  [200, "application/json; charset=utf-8", "[null]", "nil target group item found"],
])("an answer %i %s %s changes nothing", async (status, type, body, message) => {
  answer.body = '[{"targets": ["a:1"]}]';
  run();
  await running.until(() => running.groups.size === 1);
  answer = { status, type, body };
  await running.until(() => env.errors.length > 1);
  expect(env.errors[0]).toContain(message);
  expect(running.groups.size).toBe(1);
  expect(env.metric("belfry_sd_http_failures_total")).toBeGreaterThan(1);
  expect(env.metric('belfry_sd_refresh_failures_total{mechanism="http"}')).toBeGreaterThan(1);
  answer = { status: 200, type: "application/json", body: "[]" };
  await running.until(() => running.groups.size === 0);
});

test("each group is named by the URL and its place, so that a shorter list drops the rest", async () => {
  answer.body = '[{"targets": ["a:1"]}, {"targets": ["b:1"]}, {"targets": ["c:1"]}]';
  run();
  await running.until(() => running.groups.size === 3);
  expect([...running.groups.keys()]).toEqual([0, 1, 2].map((i) => `${server.url}/sd:${i}`));
  answer.body = '[{"targets": ["a:2"]}]';
  await running.until(() => running.groups.size === 1);
  expect(running.addresses()).toEqual(["a:2"]);
});

test("an answer that is too long is not read to its end, compressed or not, and changes nothing", async () => {
  answer.body = '[{"targets": ["a:1"]}]';
  run(1000);
  await running.until(() => running.groups.size === 1);
  const long = JSON.stringify([{ targets: Array.from({ length: 10_000 }, () => "a:1") }]);
  answer.body = long;
  await running.until(() => env.errors.length > 0);
  expect(env.errors[0]).toContain("1000");
  expect(running.addresses()).toEqual(["a:1"]);
  const before = env.errors.length;
  answer = { ...answer, body: gzipSync(long), encoding: "gzip" };
  expect(answer.body.length).toBeLessThan(1000);
  await running.until(() => env.errors.length > before + 1);
  expect(running.addresses()).toEqual(["a:1"]);
});

test("a compressed answer is read", async () => {
  answer = { ...answer, body: gzipSync('[{"targets": ["z:1"]}]'), encoding: "gzip" };
  run();
  await running.until(() => running.groups.size === 1);
  expect(headers["accept-encoding"]).toBe("gzip");
});

test("an answer that does not end within the interval is given up", async () => {
  answer.body = "[";
  endless = true;
  run();
  await running.until(() => env.errors.length > 0);
  expect(env.errors[0]).toContain("deadline exceeded");
  endless = false;
  answer.body = '[{"targets": ["a:1"]}]';
  await running.until(() => running.groups.size === 1);
});

test("an end cuts the request that is under way and is no failure", async () => {
  endless = true;
  const yaml = `http_sd_configs:\n- url: ${server.url}/sd\n  refresh_interval: 1h\n`;
  running = start(httpDiscoverer(section<"http">(yaml), env));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await running.stop();
  expect(env.errors).toEqual([]);
  expect(env.metric("belfry_sd_http_failures_total")).toBe(0);
});
