// Informer keeps a copy of all objects of one resource: a list first, then every change. What the API server cannot
// tell does not change the copy.
//
//   list -> watch --(ends)--> watch from the last version --(410 Gone)--> list ...
//            \--(fails)--> wait, longer each time --> watch
import { sleep } from "../../../lib/clock.ts";
import type { DiscoveryEnvironment } from "../discoverer.ts";
import { type DiscoveryMetrics, discoveryMetrics } from "../metrics.ts";
import { GoneError, type KubernetesApi, type Resource } from "./api.ts";
import type { KubeObject } from "./objects.ts";

/** InformerEvent is what happened to an object. */
export type InformerEvent = "add" | "update" | "delete";

/** Informer is started once; `onChange` is called for every object that came, changed or went. */
export class Informer<T extends KubeObject> {
  /** objects are by namespace/name, or name where there is no namespace. */
  readonly objects = new Map<string, T>();
  /** synced resolves when the first list is there. */
  readonly synced: Promise<void>;
  private readonly role: string;
  private readonly api: KubernetesApi;
  private readonly resource: Resource;
  private readonly decode: (value: unknown) => T;
  private readonly onChange: (key: string, event: InformerEvent, object: T) => void;
  private readonly env: DiscoveryEnvironment;
  private readonly metrics: DiscoveryMetrics;
  private markSynced: () => void = () => {};
  private version = "";
  private failures = 0;

  constructor(
    role: string,
    api: KubernetesApi,
    resource: Resource,
    decode: (value: unknown) => T,
    onChange: (key: string, event: InformerEvent, object: T) => void,
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
  }

  /** run lists and watches until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.version === "") await this.list(signal);
        await this.watch(signal);
        this.failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof GoneError) {
          this.version = "";
          // An old version is nothing wrong the first time, but a server that always says so is not asked in a loop.
          if (this.failures++ === 0) continue;
        } else {
          this.failures++;
          this.metrics.kubernetesFailures.inc();
          this.env.log.error("Failed to watch Kubernetes objects", {
            discovery: "kubernetes",
            resource: this.resource.path,
            err: error,
          });
        }
      }
      try {
        await sleep(this.env.clock, this.delayMs(), signal);
      } catch {
        return;
      }
    }
  }

  // The wait doubles from 0.8 s to 30 s, as client libraries do, with some chance in it so that a thousand clients
  // do not come back at once. A watch that ended in good order is followed by the next almost at once.
  private delayMs(): number {
    const base = this.failures === 0 ? 100 : Math.min(800 * 2 ** (this.failures - 1), 30_000);
    return base * (1 + Math.random() * 0.5);
  }

  private async list(signal: AbortSignal): Promise<void> {
    const { items, resourceVersion } = await this.api.list(this.resource, signal);
    const gone = new Map(this.objects);
    for (const item of items) {
      const object = this.decode(item);
      const key = objectKey(object);
      gone.delete(key);
      this.put(key, object);
    }
    for (const key of gone.keys()) this.remove(key);
    this.version = resourceVersion;
    this.markSynced();
  }

  private async watch(signal: AbortSignal): Promise<void> {
    for await (const event of this.api.watch(this.resource, this.version, signal)) {
      if (event.resourceVersion !== "") this.version = event.resourceVersion;
      this.failures = 0;
      if (event.type === "BOOKMARK") continue;
      const object = this.decode(event.object);
      if (event.type === "DELETED") this.remove(objectKey(object));
      else this.put(objectKey(object), object);
    }
  }

  private put(key: string, object: T): void {
    const event = this.objects.has(key) ? "update" : "add";
    this.objects.set(key, object);
    this.metrics.kubernetesEvents.with(this.role, event).inc();
    this.onChange(key, event, object);
  }

  private remove(key: string): void {
    const object = this.objects.get(key);
    if (object === undefined) return;
    this.objects.delete(key);
    this.metrics.kubernetesEvents.with(this.role, "delete").inc();
    this.onChange(key, "delete", object);
  }
}

/** objectKey names an object within its resource. */
export function objectKey({ meta }: KubeObject): string {
  return meta.namespace === "" ? meta.name : `${meta.namespace}/${meta.name}`;
}
