import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { DockerApiDouble } from "../../../../../test/support/docker-api.ts";
import { defaultHttpClientConfig } from "../../lib/http-config.ts";
import { ManualClock } from "../../metrics/manual-clock.ts";
import type { DockerDiscoveryConfig } from "./config.ts";
import { newEnvironment, type Running, start } from "./discovery-fixture.ts";
import { dockerDiscoverer, dockerTargets } from "./docker.ts";

const config = (changed: Partial<DockerDiscoveryConfig> = {}): DockerDiscoveryConfig => ({
  kind: "docker",
  host: "http://127.0.0.1:1",
  filters: [],
  hostNetworkingHost: "localhost",
  port: 80,
  refreshIntervalMs: 60_000,
  matchFirstNetwork: true,
  includeNoNetworkTargets: false,
  http: defaultHttpClientConfig(),
  ...changed,
});

type Containers = Parameters<typeof dockerTargets>[1];
type Container = Containers[number];

const container = (changed: Partial<Container> = {}): Container => ({
  Id: "c1",
  Names: ["/web"],
  HostConfig: { NetworkMode: "net" },
  NetworkSettings: { Networks: { net: { NetworkID: "n1", IPAddress: "10.0.0.2" } } },
  ...changed,
});

const targets = (containers: Containers, changed: Partial<DockerDiscoveryConfig> = {}): Record<string, string>[] =>
  dockerTargets(config(changed), containers, [
    {
      Id: "n1",
      Name: "net",
      Scope: "local",
      Internal: true,
      Labels: { "com.example/team": "a" },
    },
    { Id: "n2", Name: "other", Scope: "swarm", Ingress: true },
  ]).map((target) => Object.fromEntries(target));

const addresses = (containers: Containers, changed: Partial<DockerDiscoveryConfig> = {}): (string | undefined)[] =>
  targets(containers, changed).map((target) => target["__address__"]);

