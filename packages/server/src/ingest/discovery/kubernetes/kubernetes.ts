// Kubernetes discovery: copies of the objects of a role, and of those that give them further labels, are kept by
// informers; whatever changes makes the groups anew that it is part of. Nothing is emitted before all copies are
// whole, so that a start does not show targets with half their labels.
import { HttpClient } from "../../../lib/http-client.ts";
import type { KubernetesDiscoveryConfig, KubernetesRole } from "../config.ts";
import type { Discoverer, DiscoveryEnvironment, Emit } from "../discoverer.ts";
import type { TargetGroup } from "../target-group.ts";
import { KubernetesApi } from "./api.ts";
import { type Cluster, openCluster, POD_ENVIRONMENT } from "./cluster.ts";
import { Informer, objectKey } from "./informer.ts";
import {
  decodeEndpoints,
  decodeEndpointSlice,
  decodeIngress,
  decodeNode,
  decodeObject,
  decodePod,
  decodeService,
  type KubeEndpoints,
  type KubeEndpointSlice,
  type KubeObject,
  type KubePod,
  type ObjectReference,
} from "./objects.ts";
import {
  endpointsGroup,
  endpointSliceGroup,
  ingressGroup,
  type Known,
  nodeGroup,
  podGroup,
  SERVICE_NAME_LABEL,
  serviceGroup,
} from "./targets.ts";

const COLLECTIONS = {
  node: { prefix: "/api/v1", name: "nodes", namespaced: false },
  namespace: { prefix: "/api/v1", name: "namespaces", namespaced: false },
  pod: { prefix: "/api/v1", name: "pods", namespaced: true },
  service: { prefix: "/api/v1", name: "services", namespaced: true },
  endpoints: { prefix: "/api/v1", name: "endpoints", namespaced: true },
  endpointslice: { prefix: "/apis/discovery.k8s.io/v1", name: "endpointslices", namespaced: true },
  ingress: { prefix: "/apis/networking.k8s.io/v1", name: "ingresses", namespaced: true },
  replicaset: { prefix: "/apis/apps/v1", name: "replicasets", namespaced: true },
  job: { prefix: "/apis/batch/v1", name: "jobs", namespaced: true },
} as const;

type Kind = keyof typeof COLLECTIONS;

/** KubernetesDiscoverer watches one role in some namespaces. */
export class KubernetesDiscoverer implements Discoverer {
  private readonly config: KubernetesDiscoveryConfig;
  private readonly env: DiscoveryEnvironment;
  private readonly cluster: Cluster;

  /** Throws when it cannot be known where the API server is. */
  constructor(config: KubernetesDiscoveryConfig, env: DiscoveryEnvironment, pod = POD_ENVIRONMENT) {
    this.config = config;
    this.env = env;
    this.cluster = openCluster(config, pod);
  }

  async run(emit: Emit, signal: AbortSignal): Promise<void> {
    const { namespaces, server, http } = this.cluster;
    // Every watch holds a connection of its own; HTTP/2 connections have died unnoticed too often for this.
    const client = new HttpClient(
      { ...http, enableHttp2: false },
      { connectionsPerHost: 8 * namespaces.length + 4, idleBodyMs: 0 },
    );
    const api = new KubernetesApi(client, server);
    try {
      await Promise.all(
        namespaces.map((namespace) => new NamespaceWatch(this.config, this.env, api, namespace, emit).run(signal)),
      );
    } finally {
      await client.close();
    }
  }
}

// One namespace, or all of them under the empty name.
class NamespaceWatch {
  private readonly config: KubernetesDiscoveryConfig;
  private readonly env: DiscoveryEnvironment;
  private readonly api: KubernetesApi;
  private readonly namespace: string;
  private readonly emit: Emit;
  private readonly informers: Informer<KubeObject>[] = [];
  private readonly known: Known;
  private readonly dirty = new Set<string>();
  private scheduled = false;
  private ready = false;
  private readonly own: ReadonlyMap<string, KubeObject>;
  /** dependents maps what an object of the role refers to (`pod:ns/x`, `node:y`) to the keys of such objects. */
  private readonly dependents = new Map<string, Set<string>>();
  private readonly dependencies = new Map<string, string[]>();

