// How http_config is read, checked and printed. The order of the checks is upstream's: it decides which message a
// configuration with several faults gets.
import { isAbsolute, join } from "node:path";
import { parseUrl, redactUrl, UrlError } from "./http-config-url.ts";
import {
  type AuthorizationConfig,
  type BasicAuthConfig,
  defaultHttpClientConfig,
  type HeaderConfig,
  type HttpClientConfig,
  noProxy,
  noTls,
  type OAuth2Config,
  type ProxyConfig,
  type TlsConfig,
  type TlsVersion,
} from "./http-config.ts";
import {
  bool,
  dictionary,
  enumeration,
  field,
  inline,
  list,
  maybe,
  parsed,
  secret,
  string,
  type Struct,
  struct,
} from "./yaml-codecs.ts";
import { type Codec, ConfigError, FAILED, quoteText } from "./yaml-decode.ts";
import { yamlMapping, yamlPlain, yamlSequence, yamlString, type YamlValue } from "./yaml-encode.ts";

/** url is text that Go can parse as a URL; printed without its password. */
export const url: Codec<string> = parsed({
  outline: "URL",
  zero: () => "",
  parse(text) {
    checkUrl(text);
    return text;
  },
  format: redactUrl,
});

/** checkUrl throws ConfigError for what Go cannot parse, and returns the parts of what it can. */
export function checkUrl(text: string): ReturnType<typeof parseUrl> {
  try {
    return parseUrl(text);
  } catch (error) {
    throw error instanceof UrlError ? new ConfigError(error.message) : error;
  }
}

/** joinPath makes a path of a configuration file relative to that file's folder; "" stays "". */
export function joinPath(folder: string, path: string): string {
  return path === "" || isAbsolute(path) ? path : join(folder, path);
}

const TLS_VERSIONS: readonly TlsVersion[] = ["TLS10", "TLS11", "TLS12", "TLS13"];

const tlsVersion: Codec<TlsVersion | undefined> = maybe(
  enumeration<TlsVersion>("string", (text) => {
    const known = TLS_VERSIONS.find((version) => version === text);
    if (known === undefined) throw new ConfigError(`unknown TLS version: ${text}`);
    return known;
  }),
);

/** tlsConfigCodec reads tls_config. */
export const tlsConfigCodec: Struct<TlsConfig> = struct<TlsConfig>({
  goType: "config.plain",
  zero: noTls,
  fields: [
    field("ca", "ca", string, { doc: "Certificates of the authorities to trust, as PEM text." }),
    field("cert", "cert", string, { doc: "Certificate to present, as PEM text." }),
    field("key", "key", secret, { doc: "Key of that certificate, as PEM text." }),
    field("ca_file", "caFile", string, { doc: "File with the certificates of the authorities to trust." }),
    field("cert_file", "certFile", string, { doc: "File with the certificate to present." }),
    field("key_file", "keyFile", string, { doc: "File with the key of that certificate." }),
    field("ca_ref", "caRef", string),
    field("cert_ref", "certRef", string),
    field("key_ref", "keyRef", string),
    field("server_name", "serverName", string, { doc: "Name that the server's certificate must be for." }),
    field("insecure_skip_verify", "insecureSkipVerify", bool, {
      keep: true,
      doc: "Accept any certificate of the server.",
    }),
    field("min_version", "minVersion", tlsVersion, { doc: "Lowest TLS version: TLS10, TLS11, TLS12 or TLS13." }),
    field("max_version", "maxVersion", tlsVersion, { doc: "Highest TLS version." }),
  ],
  check: checkTls,
});

function checkTls(tls: TlsConfig): void {
  if (count(tls.ca, tls.caFile, tls.caRef) > 1) fail("at most one of ca, ca_file & ca_ref must be configured");
  if (count(tls.cert, tls.certFile, tls.certRef) > 1) {
    fail("at most one of cert, cert_file & cert_ref must be configured");
  }
  if (count(tls.key, tls.keyFile, tls.keyRef) > 1) fail("at most one of key and key_file must be configured");
  const cert = count(tls.cert, tls.certFile, tls.certRef) > 0;
  const key = count(tls.key, tls.keyFile, tls.keyRef) > 0;
  if (cert && !key) fail("exactly one of key or key_file must be configured when a client certificate is configured");
  if (key && !cert) fail("exactly one of cert or cert_file must be configured when a client key is configured");
}

