// What the tests of discovery share.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { HttpClient } from "../../lib/http-client.ts";
import { silentLogger } from "../../lib/log.ts";
import { MetricsRegistry } from "../../lib/metrics-registry.ts";
import { type Struct, struct } from "../../lib/yaml-codecs.ts";
import { decodeYaml } from "../../lib/yaml-decode.ts";
import { parseYaml } from "../../lib/yaml-node.ts";
import { collectDiscovery, discoveryFields } from "./codecs.ts";
import type { DiscoveryConfig } from "./config.ts";
import type { Discoverer, DiscoveryEnvironment } from "./discoverer.ts";
import type { TargetGroup } from "./target-group.ts";

interface Sections {
  discovery: readonly DiscoveryConfig[];
}

const sections: Struct<Sections> = struct<Sections>({
  goType: "sections",
  zero: () => ({ discovery: [] }),
  defaults: () => ({ discovery: [] }),
  fields: discoveryFields<Sections>(),
  check: collectDiscovery,
});

/** section reads one discovery section, as it stands in a job. */
export function section<K extends DiscoveryConfig["kind"]>(yaml: string): Extract<DiscoveryConfig, { kind: K }> {
  const { discovery } = decodeYaml(parseYaml(yaml), sections, sections.zero());
  return discovery[0] as Extract<DiscoveryConfig, { kind: K }>;
}

/** TestEnvironment is an environment whose log and metrics can be read. */
export interface TestEnvironment extends DiscoveryEnvironment {
  /** errors are the error lines that were logged, with the error's own text. */
  errors: string[];
  /** metric reads one line of the exposition: name with labels; undefined when there is none. */
  metric(name: string): number | undefined;
}

/** newEnvironment makes one, with the real clock unless another is given. */
export function newEnvironment(clock: Clock = systemClock): TestEnvironment {
  const registry = new MetricsRegistry();
  const errors: string[] = [];
  return {
    clock,
    registry,
    errors,
    httpClient: (config) => new HttpClient(config),
    log: {
      ...silentLogger,
      error: (message, fields) => void errors.push(`${message}: ${(fields?.["err"] as Error | undefined)?.message}`),
    },
    metric(name) {
      const text = new TextDecoder().decode(registry.render("text"));
      const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
      return line === undefined ? undefined : Number(line.slice(name.length + 1));
    },
  };
}

/** Running is a discoverer at work; `groups` are the latest of each source, without those that are gone. */
export interface Running {
  groups: Map<string, TargetGroup>;
  /** updates counts what was emitted. */
  updates: number;
  /** until resolves when the condition holds; checked at every update and every 10 ms. */
  until(condition: () => boolean): Promise<void>;
  /** targets are all labels of all targets, group labels included, sorted by source and address. */
  targets(): Record<string, string>[];
  /** addresses are those of all targets, sorted. */
  addresses(): string[];
  stop(): Promise<void>;
}

/** start runs a discoverer. */
export function start(discoverer: Discoverer): Running {
  const abort = new AbortController();
  const running: Running = {
    groups: new Map(),
    updates: 0,
    async until(condition) {
      const deadline = Date.now() + 10_000;
      while (!condition()) {
        if (Date.now() > deadline) throw new Error(`not within 10 s; targets: ${JSON.stringify(running.targets())}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    targets() {
      return [...running.groups.values()]
        .toSorted((a, b) => (a.source < b.source ? -1 : 1))
        .flatMap((group) => group.targets.map((target) => Object.fromEntries([...group.labels, ...target])));
    },
    addresses: () =>
      running
        .targets()
        .map((target) => target["__address__"] ?? "")
        .toSorted(),
    async stop() {
      abort.abort();
      await done;
    },
  };
  const done = discoverer.run((groups) => {
    running.updates++;
    for (const group of groups) {
      if (group.targets.length > 0) running.groups.set(group.source, group);
      else running.groups.delete(group.source);
    }
  }, abort.signal);
  return running;
}

/** plainGroups writes groups down as plain objects, sorted by source. */
export function plainGroups(
  groups: Iterable<TargetGroup>,
): { source: string; targets: Record<string, string>[]; labels: Record<string, string> }[] {
  return [...groups]
    .map((group) => ({
      source: group.source,
      targets: group.targets.map((target) => Object.fromEntries(target)),
      labels: Object.fromEntries(group.labels),
    }))
    .toSorted((a, b) => (a.source < b.source ? -1 : 1));
}

/** serve answers HTTP requests on a port of its own. */
export async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
