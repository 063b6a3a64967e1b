// Docker discovery: a target for each TCP port of each container and network, or one with the configured port where
// a container exposes none.
import { HttpClient } from "../../lib/http-client.ts";
import { ConfigError, quoteText } from "../../lib/yaml-decode.ts";
import type { DockerDiscoveryConfig } from "./config.ts";
import { type Discoverer, type DiscoveryEnvironment, joinHostPort, sanitizeLabelName } from "./discoverer.ts";
import { askForText } from "./http-answer.ts";
import { RefreshDiscoverer } from "./refresh.ts";
import type { LabelSet, TargetGroup } from "./target-group.ts";

// The largest answer of the daemon that is read; a thousand containers make about two megabytes.
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

interface Port {
  PrivatePort: number;
  PublicPort?: number;
  IP?: string;
  Type: string;
}

interface Endpoint {
  NetworkID?: string;
  IPAddress?: string;
  GlobalIPv6Address?: string;
}

interface Container {
  Id: string;
  Names?: readonly string[] | null;
  Image?: string;
  ImageID?: string;
  Labels?: Readonly<Record<string, string>> | null;
  Ports?: readonly Port[] | null;
  HostConfig?: { NetworkMode?: string };
  NetworkSettings?: { Networks?: Readonly<Record<string, Endpoint | null>> | null } | null;
}

interface Network {
  Id: string;
  Name: string;
  Scope: string;
  Internal?: boolean;
  Ingress?: boolean;
  Labels?: Readonly<Record<string, string>> | null;
}

/** dockerDiscoverer makes a discoverer of one daemon's containers. Throws for a host it cannot talk to. */
export function dockerDiscoverer(config: DockerDiscoveryConfig, env: DiscoveryEnvironment): Discoverer {
  const daemon = new DockerDaemon(config, env);
  const refresh = async (signal: AbortSignal): Promise<readonly TargetGroup[]> => {
    const containers = await daemon.containers(signal);
    const networks = await daemon.networks(signal);
    return [{ source: "Docker", targets: dockerTargets(config, containers, networks), labels: new Map() }];
  };
  const { refreshIntervalMs } = config;
  return new RefreshDiscoverer(
    { kind: "docker", intervalMs: refreshIntervalMs, refresh, close: () => daemon.close() },
    env,
  );
}

class DockerDaemon {
  private readonly client: HttpClient;
  private readonly base: string;
  private readonly filters: string;
  private readonly timeoutMs: number;
  /** version is the API's, asked of the daemon once; "" before. */
  private version = "";

  constructor(config: DockerDiscoveryConfig, env: DiscoveryEnvironment) {
    const { host } = config;
    this.timeoutMs = config.refreshIntervalMs;
    const scheme = host.split("://", 1)[0]!;
    if (scheme === "unix") {
      this.client = new HttpClient(undefined, { socketPath: host.slice("unix://".length) });
      this.base = "http://localhost";
    } else if (scheme === "http" || scheme === "https" || scheme === "tcp") {
      this.client = env.httpClient(config.http);
      this.base = host.replace(/^tcp:/, "http:").replace(/\/+$/, "");
    } else {
      throw new ConfigError(`expected host to start with unix://, tcp://, http:// or https://, got ${quoteText(host)}`);
    }
    const filters: Record<string, Record<string, boolean>> = {};
    for (const { name, values } of config.filters) {
      for (const value of values) (filters[name] ??= {})[value] = true;
    }
    this.filters = config.filters.length === 0 ? "" : `?filters=${encodeURIComponent(JSON.stringify(filters))}`;
  }

  async containers(signal: AbortSignal): Promise<Container[]> {
    return (await this.get("listing containers", `/containers/json${this.filters}`, signal)) as Container[];
  }

  async networks(signal: AbortSignal): Promise<Network[]> {
    return (await this.get("computing network labels", "/networks", signal)) as Network[];
  }

  close(): Promise<void> {
    return this.client.close();
  }

