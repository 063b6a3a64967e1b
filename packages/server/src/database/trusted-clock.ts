// A machine that boots with a wrong date, or is set years ahead for a minute, must not lose its history: what is
// dropped for its age cannot be brought back.

const DAY_MS = 86_400_000;
// Further ahead than this of what was expected, the clock is not believed …
const TOLERANCE_MS = 2 * DAY_MS;
// … until it has said so for this long.
const PATIENCE_MS = DAY_MS;

/**
 * TrustedClock is the wall clock as far as it is plausible. It starts from the newest stored data and expects time to
 * go on from there. A wall clock that is days ahead of that is followed only after a day of running.
 */
export class TrustedClock {
  private expectedMs: number;
  private atMs: number;
  private doubtedSinceMs: number | undefined;

  /** `newestMs` is when the newest data ends, in Unix milliseconds; `monotonicMs` only ever grows. */
  constructor(newestMs: number, monotonicMs: number) {
    this.expectedMs = newestMs;
    this.atMs = monotonicMs;
  }

  /** now is what to take for the time when the wall clock says `wallMs`. */
  now(wallMs: number, monotonicMs: number): number {
    const expected = this.expectedMs + (monotonicMs - this.atMs);
    if (wallMs - expected > TOLERANCE_MS) {
      this.doubtedSinceMs ??= monotonicMs;
      if (monotonicMs - this.doubtedSinceMs < PATIENCE_MS) return expected;
    }
    this.doubtedSinceMs = undefined;
    // Behind is harmless: less is dropped.
    this.expectedMs = wallMs;
    this.atMs = monotonicMs;
    return wallMs;
  }
}
