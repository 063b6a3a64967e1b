/** BackoffOptions shapes the waits between attempts. */
export interface BackoffOptions {
  minMs: number;
  maxMs: number;
  /** factor multiplies the wait after every failure; default 2. */
  factor?: number;
  /** random yields numbers in [0, 1); tests make it constant. */
  random?: () => number;
}

/** Backoff yields growing waits with jitter: each is between half of the current step and the whole of it. */
export class Backoff {
  private readonly options: Required<BackoffOptions>;
  private stepMs: number;

  constructor(options: BackoffOptions) {
    this.options = { factor: 2, random: Math.random, ...options };
    this.stepMs = options.minMs;
  }

  /** next is the wait before the next attempt, in milliseconds. */
  next(): number {
    const step = this.stepMs;
    this.stepMs = Math.min(step * this.options.factor, this.options.maxMs);
    return step / 2 + (step / 2) * this.options.random();
  }

  /** reset starts over after a success. */
  reset(): void {
    this.stepMs = this.options.minMs;
  }
}
