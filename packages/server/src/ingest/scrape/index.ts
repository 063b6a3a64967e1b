export { type EscapingScheme, SCRAPE_PROTOCOLS, type ScrapeProtocol } from "./accept.ts";
export { formatDurationMs, parseDurationMs } from "./duration.ts";
export { type PoolSettings, type TargetGroup } from "./scrape-pool.ts";
export { ScrapeManager, type ScrapeManagerOptions, type TargetStatus } from "./scrape-manager.ts";
