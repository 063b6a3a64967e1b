// How the service discovery sections are read, checked and printed: those that Belfry runs in full here, the others
// in unsupported-codecs.ts. A job's sections come in the order of their keys, static_configs last, as upstream.
import {
  checkHttpClient,
  checkUrl,
  httpClientKeys,
  isDefaultHttpClient,
  joinHttpPaths,
  joinPath,
  newHttpClient,
  url,
} from "../../lib/http-config-codec.ts";
import {
  bool,
  dictionary,
  duration,
  enumeration,
  type Field,
  field,
  inline,
  int,
  list,
  pointers,
  string,
  type Struct,
  struct,
  unchecked,
} from "../../lib/yaml-codecs.ts";
import {
  type Codec,
  ConfigError,
  FAILED,
  type OutlineKey,
  quoteText,
  type SectionOutline,
  type YamlDecoder,
} from "../../lib/yaml-decode.ts";
import { yamlSequence } from "../../lib/yaml-encode.ts";
import type {
  DiscoveryConfig,
  DnsDiscoveryConfig,
  DnsRecordType,
  DockerDiscoveryConfig,
  FileDiscoveryConfig,
  HttpDiscoveryConfig,
  KubernetesDiscoveryConfig,
  KubernetesRole,
  KubernetesSelector,
  NamedFilter,
  StaticDiscoveryConfig,
  UnsupportedDiscoveryConfig,
} from "./config.ts";
import { checkFieldSelector, checkLabelSelector } from "./kubernetes/selectors.ts";
import type { TargetGroup } from "./target-group.ts";
import { UNSUPPORTED_CODECS } from "./unsupported-codecs.ts";

const GROUP_TYPE = 'struct { Targets []string "yaml:\\"targets\\""; Labels model.LabelSet "yaml:\\"labels\\"" }';

interface GroupKeys {
  targets: readonly string[];
  labels: ReadonlyMap<string, string>;
}

const groupKeys: Struct<GroupKeys> = struct<GroupKeys>({
  goType: GROUP_TYPE,
  zero: () => ({ targets: [], labels: new Map() }),
  defaults: () => ({ targets: [], labels: new Map() }),
  fields: [
    field("targets", "targets", list(string), { keep: true, doc: "Addresses, host:port." }),
    field("labels", "labels", dictionary(string, { goType: "model.LabelSet", key: checkedName }), {
      doc: "Labels for all of them.",
    }),
  ],
});

function checkedName(text: string): string {
  if (text === "" || !text.isWellFormed()) throw new ConfigError(`${quoteText(text)} is not a valid label name`);
  return text;
}

/** targetGroupCodec reads one group of targets: the shape of static_configs and of file_sd files. */
export const targetGroupCodec: Codec<TargetGroup> = {
  goType: "targetgroup.Group",
  outline: groupKeys.outline,
  zero: () => ({ source: "", targets: [], labels: new Map() }),
  isZero: (group) => group.targets.length === 0 && group.labels.size === 0,
  read(decoder, node) {
    const keys = groupKeys.read(decoder, node, groupKeys.zero());
    if (keys === FAILED) return FAILED;
    return { source: "", targets: keys.targets.map(addressOnly), labels: keys.labels };
  },
  print: (group) =>
    groupKeys.print({ targets: group.targets.map((target) => target.get("__address__") ?? ""), labels: group.labels }),
};

/** addressOnly is a target of which nothing but the address is known. */
export function addressOnly(address: string): ReadonlyMap<string, string> {
  return new Map([["__address__", address]]);
}

/** targetGroupsCodec reads a list of groups, with holes where an entry is null. */
export const targetGroupsCodec: Codec<readonly TargetGroup[]> = pointers(targetGroupCodec);

const FILE_NAME = /^[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)$/;

