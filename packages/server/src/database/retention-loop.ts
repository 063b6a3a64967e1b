// Enforces age and size limits while the server runs, with a distrust of the clock: a machine that boots with a
// wrong date, or is set years ahead for a minute, must not lose its history.
import { systemClock, type Clock, type Timer } from "../lib/clock.ts";
import { silentLogger, type Logger } from "../lib/log.ts";
import { DAY_MS } from "./metric-tables.ts";
import {
  diskUsage,
  dropExpiredDays,
  enforceDiskBudget,
  setRetention,
  type DayUsage,
  type RetainedTable,
} from "./retention.ts";
import type { SqlDatabase } from "./sql-database.ts";

/** RetentionLoopOptions says what to keep. */
export interface RetentionLoopOptions {
  /** retentionMs is how long each signal is kept. */
  retentionMs: Partial<Record<RetainedTable["signal"], number>>;
  /** diskBudgetBytes bounds all tables together; omitted: no bound. */
  diskBudgetBytes?: number;
  /** intervalMs is the time between checks; default one minute. */
  intervalMs?: number;
  clock?: Clock;
  log?: Logger;
  /** onDropped is told of every day that was dropped, for metrics. It must not throw. */
  onDropped?: (day: DayUsage, reason: "age" | "size") => void;
  /** onUsage is told what the tables take, at every check. It must not throw. */
  onUsage?: (activeBytes: number, outdatedBytes: number) => void;
  /** onFailure is told of every check that failed. It must not throw. */
  onFailure?: (error: Error) => void;
}

/** RetentionLoop runs until it is closed. */
export interface RetentionLoop {
  /** check runs one round now; rejects with DatabaseError. */
  check(): Promise<void>;
  /** change replaces the limits, from the next round on. */
  change(limits: Pick<RetentionLoopOptions, "retentionMs" | "diskBudgetBytes">): void;
  /** close ends the loop and waits for a round under way. */
  close(): Promise<void>;
}

const INTERVAL_MS = 60_000;

/** startRetentionLoop begins with a round at once. */
export function startRetentionLoop(database: SqlDatabase, options: RetentionLoopOptions): RetentionLoop {
  const { clock = systemClock, log = silentLogger, intervalMs = INTERVAL_MS } = options;
  let limits: Pick<RetentionLoopOptions, "retentionMs" | "diskBudgetBytes"> = options;
  let trusted: TrustedClock | undefined;
  let timer: Timer | undefined;
  let running: Promise<void> | undefined;
  let closed = false;
  let applied = "";

  const drop = (days: readonly DayUsage[], reason: "age" | "size"): void => {
    for (const day of days) {
      options.onDropped?.(day, reason);
      log.info(reason === "age" ? "Day dropped, past its retention" : "Day dropped to keep the disk budget", {
        ...day,
      });
    }
  };

  const check = async (): Promise<void> => {
    const { retentionMs, diskBudgetBytes } = limits;
    const signals = Object.entries(retentionMs) as [RetainedTable["signal"], number][];
    if (JSON.stringify(signals) !== applied) {
      for (const [signal, keepMs] of signals) await setRetention(database, signal, keepMs);
      applied = JSON.stringify(signals);
    }
    trusted ??= new TrustedClock(clock, await newestDayEndMs(database));
    const nowMs = trusted.now();
    for (const [signal, keepMs] of signals) drop(await dropExpiredDays(database, signal, keepMs, nowMs), "age");
    if (diskBudgetBytes !== undefined) {
      const today = new Date(Math.min(nowMs, clock.now())).toISOString().slice(0, 10);
      const result = await enforceDiskBudget(database, diskBudgetBytes, today);
      drop(result.dropped, "size");
      if (result.afterBytes > diskBudgetBytes) {
        log.warn("The disk budget is too small for one day of data", {
          budget_bytes: diskBudgetBytes,
          bytes: result.afterBytes,
        });
      }
    }
    const usage = await diskUsage(database);
    options.onUsage?.(usage.activeBytes, usage.outdatedBytes);
  };

  const round = (): void => {
    running = check()
      .catch((error: Error) => {
        options.onFailure?.(error);
        log.error("Retention could not be enforced", { err: error });
      })
      .finally(() => {
        running = undefined;
        if (!closed) timer = clock.setTimeout(round, intervalMs);
      });
  };
  round();

  return {
    async check() {
      await running;
      await check();
    },
    change(next) {
      limits = next;
    },
    async close() {
      closed = true;
      timer?.cancel();
      await running;
    },
  };
}

async function newestDayEndMs(database: SqlDatabase): Promise<number | undefined> {
  const { days } = await diskUsage(database);
  return days.length === 0 ? undefined : Math.max(...days.map((entry) => Date.parse(entry.day))) + DAY_MS;
}

// Further from what was expected than this, the clock is not believed …
const TOLERANCE_MS = 2 * DAY_MS;
// … until it has said so for this long.
const PATIENCE_MS = DAY_MS;

/**
 * TrustedClock is the wall clock as far as it is plausible. It starts from the newest stored data and expects time to
 * go on from there. A wall clock that is days ahead of that is followed only after a day of running.
 */
export class TrustedClock {
  private readonly clock: Clock;
  private expectedMs: number;
  private atMs: number;
  private doubtedSinceMs: number | undefined;

  constructor(clock: Clock, newestMs: number | undefined) {
    this.clock = clock;
    this.atMs = clock.monotonicMs();
    this.expectedMs = newestMs ?? clock.now();
  }

  /** now is Unix milliseconds. */
  now(): number {
    const atMs = this.clock.monotonicMs();
    const expected = this.expectedMs + (atMs - this.atMs);
    const wall = this.clock.now();
    if (wall - expected > TOLERANCE_MS) {
      this.doubtedSinceMs ??= atMs;
      if (atMs - this.doubtedSinceMs < PATIENCE_MS) return expected;
    }
    this.doubtedSinceMs = undefined;
    // Behind is harmless: less is dropped.
    this.expectedMs = wall;
    this.atMs = atMs;
    return wall;
  }
}
