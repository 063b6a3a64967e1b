// A double of the Kubernetes API server: it holds objects by collection, answers lists page by page and watches from
// a version on, and can misbehave: end watches, forget old versions, answer with errors.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

/** KubeJson is an object as the API sends it. */
export interface KubeJson {
  metadata: { name: string; namespace?: string; resourceVersion?: string } & Record<string, unknown>;
  [key: string]: unknown;
}

interface Change {
  version: number;
  type: "ADDED" | "MODIFIED" | "DELETED";
  object: KubeJson;
}

interface Watcher {
  collection: string;
  namespace: string;
  response: ServerResponse;
}

/** KubernetesApiDouble is started with `listen` and ended with `close`. */
export class KubernetesApiDouble {
  /** requests lists what was asked, path and query. */
  readonly requests: string[] = [];
  /** authorizations lists the Authorization header of each request. */
  readonly authorizations: (string | undefined)[] = [];
  /** pageSize splits lists; a client's limit may be smaller. */
  pageSize = 1000;
  /** failWith, when set, answers everything with this status. */
  failWith: number | undefined;
  /** refused maps collections to the status that they are answered with, as when a right is missing. */
  readonly refused = new Map<string, number>();
  /** refusedNamespaces are answered with 403. */
  readonly refusedNamespaces = new Set<string>();
  /** expirePages answers so many requests for a further page with 410. */
  expirePages = 0;
  /** forgetful answers every watch with 410. */
  forgetful = false;
  private readonly server: Server;
  private readonly scheme: string;
  private readonly objects = new Map<string, Map<string, KubeJson>>();
  private changes = new Map<string, Change[]>();
  private watchers = new Set<Watcher>();
  private version = 100;
  /** oldest is the lowest version that can be watched from. */
  private oldest = 0;

  /** With a key and a certificate it speaks TLS. */
  constructor(tls?: { key: string; cert: string }) {
    const answer = (request: IncomingMessage, response: ServerResponse): void => this.answer(request, response);
    this.server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
    this.scheme = tls === undefined ? "http" : "https";
  }

  listen(): Promise<string> {
    return new Promise((resolve) => {
      this.server.listen(0, "127.0.0.1", () => {
        resolve(`${this.scheme}://127.0.0.1:${(this.server.address() as AddressInfo).port}`);
      });
    });
  }