const fileCodec: Struct<FileDiscoveryConfig> = struct<FileDiscoveryConfig>({
  goType: "file.plain",
  zero: () => ({ kind: "file", files: [], refreshIntervalMs: 0 }),
  defaults: () => ({ kind: "file", files: [], refreshIntervalMs: 300_000 }),
  fields: [
    field("files", "files", list(string), { keep: true, doc: "JSON or YAML files; the last part may hold *." }),
    field("refresh_interval", "refreshIntervalMs", duration, {
      doc: "How often they are read again even when no change was noticed. Default 5m.",
    }),
  ],
  check(config) {
    if (config.files.length === 0) {
      throw new ConfigError("file service discovery config must contain at least one path name");
    }
    for (const name of config.files) {
      if (!FILE_NAME.test(name)) throw new ConfigError(`path name ${quoteText(name)} is not valid for file discovery`);
    }
  },
});

const httpCodec: Struct<HttpDiscoveryConfig> = struct<HttpDiscoveryConfig>({
  goType: "http.plain",
  zero: () => ({ kind: "http", url: "", refreshIntervalMs: 0, http: httpClientKeys.zero() }),
  defaults: () => ({ kind: "http", url: "", refreshIntervalMs: 60_000, http: newHttpClient() }),
  fields: [
    ...inline<HttpDiscoveryConfig, "http">("http", httpClientKeys),
    field("refresh_interval", "refreshIntervalMs", duration, { doc: "How often the URL is asked. Default 1m." }),
    field("url", "url", string, { keep: true, doc: "Where the target groups are fetched." }),
  ],
  check(config) {
    checkHttpUrl(config.url);
    checkHttpClient(config.http);
  },
});

/** checkHttpUrl throws unless a text is an absolute URL of http or https. */
export function checkHttpUrl(text: string): void {
  if (text === "") throw new ConfigError("URL is missing");
  const { scheme, host } = checkUrl(text);
  if (scheme !== "http" && scheme !== "https") throw new ConfigError("URL scheme must be 'http' or 'https'");
  if (host === "") throw new ConfigError("host is missing in URL");
}

const dnsCodec: Struct<DnsDiscoveryConfig> = struct<DnsDiscoveryConfig>({
  goType: "dns.plain",
  zero: () => ({ kind: "dns", names: [], refreshIntervalMs: 0, type: "SRV", port: 0 }),
  defaults: () => ({ kind: "dns", names: [], refreshIntervalMs: 30_000, type: "SRV", port: 0 }),
  fields: [
    field("names", "names", list(string), { keep: true, doc: "Names to resolve." }),
    field("refresh_interval", "refreshIntervalMs", duration, { doc: "How often they are resolved. Default 30s." }),
    field("type", "type", unchecked<DnsRecordType>("string"), {
      keep: true,
      doc: "Records to ask for: SRV (default), A, AAAA, MX or NS.",
    }),
    field("port", "port", int, { keep: true, doc: "Port of the targets; SRV records have their own." }),
  ],
  check(config) {
    if (config.names.length === 0) {
      throw new ConfigError("DNS-SD config must contain at least one SRV record name");
    }
    const type = config.type.toUpperCase();
    if (type === "A" || type === "AAAA" || type === "MX" || type === "NS") {
      if (config.port === 0) {
        throw new ConfigError("a port is required in DNS-SD configs for all record types except SRV");
      }
    } else if (type !== "SRV") throw new ConfigError(`invalid DNS-SD records type ${config.type}`);
    config.type = type as DnsRecordType;
  },
});

/** filterCodec reads a name with values; `goType` is the package's. */
export function filterCodec(goType: string): Struct<NamedFilter> {
  return struct<NamedFilter>({
    goType,
    zero: () => ({ name: "", values: [] }),
    fields: [
      field("name", "name", string, { keep: true, doc: "Name of the filter." }),
      field("values", "values", list(string), { keep: true, doc: "Values, one of which must hold." }),
    ],
  });
}

