// Health, readiness, reload and quit, our own metrics, and the paths other tools probe.
import type { FastifyInstance } from "fastify";
import { messageOf } from "./errors.ts";
import { sendText } from "./respond.ts";

/** ManagementSource is what the management routes need of the running process. */
export interface ManagementSource {
  /** lifecycleEnabled allows reload and quit over HTTP. */
  readonly lifecycleEnabled: boolean;
  /** ready is false while starting and while stopping. */
  ready(): boolean;
  /** reload loads the configuration again; throws what is wrong with it. */
  reload(): Promise<void>;
  quit(): void;
  /** metrics renders our own metrics for an Accept header. */
  metrics(accept: string): { body: Uint8Array; contentType: string };
  version: string;
}

const TEXT = "text/plain; charset=utf-8";

/** registerManagementRoutes adds `/-/*`, `/metrics` and the health routes. */
export function registerManagementRoutes(app: FastifyInstance, source: ManagementSource): void {
  app.get("/-/healthy", async (request, reply) => sendText(request, reply, "Prometheus Server is Healthy.\n", TEXT));
  app.get("/healthz", async (request, reply) => sendText(request, reply, "ok\n", TEXT));
  app.get("/-/ready", async (request, reply) => {
    if (source.ready()) return sendText(request, reply, "Prometheus Server is Ready.\n", TEXT);
    void reply.status(503);
    return sendText(request, reply, "Service Unavailable", TEXT);
  });
  // Grafana's own health check; tools that wait for Grafana wait for this.
  app.get("/api/health", async (_request, reply) =>
    reply
      .header("content-type", "application/json")
      .send(JSON.stringify({ database: source.ready() ? "ok" : "starting", version: source.version })),
  );
  app.route({
    method: ["POST", "PUT"],
    url: "/-/reload",
    handler: async (request, reply) => {
      if (!source.lifecycleEnabled) return forbidden(reply);
      try {
        await source.reload();
      } catch (error) {
        void reply.status(500);
        return sendText(request, reply, `failed to reload config: ${messageOf(error)}\n`, TEXT);
      }
      return reply.status(200).send();
    },
  });
  app.route({
    method: ["POST", "PUT"],
    url: "/-/quit",
    handler: async (request, reply) => {
      if (!source.lifecycleEnabled) return forbidden(reply);
      reply.raw.once("finish", () => source.quit());
      return sendText(request, reply, "Requesting termination... Goodbye!", TEXT);
    },
  });
  app.get("/metrics", async (request, reply) => {
    const { body, contentType } = source.metrics(request.headers.accept ?? "");
    return sendText(request, reply, body, contentType);
  });
}

function forbidden(reply: {
  status(code: number): { header(name: string, value: string): { send(body: string): unknown } };
}): unknown {
  return reply.status(403).header("content-type", TEXT).send("Lifecycle API is not enabled.");
}
