// Service discovery that upstream has and Belfry does not run yet. A configuration that uses it is still read and
// checked as strictly as upstream does, so that `belfry check config` tells the same faults; then it is refused by
// name. To support one, give it its own codec and discoverer and take it out of here.
import {
  checkHttpClient,
  checkUrl,
  httpClientKeys,
  newHttpClient,
  tlsConfigCodec,
} from "../../lib/http-config-codec.ts";
import { type HttpClientConfig, noTls } from "../../lib/http-config.ts";
import {
  bool,
  dictionary,
  duration,
  enumeration,
  type Field,
  field,
  inline,
  int,
  list,
  pointers,
  secret,
  string,
  type Struct,
  struct,
} from "../../lib/yaml-codecs.ts";
import { type Codec, ConfigError, quoteText } from "../../lib/yaml-decode.ts";

type Section = Record<string, unknown>;

/** UnsupportedCodec reads one kind. */
export interface UnsupportedCodec {
  /** name is upstream's, as in `<name>_sd_configs`. */
  name: string;
  goType: string;
  codec: Struct<Section>;
}

interface Kind {
  name: string;
  /** package is the Go package, which its types are named after. */
  package?: string;
  type?: string;
  /** http says that the keys of an HTTP client are among the section's. */
  http?: boolean;
  keys: Readonly<Record<string, Codec<unknown>>>;
  defaults?: Readonly<Section>;
  /** check is given the values by key. */
  check?: (section: Section) => void;
}

function of<T>(codec: Codec<T>): Codec<unknown> {
  return codec as unknown as Codec<unknown>;
}

const text = of(string);
const hidden = of(secret);
const number = of(int);
const flag = of(bool);
const time = of(duration);
const texts = of(list(string));
const MINUTE = 60_000;

function fail(message: string): never {
  throw new ConfigError(message);
}

function require(section: Section, key: string, message: string): void {
  if (section[key] === "") fail(message);
}

function role(what: string, allowed: readonly string[]): Codec<unknown> {
  return of(
    enumeration("string", (value) => (allowed.includes(value) ? value : fail(`unknown ${what} ${quoteText(value)}`))),
  );
}

/** oneSecret checks that exactly one of a secret and its file is set. */
function oneSecret(section: Section): void {
  if (section["secret_key"] === "" && section["secret_key_file"] === "") {
    fail("one of secret_key & secret_key_file must be configured");
  }
  if (section["secret_key"] !== "" && section["secret_key_file"] !== "") {
    fail("at most one of secret_key & secret_key_file must be configured");
  }
}

interface Filter {
  name: string;
  values: readonly string[];
}

function filters(goType: string): Codec<readonly Filter[]> {
  const filter = struct<Filter>({
    goType,
    zero: () => ({ name: "", values: [] }),
    fields: [field("name", "name", string, { keep: true }), field("values", "values", list(string), { keep: true })],
  });
  return pointers(filter);
}

const AWS_KEYS = {
  region: text,
  endpoint: text,
  access_key: text,
  secret_key: hidden,
  profile: text,
  role_arn: text,
  external_id: text,
  refresh_interval: time,
};
const AWS_DEFAULTS = { refresh_interval: MINUTE };

function checkFilters(section: Section): void {
  for (const filter of section["filters"] as readonly (Filter | undefined)[]) {
    if ((filter?.values.length ?? 0) === 0) fail("EC2 SD configuration filter values cannot be empty");
  }
}

const zookeeper = (name: string): Kind => ({
  name,
  package: "zookeeper",
  type: name === "nerve" ? "NerveSDConfig" : "ServersetSDConfig",
  keys: { servers: texts, paths: texts, timeout: time },
  defaults: { timeout: 10_000 },
  check(section) {
    if ((section["servers"] as string[]).length === 0) {
      fail(`${name} SD config must contain at least one Zookeeper server`);
    }
    const paths = section["paths"] as string[];
    if (paths.length === 0) fail(`${name} SD config must contain at least one path`);
    for (const path of paths) {
      if (!path.startsWith("/")) fail(`${name} SD config paths must begin with '/': ${path}`);
    }
  },
});

const dictionaryOfText = of(dictionary(string));

