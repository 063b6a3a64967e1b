// Payloads of service discovery: files of target groups are read or refused as their names say, lists come over
// HTTP, and the containers of recorded Docker daemons become the targets that are known for them.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { HttpClient } from "../../packages/server/src/lib/http-client.ts";
import { defaultHttpClientConfig } from "../../packages/server/src/lib/http-config.ts";
import { silentLogger } from "../../packages/server/src/lib/log.ts";
import { MetricsRegistry } from "../../packages/server/src/lib/metrics-registry.ts";
import {
  createDiscoverer,
  type DiscoveryConfig,
  type TargetGroup,
} from "../../packages/server/src/ingest/discovery/index.ts";
import { parseTargetGroups } from "../../packages/server/src/ingest/discovery/target-groups.ts";
import { DockerApiDouble } from "../support/docker-api.ts";
import { CONFORMANCE_ROOT, hasConformance, listConformance, readConformance } from "./data.ts";
import type { ConformanceSuite, SuiteOptions, SuiteRow } from "./suite.ts";

const FOLDER = "prometheus/discovery";

/** suite is run by `npm run conformance discovery`. */
export const suite: ConformanceSuite = { name: "discovery", data: FOLDER, run: runDiscovery };

// The longest wait for the first answer of a discoverer.
const ANSWER_MS = 10_000;

/** runDiscovery runs all payloads that have an answer. */
export async function runDiscovery({ filter }: SuiteOptions = { filter: "" }): Promise<SuiteRow[]> {
  const rows = [fileRow(filter), await httpRow(filter), await dockerRow(filter)];
  return rows.filter((row) => row.passed + row.failed > 0);
}

class Row implements SuiteRow {
  readonly name: string;
  passed = 0;
  failed = 0;
  skipped = 0;
  failures: SuiteRow["failures"] = [];

  constructor(name: string) {
    this.name = name;
  }

  check(where: string, input: string, expected: unknown, got: unknown): void {
    const [want, have] = [JSON.stringify(expected), JSON.stringify(got)];
    if (want === have) {
      this.passed++;
      return;
    }
    this.failed++;
    this.failures.push({ where, input, message: `expected ${want}\ngot      ${have}` });
  }
}

// What the valid files say, written down shortly: targets, then labels. valid3.yml is valid.yml in other words.
const TWO_GROUPS = ["localhost:9090 example.org:443 foo=bar", "my.domain"];
const FILES: Readonly<Record<string, readonly string[]>> = {
  "valid.json": TWO_GROUPS,
  "valid.yml": TWO_GROUPS,
  "valid2.yml": ["my.domain", "localhost:9090 foo=bar fred=baz", "example.org:443 scheme=https"],
  "valid3.yml": TWO_GROUPS,
};

function fileRow(filter: string): SuiteRow {
  const row = new Row("file");
  for (const name of listConformance(`${FOLDER}/file`, "")) {
    if (!name.includes(filter) || ![".json", ".yml"].includes(extname(name))) continue;
    const path = `${FOLDER}/file/${name}`;
    let got: unknown;
    try {
      got = parseTargetGroups(Buffer.from(readConformance(path)), join(CONFORMANCE_ROOT, path)).map(shortly);
    } catch (error) {
      got = (error as Error).message;
    }
    if (name.startsWith("invalid_nil")) row.check(path, name, "nil target group item found", got);
    else if (name.startsWith("invalid")) row.check(path, name, "string", typeof got);
    else row.check(path, name, FILES[name] ?? got, got);
  }
  return row;
}

function shortly({ targets, labels }: TargetGroup): string {
  return [
    ...targets.map((target) => target.get("__address__")),
    ...[...labels].map(([name, value]) => `${name}=${value}`),
  ].join(" ");
}

