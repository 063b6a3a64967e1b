// From objects to target groups, one group per object of the role.
import { joinHostPort, sanitizeLabelName } from "../discoverer.ts";
import type { LabelSet, TargetGroup } from "../target-group.ts";
import {
  addMeta,
  addNamespace,
  addNode,
  containerLabels,
  nodeAddress,
  type PodOwners,
  podLabels,
  serviceLabels,
} from "./labels.ts";
import { metaName } from "./names.ts";
import type {
  KubeEndpoints,
  KubeEndpointSlice,
  KubeIngress,
  KubeNode,
  KubeObject,
  KubePod,
  KubeService,
  ObjectReference,
  SliceEndpoint,
  SlicePort,
} from "./objects.ts";

/** Known are the objects that may be looked up for further labels; undefined where they are not asked for or refused. */
export interface Known {
  nodes: ReadonlyMap<string, KubeObject> | undefined;
  namespaces: ReadonlyMap<string, KubeObject> | undefined;
  pods: ReadonlyMap<string, KubePod> | undefined;
  services: ReadonlyMap<string, KubeService> | undefined;
  owners: PodOwners;
}

/** nodeGroup is a node's kubelet. */
export function nodeGroup(node: KubeNode): TargetGroup {
  const { name } = node.meta;
  const labels = new Map([
    [metaName("node_name"), name],
    [metaName("node_provider_id"), node.providerId],
  ]);
  for (const { type, status } of node.conditions) {
    labels.set(metaName(`node_condition_${sanitizeLabelName(type.toLowerCase())}`), status.toLowerCase());
  }
  addMeta(labels, node, "node");
  const address = nodeAddress(node);
  const source = `node/${name}`;
  if (address === undefined) return { source, targets: [], labels };
  const target = new Map([
    ["__address__", address],
    ["instance", name],
  ]);
  for (const { type, address: value } of node.addresses) {
    const label = metaName(`node_address_${sanitizeLabelName(type)}`);
    if (!target.has(label)) target.set(label, value);
  }
  return { source, targets: [target], labels };
}

/** serviceGroup has a target for each port of a service. */
export function serviceGroup(service: KubeService, known: Known): TargetGroup {
  const { name, namespace } = service.meta;
  const labels = serviceLabels(service);
  addNamespace(labels, known.namespaces, namespace);
  const targets = service.ports.map((port): LabelSet => {
    const target = new Map([
      ["__address__", joinHostPort(`${name}.${namespace}.svc`, port.port)],
      [metaName("service_port_name"), port.name],
      [metaName("service_port_number"), String(port.port)],
      [metaName("service_port_protocol"), port.protocol],
      [metaName("service_type"), service.type],
    ]);
    if (service.type === "ExternalName") target.set(metaName("service_external_name"), service.externalName);
    else target.set(metaName("service_cluster_ip"), service.clusterIp);
    if (service.type === "LoadBalancer") target.set(metaName("service_loadbalancer_ip"), service.loadBalancerIp);
    return target;
  });
  return { source: `svc/${namespace}/${name}`, targets, labels };
}

/** podGroup has a target for each port of each container, or one without a port. */
export function podGroup(pod: KubePod, known: Known): TargetGroup {
  const { name, namespace } = pod.meta;
  const source = `pod/${namespace}/${name}`;
  // A pod that is being scheduled has no address yet.
  if (pod.ip === "") return { source, targets: [], labels: new Map() };
  // Nodes may be selected; pods on others are none of ours.
  if (known.nodes?.has(pod.nodeName) === false) return { source, targets: [], labels: new Map() };
  const labels = podLabels(pod, known.owners).set(metaName("namespace"), namespace);
  addNode(labels, known.nodes, pod.nodeName);
  addNamespace(labels, known.namespaces, namespace);
  const targets: LabelSet[] = [];
  for (const container of pod.containers) {
    const id: [string, string] = [metaName("pod_container_id"), container.id];
    if (container.ports.length === 0) {
      targets.push(new Map([["__address__", pod.ip], id, ...containerLabels(container, undefined)]));
    }
    for (const port of container.ports) {
      targets.push(
        new Map([["__address__", joinHostPort(pod.ip, port.port)], id, ...containerLabels(container, port)]),
      );
    }
  }
  return { source, targets, labels };
}

