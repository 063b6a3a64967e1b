// Kubernetes discovery: copies of the objects of a role, and of those that give them further labels, are kept by
// informers; whatever changes makes the groups anew that it is part of. Nothing is emitted before all copies are
// whole, so that a start does not show targets with half their labels.
import { HttpClient } from "../../../lib/http-client.ts";
import type { KubernetesDiscoveryConfig, KubernetesRole } from "../config.ts";
import type { Discoverer, DiscoveryEnvironment, Emit } from "../discoverer.ts";
import type { TargetGroup } from "../target-group.ts";
import { KubernetesApi } from "./api.ts";
import { type Cluster, openCluster, POD_ENVIRONMENT } from "./cluster.ts";
import { Informer } from "./informer.ts";
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
  type KubeService,
  type ObjectReference,
} from "./objects.ts";
import {
  endpointsGroup,
  endpointSliceGroup,
  ingressGroup,
  type Known,
  nodeGroup,
  podGroup,
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

// How long the namespaces wait for each other in the beginning, so that a job is not handed on with some of them
// only. It is less than what a job waits for its discoverers.
const FIRST_WAIT_MS = 3_000;
// Groups that are made before others get their turn.
const GROUPS_PER_TURN = 200;

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
    const gathered = this.gatherFirst(emit, namespaces.length);
    try {
      await Promise.all(
        namespaces.map((namespace) =>
          new NamespaceWatch(this.config, this.env, api, namespace, gathered, signal).run(),
        ),
      );
    } finally {
      gathered.cancel();
      await client.close();
    }
  }

  // gatherFirst holds back what the namespaces find until each has spoken, for a short while at most.
  private gatherFirst(emit: Emit, count: number): GatheringEmit {
    let held: TargetGroup[] | undefined = [];
    let silent = count;
    const release = (): void => {
      timer.cancel();
      const groups = held;
      held = undefined;
      if (groups !== undefined && silent < count) emit(groups);
    };
    const timer = this.env.clock.setTimeout(release, FIRST_WAIT_MS);
    return {
      first(groups) {
        silent--;
        this.emit(groups);
        if (silent === 0) release();
      },
      emit(groups) {
        if (held === undefined) emit(groups);
        else held.push(...groups);
      },
      cancel: () => timer.cancel(),
    };
  }
}

interface GatheringEmit {
  /** first hands on what a namespace has at first; called once for each. */
  first(groups: readonly TargetGroup[]): void;
  emit(groups: readonly TargetGroup[]): void;
  cancel(): void;
}

// One namespace, or all of them under the empty name.
class NamespaceWatch {
  private readonly config: KubernetesDiscoveryConfig;
  private readonly env: DiscoveryEnvironment;
  private readonly api: KubernetesApi;
  private readonly namespace: string;
  private readonly out: GatheringEmit;
  private readonly signal: AbortSignal;
  private readonly own: Informer<KubeObject>;
  private readonly others: Informer<KubeObject>[] = [];
  private readonly nodes: Informer<KubeObject> | undefined;
  private readonly namespaces: Informer<KubeObject> | undefined;
  private readonly pods: Informer<KubePod> | undefined;
  private readonly services: Informer<KubeService> | undefined;
  private readonly replicaSets: Informer<KubeObject> | undefined;
  private readonly jobs: Informer<KubeObject> | undefined;
  private readonly dirty = new Set<string>();
  private isWorking = false;
  private isReady = false;
  private hasSpoken = false;
  /** dependents maps what an object of the role refers to (`pod:ns/x`, `node:y`) to the keys of such objects. */
  private readonly dependents = new Map<string, Set<string>>();
  private readonly dependencies = new Map<string, readonly string[]>();

  constructor(
    config: KubernetesDiscoveryConfig,
    env: DiscoveryEnvironment,
    api: KubernetesApi,
    namespace: string,
    out: GatheringEmit,
    signal: AbortSignal,
  ) {
    this.signal = signal;
    this.config = config;
    this.env = env;
    this.api = api;
    this.namespace = namespace;
    this.out = out;
    const { role, attach } = config;
    const backed = role === "endpoints" || role === "endpointslice";
    const pods = backed || role === "pod";
    this.own = this.inform(role, DECODERS[role], (key, object, gone) => this.ownChanged(key, object, gone));
    const related = <T extends KubeObject>(
      wanted: boolean,
      kind: Kind,
      decode: (value: unknown) => T,
    ): Informer<T> | undefined => {
      if (!wanted) return undefined;
      const informer = this.inform(kind, decode, (key, object) => this.relatedChanged(kind, key, object));
      this.others.push(informer as unknown as Informer<KubeObject>);
      return informer;
    };
    this.nodes = related(pods && attach.node, "node", decodeObject);
    this.namespaces = related(role !== "node" && attach.namespace, "namespace", decodeObject);
    this.services = related(backed, "service", decodeService);
    this.pods = role === "pod" ? (this.own as unknown as Informer<KubePod>) : related(backed, "pod", decodePod);
    this.replicaSets = related(pods && attach.deployment, "replicaset", decodeObject);
    this.jobs = related(pods && attach.cronjob, "job", decodeObject);
  }