/** checkTlsVersions refuses a range of versions without any version in it; upstream asks this when a client is made. */
export function checkTlsVersions(tls: TlsConfig): void {
  const { minVersion, maxVersion } = tls;
  if (minVersion === undefined || maxVersion === undefined) return;
  if (TLS_VERSIONS.indexOf(maxVersion) < TLS_VERSIONS.indexOf(minVersion)) {
    fail("tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified");
  }
}

function count(...values: readonly string[]): number {
  return values.filter((value) => value !== "").length;
}

function fail(message: string): never {
  throw new ConfigError(message);
}

const proxyHeader = dictionary(list(secret), { goType: "config.ProxyHeader" });

/** proxyFields are the keys about proxies; they stand among those of a client or of oauth2. */
const proxyConfigCodec: Struct<ProxyConfig> = struct<ProxyConfig>({
  goType: "config.ProxyConfig",
  zero: noProxy,
  fields: [
    field("proxy_url", "url", url, { doc: "Proxy to go through." }),
    field("no_proxy", "noProxy", string, {
      doc: "Hosts, domains and networks, separated by commas, that are reached without the proxy.",
    }),
    field("proxy_from_environment", "fromEnvironment", bool, {
      doc: "Take the proxy from HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
    }),
    field("proxy_connect_header", "connectHeaders", maybe(proxyHeader), {
      doc: "Headers sent to the proxy with CONNECT.",
    }),
  ],
});

function checkProxy(proxy: ProxyConfig): void {
  if ((proxy.connectHeaders?.size ?? 0) > 0 && !proxy.fromEnvironment && proxy.url === "") {
    fail("if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured");
  }
  if (proxy.fromEnvironment && proxy.url !== "") {
    fail("if proxy_from_environment is configured, proxy_url must not be configured");
  }
  if (proxy.fromEnvironment && proxy.noProxy !== "") {
    fail("if proxy_from_environment is configured, no_proxy must not be configured");
  }
  if (proxy.url === "" && proxy.noProxy !== "") fail("if no_proxy is configured, proxy_url must also be configured");
}

function noBasicAuth(): BasicAuthConfig {
  return { username: "", usernameFile: "", usernameRef: "", password: "", passwordFile: "", passwordRef: "" };
}

const basicAuthCodec: Struct<BasicAuthConfig> = struct<BasicAuthConfig>({
  goType: "config.plain",
  zero: noBasicAuth,
  fields: [
    field("username", "username", string, { keep: true, doc: "User name." }),
    field("username_file", "usernameFile", string, { doc: "File with the user name." }),
    field("username_ref", "usernameRef", string),
    field("password", "password", secret, { doc: "Password." }),
    field("password_file", "passwordFile", string, { doc: "File with the password." }),
    field("password_ref", "passwordRef", string),
  ],
});

function noAuthorization(): AuthorizationConfig {
  return { type: "", credentials: "", credentialsFile: "", credentialsRef: "" };
}

const authorizationCodec: Struct<AuthorizationConfig> = struct<AuthorizationConfig>({
  goType: "config.Authorization",
  zero: noAuthorization,
  fields: [
    field("type", "type", string, { doc: "Type of the credentials, by default Bearer." }),
    field("credentials", "credentials", secret, { doc: "Credentials." }),
    field("credentials_file", "credentialsFile", string, { doc: "File with the credentials." }),
    field("credentials_ref", "credentialsRef", string),
  ],
});

function noOAuth2(): OAuth2Config {
  return {
    clientId: "",
    clientSecret: "",
    clientSecretFile: "",
    clientSecretRef: "",
    clientCertificateKeyId: "",
    clientCertificateKey: "",
    clientCertificateKeyFile: "",
    clientCertificateKeyRef: "",
    grantType: "",
    signatureAlgorithm: "",
    iss: "",
    audience: "",
    claims: undefined,
    scopes: [],
    tokenUrl: "",
    endpointParams: new Map(),
    tls: noTls(),
    proxy: noProxy(),
  };
}

