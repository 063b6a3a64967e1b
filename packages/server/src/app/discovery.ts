import type { TargetGroup } from "../ingest/scrape/index.ts";

/** Discovery finds the targets of all jobs of one configuration. */
export interface Discovery {
  /** start calls back with all groups of a job whenever they change. */
  start(update: (job: string, groups: readonly TargetGroup[]) => Promise<void>): void;
  stop(): void;
}

/** NO_DISCOVERY finds nothing. */
export const NO_DISCOVERY: Discovery = { start() {}, stop() {} };
