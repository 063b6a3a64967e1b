// QueryGate lets a bounded number of queries run and a bounded number wait. Queries share one thread; the gate
// bounds the memory they hold at once, and keeps a flood from making every query slow.
import { OverloadedError } from "../../lib/errors.ts";
import { abortError } from "./query-state.ts";

interface Waiting {
  start: () => void;
}

/** QueryGate is first come, first served. */
export class QueryGate {
  private readonly maxRunning: number;
  private readonly maxWaiting: number;
  private runningCount = 0;
  private readonly waiting = new Set<Waiting>();

  constructor(maxRunning: number, maxWaiting: number) {
    this.maxRunning = maxRunning;
    this.maxWaiting = maxWaiting;
  }

  /** running is the number of queries inside. */
  get running(): number {
    return this.runningCount;
  }

  /** queued is the number of queries that wait. */
  get queued(): number {
    return this.waiting.size;
  }

  /** enter resolves when the query may run; call the returned function when it is done. Throws OverloadedError when too many wait, QueryError when aborted. */
  async enter(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) throw abortError(signal, "query queue");
    if (this.runningCount < this.maxRunning) this.runningCount++;
    else await this.wait(signal);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.leave();
    };
  }

  private wait(signal: AbortSignal): Promise<void> {
    if (this.waiting.size >= this.maxWaiting) {
      throw new OverloadedError(`too many queries: ${this.runningCount} running, ${this.waiting.size} waiting`);
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.waiting.delete(entry);
        reject(abortError(signal, "query queue"));
      };
      const entry: Waiting = {
        start: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.waiting.add(entry);
    });
  }

  // The place of a query that leaves goes to the one that has waited longest.
  private leave(): void {
    for (const entry of this.waiting) {
      this.waiting.delete(entry);
      entry.start();
      return;
    }
    this.runningCount--;
  }
}
