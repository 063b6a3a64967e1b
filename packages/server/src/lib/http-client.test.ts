import { execFileSync } from "node:child_process";
import { generateKeyPairSync, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createSecureServer } from "node:http2";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { HttpClient, type HttpClientOptions, readBody } from "./http-client.ts";
import { ProxyChooser } from "./http-client-proxy.ts";
import { defaultHttpClientConfig, type HttpClientConfig, noProxy, noTls, type OAuth2Config } from "./http-config.ts";

const closers: (() => Promise<void> | void)[] = [];
const folder = mkdtempSync(join(tmpdir(), "belfry-http-"));

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** listen starts a server on a free port and stops it, connections and all, after the test. */
function listen(server: Server, path?: string): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  closers.push(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  );
  return new Promise((resolve) => {
    const done = (): void => resolve(path === undefined ? (server.address() as AddressInfo).port : 0);
    if (path === undefined) server.listen(0, "127.0.0.1", done);
    else server.listen(path, done);
  });
}

async function serve(handler: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(handler))}`;
}

function client(config: Partial<HttpClientConfig> = {}, options: HttpClientOptions = {}): HttpClient {
  const made = new HttpClient({ ...defaultHttpClientConfig(), ...config }, options);
  closers.push(() => made.close());
  return made;
}

async function get(from: HttpClient, url: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await from.request(url, { headers, signal: AbortSignal.timeout(5000) });
  return Buffer.from(await readBody(response, 1e6)).toString();
}

/** echo answers with the request's line and the headers that are asked for. */
const echo =
  (...names: string[]): RequestListener =>
  (request, response) => {
    response.end(JSON.stringify([request.method, request.url, ...names.map((name) => request.headers[name] ?? null)]));
  };

describe("credentials", () => {
  test("basic auth, from values and files that change", async () => {
    const url = await serve(echo("authorization"));
    const file = join(folder, "password");
    writeFileSync(file, "first\n");
    let nowMs = 0;
    const basicAuth = {
      username: "u",
      usernameFile: "",
      usernameRef: "",
      password: "",
      passwordFile: file,
      passwordRef: "",
    };
    const from = client({ basicAuth }, { now: () => nowMs });
    const header = (password: string): string => `Basic ${Buffer.from(`u:${password}`).toString("base64")}`;
    expect(await get(from, url)).toContain(header("first"));
    writeFileSync(file, "second\n");
    expect(await get(from, url)).toContain(header("first"));
    nowMs += 1001;
    expect(await get(from, url)).toContain(header("second"));
    rmSync(file);
    nowMs += 1001;
    await expect(get(from, url)).rejects.toThrow(/unable to read file .*password: ENOENT/);
  });

  test("authorization with a type of its own; a request's own header wins", async () => {
    const url = await serve(echo("authorization"));
    const from = client({
      authorization: { type: "Token", credentials: "abc", credentialsFile: "", credentialsRef: "" },
    });
    expect(await get(from, url)).toContain('"Token abc"');
    expect(await get(from, url, { Authorization: "Own" })).toContain('"Own"');
  });

  test("configured headers are added, also several values and from files", async () => {
    const url = await serve(echo("x-one", "x-two", "user-agent"));
    const file = join(folder, "header");
    writeFileSync(file, "from-file\n");
    const headers = new Map([
      ["X-One", { values: ["a", "b"], secrets: ["c"], files: [] }],
      ["X-Two", { values: [], secrets: [], files: [file] }],
    ]);
    expect(await get(client({ headers }, { userAgent: "Test/1" }), url)).toBe(
      '["GET","/","a, b, c","from-file","Test/1"]',
    );
  });
});

describe("redirects", () => {
  test("are followed, and other hosts get no credentials", async () => {
    const elsewhere = await serve(echo("authorization", "x-secret"));
    const other = elsewhere.replace("127.0.0.1", "localhost");
    const here = await serve((request, response) => {
      if (request.url === "/there") response.writeHead(302, { location: `${other}/final` }).end();
      else if (request.url === "/here") response.writeHead(301, { location: "/final" }).end();
      else echo("authorization", "x-secret")(request, response as never);
    });
    const from = client({
      authorization: { type: "Bearer", credentials: "t", credentialsFile: "", credentialsRef: "" },
      headers: new Map([["X-Secret", { values: ["s"], secrets: [], files: [] }]]),
    });
    expect(await get(from, `${here}/here`)).toBe('["GET","/final","Bearer t","s"]');
    expect(await get(from, `${here}/there`, { authorization: "Mine" })).toBe('["GET","/final",null,null]');
  });

  test("a loop ends, and a redirect is an answer when it is not to be followed", async () => {
    const url = await serve((_, response) => response.writeHead(307, { location: "/again" }).end());
    await expect(get(client(), url)).rejects.toThrow(`Get "${url}/again": stopped after 10 redirects`);
    const response = await client({ followRedirects: false }).request(url);
    expect(response.status).toBe(307);
    expect(response.statusText).toBe("307 Temporary Redirect");
    await response.discard();
  });
});

describe("failures", () => {
  test("are told in the words of upstream", async () => {
    const server = createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const from = client();
    await expect(get(from, `http://user:secret@127.0.0.1:${port}/m`)).rejects.toThrow(
      `Get "http://user:***@127.0.0.1:${port}/m": dial tcp 127.0.0.1:${port}: connect: connection refused`,
    );
    await expect(get(from, "http://no-such-host.invalid/")).rejects.toThrow(
      'Get "http://no-such-host.invalid/": dial tcp: lookup no-such-host.invalid: no such host',
    );
    const silent = await serve(() => undefined);
    await expect(from.request(silent, { signal: AbortSignal.timeout(50) })).rejects.toThrow(
      `Get "${silent}/": context deadline exceeded`,
    );
    const rude = await serve((request) => request.socket.end("no http\r\n\r\n"));
    await expect(get(from, rude)).rejects.toThrow("malformed HTTP response");
  });

  test("a connection that the server closed while idle is not an error", async () => {
    let sockets: Socket[] = [];
    const server = createServer((_, response) => response.end("ok"));
    server.on("connection", (socket: Socket) => sockets.push(socket));
    const url = `http://127.0.0.1:${await listen(server)}`;
    const from = client({}, { connectionsPerHost: 1 });
    expect(await get(from, url)).toBe("ok");
    const old = sockets;
    sockets = [];
    for (const socket of old) socket.resetAndDestroy();
    expect(await get(from, url)).toBe("ok");
  });

  test("bodies are bounded, also when compressed", async () => {
    const url = await serve((request, response) => {
      const body = Buffer.alloc(1e6, "a");
      if (request.url === "/gzip") response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(body));
      else response.end(body);
    });
    const from = client();
    for (const path of ["/plain", "/gzip"]) {
      await expect(readBody(await from.request(url + path), 1000)).rejects.toThrow("the body exceeds 1000 bytes");
    }
  });
});

