// Informer keeps a copy of all objects of one resource: a list first, then every change. What the API server cannot
// tell does not change the copy.
//
//   list -> watch --(ends)--> watch from the last version --(410 Gone)--> list ...
//            \--(fails)--> wait, longer each time --> watch
import { sleep } from "../../../lib/clock.ts";
import { Backoff } from "../../../lib/retry.ts";
import type { DiscoveryEnvironment } from "../discoverer.ts";
import { type DiscoveryMetrics, discoveryMetrics } from "../metrics.ts";
import { GoneError, type KubernetesApi, KubernetesApiError, type Resource } from "./api.ts";
import type { KubeObject } from "./objects.ts";

// Waits after failures, as client libraries have them.
const BACKOFF = { minMs: 800, maxMs: 30_000 };
// The wait after a watch that ended in good order, and how long it must have lasted for that: a server that ends
// every watch at once is not asked in a loop.
const PAUSE_MS = 100;
const SHORT_WATCH_MS = 1_000;
// The most objects that are kept; far beyond what one cluster can hold (150,000 pods).
const MAX_OBJECTS = 2_000_000;

/** Informer is started once; `onChange` is called for every object that came, changed or went. */
export class Informer<T extends KubeObject> {
  /** objects are by namespace/name, or name where there is no namespace. */
  readonly objects = new Map<string, T>();
  /** synced resolves when the first list is there. */
  readonly synced: Promise<void>;
  /** answered resolves when the first list is there, or when the API server refuses to give one. */
  readonly answered: Promise<void>;
  /** isSynced is true once the first list is there; what came later keeps it so. */
  isSynced = false;
  private readonly role: string;
  private readonly api: KubernetesApi;
  private readonly resource: Resource;
  private readonly decode: (value: unknown) => T;
  private readonly onChange: (key: string, object: T, gone: boolean) => void;
  private readonly env: DiscoveryEnvironment;
  private readonly metrics: DiscoveryMetrics;
  private readonly backoff = new Backoff(BACKOFF);
  private markSynced: () => void = () => {};
  private markAnswered: () => void = () => {};
  /** version is the one to watch from; "" asks for a list. */
  private version = "";

  constructor(
    role: string,
    api: KubernetesApi,
    resource: Resource,
    decode: (value: unknown) => T,
    onChange: (key: string, object: T, gone: boolean) => void,
    env: DiscoveryEnvironment,
  ) {
    this.role = role;
    this.api = api;
    this.resource = resource;
    this.decode = decode;
    this.onChange = onChange;
    this.env = env;
    this.metrics = discoveryMetrics(env.registry);
    this.synced = new Promise((resolve) => (this.markSynced = resolve));
    this.answered = new Promise((resolve) => (this.markAnswered = resolve));
  }

  /** run lists and watches until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let relists = 0;
    while (!signal.aborted) {
      let waitMs = PAUSE_MS;
      try {
        if (this.version === "") await this.list(signal);
        const started = this.env.clock.monotonicMs();
        await this.watch(signal);
        relists = 0;
        if (this.env.clock.monotonicMs() - started >= SHORT_WATCH_MS) this.backoff.reset();
        else waitMs = this.backoff.next();
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof GoneError) {
          this.version = "";
          // An old version is nothing wrong the first time; a server that always says so is not asked in a loop.
          waitMs = relists++ === 0 ? 0 : this.backoff.next();
        } else {
          this.failed(error);
          waitMs = this.backoff.next();
        }
      }
      try {
        await sleep(this.env.clock, waitMs, signal);
      } catch {
        return;
      }
    }
  }

  private failed(error: unknown): void {
    this.metrics.kubernetesFailures.inc();
    this.env.log.error("Failed to watch Kubernetes objects", {
      discovery: "kubernetes",
      resource: this.resource.path,
      err: error,
    });
    if (error instanceof KubernetesApiError && error.isRefusal) this.markAnswered();
  }

  private async list(signal: AbortSignal): Promise<void> {
    const present = new Map<string, T>();
    let version = "";
    // Objects are decoded page by page: as they come they take many times the room.
    for await (const page of this.api.list(this.resource, signal)) {
      version = page.resourceVersion;
      if (present.size + page.items.length > MAX_OBJECTS) {
        throw new Error(`there are more than ${MAX_OBJECTS} objects; selectors can restrict them`);
      }
      for (const item of page.items) {
        const object = this.decode(item);
        present.set(objectKey(object), object);
      }
    }
    for (const [key, object] of this.objects) if (!present.has(key)) this.remove(key, object);
    for (const [key, object] of present) this.put(key, object);
    this.version = version;
    this.isSynced = true;
    this.markSynced();
    this.markAnswered();
  }

  private async watch(signal: AbortSignal): Promise<void> {
    for await (const event of this.api.watch(this.resource, this.version, signal)) {
      if (event.resourceVersion !== "") this.version = event.resourceVersion;
      this.backoff.reset();
      if (event.type === "BOOKMARK") continue;
      const object = this.decode(event.object);
      const key = objectKey(object);
      if (event.type !== "DELETED") this.put(key, object);
      else if (this.objects.has(key)) this.remove(key, object);
    }
  }

  private put(key: string, object: T): void {
    const event = this.objects.has(key) ? "update" : "add";
    if (event === "add" && this.objects.size >= MAX_OBJECTS) {
      throw new Error(`there are more than ${MAX_OBJECTS} objects; selectors can restrict them`);
    }
    this.objects.set(key, object);
    this.metrics.kubernetesEvents.with(this.role, event).inc();
    this.onChange(key, object, false);
  }

  private remove(key: string, object: T): void {
    this.objects.delete(key);
    this.metrics.kubernetesEvents.with(this.role, "delete").inc();
    this.onChange(key, object, true);
  }
}

/** objectKey names an object within its resource. */
export function objectKey({ meta }: KubeObject): string {
  return meta.namespace === "" ? meta.name : `${meta.namespace}/${meta.name}`;
}
