// HTTP out of Belfry: scraping, discovery, remote write, notifications. One client stands for one configuration: its
// credentials, TLS, proxy and headers. Connections are kept and bounded per server.
//
// Credentials go to the server that was asked. A redirect to another host gets none of them: neither
// Authorization nor configured headers.
import { STATUS_CODES } from "node:http";
import { Agent, type Dispatcher, ProxyAgent, request as undiciRequest } from "undici";
import { systemClock } from "./clock.ts";
import { decompress, SizeLimitError } from "./decompress.ts";
import { HttpClientError, isStaleConnection } from "./http-client-error.ts";
import { Secret } from "./http-client-files.ts";
import { TokenSource } from "./http-client-oauth2.ts";
import { ProxyChooser } from "./http-client-proxy.ts";
import { TlsMaterial, type TlsOptions } from "./http-client-tls.ts";
import { defaultHttpClientConfig, type HttpClientConfig } from "./http-config.ts";
import { VERSION } from "./version.ts";

export { HttpClientError } from "./http-client-error.ts";

/** HttpRequest is one request; `signal` bounds all of it, body included. */
export interface HttpRequest {
  method?: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  /** headers by name in any case; configured ones are added, Authorization only where it is not given here. */
  headers?: Readonly<Record<string, string>>;
  body?: Uint8Array | string;
  signal?: AbortSignal;
}

/** HttpResponse is an answer whose body is still to be read; read it to its end or call `discard`. */
export interface HttpResponse {
  status: number;
  /** statusText is "404 Not Found" and the like. */
  statusText: string;
  /** headers by lower-case name; repeated ones are joined with ", ". */
  headers: Readonly<Record<string, string>>;
  /** url is where the answer came from, after redirects. */
  url: string;
  body: AsyncIterable<Uint8Array>;
  discard(): Promise<void>;
}

/** HttpClientOptions are what the user of a client decides, not its configuration. */
export interface HttpClientOptions {
  userAgent?: string;
  /** socketPath is a Unix socket that all requests go to. */
  socketPath?: string;
  /** connectionsPerHost bounds the connections to one server; default 8. */
  connectionsPerHost?: number;
  /** idleBodyMs ends a body that brings nothing for so long; 0 never does. Default five minutes. */
  idleBodyMs?: number;
  /** now is Unix milliseconds, for the age of tokens and files. */
  now?: () => number;
}

const MAX_REDIRECTS = 10;
const MAX_TOKEN_BYTES = 1024 * 1024;
const TOKEN_TIMEOUT_MS = 30_000;
const ANSWER_TIMEOUT_MS = 300_000;
// Targets are asked every minute or oftener; a connection that idles longer than this is not wanted any more.
const IDLE_CONNECTION_MS = 90_000;

interface Transport {
  /** tls is undefined where only plain HTTP is spoken. */
  readonly tls: TlsOptions | undefined;
  readonly direct: Dispatcher;
  readonly proxies: Map<string, Dispatcher>;
}

/** HttpClient sends requests. Requests reject with HttpClientError, OAuth2Error, or an Error about an unreadable file. */
export class HttpClient {
  private readonly config: HttpClientConfig;
  private readonly options: Required<Omit<HttpClientOptions, "socketPath">> & { socketPath: string | undefined };
  private readonly tls: TlsMaterial;
  private readonly proxy: ProxyChooser;
  private readonly tokens: TokenSource | undefined;
  private tokenClient: HttpClient | undefined;
  private readonly basic: { username: Secret; password: Secret } | undefined;
  private readonly credentials: Secret | undefined;
  private readonly extraHeaders: { name: string; secrets: Secret[] }[] = [];
  /** plain speaks HTTP without TLS; secure is made with the first connection that needs TLS. */
  private plain: Transport | undefined;
  private secure: Transport | undefined;
  private closed = false;

  constructor(config: HttpClientConfig = defaultHttpClientConfig(), options: HttpClientOptions = {}) {
    this.config = config;
    this.options = {
      userAgent: options.userAgent ?? `Belfry/${VERSION}`,
      socketPath: options.socketPath,
      connectionsPerHost: options.connectionsPerHost ?? 8,
      idleBodyMs: options.idleBodyMs ?? ANSWER_TIMEOUT_MS,
      now: options.now ?? (() => systemClock.now()),
    };
    const { now } = this.options;
    this.tls = new TlsMaterial(config.tls, now);
    this.proxy = new ProxyChooser(config.proxy);
    const { basicAuth, authorization, oauth2 } = config;
    if (basicAuth !== undefined) {
      this.basic = {
        username: new Secret(basicAuth.username, basicAuth.usernameFile, now),
        password: new Secret(basicAuth.password, basicAuth.passwordFile, now),
      };
    }
    if (authorization !== undefined) {
      this.credentials = new Secret(authorization.credentials, authorization.credentialsFile, now);
    }
    if (oauth2 !== undefined) {
      this.tokens = new TokenSource(oauth2, (request) => this.askForToken(request), now);
    }
    for (const [name, { values, secrets, files }] of config.headers ?? []) {
      this.extraHeaders.push({
        name: name.toLowerCase(),
        secrets: [
          ...[...values, ...secrets].map((value) => new Secret(value, "", now)),
          ...files.map((path) => new Secret("", path, now)),
        ],
      });
    }
  }