  async run(): Promise<void> {
    const running = [this.own, ...this.others].map((informer) => informer.run(this.signal));
    // What is refused is done without; the refusal has been told. Should it be given later, all groups are made anew.
    void Promise.all([this.own.synced, ...this.others.map((informer) => informer.answered)]).then(() => {
      this.isReady = true;
      for (const informer of this.others) {
        if (!informer.isSynced) void informer.synced.then(() => this.markAll());
      }
      this.work();
    });
    await Promise.all(running);
  }
  private inform<T extends KubeObject>(
    kind: Kind,
    decode: (value: unknown) => T,
    changed: (key: string, object: T, gone: boolean) => void,
  ): Informer<T> {
    const { prefix, name, namespaced } = COLLECTIONS[kind];
    const selector = this.config.selectors.find((candidate) => candidate.role === kind);
    const path =
      namespaced && this.namespace !== ""
        ? `${prefix}/namespaces/${encodeURIComponent(this.namespace)}/${name}`
        : `${prefix}/${name}`;
    // A single namespace is not listed with all the others.
    const only = kind === "namespace" && this.namespace !== "" ? `metadata.name=${this.namespace}` : "";
    const resource = { path, labelSelector: selector?.label ?? "", fieldSelector: selector?.field ?? only };
    return new Informer<T>(kind, this.api, resource, decode, changed, this.env);
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
  private relatedChanged(kind: Kind, key: string, object: KubeObject): void {
    // In the beginning all groups are made anyway.
    if (!this.isReady) return;
    for (const own of this.dependents.get(`${kind}:${key}`) ?? []) this.mark(own);
    if ((kind !== "replicaset" && kind !== "job") || this.pods === undefined) return;
    for (const [podKey, { meta }] of this.pods.objects) {
      if (meta.namespace !== object.meta.namespace || meta.controller?.name !== object.meta.name) continue;
      if (this.config.role === "pod") this.mark(podKey);
      else for (const own of this.dependents.get(`pod:${podKey}`) ?? []) this.mark(own);
    }
  }

  private markAll(): void {
    for (const key of this.own.objects.keys()) this.mark(key);
  }

  private mark(key: string): void {
    this.dirty.add(key);
    this.work();
  }

  // Changes come in bursts; a burst makes each group once.
  private work(): void {
    if (!this.isReady || this.isWorking) return;
    this.isWorking = true;
    setImmediate(() => this.makeGroups([]));
  }

  private makeGroups(made: TargetGroup[]): void {
    if (this.signal.aborted) return;
    const known = this.known();
    let count = 0;
    for (const key of this.dirty) {
      this.dirty.delete(key);
      made.push(this.group(key, known));
      if (++count >= GROUPS_PER_TURN) break;
    }
    if (this.dirty.size > 0) {
      setImmediate(() => this.makeGroups(made));
      return;
    }
    this.isWorking = false;
    // A role without any object has spoken too.
    if (this.hasSpoken) this.out.emit(made);
    else this.out.first(made);
    this.hasSpoken = true;
  }

  private known(): Known {
    return {
      nodes: objectsOf(this.nodes),
      namespaces: objectsOf(this.namespaces),
      pods: objectsOf(this.pods),
      services: objectsOf(this.services),
      owners: {
        replicaSets: objectsOf(this.replicaSets),
        jobs: objectsOf(this.jobs),
        job: this.config.attach.job,
      },
    };
  }

  private group(key: string, known: Known): TargetGroup {
    const { role } = this.config;
    const object = this.own.objects.get(key);
    if (object === undefined) return { source: `${SOURCES[role]}/${key}`, targets: [], labels: new Map() };
    return GROUPS[role](object, known);
  }
}

function objectsOf<T extends KubeObject>(informer: Informer<T> | undefined): ReadonlyMap<string, T> | undefined {
  return informer?.isSynced ? informer.objects : undefined;
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
  const { namespace, name } = object.meta;
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
      out.add(`service:${namespace}/${(object as KubeEndpointSlice).service}`);
      for (const { target, nodeName } of (object as KubeEndpointSlice).endpoints) refer(target, nodeName);
      break;
    case "node":
    case "service":
    case "ingress":
      break;
  }
  return [...out];
}
