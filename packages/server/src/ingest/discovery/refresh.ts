import { sleep } from "../../lib/clock.ts";
import type { Discoverer, DiscoveryEnvironment, Emit } from "./discoverer.ts";
import { discoveryMetrics } from "./metrics.ts";
import type { TargetGroup } from "./target-group.ts";

/** RefreshDiscoverer asks again at every interval. A failed refresh changes nothing: the targets stay. */
export class RefreshDiscoverer implements Discoverer {
  private readonly kind: string;
  private readonly intervalMs: number;
  private readonly refresh: (signal: AbortSignal) => Promise<readonly TargetGroup[]>;
  private readonly env: DiscoveryEnvironment;
  private readonly close: () => Promise<void>;

  constructor(
    kind: string,
    intervalMs: number,
    refresh: (signal: AbortSignal) => Promise<readonly TargetGroup[]>,
    env: DiscoveryEnvironment,
    close: () => Promise<void> = async () => {},
  ) {
    this.kind = kind;
    this.intervalMs = intervalMs;
    this.refresh = refresh;
    this.env = env;
    this.close = close;
  }

  async run(emit: Emit, signal: AbortSignal): Promise<void> {
    const { clock } = this.env;
    let due = clock.monotonicMs();
    while (!signal.aborted) {
      await this.refreshOnce(emit, signal);
      // A refresh that took longer than the interval does not bring two at once afterwards.
      due = Math.max(due + this.intervalMs, clock.monotonicMs());
      try {
        await sleep(clock, due - clock.monotonicMs(), signal);
      } catch {
        break;
      }
    }
    await this.close();
  }

  private async refreshOnce(emit: Emit, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.env;
    const metrics = discoveryMetrics(this.env.registry);
    const started = clock.monotonicMs();
    try {
      const groups = await this.refresh(signal);
      if (!signal.aborted) emit(groups);
    } catch (error) {
      if (signal.aborted) return;
      metrics.refreshFailures.with(this.kind).inc();
      log.error("Unable to refresh target groups", { discovery: this.kind, err: error });
    } finally {
      metrics.refreshDuration.with(this.kind).observe((clock.monotonicMs() - started) / 1000);
    }
  }
}
