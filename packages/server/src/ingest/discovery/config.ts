import type { HttpClientConfig } from "../../lib/http-config.ts";
import type { TargetGroup } from "./target-group.ts";

/** DiscoveryConfig is one entry of a `*_sd_configs` list, or a job's `static_configs`. */
export type DiscoveryConfig =
  | StaticDiscoveryConfig
  | FileDiscoveryConfig
  | HttpDiscoveryConfig
  | DnsDiscoveryConfig
  | DockerDiscoveryConfig
  | KubernetesDiscoveryConfig
  | UnsupportedDiscoveryConfig;

/** StaticDiscoveryConfig lists the targets themselves. */
export interface StaticDiscoveryConfig {
  kind: "static";
  groups: readonly TargetGroup[];
}

/** FileDiscoveryConfig reads target groups from JSON and YAML files, again whenever they change. */
export interface FileDiscoveryConfig {
  kind: "file";
  /** files are paths whose last part may hold `*`. */
  files: readonly string[];
  refreshIntervalMs: number;
}

/** HttpDiscoveryConfig fetches target groups as JSON. */
export interface HttpDiscoveryConfig {
  kind: "http";
  url: string;
  refreshIntervalMs: number;
  http: HttpClientConfig;
}

/** DnsRecordType is what is asked of the name servers. */
export type DnsRecordType = "A" | "AAAA" | "MX" | "NS" | "SRV";

/** DnsDiscoveryConfig resolves names. */
export interface DnsDiscoveryConfig {
  kind: "dns";
  names: readonly string[];
  refreshIntervalMs: number;
  type: DnsRecordType;
  /** port is 0 for SRV, whose records carry their own. */
  port: number;
}

/** NamedFilter limits what an API returns: one of `values` must hold for `name`. */
export interface NamedFilter {
  name: string;
  values: readonly string[];
}

/** DockerDiscoveryConfig lists the containers of a Docker daemon. */
export interface DockerDiscoveryConfig {
  kind: "docker";
  /** host is unix:///path, tcp://host:port, http://… or https://… */
  host: string;
  filters: readonly NamedFilter[];
  hostNetworkingHost: string;
  port: number;
  refreshIntervalMs: number;
  matchFirstNetwork: boolean;
  /** includeNoNetworkTargets makes targets without an address of containers that are in no network. */
  includeNoNetworkTargets: boolean;
  http: HttpClientConfig;
}

/** KubernetesRole is what becomes a target. */
export type KubernetesRole = "node" | "pod" | "service" | "endpoints" | "endpointslice" | "ingress";

/** KubernetesSelector restricts the objects of one role by label and field. */
export interface KubernetesSelector {
  role: KubernetesRole;
  label: string;
  field: string;
}

/** KubernetesDiscoveryConfig watches objects of a cluster. */
export interface KubernetesDiscoveryConfig {
  kind: "kubernetes";
  /** apiServer is "" for in-cluster configuration or a kubeconfig file. */
  apiServer: string;
  role: KubernetesRole;
  kubeconfigFile: string;
  http: HttpClientConfig;
  /** ownNamespace adds the namespace this process runs in; no names and no ownNamespace means all namespaces. */
  ownNamespace: boolean;
  namespaces: readonly string[];
  selectors: readonly KubernetesSelector[];
  /** attach adds labels of objects that a target belongs to. */
  attach: KubernetesAttach;
}

/** KubernetesAttach says which related objects give labels. */
export interface KubernetesAttach {
  node: boolean;
  namespace: boolean;
  deployment: boolean;
  job: boolean;
  cronjob: boolean;
}

/** UnsupportedDiscoveryConfig is a kind that upstream has and Belfry does not: read and checked, then refused by name. */
export interface UnsupportedDiscoveryConfig {
  kind: "unsupported";
  /** name is upstream's, as in `<name>_sd_configs`. */
  name: string;
  /** line is where it stands in the file. */
  line: number;
  fields: Readonly<Record<string, unknown>>;
}
