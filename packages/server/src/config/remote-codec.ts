// How remote_write and remote_read are read, checked and printed.
import { checkHttpClient, httpClientKeys, newHttpClient, url } from "../lib/http-config-codec.ts";
import {
  bool,
  dictionary,
  duration,
  field,
  inline,
  int,
  maybe,
  rejectHoles,
  secret,
  string,
  type Struct,
  struct,
  uint64,
  unchecked,
} from "../lib/yaml-codecs.ts";
import { type Codec, ConfigError, FAILED } from "../lib/yaml-decode.ts";
import type {
  MetadataConfig,
  QueueConfig,
  RemoteReadConfig,
  RemoteWriteConfig,
  RemoteWriteMessage,
  SigV4Config,
} from "./prometheus-config.ts";
import { relabelRules } from "./scrape-codec.ts";

// Headers that the protocol, the client or a signature sets.
const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  "host",
  "content-encoding",
  "content-length",
  "content-type",
  "user-agent",
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "www-authenticate",
  "accept-encoding",
  "x-prometheus-remote-write-version",
  "x-prometheus-remote-read-version",
  "x-amz-date",
  "x-amz-security-token",
  "x-amz-content-sha256",
]);

/** checkHeaders refuses headers that are not for the user to set; `authorization` is what is said of that one. */
export function checkHeaders(headers: ReadonlyMap<string, string>, authorization: string): void {
  for (const name of headers.keys()) {
    if (name.toLowerCase() === "authorization") throw new ConfigError(authorization);
    if (RESERVED_HEADERS.has(name.toLowerCase())) {
      throw new ConfigError(`${name} is a reserved header. It must not be changed`);
    }
  }
}

const AUTHORIZATION_ELSEWHERE =
  "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or google_iam parameter";

/** sigv4Codec reads sigv4. */
export const sigv4Codec: Struct<SigV4Config> = struct<SigV4Config>({
  goType: "sigv4.plain",
  zero: noSigV4,
  defaults: noSigV4,
  fields: [
    field("region", "region", string, { doc: "AWS region." }),
    field("access_key", "accessKey", string, { doc: "Access key." }),
    field("secret_key", "secretKey", secret, { doc: "Secret key." }),
    field("profile", "profile", string, { doc: "Profile of the AWS credentials file." }),
    field("role_arn", "roleArn", string, { doc: "Role to assume." }),
    field("external_id", "externalId", string, { doc: "External ID for the role." }),
    field("use_fips_sts_endpoint", "useFipsStsEndpoint", bool, { doc: "Use the FIPS endpoint of STS." }),
    field("service_name", "serviceName", string, { doc: "Service to sign for. Default aps." }),
  ],
  check(config) {
    if ((config.accessKey === "") !== (config.secretKey === "")) {
      throw new ConfigError(
        "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config",
      );
    }
  },
});

function noSigV4(): SigV4Config {
  return {
    region: "",
    accessKey: "",
    secretKey: "",
    profile: "",
    roleArn: "",
    externalId: "",
    useFipsStsEndpoint: false,
    serviceName: "",
  };
}

type Section = Record<string, unknown>;

// A section whose values are kept by key, because nothing here uses them.
function plainSection(
  goType: string,
  keys: Readonly<Record<string, Codec<unknown>>>,
  check?: (section: Section) => void,
  defaults: Section = {},
): Struct<Section> {
  const zero = (): Section => Object.fromEntries(Object.entries(keys).map(([key, codec]) => [key, codec.zero()]));
  return struct<Section>({
    goType,
    zero,
    defaults: () => ({ ...zero(), ...defaults }),
    fields: Object.entries(keys).map(([key, codec]) => field<Section, string>(key, key, codec)),
    check,
  });
}

const text = string as unknown as Codec<unknown>;
const hidden = secret as unknown as Codec<unknown>;