  /** request sends a request and resolves when the headers of the answer are there. */
  async request(url: string, request: HttpRequest = {}): Promise<HttpResponse> {
    let method = request.method ?? "GET";
    let body = request.body;
    let current = url;
    const origin = new URL(url);
    for (let redirects = 0; ; redirects++) {
      const target = new URL(current);
      const trusted = isSameServer(origin, target);
      const headers = await this.headersFor(request.headers ?? {}, trusted);
      const response = await this.send(target, method, headers, body, request.signal);
      const location = response.headers["location"];
      if (!this.config.followRedirects || !isRedirect(response.statusCode) || location === undefined) {
        return this.answer(response, current);
      }
      await response.body.dump();
      if (redirects === MAX_REDIRECTS) {
        throw new HttpClientError(method, current, new Error(`stopped after ${MAX_REDIRECTS} redirects`));
      }
      current = resolveLocation(method, current, String(location));
      if (response.statusCode !== 307 && response.statusCode !== 308 && method !== "GET" && method !== "HEAD") {
        method = "GET";
        body = undefined;
      }
    }
  }

  /** close ends all connections; requests under way fail. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([this.tokenClient?.close(), destroyTransport(this.plain), destroyTransport(this.secure)]);
  }

  private async send(
    url: URL,
    method: NonNullable<HttpRequest["method"]>,
    headers: Record<string, string | string[]>,
    body: Uint8Array | string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Dispatcher.ResponseData> {
    const attempt = async (): Promise<Dispatcher.ResponseData> => {
      const dispatcher = await this.dispatcherFor(url);
      return undiciRequest(url, { dispatcher, method, headers, body, signal });
    };
    try {
      return await attempt();
    } catch (first) {
      // The server closed an idle connection while the request was on its way to it. Asking again is safe where
      // asking twice is.
      if (!signal?.aborted && isStaleConnection(first) && (method === "GET" || method === "HEAD")) {
        try {
          return await attempt();
        } catch (second) {
          throw new HttpClientError(method, url.href, abortReason(signal) ?? second);
        }
      }
      throw new HttpClientError(method, url.href, abortReason(signal) ?? first);
    }
  }

  private answer(response: Dispatcher.ResponseData, url: string): HttpResponse {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(response.headers)) {
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
    }
    const { statusCode, statusText, body } = response;
    return {
      status: statusCode,
      statusText: `${statusCode} ${statusText || (STATUS_CODES[statusCode] ?? "")}`.trimEnd(),
      headers,
      url,
      body,
      discard: () => body.dump(),
    };
  }

  private async headersFor(
    own: Readonly<Record<string, string>>,
    trusted: boolean,
  ): Promise<Record<string, string | string[]>> {
    const headers: Record<string, string | string[]> = { "user-agent": this.options.userAgent };
    for (const [name, value] of Object.entries(own)) {
      const key = name.toLowerCase();
      if (trusted || (key !== "authorization" && key !== "cookie")) headers[key] = value;
    }
    if (!trusted) return headers;
    for (const { name, secrets } of this.extraHeaders) {
      const values = await Promise.all(secrets.map((secret) => secret.read()));
      const before = headers[name];
      headers[name] = before === undefined || name === "user-agent" ? values : [before, values].flat();
    }
    const authorization = headers["authorization"] === undefined ? await this.authorization() : "";
    if (authorization !== "") headers["authorization"] = authorization;
    return headers;
  }

  private async authorization(): Promise<string> {
    if (this.basic !== undefined) {
      const username = await this.basic.username.read();
      const password = await this.basic.password.read();
      return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    }
    if (this.credentials !== undefined) {
      const credentials = await this.credentials.read();
      return credentials === "" ? "" : `${this.config.authorization!.type} ${credentials}`;
    }
    return this.tokens === undefined ? "" : this.tokens.authorization();
  }

  private async askForToken(request: {
    url: string;
    form: string;
    authorization: string;
  }): ReturnType<ConstructorParameters<typeof TokenSource>[1]> {
    const { oauth2 } = this.config;
    this.tokenClient ??= new HttpClient(
      { ...defaultHttpClientConfig(), tls: oauth2!.tls, proxy: oauth2!.proxy },
      { userAgent: this.options.userAgent, connectionsPerHost: 1, now: this.options.now },
    );
    const headers: Record<string, string> = { "content-type": "application/x-www-form-urlencoded" };
    if (request.authorization !== "") headers["authorization"] = request.authorization;
    const response = await this.tokenClient.request(request.url, {
      method: "POST",
      headers,
      body: request.form,
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
    });
    const { status, statusText } = response;
    const body = Buffer.from(await readBody(response, MAX_TOKEN_BYTES)).toString("utf8");
    return { status, statusText, contentType: response.headers["content-type"] ?? "", body };
  }

  private async dispatcherFor(url: URL): Promise<Dispatcher> {
    if (this.closed) throw new Error("the HTTP client is closed");
    const proxy = this.options.socketPath === undefined ? this.proxy.proxyFor(url) : "";
    const needsTls = url.protocol === "https:" || proxy.startsWith("https:");
    const transport = needsTls ? await this.secureTransport() : (this.plain ??= this.newTransport(undefined));
    if (proxy === "") return transport.direct;
    let dispatcher = transport.proxies.get(proxy);
    if (dispatcher === undefined) {
      dispatcher = this.newProxy(proxy, transport.tls);
      transport.proxies.set(proxy, dispatcher);
    }
    return dispatcher;
  }

  // Changed certificates make a new transport; requests under way end on the old one.
  private async secureTransport(): Promise<Transport> {
    if (this.secure !== undefined && this.tls.isFixed) return this.secure;
    const tls = await this.tls.load();
    if (this.secure?.tls?.fingerprint === tls.fingerprint) return this.secure;
    const old = this.secure;
    this.secure = this.newTransport(tls);
    if (old !== undefined) void closeTransport(old);
    return this.secure;
  }

  private newTransport(tls: TlsOptions | undefined): Transport {
    const { connectionsPerHost, idleBodyMs, socketPath } = this.options;
    const direct = new Agent({
      connections: connectionsPerHost,
      pipelining: 1,
      keepAliveTimeout: IDLE_CONNECTION_MS,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: idleBodyMs,
      allowH2: this.config.enableHttp2,
      connect: { ...connectOptions(tls), ...(socketPath === undefined ? {} : { socketPath }), timeout: 30_000 },
    });
    return { tls, direct, proxies: new Map() };
  }

  private newProxy(uri: string, tls: TlsOptions | undefined): ProxyAgent {
    const { connectionsPerHost, idleBodyMs } = this.options;
    const headers: Record<string, string> = {};
    for (const [name, values] of this.config.proxy.connectHeaders ?? [])
      headers[name.toLowerCase()] = values.join(", ");
    return new ProxyAgent({
      uri,
      headers,
      connections: connectionsPerHost,
      keepAliveTimeout: IDLE_CONNECTION_MS,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: idleBodyMs,
      // Plain HTTP is asked of the proxy itself, as Go does; only TLS needs a tunnel.
      proxyTunnel: false,
      requestTls: connectOptions(tls),
      proxyTls: connectOptions(tls),
    });
  }
}

/** readBody reads a whole body and undoes its content encoding. Rejects with SizeLimitError past `limitBytes`. */
export async function readBody(response: HttpResponse, limitBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.length;
    if (length > limitBytes) throw new SizeLimitError(limitBytes);
    chunks.push(chunk);
  }
  const bytes = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length);
  const encoding = response.headers["content-encoding"] ?? "";
  return encoding === "" ? bytes : decompress(bytes, encoding, limitBytes);
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

