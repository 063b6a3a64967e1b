// What a loaded configuration means to the running process, whatever file it came from.
import type { Labels } from "@belfry/core/model";
import type { Discovery } from "./discovery.ts";
import type { PoolSettings } from "../ingest/scrape/index.ts";

/** RuntimeConfig is one loaded configuration, ready to be applied. */
export interface RuntimeConfig {
  /** yaml is what /api/v1/status/config shows; secrets are hidden in it. */
  yaml: string;
  warnings: readonly string[];
  externalLabels: Labels;
  pools: readonly PoolSettings[];
  /** poolYaml is the configuration of each pool by name. */
  poolYaml: ReadonlyMap<string, string>;
  /** discovery starts what finds targets. */
  discovery: Discovery;
  /** relabelSteps applies a pool's rules one by one; undefined for an unknown pool. */
  relabelSteps(
    pool: string,
    labels: Labels,
  ): { rule: unknown; output: Record<string, string>; keep: boolean }[] | undefined;
  /** builtinTargets says whether the built-in targets run when the command line leaves it open. */
  builtinTargets: boolean;
  evaluationIntervalMs: number;
  outOfOrderWindowMs: number;
  maxExemplars: number | undefined;
  retentionMs: number | undefined;
}
