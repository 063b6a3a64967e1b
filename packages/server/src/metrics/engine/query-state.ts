// QueryState is what all parts of one running query share: its limits, its remarks, its counters, and the
// courtesy towards the rest of the process. Evaluation is one long computation on the only thread; every few
// thousand cells it looks at the clock, gives the event loop a turn, and ends when the query was cancelled.
import type { Queryable, SampleBudget } from "../queryable.ts";
import { Annotations } from "./annotations.ts";
import { QueryError } from "./query-error.ts";

/** Features are the engine's options that change results. */
export interface Features {
  delayedNameRemoval: boolean;
  typeAndUnitLabels: boolean;
  perStepStats: boolean;
  useStartTimestamps: boolean;
}

// How long evaluation may keep the event loop: 12 ms is below one frame and costs < 1% in yields.
const SLICE_MS = 12;
// Work between two looks at the clock: 8,192 cells take 50-100 µs, a look 30 ns.
const CELLS_PER_LOOK = 8_192;

/** QueryState belongs to one query. */
export class QueryState {
  readonly annotations = new Annotations();
  readonly features: Features;
  readonly lookbackMs: number;
  readonly noStepSubqueryIntervalMs: (rangeMs: number) => number;
  readonly signal: AbortSignal;
  readonly budget: CountingBudget;
  readonly queryable: Queryable;
  private sliceStart = performance.now();
  private work = 0;

  constructor(options: {
    features: Features;
    lookbackMs: number;
    noStepSubqueryIntervalMs: (rangeMs: number) => number;
    signal: AbortSignal;
    maxSamples: number;
    queryable: Queryable;
  }) {
    this.features = options.features;
    this.lookbackMs = options.lookbackMs;
    this.noStepSubqueryIntervalMs = options.noStepSubqueryIntervalMs;
    this.signal = options.signal;
    this.budget = new CountingBudget(options.maxSamples);
    this.queryable = options.queryable;
  }

  /** due tells, after `cells` more cells of work, whether `breathe` should be awaited now. */
  due(cells: number): boolean {
    this.work += cells + 16;
    if (this.work < CELLS_PER_LOOK) return false;
    this.work = 0;
    return performance.now() - this.sliceStart > SLICE_MS;
  }

  /** breathe lets the event loop run and throws when the query was cancelled meanwhile. */
  async breathe(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.sliceStart = performance.now();
    this.throwIfAborted("expression evaluation");
  }

  /** resumeSlice starts the slice anew after waiting for something else. */
  resumeSlice(): void {
    this.sliceStart = performance.now();
    this.throwIfAborted("expression evaluation");
  }

  throwIfAborted(where: string): void {
    if (this.signal.aborted) throw abortError(this.signal, where);
  }
}

/** TimeoutReason is the abort reason that means the query ran out of time. */
export class TimeoutReason extends Error {
  constructor() {
    super("query timeout");
    this.name = "TimeoutError";
  }
}

/** abortError says in upstream's words why a query ended early. */
export function abortError(signal: AbortSignal, where: string): QueryError {
  const reason: unknown = signal.reason;
  if (reason instanceof QueryError) return reason;
  if (reason instanceof Error && reason.name === "TimeoutError") {
    return new QueryError("QUERY_TIMEOUT", `query timed out in ${where}`, { cause: reason });
  }
  return new QueryError("QUERY_CANCELED", `query was canceled in ${where}`, { cause: reason });
}

/** CountingBudget bounds the samples held at a time and remembers the peak. */
export class CountingBudget implements SampleBudget {
  current = 0;
  peak = 0;
  private readonly max: number;
  constructor(max: number) {
    this.max = max;
  }

  charge(samples: number): void {
    this.current += samples;
    if (this.current > this.peak) this.peak = this.current;
    if (this.current > this.max) {
      throw new QueryError(
        "QUERY_TOO_MANY_SAMPLES",
        "query processing would load too many samples into memory in query execution",
      );
    }
  }

  release(samples: number): void {
    this.current -= samples;
  }
}

/** SampleCounter counts the samples read for the steps of a query. */
export class SampleCounter {
  total = 0;
  readonly perStep: Float64Array | null;
  constructor(steps: number) {
    this.perStep = steps > 0 ? new Float64Array(steps) : null;
  }

  add(step: number, samples: number): void {
    this.total += samples;
    if (this.perStep && step < this.perStep.length) this.perStep[step]! += samples;
  }
}
