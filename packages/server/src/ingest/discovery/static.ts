import type { StaticDiscoveryConfig } from "./config.ts";
import type { Discoverer } from "./discoverer.ts";

/** staticDiscoverer emits what the configuration lists, once. */
export function staticDiscoverer(config: StaticDiscoveryConfig): Discoverer {
  return {
    run(emit, signal) {
      emit(config.groups);
      if (signal.aborted) return Promise.resolve();
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    },
  };
}
