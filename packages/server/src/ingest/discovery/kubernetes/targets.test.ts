import { describe, expect, test } from "vitest";
import {
  decodeEndpoints,
  decodeEndpointSlice,
  decodeIngress,
  decodeNode,
  decodeObject,
  decodePod,
  decodeService,
  type KubeObject,
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
import type { TargetGroup } from "../target-group.ts";

const NOTHING: Known = {
  nodes: undefined,
  namespaces: undefined,
  pods: undefined,
  services: undefined,
  owners: { replicaSets: undefined, jobs: undefined, job: false },
};

const meta = (name: string, more: object = {}): object => ({ name, namespace: "ns", ...more });
const known = <T extends KubeObject>(...objects: T[]): ReadonlyMap<string, T> =>
  new Map(objects.map((o) => [o.meta.namespace === "" ? o.meta.name : `${o.meta.namespace}/${o.meta.name}`, o]));

/** labelsOf joins group and targets and leaves out the prefix. */
const labelsOf = (group: TargetGroup): Record<string, string>[] =>
  group.targets.map((target) =>
    Object.fromEntries(
      [...group.labels, ...target].map(([name, value]) => [name.replace("__meta_kubernetes_", ""), value]),
    ),
  );
const addresses = (group: TargetGroup): (string | undefined)[] => group.targets.map((t) => t.get("__address__"));

test("names of labels and annotations are made fit, and said to be present", () => {
  const service = decodeService({
    metadata: meta("web", {
      labels: { "app.kubernetes.io/name": "a", "ünï-😀": "", plain: "x" },
      annotations: { "a/b.c-d": "long\ntext" },
    }),
    spec: { ports: [{ port: 1 }] },
  });
  expect(labelsOf(serviceGroup(service, NOTHING))[0]).toMatchObject({
    service_label_app_kubernetes_io_name: "a",
    service_labelpresent_app_kubernetes_io_name: "true",
    service_label__n___: "",
    service_labelpresent__n___: "true",
    service_annotation_a_b_c_d: "long\ntext",
    service_annotationpresent_a_b_c_d: "true",
  });
});

describe("node", () => {
  const node = (addresses: object[], more: object = {}) =>
    decodeNode({
      metadata: { name: "n1" },
      status: { addresses, daemonEndpoints: { kubeletEndpoint: { Port: 10250 } }, ...more },
    });

  test.each([
    ["InternalIP", ["Hostname", "LegacyHostIP", "ExternalDNS", "ExternalIP", "InternalDNS", "InternalIP"]],
    ["InternalDNS", ["Hostname", "LegacyHostIP", "ExternalDNS", "ExternalIP", "InternalDNS"]],
    ["ExternalIP", ["Hostname", "LegacyHostIP", "ExternalDNS", "ExternalIP"]],
    ["ExternalDNS", ["Hostname", "LegacyHostIP", "ExternalDNS"]],
    ["LegacyHostIP", ["Hostname", "LegacyHostIP"]],
    ["Hostname", ["Hostname"]],
  ])("%s is preferred among %j", (preferred, types) => {
    const group = nodeGroup(node(types.map((type) => ({ type, address: `at-${type}` }))));
    expect(addresses(group)).toEqual([`at-${preferred}:10250`]);
    const [labels] = labelsOf(group);
    for (const type of types) expect(labels[`node_address_${type}`]).toBe(`at-${type}`);
  });

  test("the first of several addresses of a type counts; unknown types give labels only", () => {
    const group = nodeGroup(
      node([
        { type: "InternalIP", address: "10.0.0.1" },
        { type: "InternalIP", address: "10.0.0.2" },
        { type: "Cloud.Name", address: "x" },
      ]),
    );
    expect(labelsOf(group)).toEqual([
      {
        __address__: "10.0.0.1:10250",
        instance: "n1",
        node_name: "n1",
        node_provider_id: "",
        node_address_InternalIP: "10.0.0.1",
        node_address_Cloud_Name: "x",
      },
    ]);
  });

  test("a node without a usable address has no target", () => {
    expect(nodeGroup(node([{ type: "Cloud", address: "x" }])).targets).toEqual([]);
  });

  test("conditions are labels in lower case", () => {
    const conditions = [
      { type: "Ready", status: "True" },
      { type: "DiskPressure", status: "False" },
      { type: "Corrupt-Docker", status: "Unknown" },
    ];
    expect(labelsOf(nodeGroup(node([{ type: "InternalIP", address: "a" }], { conditions })))[0]).toMatchObject({
      node_condition_ready: "true",
      node_condition_diskpressure: "false",
      node_condition_corrupt_docker: "unknown",
    });
  });
});

describe("service", () => {
  test.each([
    [
      { type: "ClusterIP", clusterIP: "10.0.0.1" },
      { service_cluster_ip: "10.0.0.1", service_type: "ClusterIP" },
    ],
    [
      { type: "ClusterIP", clusterIP: "None" },
      { service_cluster_ip: "None", service_type: "ClusterIP" },
    ],
    [
      { type: "LoadBalancer", clusterIP: "10.0.0.1", loadBalancerIP: "1.2.3.4" },
      { service_cluster_ip: "10.0.0.1", service_loadbalancer_ip: "1.2.3.4", service_type: "LoadBalancer" },
    ],
    [
      { type: "ExternalName", externalName: "x.org", clusterIP: "" },
      { service_external_name: "x.org", service_type: "ExternalName" },
    ],
  ])("%j", (spec, labels) => {
    const service = decodeService({
      metadata: meta("web"),
      spec: {
        ...spec,
        ports: [
          { name: "http", port: 80, protocol: "TCP" },
          { port: 53, protocol: "UDP" },
        ],
      },
    });
    expect(labelsOf(serviceGroup(service, NOTHING))).toEqual([
      {
        __address__: "web.ns.svc:80",
        namespace: "ns",
        service_name: "web",
        service_port_name: "http",
        service_port_number: "80",
        service_port_protocol: "TCP",
        ...labels,
      },
      {
        __address__: "web.ns.svc:53",
        namespace: "ns",
        service_name: "web",
        service_port_name: "",
        service_port_number: "53",
        service_port_protocol: "UDP",
        ...labels,
      },
    ]);
  });
});

const pod = (more: { metadata?: object; spec?: object; status?: object } = {}) =>
  decodePod({
    metadata: meta("p", { uid: "u", ...more.metadata }),
    spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }], ...more.spec },
    status: { podIP: "10.0.0.1", phase: "Running", hostIP: "192.168.0.1", ...more.status },
  });
