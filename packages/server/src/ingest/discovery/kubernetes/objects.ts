// The parts of Kubernetes objects that make labels. Everything else is dropped as soon as it was read: a cluster of
// ten thousand pods is some hundred megabytes of JSON, of which this is a fifth.

/** ObjectMeta is what every object has. */
export interface ObjectMeta {
  name: string;
  namespace: string;
  uid: string;
  /** labels and annotations are key, value, key, value ...: maps of few keys take several times the room. */
  labels: readonly string[];
  annotations: readonly string[];
  /** controller is the object that owns this one. */
  controller: { kind: string; name: string } | undefined;
}

/** KubeObject is any object as it is kept. */
export interface KubeObject {
  meta: ObjectMeta;
}

export interface KubeNode extends KubeObject {
  providerId: string;
  addresses: readonly { type: string; address: string }[];
  conditions: readonly { type: string; status: string }[];
  kubeletPort: number;
}

export interface ContainerPort {
  name: string;
  port: number;
  protocol: string;
}

export interface KubeContainer {
  name: string;
  image: string;
  id: string;
  isInit: boolean;
  ports: readonly ContainerPort[];
}

export interface KubePod extends KubeObject {
  ip: string;
  hostIp: string;
  nodeName: string;
  phase: string;
  ready: string;
  containers: readonly KubeContainer[];
}

export interface KubeService extends KubeObject {
  type: string;
  clusterIp: string;
  externalName: string;
  loadBalancerIp: string;
  /** ipFamilyPolicy is "" for services of old API servers. */
  ipFamilyPolicy: string;
  /** ipFamily is the first of the service's families: IPv4, IPv6 or "". */
  ipFamily: string;
  ports: readonly ContainerPort[];
}

export interface ObjectReference {
  kind: string;
  namespace: string;
  name: string;
}

export interface EndpointAddress {
  ip: string;
  hostname: string;
  nodeName: string | undefined;
  target: ObjectReference | undefined;
}

export interface KubeEndpoints extends KubeObject {
  subsets: readonly {
    ports: readonly ContainerPort[];
    addresses: readonly EndpointAddress[];
    notReadyAddresses: readonly EndpointAddress[];
  }[];
}

export interface SlicePort {
  name: string | undefined;
  port: number | undefined;
  protocol: string | undefined;
  appProtocol: string | undefined;
}

export interface SliceEndpoint {
  addresses: readonly string[];
  ready: boolean | undefined;
  serving: boolean | undefined;
  terminating: boolean | undefined;
  hostname: string | undefined;
  nodeName: string | undefined;
  zone: string | undefined;
  /** topology is key, value, key, value ... */
  topology: readonly string[];
  target: ObjectReference | undefined;
}

export interface KubeEndpointSlice extends KubeObject {
  /** service is the name of the service that the slice belongs to, "" for none. */
  service: string;
  addressType: string;
  ports: readonly SlicePort[];
  endpoints: readonly SliceEndpoint[];
}

export interface KubeIngress extends KubeObject {
  className: string | undefined;
  tlsHosts: readonly string[];
  rules: readonly { host: string; paths: readonly string[] }[];
}

type Json = Readonly<Record<string, unknown>>;