function part(goType: string, keys: Readonly<Record<string, Codec<unknown>>>): Codec<unknown> {
  return maybe(plainSection(goType, keys)) as unknown as Codec<unknown>;
}

const azureAdCodec: Struct<Section> = plainSection(
  "azuread.plain",
  {
    managed_identity: part("azuread.ManagedIdentityConfig", { client_id: text }),
    workload_identity: part("azuread.WorkloadIdentityConfig", {
      client_id: text,
      tenant_id: text,
      token_file_path: text,
    }),
    oauth: part("azuread.OAuthConfig", { client_id: text, client_secret: hidden, tenant_id: text }),
    sdk: part("azuread.SDKConfig", { tenant_id: text }),
    certificate: part("azuread.CertificateConfig", {
      client_id: text,
      tenant_id: text,
      certificate_path: text,
      certificate_password: hidden,
    }),
    cloud: text,
    scope: text,
  },
  (section) => {
    const methods = ["managed_identity", "workload_identity", "oauth", "sdk", "certificate"];
    const chosen = methods.filter((key) => section[key] !== undefined);
    if (!["AzurePublic", "AzureGovernment", "AzureChina"].includes(section["cloud"] as string)) {
      throw new ConfigError("must provide a cloud in the Azure AD config");
    }
    if (chosen.length === 0) {
      throw new ConfigError(
        "must provide an Azure Managed Identity, Azure Workload Identity, Azure OAuth or Azure SDK in the Azure AD config",
      );
    }
    if (chosen.length > 1) {
      throw new ConfigError("cannot provide multiple authentication methods in the Azure AD config");
    }
  },
  { cloud: "AzurePublic" },
);

const googleIamCodec: Struct<Section> = plainSection("googleiam.Config", { credentials_file: text });

/** defaultQueueConfig is what an absent queue_config means. */
export function defaultQueueConfig(): QueueConfig {
  return {
    capacity: 10_000,
    maxShards: 50,
    minShards: 1,
    maxSamplesPerSend: 2000,
    batchSendDeadlineMs: 5000,
    minBackoffMs: 30,
    maxBackoffMs: 5000,
    retryOnRateLimit: false,
    sampleAgeLimitMs: 0,
  };
}

const queueCodec: Struct<QueueConfig> = struct<QueueConfig>({
  goType: "config.QueueConfig",
  zero: () => ({
    capacity: 0,
    maxShards: 0,
    minShards: 0,
    maxSamplesPerSend: 0,
    batchSendDeadlineMs: 0,
    minBackoffMs: 0,
    maxBackoffMs: 0,
    retryOnRateLimit: false,
    sampleAgeLimitMs: 0,
  }),
  fields: [
    field("capacity", "capacity", int, { doc: "Samples that wait per shard. Default 10000." }),
    field("max_shards", "maxShards", int, { doc: "Most requests at once. Default 50." }),
    field("min_shards", "minShards", int, { doc: "Fewest requests at once. Default 1." }),
    field("max_samples_per_send", "maxSamplesPerSend", int, { doc: "Most samples of a request. Default 2000." }),
    field("batch_send_deadline", "batchSendDeadlineMs", duration, { doc: "Longest wait of a sample. Default 5s." }),
    field("min_backoff", "minBackoffMs", duration, { doc: "First wait before a repetition. Default 30ms." }),
    field("max_backoff", "maxBackoffMs", duration, { doc: "Longest wait before a repetition. Default 5s." }),
    field("retry_on_http_429", "retryOnRateLimit", bool, { doc: "Repeat after 429 too. Default false." }),
    field("sample_age_limit", "sampleAgeLimitMs", duration, { doc: "Age at which a sample is given up." }),
  ],
});

