import type { StaticDiscoveryConfig } from "./config.ts";
import type { Discoverer, Emit } from "./discoverer.ts";

/** StaticDiscoverer emits what the configuration lists, once. */
export class StaticDiscoverer implements Discoverer {
  private readonly config: StaticDiscoveryConfig;

  constructor(config: StaticDiscoveryConfig) {
    this.config = config;
  }

  run(emit: Emit): Promise<void> {
    emit(this.config.groups.map((group, i) => ({ ...group, source: String(i) })));
    return Promise.resolve();
  }
}
