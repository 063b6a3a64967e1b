// A scrape target whose answer a test decides, also when the answer is none.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** TargetAnswer answers one scrape in any way HTTP allows and some it does not. */
export type TargetAnswer = (request: IncomingMessage, response: ServerResponse) => void;

/** TEXT_FORMAT is the Content-Type of the classic text format. */
export const TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8";

/** OPENMETRICS_FORMAT is the Content-Type of OpenMetrics. */
export const OPENMETRICS_FORMAT = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** ExpositionTarget serves expositions on a free loopback port. */
export class ExpositionTarget {
  /** answer is used for every scrape from now on. */
  answer: TargetAnswer;
  /** scrapes counts the requests. */
  scrapes = 0;
  private readonly server: Server;

  private constructor(answer: TargetAnswer) {
    this.answer = answer;
    this.server = createServer((request, response) => {
      this.scrapes++;
      // A scraper that gives up closes the connection under a body without end.
      response.on("error", () => {});
      this.answer(request, response);
    });
  }

  /** start serves `answer`. */
  static async start(answer: TargetAnswer): Promise<ExpositionTarget> {
    const target = new ExpositionTarget(answer);
    await new Promise<void>((resolve) => target.server.listen(0, "127.0.0.1", resolve));
    return target;
  }

  /** address is what static_configs name. */
  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** close ends the server and its connections. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

/** exposes answers with a complete body. */
export function exposes(body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): TargetAnswer {
  return (_request, response) => {
    response.writeHead(200, { "content-type": TEXT_FORMAT, ...headers });
    response.end(body);
  };
}

/** exposesWithoutEnd writes `piece` for as long as somebody reads. */
export function exposesWithoutEnd(piece: string): TargetAnswer {
  return (_request, response) => {
    response.writeHead(200, { "content-type": TEXT_FORMAT });
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
    };
    response.on("drain", more);
    more();
  };
}

/** resets answers by breaking the connection after `before` bytes of a body. */
export function resets(before: string): TargetAnswer {
  return (request, response) => {
    const socket = request.socket;
    if (before === "") {
      socket.resetAndDestroy();
      return;
    }
    response.writeHead(200, { "content-type": TEXT_FORMAT, "content-length": before.length * 2 });
    response.write(before, () => socket.resetAndDestroy());
  };
}
