// One body is bounded by its route; this bounds all of them together. Without it a few dozen senders of large bodies
// could fill the memory before a single one of them is complete enough to be judged.
import { Transform } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { ApiError } from "./errors.ts";

// Four of the largest bodies of any route (remote write's 32 MiB). Prometheus sends less than 1 MB a request, from 50
// connections by default.
const BUDGET_BYTES = 128 * 1024 * 1024;

// The methods whose bodies are read at all.
const METHODS: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** boundBodies refuses with 503 the requests whose bodies would take all bodies under way past the budget. */
export function boundBodies(app: FastifyInstance, budgetBytes = BUDGET_BYTES): void {
  let heldBytes = 0;
  const hold = (bytes: number): void => {
    if (heldBytes + bytes > budgetBytes) {
      throw new ApiError("unavailable", `request bodies under way would exceed ${budgetBytes} bytes, try again`, {
        retryAfterSeconds: 1,
      });
    }
    heldBytes += bytes;
  };

  app.addHook("preParsing", async (request, reply, payload) => {
    if (!METHODS.has(request.method)) return payload;
    const announced = announcedBytes(request);
    let ownBytes = 0;
    // A connection that breaks has no response, but it always closes.
    const releaseAtEnd = (): void => {
      reply.raw.once("close", () => (heldBytes -= ownBytes));
    };
    if (announced !== undefined) {
      // What is larger than its route allows is refused by the route, without being read.
      if (announced === 0 || announced > request.routeOptions.bodyLimit) return payload;
      hold(announced);
      ownBytes = announced;
      releaseAtEnd();
      return payload;
    }
    releaseAtEnd();
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, callback) {
        try {
          hold(chunk.length);
        } catch (error) {
          callback(error as Error);
          return;
        }
        ownBytes += chunk.length;
        callback(null, chunk);
      },
    });
    payload.once("error", (error) => counted.destroy(error));
    return payload.pipe(counted);
  });
}

// undefined where the length shows only at the end.
function announcedBytes(request: FastifyRequest): number | undefined {
  if (request.headers["transfer-encoding"] !== undefined) return undefined;
  return Number(request.headers["content-length"] ?? 0);
}
