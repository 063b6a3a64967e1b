import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../../lib/clock.ts";
import { type KubeJson, KubernetesApiDouble } from "../../../../../../test/support/kubernetes-api.ts";
import type { KubernetesDiscoveryConfig } from "../config.ts";
import {
  newEnvironment,
  plainGroups,
  type Running,
  section,
  start,
  type TestEnvironment,
} from "../discovery-fixture.ts";
import { KubernetesDiscoverer } from "./kubernetes.ts";

// Waits are real but five times as short.
const HURRY = 5;
const hurriedClock: Clock = {
  now: () => systemClock.now() * HURRY,
  monotonicMs: () => systemClock.monotonicMs() * HURRY,
  setTimeout: (run, delayMs) => systemClock.setTimeout(run, delayMs / HURRY),
  setInterval: (run, intervalMs) => systemClock.setInterval(run, intervalMs / HURRY),
};

const configOf = (yaml: string): KubernetesDiscoveryConfig =>
  section<"kubernetes">(`kubernetes_sd_configs:\n- ${yaml.trim().replaceAll("\n", "\n  ")}\n`);

let api: KubernetesApiDouble;
let server: string;
let env: TestEnvironment;
let running: Running | undefined;

beforeEach(async () => {
  api = new KubernetesApiDouble();
  server = await api.listen();
  env = newEnvironment(hurriedClock);
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  await api.close();
});

