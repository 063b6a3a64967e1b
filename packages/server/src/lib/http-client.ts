// HTTP out of Belfry: scraping, discovery, remote write, notifications. One client per configuration.
import { Agent, type Dispatcher, request } from "undici";

/** HttpRequest is one request; `signal` bounds all of it, body included. */
export interface HttpRequest {
  method?: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
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
  body: AsyncIterable<Uint8Array>;
  discard(): Promise<void>;
}

/** HttpClient sends requests with one configuration's credentials, TLS and proxy. */
export class HttpClient {
  private readonly dispatcher: Dispatcher;

  constructor() {
    this.dispatcher = new Agent({ connections: 4, pipelining: 1 });
  }

  async request(url: string, options: HttpRequest = {}): Promise<HttpResponse> {
    const response = await request(url, {
      method: options.method ?? "GET",
      headers: options.headers,
      body: options.body,
      signal: options.signal,
      dispatcher: this.dispatcher,
    });
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(response.headers)) {
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
    }
    return {
      status: response.statusCode,
      statusText: String(response.statusCode),
      headers,
      body: response.body,
      discard: () => response.body.dump(),
    };
  }

  async close(): Promise<void> {
    await this.dispatcher.destroy();
  }
}