const dockerCodec: Struct<DockerDiscoveryConfig> = struct<DockerDiscoveryConfig>({
  goType: "moby.plain",
  zero: () => ({ ...newDocker(), port: 0, hostNetworkingHost: "", refreshIntervalMs: 0, matchFirstNetwork: false }),
  defaults: newDocker,
  fields: [
    ...inline<DockerDiscoveryConfig, "http">("http", httpClientKeys),
    field("host", "host", string, {
      keep: true,
      doc: "Address of the daemon: unix:///path, tcp://, http:// or https://.",
    }),
    field("port", "port", int, { keep: true, doc: "Port of containers that expose none. Default 80." }),
    field("filters", "filters", list(filterCodec("moby.Filter")), { keep: true, doc: "What the daemon is asked for." }),
    field("host_networking_host", "hostNetworkingHost", string, {
      keep: true,
      doc: "Address of containers in host networking mode. Default localhost.",
    }),
    field("refresh_interval", "refreshIntervalMs", duration, {
      keep: true,
      doc: "How often the daemon is asked. Default 1m.",
    }),
    field("match_first_network", "matchFirstNetwork", bool, {
      keep: true,
      doc: "Take only the first network of a container that has several. Default true.",
    }),
    field("include_no_network_targets", "includeNoNetworkTargets", bool, {
      keep: true,
      doc: "Make targets without an address of containers that are in no network. Default false.",
    }),
  ],
  check(config) {
    if (config.host === "") throw new ConfigError("host missing");
    checkUrl(config.host);
    checkHttpClient(config.http);
  },
});

function newDocker(): DockerDiscoveryConfig {
  return {
    kind: "docker",
    host: "",
    filters: [],
    hostNetworkingHost: "localhost",
    port: 80,
    refreshIntervalMs: 60_000,
    matchFirstNetwork: true,
    includeNoNetworkTargets: false,
    http: newHttpClient(),
  };
}

const KUBERNETES_ROLES: readonly KubernetesRole[] = ["node", "pod", "service", "endpoints", "endpointslice", "ingress"];

const kubernetesRole: Codec<KubernetesRole> = enumeration<KubernetesRole>("string", (text) => {
  const known = KUBERNETES_ROLES.find((role) => role === text);
  if (known === undefined) throw new ConfigError(`unknown Kubernetes SD role ${quoteText(text)}`);
  return known;
});

const selectorCodec: Struct<KubernetesSelector> = struct<KubernetesSelector>({
  goType: "kubernetes.SelectorConfig",
  zero: () => ({ role: "" as KubernetesRole, label: "", field: "" }),
  fields: [
    field("role", "role", kubernetesRole, { doc: "What is selected from." }),
    field("label", "label", string, { doc: "Label selector." }),
    field("field", "field", string, { doc: "Field selector." }),
  ],
});

interface NamespaceKeys {
  ownNamespace: boolean;
  names: readonly string[];
}

const namespaceCodec: Struct<NamespaceKeys> = struct<NamespaceKeys>({
  goType: "kubernetes.plain",
  zero: () => ({ ownNamespace: false, names: [] }),
  defaults: () => ({ ownNamespace: false, names: [] }),
  fields: [
    field("own_namespace", "ownNamespace", bool, { keep: true, doc: "The namespace that Belfry itself runs in." }),
    field("names", "names", list(string), { keep: true, doc: "Namespaces; without any, all of them." }),
  ],
});

interface AttachKeys {
  node: boolean;
  namespace: boolean;
  deployment: boolean;
  job: boolean;
  cronjob: boolean;
}

function noAttach(): AttachKeys {
  return { node: false, namespace: false, deployment: false, job: false, cronjob: false };
}

const attachCodec: Struct<AttachKeys> = struct<AttachKeys>({
  goType: "kubernetes.AttachMetadataConfig",
  zero: noAttach,
  fields: [
    field("node", "node", bool, { keep: true, doc: "Labels of the node that a pod runs on." }),
    field("namespace", "namespace", bool, { keep: true, doc: "Labels of the namespace." }),
    field("deployment", "deployment", bool, { doc: "Deployment that a pod belongs to." }),
    field("job", "job", bool, { doc: "Job that a pod belongs to." }),
    field("cronjob", "cronjob", bool, { doc: "CronJob that a pod belongs to." }),
  ],
});