async function httpRow(filter: string): Promise<SuiteRow> {
  const row = new Row("http");
  for (const name of listConformance(`${FOLDER}/http`, ".json")) {
    if (!name.includes(filter)) continue;
    const path = `${FOLDER}/http/${name}`;
    const server = createServer((_request, response) => {
      response.writeHead(200, { "content-type": "application/json; charset=utf-8" });
      response.end(readConformance(path));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const groups = await discover({ kind: "http", url, refreshIntervalMs: 30_000, http: defaultHttpClientConfig() });
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    const expected = (JSON.parse(readConformance(path)) as { targets: string[]; labels: Record<string, string> }[]).map(
      ({ targets, labels }, i) => [`${url}:${i}`, targets, { ...labels, __meta_url: url }],
    );
    const got = groups.map(({ source, targets, labels }) => [
      source,
      targets.map((target) => target.get("__address__")),
      Object.fromEntries(labels),
    ]);
    row.check(path, name, expected, got);
  }
  return row;
}

// What is known of the recorded daemons: address, container and network of each target, the first network only and
// all of them.
const FIRST_NETWORK = [
  "172.19.0.2:9100 /dockersd_node_1 dockersd_default",
  "172.19.0.3:80 /dockersd_noport_1 dockersd_default",
  "172.20.0.2:3306 /dockersd_mysql dockersd_private",
  "172.20.0.2:33060 /dockersd_mysql dockersd_private",
  "172.20.0.2:9104 /dockersd_mysql_exporter dockersd_private",
  "172.20.0.3:3306 /dockersd_multi_networks dockersd_private",
  "172.20.0.3:33060 /dockersd_multi_networks dockersd_private",
  "localhost /dockersd_host_networking_1 ",
];
const DAEMONS: Readonly<Record<string, { first: readonly string[]; all: readonly string[] }>> = {
  dockerprom: {
    first: FIRST_NETWORK,
    all: [
      ...FIRST_NETWORK,
      "172.21.0.2:3306 /dockersd_mysql dockersd_private1",
      "172.21.0.2:33060 /dockersd_mysql dockersd_private1",
      "172.21.0.2:9104 /dockersd_mysql_exporter dockersd_private1",
      "172.21.0.3:3306 /dockersd_multi_networks dockersd_private1",
      "172.21.0.3:33060 /dockersd_multi_networks dockersd_private1",
    ].toSorted(),
  },
  dockeripv6: { first: ["[fc00::2]:80 /web-server mynetwork"], all: ["[fc00::2]:80 /web-server mynetwork"] },
  nomad_consul_connect: { first: [], all: [] },
};

// One target in full: every label, so that none is missing or too many.
const NODE_EXPORTER = {
  __address__: "172.19.0.2:9100",
  __meta_docker_container_id: "c301b928faceb1a18fe379f6bc178727ef920bb30b0f9b8592b32b36255a0eca",
  __meta_docker_container_image: "prom/node-exporter:v1.1.2",
  __meta_docker_container_image_id: "sha256:c19ae228f0699185488b6a1c0debb9c6b79672181356ad455c9a7924a41a01bb",
  __meta_docker_container_label_com_docker_compose_project: "dockersd",
  __meta_docker_container_label_com_docker_compose_service: "node",
  __meta_docker_container_label_com_docker_compose_version: "1.25.0",
  __meta_docker_container_label_maintainer: "The Prometheus Authors <prometheus-developers@googlegroups.com>",
  __meta_docker_container_label_prometheus_job: "node",
  __meta_docker_container_name: "/dockersd_node_1",
  __meta_docker_container_network_mode: "dockersd_default",
  __meta_docker_network_id: "7189986ab399e144e52a71b7451b4e04e2158c044b4cd2f3ae26fc3a285d3798",
  __meta_docker_network_ingress: "false",
  __meta_docker_network_internal: "false",
  __meta_docker_network_ip: "172.19.0.2",
  __meta_docker_network_label_com_docker_compose_network: "default",
  __meta_docker_network_label_com_docker_compose_project: "dockersd",
  __meta_docker_network_label_com_docker_compose_version: "1.25.0",
  __meta_docker_network_name: "dockersd_default",
  __meta_docker_network_scope: "local",
  __meta_docker_port_private: "9100",
};

async function dockerRow(filter: string): Promise<SuiteRow> {
  const row = new Row("moby");
  for (const name of listConformance(`${FOLDER}/moby`, "")) {
    const path = `${FOLDER}/moby/${name}`;
    // The other recordings are of Docker Swarm, which is another kind of discovery.
    if (!name.includes(filter) || !hasConformance(`${path}/containers/json.json`)) continue;
    const daemon = new DockerApiDouble();
    daemon.containers = JSON.parse(readConformance(`${path}/containers/json.json`));
    daemon.networks = JSON.parse(readConformance(`${path}/networks.json`));
    const host = await daemon.listen();
    for (const matchFirstNetwork of [true, false]) {
      const groups = await discover({
        kind: "docker",
        host,
        filters: [],
        hostNetworkingHost: "localhost",
        port: 80,
        refreshIntervalMs: 60_000,
        matchFirstNetwork,
        includeNoNetworkTargets: false,
        http: defaultHttpClientConfig(),
      });
      const targets = groups.flatMap((group) => group.targets);
      const got = targets
        .map((target) =>
          ["__address__", "__meta_docker_container_name", "__meta_docker_network_name"]
            .map((label) => target.get(label) ?? "")
            .join(" "),
        )
        .toSorted();
      const known = DAEMONS[name];
      const input = matchFirstNetwork ? "first network" : "all networks";
      row.check(path, input, (matchFirstNetwork ? known?.first : known?.all) ?? got, got);
      const full = targets.find((target) => target.get("__address__") === NODE_EXPORTER.__address__);
      if (full !== undefined) row.check(path, input, sorted(NODE_EXPORTER), sorted(Object.fromEntries(full)));
    }
    await daemon.close();
  }
  return row;
}

function sorted(labels: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

// discover runs a discoverer until it has spoken once.
async function discover(config: DiscoveryConfig): Promise<TargetGroup[]> {
  const discoverer = createDiscoverer(config, {
    clock: systemClock,
    log: silentLogger,
    registry: new MetricsRegistry(),
    httpClient: (http) => new HttpClient(http),
  });
  const spoke = new AbortController();
  const found: TargetGroup[] = [];
  await discoverer.run(
    (groups) => {
      found.push(...groups);
      spoke.abort();
    },
    AbortSignal.any([spoke.signal, AbortSignal.timeout(ANSWER_MS)]),
  );
  return found;
}
