// topk, bottomk, limitk and limit_ratio choose among rows, step by step, and hand on the chosen ones as they
// are. topk and bottomk keep the best k in a heap as upstream does, so that ties fall the same way.
import { labelsRatio } from "./labels-hash.ts";
import { Grouping } from "./aggregate.ts";
import type { Evaluator } from "./evaluator.ts";
import { formatG } from "./go-format.ts";
import type { AggregatePlan } from "./plan.ts";
import { executionError } from "./query-error.ts";
import { ABSENT, FLOAT, HISTOGRAM, type Row, RowCollector, type RowSink } from "./row.ts";

// The limits of int64 as floats, beyond which upstream refuses k.
const MAX_INT64 = 9223372036854774784;
const MIN_INT64 = -9223372036854775808;

/** evalSelection evaluates topk, bottomk, limitk and limit_ratio. */
export async function evalSelection(ev: Evaluator, plan: AggregatePlan, sink: RowSink): Promise<void> {
  const params = await ev.scalar(plan.param!);
  let min = Infinity;
  let max = -Infinity;
  let hasNaN = false;
  for (const value of params) {
    if (value !== value) hasNaN = true;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const { op } = plan.expr;
  if (op === "limit_ratio") {
    if (hasNaN) throw executionError("Ratio value is NaN");
    const pos = plan.param!.expr.pos;
    if (max > 1) ev.state.annotations.invalidRatio(max, 1, pos);
    if (min < -1) ev.state.annotations.invalidRatio(min, -1, pos);
    if (max !== 0 || min !== 0) await limitRatio(ev, plan, params, sink);
    return;
  }
  if (hasNaN) throw executionError("Parameter value is NaN");
  if (max < 1) return;
  if (min <= MIN_INT64) throw executionError(`Scalar value ${formatG(min)} underflows int64`);
  if (max >= MAX_INT64) throw executionError(`Scalar value ${formatG(max)} overflows int64`);
  for (let s = 0; s < params.length; s++) params[s] = Math.trunc(params[s]!);
  if (op === "limitk") await limitK(ev, plan, params, sink);
  else await bestK(ev, plan, params, Math.trunc(max), sink);
}

// Chosen marks which cells of which rows stay.
function keepChosen(rows: readonly Row[], chosen: readonly Uint8Array[], sink: RowSink): void {
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    const keep = chosen[i]!;
    let count = 0;
    for (let s = row.from; s < row.to; s++) {
      if (keep[s] === 1) count++;
      else row.present[row.base + s] = ABSENT;
    }
    row.count = count;
    if (count > 0) sink(row);
  }
}

async function limitK(ev: Evaluator, plan: AggregatePlan, params: Float64Array, sink: RowSink): Promise<void> {
  const { steps } = ev.frame;
  const grouping = new Grouping(ev, plan.expr);
  // Per group how many it has taken at each step, and the rows taken, because groups come out one after the other.
  const taken: Int32Array[] = [];
  const chosen: RowCollector[] = [];
  let held = 0;
  await ev.stream(plan.inner, (row) => {
    const group = grouping.of(row);
    const counts = (taken[group] ??= new Int32Array(steps));
    let count = 0;
    for (let s = row.from; s < row.to; s++) {
      if (row.present[row.base + s] === ABSENT) continue;
      if (counts[s]! < params[s]!) {
        counts[s]!++;
        count++;
      } else row.present[row.base + s] = ABSENT;
    }
    row.count = count;
    if (count === 0) return;
    ev.state.budget.charge(count);
    held += count;
    (chosen[group] ??= new RowCollector()).add(row);
  });
  for (const { rows } of chosen) for (const row of rows) sink(row);
  ev.state.budget.release(held);
}

async function limitRatio(ev: Evaluator, plan: AggregatePlan, params: Float64Array, sink: RowSink): Promise<void> {
  await ev.stream(plan.inner, (row) => {
    ev.visible(row);
    const offset = labelsRatio(row.labels);
    let count = 0;
    for (let s = row.from; s < row.to; s++) {
      if (row.present[row.base + s] === ABSENT) continue;
      const ratio = Math.max(-1, Math.min(1, params[s]!));
      if (ratio !== 0 && (ratio > 0 ? offset < ratio : offset >= 1 + ratio)) count++;
      else row.present[row.base + s] = ABSENT;
    }
    row.count = count;
    if (count > 0) sink(row);
  });
}

/**
 * bestK evaluates topk and bottomk. Rows stream by; one is kept only when it is among the best at some step when its
 * turn comes, which few are.
 */
