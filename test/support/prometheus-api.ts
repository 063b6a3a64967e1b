// Asks the Prometheus HTTP API of a server under test and gives back everything a client sees.
import { type ClientRequest, type IncomingHttpHeaders, request } from "node:http";

/** Envelope is the JSON that every route of the API answers with. */
export interface Envelope {
  status: string;
  data?: unknown;
  errorType?: string;
  error?: string;
  warnings?: string[];
  infos?: string[];
}

/** ApiAnswer is one answer. */
export interface ApiAnswer {
  status: number;
  headers: Headers;
  json: Envelope;
}

/** Parameters are those of a query string or form; a list repeats the parameter. */
export type Parameters = Readonly<Record<string, string | number | readonly string[]>>;

/** get asks a route below /api/v1. */
export async function get(
  url: string,
  path: string,
  parameters: Parameters = {},
  init: RequestInit = {},
): Promise<ApiAnswer> {
  return answer(await fetch(`${url}/api/v1/${path}?${encoded(parameters).toString()}`, init));
}

/** post sends a form to a route below /api/v1. */
export async function post(url: string, path: string, parameters: Parameters = {}): Promise<ApiAnswer> {
  return answer(await fetch(`${url}/api/v1/${path}`, { method: "POST", body: encoded(parameters) }));
}

/** encoded makes parameters into a query string or form. */
export function encoded(parameters: Parameters): URLSearchParams {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [String(value)]) out.append(name, one);
  }
  return out;
}

async function answer(response: Response): Promise<ApiAnswer> {
  const text = await response.text();
  let json: Envelope;
  try {
    json = JSON.parse(text) as Envelope;
  } catch (cause) {
    throw new Error(`${response.url} answered ${response.status} with no JSON: ${text.slice(0, 200)}`, { cause });
  }
  return { status: response.status, headers: response.headers, json };
}

/** RawAnswer is the answer to a request that `exchange` sent. */
export interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** exchange sends a request that fetch would not: `write` is given the open request and ends it, or does not. */
export function exchange(
  url: string,
  options: { method?: string; headers?: Record<string, string | number> },
  write: (open: ClientRequest) => void = (open) => open.end(),
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const open = request(url, { agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
      response.once("error", reject);
    });
    open.once("error", reject);
    write(open);
  });
}

/** unlessBroken is for requests that are refused while they are still being sent: the sender may see the answer, or only that the connection is closed. */
export async function unlessBroken(answer: Promise<RawAnswer>): Promise<RawAnswer | undefined> {
  try {
    return await answer;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EPIPE" || code === "ECONNRESET") return undefined;
    throw error;
  }
}