test("a Unix socket", async () => {
  const path = join(folder, "socket");
  await listen(createServer(echo()), path);
  expect(await get(client({}, { socketPath: path }), "http://docker/containers")).toBe('["GET","/containers"]');
  await expect(get(client({}, { socketPath: join(folder, "none") }), "http://docker/")).rejects.toThrow(
    "connect: no such file or directory",
  );
});

const hasOpenssl = ((): boolean => {
  try {
    execFileSync("openssl", ["version"]);
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!hasOpenssl)("TLS", () => {
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { stdio: "ignore" });
  const certificate = (name: string, subject: string, extension: string): void => {
    openssl(
      "req",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      path(`${name}.key`),
      "-out",
      path(`${name}.csr`),
      "-subj",
      subject,
    );
    writeFileSync(path(`${name}.ext`), extension);
    openssl(
      "x509",
      "-req",
      "-in",
      path(`${name}.csr`),
      "-CA",
      path("ca.pem"),
      "-CAkey",
      path("ca.key"),
      "-days",
      "2",
      "-set_serial",
      String(Math.floor(Math.random() * 1e9)),
      "-extfile",
      path(`${name}.ext`),
      "-out",
      path(`${name}.pem`),
    );
  };
  const read = (name: string): string => execFileSync("cat", [path(name)], { encoding: "utf8" });

  beforeAll(() => {
    openssl(
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      path("ca.key"),
      "-out",
      path("ca.pem"),
      "-days",
      "2",
      "-subj",
      "/CN=test ca",
      "-addext",
      "basicConstraints=critical,CA:TRUE",
    );
    certificate("server", "/CN=server", "subjectAltName=DNS:scraped.example,DNS:localhost");
    certificate("client", "/CN=client-one", "extendedKeyUsage=clientAuth");
    certificate("client2", "/CN=client-two", "extendedKeyUsage=clientAuth");
  });

  const serveTls = async (options: object = {}): Promise<string> => {
    const server = createTlsServer(
      { cert: read("server.pem"), key: read("server.key"), ca: read("ca.pem"), ...options },
      (request: IncomingMessage, response) => {
        const socket = request.socket as unknown as { getPeerCertificate(): { subject?: { CN?: string } } };
        response.end(`hello ${socket.getPeerCertificate()?.subject?.CN ?? "nobody"}`);
      },
    );
    return `https://127.0.0.1:${await listen(server)}`;
  };

  test("an unknown authority or a wrong name is refused, a known authority and server_name accepted", async () => {
    const url = await serveTls();
    await expect(get(client(), url)).rejects.toThrow(
      "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    );
    await expect(get(client({ tls: { ...noTls(), caFile: path("ca.pem") } }), url)).rejects.toThrow(
      /tls: failed to verify certificate: x509: .*127\.0\.0\.1/,
    );
    const named = { ...noTls(), ca: read("ca.pem"), serverName: "scraped.example" };
    expect(await get(client({ tls: named }), url)).toBe("hello nobody");
    expect(await get(client({ tls: { ...noTls(), insecureSkipVerify: true } }), url)).toBe("hello nobody");
  });

  test("client certificates are read again when they change", async () => {
    const url = await serveTls({ requestCert: true, rejectUnauthorized: true });
    const trust = { ...noTls(), caFile: path("ca.pem"), serverName: "scraped.example" };
    await expect(get(client({ tls: trust }), url)).rejects.toThrow();
    writeFileSync(path("used.pem"), read("client.pem"));
    writeFileSync(path("used.key"), read("client.key"));
    let nowMs = 0;
    const tls = { ...trust, certFile: path("used.pem"), keyFile: path("used.key") };
    const from = client({ tls }, { now: () => nowMs });
    expect(await get(from, url)).toBe("hello client-one");
    writeFileSync(path("used.pem"), read("client2.pem"));
    writeFileSync(path("used.key"), read("client2.key"));
    nowMs += 1001;
    expect(await get(from, url)).toBe("hello client-two");
    rmSync(path("used.pem"));
    nowMs += 1001;
    await expect(get(from, url)).rejects.toThrow(/unable to load specified client cert .*used\.pem: ENOENT/);
  });

  test("versions are bounded", async () => {
    const url = await serveTls({ maxVersion: "TLSv1.2" });
    const tls = { ...noTls(), insecureSkipVerify: true };
    expect(await get(client({ tls: { ...tls, maxVersion: "TLS12" } }), url)).toBe("hello nobody");
    await expect(get(client({ tls: { ...tls, minVersion: "TLS13" } }), url)).rejects.toThrow("tls: ");
  });

  test("HTTP/2 is spoken where the server offers it, unless it is switched off", async () => {
    const server = createSecureServer(
      { cert: read("server.pem"), key: read("server.key"), allowHTTP1: true },
      (request, response) => response.end(`HTTP/${request.httpVersion}`),
    );
    const sessions = new Set<{ destroy(): void }>();
    server.on("session", (session) => sessions.add(session));
    const url = `https://127.0.0.1:${await listen(server as unknown as Server)}`;
    closers.push(() => sessions.forEach((session) => session.destroy()));
    const tls = { ...noTls(), insecureSkipVerify: true };
    const two = client({ tls });
    expect(await get(two, url)).toBe("HTTP/2.0");
    expect(await get(two, url)).toBe("HTTP/2.0");
    expect(await get(client({ tls, enableHttp2: false }), url)).toBe("HTTP/1.1");
  });

  test("a proxy: plain HTTP is asked of it, TLS goes through a tunnel", async () => {
    const seen: string[] = [];
    const proxy = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"]}`);
      response.end("by proxy");
    });
    proxy.on("connect", (request: IncomingMessage, socket: Socket) => {
      seen.push(`CONNECT ${request.url} ${String(request.headers["x-tunnel"])}`);
      const [host, port] = request.url!.split(":");
      const upstream = connectTcp(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on("error", () => socket.destroy());
      socket.on("close", () => upstream.destroy());
    });
    const port = await listen(proxy);
    const url = await serveTls();
    const from = client({
      tls: { ...noTls(), ca: read("ca.pem"), serverName: "scraped.example" },
      proxy: { ...noProxy(), url: `http://u:p@127.0.0.1:${port}`, connectHeaders: new Map([["X-Tunnel", ["yes"]]]) },
    });
    expect(await get(from, "http://target.example/metrics?a=b")).toBe("by proxy");
    expect(await get(from, url)).toBe("hello nobody");
    expect(seen).toEqual([
      `GET http://target.example/metrics?a=b Basic ${Buffer.from("u:p").toString("base64")}`,
      `CONNECT ${url.slice("https://".length)} yes`,
    ]);
  });
});

describe("OAuth 2.0", () => {
  const OAUTH: OAuth2Config = {
    clientId: "id",
    clientSecret: "secret",
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
    scopes: ["a", "b"],
    tokenUrl: "",
    endpointParams: new Map([["resource", "x"]]),
    tls: noTls(),
    proxy: noProxy(),
  };

  async function tokenServer(accept: (authorization: string, form: URLSearchParams) => boolean) {
    const forms: string[] = [];
    let issued = 0;
    const url = await serve((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        forms.push(body);
        if (!accept(request.headers.authorization ?? "", new URLSearchParams(body))) {
          response.writeHead(401).end("who are you?");
          return;
        }
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ access_token: `token-${++issued}`, token_type: "bearer", expires_in: 60 }));
      });
    });
    return { url, forms };
  }

  test("fetches a token once, and anew before it expires", async () => {
    const basic = `Basic ${Buffer.from("id:secret").toString("base64")}`;
    const { url: tokenUrl, forms } = await tokenServer((authorization) => authorization === basic);
    const url = await serve(echo("authorization"));
    let nowMs = 1e12;
    const from = client({ oauth2: { ...OAUTH, tokenUrl } }, { now: () => nowMs });
    const answers = await Promise.all([get(from, url), get(from, url)]);
    expect(answers.every((answer) => answer.includes('"Bearer token-1"'))).toBe(true);
    nowMs += 49_000;
    expect(await get(from, url)).toContain("token-1");
    nowMs += 2000;
    expect(await get(from, url)).toContain("token-2");
    expect(forms).toEqual(Array(2).fill("grant_type=client_credentials&scope=a+b&resource=x"));
  });

  test("tries credentials in the form where the header is refused", async () => {
    const { url: tokenUrl, forms } = await tokenServer((_, form) => form.get("client_secret") === "secret");
    const url = await serve(echo("authorization"));
    let nowMs = 1e12;
    const from = client({ oauth2: { ...OAUTH, tokenUrl } }, { now: () => nowMs });
    expect(await get(from, url)).toContain("token-1");
    nowMs += 60_000;
    expect(await get(from, url)).toContain("token-2");
    expect(forms.length).toBe(3);
  });

  test("says why there is no token", async () => {
    const { url: tokenUrl } = await tokenServer(() => false);
    const url = await serve(echo());
    await expect(get(client({ oauth2: { ...OAUTH, tokenUrl } }), url)).rejects.toThrow(
      "oauth2: cannot fetch token: 401 Unauthorized\nResponse: who are you?",
    );
  });

  test("the JWT bearer grant signs its request", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    let claims: Record<string, unknown> = {};
    const { url: tokenUrl } = await tokenServer((_, form) => {
      const [header, body, signature] = form.get("assertion")!.split(".");
      claims = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
      return verify("RSA-SHA256", Buffer.from(`${header}.${body}`), publicKey, Buffer.from(signature, "base64url"));
    });
    const url = await serve(echo("authorization"));
    const from = client({
      oauth2: {
        ...OAUTH,
        tokenUrl,
        grantType: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        clientCertificateKey: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
        claims: new Map([["tenant", "t1"]]),
      },
    });
    expect(await get(from, url)).toContain("Bearer token-1");
    expect(claims).toMatchObject({ iss: "id", aud: tokenUrl, scope: "a b", tenant: "t1" });
  });
});

