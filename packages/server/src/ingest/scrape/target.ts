// Target is one endpoint that is scraped, or a function in this process that renders metrics.
import { createHash } from "node:crypto";
import { Labels } from "@belfry/core/model";
import type { SeriesCache } from "./series-cache.ts";

/** TargetHealth is the outcome of the last scrape. */
export type TargetHealth = "unknown" | "up" | "down";

/** Target carries its labels and how its last scrape went. */
export class Target {
  /** allLabels are the labels after relabelling, `__address__` and its like included. */
  readonly allLabels: Labels;
  /** labels are those that go on every series: without names that begin with `__`. */
  readonly labels: Labels;
  readonly url: string;
  /** key identifies the target: same labels, internal ones included, and same URL. */
  readonly key: string;
  /** identity is equal for targets whose series are the same: same labels on the series and same URL. */
  readonly identity: string;
  discoveredLabels: Labels;
  health: TargetHealth = "unknown";
  lastError = "";
  /** lastScrapeMs is 0 before the first scrape. */
  lastScrapeMs = 0;
  lastScrapeDurationMs = 0;
  /** cache is the running loop's. */
  cache: SeriesCache | undefined;
  private readonly hash: bigint;

  constructor(allLabels: Labels, discoveredLabels: Labels, url: string) {
    this.allLabels = allLabels;
    this.discoveredLabels = discoveredLabels;
    this.labels = publicLabels(allLabels);
    this.url = url;
    this.key = `${allLabels.key}\n${url}`;
    this.identity = `${this.labels.key}\n${url}`;
    this.hash = createHash("sha256").update(this.key).digest().readBigUInt64LE();
  }

  /** report notes the outcome of a scrape; `error` is empty for a good one. */
  report(timeMs: number, durationMs: number, error: string): void {
    this.health = error === "" ? "up" : "down";
    this.lastError = error;
    this.lastScrapeMs = timeMs;
    this.lastScrapeDurationMs = durationMs;
  }

  /** offsetMs is the time from `nowMs` to the target's next place in the interval. The place is the same whenever this is asked. */
  offsetMs(nowMs: number, intervalMs: number, seed: bigint): number {
    const interval = BigInt(Math.round(intervalMs * 1e6));
    const place = Number((this.hash ^ seed) % interval) / 1e6;
    const wait = intervalMs - (nowMs % intervalMs) + place;
    return wait > intervalMs ? wait - intervalMs : wait;
  }
}

function publicLabels(labels: Labels): Labels {
  const pairs: string[] = [];
  for (const [name, value] of labels) if (!name.startsWith("__")) pairs.push(name, value);
  return new Labels(pairs);
}
