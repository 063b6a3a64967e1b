// HTTP discovery: target groups as JSON from a server that knows them.
import type { HttpClient } from "../../lib/http-client.ts";
import { quoteText } from "../../lib/yaml-decode.ts";
import type { HttpDiscoveryConfig } from "./config.ts";
import type { Discoverer, DiscoveryEnvironment } from "./discoverer.ts";
import { askForText } from "./http-answer.ts";
import { discoveryMetrics } from "./metrics.ts";
import { RefreshDiscoverer } from "./refresh.ts";
import { parseTargetGroupsJson } from "./target-groups.ts";
import type { TargetGroup } from "./target-group.ts";

// The largest answer that is read: a million targets with a few labels each.
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

const CONTENT_TYPE = /^application\/json(;\s*charset=("utf-8"|utf-8))?$/i;

/** httpDiscoverer makes a discoverer that asks one URL. Throws for an interval that is not positive. */
export function httpDiscoverer(
  config: HttpDiscoveryConfig,
  env: DiscoveryEnvironment,
  maxAnswerBytes = MAX_ANSWER_BYTES,
): Discoverer {
  const client = env.httpClient(config.http);
  let lastCount = 0;
  const refresh = async (signal: AbortSignal): Promise<TargetGroup[]> => {
    let groups: TargetGroup[];
    try {
      groups = await fetchGroups(client, config, maxAnswerBytes, signal);
    } catch (error) {
      if (!signal.aborted) discoveryMetrics(env.registry).httpFailures.inc();
      throw error;
    }
    const count = groups.length;
    // Groups that are no longer listed lose their targets.
    for (let i = count; i < lastCount; i++) {
      groups.push({ source: `${config.url}:${i}`, targets: [], labels: new Map() });
    }
    lastCount = count;
    return groups;
  };
  const { refreshIntervalMs } = config;
  return new RefreshDiscoverer(
    { kind: "http", intervalMs: refreshIntervalMs, refresh, close: () => client.close() },
    env,
  );
}

async function fetchGroups(
  client: HttpClient,
  config: HttpDiscoveryConfig,
  maxAnswerBytes: number,
  signal: AbortSignal,
): Promise<TargetGroup[]> {
  const { text } = await askForText(client, {
    url: config.url,
    headers: {
      accept: "application/json",
      "accept-encoding": "gzip",
      "x-prometheus-refresh-interval-seconds": String(config.refreshIntervalMs / 1000),
    },
    timeoutMs: config.refreshIntervalMs,
    maxBytes: maxAnswerBytes,
    signal,
    check({ status, statusText, headers }) {
      if (status !== 200) throw new Error(`server returned HTTP status ${statusText}`);
      const type = headers["content-type"] ?? "";
      if (!CONTENT_TYPE.test(type.trim())) throw new Error(`unsupported content type ${quoteText(type)}`);
    },
  });
  return parseTargetGroupsJson(text).map((group, i) => ({
    source: `${config.url}:${i}`,
    targets: group.targets,
    labels: new Map([...group.labels, ["__meta_url", config.url]]),
  }));
}