describe("targets of containers", () => {
  test("carry all that is known of container, network and port", () => {
    const found = targets([
      container({
        Image: "web:1",
        ImageID: "sha256:1",
        Labels: { "com.docker.compose/project": "shop", plain: "" },
        Ports: [{ PrivatePort: 8080, PublicPort: 80, IP: "0.0.0.0", Type: "tcp" }],
      }),
    ]);
    expect(found).toEqual([
      {
        __address__: "10.0.0.2:8080",
        __meta_docker_container_id: "c1",
        __meta_docker_container_image: "web:1",
        __meta_docker_container_image_id: "sha256:1",
        __meta_docker_container_label_com_docker_compose_project: "shop",
        __meta_docker_container_label_plain: "",
        __meta_docker_container_name: "/web",
        __meta_docker_container_network_mode: "net",
        __meta_docker_network_id: "n1",
        __meta_docker_network_ingress: "false",
        __meta_docker_network_internal: "true",
        __meta_docker_network_ip: "10.0.0.2",
        __meta_docker_network_label_com_example_team: "a",
        __meta_docker_network_name: "net",
        __meta_docker_network_scope: "local",
        __meta_docker_port_private: "8080",
        __meta_docker_port_public: "80",
        __meta_docker_port_public_ip: "0.0.0.0",
      },
    ]);
  });

  test("a port that is not published has no public labels", () => {
    const [found] = targets([container({ Ports: [{ PrivatePort: 1, PublicPort: 0, IP: "1.1.1.1", Type: "tcp" }] })]);
    expect(Object.keys(found).filter((name) => name.includes("public"))).toEqual([]);
  });

  test.each<[string, Containers, Partial<DockerDiscoveryConfig>, string[]]>([
    ["without ports take the configured one", [container()], { port: 9100 }, ["10.0.0.2:9100"]],
    [
      "with ports of other protocols only, likewise",
      [container({ Ports: [{ PrivatePort: 53, Type: "udp" }] })],
      {},
      ["10.0.0.2:80"],
    ],
    [
      "leave out the other protocols beside TCP",
      [
        container({
          Ports: [
            { PrivatePort: 53, Type: "udp" },
            { PrivatePort: 54, Type: "tcp" },
            { PrivatePort: 55, Type: "tcp" },
          ],
        }),
      ],
      {},
      ["10.0.0.2:54", "10.0.0.2:55"],
    ],
    [
      "in host mode have the configured host and no port",
      [
        container({
          HostConfig: { NetworkMode: "host" },
          NetworkSettings: { Networks: { host: { NetworkID: "h", IPAddress: "" } } },
        }),
      ],
      { hostNetworkingHost: "node.example" },
      ["node.example"],
    ],
    ["without a name are left out", [container({ Names: [] }), container({ Names: null })], {}, []],
    ["without a network are left out", [container({ NetworkSettings: null })], {}, []],
    [
      "without an IPv4 address take the IPv6 one",
      [container({ NetworkSettings: { Networks: { net: { IPAddress: "", GlobalIPv6Address: "fc00::2" } } } })],
      {},
      ["[fc00::2]:80"],
    ],
    [
      "in several networks take the first by name that is there",
      [
        container({
          NetworkSettings: {
            Networks: { zoo: { IPAddress: "10.0.0.9" }, alpha: null, beta: { IPAddress: "10.0.0.8" } },
          },
        }),
      ],
      {},
      ["10.0.0.8:80"],
    ],
    [
      "in several networks take all, when told so",
      [
        container({
          NetworkSettings: { Networks: { zoo: { IPAddress: "10.0.0.9" }, beta: { IPAddress: "10.0.0.8" }, no: null } },
        }),
      ],
      { matchFirstNetwork: false },
      ["10.0.0.9:80", "10.0.0.8:80"],
    ],
    [
      "that share the network of another have its address and their own ports",
      [
        container({ Ports: [{ PrivatePort: 1, Type: "tcp" }] }),
        container({
          Id: "c2",
          Names: ["/side"],
          HostConfig: { NetworkMode: "container:c1" },
          NetworkSettings: { Networks: {} },
          Ports: [{ PrivatePort: 2, Type: "tcp" }],
        }),
        container({
          Id: "c3",
          Names: ["/side-of-side"],
          HostConfig: { NetworkMode: "container:c2" },
          NetworkSettings: {},
          Ports: [{ PrivatePort: 3, Type: "tcp" }],
        }),
      ],
      {},
      ["10.0.0.2:1", "10.0.0.2:2", "10.0.0.2:3"],
    ],
    [
      "that share with one that is not listed, or in a circle, are left out",
      [
        container({ HostConfig: { NetworkMode: "container:gone" }, NetworkSettings: {} }),
        container({ Id: "a", HostConfig: { NetworkMode: "container:b" }, NetworkSettings: {} }),
        container({ Id: "b", HostConfig: { NetworkMode: "container:a" }, NetworkSettings: {} }),
      ],
      {},
      [],
    ],
  ])("containers %s", (_, containers, changed, expected) => {
    expect(addresses(containers, changed)).toEqual(expected);
  });

  test("containers without a network have targets without an address, when told so", () => {
    expect(targets([container({ NetworkSettings: {} })], { includeNoNetworkTargets: true })).toEqual([
      {
        __meta_docker_container_id: "c1",
        __meta_docker_container_name: "/web",
        __meta_docker_container_network_mode: "net",
      },
    ]);
  });

  test("a network that is not listed adds nothing but the address", () => {
    const [found] = targets([
      container({ NetworkSettings: { Networks: { x: { NetworkID: "?", IPAddress: "1.2.3.4" } } } }),
    ]);
    expect(Object.keys(found).filter((name) => name.includes("network"))).toEqual([
      "__meta_docker_network_ip",
      "__meta_docker_container_network_mode",
    ]);
  });
});