  constructor(
    config: KubernetesDiscoveryConfig,
    env: DiscoveryEnvironment,
    api: KubernetesApi,
    namespace: string,
    emit: Emit,
  ) {
    this.config = config;
    this.env = env;
    this.api = api;
    this.namespace = namespace;
    this.emit = emit;
    const { role, attach } = config;
    const backed = role === "endpoints" || role === "endpointslice";
    const pods = backed || role === "pod";
    this.own = this.inform(role, DECODERS[role], (key, object, gone) => this.ownChanged(key, object, gone));
    this.known = {
      nodes: pods && attach.node ? this.inform("node", decodeObject, this.related("node")) : undefined,
      namespaces:
        role !== "node" && attach.namespace
          ? this.inform("namespace", decodeObject, this.related("namespace"))
          : undefined,
      pods: backed
        ? this.inform("pod", decodePod, this.related("pod"))
        : role === "pod"
          ? (this.own as ReadonlyMap<string, KubePod>)
          : undefined,
      services: backed ? this.inform("service", decodeService, this.related("service")) : undefined,
      owners: {
        replicaSets:
          pods && attach.deployment ? this.inform("replicaset", decodeObject, this.related("replicaset")) : undefined,
        jobs: pods && attach.cronjob ? this.inform("job", decodeObject, this.related("job")) : undefined,
        job: attach.job,
      },
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    const running = this.informers.map((informer) => informer.run(signal));
    void Promise.all(this.informers.map((informer) => informer.synced)).then(() => {
      this.ready = true;
      // A role without any object has spoken too.
      if (this.dirty.size === 0 && !signal.aborted) this.emit([]);
      this.schedule();
    });
    await Promise.all(running);
  }

  private inform<T extends KubeObject>(
    kind: Kind,
    decode: (value: unknown) => T,
    changed: (key: string, object: T, gone: boolean) => void,
  ): ReadonlyMap<string, T> {
    const { prefix, name, namespaced } = COLLECTIONS[kind];
    const selector = this.config.selectors.find((candidate) => candidate.role === kind);
    const path =
      namespaced && this.namespace !== ""
        ? `${prefix}/namespaces/${encodeURIComponent(this.namespace)}/${name}`
        : `${prefix}/${name}`;
    // A single namespace is not listed with all the others.
    const only = kind === "namespace" && this.namespace !== "" ? `metadata.name=${this.namespace}` : "";
    const informer = new Informer<T>(
      kind,
      this.api,
      { path, labelSelector: selector?.label ?? "", fieldSelector: selector?.field ?? only },
      decode,
      (key, event, object) => changed(key, object, event === "delete"),
      this.env,
    );
    this.informers.push(informer as unknown as Informer<KubeObject>);
    return informer.objects;
  }

  private ownChanged(key: string, object: KubeObject, gone: boolean): void {
    for (const dependency of this.dependencies.get(key) ?? []) {
      const keys = this.dependents.get(dependency)!;
      keys.delete(key);
      if (keys.size === 0) this.dependents.delete(dependency);
    }
    const dependencies = gone ? [] : dependenciesOf(this.config.role, object);
    if (dependencies.length === 0) this.dependencies.delete(key);
    else this.dependencies.set(key, dependencies);
    for (const dependency of dependencies) {
      let keys = this.dependents.get(dependency);
      if (keys === undefined) this.dependents.set(dependency, (keys = new Set()));
      keys.add(key);
    }
    this.mark(key);
  }

  // A related object that changes makes those groups anew that refer to it.
  private related(kind: Kind): (key: string, object: KubeObject) => void {
    return (key, object) => {
      for (const own of this.dependents.get(`${kind}:${key}`) ?? []) this.mark(own);
      const throughPods = kind === "replicaset" || kind === "job";
      if (!throughPods || this.known.pods === undefined) return;
      for (const pod of this.known.pods.values()) {
        const { namespace, controller } = pod.meta;
        if (namespace !== object.meta.namespace || controller?.name !== object.meta.name) continue;
        if (this.config.role === "pod") this.mark(objectKey(pod));
        else for (const own of this.dependents.get(`pod:${objectKey(pod)}`) ?? []) this.mark(own);
      }
    };
  }

  private mark(key: string): void {
    this.dirty.add(key);
    this.schedule();
  }

  // Changes come in bursts; a burst makes each group once.
  private schedule(): void {
    if (!this.ready || this.scheduled || this.dirty.size === 0) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      const groups = [...this.dirty].map((key) => this.group(key));
      this.dirty.clear();
      this.emit(groups);
    });
  }

  private group(key: string): TargetGroup {
    const { role } = this.config;
    const object = this.own.get(key);
    if (object === undefined) return { source: `${SOURCES[role]}/${key}`, targets: [], labels: new Map() };
    return GROUPS[role](object, this.known);
  }
}

const DECODERS: Readonly<Record<KubernetesRole, (value: unknown) => KubeObject>> = {
  node: decodeNode,
  pod: decodePod,
  service: decodeService,
  endpoints: decodeEndpoints,
  endpointslice: decodeEndpointSlice,
  ingress: decodeIngress,
};

const SOURCES: Readonly<Record<KubernetesRole, string>> = {
  node: "node",
  pod: "pod",
  service: "svc",
  endpoints: "endpoints",
  endpointslice: "endpointslice",
  ingress: "ingress",
};

// Objects of a role are what its decoder made.
const GROUPS = {
  node: nodeGroup,
  pod: podGroup,
  service: serviceGroup,
  endpoints: endpointsGroup,
  endpointslice: endpointSliceGroup,
  ingress: ingressGroup,
} as unknown as Readonly<Record<KubernetesRole, (object: KubeObject, known: Known) => TargetGroup>>;

function dependenciesOf(role: KubernetesRole, object: KubeObject): string[] {
  const { namespace, name, labels } = object.meta;
  const out = new Set([`namespace:${namespace}`]);
  const refer = (target: ObjectReference | undefined, nodeName: string | undefined): void => {
    if (nodeName !== undefined && nodeName !== "") out.add(`node:${nodeName}`);
    if (target?.kind === "Pod") out.add(`pod:${target.namespace}/${target.name}`);
    else if (target?.kind === "Node") out.add(`node:${target.name}`);
  };
  switch (role) {
    case "pod":
      refer(undefined, (object as KubePod).nodeName);
      break;
    case "endpoints":
      out.add(`service:${namespace}/${name}`);
      for (const { addresses, notReadyAddresses } of (object as KubeEndpoints).subsets) {
        for (const { target, nodeName } of [...addresses, ...notReadyAddresses]) refer(target, nodeName);
      }
      break;
    case "endpointslice":
      out.add(`service:${namespace}/${labels[SERVICE_NAME_LABEL] ?? ""}`);
      for (const { target, nodeName } of (object as KubeEndpointSlice).endpoints) refer(target, nodeName);
      break;
    case "node":
    case "service":
    case "ingress":
      break;
  }
  return [...out];
}
