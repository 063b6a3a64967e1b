import type { FastifyReply, FastifyRequest } from "fastify";
import type { QueryContext } from "../metrics/queryable.ts";

// A client that has gone away takes its query with it.
class ClientGone extends Error {
  constructor() {
    super("context canceled");
    this.name = "AbortError";
  }
}

/** closedSignal aborts when the client closes the connection before the answer is complete. */
export function closedSignal(_request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) controller.abort(new ClientGone());
  });
  return controller.signal;
}

// Label and series look-ups hold no samples, so their budget only has to exist.
const UNLIMITED = {
  charge(): void {},
  release(): void {},
};

// The longest a label, series or exemplar look-up may take.
const METADATA_TIMEOUT_MS = 60_000;

/** metadataContext bounds look-ups of labels, series and exemplars by time and by the client's patience. */
export function metadataContext(request: FastifyRequest, reply: FastifyReply): QueryContext {
  const signal = AbortSignal.any([closedSignal(request, reply), AbortSignal.timeout(METADATA_TIMEOUT_MS)]);
  return { signal, budget: UNLIMITED };
}
