// How Belfry speaks HTTP to others: the keys that every scrape, discovery and remote endpoint of the configuration
// shares. Paths are absolute or relative to the working directory; the loader has joined them to the file's folder.
// Files named here (credentials, certificates) are read when they are used, because they rotate.

/** HttpClientConfig configures an HTTP client; made by decoding, so that what excludes each other is never both set. */
export interface HttpClientConfig {
  /** basicAuth, authorization and oauth2 exclude each other. */
  basicAuth: BasicAuthConfig | undefined;
  /** authorization also holds what the older keys `bearer_token` and `bearer_token_file` said. */
  authorization: AuthorizationConfig | undefined;
  oauth2: OAuth2Config | undefined;
  tls: TlsConfig;
  followRedirects: boolean;
  enableHttp2: boolean;
  proxy: ProxyConfig;
  /** headers are added to every request. */
  headers: ReadonlyMap<string, HeaderConfig> | undefined;
}

/** BasicAuthConfig: at most one of value and file is set for each; "" is unset. */
export interface BasicAuthConfig {
  username: string;
  usernameFile: string;
  usernameRef: string;
  password: string;
  passwordFile: string;
  passwordRef: string;
}

/** AuthorizationConfig becomes `Authorization: <type> <credentials>`. */
export interface AuthorizationConfig {
  /** type is "Bearer" by default, never "basic". */
  type: string;
  credentials: string;
  credentialsFile: string;
  credentialsRef: string;
}

/** OAuth2Config is the client credentials grant, or the JWT bearer grant when `grantType` says so. */
export interface OAuth2Config {
  clientId: string;
  clientSecret: string;
  clientSecretFile: string;
  clientSecretRef: string;
  clientCertificateKeyId: string;
  clientCertificateKey: string;
  clientCertificateKeyFile: string;
  clientCertificateKeyRef: string;
  /** grantType is "" (client credentials) or "urn:ietf:params:oauth:grant-type:jwt-bearer". */
  grantType: string;
  /** signatureAlgorithm is "" (RS256), "RS256", "RS384" or "RS512"; for the JWT bearer grant. */
  signatureAlgorithm: string;
  iss: string;
  audience: string;
  claims: ReadonlyMap<string, unknown> | undefined;
  scopes: readonly string[];
  tokenUrl: string;
  endpointParams: ReadonlyMap<string, string>;
  tls: TlsConfig;
  proxy: ProxyConfig;
}

/** TlsVersion names a version as the configuration does. */
export type TlsVersion = "TLS10" | "TLS11" | "TLS12" | "TLS13";

/** TlsConfig: of each of ca, cert and key the text or the file is set, not both; "" is unset. */
export interface TlsConfig {
  ca: string;
  cert: string;
  key: string;
  caFile: string;
  certFile: string;
  keyFile: string;
  caRef: string;
  certRef: string;
  keyRef: string;
  serverName: string;
  insecureSkipVerify: boolean;
  minVersion: TlsVersion | undefined;
  maxVersion: TlsVersion | undefined;
}

/** ProxyConfig: `url` "" means none, unless `fromEnvironment` (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). */
export interface ProxyConfig {
  url: string;
  /** noProxy lists hosts, domains and CIDR ranges, comma-separated, that are reached directly. */
  noProxy: string;
  fromEnvironment: boolean;
  /** connectHeaders are sent with CONNECT; values may be secret. */
  connectHeaders: ReadonlyMap<string, readonly string[]> | undefined;
}

/** HeaderConfig lists the values of one header; all are sent. Files are read when used. */
export interface HeaderConfig {
  values: readonly string[];
  secrets: readonly string[];
  files: readonly string[];
}

/** noTls is the TLS configuration without any key set. */
export function noTls(): TlsConfig {
  return {
    ca: "",
    cert: "",
    key: "",
    caFile: "",
    certFile: "",
    keyFile: "",
    caRef: "",
    certRef: "",
    keyRef: "",
    serverName: "",
    insecureSkipVerify: false,
    minVersion: undefined,
    maxVersion: undefined,
  };
}

/** noProxy is the proxy configuration without any key set. */
export function noProxy(): ProxyConfig {
  return { url: "", noProxy: "", fromEnvironment: false, connectHeaders: undefined };
}

/** defaultHttpClientConfig is what an absent configuration means: redirects are followed, HTTP/2 is allowed. */
export function defaultHttpClientConfig(): HttpClientConfig {
  return {
    basicAuth: undefined,
    authorization: undefined,
    oauth2: undefined,
    tls: noTls(),
    followRedirects: true,
    enableHttp2: true,
    proxy: noProxy(),
    headers: undefined,
  };
}
