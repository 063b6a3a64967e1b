// From a configuration to what discovers: the one list of the kinds that are supported.
import { AppError } from "../../lib/errors.ts";
import type { Clock } from "../../lib/clock.ts";
import type { HttpClient } from "../../lib/http-client.ts";
import type { HttpClientConfig } from "../../lib/http-config.ts";
import type { Logger } from "../../lib/log.ts";
import type { Counter, MetricsRegistry } from "../../lib/metrics-registry.ts";
import type { DiscoveryConfig } from "./config.ts";
import type { Discoverer } from "./discoverer.ts";
import { type DnsLookup, resolveDnsGroups, systemLookup, systemSearchDomains } from "./dns.ts";
import { FileDiscoverer } from "./file.ts";
import { fetchHttpGroups } from "./http.ts";
import { RefreshDiscoverer } from "./refresh.ts";
import { StaticDiscoverer } from "./static.ts";
import type { TargetGroup } from "./target-group.ts";

/** DiscoveryEnvironment is what discoverers stand on. */
export interface DiscoveryEnvironment {
  clock: Clock;
  log: Logger;
  registry: MetricsRegistry;
  /** httpClient makes a client for a configuration. */
  httpClient(config: HttpClientConfig): HttpClient;
  /** dnsLookup replaces the system's resolver; for tests. */
  dnsLookup?: DnsLookup;
}

/** UnsupportedDiscoveryError refuses a kind of discovery by name. */
export class UnsupportedDiscoveryError extends AppError {
  constructor(name: string, line: number) {
    super(
      "DISCOVERY_UNSUPPORTED",
      `line ${line}: ${name}_sd_configs: this kind of service discovery is not supported; static, file, http, dns, docker and kubernetes are (http_sd_configs or file_sd_configs can stand in for it)`,
    );
  }
}

/** createDiscoverer makes the discoverer of one configuration. Throws UnsupportedDiscoveryError. */
export function createDiscoverer(config: DiscoveryConfig, env: DiscoveryEnvironment): Discoverer {
  const failures = env.registry.counterVec(
    "belfry_sd_refresh_failures_total",
    "Discoveries that failed; their old targets stayed.",
    ["mechanism"],
  );
  const counter: Counter = failures.with(config.kind === "unsupported" ? config.name : config.kind);
  const refreshing = (
    intervalMs: number,
    refresh: (signal: AbortSignal) => Promise<readonly TargetGroup[]>,
  ): Discoverer =>
    new RefreshDiscoverer({
      name: config.kind,
      intervalMs,
      clock: env.clock,
      log: env.log,
      failures: counter,
      refresh,
    });

  switch (config.kind) {
    case "static":
      return new StaticDiscoverer(config);
    case "file":
      return new FileDiscoverer(config, { clock: env.clock, log: env.log, failures: counter });
    case "http": {
      const client = env.httpClient(config.http);
      return refreshing(config.refreshIntervalMs, (signal) => fetchHttpGroups(config, client, signal));
    }
    case "dns": {
      const lookup = env.dnsLookup ?? systemLookup;
      return refreshing(config.refreshIntervalMs, (signal) =>
        resolveDnsGroups(config, lookup, systemSearchDomains(), signal),
      );
    }
    case "docker":
    case "kubernetes":
      throw new UnsupportedDiscoveryError(config.kind, 0);
    case "unsupported":
      throw new UnsupportedDiscoveryError(config.name, config.line);
  }
}
