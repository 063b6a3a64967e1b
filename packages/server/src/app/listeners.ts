// Listening: the main addresses, which must work, and the conventional ports of the tools Belfry stands in for,
// which are a courtesy: one that is taken is a warning.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { AppError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";

/** ListenError says which address could not be listened on, and why. */
export class ListenError extends AppError {
  constructor(address: string, cause: unknown) {
    super("LISTEN_FAILED", `cannot listen on ${address}: ${reasonOf(cause)}`, { cause });
  }
}

// Dashboards put queries of many kilobytes into the address; this is what Go's servers, and so Prometheus, take.
const MAX_HEADER_BYTES = 1024 * 1024;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** HostPort is a parsed listen address. */
export interface HostPort {
  host: string;
  port: number;
}

/** parseListenAddress reads `host:port`, `:port`, or `[v6]:port`. Throws AppError. */
export function parseListenAddress(text: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new AppError("LISTEN_ADDRESS", `expected a listen address like 127.0.0.1:3000, got ${JSON.stringify(text)}`);
  }
  return { host: match[1] ?? match[2] ?? "", port };
}

/** isLoopback tells whether an address can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

const IDLE_CHECK_MS = 50;

/** Listeners owns the sockets. */
export class Listeners {
  private readonly servers: Server[] = [];
  private readonly handler: Handler;
  private readonly log: Logger;

  constructor(handler: Handler, log: Logger) {
    this.handler = handler;
    this.log = log;
  }

  /** listen opens a main address and returns the port it got. Rejects with ListenError. */
  async listen(address: HostPort): Promise<number> {
    try {
      return await this.open(address);
    } catch (error) {
      throw new ListenError(`${address.host}:${address.port}`, error);
    }
  }

  /** listenConventional opens a conventional port, or says in one line why not. */
  async listenConventional(what: string, address: HostPort): Promise<boolean> {
    try {
      await this.open(address);
      return true;
    } catch (error) {
      this.log.warn(`Not listening on the conventional port of ${what}`, {
        address: `${address.host}:${address.port}`,
        reason: reasonOf(error),
      });
      return false;
    }
  }

  /** close stops accepting, lets running requests finish for `graceMs`, then cuts them off. */
  async close(graceMs: number): Promise<void> {
    await Promise.all(
      this.servers.map(
        (server) =>
          new Promise<void>((resolve) => {
            const cut = setTimeout(() => server.closeAllConnections(), graceMs);
            // A connection kept alive turns idle only when the request under way on it has been answered.
            const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
            server.close(() => {
              clearTimeout(cut);
              clearInterval(idle);
              resolve();
            });
            server.closeIdleConnections();
          }),
      ),
    );
  }

  private open(address: HostPort): Promise<number> {
    const server = createServer(
      {
        requestTimeout: 120_000,
        headersTimeout: 30_000,
        keepAliveTimeout: 75_000,
        maxHeaderSize: MAX_HEADER_BYTES,
      },
      this.handler,
    );
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(address.port, address.host === "" ? undefined : address.host, () => {
        server.off("error", reject);
        this.servers.push(server);
        resolve((server.address() as AddressInfo).port);
      });
    });
  }
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "EADDRINUSE") return "the port is in use";
  if (code === "EACCES") return "permission denied";
  if (code === "EADDRNOTAVAIL") return "this machine has no such address";
  return error instanceof Error ? error.message : String(error);
}
