// HTTP discovery: an endpoint that lists target groups as JSON.
// https://prometheus.io/docs/prometheus/latest/http_sd/
import { hostname } from "node:os";
import type { HttpClient } from "../../lib/http-client.ts";
import { VERSION } from "../../lib/version.ts";
import type { HttpDiscoveryConfig } from "./config.ts";
import { readGroups } from "./group-json.ts";
import type { TargetGroup } from "./target-group.ts";

// A list of targets larger than this is a mistake or an attack; the longest real ones have tens of thousands of targets.
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const JSON_TYPE = /^\s*application\/json\s*(;\s*charset=utf-8\s*)?$/i;

/** fetchHttpGroups asks the endpoint once. Throws Error with upstream's text. */
export async function fetchHttpGroups(
  config: HttpDiscoveryConfig,
  client: HttpClient,
  signal: AbortSignal,
): Promise<TargetGroup[]> {
  const response = await client.request(config.url, {
    headers: {
      "user-agent": `Belfry/${VERSION}`,
      accept: "application/json",
      "x-prometheus-refresh-interval-seconds": String(config.refreshIntervalMs / 1000),
      "x-prometheus-hostname": hostname(),
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(config.refreshIntervalMs)]),
  });
  if (response.status !== 200) {
    await response.discard();
    throw new Error(`server returned HTTP status ${response.statusText}`);
  }
  const contentType = response.headers["content-type"] ?? "";
  if (!JSON_TYPE.test(contentType)) {
    await response.discard();
    throw new Error(`unsupported content type ${JSON.stringify(contentType.trim())}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error(`the list of targets is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  return readGroups(value, (index) => `${config.url}:${index}`, new Map([["__meta_url", config.url]]));
}