// Claims are any YAML, kept as plain values.
const anything: Codec<unknown> = {
  goType: "interface {}",
  outline: "anything",
  zero: () => undefined,
  isZero: (value) => value === undefined,
  read: (decoder, node) => {
    if (node.kind === "scalar") return decoder.resolve(node).value;
    if (node.kind === "sequence") {
      return node.items.map((item) => decoder.decode(anything, item, undefined)).filter((value) => value !== FAILED);
    }
    return dictionary(anything).read(decoder, node, new Map());
  },
  print: printAnything,
};

function printAnything(value: unknown): YamlValue {
  if (value instanceof Map) {
    return yamlMapping([...(value as Map<string, unknown>)].map(([key, child]) => [key, printAnything(child)]));
  }
  if (Array.isArray(value)) return yamlSequence(value.map(printAnything));
  if (typeof value === "string") return yamlString(value);
  return yamlPlain(value === undefined ? "null" : String(value));
}

const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";

const oauth2Codec: Struct<OAuth2Config> = struct<OAuth2Config>({
  goType: "config.plain",
  zero: noOAuth2,
  fields: [
    field("client_id", "clientId", string, { keep: true, doc: "Client ID." }),
    field("client_secret", "clientSecret", secret, { keep: true, doc: "Client secret." }),
    field("client_secret_file", "clientSecretFile", string, { keep: true, doc: "File with the client secret." }),
    field("client_secret_ref", "clientSecretRef", string),
    field("client_certificate_key_id", "clientCertificateKeyId", string, { doc: "ID of the key for the JWT." }),
    field("client_certificate_key", "clientCertificateKey", secret, { doc: "Private key that signs the JWT." }),
    field("client_certificate_key_file", "clientCertificateKeyFile", string, { doc: "File with that key." }),
    field("client_certificate_key_ref", "clientCertificateKeyRef", string),
    field("grant_type", "grantType", string, { doc: `client_credentials (default) or ${JWT_BEARER}.` }),
    field("signature_algorithm", "signatureAlgorithm", string, { doc: "RS256 (default), RS384 or RS512." }),
    field("iss", "iss", string, { doc: "Issuer of the JWT, by default the client ID." }),
    field("audience", "audience", string, { doc: "Audience of the JWT, by default the token URL." }),
    field("claims", "claims", maybe(dictionary(anything, { goType: "map[string]interface {}" })), {
      doc: "Further claims of the JWT.",
    }),
    field("scopes", "scopes", list(string), { doc: "Scopes to ask for." }),
    field("token_url", "tokenUrl", string, { keep: true, doc: "Where the token is fetched." }),
    field("endpoint_params", "endpointParams", dictionary(string), { doc: "Further parameters of the token request." }),
    field("tls_config", "tls", tlsConfigCodec, { doc: "TLS settings of the token request." }),
    ...inline<OAuth2Config, "proxy">("proxy", proxyConfigCodec),
  ],
  check: (oauth2) => checkProxy(oauth2.proxy),
});

const headerCodec: Struct<HeaderConfig> = struct<HeaderConfig>({
  goType: "config.Header",
  zero: () => ({ values: [], secrets: [], files: [] }),
  fields: [
    field("values", "values", list(string), { doc: "Values." }),
    field("secrets", "secrets", list(secret), { doc: "Values that are not shown." }),
    field("files", "files", list(string), { doc: "Files with values." }),
  ],
});

const headersCodec = maybe(dictionary(headerCodec, { goType: "config.Headers" }));

/** RESERVED_HEADERS may not be configured: the client sets them. */
const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  "Authorization",
  "Host",
  "Content-Encoding",
  "Content-Length",
  "Content-Type",
  "User-Agent",
  "Connection",
  "Keep-Alive",
  "Proxy-Authenticate",
  "Proxy-Authorization",
  "Www-Authenticate",
  "Accept-Encoding",
  "X-Prometheus-Remote-Write-Version",
  "X-Prometheus-Remote-Read-Version",
  "X-Prometheus-Scrape-Timeout-Seconds",
  "X-Amz-Date",
  "X-Amz-Security-Token",
  "X-Amz-Content-Sha256",
]);