describe("ProxyChooser", () => {
  const choose = (url: string, config: object, environment: NodeJS.ProcessEnv = {}): string =>
    new ProxyChooser({ ...noProxy(), ...config }, environment).proxyFor(new URL(url));

  test.each([
    ["http://a.example/", "p"],
    ["http://b.internal/", ""],
    ["http://x.b.internal/", ""],
    ["http://notb.internal/", "p"],
    ["http://dot.example.org/", ""],
    ["http://example.org/", "p"],
    ["http://10.1.2.3:9100/", ""],
    ["http://11.1.2.3:9100/", "p"],
    ["http://[fd00::1]:80/", ""],
    ["http://ported.example:8080/", ""],
    ["http://ported.example:8081/", "p"],
    ["http://localhost/", "p"],
  ])("no_proxy decides about %s", (url, wanted) => {
    const list = "b.internal, .example.org,10.0.0.0/8,fd00::/8,ported.example:8080";
    expect(choose(url, { url: "p", noProxy: list })).toBe(wanted);
  });

  test("the environment is asked only when configured, and not for the machine itself", () => {
    const environment = { HTTP_PROXY: "one:1", https_proxy: "https://two:2", NO_PROXY: "c.example" };
    expect(choose("http://a.example/", {}, environment)).toBe("");
    const on = { fromEnvironment: true };
    expect(choose("http://a.example/", on, environment)).toBe("http://one:1");
    expect(choose("https://a.example/", on, environment)).toBe("https://two:2");
    expect(choose("http://c.example/", on, environment)).toBe("");
    expect(choose("http://127.0.0.1:9100/", on, environment)).toBe("");
  });
});