const KINDS: readonly Kind[] = [
  {
    name: "aws",
    http: true,
    keys: {
      role: role("AWS SD role", ["ec2", "ecs", "elasticache", "lightsail", "mq", "msk", "rds"]),
      ...AWS_KEYS,
      port: number,
      filters: of(filters("aws.EC2Filter")),
      clusters: texts,
      request_concurrency: number,
    },
    defaults: AWS_DEFAULTS,
    check(section) {
      if (section["role"] === "") fail('unknown AWS SD role ""');
      if (section["role"] === "ec2") checkFilters(section);
    },
  },
  {
    name: "azure",
    http: true,
    keys: {
      environment: text,
      port: number,
      subscription_id: text,
      tenant_id: text,
      client_id: text,
      client_secret: hidden,
      refresh_interval: of(duration),
      authentication_method: text,
      resource_group: text,
    },
    defaults: {
      environment: "AzurePublicCloud",
      port: 80,
      refresh_interval: 5 * MINUTE,
      authentication_method: "OAuth",
    },
    check(section) {
      const method = section["authentication_method"] as string;
      const needed =
        method === "OAuth" ? ["subscription_id", "tenant_id", "client_id", "client_secret"] : ["subscription_id"];
      for (const key of needed) require(section, key, `azure SD configuration requires a ${key}`);
      if (!["OAuth", "ManagedIdentity", "SDK", "WorkloadIdentity"].includes(method)) {
        fail(
          `unknown authentication_type ${quoteText(method)}. Supported types are "OAuth", "ManagedIdentity", "SDK" or "WorkloadIdentity"`,
        );
      }
    },
  },
  {
    name: "consul",
    http: true,
    keys: {
      server: text,
      path_prefix: text,
      token: hidden,
      datacenter: text,
      namespace: text,
      partition: text,
      tag_separator: text,
      scheme: text,
      username: text,
      password: hidden,
      allow_stale: flag,
      refresh_interval: time,
      services: texts,
      tags: texts,
      node_meta: dictionaryOfText,
      filter: text,
      health_filter: text,
    },
    defaults: {
      server: "localhost:8500",
      tag_separator: ",",
      scheme: "http",
      allow_stale: true,
      refresh_interval: 30_000,
    },
    check(section) {
      if ((section["server"] as string).trim() === "") fail("consul SD configuration requires a server address");
      const http = section["http"] as HttpClientConfig;
      if (section["username"] !== "" || section["password"] !== "") {
        if (http.basicAuth !== undefined) {
          fail("at most one of consul SD configuration username and password and basic auth can be configured");
        }
      }
      if (section["token"] !== "" && (http.authorization !== undefined || http.oauth2 !== undefined)) {
        fail("at most one of consul SD token, authorization, or oauth2 can be configured");
      }
    },
  },
  {
    name: "digitalocean",
    http: true,
    keys: { role: role("role", ["droplets", "databases"]), refresh_interval: time, port: number },
    defaults: { refresh_interval: MINUTE, port: 80, role: "droplets" },
  },
  {
    name: "dockerswarm",
    package: "moby",
    type: "DockerSwarmSDConfig",
    http: true,
    keys: {
      host: text,
      role: text,
      port: number,
      filters: of(
        list(
          struct<Filter>({
            goType: "moby.Filter",
            zero: () => ({ name: "", values: [] }),
            fields: [
              field("name", "name", string, { keep: true }),
              field("values", "values", list(string), { keep: true }),
            ],
          }),
        ),
      ),
      refresh_interval: time,
    },
    defaults: { refresh_interval: MINUTE, port: 80 },
    check(section) {
      require(section, "host", "host missing");
      checkUrl(section["host"] as string);
      const wanted = section["role"] as string;
      if (wanted === "") fail("role missing (one of: tasks, services, nodes)");
      if (!["services", "nodes", "tasks"].includes(wanted)) {
        fail(`invalid role ${wanted}, expected tasks, services, or nodes`);
      }
    },
  },
  {
    name: "ec2",
    package: "aws",
    type: "EC2SDConfig",
    http: true,
    keys: { ...AWS_KEYS, port: number, filters: of(filters("aws.EC2Filter")) },
    defaults: { ...AWS_DEFAULTS, port: 80 },
    check: checkFilters,
  },
  ...["ecs", "elasticache", "msk", "rds"].map((name): Kind => ({
    name,
    package: "aws",
    type: `${name === "elasticache" ? "Elasticache" : name.toUpperCase()}SDConfig`,
    http: true,
    keys: {
      ...AWS_KEYS,
      clusters: texts,
      port: number,
      request_concurrency: number,
      ...(name === "rds" ? { filters: of(filters("aws.Filter")) } : {}),
    },
    defaults: { ...AWS_DEFAULTS, port: 80, request_concurrency: name === "ecs" ? 20 : 10 },
  })),
  {
    name: "mq",
    package: "aws",
    type: "MQSDConfig",
    http: true,
    keys: { ...AWS_KEYS, request_concurrency: number },
    defaults: { ...AWS_DEFAULTS, request_concurrency: 10 },
  },
  {
    name: "lightsail",
    package: "aws",
    type: "LightsailSDConfig",
    http: true,
    keys: { ...AWS_KEYS, port: number },
    defaults: { ...AWS_DEFAULTS, port: 80 },
  },
  {
    name: "eureka",
    http: true,
    keys: { server: text, refresh_interval: time },
    defaults: { refresh_interval: 30_000 },
    check(section) {
      const server = section["server"] as string;
      if (server === "") fail("eureka_sd: empty or null eureka server");
      const { scheme, host } = checkUrl(server);
      if (scheme === "" || host === "") fail("eureka_sd: invalid eureka server URL");
    },
  },
  {
    name: "gce",
    keys: { project: text, zone: text, filter: text, refresh_interval: time, port: number, tag_separator: text },
    defaults: { port: 80, tag_separator: ",", refresh_interval: MINUTE },
    check(section) {
      require(section, "project", "GCE SD configuration requires a project");
      require(section, "zone", "GCE SD configuration requires a zone");
    },
  },
  {
    name: "hetzner",
    http: true,
    keys: { refresh_interval: time, port: number, role: role("role", ["robot", "hcloud"]), label_selector: text },
    defaults: { port: 80, refresh_interval: MINUTE },
    check: (section) => require(section, "role", "role missing (one of: robot, hcloud)"),
  },
  {
    name: "ionos",
    http: true,
    keys: { datacenter_id: text, refresh_interval: time, port: number },
    defaults: { port: 80, refresh_interval: MINUTE },
    check: (section) => require(section, "datacenter_id", "datacenter id can't be empty"),
  },
  {
    name: "kuma",
    package: "xds",
    http: true,
    keys: { refresh_interval: time, fetch_timeout: time, server: text, client_id: text },
    defaults: { refresh_interval: 30_000, fetch_timeout: 2 * MINUTE },
    check(section) {
      const server = section["server"] as string;
      if (server === "") fail("kuma SD server must not be empty: ");
      const { scheme, host } = checkUrl(server);
      if (scheme === "" || host === "") fail(`kuma SD server must not be empty and have a scheme: ${server}`);
    },
  },
  {
    name: "linode",
    http: true,
    keys: { refresh_interval: time, port: number, tag_separator: text, region: text },
    defaults: { tag_separator: ",", port: 80, refresh_interval: MINUTE },
  },
  {
    name: "marathon",
    http: true,
    keys: { servers: texts, refresh_interval: time, auth_token: hidden, auth_token_file: text },
    defaults: { refresh_interval: 30_000 },
    check(section) {
      const token = section["auth_token"] !== "";
      const tokenFile = section["auth_token_file"] !== "";
      const http = section["http"] as HttpClientConfig & { bearerToken?: string; bearerTokenFile?: string };
      if ((section["servers"] as string[]).length === 0) fail("marathon_sd: must contain at least one Marathon server");
      if (token && tokenFile) fail("marathon_sd: at most one of auth_token & auth_token_file must be configured");
      if (!token && !tokenFile) return;
      if (http.basicAuth !== undefined) {
        fail("marathon_sd: at most one of basic_auth, auth_token & auth_token_file must be configured");
      }
      if ((http.bearerToken ?? "") !== "" || (http.bearerTokenFile ?? "") !== "") {
        fail(
          "marathon_sd: at most one of bearer_token, bearer_token_file, auth_token & auth_token_file must be configured",
        );
      }
      if (http.authorization !== undefined) {
        fail("marathon_sd: at most one of auth_token, auth_token_file & authorization must be configured");
      }
    },
  },
  zookeeper("nerve"),
  zookeeper("serverset"),
  {
    name: "nomad",
    http: true,
    keys: {
      allow_stale: flag,
      namespace: text,
      refresh_interval: time,
      region: text,
      server: text,
      tag_separator: text,
    },
    defaults: {
      allow_stale: true,
      namespace: "default",
      refresh_interval: MINUTE,
      region: "global",
      server: "http://localhost:4646",
      tag_separator: ",",
    },
    check(section) {
      if ((section["server"] as string).trim() === "") fail("nomad SD configuration requires a server address");
    },
  },
  {
    name: "oci",
    http: true,
    keys: {
      auth: text,
      region: text,
      tenancy: text,
      user: text,
      fingerprint: text,
      key_file: text,
      key_passphrase: hidden,
      key_passphrase_file: text,
      compartments: texts,
      port: number,
      refresh_interval: time,
    },
    defaults: { auth: "api_key", port: 80, refresh_interval: MINUTE },
    check(section) {
      require(section, "region", "oci_sd: region is required");
      const method = section["auth"] as string;
      const own = ["tenancy", "user", "fingerprint", "key_file"];
      if (method === "api_key") {
        for (const key of own) require(section, key, `oci_sd: api_key auth requires ${key}`);
        if (section["key_passphrase"] !== "" && section["key_passphrase_file"] !== "") {
          fail("oci_sd: at most one of key_passphrase and key_passphrase_file must be configured");
        }
      } else if (method === "instance_principal") {
        if ([...own, "key_passphrase", "key_passphrase_file"].some((key) => section[key] !== "")) {
          fail(
            "oci_sd: instance_principal auth must not have tenancy, user, fingerprint, key_file, key_passphrase, or key_passphrase_file set",
          );
        }
      } else {
        fail(`oci_sd: unknown auth method ${quoteText(method)}, expected "api_key" or "instance_principal"`);
      }
      (section["compartments"] as string[]).forEach((id, i) => {
        if (id === "") fail(`oci_sd: compartments[${i}] must not be empty`);
      });
      if ((section["refresh_interval"] as number) <= 0) fail("oci_sd: refresh_interval must be positive, got 0s");
    },
  },
  {
    name: "openstack",
    keys: {
      identity_endpoint: text,
      username: text,
      userid: text,
      password: hidden,
      project_name: text,
      project_id: text,
      domain_name: text,
      domain_id: text,
      application_credential_name: text,
      application_credential_id: text,
      application_credential_secret: hidden,
      role: role("OpenStack SD role", ["hypervisor", "instance", "loadbalancer"]),
      region: text,
      refresh_interval: time,
      port: number,
      all_tenants: flag,
      tls_config: of(tlsConfigCodec),
      availability: text,
    },
    defaults: { port: 80, refresh_interval: MINUTE, availability: "public", tls_config: noTls() },
    check(section) {
      const availability = section["availability"] as string;
      if (!["public", "internal", "admin"].includes(availability)) {
        fail(`unknown availability ${availability}, must be one of admin, internal or public`);
      }
      require(section, "role", "role missing (one of: instance, hypervisor, loadbalancer)");
      require(section, "region", "openstack SD configuration requires a region");
    },
  },
  {
    name: "outscale",
    http: true,
    keys: {
      endpoint: text,
      region: text,
      access_key: text,
      secret_key: hidden,
      secret_key_file: text,
      refresh_interval: time,
      port: number,
    },
    defaults: { port: 80, refresh_interval: MINUTE },
    check(section) {
      require(section, "region", "outscale SD configuration requires a region");
      require(section, "access_key", "outscale SD configuration requires access_key");
      oneSecret(section);
    },
  },
  {
    name: "ovhcloud",
    keys: {
      endpoint: text,
      application_key: text,
      application_secret: hidden,
      consumer_key: hidden,
      refresh_interval: time,
      service: text,
    },
    defaults: { endpoint: "ovh-eu", refresh_interval: MINUTE },
    check(section) {
      require(section, "endpoint", "endpoint can not be empty");
      require(section, "application_key", "application key can not be empty");
      require(section, "application_secret", "application secret can not be empty");
      require(section, "consumer_key", "consumer key can not be empty");
      const service = section["service"] as string;
      if (service !== "dedicated_server" && service !== "vps") fail(`unknown service: ${service}`);
    },
  },
  {
    name: "puppetdb",
    http: true,
    keys: { refresh_interval: time, url: text, query: text, include_parameters: flag, port: number },
    defaults: { port: 80, refresh_interval: MINUTE },
    check(section) {
      require(section, "url", "URL is missing");
      const { scheme, host } = checkUrl(section["url"] as string);
      if (scheme !== "http" && scheme !== "https") fail("URL scheme must be 'http' or 'https'");
      if (host === "") fail("host is missing in URL");
      require(section, "query", "query missing");
    },
  },
  {
    name: "scaleway",
    http: true,
    keys: {
      project_id: text,
      api_url: text,
      zone: text,
      access_key: text,
      secret_key: hidden,
      secret_key_file: text,
      name_filter: text,
      tags_filter: texts,
      refresh_interval: time,
      port: number,
      role: role("role", ["instance", "baremetal"]),
    },
    defaults: {
      api_url: "https://api.scaleway.com",
      zone: "fr-par-1",
      port: 80,
      refresh_interval: MINUTE,
    },
    check(section) {
      require(section, "role", "role missing (one of: instance, baremetal)");
      require(section, "project_id", "project_id is mandatory");
      oneSecret(section);
      require(section, "access_key", "access_key is mandatory");
    },
  },
  {
    name: "stackit",
    http: true,
    keys: {
      project: text,
      refresh_interval: time,
      port: number,
      region: text,
      endpoint: text,
      service_account_key: hidden,
      private_key: hidden,
      service_account_key_path: text,
      private_key_path: text,
      credentials_file_path: text,
    },
    defaults: { region: "eu01", port: 80, refresh_interval: MINUTE },
    check(section) {
      const endpoint = section["endpoint"] as string;
      if (endpoint === "" && section["region"] === "") {
        fail("stackit_sd: endpoint and region missing");
      }
      try {
        checkUrl(endpoint);
      } catch (error) {
        throw new ConfigError(`stackit_sd: invalid endpoint ${quoteText(endpoint)}: ${(error as Error).message}`);
      }
    },
  },
  {
    name: "triton",
    keys: {
      account: text,
      role: text,
      dns_suffix: text,
      endpoint: text,
      groups: texts,
      port: number,
      refresh_interval: time,
      tls_config: of(tlsConfigCodec),
      version: number,
    },
    defaults: { role: "container", port: 9163, refresh_interval: MINUTE, version: 1, tls_config: noTls() },
    check(section) {
      if (section["role"] !== "container" && section["role"] !== "cn") {
        fail("triton SD configuration requires role to be 'container' or 'cn'");
      }
      require(section, "account", "triton SD configuration requires an account");
      require(section, "dns_suffix", "triton SD configuration requires a dns_suffix");
      require(section, "endpoint", "triton SD configuration requires an endpoint");
      if ((section["refresh_interval"] as number) <= 0) {
        fail("triton SD configuration requires RefreshInterval to be a positive integer");
      }
    },
  },
  {
    name: "uyuni",
    http: true,
    keys: {
      server: text,
      username: text,
      password: hidden,
      entitlement: text,
      separator: text,
      refresh_interval: time,
    },
    defaults: { entitlement: "monitoring_entitled", separator: ",", refresh_interval: MINUTE },
    check(section) {
      const server = section["server"] as string;
      if (server === "") fail("Uyuni SD configuration requires server host");
      try {
        checkUrl(server);
      } catch (error) {
        throw new ConfigError(`Uyuni Server URL is not valid: ${(error as Error).message}`);
      }
      require(section, "username", "Uyuni SD configuration requires a username");
      require(section, "password", "Uyuni SD configuration requires a password");
    },
  },
  {
    name: "vultr",
    http: true,
    keys: { refresh_interval: time, port: number },
    defaults: { port: 80, refresh_interval: MINUTE },
  },
];