// The same host on another port or scheme is still the same party, unless the new way is less safe than the old.
function isSameServer(first: URL, now: URL): boolean {
  if (first.hostname !== now.hostname) return false;
  return !(first.protocol === "https:" && now.protocol === "http:");
}

function resolveLocation(method: string, current: string, location: string): string {
  let next: URL;
  try {
    next = new URL(location, current);
  } catch (cause) {
    throw new HttpClientError(
      method,
      current,
      new Error(`failed to parse Location header ${JSON.stringify(location)}`, { cause }),
    );
  }
  if (next.protocol !== "http:" && next.protocol !== "https:") {
    throw new HttpClientError(
      method,
      current,
      new Error(`unsupported protocol scheme "${next.protocol.slice(0, -1)}"`),
    );
  }
  return next.href;
}

function abortReason(signal: AbortSignal | undefined): unknown {
  if (!signal?.aborted) return undefined;
  const reason: unknown = signal.reason;
  return reason instanceof Error && reason.name === "TimeoutError" ? new Error("context deadline exceeded") : reason;
}

function connectOptions(tls: TlsOptions | undefined): Omit<TlsOptions, "fingerprint"> | Record<string, never> {
  if (tls === undefined) return {};
  const { fingerprint: _, ...options } = tls;
  return options;
}

async function closeTransport(transport: Transport): Promise<void> {
  await Promise.allSettled([
    transport.direct.close(),
    ...[...transport.proxies.values()].map((proxy) => proxy.close()),
  ]);
}

async function destroyTransport(transport: Transport | undefined): Promise<void> {
  if (transport === undefined) return;
  await Promise.allSettled([
    transport.direct.destroy(),
    ...[...transport.proxies.values()].map((proxy) => proxy.destroy()),
  ]);
}