  private async get(what: string, path: string, signal: AbortSignal): Promise<unknown> {
    try {
      this.version ||= await this.askVersion(signal);
      const { response, text } = await this.ask(`${this.version}${path}`, signal);
      if (response.status !== 200) {
        throw new Error(`server returned HTTP status ${response.statusText}: ${text.trim()}`);
      }
      const value: unknown = JSON.parse(text);
      if (!Array.isArray(value)) throw new Error(`expected a list from ${path}, got ${text.slice(0, 100)}`);
      return value;
    } catch (error) {
      // The daemon may be another one after a failure.
      this.version = "";
      throw new Error(`error while ${what}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }

  private async askVersion(signal: AbortSignal): Promise<string> {
    const { response } = await this.ask("/_ping", signal);
    const version = response.headers["api-version"] ?? "";
    return /^\d+\.\d+$/.test(version) ? `/v${version}` : "";
  }

  private ask(path: string, signal: AbortSignal): ReturnType<typeof askForText> {
    const { timeoutMs } = this;
    return askForText(this.client, { url: this.base + path, timeoutMs, maxBytes: MAX_ANSWER_BYTES, signal });
  }
}

const PREFIX = "__meta_docker_";

/** dockerTargets makes the targets of what the daemon listed. */
export function dockerTargets(
  config: DockerDiscoveryConfig,
  containers: readonly Container[],
  networks: readonly Network[],
): LabelSet[] {
  const networkLabels = new Map(networks.map((network) => [network.Id, labelsOfNetwork(network)]));
  const byId = new Map(containers.map((container) => [container.Id, container]));
  const out: LabelSet[] = [];
  for (const container of containers) {
    const name = container.Names?.[0];
    if (name === undefined) continue;
    const mode = container.HostConfig?.NetworkMode ?? "";
    const common = new Map([
      [`${PREFIX}container_id`, container.Id],
      [`${PREFIX}container_name`, name],
      [`${PREFIX}container_network_mode`, mode],
    ]);
    if (container.Image) common.set(`${PREFIX}container_image`, container.Image);
    if (container.ImageID) common.set(`${PREFIX}container_image_id`, container.ImageID);
    for (const [key, value] of Object.entries(container.Labels ?? {})) {
      common.set(`${PREFIX}container_label_${sanitizeLabelName(key)}`, value);
    }
    const endpoints = endpointsOf(config, container, byId);
    if (endpoints.length === 0 && config.includeNoNetworkTargets) out.push(common);
    for (const endpoint of endpoints) {
      const address = endpoint.IPAddress || (endpoint.GlobalIPv6Address ?? "");
      const base = new Map([
        [`${PREFIX}network_ip`, address],
        ...common,
        ...(networkLabels.get(endpoint.NetworkID ?? "") ?? []),
      ]);
      const ports = (container.Ports ?? []).filter((port) => port.Type === "tcp");
      for (const port of ports) {
        const labels = new Map(base).set(`${PREFIX}port_private`, String(port.PrivatePort));
        if ((port.PublicPort ?? 0) > 0) {
          labels.set(`${PREFIX}port_public`, String(port.PublicPort)).set(`${PREFIX}port_public_ip`, port.IP ?? "");
        }
        out.push(labels.set("__address__", joinHostPort(address, port.PrivatePort)));
      }
      if (ports.length > 0) continue;
      // Containers in host networking mode have no ports of their own.
      const fallback = mode === "host" ? config.hostNetworkingHost : joinHostPort(address, config.port);
      out.push(base.set("__address__", fallback));
    }
  }
  return out;
}

// A container without networks may share those of another one (`container:<id>`), which may share again.
function endpointsOf(
  config: DockerDiscoveryConfig,
  container: Container,
  byId: ReadonlyMap<string, Container>,
): Endpoint[] {
  let networks = container.NetworkSettings?.Networks ?? {};
  let mode = container.HostConfig?.NetworkMode ?? "";
  const seen = new Set<string>();
  while (Object.keys(networks).length === 0 && mode.startsWith("container:")) {
    const id = mode.slice("container:".length);
    const other = byId.get(id);
    if (other === undefined || seen.has(id)) break;
    seen.add(id);
    networks = other.NetworkSettings?.Networks ?? {};
    mode = other.HostConfig?.NetworkMode ?? "";
  }
  const present = Object.entries(networks).filter((entry): entry is [string, Endpoint] => entry[1] !== null);
  if (config.matchFirstNetwork && present.length > 1) {
    const [first] = present.toSorted(([a], [b]) => (a < b ? -1 : 1));
    return [first![1]];
  }
  return present.map(([, endpoint]) => endpoint);
}

function labelsOfNetwork(network: Network): Map<string, string> {
  const labels = new Map([
    [`${PREFIX}network_id`, network.Id],
    [`${PREFIX}network_name`, network.Name],
    [`${PREFIX}network_scope`, network.Scope],
    [`${PREFIX}network_internal`, String(network.Internal === true)],
    [`${PREFIX}network_ingress`, String(network.Ingress === true)],
  ]);
  for (const [key, value] of Object.entries(network.Labels ?? {})) {
    labels.set(`${PREFIX}network_label_${sanitizeLabelName(key)}`, value);
  }
  return labels;
}
