import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { section } from "../discovery-fixture.ts";
import { openCluster } from "./cluster.ts";

const configOf = (yaml: string) =>
  section<"kubernetes">(`kubernetes_sd_configs:\n- ${yaml.replaceAll("\n", "\n  ")}\n`);

describe("where the API server is", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "belfry-kube-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("in the cluster: address, token and certificate of the pod's service account", () => {
    writeFileSync(join(folder, "namespace"), "mine");
    const pod = {
      variables: { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" },
      serviceAccountFolder: folder,
    };
    const cluster = openCluster(configOf("role: pod\nnamespaces: {own_namespace: true, names: [other]}"), pod);
    expect(cluster).toMatchObject({
      server: "https://[fd00::1]:443",
      namespaces: ["other", "mine"],
      http: {
        tls: { caFile: join(folder, "ca.crt") },
        authorization: { type: "Bearer", credentialsFile: join(folder, "token") },
      },
    });
    expect(openCluster(configOf("role: pod"), pod).namespaces).toEqual([""]);
    expect(() => openCluster(configOf("role: pod"), { ...pod, variables: {} })).toThrow(
      "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined",
    );
    rmSync(join(folder, "namespace"));
    expect(() => openCluster(configOf("role: pod\nnamespaces: {own_namespace: true}"), pod)).toThrow(
      "could not determine the pod's namespace",
    );
  });

  test("a kubeconfig file, paths relative to it", () => {
    mkdirSync(join(folder, "k"));
    const path = join(folder, "k/config");
    writeFileSync(
      path,
      `apiVersion: v1
kind: Config
current-context: two
contexts:
- {name: one, context: {cluster: a, user: u}}
- {name: two, context: {cluster: b, user: v, namespace: x}}
clusters:
- {name: a, cluster: {server: "https://a"}}
- name: b
  cluster: {server: "https://b:6443", certificate-authority: ca.crt, tls-server-name: kube}
users:
- {name: u, user: {exec: {command: aws}}}
- name: v
  user: {client-certificate-data: ${Buffer.from("CERT").toString("base64")}, client-key: k.pem, token: 12345}
`,
    );
    const config = configOf(`role: pod\nkubeconfig_file: ${path}`);
    expect(openCluster(config)).toMatchObject({
      server: "https://b:6443",
      namespaces: [""],
      http: {
        tls: {
          caFile: join(folder, "k/ca.crt"),
          serverName: "kube",
          cert: "CERT",
          certFile: "",
          keyFile: join(folder, "k/k.pem"),
        },
        authorization: { type: "Bearer", credentials: "12345" },
      },
    });
    writeFileSync(path, "current-context: x\ncontexts: []\n");
    expect(() => openCluster(config)).toThrow(`${path}: there is no context named "x"`);
  });

  const kubeconfig = (cluster: string, user: string): string => {
    const path = join(folder, "config");
    writeFileSync(
      path,
      `{"current-context": c, contexts: [{name: c, context: {cluster: a, user: u}}],
        clusters: [{name: a, cluster: ${cluster}}], users: [{name: u, user: ${user}}]}`,
    );
    return path;
  };
  const open = (path: string) => openCluster(configOf(`role: pod\nkubeconfig_file: ${path}`));

  test.each<[string, string, string, object]>([
    ["no credentials", "{server: 'http://a'}", "{}", { authorization: undefined, basicAuth: undefined }],
    [
      "a file with a token, before a token",
      "{server: 'http://a'}",
      "{token: t, tokenFile: /run/token}",
      { authorization: { type: "Bearer", credentials: "", credentialsFile: "/run/token" } },
    ],
    [
      "a name and a password",
      "{server: 'http://a'}",
      "{username: me, password: secret}",
      { authorization: undefined, basicAuth: { username: "me", password: "secret" } },
    ],
    [
      "a certificate and a key as data",
      `{server: 'https://a', certificate-authority-data: ${Buffer.from("CA").toString("base64")}}`,
      `{client-certificate-data: ${Buffer.from("CERT").toString("base64")}, client-key-data: ${Buffer.from("KEY").toString("base64")}}`,
      { tls: { ca: "CA", caFile: "", cert: "CERT", certFile: "", key: "KEY", keyFile: "" } },
    ],
    [
      "no check of the certificate, through a proxy",
      "{server: 'https://a', insecure-skip-tls-verify: true, proxy-url: 'http://proxy:3128'}",
      "{token: t}",
      { tls: { insecureSkipVerify: true }, proxy: { url: "http://proxy:3128" } },
    ],
  ])("a kubeconfig with %s", (_, cluster, user, http) => {
    expect(open(kubeconfig(cluster, user)).http).toMatchObject(http);
  });

  test("a kubeconfig without a server, or none at all, is refused", () => {
    const path = kubeconfig("{}", "{}");
    expect(() => open(path)).toThrow(`${path}: the cluster of the current context has no server`);
    expect(() => open(join(folder, "missing"))).toThrow(
      `could not read kubeconfig_file ${join(folder, "missing")}: ENOENT`,
    );
    writeFileSync(path, "contexts: [");
    expect(() => open(path)).toThrow(`could not read kubeconfig_file ${path}: `);
  });

  test("a kubeconfig that runs a program is refused", () => {
    const path = join(folder, "config");
    writeFileSync(
      path,
      "current-context: c\ncontexts: [{name: c, context: {cluster: a, user: u}}]\nclusters: [{name: a, cluster: {server: 'https://a'}}]\nusers: [{name: u, user: {exec: {command: aws}}}]\n",
    );
    expect(() => openCluster(configOf(`role: pod\nkubeconfig_file: ${path}`))).toThrow(
      `${path}: users[].user.exec is not supported: give a token or a certificate`,
    );
  });
});
