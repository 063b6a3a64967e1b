// Where the API server is and how it is spoken to: from the section itself, from a kubeconfig file, or from what
// Kubernetes gives every pod.
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { joinPath } from "../../../lib/http-config-codec.ts";
import { defaultHttpClientConfig, type HttpClientConfig } from "../../../lib/http-config.ts";
import { type Codec, ConfigError, FAILED, YamlDecoder } from "../../../lib/yaml-decode.ts";
import { parseYaml, type YamlNode } from "../../../lib/yaml-node.ts";
import type { KubernetesDiscoveryConfig } from "../config.ts";

/** Cluster is an API server with what it takes to talk to it. */
export interface Cluster {
  server: string;
  http: HttpClientConfig;
  /** namespaces to look at; one empty name stands for all. */
  namespaces: readonly string[];
}

/** ClusterEnvironment is where the pod's own data lies; tests have their own. */
export interface ClusterEnvironment {
  variables: Readonly<Record<string, string | undefined>>;
  serviceAccountFolder: string;
}

/** POD_ENVIRONMENT is what Kubernetes gives to a pod. */
export const POD_ENVIRONMENT: ClusterEnvironment = {
  variables: process.env,
  serviceAccountFolder: "/var/run/secrets/kubernetes.io/serviceaccount",
};

/** openCluster finds the API server of a section. Throws why it cannot. */
export function openCluster(config: KubernetesDiscoveryConfig, environment = POD_ENVIRONMENT): Cluster {
  let namespaces = config.namespaces;
  if (config.ownNamespace) namespaces = [...namespaces, ownNamespace(environment)];
  if (namespaces.length === 0) namespaces = [""];
  if (config.apiServer !== "") return { server: config.apiServer, http: config.http, namespaces };
  if (config.kubeconfigFile !== "") return { ...readKubeconfig(config.kubeconfigFile), namespaces };
  return { ...inCluster(environment), namespaces };
}

function ownNamespace(environment: ClusterEnvironment): string {
  let name: string;
  try {
    name = readFileSync(`${environment.serviceAccountFolder}/namespace`, "utf8");
  } catch (error) {
    throw new ConfigError(`could not determine the pod's namespace: ${(error as Error).message}`, undefined, {
      cause: error,
    });
  }
  if (name === "") throw new ConfigError("could not read own namespace name (empty file)");
  return name;
}

function inCluster({ variables, serviceAccountFolder }: ClusterEnvironment): Omit<Cluster, "namespaces"> {
  const host = variables["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = variables["KUBERNETES_SERVICE_PORT"] ?? "";
  if (host === "" || port === "") {
    throw new ConfigError(
      "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined",
    );
  }
  const http = defaultHttpClientConfig();
  http.tls.caFile = `${serviceAccountFolder}/ca.crt`;
  // The token is renewed by Kubernetes; the client reads the file again.
  http.authorization = bearer({ credentialsFile: `${serviceAccountFolder}/token` });
  return { server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`, http };
}

function bearer(keys: { credentials?: string; credentialsFile?: string }): HttpClientConfig["authorization"] {
  return { type: "Bearer", credentials: "", credentialsFile: "", credentialsRef: "", ...keys };
}

type Fields = Readonly<Record<string, unknown>>;

function readKubeconfig(path: string): Omit<Cluster, "namespaces"> {
  let root: Fields;
  try {
    root = plain(readFileSync(path, "utf8"));
  } catch (error) {
    throw new ConfigError(`could not read kubeconfig_file ${path}: ${(error as Error).message}`, undefined, {
      cause: error,
    });
  }
  const context = named(root["contexts"], String(root["current-context"] ?? ""), "context", "context", path);
  const cluster = named(root["clusters"], String(context["cluster"] ?? ""), "cluster", "cluster", path);
  const user = context["user"] === undefined ? {} : named(root["users"], String(context["user"]), "user", "user", path);
  const folder = dirname(path);
  const file = (value: unknown): string => joinPath(folder, text(value));
  const http = defaultHttpClientConfig();
  const { tls } = http;
  tls.ca = decoded(cluster["certificate-authority-data"]);
  if (tls.ca === "") tls.caFile = file(cluster["certificate-authority"]);
  tls.insecureSkipVerify = cluster["insecure-skip-tls-verify"] === true;
  tls.serverName = text(cluster["tls-server-name"]);
  http.proxy.url = text(cluster["proxy-url"]);
  tls.cert = decoded(user["client-certificate-data"]);
  if (tls.cert === "") tls.certFile = file(user["client-certificate"]);
  tls.key = decoded(user["client-key-data"]);
  if (tls.key === "") tls.keyFile = file(user["client-key"]);
  for (const key of ["exec", "auth-provider"]) {
    if (user[key] !== undefined)
      throw new ConfigError(`${path}: users[].user.${key} is not supported: give a token or a certificate`);
  }
  if (text(user["tokenFile"]) !== "") http.authorization = bearer({ credentialsFile: file(user["tokenFile"]) });
  else if (text(user["token"]) !== "") http.authorization = bearer({ credentials: text(user["token"]) });
  else if (text(user["username"]) !== "") {
    http.basicAuth = {
      username: text(user["username"]),
      usernameFile: "",
      usernameRef: "",
      password: text(user["password"]),
      passwordFile: "",
      passwordRef: "",
    };
  }
  const server = text(cluster["server"]);
  if (server === "") throw new ConfigError(`${path}: the cluster of the current context has no server`);
  return { server, http };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

function decoded(value: unknown): string {
  return Buffer.from(text(value), "base64").toString("utf8");
}

function named(entries: unknown, name: string, part: string, what: string, path: string): Fields {
  const entry = (Array.isArray(entries) ? (entries as Fields[]) : []).find((candidate) => candidate["name"] === name);
  if (entry === undefined) throw new ConfigError(`${path}: there is no ${what} named ${JSON.stringify(name)}`);
  return (entry[part] ?? {}) as Fields;
}

// A kubeconfig is read leniently: other programs put their own keys there.
function plain(content: string): Fields {
  const { root } = parseYaml(content);
  const value = root === undefined ? {} : plainValue(new YamlDecoder(), root);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function plainValue(decoder: YamlDecoder, node: YamlNode): unknown {
  const codec: Codec<unknown> = {
    goType: "interface {}",
    outline: "anything",
    zero: () => undefined,
    isZero: () => false,
    read(own, inner) {
      if (inner.kind === "sequence") return inner.items.map((item) => plainValue(own, item));
      if (inner.kind === "mapping") {
        const out: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
        for (const [key, child] of inner.entries) if (key.kind === "scalar") out[key.value] = plainValue(own, child);
        return out;
      }
      return inner.kind === "scalar" ? own.resolve(inner).value : undefined;
    },
    print: () => ({ kind: "mapping", entries: [] }),
  };
  const value = decoder.decode(codec, node, undefined);
  return value === FAILED ? undefined : value;
}