describe("dockerDiscoverer", () => {
  const started: { running?: Running; daemon: DockerApiDouble; folder?: string }[] = [];
  afterEach(async () => {
    for (const { running, daemon, folder } of started.splice(0)) {
      await running?.stop();
      await daemon.close();
      if (folder !== undefined) rmSync(folder, { recursive: true });
    }
  });

  async function run(changed: Partial<DockerDiscoveryConfig> = {}, setUp: { socket?: boolean; tcp?: boolean } = {}) {
    const daemon = new DockerApiDouble();
    daemon.containers = [container()];
    daemon.networks = [{ Id: "n1", Name: "net", Scope: "local" }];
    const folder = setUp.socket ? mkdtempSync(join(tmpdir(), "belfry-docker-")) : undefined;
    let host = await daemon.listen(folder === undefined ? undefined : join(folder, "docker.sock"));
    if (setUp.tcp) host = host.replace("http:", "tcp:");
    const clock = new ManualClock(0);
    const env = newEnvironment(clock);
    const running = start(dockerDiscoverer(config({ host, ...changed }), env));
    started.push({ running, daemon, ...(folder === undefined ? {} : { folder }) });
    return { daemon, running, env, clock };
  }

  test.each([
    ["HTTP", {}],
    ["a Unix socket", { socket: true }],
    ["plain TCP", { tcp: true }],
  ])("asks over %s, in the version that the daemon speaks", async (_, setUp) => {
    const { daemon, running, env } = await run({}, setUp);
    await vi.waitFor(() => expect(running.addresses()).toEqual(["10.0.0.2:80"]));
    expect([...running.groups.keys()]).toEqual(["Docker"]);
    expect(daemon.requests).toEqual(["/_ping", "/v1.40/containers/json", "/v1.40/networks"]);
    expect(env.errors).toEqual([]);
  });

  test("asks a daemon that does not tell its version without one", async () => {
    const { daemon, running } = await run();
    await vi.waitFor(() => expect(running.updates).toBe(1));
    daemon.apiVersion = "";
    daemon.requests.length = 0;
    const other = start(dockerDiscoverer(config({ host: daemon.address }), newEnvironment()));
    await vi.waitFor(() => expect(other.addresses()).toEqual(["10.0.0.2:80"]));
    await other.stop();
    expect(daemon.requests).toContain("/containers/json");
  });

  test("hands on filters as the daemon reads them, and credentials", async () => {
    const http = defaultHttpClientConfig();
    http.authorization = { type: "Bearer", credentials: "s3cret", credentialsFile: "", credentialsRef: "" };
    const { daemon, running } = await run({
      filters: [
        { name: "label", values: ["a=b", "c"] },
        { name: "status", values: ["running"] },
      ],
      http,
    });
    await vi.waitFor(() => expect(running.updates).toBe(1));
    expect(daemon.requests[1]).toBe(
      '/v1.40/containers/json?filters={"label":{"a=b":true,"c":true},"status":{"running":true}}',
    );
    expect(daemon.authorizations).toEqual(["Bearer s3cret", "Bearer s3cret", "Bearer s3cret"]);
  });

  test("a failure keeps the targets, is counted and told; what comes later is taken on", async () => {
    const { daemon, running, env, clock } = await run();
    await vi.waitFor(() => expect(running.addresses()).toEqual(["10.0.0.2:80"]));
    daemon.failWith = 500;
    clock.advance(60_000);
    await vi.waitFor(() => expect(env.errors).toHaveLength(1));
    expect(env.errors[0]).toBe(
      'Unable to refresh target groups: error while listing containers: server returned HTTP status 500 Internal Server Error: {"message":"the daemon is not well"}',
    );
    expect(env.metric('belfry_sd_refresh_failures_total{mechanism="docker"}')).toBe(1);
    expect(running.addresses()).toEqual(["10.0.0.2:80"]);

    daemon.failWith = undefined;
    daemon.containers = { not: "a list" };
    clock.advance(60_000);
    await vi.waitFor(() => expect(env.errors).toHaveLength(2));
    expect(env.errors[1]).toContain("expected a list from /containers/json");

    // The daemon was exchanged for an older one meanwhile.
    daemon.apiVersion = "1.24";
    daemon.containers = [];
    clock.advance(60_000);
    await vi.waitFor(() => expect(running.addresses()).toEqual([]));
    expect(daemon.requests).toContain("/v1.24/containers/json");
  });

  test("a daemon that does not answer is given up after the interval", async () => {
    const { daemon, running, env } = await run({ refreshIntervalMs: 100 });
    await vi.waitFor(() => expect(running.updates).toBe(1));
    daemon.silent = true;
    const other = start(dockerDiscoverer(config({ host: daemon.address, refreshIntervalMs: 100 }), env));
    await vi.waitFor(() => expect(env.errors[0]).toContain("context deadline exceeded"));
    await other.stop();
  });

  test("a socket that is not there is an error like any other", async () => {
    const env = newEnvironment(new ManualClock(0));
    const running = start(dockerDiscoverer(config({ host: "unix:///nowhere/docker.sock" }), env));
    await vi.waitFor(() => expect(env.errors).toHaveLength(1));
    expect(env.errors[0]).toContain("no such file or directory");
    await running.stop();
  });

  test.each(["ssh://host", "npipe:////./pipe/docker", "127.0.0.1:2375"])("the host %s is refused", (host) => {
    expect(() => dockerDiscoverer(config({ host }), newEnvironment())).toThrow(
      `expected host to start with unix://, tcp://, http:// or https://, got "${host}"`,
    );
  });
});
