// The HTTP face. One fastify instance answers every listener; routes are thin: decode, call, encode.
import { createReadStream, existsSync, statSync } from "node:fs";
import { join, normalize, sep } from "node:path";
import Fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import { boundBodies } from "./body-budget.ts";
import { ApiError, messageOf, toApiError } from "./errors.ts";
import { sendError } from "./respond.ts";

/** HttpServerOptions configures what holds for every route. */
export interface HttpServerOptions {
  /** corsOrigin decides which origins may read answers in a browser; undefined allows loopback origins only. */
  corsOrigin: { test(origin: string): boolean } | undefined;
  /** uiFolder holds the built web interface, undefined for none. */
  uiFolder: string | undefined;
  /** onRequest observes every finished request for our own metrics. */
  observe(handler: string, method: string, status: number, seconds: number, bytes: number): void;
  /** logError is told of errors that are not the client's. */
  logError(error: unknown, request: { method: string; url: string }): void;
}

// A query longer than this is a mistake or an attack; the longest generated dashboards stay below 100 kB.
const FORM_LIMIT_BYTES = 10 * 1024 * 1024;
const METHODS = ["GET", "POST", "PUT", "DELETE"] as const;
const LOOPBACK_ORIGIN = /^https?:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/;

/** createHttpServer makes the instance with what holds for every route; the caller adds routes and listens. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: FORM_LIMIT_BYTES,
    // Slow senders must not hold a connection for ever.
    requestTimeout: 120_000,
    keepAliveTimeout: 75_000,
    routerOptions: { maxParamLength: 10_000, ignoreTrailingSlash: true },
    forceCloseConnections: "idle",
    exposeHeadRoutes: true,
    // Paths that are not even valid paths, such as %ff in a name.
    frameworkErrors: (error, _request, reply) => sendError(reply, new ApiError("bad_data", error.message)),
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) => {
    done(null, new URLSearchParams(body as string));
  });
  app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, body === "" ? undefined : JSON.parse(body as string));
    } catch (error) {
      done(new ApiError("bad_data", `invalid JSON body: ${messageOf(error)}`));
    }
  });
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => {
    done(null, body);
  });

  app.addHook("onRequest", async (request, reply) => {
    const origin = request.headers.origin;
    if (typeof origin !== "string") return;
    const allowed = options.corsOrigin ? options.corsOrigin.test(origin) : LOOPBACK_ORIGIN.test(origin);
    void reply.header("vary", "Origin");
    if (!allowed) return;
    void reply
      .header("access-control-allow-origin", origin)
      .header("access-control-allow-headers", "Accept, Authorization, Content-Type, Origin")
      .header("access-control-allow-methods", "GET, POST, OPTIONS")
      .header("access-control-expose-headers", "Date");
  });
  boundBodies(app);
  app.addHook("onResponse", async (request, reply) => {
    const bytes = Number(reply.getHeader("content-length") ?? 0);
    options.observe(routeOf(request), request.method, reply.statusCode, reply.elapsedTime / 1000, bytes);
  });

  app.setErrorHandler((error, request, reply) => {
    const status = (error as { statusCode?: number }).statusCode;
    // Errors that fastify raises itself: bodies that are too large, unsupported media types, broken requests.
    if (!(error instanceof ApiError) && status !== undefined && status >= 400 && status < 500) {
      return reply
        .status(status)
        .header("content-type", "application/json")
        .send(Buffer.from(JSON.stringify({ status: "error", errorType: "bad_data", error: messageOf(error) })));
    }
    const known = toApiError(error);
    if (known.errorType === "internal") options.logError(error, { method: request.method, url: request.url });
    return sendError(reply, known);
  });

  // hasRoute knows paths as they were registered; those with parameters have to be matched.
  const parametric = new Map<string, RegExp[]>();
  app.addHook("onRoute", ({ method, url }) => {
    if (!url.includes("/:")) return;
    const pattern = new RegExp(`^${url.replace(/\/:[^/]+/g, "/[^/]+")}/?$`);
    for (const one of [method].flat()) parametric.set(one, [...(parametric.get(one) ?? []), pattern]);
  });

  app.options("/*", async (_request, reply) => reply.status(204).send());

  app.setNotFoundHandler(async (request, reply) => {
    const path = new URL(request.url, "http://belfry").pathname;
    if ((request.method === "GET" || request.method === "HEAD") && options.uiFolder !== undefined) {
      const file = uiFile(options.uiFolder, path);
      if (file !== undefined) {
        const immutable = path.startsWith("/assets/");
        return reply
          .header("content-type", contentTypeOf(file))
          .header("cache-control", immutable ? "public, max-age=31536000, immutable" : "no-cache")
          .header("content-security-policy", CONTENT_SECURITY_POLICY)
          .header("x-content-type-options", "nosniff")
          .send(createReadStream(file));
      }
    }
    void reply.header("content-type", "text/plain; charset=utf-8");
    const others = METHODS.filter(
      (method) => app.hasRoute({ method, url: path }) || (parametric.get(method) ?? []).some((url) => url.test(path)),
    );
    if (others.length > 0) {
      return reply.status(405).header("allow", others.join(", ")).send("Method Not Allowed\n");
    }
    return reply.status(404).send("404 page not found\n");
  });
  return app;
}

// The interface is served with its own scripts only; style attributes are how charts size themselves.
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'self'";

function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? "/";
}

// Paths that look like a page of the interface get its one HTML file; the interface routes on.
function uiFile(folder: string, path: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  const file = normalize(join(folder, decoded));
  if (file !== folder && !file.startsWith(folder.endsWith(sep) ? folder : folder + sep)) return undefined;
  if (decoded !== "/" && existsSync(file) && statSync(file).isFile()) return file;
  const isPage = !/^\/(api|assets|-|loki|tempo|jaeger|zipkin|alertmanager|otlp|v1|metrics|federate)(\/|$)/.test(
    decoded,
  );
  const index = join(folder, "index.html");
  return isPage && !/\.[a-z0-9]+$/i.test(decoded) && existsSync(index) ? index : undefined;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
  json: "application/json",
  woff2: "font/woff2",
  map: "application/json",
  txt: "text/plain; charset=utf-8",
};

function contentTypeOf(file: string): string {
  return CONTENT_TYPES[file.slice(file.lastIndexOf(".") + 1)] ?? "application/octet-stream";
}
