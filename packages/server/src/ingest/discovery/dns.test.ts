import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type NameAnswer, NameServer } from "../../../../../test/support/name-server.ts";
import { newEnvironment, type Running, section, start } from "./discovery-fixture.ts";
import { candidateNames, dnsDiscoverer, type DnsAnswer, parseResolvConf, systemNameServers } from "./dns.ts";

let running: Running | undefined;
afterEach(() => running?.stop());

function run(yaml: string, resolve: (name: string, type: string) => DnsAnswer, search: string[] = []) {
  const env = newEnvironment();
  const asked: string[] = [];
  const servers = {
    search,
    ndots: 1,
    resolve: async (name: string, type: string): Promise<DnsAnswer> => {
      asked.push(`${name} ${type}`);
      return resolve(name, type);
    },
  };
  const config = section<"dns">(`dns_sd_configs:\n- ${yaml}\n  refresh_interval: 30ms\n`);
  running = start(dnsDiscoverer(config, env, () => servers));
  return { env, asked, running };
}

test("SRV records bring their own port", async () => {
  const { running, asked } = run("names: [_x._tcp.example.com]", () => [
    { host: "db3.example.com.", port: 3306 },
    { host: "db4.example.com.", port: 3307 },
  ]);
  await running.until(() => running.groups.size === 1);
  expect(asked[0]).toBe("_x._tcp.example.com. SRV");
  expect(running.targets()).toEqual([
    {
      __address__: "db3.example.com:3306",
      __meta_dns_name: "_x._tcp.example.com",
      __meta_dns_srv_record_target: "db3.example.com.",
      __meta_dns_srv_record_port: "3306",
    },
    {
      __address__: "db4.example.com:3307",
      __meta_dns_name: "_x._tcp.example.com",
      __meta_dns_srv_record_target: "db4.example.com.",
      __meta_dns_srv_record_port: "3307",
    },
  ]);
});

test.each([
  ["A", "192.0.2.2", "192.0.2.2:80", {}],
  ["AAAA", "::1", "[::1]:80", {}],
  ["MX", "smtp1.example.com.", "smtp1.example.com:80", { __meta_dns_mx_record_target: "smtp1.example.com." }],
  ["NS", "ns1.example.com.", "ns1.example.com:80", { __meta_dns_ns_record_target: "ns1.example.com." }],
])("%s records take the configured port", async (type, host, address, labels) => {
  const { running } = run(`names: [web.example.com]\n  type: ${type}\n  port: 80`, () => [{ host, port: 0 }]);
  await running.until(() => running.groups.size === 1);
  expect(running.targets()).toEqual([{ __address__: address, __meta_dns_name: "web.example.com", ...labels }]);
});

describe("search domains", () => {
  test.each([
    ["web", ["web.a.", "web.b.", "web."]],
    ["web.x", ["web.x.", "web.x.a.", "web.x.b."]],
    ["web.", ["web."]],
    ["a.b.c", ["a.b.c.", "a.b.c.a.", "a.b.c.b."]],
  ])("%s", (name, expected) => {
    expect(candidateNames(name, ["a", "b."], 1)).toEqual(expected);
  });

  test("many dots may be asked for, and the root among the domains is the name itself", () => {
    expect(candidateNames("web.x", ["."], 5)).toEqual(["web.x."]);
    expect(candidateNames("a.b.c", ["d"], 3)).toEqual(["a.b.c.d.", "a.b.c."]);
  });

  test("the first name that exists answers, even without records", async () => {
    const { running, asked } = run(
      "names: [web]\n  type: A\n  port: 80",
      (name) => (name === "web.b." ? [{ host: "192.0.2.1", port: 0 }] : undefined),
      ["a", "b", "c"],
    );
    await running.until(() => running.groups.size === 1);
    expect(asked.slice(0, 2)).toEqual(["web.a. A", "web.b. A"]);
  });

  test("are read from resolv.conf", () => {
    expect(parseResolvConf("# c\nnameserver 1.1.1.1\nsearch a.b  c\noptions ndots:5 timeout:1\n")).toEqual({
      search: ["a.b", "c"],
      ndots: 5,
    });
    expect(parseResolvConf("domain x.y ; c\n")).toEqual({ search: ["x.y"], ndots: 1 });
  });
});

test("names that do not exist have no targets; names nobody answers for keep theirs", async () => {
  let mode: "ok" | "gone" | "fails" = "ok";
  const { running, env } = run("names: [a.x, b.x]\n  type: A\n  port: 1", (name) => {
    if (mode === "ok" || name === "b.x.") return [{ host: "192.0.2.1", port: 0 }];
    if (mode === "fails") throw new Error("SERVFAIL");
    return undefined;
  });
  await running.until(() => running.groups.size === 2);
  mode = "fails";
  await running.until(() => env.errors.length > 2);
  expect(running.groups.size).toBe(2);
  expect(env.errors[0]).toBe(
    'Error refreshing DNS targets: could not resolve "a.x": all servers responded with errors to at least one search domain',
  );
  expect(env.metric("belfry_sd_dns_lookup_failures_total")).toBeGreaterThan(2);
  mode = "gone";
  await running.until(() => running.groups.size === 1);
});

