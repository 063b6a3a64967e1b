// Remote write in, and the routes of what is not received yet.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { messageOf, toApiError } from "../errors.ts";

/** WriteHandler takes remote write requests. */
export interface WriteHandler {
  maxBodyBytes: number;
  handle(request: {
    contentType: string | undefined;
    contentEncoding: string | undefined;
    body: Uint8Array;
    headers: Readonly<Record<string, string | string[] | undefined>>;
  }): Promise<{ status: number; headers: Record<string, string>; body?: string }>;
}

const TEXT = "text/plain; charset=utf-8";

/** registerWriteRoutes adds `/write`, `/read` and `/otlp/v1/metrics` below `/api/v1`. */
export function registerWriteRoutes(app: FastifyInstance, handler: WriteHandler | undefined): void {
  const options = { bodyLimit: handler?.maxBodyBytes ?? 1024, errorHandler: plainError };
  app.post("/write", options, async (request, reply) => {
    if (!handler) {
      return reply
        .status(404)
        .header("content-type", TEXT)
        .send("remote write receiver needs to be enabled with --web.enable-remote-write-receiver\n");
    }
    const body = request.body;
    const answer = await handler.handle({
      contentType: request.headers["content-type"],
      contentEncoding: request.headers["content-encoding"],
      body: body instanceof Uint8Array ? body : new Uint8Array(0),
      headers: request.headers,
    });
    void reply.status(answer.status).headers(answer.headers);
    if (answer.body === undefined) return reply.send();
    if (!("content-type" in answer.headers)) void reply.header("content-type", TEXT);
    return reply.send(answer.body);
  });
  app.post("/read", async (_request, reply) =>
    reply.status(404).header("content-type", TEXT).send("remote read is not served yet\n"),
  );
  app.post("/otlp/v1/metrics", async (_request, reply) =>
    reply.status(404).header("content-type", TEXT).send("OTLP is not received yet\n"),
  );
}

// Senders log the body as it is, so what goes wrong before the handler is told as text too, not in the envelope.
function plainError(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  const known = toApiError(error);
  const status = known.errorType === "internal" ? error.statusCode : known.status;
  // Ours, not the sender's: for the handler of all routes, which logs it.
  if (status === undefined || status === 500) throw error;
  if (known.retryAfterSeconds !== undefined) void reply.header("retry-after", String(known.retryAfterSeconds));
  void reply
    .status(status)
    .header("content-type", TEXT)
    .send(`${messageOf(error)}\n`);
}