function object(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? (value as unknown[]).map(object) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function maybeText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function maybeBool(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

const NO_PAIRS: readonly string[] = [];

function pairs(value: unknown): readonly string[] {
  const out: string[] = [];
  for (const [key, child] of Object.entries(object(value))) if (typeof child === "string") out.push(key, child);
  return out.length === 0 ? NO_PAIRS : out;
}

/** decodeMeta reads the metadata of an object as the API sends it. */
export function decodeMeta(value: unknown): ObjectMeta {
  const meta = object(object(value)["metadata"]);
  const owner = list(meta["ownerReferences"]).find((reference) => reference["controller"] === true);
  return {
    name: text(meta["name"]),
    namespace: text(meta["namespace"]),
    uid: text(meta["uid"]),
    labels: pairs(meta["labels"]),
    annotations: pairs(meta["annotations"]),
    controller: owner === undefined ? undefined : { kind: text(owner["kind"]), name: text(owner["name"]) },
  };
}

/** decodeObject keeps the metadata only. */
export function decodeObject(value: unknown): KubeObject {
  return { meta: decodeMeta(value) };
}

export function decodeNode(value: unknown): KubeNode {
  const { spec, status } = object(value);
  const endpoint = object(object(object(status)["daemonEndpoints"])["kubeletEndpoint"]);
  return {
    meta: decodeMeta(value),
    providerId: text(object(spec)["providerID"]),
    addresses: list(object(status)["addresses"]).map((a) => ({ type: text(a["type"]), address: text(a["address"]) })),
    conditions: list(object(status)["conditions"]).map((c) => ({ type: text(c["type"]), status: text(c["status"]) })),
    kubeletPort: number(endpoint["Port"]),
  };
}

export function decodePod(value: unknown): KubePod {
  const { spec, status } = object(value);
  const conditions = list(object(status)["conditions"]);
  const ready = conditions.find((condition) => condition["type"] === "Ready");
  return {
    meta: decodeMeta(value),
    ip: text(object(status)["podIP"]),
    hostIp: text(object(status)["hostIP"]),
    nodeName: text(object(spec)["nodeName"]),
    phase: text(object(status)["phase"]),
    ready: ready === undefined ? "unknown" : text(ready["status"]).toLowerCase(),
    containers: [
      ...containers(object(spec)["containers"], object(status)["containerStatuses"], false),
      ...containers(object(spec)["initContainers"], object(status)["initContainerStatuses"], true),
    ],
  };
}

function containers(specs: unknown, statuses: unknown, isInit: boolean): KubeContainer[] {
  const ids = new Map(list(statuses).map((status) => [text(status["name"]), text(status["containerID"])]));
  return list(specs).map((spec) => ({
    name: text(spec["name"]),
    image: text(spec["image"]),
    id: ids.get(text(spec["name"])) ?? "",
    isInit,
    ports: list(spec["ports"]).map((port) => ({
      name: text(port["name"]),
      port: number(port["containerPort"]),
      protocol: text(port["protocol"]),
    })),
  }));
}

export function decodeService(value: unknown): KubeService {
  const spec = object(object(value)["spec"]);
  return {
    meta: decodeMeta(value),
    type: text(spec["type"]),
    clusterIp: text(spec["clusterIP"]),
    externalName: text(spec["externalName"]),
    loadBalancerIp: text(spec["loadBalancerIP"]),
    ipFamilyPolicy: text(spec["ipFamilyPolicy"]),
    ipFamily: Array.isArray(spec["ipFamilies"]) ? text((spec["ipFamilies"] as unknown[])[0]) : "",
    ports: list(spec["ports"]).map(namedPort),
  };
}

function namedPort(port: Json): ContainerPort {
  return { name: text(port["name"]), port: number(port["port"]), protocol: text(port["protocol"]) };
}

function reference(value: unknown): ObjectReference | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { kind, namespace, name } = object(value);
  return { kind: text(kind), namespace: text(namespace), name: text(name) };
}

export function decodeEndpoints(value: unknown): KubeEndpoints {
  const addresses = (from: unknown): EndpointAddress[] =>
    list(from).map((address) => ({
      ip: text(address["ip"]),
      hostname: text(address["hostname"]),
      nodeName: maybeText(address["nodeName"]),
      target: reference(address["targetRef"]),
    }));
  return {
    meta: decodeMeta(value),
    subsets: list(object(value)["subsets"]).map((subset) => ({
      ports: list(subset["ports"]).map(namedPort),
      addresses: addresses(subset["addresses"]),
      notReadyAddresses: addresses(subset["notReadyAddresses"]),
    })),
  };
}

// Where an endpoint slice names its service.
const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

export function decodeEndpointSlice(value: unknown): KubeEndpointSlice {
  const slice = object(value);
  return {
    meta: decodeMeta(value),
    service: text(object(object(slice["metadata"])["labels"])[SERVICE_NAME_LABEL]),
    addressType: text(slice["addressType"]),
    ports: list(slice["ports"]).map((port) => ({
      name: maybeText(port["name"]),
      port: typeof port["port"] === "number" ? port["port"] : undefined,
      protocol: maybeText(port["protocol"]),
      appProtocol: maybeText(port["appProtocol"]),
    })),
    endpoints: list(slice["endpoints"]).map((endpoint) => {
      const conditions = object(endpoint["conditions"]);
      return {
        addresses: Array.isArray(endpoint["addresses"]) ? (endpoint["addresses"] as unknown[]).map(text) : [],
        ready: maybeBool(conditions["ready"]),
        serving: maybeBool(conditions["serving"]),
        terminating: maybeBool(conditions["terminating"]),
        hostname: maybeText(endpoint["hostname"]),
        nodeName: maybeText(endpoint["nodeName"]),
        zone: maybeText(endpoint["zone"]),
        topology: pairs(endpoint["deprecatedTopology"]),
        target: reference(endpoint["targetRef"]),
      };
    }),
  };
}

export function decodeIngress(value: unknown): KubeIngress {
  const spec = object(object(value)["spec"]);
  return {
    meta: decodeMeta(value),
    className: maybeText(spec["ingressClassName"]),
    tlsHosts: list(spec["tls"]).flatMap((tls) =>
      Array.isArray(tls["hosts"]) ? (tls["hosts"] as unknown[]).map(text) : [],
    ),
    rules: list(spec["rules"]).map((rule) => ({
      host: text(rule["host"]),
      paths: list(object(rule["http"])["paths"]).map((path) => text(path["path"])),
    })),
  };
}
