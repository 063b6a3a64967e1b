import { sleep } from "../../lib/clock.ts";
import { ConfigError } from "../../lib/yaml-decode.ts";
import type { Discoverer, DiscoveryEnvironment, Emit } from "./discoverer.ts";
import { discoveryMetrics } from "./metrics.ts";
import type { TargetGroup } from "./target-group.ts";

/** RefreshOptions is how something is asked again and again. */
export interface RefreshOptions {
  /** kind names the discovery in logs and metrics. */
  kind: string;
  intervalMs: number;
  /** refresh finds all groups anew; when it rejects, the targets stay as they are. */
  refresh(signal: AbortSignal): Promise<readonly TargetGroup[]>;
  /** close is called once, after the last refresh. */
  close?(): Promise<void>;
}

/** checkInterval throws for a refresh interval that would ask without a pause. */
export function checkInterval(intervalMs: number): void {
  if (!(intervalMs > 0)) throw new ConfigError("expected refresh_interval to be positive, got 0s");
}

/** RefreshDiscoverer asks at once and then at every interval. A failed refresh changes nothing. */
export class RefreshDiscoverer implements Discoverer {
  private readonly options: RefreshOptions;
  private readonly env: DiscoveryEnvironment;

  /** Throws for an interval that is not positive. */
  constructor(options: RefreshOptions, env: DiscoveryEnvironment) {
    checkInterval(options.intervalMs);
    this.options = options;
    this.env = env;
  }

  async run(emit: Emit, signal: AbortSignal): Promise<void> {
    const { clock } = this.env;
    let dueMs = clock.monotonicMs();
    try {
      while (!signal.aborted) {
        await this.refreshOnce(emit, signal);
        // A refresh that took longer than the interval does not bring two at once afterwards.
        const nowMs = clock.monotonicMs();
        dueMs = Math.max(dueMs + this.options.intervalMs, nowMs);
        await sleep(clock, dueMs - nowMs, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await this.options.close?.();
    }
  }

  private async refreshOnce(emit: Emit, signal: AbortSignal): Promise<void> {
    const { kind, refresh } = this.options;
    const { clock, log, registry } = this.env;
    const metrics = discoveryMetrics(registry);
    const started = clock.monotonicMs();
    let groups: readonly TargetGroup[];
    try {
      groups = await refresh(signal);
    } catch (error) {
      if (signal.aborted) return;
      metrics.refreshFailures.with(kind).inc();
      log.error("Unable to refresh target groups", { discovery: kind, err: error });
      return;
    } finally {
      metrics.refreshDuration.with(kind).observe((clock.monotonicMs() - started) / 1000);
    }
    if (!signal.aborted) emit(groups);
  }
}