/** KubernetesKeys is the section as it is written; `kubernetesCodec` flattens it. */
interface KubernetesKeys extends Omit<KubernetesDiscoveryConfig, "ownNamespace" | "namespaces" | "attach"> {
  namespaces: NamespaceKeys;
  attach: AttachKeys;
}

const ALLOWED_SELECTORS: Readonly<Record<KubernetesRole, readonly KubernetesRole[]>> = {
  pod: ["pod", "node"],
  service: ["service"],
  endpointslice: ["pod", "service", "endpointslice"],
  endpoints: ["pod", "service", "endpoints"],
  node: ["node"],
  ingress: ["ingress"],
};

const kubernetesKeys: Struct<KubernetesKeys> = struct<KubernetesKeys>({
  goType: "kubernetes.plain",
  zero: newKubernetes,
  defaults: newKubernetes,
  fields: [
    field("api_server", "apiServer", url, {
      doc: "Address of the API server; without it the pod's service account is used.",
    }),
    field("role", "role", kubernetesRole, {
      keep: true,
      doc: `What becomes a target: ${KUBERNETES_ROLES.join(", ")}.`,
    }),
    field("kubeconfig_file", "kubeconfigFile", string, {
      keep: true,
      doc: "kubeconfig file to take address and credentials from.",
    }),
    ...inline<KubernetesKeys, "http">("http", httpClientKeys),
    field("namespaces", "namespaces", namespaceCodec, { doc: "Namespaces to look at." }),
    field("selectors", "selectors", list(selectorCodec), { doc: "Restrict what is fetched, by role." }),
    field("attach_metadata", "attach", attachCodec, { doc: "Labels of related objects." }),
  ],
  check(config) {
    if ((config.role as string) === "") {
      throw new ConfigError("role missing (one of: pod, service, endpoints, endpointslice, node, ingress)");
    }
    checkHttpClient(config.http);
    const custom = !isDefaultHttpClient(config.http);
    const { apiServer, kubeconfigFile, namespaces } = config;
    if (apiServer !== "" && kubeconfigFile !== "") {
      throw new ConfigError("cannot use 'kubeconfig_file' and 'api_server' simultaneously");
    }
    if (kubeconfigFile !== "" && custom) {
      throw new ConfigError("cannot use a custom HTTP client configuration together with 'kubeconfig_file'");
    }
    if (apiServer === "" && custom) {
      throw new ConfigError("to use custom HTTP client configuration please provide the 'api_server' URL explicitly");
    }
    if (apiServer !== "" && namespaces.ownNamespace) {
      throw new ConfigError("cannot use 'api_server' and 'namespaces.own_namespace' simultaneously");
    }
    if (kubeconfigFile !== "" && namespaces.ownNamespace) {
      throw new ConfigError("cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously");
    }
    checkSelectors(config.role, config.selectors);
  },
});

function checkSelectors(role: KubernetesRole, selectors: readonly KubernetesSelector[]): void {
  const seen = new Set<KubernetesRole>();
  for (const selector of selectors) {
    if (seen.has(selector.role)) throw new ConfigError(`duplicated selector role: ${selector.role}`);
    seen.add(selector.role);
    if (!ALLOWED_SELECTORS[role].includes(selector.role)) {
      throw new ConfigError(`${role} role supports only ${ALLOWED_SELECTORS[role].join(", ")} selectors`);
    }
    checkFieldSelector(selector.field);
    checkLabelSelector(selector.label);
  }
}

function newKubernetes(): KubernetesKeys {
  return {
    kind: "kubernetes",
    apiServer: "",
    role: "" as KubernetesRole,
    kubeconfigFile: "",
    http: newHttpClient(),
    namespaces: namespaceCodec.zero(),
    selectors: [],
    attach: noAttach(),
  };
}