// The pods behind the endpoints of one object and which of their ports are endpoints already.
class SeenPods {
  private readonly ports = new Map<KubePod, Set<number>>();
  private readonly known: Known;

  constructor(known: Known) {
    this.known = known;
  }

  /** add puts a pod's labels on the target of one of its ports. */
  add(target: Map<string, string>, pod: KubePod, port: number | undefined, protocol: string | undefined): void {
    for (const [name, value] of podLabels(pod, this.known.owners)) target.set(name, value);
    let ports = this.ports.get(pod);
    if (ports === undefined) this.ports.set(pod, (ports = new Set()));
    if (port === undefined) return;
    ports.add(port);
    for (const container of pod.containers) {
      const own = container.ports.find((candidate) => candidate.port === port);
      if (own === undefined) continue;
      const shown = protocol === undefined ? own : { ...own, protocol };
      for (const [name, value] of containerLabels(container, shown)) target.set(name, value);
    }
  }

  /** others are targets for the ports of these pods that are no endpoints. */
  others(): LabelSet[] {
    const out: LabelSet[] = [];
    for (const [pod, seen] of this.ports) {
      if (pod.ip === "") continue;
      for (const container of pod.containers) {
        for (const port of container.ports) {
          if (seen.has(port.port)) continue;
          const target = new Map([
            ["__address__", joinHostPort(pod.ip, port.port)],
            ...containerLabels(container, port),
            ...podLabels(pod, this.known.owners),
          ]);
          out.push(target);
        }
      }
    }
    return out;
  }
}

function podOf(known: Known, reference: ObjectReference | undefined): KubePod | undefined {
  if (reference?.kind !== "Pod") return undefined;
  return known.pods?.get(`${reference.namespace}/${reference.name}`);
}

function addService(labels: Map<string, string>, service: KubeService | undefined): void {
  if (service !== undefined) for (const [name, value] of serviceLabels(service)) labels.set(name, value);
}

/** endpointsGroup has a target for each address and port, and for the other ports of the pods behind them. */
export function endpointsGroup(endpoints: KubeEndpoints, known: Known): TargetGroup {
  const { name, namespace } = endpoints.meta;
  const labels = new Map([
    [metaName("namespace"), namespace],
    [metaName("endpoints_name"), name],
  ]);
  addService(labels, known.services?.get(`${namespace}/${name}`));
  addMeta(labels, endpoints, "endpoints");
  addNamespace(labels, known.namespaces, namespace);
  const pods = new SeenPods(known);
  const targets: LabelSet[] = [];
  for (const subset of endpoints.subsets) {
    for (const port of subset.ports) {
      for (const [ready, addresses] of [
        ["true", subset.addresses],
        ["false", subset.notReadyAddresses],
      ] as const) {
        for (const address of addresses) {
          const target = new Map([
            ["__address__", joinHostPort(address.ip, port.port)],
            [metaName("endpoint_port_name"), port.name],
            [metaName("endpoint_port_protocol"), port.protocol],
            [metaName("endpoint_ready"), ready],
          ]);
          if (address.target !== undefined) {
            target.set(metaName("endpoint_address_target_kind"), address.target.kind);
            target.set(metaName("endpoint_address_target_name"), address.target.name);
          }
          if (address.nodeName !== undefined) target.set(metaName("endpoint_node_name"), address.nodeName);
          if (address.hostname !== "") target.set(metaName("endpoint_hostname"), address.hostname);
          addNode(target, known.nodes, address.nodeName ?? nodeTarget(address.target) ?? "");
          const pod = podOf(known, address.target);
          if (pod !== undefined) pods.add(target, pod, port.port, port.protocol);
          targets.push(target);
        }
      }
    }
  }
  targets.push(...pods.others());
  return { source: `endpoints/${namespace}/${name}`, targets, labels };
}

function nodeTarget(target: ObjectReference | undefined): string | undefined {
  return target?.kind === "Node" ? target.name : undefined;
}

