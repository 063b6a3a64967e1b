// DNS discovery. A name is tried with the search domains of the machine, as its own programs do. Three outcomes:
//
//   1. a name of the list exists: its records, none perhaps, are the answer;
//   2. every name of the list is said not to exist: the answer is no targets;
//   3. for some name no server gave a clear answer: nothing is known, and the targets stay.
import { Resolver } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { quoteText } from "../../lib/yaml-decode.ts";
import type { DnsDiscoveryConfig, DnsRecordType } from "./config.ts";
import { type Discoverer, type DiscoveryEnvironment, joinHostPort } from "./discoverer.ts";
import { discoveryMetrics } from "./metrics.ts";
import { RefreshDiscoverer } from "./refresh.ts";
import type { LabelSet, TargetGroup } from "./target-group.ts";

/** DnsRecord is what is used of a record: `host` is an address or a name with its final dot. */
export interface DnsRecord {
  host: string;
  /** port is that of an SRV record. */
  port: number;
}

/** DnsAnswer is what the servers said of one full name; undefined says that it does not exist. */
export type DnsAnswer = readonly DnsRecord[] | undefined;

/** NameServers answer for full names; tests have their own. */
export interface NameServers {
  search: readonly string[];
  ndots: number;
  /** resolve rejects when no server gave a clear answer. */
  resolve(name: string, type: DnsRecordType): Promise<DnsAnswer>;
}

/** dnsDiscoverer makes a discoverer of names. Throws for an interval that is not positive. */
export function dnsDiscoverer(
  config: DnsDiscoveryConfig,
  env: DiscoveryEnvironment,
  nameServers: (signal: AbortSignal) => NameServers = systemNameServers,
): Discoverer {
  const metrics = discoveryMetrics(env.registry);
  const refresh = async (signal: AbortSignal): Promise<readonly TargetGroup[]> => {
    const servers = nameServers(signal);
    const groups = await Promise.all(
      config.names.map(async (name) => {
        metrics.dnsLookups.inc();
        try {
          return [groupOf(config, name, await lookup(servers, name, config.type, signal))];
        } catch (error) {
          // The other names are not held up; this one keeps its targets.
          if (signal.aborted) return [];
          metrics.dnsLookupFailures.inc();
          env.log.error("Error refreshing DNS targets", { discovery: "dns", err: error });
          return [];
        }
      }),
    );
    return groups.flat();
  };
  return new RefreshDiscoverer({ kind: "dns", intervalMs: config.refreshIntervalMs, refresh }, env);
}

function groupOf(config: DnsDiscoveryConfig, name: string, records: readonly DnsRecord[]): TargetGroup {
  const targets = records.map((record): LabelSet => {
    const labels = new Map([["__meta_dns_name", name]]);
    if (config.type === "SRV") {
      labels.set("__meta_dns_srv_record_target", record.host);
      labels.set("__meta_dns_srv_record_port", String(record.port));
    } else if (config.type === "MX") labels.set("__meta_dns_mx_record_target", record.host);
    else if (config.type === "NS") labels.set("__meta_dns_ns_record_target", record.host);
    const port = config.type === "SRV" ? record.port : config.port;
    return labels.set("__address__", joinHostPort(record.host.replace(/\.+$/, ""), port));
  });
  return { source: name, targets, labels: new Map() };
}

async function lookup(
  servers: NameServers,
  name: string,
  type: DnsRecordType,
  signal: AbortSignal,
): Promise<readonly DnsRecord[]> {
  let clear = true;
  for (const full of candidateNames(name, servers.search, servers.ndots)) {
    try {
      const answer = await servers.resolve(full, type);
      if (answer !== undefined) return answer;
    } catch {
      signal.throwIfAborted();
      // A later name may still get a clear answer.
      clear = false;
    }
  }
  if (clear) return [];
  throw new Error(
    `could not resolve ${quoteText(name)}: all servers responded with errors to at least one search domain`,
  );
}

/** candidateNames lists the full names that a name may stand for, in the order in which they are tried. */
export function candidateNames(name: string, search: readonly string[], ndots: number): string[] {
  if (name.endsWith(".")) return [name];
  const full = `${name}.`;
  // "search ." stands for the name as it is.
  const domains = search.filter((domain) => domain !== ".");
  const extended = domains.map((domain) => `${full}${domain}${domain.endsWith(".") ? "" : "."}`);
  return name.split(".").length > ndots ? [full, ...extended] : [...extended, full];
}

/** parseResolvConf reads the search list of a resolv.conf. */
export function parseResolvConf(text: string): { search: string[]; ndots: number } {
  let search: string[] = [];
  let ndots = 1;
  for (const line of text.split("\n")) {
    const words = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    if (words[0] === "domain" && words[1] !== undefined) search = [words[1]];
    else if (words[0] === "search") search = words.slice(1);
    else if (words[0] === "options") {
      for (const option of words) {
        const value = /^ndots:(\d+)$/.exec(option)?.[1];
        if (value !== undefined) ndots = Math.min(Number(value), 15);
      }
    }
  }
  return { search, ndots };
}

/**
 * systemNameServers asks the servers that the machine is configured for, with its search list; `servers` (address:port)
 * stand in for its servers. The file is read with every call: a laptop changes networks.
 */
export function systemNameServers(
  signal: AbortSignal,
  resolvConf = "/etc/resolv.conf",
  servers?: readonly string[],
): NameServers {
  let text = "";
  try {
    text = readFileSync(resolvConf, "utf8");
  } catch {
    // Without the file there are no search domains; the resolver has its own defaults for servers.
  }
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  signal.addEventListener("abort", () => resolver.cancel(), { once: true });
  return { ...parseResolvConf(text), resolve: (name, type) => resolveWith(resolver, name, type) };
}

async function resolveWith(resolver: Resolver, name: string, type: DnsRecordType): Promise<DnsAnswer> {
  const dotted = (host: string): string => (host.endsWith(".") ? host : `${host}.`);
  try {
    switch (type) {
      case "A":
        return (await resolver.resolve4(name)).map((host) => ({ host, port: 0 }));
      case "AAAA":
        return (await resolver.resolve6(name)).map((host) => ({ host, port: 0 }));
      case "MX":
        return (await resolver.resolveMx(name)).map(({ exchange }) => ({ host: dotted(exchange), port: 0 }));
      case "NS":
        return (await resolver.resolveNs(name)).map((host) => ({ host: dotted(host), port: 0 }));
      case "SRV":
        return (await resolver.resolveSrv(name)).map((srv) => ({ host: dotted(srv.name), port: srv.port }));
    }
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "ENOTFOUND") return undefined;
    // The name exists without records of this type.
    if (code === "ENODATA") return [];
    throw error;
  }
}
