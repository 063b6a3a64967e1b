export { createHostCollector, type HostCollector, type HostCollectorOptions } from "./host-collector.ts";
export { DEFAULT_FLAGS, type HostFlags } from "./collector.ts";
export { DEFAULT_PATHS, type HostPaths } from "./host-files.ts";
