// Most kinds of discovery ask somebody again and again. What they found stays until the next answer, however
// many questions fail in between.
import { sleep, type Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { Counter } from "../../lib/metrics-registry.ts";
import type { Discoverer, Emit } from "./discoverer.ts";
import type { TargetGroup } from "./target-group.ts";

/** RefreshOptions describes one question asked over and over. */
export interface RefreshOptions {
  /** name is the kind of discovery, for the log. */
  name: string;
  intervalMs: number;
  clock: Clock;
  log: Logger;
  failures: Counter;
  /** refresh returns all groups there are now; sources that are missing are gone. */
  refresh(signal: AbortSignal): Promise<readonly TargetGroup[]>;
}

/** RefreshDiscoverer asks at once and then at every interval. */
export class RefreshDiscoverer implements Discoverer {
  private readonly options: RefreshOptions;
  private sources = new Set<string>();

  constructor(options: RefreshOptions) {
    this.options = options;
  }

  async run(emit: Emit, signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.options;
    while (!signal.aborted) {
      await this.ask(emit, signal);
      try {
        await sleep(clock, intervalMs, signal);
      } catch {
        return;
      }
    }
  }

  private async ask(emit: Emit, signal: AbortSignal): Promise<void> {
    const { name, log, failures } = this.options;
    try {
      const groups = await this.options.refresh(signal);
      if (signal.aborted) return;
      const found = new Set(groups.map((group) => group.source));
      const gone = [...this.sources].filter((source) => !found.has(source));
      this.sources = found;
      emit([...groups, ...gone.map((source) => ({ source, targets: [], labels: new Map<string, string>() }))]);
    } catch (error) {
      if (signal.aborted) return;
      failures.inc();
      log.error("Unable to refresh target groups", { discovery: name, err: error });
    }
  }
}
