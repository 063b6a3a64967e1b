// A start column keeps the start timestamps (created timestamps) of one chunk, for chunks that have any. A
// start changes when the process behind the series restarts, so it is kept as runs: mostly a single one.

/** StartColumn answers which start timestamp the `i`th sample of a chunk has; 0 means unknown. */
export class StartColumn {
  private readonly from: number[] = [];
  private readonly starts: number[] = [];

  /** set records the start of sample `i`; samples are set in ascending order. */
  set(i: number, startMs: number): void {
    const last = this.starts.length - 1;
    if ((last < 0 ? 0 : this.starts[last]) === startMs) return;
    this.from.push(i);
    this.starts.push(startMs);
  }

  /** copyTo writes the starts of the samples [from, to) to `out` at `at`. */
  copyTo(from: number, to: number, out: Float64Array, at: number): void {
    let run = -1;
    for (let i = from; i < to; i++) {
      while (run + 1 < this.from.length && this.from[run + 1]! <= i) run++;
      out[at++] = run < 0 ? 0 : this.starts[run]!;
    }
  }

  get sizeBytes(): number {
    return 160 + 16 * this.from.length;
  }
}
