import { afterEach, beforeEach, expect, test } from "vitest";
import { newEnvironment, type Running, section, serve, start, type TestEnvironment } from "./discovery-fixture.ts";
import { httpDiscoverer } from "./http.ts";

let env: TestEnvironment;
let server: { url: string; close: () => Promise<void> };
let running: Running;
let answer: { status: number; type: string; body: string };
let headers: Record<string, string | string[] | undefined> = {};

beforeEach(async () => {
  env = newEnvironment();
  answer = { status: 200, type: "application/json", body: "[]" };
  server = await serve((request, response) => {
    headers = request.headers;
    response.writeHead(answer.status, { "content-type": answer.type });
    response.end(answer.body);
  });
});
afterEach(async () => {
  await running.stop();
  await server.close();
});

function run(): void {
  const yaml = `http_sd_configs:\n- url: ${server.url}/sd\n  refresh_interval: 50ms\n  basic_auth: {username: u, password: p}\n`;
  running = start(httpDiscoverer(section<"http">(yaml), env));
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
