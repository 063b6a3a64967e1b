export type { DiscoveryConfig } from "./config.ts";
export { createDiscoverer, UnsupportedDiscoveryError } from "./create.ts";
export type { Discoverer, DiscoveryEnvironment, Emit } from "./discoverer.ts";
export { DiscoveryManager, type DiscoveryManagerOptions } from "./manager.ts";
export type { LabelSet, TargetGroup } from "./target-group.ts";