const kubernetesCodec: Codec<KubernetesDiscoveryConfig> = {
  goType: "kubernetes.SDConfig",
  outline: kubernetesKeys.outline,
  zero: () => flatten(kubernetesKeys.zero()),
  isZero: () => false,
  read(decoder, node) {
    const keys = kubernetesKeys.read(decoder, node, kubernetesKeys.zero());
    return keys === FAILED ? FAILED : flatten(keys);
  },
  print: ({ ownNamespace, namespaces, ...rest }) =>
    kubernetesKeys.print({ ...rest, namespaces: { ownNamespace, names: namespaces } }),
};

function flatten(keys: KubernetesKeys): KubernetesDiscoveryConfig {
  return { ...keys, ownNamespace: keys.namespaces.ownNamespace, namespaces: keys.namespaces.names };
}

interface Supported {
  name: string;
  codec: Codec<DiscoveryConfig>;
  goType: string;
  doc: string;
}

function supported<T extends DiscoveryConfig>(name: string, codec: Codec<T>, goType: string, doc: string): Supported {
  return { name, codec: codec as unknown as Codec<DiscoveryConfig>, goType, doc };
}

const SUPPORTED: readonly Supported[] = [
  supported("file", fileCodec, "file.SDConfig", "Targets from files that others write."),
  supported("http", httpCodec, "http.SDConfig", "Targets from a URL."),
  supported("dns", dnsCodec, "dns.SDConfig", "Targets from DNS records."),
  supported("docker", dockerCodec, "moby.DockerSDConfig", "Containers of a Docker daemon."),
  supported("kubernetes", kubernetesCodec, "kubernetes.SDConfig", "Objects of a Kubernetes cluster."),
];

interface DiscoveryKey extends OutlineKey {
  codec: Codec<readonly DiscoveryConfig[]>;
}

function discoveryKey(key: string, doc: string, codec: Codec<readonly DiscoveryConfig[]>): DiscoveryKey {
  return { key, doc, codec, outline: codec.outline };
}

const ALL: readonly DiscoveryKey[] = [
  ...SUPPORTED.map(({ name, codec, goType, doc }) =>
    discoveryKey(`${name}_sd_configs`, doc, pointerList(codec, goType)),
  ),
  ...UNSUPPORTED_CODECS.map(({ name, codec, goType }) =>
    discoveryKey(`${name}_sd_configs`, "", pointerList(unsupported(name, codec), goType)),
  ),
  discoveryKey(
    "static_configs",
    "Targets given in place.",
    targetGroupsCodec as unknown as Codec<readonly DiscoveryConfig[]>,
  ),
].toSorted((a, b) => (a.key < b.key ? -1 : 1));

/** discoveryOutline lists the keys of all kinds; those without a doc are refused when they are used. */
export const discoveryOutline: SectionOutline = { section: ALL, keys: ALL };

function pointerList(codec: Codec<DiscoveryConfig>, goType: string): Codec<readonly DiscoveryConfig[]> {
  return pointers(codec, `[]*${goType}`);
}

function unsupported(name: string, codec: Struct<Record<string, unknown>>): Codec<DiscoveryConfig> {
  return {
    goType: codec.goType,
    outline: codec.outline,
    zero: () => ({ kind: "unsupported", name, line: 0, fields: codec.zero() }),
    isZero: () => false,
    read(decoder: YamlDecoder, node) {
      const fields = codec.read(decoder, node, codec.zero());
      return fields === FAILED ? FAILED : { kind: "unsupported", name, line: node.line, fields };
    },
    print: (config) => codec.print((config as UnsupportedDiscoveryConfig).fields as Record<string, unknown>),
  };
}