function canonicalHeader(name: string): string {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return name;
  return name
    .toLowerCase()
    .replaceAll(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase());
}

/** HttpClientFields is a client as it is read: the older bearer keys are moved into `authorization` by the check. */
interface HttpClientFields extends HttpClientConfig {
  bearerToken: string;
  bearerTokenFile: string;
}

function noHttpClient(): HttpClientFields {
  return {
    ...defaultHttpClientConfig(),
    followRedirects: false,
    enableHttp2: false,
    bearerToken: "",
    bearerTokenFile: "",
  };
}

/** httpClientKeys are the keys of a client, for inlining; whoever inlines them calls `checkHttpClient`. */
export const httpClientKeys: Struct<HttpClientConfig> = struct<HttpClientFields>({
  goType: "config.HTTPClientConfig",
  zero: noHttpClient,
  fields: [
    field("basic_auth", "basicAuth", maybe(basicAuthCodec), { doc: "User name and password for every request." }),
    field("authorization", "authorization", maybe(authorizationCodec), { doc: "Credentials for every request." }),
    field("oauth2", "oauth2", maybe(oauth2Codec), { doc: "OAuth 2.0 client." }),
    field("bearer_token", "bearerToken", secret, { doc: "Older form of authorization.credentials." }),
    field("bearer_token_file", "bearerTokenFile", string, { doc: "Older form of authorization.credentials_file." }),
    field("tls_config", "tls", tlsConfigCodec, { doc: "TLS settings." }),
    field("follow_redirects", "followRedirects", bool, { keep: true, doc: "Follow HTTP redirects. Default true." }),
    field("enable_http2", "enableHttp2", bool, { keep: true, doc: "Allow HTTP/2. Default true." }),
    ...inline<HttpClientFields, "proxy">("proxy", proxyConfigCodec),
    field("http_headers", "headers", headersCodec, { doc: "Headers added to every request, by name." }),
  ],
}) as unknown as Struct<HttpClientConfig>;

/** newHttpClient is the default client with the fields that reading needs; `checkHttpClient` makes it final. */
export function newHttpClient(enableHttp2 = true): HttpClientConfig {
  return { ...noHttpClient(), followRedirects: true, enableHttp2 } as HttpClientConfig;
}

/** checkHttpClient checks what was read, and moves the older bearer keys to where everybody looks. */
export function checkHttpClient(client: HttpClientConfig): void {
  const read = client as HttpClientFields;
  const { basicAuth, oauth2 } = read;
  const bearer = read.bearerToken !== "" || read.bearerTokenFile !== "";
  if (read.bearerToken !== "" && read.bearerTokenFile !== "") {
    fail("at most one of bearer_token & bearer_token_file must be configured");
  }
  if ((basicAuth !== undefined || oauth2 !== undefined) && bearer) {
    fail("at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured");
  }
  if (basicAuth !== undefined) {
    if (count(basicAuth.username, basicAuth.usernameFile, basicAuth.usernameRef) > 1) {
      fail("at most one of basic_auth username, username_file & username_ref must be configured");
    }
    if (count(basicAuth.password, basicAuth.passwordFile, basicAuth.passwordRef) > 1) {
      fail("at most one of basic_auth password, password_file & password_ref must be configured");
    }
  }
  if (read.authorization !== undefined) checkAuthorization(read, bearer);
  else if (bearer) {
    read.authorization = {
      ...noAuthorization(),
      type: "Bearer",
      credentials: read.bearerToken,
      credentialsFile: read.bearerTokenFile,
    };
    read.bearerToken = "";
    read.bearerTokenFile = "";
  }
  if (oauth2 !== undefined) checkOAuth2(read, oauth2);
  checkProxy(read.proxy);
  for (const name of read.headers?.keys() ?? []) {
    const canonical = canonicalHeader(name);
    if (RESERVED_HEADERS.has(canonical)) fail(`setting header ${quoteText(canonical)} is not allowed`);
  }
}

