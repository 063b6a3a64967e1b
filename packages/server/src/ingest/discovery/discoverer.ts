// What all kinds of discovery have in common.
import type { Clock } from "../../lib/clock.ts";
import type { HttpClient } from "../../lib/http-client.ts";
import type { HttpClientConfig } from "../../lib/http-config.ts";
import type { Logger } from "../../lib/log.ts";
import type { MetricsRegistry } from "../../lib/metrics-registry.ts";
import type { TargetGroup } from "./target-group.ts";

/** Emit hands on groups that are new or have changed; a group without targets says that its source is gone. */
export type Emit = (groups: readonly TargetGroup[]) => void;

/**
 * Discoverer finds targets. It runs until the signal aborts and then resolves. What it cannot find out it does not
 * emit: the targets known before stay. It never rejects for a failing world.
 */
export interface Discoverer {
  run(emit: Emit, signal: AbortSignal): Promise<void>;
}

/** DiscoveryEnvironment is what discoverers stand on. */
export interface DiscoveryEnvironment {
  clock: Clock;
  log: Logger;
  registry: MetricsRegistry;
  /** httpClient makes a client for a configuration; the discoverer closes it. */
  httpClient(config: HttpClientConfig): HttpClient;
}

/** joinHostPort writes host:port, with brackets around an IPv6 address. */
export function joinHostPort(host: string, port: number | string): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** sanitizeLabelName makes a label name of any text: what may not be in one becomes an underscore. */
export function sanitizeLabelName(text: string): string {
  return text.replaceAll(/[^a-zA-Z0-9_]/gu, "_");
}