const owned = (name: string, kind: string, owner: string): KubeObject =>
  decodeObject({ metadata: meta(name, { ownerReferences: [{ kind, name: owner, controller: true }] }) });

describe("pod", () => {
  test("all labels of a plain one", () => {
    expect(labelsOf(podGroup(pod(), NOTHING))).toEqual([
      {
        __address__: "10.0.0.1",
        namespace: "ns",
        pod_container_id: "",
        pod_container_image: "i",
        pod_container_init: "false",
        pod_container_name: "c",
        pod_host_ip: "192.168.0.1",
        pod_ip: "10.0.0.1",
        pod_name: "p",
        pod_node_name: "n1",
        pod_phase: "Running",
        pod_ready: "unknown",
        pod_uid: "u",
      },
    ]);
  });

  test.each([
    ["True", "true"],
    ["False", "false"],
    ["Unknown", "unknown"],
  ])("ready %s", (status, value) => {
    const conditions = [
      { type: "Initialized", status: "True" },
      { type: "Ready", status },
    ];
    expect(labelsOf(podGroup(pod({ status: { conditions } }), NOTHING))[0]["pod_ready"]).toBe(value);
  });

  test("one without an address, pending or evicted, has no target", () => {
    expect(podGroup(pod({ status: { podIP: "" } }), NOTHING).targets).toEqual([]);
  });

  test("IPv6 addresses with ports have brackets", () => {
    const spec = { containers: [{ name: "c", ports: [{ containerPort: 80 }] }] };
    expect(addresses(podGroup(pod({ spec, status: { podIP: "fd00::1" } }), NOTHING))).toEqual(["[fd00::1]:80"]);
  });

  test("labels of node and namespace are attached where they are known", () => {
    const node = decodeObject({ metadata: { name: "n1", labels: { zone: "a" }, annotations: { x: "y" } } });
    const namespace = decodeObject({ metadata: { name: "ns", labels: { team: "t" }, annotations: { z: "" } } });
    const [labels] = labelsOf(podGroup(pod(), { ...NOTHING, nodes: known(node), namespaces: known(namespace) }));
    expect(labels).toMatchObject({
      node_name: "n1",
      node_label_zone: "a",
      node_labelpresent_zone: "true",
      node_annotation_x: "y",
      node_annotationpresent_x: "true",
      namespace_label_team: "t",
      namespace_labelpresent_team: "true",
      namespace_annotation_z: "",
      namespace_annotationpresent_z: "true",
    });
    expect(labels).not.toHaveProperty("namespace_name");
  });

  test("on a node that is not selected it is left out; on an unknown one it is not, when nodes are not asked for", () => {
    const other = decodeObject({ metadata: { name: "n2" } });
    expect(podGroup(pod(), { ...NOTHING, nodes: known(other) }).targets).toEqual([]);
    expect(podGroup(pod(), NOTHING).targets).toHaveLength(1);
  });

  test.each<[string, object[], Partial<Known["owners"]>, Record<string, string>]>([
    ["no owner", [], {}, {}],
    ["an owner that does not control it", [{ kind: "A", name: "a" }], {}, {}],
    [
      "a controller",
      [
        { kind: "A", name: "a" },
        { kind: "DaemonSet", name: "d", controller: true },
      ],
      {},
      { pod_controller_kind: "DaemonSet", pod_controller_name: "d" },
    ],
    [
      "a deployment above its replica set",
      [{ kind: "ReplicaSet", name: "rs", controller: true }],
      { replicaSets: known(owned("rs", "Deployment", "web")) },
      { pod_controller_kind: "ReplicaSet", pod_controller_name: "rs", pod_deployment_name: "web" },
    ],
    [
      "something else above its replica set",
      [{ kind: "ReplicaSet", name: "rs", controller: true }],
      { replicaSets: known(owned("rs", "Rollout", "web")) },
      { pod_controller_kind: "ReplicaSet", pod_controller_name: "rs" },
    ],
    [
      "a job",
      [{ kind: "Job", name: "j", controller: true }],
      { job: true },
      { pod_controller_kind: "Job", pod_controller_name: "j", pod_job_name: "j" },
    ],
    [
      "a cron job above its job",
      [{ kind: "Job", name: "j", controller: true }],
      { jobs: known(owned("j", "CronJob", "nightly")) },
      { pod_controller_kind: "Job", pod_controller_name: "j", pod_cronjob_name: "nightly" },
    ],
  ])("%s", (_, ownerReferences, owners, expected) => {
    const group = podGroup(pod({ metadata: { ownerReferences } }), {
      ...NOTHING,
      owners: { ...NOTHING.owners, ...owners },
    });
    const found = Object.entries(labelsOf(group)[0]).filter(([name]) => /controller|deployment|job/.test(name));
    expect(Object.fromEntries(found)).toEqual(expected);
  });
});