/** UNSUPPORTED_CODECS lists the kinds by name. */
export const UNSUPPORTED_CODECS: readonly UnsupportedCodec[] = KINDS.map((kind) => {
  const packageName = kind.package ?? kind.name;
  return {
    name: kind.name,
    goType: `${packageName}.${kind.type ?? "SDConfig"}`,
    codec: sectionCodec(kind, packageName),
  };
});

function sectionCodec(kind: Kind, packageName: string): Struct<Section> {
  const zero = (): Section => {
    const out: Section = Object.fromEntries(Object.entries(kind.keys).map(([key, codec]) => [key, codec.zero()]));
    if (kind.http === true) out["http"] = httpClientKeys.zero();
    return out;
  };
  const fields: Field<Section>[] = Object.entries(kind.keys).map(([key, codec]) =>
    field<Section, string>(key, key, codec),
  );
  if (kind.http === true) fields.push(...inline<Section, string>("http", httpClientKeys as unknown as Struct<unknown>));
  return struct<Section>({
    goType: `${packageName}.plain`,
    zero,
    defaults() {
      const out = { ...zero(), ...kind.defaults };
      if (kind.http === true) out["http"] = newHttpClient();
      return out;
    },
    fields,
    check(section) {
      kind.check?.(section);
      if (kind.http === true) checkHttpClient(section["http"] as HttpClientConfig);
    },
  });
}
