// `belfry check`: promtool's checks, in promtool's words.
import type { Output } from "./cli.ts";
import type { Flags } from "./flags.ts";
import { UsageError } from "./flags.ts";

/** checkConfigCommand checks configuration files. */
export async function checkConfigCommand(_flags: Flags, _output: Output): Promise<number> {
  throw new UsageError("check config is not available yet");
}

/** checkMetricsCommand checks an exposition from standard input. */
export async function checkMetricsCommand(_flags: Flags, _output: Output): Promise<number> {
  throw new UsageError("check metrics is not available yet");
}

/** checkServiceDiscoveryCommand discovers the targets of a job. */
export async function checkServiceDiscoveryCommand(_flags: Flags, _output: Output): Promise<number> {
  throw new UsageError("check service-discovery is not available yet");
}