function checkQueue(queue: QueueConfig): void {
  const positive: readonly (readonly [keyof QueueConfig, string])[] = [
    ["maxSamplesPerSend", "max_samples_per_send"],
    ["capacity", "capacity"],
    ["maxShards", "max_shards"],
    ["minShards", "min_shards"],
  ];
  for (const [property, key] of positive) {
    if ((queue[property] as number) <= 0) throw new ConfigError(`remote write queue ${key} must be positive`);
  }
  if (queue.minShards > queue.maxShards) {
    throw new ConfigError("remote write queue min_shards must not be greater than max_shards");
  }
  if (queue.maxBackoffMs < queue.minBackoffMs) {
    throw new ConfigError("remote write queue max_backoff must not be less than min_backoff");
  }
}

const metadataCodec: Struct<MetadataConfig> = struct<MetadataConfig>({
  goType: "config.MetadataConfig",
  zero: () => ({ send: false, sendIntervalMs: 0, maxSamplesPerSend: 0 }),
  fields: [
    field("send", "send", bool, { keep: true, doc: "Send types and help texts. Default true." }),
    field("send_interval", "sendIntervalMs", duration, { keep: true, doc: "How often. Default 1m." }),
    field("max_samples_per_send", "maxSamplesPerSend", int, { doc: "Most entries of a request. Default 2000." }),
  ],
});

const MESSAGES: readonly RemoteWriteMessage[] = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];

function zeroWrite(): RemoteWriteConfig {
  return {
    url: "",
    remoteTimeoutMs: 0,
    headers: new Map(),
    writeRelabelConfigs: [],
    name: "",
    sendExemplars: false,
    sendNativeHistograms: false,
    roundRobinDns: false,
    protobufMessage: "" as RemoteWriteMessage,
    http: httpClientKeys.zero(),
    queue: queueCodec.zero(),
    metadata: metadataCodec.zero(),
    sigv4: undefined,
    azureAd: undefined,
    googleIam: undefined,
  };
}

/** remoteWriteCodec reads one entry of remote_write. */
export const remoteWriteCodec: Struct<RemoteWriteConfig> = struct<RemoteWriteConfig>({
  goType: "config.plain",
  zero: zeroWrite,
  defaults: () => ({
    ...zeroWrite(),
    remoteTimeoutMs: 30_000,
    protobufMessage: "prometheus.WriteRequest",
    http: newHttpClient(false),
    queue: defaultQueueConfig(),
    metadata: { send: true, sendIntervalMs: 60_000, maxSamplesPerSend: 2000 },
  }),
  fields: [
    field("url", "url", url, { keep: true, doc: "Where samples are sent." }),
    field("remote_timeout", "remoteTimeoutMs", duration, { doc: "When a request is given up. Default 30s." }),
    field("headers", "headers", dictionary(string), { doc: "Headers added to every request." }),
    field("write_relabel_configs", "writeRelabelConfigs", relabelRules, { doc: "Rules for what is sent." }),
    field("name", "name", string, { doc: "Name of this endpoint in metrics and logs." }),
    field("send_exemplars", "sendExemplars", bool, { doc: "Send exemplars. Default false." }),
    field("send_native_histograms", "sendNativeHistograms", bool, { doc: "Send native histograms. Default false." }),
    field("round_robin_dns", "roundRobinDns", bool, { doc: "Spread requests over all addresses of the name." }),
    field("protobuf_message", "protobufMessage", unchecked<RemoteWriteMessage>("remote.WriteMessageType"), {
      doc: `${MESSAGES.join(" (default) or ")}.`,
    }),
    ...inline<RemoteWriteConfig, "http">("http", httpClientKeys),
    field("queue_config", "queue", queueCodec, { doc: "Bounds of the queue." }),
    field("metadata_config", "metadata", metadataCodec, { doc: "Sending of types and help texts." }),
    field("sigv4", "sigv4", maybe(sigv4Codec), { doc: "Sign requests for AWS." }),
    field("azuread", "azureAd", maybe(azureAdCodec) as Codec<RemoteWriteConfig["azureAd"]>, {
      doc: "Authenticate at Azure.",
    }),
    field("google_iam", "googleIam", maybe(googleIamCodec) as Codec<RemoteWriteConfig["googleIam"]>, {
      doc: "Authenticate at Google Cloud.",
    }),
  ],
  check(config) {
    if (config.url === "") throw new ConfigError("url for remote_write is empty");
    rejectHoles(config.writeRelabelConfigs, "empty or null relabeling rule in remote write config");
    checkHeaders(config.headers, AUTHORIZATION_ELSEWHERE);
    if (!MESSAGES.includes(config.protobufMessage)) {
      throw new ConfigError(
        `invalid protobuf_message value: unknown type for remote write protobuf message ${config.protobufMessage}, supported: ${MESSAGES.join(", ")}`,
      );
    }
    checkQueue(config.queue);
    checkHttpClient(config.http);
    checkAuthentication(config);
  },
});

