// A double of the Docker daemon: it answers what a test puts into it, over TCP or a Unix socket, and remembers what
// it was asked.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** DockerApiDouble is started with `listen` and ended with `close`. */
export class DockerApiDouble {
  /** containers and networks are sent as they are, as JSON. */
  containers: unknown = [];
  networks: unknown = [];
  /** apiVersion is what the daemon says of itself; "" says nothing. */
  apiVersion = "1.40";
  /** failWith, when set, is the status of every answer but the version's. */
  failWith: number | undefined;
  /** silent lets every request wait for ever. */
  silent = false;
  /** requests lists what was asked, path and decoded query. */
  readonly requests: string[] = [];
  /** authorizations lists the Authorization header of each request. */
  readonly authorizations: (string | undefined)[] = [];
  /** address is what `listen` returned. */
  address = "";
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => this.answer(request, response));
  }

  /** listen serves on a Unix socket, or else on a free loopback port; it returns the address for `host`. */
  async listen(socketPath?: string): Promise<string> {
    await new Promise<void>((resolve) => {
      if (socketPath === undefined) this.server.listen(0, "127.0.0.1", resolve);
      else this.server.listen(socketPath, resolve);
    });
    this.address =
      socketPath === undefined
        ? `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
        : `unix://${socketPath}`;
    return this.address;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(decodeURIComponent(request.url!));
    this.authorizations.push(request.headers.authorization);
    if (this.silent) return;
    if (this.apiVersion !== "") response.setHeader("api-version", this.apiVersion);
    const path = new URL(request.url!, "http://localhost").pathname.replace(/^\/v[\d.]+/, "");
    if (path === "/_ping") {
      response.end("OK");
      return;
    }
    response.setHeader("content-type", "application/json");
    if (this.failWith !== undefined) {
      response.statusCode = this.failWith;
      response.end(JSON.stringify({ message: "the daemon is not well" }));
    } else if (path === "/containers/json") response.end(JSON.stringify(this.containers));
    else if (path === "/networks") response.end(JSON.stringify(this.networks));
    else {
      response.statusCode = 404;
      response.end(JSON.stringify({ message: "page not found" }));
    }
  }
}
