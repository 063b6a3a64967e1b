// HTTP discovery: target groups as JSON from a server that knows them.
import { type HttpClient, readBody } from "../../lib/http-client.ts";
import { quoteText } from "../../lib/yaml-decode.ts";
import type { HttpDiscoveryConfig } from "./config.ts";
import type { DiscoveryEnvironment } from "./discoverer.ts";
import { discoveryMetrics } from "./metrics.ts";
import { RefreshDiscoverer } from "./refresh.ts";
import { parseTargetGroupsJson } from "./target-groups.ts";
import type { TargetGroup } from "./target-group.ts";

// The largest answer that is read: a million targets with a few labels each.
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

const CONTENT_TYPE = /^application\/json(;\s*charset=("utf-8"|utf-8))?$/i;

/** httpDiscoverer makes a discoverer that asks one URL. */
export function httpDiscoverer(config: HttpDiscoveryConfig, env: DiscoveryEnvironment): RefreshDiscoverer {
  const client = env.httpClient(config.http);
  let lastCount = 0;
  const refresh = async (signal: AbortSignal): Promise<readonly TargetGroup[]> => {
    try {
      const groups = await fetchGroups(client, config, signal);
      const gone: TargetGroup[] = [];
      for (let i = groups.length; i < lastCount; i++)
        gone.push({ source: `${config.url}:${i}`, targets: [], labels: new Map() });
      lastCount = groups.length;
      return [...groups, ...gone];
    } catch (error) {
      discoveryMetrics(env.registry).httpFailures.inc();
      throw error;
    }
  };
  return new RefreshDiscoverer("http", config.refreshIntervalMs, refresh, env, () => client.close());
}

async function fetchGroups(
  client: HttpClient,
  config: HttpDiscoveryConfig,
  signal: AbortSignal,
): Promise<TargetGroup[]> {
  const response = await client.request(config.url, {
    headers: {
      accept: "application/json",
      "x-prometheus-refresh-interval-seconds": String(config.refreshIntervalMs / 1000),
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(config.refreshIntervalMs)]),
  });
  if (response.status !== 200) {
    await response.discard();
    throw new Error(`server returned HTTP status ${response.statusText}`);
  }
  const type = response.headers["content-type"] ?? "";
  if (!CONTENT_TYPE.test(type.trim())) {
    await response.discard();
    throw new Error(`unsupported content type ${quoteText(type)}`);
  }
  const body = Buffer.from(await readBody(response, MAX_ANSWER_BYTES)).toString("utf8");
  return parseTargetGroupsJson(body).map((group, i) => ({
    source: `${config.url}:${i}`,
    targets: group.targets,
    labels: new Map([...group.labels, ["__meta_url", config.url]]),
  }));
}