function checkAuthentication(config: RemoteWriteConfig): void {
  const methods: readonly (readonly [string, unknown])[] = [
    ["basic_auth", config.http.basicAuth],
    ["authorization", config.http.authorization],
    ["oauth2", config.http.oauth2],
    ["sigv4", config.sigv4],
    ["azuread", config.azureAd],
    ["google_iam", config.googleIam],
  ];
  const configured = methods.filter(([, value]) => value !== undefined).map(([name]) => name);
  if (configured.length > 1) {
    throw new ConfigError(
      `at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured. Currently configured: [${configured.join(" ")}]`,
    );
  }
}

const chunkLimit: Codec<number> = {
  goType: "uint64",
  outline: "integer",
  zero: () => 0,
  isZero: (value) => value === 0,
  read(decoder, node) {
    const value = uint64.read(decoder, node, 0n);
    return value === FAILED ? FAILED : Number(value);
  },
  print: (value) => uint64.print(BigInt(value)),
};

function zeroRead(): RemoteReadConfig {
  return {
    url: "",
    remoteTimeoutMs: 0,
    chunkedReadLimit: 0,
    headers: new Map(),
    readRecent: false,
    name: "",
    http: httpClientKeys.zero(),
    requiredMatchers: new Map(),
    filterExternalLabels: false,
  };
}

/** remoteReadCodec reads one entry of remote_read. */
export const remoteReadCodec: Struct<RemoteReadConfig> = struct<RemoteReadConfig>({
  goType: "config.plain",
  zero: zeroRead,
  defaults: () => ({
    ...zeroRead(),
    remoteTimeoutMs: 60_000,
    chunkedReadLimit: 50_000_000,
    http: newHttpClient(),
    filterExternalLabels: true,
  }),
  fields: [
    field("url", "url", url, { keep: true, doc: "Where samples are asked for." }),
    field("remote_timeout", "remoteTimeoutMs", duration, { doc: "When a request is given up. Default 1m." }),
    field("chunked_read_limit", "chunkedReadLimit", chunkLimit, {
      doc: "Largest frame of an answer in bytes. Default 50000000.",
    }),
    field("headers", "headers", dictionary(string), { doc: "Headers added to every request." }),
    field("read_recent", "readRecent", bool, { doc: "Ask for what the own store holds too. Default false." }),
    field("name", "name", string, { doc: "Name of this endpoint in metrics and logs." }),
    ...inline<RemoteReadConfig, "http">("http", httpClientKeys),
    field("required_matchers", "requiredMatchers", dictionary(string, { goType: "model.LabelSet" }), {
      doc: "Label values that a selector must ask for.",
    }),
    field("filter_external_labels", "filterExternalLabels", bool, {
      doc: "Ask for series with the external labels only. Default true.",
    }),
  ],
  check(config) {
    if (config.url === "") throw new ConfigError("url for remote_read is empty");
    checkHeaders(config.headers, AUTHORIZATION_ELSEWHERE);
    checkHttpClient(config.http);
  },
});
