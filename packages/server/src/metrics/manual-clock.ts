import type { Clock, Timer } from "../lib/clock.ts";

/** ManualClock is a clock for tests that moves only when told. */
export class ManualClock implements Clock {
  private nowMs: number;
  private timers: { dueMs: number; run: () => void; everyMs: number }[] = [];

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  now(): number {
    return this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    return this.add(run, delayMs, 0);
  }

  setInterval(run: () => void, intervalMs: number): Timer {
    return this.add(run, intervalMs, intervalMs);
  }

  private add(run: () => void, delayMs: number, everyMs: number): Timer {
    const timer = { dueMs: this.nowMs + delayMs, run, everyMs };
    this.timers.push(timer);
    return { cancel: () => void (this.timers = this.timers.filter((other) => other !== timer)) };
  }

  /** advance moves the clock and runs what falls due on the way. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const due = this.timers.filter((timer) => timer.dueMs <= end).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (due === undefined) break;
      this.nowMs = Math.max(this.nowMs, due.dueMs);
      if (due.everyMs > 0) due.dueMs += due.everyMs;
      else this.timers = this.timers.filter((timer) => timer !== due);
      due.run();
    }
    this.nowMs = end;
  }
}