/** endpointSliceGroup is endpointsGroup for endpoint slices. */
export function endpointSliceGroup(slice: KubeEndpointSlice, known: Known): TargetGroup {
  const { name, namespace } = slice.meta;
  const source = `endpointslice/${namespace}/${name}`;
  const service = known.services?.get(`${namespace}/${slice.service}`);
  if (service !== undefined && isOfSecondFamily(slice, service)) return { source, targets: [], labels: new Map() };
  const labels = new Map([
    [metaName("namespace"), namespace],
    [metaName("endpointslice_name"), name],
    [metaName("endpointslice_address_type"), slice.addressType],
  ]);
  addMeta(labels, slice, "endpointslice");
  addService(labels, service);
  addNamespace(labels, known.namespaces, namespace);
  const pods = new SeenPods(known);
  const targets: LabelSet[] = [];
  for (const endpoint of slice.endpoints) {
    for (const port of slice.ports) {
      for (const address of endpoint.addresses) {
        const target = sliceTarget(endpoint, port, address);
        addNode(target, known.nodes, nodeTarget(endpoint.target) ?? endpoint.nodeName ?? "");
        const pod = podOf(known, endpoint.target);
        if (pod !== undefined) pods.add(target, pod, port.port, undefined);
        targets.push(target);
      }
    }
  }
  targets.push(...pods.others());
  return { source, targets, labels };
}

// A service of two address families has slices for each, with the same endpoints behind them: those of its first
// family stand for both.
function isOfSecondFamily(slice: KubeEndpointSlice, { ipFamilyPolicy, ipFamily }: KubeService): boolean {
  if (!ipFamilyPolicy.endsWith("DualStack") || ipFamily === "") return false;
  return slice.addressType !== ipFamily && slice.addressType !== "FQDN";
}

function sliceTarget(endpoint: SliceEndpoint, port: SlicePort, address: string): Map<string, string> {
  const target = new Map([["__address__", port.port === undefined ? address : joinHostPort(address, port.port)]]);
  const put = (name: string, value: string | number | boolean | undefined): void => {
    if (value !== undefined) target.set(metaName(`endpointslice_${name}`), String(value));
  };
  put("port_name", port.name);
  put("port_protocol", port.protocol);
  put("port", port.port);
  put("port_app_protocol", port.appProtocol);
  put("endpoint_conditions_ready", endpoint.ready);
  put("endpoint_conditions_serving", endpoint.serving);
  put("endpoint_conditions_terminating", endpoint.terminating);
  put("endpoint_hostname", endpoint.hostname);
  put("address_target_kind", endpoint.target?.kind);
  put("address_target_name", endpoint.target?.name);
  put("endpoint_node_name", endpoint.nodeName);
  put("endpoint_zone", endpoint.zone);
  for (let i = 0; i < endpoint.topology.length; i += 2) {
    const name = sanitizeLabelName(endpoint.topology[i]);
    put(`endpoint_topology_${name}`, endpoint.topology[i + 1]);
    put(`endpoint_topology_present_${name}`, true);
  }
  return target;
}

/** ingressGroup has a target for each path of each rule. */
export function ingressGroup(ingress: KubeIngress, known: Known): TargetGroup {
  const { name, namespace } = ingress.meta;
  const labels = new Map([
    [metaName("ingress_name"), name],
    [metaName("namespace"), namespace],
  ]);
  if (ingress.className !== undefined) labels.set(metaName("ingress_class_name"), ingress.className);
  addMeta(labels, ingress, "ingress");
  addNamespace(labels, known.namespaces, namespace);
  const targets: LabelSet[] = [];
  for (const { host, paths } of ingress.rules) {
    const secure = ingress.tlsHosts.some((pattern) => matchesHost(pattern, host));
    for (const path of paths.length === 0 ? ["/"] : paths) {
      targets.push(
        new Map([
          ["__address__", host],
          [metaName("ingress_scheme"), secure ? "https" : "http"],
          [metaName("ingress_host"), host],
          [metaName("ingress_path"), path === "" ? "/" : path],
        ]),
      );
    }
  }
  return { source: `ingress/${namespace}/${name}`, targets, labels };
}

// *.example.com stands for exactly one more part.
function matchesHost(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  if (!pattern.startsWith("*.")) return false;
  const dot = host.indexOf(".");
  return dot !== -1 && host.slice(dot + 1) === pattern.slice(2);
}