function checkAuthorization(read: HttpClientFields, bearer: boolean): void {
  const authorization = read.authorization!;
  if (bearer) fail("authorization is not compatible with bearer_token & bearer_token_file");
  if (count(authorization.credentials, authorization.credentialsFile, authorization.credentialsRef) > 1) {
    fail("at most one of authorization credentials & credentials_file must be configured");
  }
  authorization.type = authorization.type.trim();
  if (authorization.type === "") authorization.type = "Bearer";
  if (authorization.type.toLowerCase() === "basic") {
    fail(`authorization type cannot be set to "basic", use "basic_auth" instead`);
  }
  if (read.basicAuth !== undefined || read.oauth2 !== undefined) {
    fail("at most one of basic_auth, oauth2 & authorization must be configured");
  }
}

function checkOAuth2(read: HttpClientFields, oauth2: OAuth2Config): void {
  if (read.basicAuth !== undefined) fail("at most one of basic_auth, oauth2 & authorization must be configured");
  if (oauth2.clientId === "") fail("oauth2 client_id must be configured");
  if (oauth2.tokenUrl === "") fail("oauth2 token_url must be configured");
  if (oauth2.grantType === JWT_BEARER) {
    if (count(oauth2.clientCertificateKey, oauth2.clientCertificateKeyFile, oauth2.clientCertificateKeyRef) > 1) {
      fail(
        "at most one of oauth2 client_certificate_key, client_certificate_key_file & client_certificate_key_ref must be " +
          `configured using grant-type=${JWT_BEARER}`,
      );
    }
    if (oauth2.signatureAlgorithm !== "" && !["RS256", "RS384", "RS512"].includes(oauth2.signatureAlgorithm)) {
      fail("valid signature algorithms are RS256, RS384 and RS512");
    }
  } else if (count(oauth2.clientSecret, oauth2.clientSecretFile, oauth2.clientSecretRef) > 1) {
    fail(
      "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured using " +
        "grant-type=client_credentials",
    );
  }
}

/** httpClientCodec reads a client that stands by itself. */
export const httpClientCodec: Struct<HttpClientConfig> = struct<HttpClientConfig>({
  goType: "config.plain",
  zero: () => noHttpClient(),
  defaults: () => newHttpClient(),
  fields: httpClientKeys.fields,
  check: checkHttpClient,
});

/** isDefaultHttpClient tells whether nothing was configured. */
export function isDefaultHttpClient(client: HttpClientConfig): boolean {
  const { followRedirects, enableHttp2, ...rest } = client;
  return (
    followRedirects && enableHttp2 && httpClientKeys.isZero({ ...rest, followRedirects: false, enableHttp2: false })
  );
}

/** joinHttpPaths makes the paths of a client relative to a folder. */
export function joinHttpPaths(client: HttpClientConfig, folder: string): void {
  joinTlsPaths(client.tls, folder);
  if (client.basicAuth) {
    client.basicAuth.usernameFile = joinPath(folder, client.basicAuth.usernameFile);
    client.basicAuth.passwordFile = joinPath(folder, client.basicAuth.passwordFile);
  }
  if (client.authorization) {
    client.authorization.credentialsFile = joinPath(folder, client.authorization.credentialsFile);
  }
  if (client.oauth2) {
    const { oauth2 } = client;
    oauth2.clientSecretFile = joinPath(folder, oauth2.clientSecretFile);
    oauth2.clientCertificateKeyFile = joinPath(folder, oauth2.clientCertificateKeyFile);
    joinTlsPaths(oauth2.tls, folder);
  }
  for (const header of client.headers?.values() ?? [])
    header.files = header.files.map((file) => joinPath(folder, file));
}

/** joinTlsPaths makes the paths of TLS settings relative to a folder. */
export function joinTlsPaths(tls: TlsConfig, folder: string): void {
  tls.caFile = joinPath(folder, tls.caFile);
  tls.certFile = joinPath(folder, tls.certFile);
  tls.keyFile = joinPath(folder, tls.keyFile);
}
