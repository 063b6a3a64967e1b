export { discoveredLabels, populateLabels } from "./populate-labels.ts";
export { type PoolSettings, type TargetGroup } from "./scrape-pool.ts";
export { poolSettings } from "./pool-settings.ts";
export { ScrapeManager, type ScrapeManagerOptions, type TargetStatus } from "./scrape-manager.ts";
