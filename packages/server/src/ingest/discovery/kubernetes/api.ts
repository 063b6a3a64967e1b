// The two questions that are asked of the Kubernetes API: list objects, and watch them from a version on.
import { type HttpClient, type HttpResponse, readBody } from "../../../lib/http-client.ts";
import { jsonLines } from "./json-lines.ts";

// Objects per page of a list: the value that client libraries use.
const PAGE_SIZE = 500;
// The largest page that is read. An object is at most 1.5 MB; pages are far smaller in practice.
const MAX_PAGE_BYTES = 256 * 1024 * 1024;
// How long a page may take.
const PAGE_TIMEOUT_MS = 120_000;
// The longest event that is read: an object with room for what the API server adds.
const MAX_EVENT_BYTES = 16 * 1024 * 1024;
// A watch ends by itself after this, so that a connection that died unnoticed does not stay for ever.
const WATCH_SECONDS = 300;
// How much longer than asked for a watch may last.
const WATCH_GRACE_MS = 30_000;

/** GoneError says that a version is too old to go on from: a new list is needed. */
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

  /** isRefusal says that asking again brings nothing until somebody changes the cluster: no right, no such kind. */
  get isRefusal(): boolean {
    return this.status === 401 || this.status === 403 || this.status === 404;
  }
}

/** Resource is a kind of object, perhaps in one namespace and restricted by selectors. */
export interface Resource {
  /** path is that of the collection: /api/v1/namespaces/x/pods. */
  path: string;
  labelSelector: string;
  fieldSelector: string;
}

/** ObjectPage is a part of a list and the version at which the whole list was true. */
export interface ObjectPage {
  items: readonly unknown[];
  resourceVersion: string;
}

/** WatchEvent is one change. */
export interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  object: unknown;
  resourceVersion: string;
}

const EVENT_TYPES: ReadonlySet<string> = new Set<WatchEvent["type"]>(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]);

/** KubernetesApi talks to one API server. */
export class KubernetesApi {
  private readonly client: HttpClient;
  private readonly base: string;

  constructor(client: HttpClient, base: string) {
    this.client = client;
    this.base = base.replace(/\/+$/, "");
  }

  /** list yields a list page by page. Throws GoneError when it changed too much between two pages. */
  async *list(resource: Resource, signal: AbortSignal): AsyncGenerator<ObjectPage> {
    for (let next = ""; ;) {
      const query: Record<string, string> = { limit: String(PAGE_SIZE) };
      if (next !== "") query["continue"] = next;
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(PAGE_TIMEOUT_MS)]);
      const response = await this.get(resource, query, bounded);
      const page = JSON.parse(Buffer.from(await readBody(response, MAX_PAGE_BYTES)).toString("utf8")) as {
        items?: unknown[] | null;
        metadata?: { continue?: string; resourceVersion?: string };
      };
      yield { items: page.items ?? [], resourceVersion: page.metadata?.resourceVersion ?? "" };
      next = page.metadata?.continue ?? "";
      if (next === "") return;
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
    for await (const event of jsonLines(response.body, MAX_EVENT_BYTES)) {
      const { type, object } = event as { type: string; object: unknown };
      if (type === "ERROR") throw statusError(object);
      if (!EVENT_TYPES.has(type)) throw new Error(`unknown kind of watch event: ${JSON.stringify(type)}`);
      yield { type: type as WatchEvent["type"], object, resourceVersion: versionOf(object) };
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
