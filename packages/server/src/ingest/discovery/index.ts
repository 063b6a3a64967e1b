export type { DiscoveryConfig } from "./config.ts";
export { createDiscoverer, type DiscoveryEnvironment } from "./create.ts";
export type { Discoverer, Emit } from "./discoverer.ts";
export { DiscoveryManager, type DiscoveryManagerOptions } from "./manager.ts";
export type { LabelSet, TargetGroup } from "./target-group.ts";
