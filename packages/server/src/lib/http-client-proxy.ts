// Which proxy a request goes through: the configured one, or that of the environment, unless no_proxy names the host.
import { BlockList, isIP } from "node:net";
import type { ProxyConfig } from "./http-config.ts";

/** ProxyChooser answers for one configuration. */
export class ProxyChooser {
  private readonly config: ProxyConfig;
  private readonly bypass: Bypass;
  private readonly httpProxy: string;
  private readonly httpsProxy: string;

  constructor(config: ProxyConfig, environment: NodeJS.ProcessEnv = process.env) {
    this.config = config;
    const variable = (name: string): string => environment[name] || environment[name.toLowerCase()] || "";
    const fromEnvironment = config.fromEnvironment;
    this.bypass = new Bypass(fromEnvironment ? variable("NO_PROXY") : config.noProxy);
    // In a CGI program HTTP_PROXY would be the client's header; that is upstream's reason not to use it there.
    const cgi = environment["REQUEST_METHOD"] !== undefined;
    this.httpProxy = fromEnvironment && !cgi ? withScheme(variable("HTTP_PROXY")) : "";
    this.httpsProxy = fromEnvironment ? withScheme(variable("HTTPS_PROXY")) : "";
  }

  /** proxyFor returns the proxy's URL, "" for a direct connection. */
  proxyFor(url: URL): string {
    const { config } = this;
    if (config.url === "" && !config.fromEnvironment) return "";
    const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
    if (this.bypass.covers(url.hostname, port, config.fromEnvironment)) return "";
    if (config.url !== "") return config.url;
    return url.protocol === "https:" ? this.httpsProxy : this.httpProxy;
  }
}

// Bypass is a no_proxy list: "*", hosts, ".domain", "domain" with its subdomains, addresses and CIDR ranges, each
// with an optional port.
class Bypass {
  private all = false;
  private readonly blocks = new BlockList();
  private readonly names: { name: string; port: number; subdomainsOnly: boolean }[] = [];

  constructor(list: string) {
    for (const raw of list.split(",")) {
      const entry = raw.trim().toLowerCase();
      if (entry === "") continue;
      if (entry === "*") {
        this.all = true;
        continue;
      }
      const range = /^([0-9a-f.:]+)\/(\d+)$/.exec(entry);
      if (range !== null && isIP(range[1]) !== 0) {
        this.blocks.addSubnet(range[1], Number(range[2]), isIP(range[1]) === 6 ? "ipv6" : "ipv4");
        continue;
      }
      const { host, port } = splitPort(entry);
      const bare = host.replace(/^\*?\./, "");
      this.names.push({ name: bare, port, subdomainsOnly: bare !== host });
    }
  }

  covers(hostname: string, port: number, skipLocal: boolean): boolean {
    if (this.all) return true;
    const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
    // Go's environment proxies are never used for the machine itself.
    if (skipLocal && (host === "localhost" || host === "::1" || host.startsWith("127."))) return true;
    const family = isIP(host);
    if (family !== 0 && this.blocks.check(host, family === 6 ? "ipv6" : "ipv4")) return true;
    for (const { name, port: only, subdomainsOnly } of this.names) {
      if (only !== 0 && only !== port) continue;
      if (host === name && !subdomainsOnly) return true;
      if (family === 0 && host.endsWith(`.${name}`)) return true;
    }
    return false;
  }
}

function splitPort(entry: string): { host: string; port: number } {
  const match = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry);
  if (match === null) return { host: entry.replace(/^\[|\]$/g, ""), port: 0 };
  return { host: match[1].replace(/^\[|\]$/g, ""), port: Number(match[2]) };
}

function withScheme(url: string): string {
  return url === "" || url.includes("://") ? url : `http://${url}`;
}