  async close(): Promise<void> {
    this.endWatches();
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  /** put adds an object or changes it. `collection` is /api/v1/pods and the like, without a namespace. */
  put(collection: string, object: KubeJson): void {
    const held = this.collection(collection);
    const key = keyOf(object);
    const type = held.has(key) ? "MODIFIED" : "ADDED";
    const stamped = this.stamp(object);
    held.set(key, stamped);
    this.change(collection, { version: this.version, type, object: stamped });
  }

  /** remove deletes an object. */
  remove(collection: string, name: string, namespace = ""): void {
    const held = this.collection(collection);
    const key = namespace === "" ? name : `${namespace}/${name}`;
    const object = held.get(key);
    if (object === undefined) throw new Error(`no ${key} in ${collection}`);
    held.delete(key);
    const stamped = this.stamp(object);
    this.change(collection, { version: this.version, type: "DELETED", object: stamped });
  }

  /** endWatches ends every watch as the server does after its timeout. */
  endWatches(): void {
    for (const { response } of this.watchers) response.end();
    this.watchers.clear();
  }

  /** breakWatches drops the connections of every watch. */
  breakWatches(): void {
    for (const { response } of this.watchers) response.destroy();
    this.watchers.clear();
  }

  /** write sends a text to every watch as it is. */
  write(text: string): void {
    for (const { response } of this.watchers) response.write(text);
  }

  /** forget makes every version so far too old to watch from; watches that run are told so. */
  forget(): void {
    this.version++;
    this.oldest = this.version;
    this.changes = new Map();
    for (const { response } of this.watchers) {
      response.write(`${JSON.stringify({ type: "ERROR", object: gone() })}\n`);
      response.end();
    }
    this.watchers.clear();
  }

  /** bookmark tells all watches of the present version. */
  bookmark(): void {
    for (const { response } of this.watchers) {
      const object = { metadata: { resourceVersion: String(this.version) } };
      response.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
    }
  }

  /** watchCount is the number of watches that run. */
  get watchCount(): number {
    return this.watchers.size;
  }

  private collection(name: string): Map<string, KubeJson> {
    let held = this.objects.get(name);
    if (held === undefined) this.objects.set(name, (held = new Map<string, KubeJson>()));
    return held;
  }

  private stamp(object: KubeJson): KubeJson {
    this.version++;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } };
  }

  private change(collection: string, change: Change): void {
    const changes = this.changes.get(collection) ?? [];
    changes.push(change);
    this.changes.set(collection, changes);
    for (const watcher of this.watchers) {
      if (watcher.collection === collection && inNamespace(change.object, watcher.namespace)) send(watcher, change);
    }
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, "http://localhost");
    this.requests.push(`${url.pathname}${decodeURIComponent(url.search)}`);
    this.authorizations.push(request.headers.authorization);
    if (this.failWith !== undefined) {
      response.writeHead(this.failWith, { "content-type": "application/json" });
      response.end(JSON.stringify({ kind: "Status", code: this.failWith, message: "the server is not well" }));
      return;
    }
    const match = /^(\/apis?\/.*?)(?:\/namespaces\/([^/]+))?\/([a-z]+)$/.exec(url.pathname)!;
    const collection = `${match[1]}/${match[3]}`;
    const namespace = decodeURIComponent(match[2] ?? "");
    const query = url.searchParams;
    const refusal = this.refusedNamespaces.has(namespace) ? 403 : this.refused.get(collection);
    if (refusal !== undefined) {
      response.writeHead(refusal, { "content-type": "application/json" });
      const reason = refusal === 403 ? "Forbidden" : "NotFound";
      response.end(JSON.stringify({ kind: "Status", code: refusal, reason, message: `${match[3]}: ${reason}` }));
      return;
    }
    if ((query.has("continue") && this.expirePages-- > 0) || (this.forgetful && query.has("watch"))) {
      response.writeHead(410, { "content-type": "application/json" });
      response.end(JSON.stringify(gone()));
      return;
    }
    if (query.get("watch") === "true")
      this.watch(collection, namespace, Number(query.get("resourceVersion")), response);
    else this.list(collection, namespace, query, response);
  }

  private list(collection: string, namespace: string, query: URLSearchParams, response: ServerResponse): void {
    const all = [...this.collection(collection).values()].filter((object) => inNamespace(object, namespace));
    const from = Number(query.get("continue") ?? 0);
    const size = Math.min(this.pageSize, Number(query.get("limit") ?? Infinity));
    const next = from + size < all.length ? String(from + size) : "";
    response.writeHead(200, { "content-type": "application/json" });
    response.end(
      JSON.stringify({
        kind: "List",
        metadata: { resourceVersion: String(this.version), ...(next === "" ? {} : { continue: next }) },
        items: all.slice(from, from + size),
      }),
    );
  }

  private watch(collection: string, namespace: string, from: number, response: ServerResponse): void {
    if (from < this.oldest) {
      response.writeHead(410, { "content-type": "application/json" });
      response.end(JSON.stringify(gone()));
      return;
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const watcher: Watcher = { collection, namespace, response };
    for (const change of this.changes.get(collection) ?? []) {
      if (change.version > from && inNamespace(change.object, namespace)) send(watcher, change);
    }
    this.watchers.add(watcher);
    response.on("close", () => this.watchers.delete(watcher));
  }
}

function send({ response }: Watcher, { type, object }: Change): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

function gone(): unknown {
  return { kind: "Status", status: "Failure", code: 410, reason: "Expired", message: "too old resource version" };
}

function keyOf({ metadata }: KubeJson): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

function inNamespace({ metadata }: KubeJson, namespace: string): boolean {
  return namespace === "" || metadata.namespace === namespace;
}