function run(yaml: string): Running {
  running = start(new KubernetesDiscoverer(configOf(`api_server: ${server}\n${yaml}`), env));
  return running;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) {
      throw new Error(`not in time; groups: ${JSON.stringify(groups())}, errors: ${env.errors.join("; ")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const groups = () => plainGroups(running!.groups.values());
/** short shortens meta labels, so that the tests can be read. */
const short = (labels: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(labels)
      .map(([name, value]) => [name.replace("__meta_kubernetes_", "~"), value] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );

const PODS = "/api/v1/pods";
const NODES = "/api/v1/nodes";
const SERVICES = "/api/v1/services";
const ENDPOINTS = "/api/v1/endpoints";
const NAMESPACES = "/api/v1/namespaces";
const SLICES = "/apis/discovery.k8s.io/v1/endpointslices";
const INGRESSES = "/apis/networking.k8s.io/v1/ingresses";

function pod(name: string, extra: Record<string, unknown> = {}, namespace = "default"): KubeJson {
  return {
    metadata: {
      name,
      namespace,
      uid: `uid-${name}`,
      labels: { "app.kubernetes.io/name": "web" },
      annotations: { "prometheus.io/scrape": "true" },
      ownerReferences: [
        { kind: "Other", name: "other" },
        { kind: "ReplicaSet", name: "web-1", controller: true },
      ],
    },
    spec: {
      nodeName: "n1",
      containers: [
        { name: "c", image: "img:1", ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }] },
        { name: "bare", image: "img:2" },
      ],
      initContainers: [{ name: "i", image: "img:3", ports: [{ name: "p", containerPort: 1, protocol: "TCP" }] }],
    },
    status: {
      podIP: "10.1.0.1",
      hostIP: "10.0.0.1",
      phase: "Running",
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [{ name: "c", containerID: "docker://abc" }],
      initContainerStatuses: [{ name: "i", containerID: "docker://init" }],
    },
    ...extra,
  };
}

const POD_LABELS = {
  "~pod_annotation_prometheus_io_scrape": "true",
  "~pod_annotationpresent_prometheus_io_scrape": "true",
  "~pod_controller_kind": "ReplicaSet",
  "~pod_controller_name": "web-1",
  "~pod_host_ip": "10.0.0.1",
  "~pod_ip": "10.1.0.1",
  "~pod_label_app_kubernetes_io_name": "web",
  "~pod_labelpresent_app_kubernetes_io_name": "true",
  "~pod_name": "web-1-a",
  "~pod_node_name": "n1",
  "~pod_phase": "Running",
  "~pod_ready": "true",
  "~pod_uid": "uid-web-1-a",
};

describe("roles", () => {
  test("pod: a target for each port, one without a port, init containers too", async () => {
    api.put(PODS, pod("web-1-a"));
    api.put(PODS, pod("pending", { status: { phase: "Pending" } }));
    run("role: pod");
    await until(() => running!.groups.size === 1);
    const [group] = groups();
    expect(group!.source).toBe("pod/default/web-1-a");
    expect(short(group!.labels)).toEqual({ ...POD_LABELS, "~namespace": "default" });
    expect(group!.targets.map(short)).toEqual([
      {
        __address__: "10.1.0.1:8080",
        "~pod_container_id": "docker://abc",
        "~pod_container_image": "img:1",
        "~pod_container_init": "false",
        "~pod_container_name": "c",
        "~pod_container_port_name": "http",
        "~pod_container_port_number": "8080",
        "~pod_container_port_protocol": "TCP",
      },
      {
        __address__: "10.1.0.1",
        "~pod_container_id": "",
        "~pod_container_image": "img:2",
        "~pod_container_init": "false",
        "~pod_container_name": "bare",
      },
      {
        __address__: "10.1.0.1:1",
        "~pod_container_id": "docker://init",
        "~pod_container_image": "img:3",
        "~pod_container_init": "true",
        "~pod_container_name": "i",
        "~pod_container_port_name": "p",
        "~pod_container_port_number": "1",
        "~pod_container_port_protocol": "TCP",
      },
    ]);
  });

  test("node: the kubelet at the preferred address", async () => {
    api.put(NODES, {
      metadata: { name: "n1", labels: { zone: "a" } },
      spec: { providerID: "aws:///i-1" },
      status: {
        addresses: [
          { type: "Hostname", address: "host1" },
          { type: "ExternalIP", address: "1.2.3.4" },
          { type: "InternalIP", address: "fd00::1" },
          { type: "InternalIP", address: "10.0.0.1" },
        ],
        daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      },
    });
    api.put(NODES, { metadata: { name: "n2" }, status: {} });
    run("role: node");
    await until(() => running!.groups.size === 1);
    const [group] = groups();
    expect(group!.source).toBe("node/n1");
    expect(short(group!.labels)).toEqual({
      "~node_label_zone": "a",
      "~node_labelpresent_zone": "true",
      "~node_name": "n1",
      "~node_provider_id": "aws:///i-1",
    });
    expect(group!.targets.map(short)).toEqual([
      {
        __address__: "[fd00::1]:10250",
        instance: "n1",
        "~node_address_ExternalIP": "1.2.3.4",
        "~node_address_Hostname": "host1",
        "~node_address_InternalIP": "fd00::1",
      },
    ]);
  });

  test("service: each port under the service's name", async () => {
    const metadata = { name: "web", namespace: "ns", labels: { a: "b" } };
    const ports = [{ name: "http", port: 80, protocol: "TCP" }];
    api.put(SERVICES, {
      metadata,
      spec: { type: "LoadBalancer", clusterIP: "10.9.0.1", loadBalancerIP: "1.1.1.1", ports },
    });
    api.put(SERVICES, {
      metadata: { name: "out", namespace: "ns" },
      spec: { type: "ExternalName", externalName: "x.org", ports },
    });
    run("role: service");
    await until(() => running!.groups.size === 2);
    const [out, web] = groups();
    expect([out!.source, web!.source]).toEqual(["svc/ns/out", "svc/ns/web"]);
    expect(short(web!.labels)).toEqual({
      "~namespace": "ns",
      "~service_label_a": "b",
      "~service_labelpresent_a": "true",
      "~service_name": "web",
    });
    expect(web!.targets.map(short)).toEqual([
      {
        __address__: "web.ns.svc:80",
        "~service_cluster_ip": "10.9.0.1",
        "~service_loadbalancer_ip": "1.1.1.1",
        "~service_port_name": "http",
        "~service_port_number": "80",
        "~service_port_protocol": "TCP",
        "~service_type": "LoadBalancer",
      },
    ]);
    expect(short(out!.targets[0]!)).toMatchObject({
      "~service_external_name": "x.org",
      "~service_type": "ExternalName",
    });
  });

  test("endpoints: ready and not, with pod, service and the pods' other ports", async () => {
    api.put(PODS, pod("web-1-a"));
    api.put(SERVICES, { metadata: { name: "web", namespace: "default", labels: { s: "1" } }, spec: {} });
    api.put(ENDPOINTS, {
      metadata: { name: "web", namespace: "default", labels: { e: "1" } },
      subsets: [
        {
          ports: [{ name: "metrics", port: 8080, protocol: "TCP" }],
          addresses: [
            { ip: "10.1.0.1", nodeName: "n1", targetRef: { kind: "Pod", namespace: "default", name: "web-1-a" } },
          ],
          notReadyAddresses: [{ ip: "10.1.0.2", hostname: "h" }],
        },
      ],
    });
    run("role: endpoints");
    await until(() => running!.groups.size === 1);
    const [group] = groups();
    expect(group!.source).toBe("endpoints/default/web");
    expect(short(group!.labels)).toEqual({
      "~endpoints_label_e": "1",
      "~endpoints_labelpresent_e": "true",
      "~endpoints_name": "web",
      "~namespace": "default",
      "~service_label_s": "1",
      "~service_labelpresent_s": "true",
      "~service_name": "web",
    });
    expect(group!.targets.map(short)).toEqual([
      {
        ...POD_LABELS,
        __address__: "10.1.0.1:8080",
        "~endpoint_address_target_kind": "Pod",
        "~endpoint_address_target_name": "web-1-a",
        "~endpoint_node_name": "n1",
        "~endpoint_port_name": "metrics",
        "~endpoint_port_protocol": "TCP",
        "~endpoint_ready": "true",
        "~pod_container_image": "img:1",
        "~pod_container_init": "false",
        "~pod_container_name": "c",
        "~pod_container_port_name": "http",
        "~pod_container_port_number": "8080",
        "~pod_container_port_protocol": "TCP",
      },
      {
        __address__: "10.1.0.2:8080",
        "~endpoint_hostname": "h",
        "~endpoint_port_name": "metrics",
        "~endpoint_port_protocol": "TCP",
        "~endpoint_ready": "false",
      },
      {
        ...POD_LABELS,
        __address__: "10.1.0.1:1",
        "~pod_container_image": "img:3",
        "~pod_container_init": "true",
        "~pod_container_name": "i",
        "~pod_container_port_name": "p",
        "~pod_container_port_number": "1",
        "~pod_container_port_protocol": "TCP",
      },
    ]);
  });

  test("endpointslice: conditions, zones, and the first family of a service in both", async () => {
    api.put(PODS, pod("web-1-a"));
    const targetRef = { kind: "Pod", namespace: "default", name: "web-1-a" };
    const slice = (name: string, addressType: string, address: string): KubeJson => ({
      metadata: { name, namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
      addressType,
      ports: [{ name: "m", port: 8080, protocol: "TCP", appProtocol: "http" }],
      endpoints: [
        {
          addresses: [address],
          conditions: { ready: true, serving: true, terminating: false },
          hostname: "h",
          nodeName: "n1",
          zone: "z",
          deprecatedTopology: { "topology.k/x": "y" },
          targetRef,
        },
      ],
    });
    api.put(SLICES, slice("web-4", "IPv4", "10.1.0.1"));
    api.put(SLICES, slice("web-6", "IPv6", "fd00::1"));
    api.put(SERVICES, {
      metadata: { name: "web", namespace: "default" },
      spec: { ipFamilyPolicy: "RequireDualStack", ipFamilies: ["IPv4", "IPv6"] },
    });
    run("role: endpointslice");
    await until(() => running!.groups.size === 1);
    const [four] = groups();
    expect(short(four!.labels)).toEqual({
      "~endpointslice_address_type": "IPv4",
      "~endpointslice_label_kubernetes_io_service_name": "web",
      "~endpointslice_labelpresent_kubernetes_io_service_name": "true",
      "~endpointslice_name": "web-4",
      "~namespace": "default",
      "~service_name": "web",
    });
    expect(short(four!.targets[0]!)).toEqual({
      ...POD_LABELS,
      __address__: "10.1.0.1:8080",
      "~endpointslice_address_target_kind": "Pod",
      "~endpointslice_address_target_name": "web-1-a",
      "~endpointslice_endpoint_conditions_ready": "true",
      "~endpointslice_endpoint_conditions_serving": "true",
      "~endpointslice_endpoint_conditions_terminating": "false",
      "~endpointslice_endpoint_hostname": "h",
      "~endpointslice_endpoint_node_name": "n1",
      "~endpointslice_endpoint_topology_present_topology_k_x": "true",
      "~endpointslice_endpoint_topology_topology_k_x": "y",
      "~endpointslice_endpoint_zone": "z",
      "~endpointslice_port": "8080",
      "~endpointslice_port_app_protocol": "http",
      "~endpointslice_port_name": "m",
      "~endpointslice_port_protocol": "TCP",
      "~pod_container_image": "img:1",
      "~pod_container_init": "false",
      "~pod_container_name": "c",
      "~pod_container_port_name": "http",
      "~pod_container_port_number": "8080",
      "~pod_container_port_protocol": "TCP",
    });
    expect(running!.addresses()).toEqual(["10.1.0.1:1", "10.1.0.1:8080"]);
    // The service goes over to one family: the other slice is as good as this one.
    api.put(SERVICES, { metadata: { name: "web", namespace: "default" }, spec: { ipFamilyPolicy: "SingleStack" } });
    await until(() => running!.addresses().includes("[fd00::1]:8080"));
  });

  test("ingress: each path, https where a TLS host fits", async () => {
    api.put(INGRESSES, {
      metadata: { name: "i", namespace: "ns" },
      spec: {
        ingressClassName: "nginx",
        tls: [{ hosts: ["*.example.com"] }],
        rules: [
          { host: "a.example.com", http: { paths: [{ path: "/x" }, { path: "" }] } },
          { host: "a.b.example.com", http: { paths: [{ path: "/y" }] } },
          { host: "plain.org" },
        ],
      },
    });
    run("role: ingress");
    await until(() => running!.groups.size === 1);
    const [group] = groups();
    expect(short(group!.labels)).toEqual({ "~ingress_class_name": "nginx", "~ingress_name": "i", "~namespace": "ns" });
    expect(
      group!.targets
        .map(short)
        .map((t) => [t["__address__"], t["~ingress_scheme"], t["~ingress_host"], t["~ingress_path"]]),
    ).toEqual([
      ["a.example.com", "https", "a.example.com", "/x"],
      ["a.example.com", "https", "a.example.com", "/"],
      ["a.b.example.com", "http", "a.b.example.com", "/y"],
      ["plain.org", "http", "plain.org", "/"],
    ]);
  });
});

const address = (target: string): boolean => running!.addresses().includes(target);
const podAt = (name: string, ip: string): KubeJson =>
  pod(name, {
    spec: { nodeName: "n1", containers: [{ name: "c", ports: [{ containerPort: 80, protocol: "TCP" }] }] },
    status: { podIP: ip },
  });

describe("changes", () => {
  test("come in through the watch: added, changed, deleted", async () => {
    api.put(PODS, podAt("a", "10.1.0.1"));
    run("role: pod");
    await until(() => address("10.1.0.1:80") && api.watchCount === 1);
    api.put(PODS, podAt("b", "10.1.0.2"));
    await until(() => address("10.1.0.2:80"));
    api.put(PODS, podAt("a", "10.1.0.3"));
    await until(() => running!.addresses().join() === "10.1.0.2:80,10.1.0.3:80");
    api.remove(PODS, "b", "default");
    await until(() => running!.addresses().join() === "10.1.0.3:80");
    expect(env.metric('belfry_sd_kubernetes_events_total{role="pod",event="add"}')).toBe(2);
    expect(env.metric('belfry_sd_kubernetes_events_total{role="pod",event="update"}')).toBe(1);
    expect(env.metric('belfry_sd_kubernetes_events_total{role="pod",event="delete"}')).toBe(1);
  });

  test("of services, pods, nodes and namespaces reach the endpoints that refer to them", async () => {
    api.put(ENDPOINTS, {
      metadata: { name: "web", namespace: "default" },
      subsets: [
        {
          ports: [{ name: "m", port: 80, protocol: "TCP" }],
          addresses: [{ ip: "10.1.0.1", nodeName: "n1", targetRef: { kind: "Pod", namespace: "default", name: "a" } }],
        },
      ],
    });
    run("role: endpoints\nattach_metadata: {node: true, namespace: true}");
    await until(() => running!.groups.size === 1);
    const labels = (): Record<string, string> => ({ ...groups()[0]!.labels, ...groups()[0]!.targets[0] });
    const has = (name: string, value: string) => () => labels()[`__meta_kubernetes_${name}`] === value;
    expect(labels()).not.toHaveProperty("__meta_kubernetes_pod_name");
    api.put(PODS, podAt("a", "10.1.0.1"));
    await until(has("pod_name", "a"));
    api.put(SERVICES, { metadata: { name: "web", namespace: "default", labels: { tier: "gold" } }, spec: {} });
    await until(has("service_label_tier", "gold"));
    api.put(NODES, { metadata: { name: "n1", labels: { zone: "a" } } });
    await until(has("node_label_zone", "a"));
    api.put(NAMESPACES, { metadata: { name: "default", labels: { team: "x" } } });
    await until(has("namespace_label_team", "x"));
    api.remove(PODS, "a", "default");
    await until(() => labels()["__meta_kubernetes_pod_name"] === undefined);
  });

  test("deployments and cron jobs above a pod are named where asked for", async () => {
    const owned = (name: string, kind: string, owner: string): KubeJson => {
      const object = podAt(name, "10.1.0.9");
      return {
        ...object,
        metadata: { ...object.metadata, ownerReferences: [{ kind, name: owner, controller: true }] },
      };
    };
    const owner = (name: string, kind: string, above: string): KubeJson => ({
      metadata: { name, namespace: "default", ownerReferences: [{ kind, name: above, controller: true }] },
    });
    api.put(PODS, owned("p1", "ReplicaSet", "web-1"));
    api.put(PODS, owned("p2", "Job", "nightly-1"));
    api.put("/apis/batch/v1/jobs", owner("nightly-1", "CronJob", "nightly"));
    run("role: pod\nattach_metadata: {deployment: true, job: true, cronjob: true}");
    await until(() => running!.groups.size === 2);
    api.put("/apis/apps/v1/replicasets", owner("web-1", "Deployment", "web"));
    await until(() => groups()[0]!.labels["__meta_kubernetes_pod_deployment_name"] === "web");
    expect(groups()[1]!.labels).toMatchObject({
      __meta_kubernetes_pod_job_name: "nightly-1",
      __meta_kubernetes_pod_cronjob_name: "nightly",
    });
  });
});

describe("when the API server misbehaves, nothing is lost", () => {
  test("a watch that ends goes on from where it was", async () => {
    api.put(PODS, podAt("a", "10.1.0.1"));
    run("role: pod");
    await until(() => api.watchCount === 1);
    api.bookmark();
    api.endWatches();
    api.put(PODS, podAt("b", "10.1.0.2"));
    await until(() => address("10.1.0.2:80"));
    expect(api.requests.filter((request) => !request.includes("watch=true"))).toHaveLength(1);
    expect(env.errors).toEqual([]);
  });

  test("a version too old makes a new list: what went meanwhile goes, what stayed is not touched", async () => {
    api.put(PODS, podAt("a", "10.1.0.1"));
    api.put(PODS, podAt("b", "10.1.0.2"));
    run("role: pod");
    await until(() => running!.groups.size === 2 && api.watchCount === 1);
    api.endWatches();
    api.remove(PODS, "a", "default");
    api.put(PODS, podAt("c", "10.1.0.3"));
    api.forget();
    await until(() => running!.addresses().join() === "10.1.0.2:80,10.1.0.3:80");
    expect(env.metric("belfry_sd_kubernetes_failures_total")).toBe(0);
  });

  test("the same when a running watch is told so", async () => {
    api.put(PODS, podAt("a", "10.1.0.1"));
    run("role: pod");
    await until(() => api.watchCount === 1);
    api.forget();
    await until(() => api.watchCount === 1);
    api.put(PODS, podAt("b", "10.1.0.2"));
    await until(() => address("10.1.0.2:80"));
  });

  test("errors and broken connections keep the targets and are counted", async () => {
    api.put(PODS, podAt("a", "10.1.0.1"));
    run("role: pod");
    await until(() => api.watchCount === 1);
    api.failWith = 503;
    api.breakWatches();
    await until(() => env.errors.length >= 2);
    expect(env.errors.at(-1)).toBe("Failed to watch Kubernetes objects: the server is not well");
    expect(running!.addresses()).toEqual(["10.1.0.1:80"]);
    expect(env.metric("belfry_sd_kubernetes_failures_total")).toBeGreaterThanOrEqual(2);
    api.failWith = undefined;
    api.put(PODS, podAt("b", "10.1.0.2"));
    await until(() => address("10.1.0.2:80"));
  });

  test("nothing is emitted before all that belongs together is there", async () => {
    api.put(PODS, podAt("a", "10.1.0.1"));
    api.failWith = 500;
    run("role: pod");
    await until(() => env.errors.length > 0);
    expect(running!.updates).toBe(0);
    api.failWith = undefined;
    await until(() => running!.updates > 0);
    expect(running!.addresses()).toEqual(["10.1.0.1:80"]);
  });
});

describe("what is refused", () => {
  const endpoints: KubeJson = {
    metadata: { name: "web", namespace: "default" },
    subsets: [
      {
        ports: [{ name: "m", port: 80, protocol: "TCP" }],
        addresses: [{ ip: "10.1.0.1", targetRef: { kind: "Pod", namespace: "default", name: "a" } }],
      },
    ],
  };

  test("of related objects is told and counted, and done without until it is given", async () => {
    api.put(ENDPOINTS, endpoints);
    api.put(PODS, podAt("a", "10.1.0.1"));
    api.put(SERVICES, { metadata: { name: "web", namespace: "default" }, spec: {} });
    api.refused.set(PODS, 403);
    run("role: endpoints");
    await until(() => running!.groups.size === 1);
    expect(groups()[0]!.labels["__meta_kubernetes_service_name"]).toBe("web");
    expect(groups()[0]!.targets[0]).not.toHaveProperty("__meta_kubernetes_pod_name");
    expect(env.errors).toContain("Failed to watch Kubernetes objects: pods: Forbidden");
    expect(env.metric("belfry_sd_kubernetes_failures_total")).toBeGreaterThan(0);
    api.refused.clear();
    await until(() => groups()[0]!.targets[0]!["__meta_kubernetes_pod_name"] === "a");
  });

  test("of nodes does not hide the pods on them", async () => {
    api.put(PODS, podAt("a", "10.1.0.1"));
    api.put(PODS, { ...podAt("b", "10.1.0.2"), spec: { nodeName: "n2", containers: [{ name: "c" }] } });
    api.put(NODES, { metadata: { name: "n1", labels: { zone: "z" } } });
    api.refused.set(NODES, 403);
    run("role: pod\nattach_metadata: {node: true}");
    await until(() => running!.groups.size === 2);
    api.refused.clear();
    // Now they are known, and n2 is none of them.
    await until(() => running!.groups.size === 1);
    expect(groups()[0]!.labels["__meta_kubernetes_node_label_zone"]).toBe("z");
    api.put(NODES, { metadata: { name: "n2" } });
    await until(() => running!.groups.size === 2);
  });

  test("of a kind that the cluster does not have is told by name", async () => {
    api.refused.set(SLICES, 404);
    run("role: endpointslice");
    await until(() => env.errors.length > 0);
    expect(env.errors[0]).toBe("Failed to watch Kubernetes objects: endpointslices: NotFound");
    expect(running!.updates).toBe(0);
  });

  test("in a running watch keeps what is known", async () => {
    api.put(PODS, podAt("a", "10.1.0.1"));
    run("role: pod");
    await until(() => api.watchCount === 1);
    api.refused.set(PODS, 403);
    api.endWatches();
    await until(() => env.errors.length > 0);
    expect(running!.addresses()).toEqual(["10.1.0.1:80"]);
  });
});

describe("a watch that sends", () => {
  test.each<[string, string, RegExp]>([
    ["no JSON", "<html>\n", /is not valid JSON/],
    ["an unknown kind of event", '{"type":"RENAMED","object":{}}\n', /unknown kind of watch event: "RENAMED"/],
    ["an error", '{"type":"ERROR","object":{"code":500,"message":"etcd is away"}}\n', /etcd is away/],
  ])("%s is begun anew and loses nothing", async (_, text, message) => {
    api.put(PODS, podAt("a", "10.1.0.1"));
    run("role: pod");
    await until(() => api.watchCount === 1);
    api.write(text);
    await until(() => env.errors.length === 1);
    expect(env.errors[0]).toMatch(message);
    api.put(PODS, podAt("b", "10.1.0.2"));
    await until(() => address("10.1.0.2:80"));
    expect(address("10.1.0.1:80")).toBe(true);
  });

  test("half an event before it breaks is begun anew from the last whole one", async () => {
    api.put(PODS, podAt("a", "10.1.0.1"));
    run("role: pod");
    await until(() => api.watchCount === 1);
    api.put(PODS, podAt("b", "10.1.0.2"));
    api.write('{"type":"DELETED","object":{"metadata":{"name":"a","namesp');
    await until(() => address("10.1.0.2:80"));
    api.breakWatches();
    api.put(PODS, podAt("c", "10.1.0.3"));
    await until(() => address("10.1.0.3:80"));
    expect(running!.groups.size).toBe(3);
    expect(api.requests.filter((request) => !request.includes("watch=true"))).toHaveLength(1);
  });

  test("a bookmark goes on from there", async () => {
    run("role: pod");
    await until(() => api.watchCount === 1);
    // Changes of other kinds move the version on.
    for (let i = 0; i < 5; i++) api.put(NODES, { metadata: { name: `n${i}` } });
    api.bookmark();
    api.put(PODS, podAt("a", "10.1.0.1"));
    await until(() => address("10.1.0.1:80"));
    api.bookmark();
    api.endWatches();
    await until(() => api.watchCount === 1);
    expect(api.requests.at(-1)).toMatch(/watch=true&allowWatchBookmarks=true&resourceVersion=106&timeoutSeconds=300/);
  });
});

test("a list that expires between two pages is begun anew", async () => {
  api.pageSize = 2;
  api.expirePages = 1;
  for (let i = 0; i < 5; i++) api.put(PODS, podAt(`p${i}`, `10.1.0.${i}`));
  run("role: pod");
  await until(() => running!.groups.size === 5);
  expect(env.errors).toEqual([]);
});

test("a server that forgets every version at once is not asked in a loop", async () => {
  api.put(PODS, podAt("a", "10.1.0.1"));
  api.forgetful = true;
  run("role: pod");
  await until(() => running!.groups.size === 1);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(api.requests.length).toBeLessThan(12);
});

test("a server that ends every watch at once is not asked in a loop", async () => {
  run("role: pod");
  const started = Date.now();
  while (Date.now() - started < 1000) {
    api.endWatches();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(api.requests.length).toBeLessThan(8);
  api.put(PODS, podAt("a", "10.1.0.1"));
  await until(() => address("10.1.0.1:80"));
});

test("many objects come as one whole", async () => {
  for (let i = 0; i < 1500; i++) api.put(PODS, podAt(`p${i}`, `10.${i >> 8}.${i & 255}.1`));
  run("role: pod");
  await until(() => running!.updates > 0);
  expect(running!.groups.size).toBe(1500);
  expect(running!.updates).toBe(1);
});

test("namespaces wait for each other in the beginning, but not for ever", async () => {
  for (const [name, namespace] of [
    ["a", "one"],
    ["b", "two"],
  ] as const) {
    api.put(PODS, { ...podAt(name, "10.1.0.1"), metadata: { name, namespace } });
  }
  run("role: pod\nnamespaces: {names: [one, two]}");
  await until(() => running!.updates > 0);
  expect(running!.updates).toBe(1);
  expect(running!.groups.size).toBe(2);
  await running!.stop();

  // One of them is forbidden.
  const stubborn = new KubernetesApiDouble();
  stubborn.put(PODS, { ...podAt("a", "10.1.0.1"), metadata: { name: "a", namespace: "one" } });
  stubborn.refusedNamespaces.add("two");
  server = await stubborn.listen();
  const began = hurriedClock.monotonicMs();
  run("role: pod\nnamespaces: {names: [one, two]}");
  await until(() => running!.updates > 0);
  expect(hurriedClock.monotonicMs() - began).toBeGreaterThan(2000);
  expect(running!.groups.size).toBe(1);
  await running!.stop();
  await stubborn.close();
});

test("an end closes all watches at once and is no failure", async () => {
  api.put(PODS, podAt("a", "10.1.0.1"));
  run("role: endpoints\nattach_metadata: {node: true, namespace: true}");
  await until(() => api.watchCount === 5);
  const began = Date.now();
  await running!.stop();
  expect(Date.now() - began).toBeLessThan(1000);
  await until(() => api.watchCount === 0);
  expect(env.errors).toEqual([]);
  expect(env.metric("belfry_sd_kubernetes_failures_total")).toBe(0);
});

test("a cluster without objects is said to be empty", async () => {
  run("role: pod");
  await until(() => running!.updates === 1);
  expect(running!.groups.size).toBe(0);
});

test("lists come in pages", async () => {
  api.pageSize = 3;
  for (let i = 0; i < 10; i++) api.put(PODS, podAt(`p${i}`, `10.1.0.${i}`));
  run("role: pod");
  await until(() => running!.groups.size === 10);
  expect(api.requests.slice(0, 4)).toEqual([
    "/api/v1/pods?limit=500",
    "/api/v1/pods?limit=500&continue=3",
    "/api/v1/pods?limit=500&continue=6",
    "/api/v1/pods?limit=500&continue=9",
  ]);
});

test("namespaces and selectors restrict what is asked for", async () => {
  api.put(PODS, { ...podAt("a", "10.1.0.1"), metadata: { name: "a", namespace: "one" } });
  api.put(PODS, { ...podAt("b", "10.1.0.2"), metadata: { name: "b", namespace: "two" } });
  api.put(PODS, { ...podAt("c", "10.1.0.3"), metadata: { name: "c", namespace: "three" } });
  run(
    "role: pod\nnamespaces: {names: [one, two]}\nselectors: [{role: pod, label: 'app=x', field: 'status.phase=Running'}]\nauthorization: {credentials: tok}",
  );
  await until(() => running!.groups.size === 2 && api.watchCount === 2);
  expect(running!.addresses()).toEqual(["10.1.0.1:80", "10.1.0.2:80"]);
  expect(api.requests.filter((r) => !r.includes("watch")).toSorted()).toEqual([
    "/api/v1/namespaces/one/pods?limit=500&labelSelector=app=x&fieldSelector=status.phase=Running",
    "/api/v1/namespaces/two/pods?limit=500&labelSelector=app=x&fieldSelector=status.phase=Running",
  ]);
  expect(new Set(api.authorizations)).toEqual(new Set(["Bearer tok"]));
});

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test.skipIf(!hasOpenssl())("in the cluster: over TLS, with the token that is valid at the time", async () => {
  const folder = mkdtempSync(join(tmpdir(), "belfry-pod-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "ca.crt")];
  execFileSync(
    "openssl",
    // oxfmt-ignore
    ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=kube",
      "-addext", "subjectAltName=IP:127.0.0.1"],
    { stdio: "ignore" },
  );
  const cluster = new KubernetesApiDouble({ key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") });
  cluster.put(PODS, podAt("a", "10.1.0.1"));
  cluster.put(PODS, { ...podAt("b", "10.1.0.2"), metadata: { name: "b", namespace: "other" } });
  const url = new URL(await cluster.listen());
  writeFileSync(join(folder, "token"), "first");
  writeFileSync(join(folder, "namespace"), "default");
  const pod = {
    variables: { KUBERNETES_SERVICE_HOST: url.hostname, KUBERNETES_SERVICE_PORT: url.port },
    serviceAccountFolder: folder,
  };
  const config = configOf("role: pod\nnamespaces: {own_namespace: true}");
  running = start(new KubernetesDiscoverer(config, env, pod));
  await until(() => cluster.watchCount === 1);
  expect(running.addresses()).toEqual(["10.1.0.1:80"]);
  expect(new Set(cluster.authorizations)).toEqual(new Set(["Bearer first"]));
  writeFileSync(join(folder, "token"), "second token");
  // A file is read at most once a second.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  cluster.endWatches();
  await until(() => cluster.authorizations.at(-1) === "Bearer second token");
  await running.stop();
  await cluster.close();
  rmSync(folder, { recursive: true });
});