describe("over the network", () => {
  let server: NameServer;
  let address: string;
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "belfry-dns-"));
    writeFileSync(join(folder, "resolv.conf"), "search one.example two.example\n");
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeEach(async () => {
    server = new NameServer();
    address = await server.listen();
  });
  afterEach(() => server.close());

  function ask(yaml: string, answer: (name: string, type: string) => NameAnswer) {
    server.answer = answer;
    const env = newEnvironment();
    const config = section<"dns">(`dns_sd_configs:\n- ${yaml}\n  refresh_interval: 1h\n`);
    running = start(
      dnsDiscoverer(config, env, (signal) => systemNameServers(signal, join(folder, "resolv.conf"), [address])),
    );
    return { env, running };
  }

  test.each<[string, NameAnswer, Record<string, string>[]]>([
    [
      "A",
      [
        { type: "A", data: "192.0.2.1" },
        { type: "A", data: "192.0.2.2" },
      ],
      [{ __address__: "192.0.2.1:9100" }, { __address__: "192.0.2.2:9100" }],
    ],
    [
      "A",
      [
        { type: "CNAME", data: "real.example." },
        { type: "A", data: "192.0.2.1", name: "real.example." },
      ],
      [{ __address__: "192.0.2.1:9100" }],
    ],
    ["AAAA", [{ type: "AAAA", data: "2001:db8::1" }], [{ __address__: "[2001:db8::1]:9100" }]],
    [
      "MX",
      [{ type: "MX", data: "10 mx.example." }],
      [{ __address__: "mx.example:9100", __meta_dns_mx_record_target: "mx.example." }],
    ],
    [
      "NS",
      [{ type: "NS", data: "ns.example." }],
      [{ __address__: "ns.example:9100", __meta_dns_ns_record_target: "ns.example." }],
    ],
    [
      "SRV",
      [{ type: "SRV", data: "0 5 8080 host.example." }],
      [
        {
          __address__: "host.example:8080",
          __meta_dns_srv_record_target: "host.example.",
          __meta_dns_srv_record_port: "8080",
        },
      ],
    ],
  ])("%s records: %j", async (type, answer, expected) => {
    const { running, env } = ask(`names: [web.example]\n  type: ${type}\n  port: 9100`, () => answer);
    await running.until(() => running.updates === 1);
    expect(running.targets()).toEqual(expected.map((labels) => ({ ...labels, __meta_dns_name: "web.example" })));
    expect(server.questions).toEqual([`web.example. ${type}`]);
    expect(env.errors).toEqual([]);
  });

  test("a name without records of the type exists: no search domain is tried", async () => {
    const { running, env } = ask("names: [web.example]\n  type: A\n  port: 1", () => []);
    await running.until(() => running.updates === 1);
    expect(server.questions).toEqual(["web.example. A"]);
    expect(running.groups.size).toBe(0);
    expect(env.errors).toEqual([]);
  });

  test("a name that does not exist is tried in all search domains", async () => {
    const { running, env } = ask("names: [web]\n  type: A\n  port: 1", (name) =>
      name === "web." ? [{ type: "A", data: "192.0.2.1" }] : "NXDOMAIN",
    );
    await running.until(() => running.updates === 1);
    expect(server.questions).toEqual(["web.one.example. A", "web.two.example. A", "web. A"]);
    expect(running.addresses()).toEqual(["192.0.2.1:1"]);
    expect(env.metric("belfry_sd_dns_lookups_total")).toBe(1);
    expect(env.metric("belfry_sd_dns_lookup_failures_total")).toBe(0);
  });

  test.each(["SERVFAIL", "REFUSED"] as const)("%s is no answer, unless a later name gets one", async (code) => {
    const { running, env } = ask("names: [web, good]\n  type: A\n  port: 1", (name) =>
      name === "good.two.example." ? [{ type: "A", data: "192.0.2.1" }] : code,
    );
    await running.until(() => running.updates === 1);
    expect(running.addresses()).toEqual(["192.0.2.1:1"]);
    expect(env.errors).toEqual([
      'Error refreshing DNS targets: could not resolve "web": all servers responded with errors to at least one search domain',
    ]);
    expect(env.metric("belfry_sd_dns_lookup_failures_total")).toBe(1);
  });

  test("an end does not wait for a server that is silent", async () => {
    const { running, env } = ask("names: [web.example]\n  type: A\n  port: 1", () => "silence");
    await running.until(() => server.questions.length > 0);
    const before = Date.now();
    await running.stop();
    expect(Date.now() - before).toBeLessThan(1000);
    expect(env.errors).toEqual([]);
  });
});