async function bestK(
  ev: Evaluator,
  plan: AggregatePlan,
  params: Float64Array,
  maxK: number,
  sink: RowSink,
): Promise<void> {
  const { steps } = ev.frame;
  const isTop = plan.expr.op === "topk";
  const grouping = new Grouping(ev, plan.expr);
  const groups: BestRows[] = [];
  const collector = new RowCollector();
  let held = 0;
  await ev.stream(plan.inner, (row) => {
    if (row.histograms !== null && hasHistogram(row)) {
      ev.state.annotations.histogramIgnoredInAggregation(plan.expr.op, plan.expr.pos);
    }
    const group = (groups[grouping.of(row)] ??= new BestRows(isTop, steps, maxK));
    if (!group.offer(row, collector.rows.length, params)) return;
    ev.state.budget.charge(row.count);
    held += row.count;
    collector.add(row);
  });
  const { rows } = collector;
  // An instant query shows the best first.
  if (steps === 1) for (const group of groups) for (const i of group.sorted(0)) sink(rows[i]!);
  else {
    const chosen = rows.map(() => new Uint8Array(steps));
    for (const group of groups) group.mark(chosen);
    keepChosen(rows, chosen, sink);
  }
  ev.state.budget.release(held);
}

function hasHistogram(row: Row): boolean {
  for (let s = row.from; s < row.to; s++) if (row.present[row.base + s] === HISTOGRAM) return true;
  return false;
}

/** BestRows holds a heap per step with the k best values so far, the worst of them on top. */
class BestRows {
  private readonly isTop: boolean;
  private readonly steps: number;
  // Heap of step s: cells s * width ... s * width + sizes[s].
  private width: number;
  private values: Float64Array;
  private indices: Int32Array;
  private readonly sizes: Int32Array;
  private readonly maxK: number;

  constructor(isTop: boolean, steps: number, maxK: number) {
    this.isTop = isTop;
    this.steps = steps;
    this.maxK = maxK;
    // A large k is often larger than the vector; heaps grow when needed.
    this.width = Math.min(maxK, 8);
    this.values = new Float64Array(steps * this.width);
    this.indices = new Int32Array(steps * this.width);
    this.sizes = new Int32Array(steps);
  }

  /** offer tells whether the row (to be known as `index`) is among the best at any step. */
  offer(row: Row, index: number, params: Float64Array): boolean {
    const { isTop, sizes } = this;
    const { present, base } = row;
    let isTaken = false;
    for (let s = row.from; s < row.to; s++) {
      if (present[base + s] !== FLOAT) continue;
      const value = row.values[base + s]!;
      const size = sizes[s]!;
      if (size < params[s]!) {
        if (size === this.width) this.widen();
        this.push(s, value, index);
        isTaken = true;
        continue;
      }
      if (size === 0) continue;
      const at = s * this.width;
      const worst = this.values[at]!;
      if ((isTop ? worst < value : worst > value) || (worst !== worst && value === value)) {
        this.values[at] = value;
        this.indices[at] = index;
        if (size > 1) this.down(at, size);
        isTaken = true;
      }
    }
    return isTaken;
  }

  private widen(): void {
    const width = Math.min(this.maxK, this.width * 2);
    const values = new Float64Array(this.steps * width);
    const indices = new Int32Array(this.steps * width);
    for (let s = 0; s < this.steps; s++) {
      const from = s * this.width;
      values.set(this.values.subarray(from, from + this.sizes[s]!), s * width);
      indices.set(this.indices.subarray(from, from + this.sizes[s]!), s * width);
    }
    this.values = values;
    this.indices = indices;
    this.width = width;
  }

  // worse: belongs nearer to the top of the heap. NaN is always worst.
  private worse(a: number, b: number): boolean {
    if (a !== a) return true;
    return this.isTop ? a < b : a > b;
  }

  private push(step: number, value: number, index: number): void {
    const at = step * this.width;
    let j = this.sizes[step]!++;
    this.values[at + j] = value;
    this.indices[at + j] = index;
    while (j > 0) {
      const i = (j - 1) >> 1;
      if (!this.worse(this.values[at + j]!, this.values[at + i]!)) return;
      this.swap(at + i, at + j);
      j = i;
    }
  }

  private down(at: number, size: number): void {
    let i = 0;
    for (;;) {
      const left = 2 * i + 1;
      if (left >= size) return;
      let child = left;
      const right = left + 1;
      if (right < size && this.worse(this.values[at + right]!, this.values[at + left]!)) child = right;
      if (!this.worse(this.values[at + child]!, this.values[at + i]!)) return;
      this.swap(at + i, at + child);
      i = child;
    }
  }

  private swap(i: number, j: number): void {
    const { values, indices } = this;
    const value = values[i]!;
    values[i] = values[j]!;
    values[j] = value;
    const index = indices[i]!;
    indices[i] = indices[j]!;
    indices[j] = index;
  }

  /** mark sets `chosen[row][step]` for all that are in a heap. */
  mark(chosen: readonly Uint8Array[]): void {
    for (let s = 0; s < this.steps; s++) {
      const at = s * this.width;
      for (let j = 0; j < this.sizes[s]!; j++) chosen[this.indices[at + j]!]![s] = 1;
    }
  }

  /** sorted returns the rows of a step, best first, NaN last. */
  sorted(step: number): number[] {
    const at = step * this.width;
    const order = Array.from({ length: this.sizes[step]! }, (_, i) => at + i);
    order.sort((i, j) => {
      const a = this.values[i]!;
      const b = this.values[j]!;
      if (a !== a) return b !== b ? 0 : 1;
      if (b !== b) return -1;
      return this.isTop ? b - a : a - b;
    });
    return order.map((i) => this.indices[i]!);
  }
}
