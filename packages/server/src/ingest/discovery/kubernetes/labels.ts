// Meta labels that several roles share, under upstream's names.
import { joinHostPort, sanitizeLabelName } from "../discoverer.ts";
import type { KubeContainer, KubeNode, KubeObject, KubePod, KubeService, ContainerPort } from "./objects.ts";

/** PREFIX begins every label of this discovery. */
export const PREFIX = "__meta_kubernetes_";

/** addMeta adds the labels and annotations of an object under a role's name. */
export function addMeta(into: Map<string, string>, { meta }: KubeObject, resource: string): void {
  for (const [key, value] of Object.entries(meta.labels)) {
    const name = sanitizeLabelName(key);
    into.set(`${PREFIX}${resource}_label_${name}`, value);
    into.set(`${PREFIX}${resource}_labelpresent_${name}`, "true");
  }
  for (const [key, value] of Object.entries(meta.annotations)) {
    const name = sanitizeLabelName(key);
    into.set(`${PREFIX}${resource}_annotation_${name}`, value);
    into.set(`${PREFIX}${resource}_annotationpresent_${name}`, "true");
  }
}

/** addNode adds what is known of the node with a name; nothing when it is not known. */
export function addNode(
  into: Map<string, string>,
  nodes: ReadonlyMap<string, KubeObject> | undefined,
  name: string,
): void {
  const node = nodes?.get(name);
  if (node === undefined) return;
  into.set(`${PREFIX}node_name`, name);
  addMeta(into, node, "node");
}

/** addNamespace adds what is known of a namespace. */
export function addNamespace(
  into: Map<string, string>,
  namespaces: ReadonlyMap<string, KubeObject> | undefined,
  name: string,
): void {
  const namespace = namespaces?.get(name);
  if (namespace !== undefined) addMeta(into, namespace, "namespace");
}

/** PodOwners are the objects above pods, where their names are wanted. */
export interface PodOwners {
  replicaSets: ReadonlyMap<string, KubeObject> | undefined;
  jobs: ReadonlyMap<string, KubeObject> | undefined;
  /** job says that the name of a pod's job is wanted. */
  job: boolean;
}

/** podLabels are those of a pod as a whole, without its namespace. */
export function podLabels(pod: KubePod, owners?: PodOwners): Map<string, string> {
  const { meta } = pod;
  const out = new Map([
    [`${PREFIX}pod_name`, meta.name],
    [`${PREFIX}pod_ip`, pod.ip],
    [`${PREFIX}pod_ready`, pod.ready],
    [`${PREFIX}pod_phase`, pod.phase],
    [`${PREFIX}pod_node_name`, pod.nodeName],
    [`${PREFIX}pod_host_ip`, pod.hostIp],
    [`${PREFIX}pod_uid`, meta.uid],
  ]);
  addMeta(out, pod, "pod");
  const { controller } = meta;
  if (controller === undefined) return out;
  if (controller.kind !== "") out.set(`${PREFIX}pod_controller_kind`, controller.kind);
  if (controller.name !== "") out.set(`${PREFIX}pod_controller_name`, controller.name);
  if (owners === undefined) return out;
  const key = `${meta.namespace}/${controller.name}`;
  if (controller.kind === "ReplicaSet") {
    const above = owners.replicaSets?.get(key)?.meta.controller;
    if (above?.kind === "Deployment") out.set(`${PREFIX}pod_deployment_name`, above.name);
  } else if (controller.kind === "Job") {
    if (owners.job) out.set(`${PREFIX}pod_job_name`, controller.name);
    const above = owners.jobs?.get(key)?.meta.controller;
    if (above?.kind === "CronJob") out.set(`${PREFIX}pod_cronjob_name`, above.name);
  }
  return out;
}

/** containerLabels are those of a container and, when given, of one of its ports. */
export function containerLabels(container: KubeContainer, port: ContainerPort | undefined): Map<string, string> {
  const out = new Map([
    [`${PREFIX}pod_container_name`, container.name],
    [`${PREFIX}pod_container_image`, container.image],
    [`${PREFIX}pod_container_init`, String(container.isInit)],
  ]);
  if (port !== undefined) {
    out.set(`${PREFIX}pod_container_port_name`, port.name);
    out.set(`${PREFIX}pod_container_port_number`, String(port.port));
    out.set(`${PREFIX}pod_container_port_protocol`, port.protocol);
  }
  return out;
}

/** serviceLabels are those of a service as a whole. */
export function serviceLabels(service: KubeService): Map<string, string> {
  const out = new Map([
    [`${PREFIX}service_name`, service.meta.name],
    [`${PREFIX}namespace`, service.meta.namespace],
  ]);
  addMeta(out, service, "service");
  return out;
}

// The kind of address that is used, in the order of preference.
const ADDRESS_TYPES = ["InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"];

/** nodeAddress is the address of a node's kubelet; undefined when the node has none. */
export function nodeAddress(node: KubeNode): string | undefined {
  for (const type of ADDRESS_TYPES) {
    const found = node.addresses.find((address) => address.type === type);
    if (found !== undefined) return joinHostPort(found.address, node.kubeletPort);
  }
  return undefined;
}
