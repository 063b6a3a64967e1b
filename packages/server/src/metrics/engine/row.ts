// Between the nodes of an expression flow rows. A row is one series over the steps of an evaluation: a value
// and a kind (absent, float, histogram) per step. Producers keep one scratch row, fill it and hand it to a
// sink; most nodes change it in place and hand it on, so that a long chain over 10,000 series holds one row at
// a time. A node that needs all rows at once collects copies.
//
//   step           from            to
//                   |               |
//   values   . . . [12  12  13  17 ]. .      cell of step s is at base + s
//   present  . . . [ 1   0   1   1 ]. .
//
// Copies keep only the stretch from the first to the last present step, because in a churning system most
// series are short and a subquery can have a hundred thousand steps.
import type { Histogram, Labels } from "@belfry/core/model";

/** Kinds of cells in `Row.present`. */
export const ABSENT = 0;
export const FLOAT = 1;
export const HISTOGRAM = 2;

/** Frame is a list of evaluation times: startMs, startMs + stepMs, ... `steps` of them. */
export interface Frame {
  readonly startMs: number;
  readonly stepMs: number;
  readonly steps: number;
  /** isInstant: the frame is one point in time, not a range that happens to have one step. */
  readonly isInstant: boolean;
}

/** frameOf makes the frame from startMs to endMs, both inclusive; it is empty when endMs is before startMs. */
export function frameOf(startMs: number, endMs: number, stepMs: number): Frame {
  const steps = endMs < startMs ? 0 : Math.floor((endMs - startMs) / stepMs) + 1;
  return { startMs, stepMs, steps, isInstant: endMs === startMs };
}

/** Row is one series over the steps of a frame. */
export class Row {
  labels: Labels;
  /** drop says that the metric name (with type and unit) does not belong to the result any more. */
  drop = false;
  /** from and to bound the steps that may be present; cells outside do not exist. */
  from = 0;
  to: number;
  base = 0;
  values: Float64Array;
  present: Uint8Array;
  /** histograms is indexed by step; null when no cell is a histogram. */
  histograms: (Histogram | undefined)[] | null = null;
  /** count is the number of present cells. */
  count = 0;

  constructor(labels: Labels, values: Float64Array, present: Uint8Array) {
    this.labels = labels;
    this.values = values;
    this.present = present;
    this.to = values.length;
  }

  /** kind tells what is at a step, also outside from..to. */
  kind(step: number): number {
    return step >= this.from && step < this.to ? this.present[this.base + step]! : ABSENT;
  }
}

/** scratchRow is a row over all steps, to be filled again and again. */
export function scratchRow(labels: Labels, steps: number): Row {
  return new Row(labels, new Float64Array(steps), new Uint8Array(steps));
}

/** RowSink takes a row. It may change the row, and must copy what it keeps: the arrays are filled again afterwards. */
export type RowSink = (row: Row) => void;

// Cells of copied rows are cut from blocks, so that 10,000 one-step rows are not 20,000 typed arrays. Blocks
// double up to 64 Ki cells (576 KiB): beyond that allocation is no longer measurable against filling them.
const MIN_BLOCK_CELLS = 64;
const MAX_BLOCK_CELLS = 65_536;

/** RowCollector keeps copies of rows. */
export class RowCollector {
  readonly rows: Row[] = [];
  private values = new Float64Array(0);
  private present = new Uint8Array(0);
  private used = 0;
  private blockCells = MIN_BLOCK_CELLS;

  /** add copies a row that has at least one present cell and returns the copy. */
  add(row: Row): Row {
    let from = row.from;
    let to = row.to;
    const source = row.present;
    const sourceBase = row.base;
    if (row.count !== to - from) {
      while (from < to && source[sourceBase + from] === ABSENT) from++;
      while (to > from && source[sourceBase + to - 1] === ABSENT) to--;
    }
    const cells = to - from;
    if (this.used + cells > this.values.length) this.newBlock(cells);
    const at = this.used;
    this.used += cells;
    // A loop beats set(subarray()) for the short rows of instant queries.
    if (cells <= 16) {
      for (let i = 0; i < cells; i++) {
        this.values[at + i] = row.values[sourceBase + from + i]!;
        this.present[at + i] = source[sourceBase + from + i]!;
      }
    } else {
      this.values.set(row.values.subarray(sourceBase + from, sourceBase + to), at);
      this.present.set(source.subarray(sourceBase + from, sourceBase + to), at);
    }
    const copy = new Row(row.labels, this.values, this.present);
    copy.drop = row.drop;
    copy.from = from;
    copy.to = to;
    copy.base = at - from;
    copy.count = row.count;
    copy.histograms = row.histograms === null ? null : row.histograms.slice();
    this.rows.push(copy);
    return copy;
  }

  private newBlock(cells: number): void {
    const size = Math.max(cells, this.blockCells);
    this.values = new Float64Array(size);
    this.present = new Uint8Array(size);
    this.used = 0;
    this.blockCells = Math.min(this.blockCells * 2, MAX_BLOCK_CELLS);
  }
}

/** countPresent recounts a row after cells were removed. */
export function countPresent(row: Row): number {
  let count = 0;
  for (let i = row.base + row.from, end = row.base + row.to; i < end; i++) if (row.present[i] !== ABSENT) count++;
  return count;
}