describe("endpoints", () => {
  const endpoints = (address: object) =>
    decodeEndpoints({
      metadata: meta("web"),
      subsets: [{ ports: [{ name: "m", port: 80, protocol: "TCP" }], addresses: [{ ip: "10.0.0.1", ...address }] }],
    });
  const nodes = known(
    ...["a", "b"].map((name) => decodeObject({ metadata: { name, labels: { zone: `zone-${name}` } } })),
  );
  const nodeTarget = { kind: "Node", name: "b" };

  test.each([
    ["the address' node", { nodeName: "a" }, "zone-a"],
    ["the address' node before a node that is the target", { nodeName: "a", targetRef: nodeTarget }, "zone-a"],
    ["the node that is the target", { targetRef: nodeTarget }, "zone-b"],
    ["no node", {}, undefined],
    ["a node that is not known", { nodeName: "c" }, undefined],
  ])("labels of %s", (_, address, zone) => {
    const [labels] = labelsOf(endpointsGroup(endpoints(address), { ...NOTHING, nodes }));
    expect(labels["node_label_zone"]).toBe(zone);
  });

  test("a pod that is not known, or a target that is no pod, gives its name only", () => {
    for (const kind of ["Pod", "Node"]) {
      const targetRef = { kind, namespace: "ns", name: "p" };
      const [labels] = labelsOf(endpointsGroup(endpoints({ targetRef }), { ...NOTHING, pods: new Map() }));
      expect(labels).toMatchObject({ endpoint_address_target_kind: kind, endpoint_address_target_name: "p" });
      expect(labels).not.toHaveProperty("pod_name");
    }
  });

  test("ports of a pod count once over all subsets, whatever their container", () => {
    const backing = pod({
      spec: {
        containers: [
          { name: "a", image: "ia", ports: [{ name: "x", containerPort: 80, protocol: "TCP" }] },
          { name: "b", image: "ib", ports: [{ containerPort: 81 }, { containerPort: 82 }] },
        ],
      },
    });
    const targetRef = { kind: "Pod", namespace: "ns", name: "p" };
    const group = endpointsGroup(
      decodeEndpoints({
        metadata: meta("web"),
        subsets: [
          { ports: [{ port: 80, protocol: "SCTP" }], addresses: [{ ip: "10.0.0.1", targetRef }] },
          { ports: [{ port: 81 }], notReadyAddresses: [{ ip: "10.0.0.1", targetRef }] },
        ],
      }),
      { ...NOTHING, pods: known(backing) },
    );
    expect(
      labelsOf(group).map((l) => [
        l["__address__"],
        l["endpoint_ready"],
        l["pod_container_name"],
        l["pod_container_port_protocol"],
      ]),
    ).toEqual([
      ["10.0.0.1:80", "true", "a", "SCTP"],
      ["10.0.0.1:81", "false", "b", ""],
      ["10.0.0.1:82", undefined, "b", ""],
    ]);
  });
});

