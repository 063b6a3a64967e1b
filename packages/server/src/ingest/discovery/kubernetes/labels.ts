// Meta labels that several roles share, under upstream's names.
import { joinHostPort } from "../discoverer.ts";
import { fieldNames, metaName } from "./names.ts";
import type { KubeContainer, KubeNode, KubeObject, KubePod, KubeService, ContainerPort } from "./objects.ts";

/** addMeta adds the labels and annotations of an object under a role's name. */
export function addMeta(into: Map<string, string>, { meta }: KubeObject, resource: string): void {
  const { labels, annotations } = meta;
  for (let i = 0; i < labels.length; i += 2) {
    const { label, labelPresent } = fieldNames(resource, labels[i]);
    into.set(label, labels[i + 1]);
    into.set(labelPresent, "true");
  }
  for (let i = 0; i < annotations.length; i += 2) {
    const { annotation, annotationPresent } = fieldNames(resource, annotations[i]);
    into.set(annotation, annotations[i + 1]);
    into.set(annotationPresent, "true");
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
  into.set(metaName("node_name"), name);
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
    [metaName("pod_name"), meta.name],
    [metaName("pod_ip"), pod.ip],
    [metaName("pod_ready"), pod.ready],
    [metaName("pod_phase"), pod.phase],
    [metaName("pod_node_name"), pod.nodeName],
    [metaName("pod_host_ip"), pod.hostIp],
    [metaName("pod_uid"), meta.uid],
  ]);
  addMeta(out, pod, "pod");
  const { controller } = meta;
  if (controller === undefined) return out;
  if (controller.kind !== "") out.set(metaName("pod_controller_kind"), controller.kind);
  if (controller.name !== "") out.set(metaName("pod_controller_name"), controller.name);
  if (owners === undefined) return out;
  const key = `${meta.namespace}/${controller.name}`;
  if (controller.kind === "ReplicaSet") {
    const above = owners.replicaSets?.get(key)?.meta.controller;
    if (above?.kind === "Deployment") out.set(metaName("pod_deployment_name"), above.name);
  } else if (controller.kind === "Job") {
    if (owners.job) out.set(metaName("pod_job_name"), controller.name);
    const above = owners.jobs?.get(key)?.meta.controller;
    if (above?.kind === "CronJob") out.set(metaName("pod_cronjob_name"), above.name);
  }
  return out;
}

/** containerLabels are those of a container and, when given, of one of its ports. */
export function containerLabels(container: KubeContainer, port: ContainerPort | undefined): Map<string, string> {
  const out = new Map([
    [metaName("pod_container_name"), container.name],
    [metaName("pod_container_image"), container.image],
    [metaName("pod_container_init"), String(container.isInit)],
  ]);
  if (port !== undefined) {
    out.set(metaName("pod_container_port_name"), port.name);
    out.set(metaName("pod_container_port_number"), String(port.port));
    out.set(metaName("pod_container_port_protocol"), port.protocol);
  }
  return out;
}

/** serviceLabels are those of a service as a whole. */
export function serviceLabels(service: KubeService): Map<string, string> {
  const out = new Map([
    [metaName("service_name"), service.meta.name],
    [metaName("namespace"), service.meta.namespace],
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
