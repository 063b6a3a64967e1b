// The two questions that are asked of the Kubernetes API: list objects, and watch them from a version on.
import { type HttpClient, type HttpResponse, readBody } from "../../../lib/http-client.ts";

// Objects per page of a list: the value that client libraries use.
const PAGE_SIZE = 500;
// The largest page that is read. An object is at most 1.5 MB; pages are far smaller in practice.
const MAX_PAGE_BYTES = 256 * 1024 * 1024;
// The longest event that is read.
const MAX_EVENT_BYTES = 16 * 1024 * 1024;
// A watch ends by itself after this, so that a connection that died unnoticed does not stay for ever.
const WATCH_SECONDS = 300;
// How much longer than asked for a watch may last.
const WATCH_GRACE_MS = 30_000;

/** GoneError says that a version is too old to watch from: a new list is needed. */
export class GoneError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "GoneError";
  }
}

/** KubernetesApiError is an answer that is no success. */
export class KubernetesApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = "KubernetesApiError";
    this.status = status;
  }
}

/** Resource is a kind of object, perhaps in one namespace and restricted by selectors. */
export interface Resource {
  /** path is that of the collection: /api/v1/namespaces/x/pods. */
  path: string;
  labelSelector: string;
  fieldSelector: string;
}

/** ObjectList is a whole list and the version at which it was true. */
export interface ObjectList {
  items: unknown[];
  resourceVersion: string;
}

/** WatchEvent is one change. */
export interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  object: unknown;
  resourceVersion: string;
}

/** KubernetesApi talks to one API server. */
export class KubernetesApi {
  private readonly client: HttpClient;
  private readonly base: string;

  constructor(client: HttpClient, base: string) {
    this.client = client;
    this.base = base.replace(/\/+$/, "");
  }

  /** list reads all pages. Rejects with GoneError when the list changed too much between two pages. */
  async list(resource: Resource, signal: AbortSignal): Promise<ObjectList> {
    const items: unknown[] = [];
    let next = "";
    for (;;) {
      const query: Record<string, string> = { limit: String(PAGE_SIZE) };
      if (next !== "") query["continue"] = next;
      const response = await this.get(resource, query, signal);
      const page = JSON.parse(Buffer.from(await readBody(response, MAX_PAGE_BYTES)).toString("utf8")) as {
        items?: unknown[] | null;
        metadata?: { continue?: string; resourceVersion?: string };
      };
      for (const item of page.items ?? []) items.push(item);
      next = page.metadata?.continue ?? "";
      if (next === "") return { items, resourceVersion: page.metadata?.resourceVersion ?? "" };
    }
  }

  /** watch yields what changes after a version until the server ends it. Throws GoneError for a version too old. */
  async *watch(resource: Resource, resourceVersion: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const query = {
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion,
      timeoutSeconds: String(WATCH_SECONDS),
    };
    const deadline = AbortSignal.timeout(WATCH_SECONDS * 1000 + WATCH_GRACE_MS);
    const response = await this.get(resource, query, AbortSignal.any([signal, deadline]));
    for await (const line of lines(response.body)) {
      const event = JSON.parse(line) as { type: string; object: unknown };
      if (event.type === "ERROR") throw statusError(event.object);
      const type = event.type as WatchEvent["type"];
      yield { type, object: event.object, resourceVersion: versionOf(event.object) };
    }
  }

  private async get(resource: Resource, query: Record<string, string>, signal: AbortSignal): Promise<HttpResponse> {
    const url = new URL(this.base + resource.path);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    if (resource.labelSelector !== "") url.searchParams.set("labelSelector", resource.labelSelector);
    if (resource.fieldSelector !== "") url.searchParams.set("fieldSelector", resource.fieldSelector);
    const response = await this.client.request(url.href, { headers: { accept: "application/json" }, signal });
    if (response.status === 200) return response;
    const body = Buffer.from(await readBody(response, MAX_EVENT_BYTES)).toString("utf8");
    let status: unknown = { code: response.status, message: `${response.statusText}: ${body.trim().slice(0, 500)}` };
    try {
      const parsed: unknown = JSON.parse(body);
      if ((parsed as { kind?: string } | null)?.kind === "Status") status = parsed;
    } catch {
      // A proxy in between answers in its own way.
    }
    throw statusError(status);
  }
}

function statusError(value: unknown): Error {
  const { code, message, reason } = (value ?? {}) as { code?: number; message?: string; reason?: string };
  const text = message ?? "unknown error of the API server";
  if (code === 410 || reason === "Gone" || reason === "Expired") return new GoneError(text);
  return new KubernetesApiError(code ?? 0, text);
}

function versionOf(value: unknown): string {
  return (value as { metadata?: { resourceVersion?: string } } | null)?.metadata?.resourceVersion ?? "";
}

async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    let end: number;
    while ((end = rest.indexOf("\n")) !== -1) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      if (line.trim() !== "") yield line;
    }
    if (rest.length > MAX_EVENT_BYTES)
      throw new Error(`an event of the API server is longer than ${MAX_EVENT_BYTES} bytes`);
  }
  if (rest.trim() !== "") yield rest;
}