describe("endpointslice", () => {
  const slice = (more: object = {}) =>
    decodeEndpointSlice({
      metadata: meta("web-1", { labels: { "kubernetes.io/service-name": "web" } }),
      addressType: "IPv4",
      ports: [{ name: "m", port: 80, protocol: "TCP" }],
      endpoints: [{ addresses: ["10.0.0.1"] }],
      ...more,
    });
  const service = (spec: object) => known(decodeService({ metadata: meta("web"), spec }));

  test("what is not said is no label, and an address without a port stands alone", () => {
    expect(labelsOf(endpointSliceGroup(slice({ ports: [{}] }), NOTHING))).toEqual([
      {
        __address__: "10.0.0.1",
        namespace: "ns",
        endpointslice_name: "web-1",
        endpointslice_address_type: "IPv4",
        endpointslice_label_kubernetes_io_service_name: "web",
        endpointslice_labelpresent_kubernetes_io_service_name: "true",
      },
    ]);
  });

  test("each address of each endpoint with each port", () => {
    const group = endpointSliceGroup(
      slice({
        ports: [{ port: 80 }, { port: 81 }],
        endpoints: [{ addresses: ["10.0.0.1", "10.0.0.2"] }, { addresses: ["10.0.0.3"] }],
      }),
      NOTHING,
    );
    expect(addresses(group)).toEqual([
      "10.0.0.1:80",
      "10.0.0.2:80",
      "10.0.0.1:81",
      "10.0.0.2:81",
      "10.0.0.3:80",
      "10.0.0.3:81",
    ]);
  });

  test("labels of a node that is the target come before those of the endpoint's node", () => {
    const nodes = known(
      ...["a", "b"].map((name) => decodeObject({ metadata: { name, labels: { zone: `zone-${name}` } } })),
    );
    const at = (endpoint: object): string | undefined =>
      labelsOf(endpointSliceGroup(slice({ endpoints: [{ addresses: ["x"], ...endpoint }] }), { ...NOTHING, nodes }))[0][
        "node_label_zone"
      ];
    expect(at({ nodeName: "a" })).toBe("zone-a");
    expect(at({ nodeName: "a", targetRef: { kind: "Node", name: "b" } })).toBe("zone-b");
    expect(at({ nodeName: "a", targetRef: { kind: "Pod", namespace: "ns", name: "b" } })).toBe("zone-a");
  });

  test.each<[string, object, string, boolean]>([
    ["RequireDualStack", { ipFamilyPolicy: "RequireDualStack", ipFamilies: ["IPv4", "IPv6"] }, "IPv4", true],
    ["RequireDualStack", { ipFamilyPolicy: "RequireDualStack", ipFamilies: ["IPv4", "IPv6"] }, "IPv6", false],
    ["PreferDualStack", { ipFamilyPolicy: "PreferDualStack", ipFamilies: ["IPv6", "IPv4"] }, "IPv4", false],
    ["PreferDualStack", { ipFamilyPolicy: "PreferDualStack", ipFamilies: ["IPv6", "IPv4"] }, "IPv6", true],
    ["PreferDualStack without families", { ipFamilyPolicy: "PreferDualStack" }, "IPv6", true],
    ["SingleStack", { ipFamilyPolicy: "SingleStack", ipFamilies: ["IPv4"] }, "IPv6", true],
    ["no policy", { ipFamilies: ["IPv4"] }, "IPv6", true],
    ["RequireDualStack", { ipFamilyPolicy: "RequireDualStack", ipFamilies: ["IPv4", "IPv6"] }, "FQDN", true],
  ])("of a service with %s: %j, addresses of type %s", (_, spec, addressType, taken) => {
    const group = endpointSliceGroup(slice({ addressType }), { ...NOTHING, services: service(spec) });
    expect(group.source).toBe("endpointslice/ns/web-1");
    expect(group.targets.length).toBe(taken ? 1 : 0);
  });

  test("the container of a port is named with its own protocol", () => {
    const backing = pod({
      spec: {
        containers: [{ name: "a", image: "ia", ports: [{ name: "x", containerPort: 80, protocol: "UDP" }] }],
        initContainers: [{ name: "i", image: "ii", ports: [{ containerPort: 90, protocol: "TCP" }] }],
      },
    });
    const endpoints = [{ addresses: ["10.0.0.1"], targetRef: { kind: "Pod", namespace: "ns", name: "p" } }];
    const [first, other] = labelsOf(endpointSliceGroup(slice({ endpoints }), { ...NOTHING, pods: known(backing) }));
    expect(first).toMatchObject({
      endpointslice_port_protocol: "TCP",
      pod_container_name: "a",
      pod_container_port_protocol: "UDP",
      pod_container_init: "false",
    });
    expect(other).toMatchObject({
      __address__: "10.0.0.1:90",
      endpointslice_address_type: "IPv4",
      pod_container_name: "i",
      pod_container_init: "true",
    });
    expect(other).not.toHaveProperty("endpointslice_port");
  });
});

describe("ingress", () => {
  test.each([
    [["a.example.com"], "a.example.com", "https"],
    [["*.example.com"], "a.example.com", "https"],
    [["*.example.com"], "example.com", "http"],
    [["*.example.com"], "a.b.example.com", "http"],
    [["*"], "example.com", "http"],
    [["b.example.com", "a.example.com"], "a.example.com", "https"],
    [["a.*.com"], "a.example.com", "http"],
    [[], "a.example.com", "http"],
  ])("TLS for %j, host %s: %s", (hosts, host, scheme) => {
    const ingress = decodeIngress({ metadata: meta("i"), spec: { tls: [{ hosts }], rules: [{ host }] } });
    expect(labelsOf(ingressGroup(ingress, NOTHING))).toEqual([
      {
        __address__: host,
        namespace: "ns",
        ingress_name: "i",
        ingress_scheme: scheme,
        ingress_host: host,
        ingress_path: "/",
      },
    ]);
  });
});