/** discoveryFields are the keys of all kinds of discovery, for structs that keep the sections in `discovery`. */
export function discoveryFields<T extends { discovery: readonly DiscoveryConfig[] }>(): Field<T>[] {
  return ALL.map(({ key, doc, codec, outline }) => ({
    key,
    doc,
    outline,
    part: discoveryOutline.section,
    keep: false,
    isZero: (object) => sectionsOf(object, key).length === 0,
    read(decoder, node, object) {
      const sections = decoder.decode(codec, node, []);
      if (sections === FAILED) return false;
      pending(object).set(key, sections as readonly object[]);
      return true;
    },
    print(object) {
      const sections = sectionsOf(object, key);
      if (key === "static_configs") {
        return yamlSequence((sections as unknown as TargetGroup[]).map((group) => targetGroupCodec.print(group)));
      }
      return codec.print(sections);
    },
  }));
}

// The sections that have been read but not yet put into `discovery`, by the object that is being read.
const PENDING = new WeakMap<object, Map<string, readonly object[]>>();

function pending(object: object): Map<string, readonly object[]> {
  let sections = PENDING.get(object);
  if (sections === undefined) PENDING.set(object, (sections = new Map()));
  return sections;
}

/** collectDiscovery puts the sections that were read into `discovery`. Throws ConfigError for an empty one. */
export function collectDiscovery(object: { discovery: readonly DiscoveryConfig[] }): void {
  const sections = pending(object);
  const out: DiscoveryConfig[] = [];
  const groups: TargetGroup[] = [];
  for (const { key } of ALL) {
    for (const section of (sections.get(key) ?? []) as readonly (DiscoveryConfig | TargetGroup | undefined)[]) {
      if (
        section === undefined ||
        (!("kind" in section) && section.targets.length === 0 && section.labels.size === 0)
      ) {
        throw new ConfigError(`empty or null section in ${key}`);
      }
      if ("kind" in section) out.push(section);
      else groups.push({ ...section, source: String(groups.length) });
    }
  }
  if (groups.length > 0) out.push({ kind: "static", groups });
  object.discovery = out;
  PENDING.delete(object);
}

function sectionsOf(object: { discovery: readonly DiscoveryConfig[] }, key: string): readonly DiscoveryConfig[] {
  if (key === "static_configs") {
    return object.discovery.flatMap((config) =>
      config.kind === "static" ? (config.groups as unknown as DiscoveryConfig[]) : [],
    );
  }
  return object.discovery.filter((config) => `${kindName(config)}_sd_configs` === key);
}

/** kindName is upstream's name of a section's kind: file, consul ... */
export function kindName(config: DiscoveryConfig): string {
  return config.kind === "unsupported" ? config.name : config.kind;
}

/** joinDiscoveryPaths makes the paths in a section relative to a folder. */
export function joinDiscoveryPaths(config: DiscoveryConfig, folder: string): void {
  switch (config.kind) {
    case "file":
      config.files = config.files.map((file) => joinPath(folder, file));
      break;
    case "kubernetes":
      config.kubeconfigFile = joinPath(folder, config.kubeconfigFile);
      joinHttpPaths(config.http, folder);
      break;
    case "http":
    case "docker":
      joinHttpPaths(config.http, folder);
      break;
    case "unsupported":
      if ("http" in config.fields) joinHttpPaths(config.fields["http"] as HttpDiscoveryConfig["http"], folder);
      break;
  }
}

/** checkStaticTargets refuses URLs where addresses belong. */
export function checkStaticTargets(configs: readonly DiscoveryConfig[]): void {
  for (const config of configs) {
    if (config.kind !== "static") continue;
    for (const target of (config as StaticDiscoveryConfig).groups.flatMap((group) => group.targets)) {
      checkTargetAddress(target.get("__address__") ?? "");
    }
  }
}

/** checkTargetAddress refuses an address with a slash in it. */
export function checkTargetAddress(address: string): void {
  if (address.includes("/")) throw new ConfigError(`${quoteText(address)} is not a valid hostname`);
}
