// DNS discovery: every record of a name is a target. Names are asked as they are written, and, when they do not end
// with a dot, below each search domain of the system's resolver as well. One name that fails fails alone.
import { Resolver } from "node:dns/promises";
import { readFileSync } from "node:fs";
import type { DnsDiscoveryConfig, DnsRecordType } from "./config.ts";
import type { TargetGroup } from "./target-group.ts";

/** DnsRecord is one answer, with only the fields that its type has. */
export interface DnsRecord {
  /** host is the target's name or address. */
  host: string;
  port?: number;
}

/** DnsLookup asks for the records of a name; it rejects with a `code` such as ENOTFOUND. Tests bring their own. */
export type DnsLookup = (name: string, type: DnsRecordType, signal: AbortSignal) => Promise<DnsRecord[]>;

// Answers that mean "there is nothing", which is an answer, not a failure.
const NOTHING = new Set(["ENOTFOUND", "ENODATA", "NXDOMAIN"]);

/** resolveDnsGroups asks for all names. Throws when one could not be resolved, so that its old targets stay. */
export async function resolveDnsGroups(
  config: DnsDiscoveryConfig,
  lookup: DnsLookup,
  searchDomains: readonly string[],
  signal: AbortSignal,
): Promise<TargetGroup[]> {
  return Promise.all(config.names.map((name) => resolveName(config, name, lookup, searchDomains, signal)));
}

async function resolveName(
  config: DnsDiscoveryConfig,
  name: string,
  lookup: DnsLookup,
  searchDomains: readonly string[],
  signal: AbortSignal,
): Promise<TargetGroup> {
  const records = await lookUp(name, config.type, lookup, searchDomains, signal);
  const targets = records.map((record) => {
    const host = record.host.replace(/\.$/, "");
    const port = record.port ?? config.port;
    const labels = new Map([
      ["__address__", host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`],
      ["__meta_dns_name", name],
      ["__meta_dns_srv_record_target", ""],
      ["__meta_dns_srv_record_port", ""],
      ["__meta_dns_mx_record_target", ""],
      ["__meta_dns_ns_record_target", ""],
    ]);
    // Targets of records keep the final dot, as the name servers write them.
    if (config.type === "SRV") {
      labels.set("__meta_dns_srv_record_target", withDot(host)).set("__meta_dns_srv_record_port", String(port));
    } else if (config.type === "MX") labels.set("__meta_dns_mx_record_target", withDot(host));
    else if (config.type === "NS") labels.set("__meta_dns_ns_record_target", withDot(host));
    return labels;
  });
  return { source: name, targets, labels: new Map() };
}

async function lookUp(
  name: string,
  type: DnsRecordType,
  lookup: DnsLookup,
  searchDomains: readonly string[],
  signal: AbortSignal,
): Promise<DnsRecord[]> {
  const candidates = name.endsWith(".") ? [name] : [name, ...searchDomains.map((domain) => `${name}.${domain}`)];
  let failure: unknown;
  for (const candidate of candidates) {
    try {
      const records = await lookup(candidate, type, signal);
      if (records.length > 0) return records;
    } catch (error) {
      if (!NOTHING.has((error as { code?: string }).code ?? "")) failure = error;
    }
  }
  if (failure !== undefined) {
    const reason = failure instanceof Error ? failure.message : String(failure);
    throw new Error(`could not resolve ${JSON.stringify(name)}: ${reason}`, { cause: failure });
  }
  return [];
}

function withDot(host: string): string {
  return `${host}.`;
}

/** systemLookup asks the system's name servers. */
export const systemLookup: DnsLookup = async (name, type, signal) => {
  const resolver = new Resolver({ timeout: 5_000, tries: 2 });
  const cancel = (): void => resolver.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    switch (type) {
      case "A":
        return (await resolver.resolve4(name)).map((host) => ({ host }));
      case "AAAA":
        return (await resolver.resolve6(name)).map((host) => ({ host }));
      case "MX":
        return (await resolver.resolveMx(name)).map(({ exchange }) => ({ host: exchange }));
      case "NS":
        return (await resolver.resolveNs(name)).map((host) => ({ host }));
      case "SRV":
        return (await resolver.resolveSrv(name)).map(({ name: host, port }) => ({ host, port }));
    }
  } finally {
    signal.removeEventListener("abort", cancel);
  }
};

/** systemSearchDomains reads the search list of /etc/resolv.conf; none where there is no such file. */
export function systemSearchDomains(): string[] {
  let text: string;
  try {
    text = readFileSync("/etc/resolv.conf", "utf8");
  } catch {
    return [];
  }
  let domains: string[] = [];
  for (const line of text.split("\n")) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    // The last of several lines counts, and `domain` is a search list of one.
    if (keyword === "search") domains = words;
    else if (keyword === "domain") domains = words.slice(0, 1);
  }
  return domains.map((domain) => domain.replace(/\.$/, "")).filter((domain) => domain !== "");
}
