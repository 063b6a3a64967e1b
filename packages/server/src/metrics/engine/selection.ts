// topk, bottomk, limitk and limit_ratio choose among rows, step by step, and hand on the chosen ones as they
// are. topk and bottomk keep the best k in a heap as upstream does, so that ties fall the same way.
import { labelsRatio } from "./labels-hash.ts";
import { Grouping } from "./aggregate.ts";
import type { CollectedRows, Evaluator } from "./evaluator.ts";
import { formatG } from "./go-format.ts";
import type { AggregatePlan } from "./plan.ts";
import { executionError } from "./query-error.ts";
import { ABSENT, FLOAT, HISTOGRAM, type Row, type RowSink } from "./row.ts";

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
  const isRatio = plan.expr.op === "limit_ratio";
  const collected = await ev.collect(plan.inner);
  if (isRatio) {
    if (hasNaN) throw executionError("Ratio value is NaN");
    const pos = plan.param!.expr.pos;
    if (max > 1) ev.state.annotations.invalidRatio(max, 1, pos);
    if (min < -1) ev.state.annotations.invalidRatio(min, -1, pos);
    if (max !== 0 || min !== 0) limitRatio(ev, collected, params, sink);
  } else {
    if (hasNaN) throw executionError("Parameter value is NaN");
    if (max >= 1) {
      if (min <= MIN_INT64) throw executionError(`Scalar value ${formatG(min)} underflows int64`);
      if (max >= MAX_INT64) throw executionError(`Scalar value ${formatG(max)} overflows int64`);
      const grouping = new Grouping(ev, plan.expr);
      const groups = Int32Array.from(collected.rows, (row) => grouping.of(row));
      if (plan.expr.op === "limitk") limitK(ev, collected, groups, grouping.count, params, sink);
      else await bestK(ev, plan, collected, groups, grouping.count, params, sink);
    }
  }
  ev.release(collected);
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

function kAt(params: Float64Array, step: number, rows: number): number {
  return Math.min(Math.trunc(params[step]!), rows);
}

function limitK(
  ev: Evaluator,
  { rows }: CollectedRows,
  groups: Int32Array,
  groupCount: number,
  params: Float64Array,
  sink: RowSink,
): void {
  const { steps } = ev.frame;
  const taken = new Int32Array(groupCount * steps);
  const order: Row[][] = Array.from({ length: groupCount }, () => []);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    const at = groups[i]! * steps;
    let count = 0;
    for (let s = row.from; s < row.to; s++) {
      if (row.present[row.base + s] === ABSENT) continue;
      if (taken[at + s]! < kAt(params, s, rows.length)) {
        taken[at + s]!++;
        count++;
      } else row.present[row.base + s] = ABSENT;
    }
    row.count = count;
    if (count > 0) order[groups[i]!]!.push(row);
  }
  for (const group of order) for (const row of group) sink(row);
}

function limitRatio(ev: Evaluator, { rows }: CollectedRows, params: Float64Array, sink: RowSink): void {
  for (const row of rows) {
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
  }
}

async function bestK(
  ev: Evaluator,
  plan: AggregatePlan,
  { rows }: CollectedRows,
  groups: Int32Array,
  groupCount: number,
  params: Float64Array,
  sink: RowSink,
): Promise<void> {
  const { steps } = ev.frame;
  const top = plan.expr.op === "topk";
  const chosen = steps === 1 ? [] : rows.map(() => new Uint8Array(steps));
  const heaps = Array.from({ length: groupCount }, () => new BestHeap(top));
  for (let s = 0; s < steps; s++) {
    const k = kAt(params, s, rows.length);
    for (const heap of heaps) heap.clear();
    if (k >= 1) {
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!;
        const kind = row.kind(s);
        if (kind === FLOAT) heaps[groups[i]!]!.offer(row.values[row.base + s]!, i, k);
        else if (kind === HISTOGRAM) {
          ev.state.annotations.histogramIgnoredInAggregation(plan.expr.op, plan.expr.pos);
        }
      }
    }
    for (const heap of heaps) {
      // An instant query shows the best first.
      if (steps === 1) for (const i of heap.sorted()) sink(rows[i]!);
      else for (let j = 0; j < heap.size; j++) chosen[heap.indices[j]!]![s] = 1;
    }
    if (ev.state.due(rows.length)) await ev.state.breathe();
  }
  if (steps > 1) keepChosen(rows, chosen, sink);
}

/** BestHeap keeps the k best of the values offered, the worst of them on top. */
class BestHeap {
  size = 0;
  readonly values: number[] = [];
  readonly indices: number[] = [];
  private readonly top: boolean;

  constructor(top: boolean) {
    this.top = top;
  }

  clear(): void {
    this.size = 0;
  }

  // worse: belongs nearer to the top of the heap. NaN is always worst.
  private worse(a: number, b: number): boolean {
    if (a !== a) return true;
    return this.top ? a < b : a > b;
  }

  offer(value: number, index: number, k: number): void {
    if (this.size < k) {
      this.values[this.size] = value;
      this.indices[this.size] = index;
      this.up(this.size++);
      return;
    }
    const worst = this.values[0]!;
    if ((this.top ? worst < value : worst > value) || (worst !== worst && value === value)) {
      this.values[0] = value;
      this.indices[0] = index;
      if (k > 1) this.down(0);
    }
  }

  /** sorted returns the indices, best first, NaN last. */
  sorted(): number[] {
    const order = Array.from({ length: this.size }, (_, i) => i);
    order.sort((i, j) => {
      const a = this.values[i]!;
      const b = this.values[j]!;
      if (a !== a) return b !== b ? 0 : 1;
      if (b !== b) return -1;
      return this.top ? b - a : a - b;
    });
    return order.map((i) => this.indices[i]!);
  }

  private swap(i: number, j: number): void {
    const value = this.values[i]!;
    this.values[i] = this.values[j]!;
    this.values[j] = value;
    const index = this.indices[i]!;
    this.indices[i] = this.indices[j]!;
    this.indices[j] = index;
  }

  private up(j: number): void {
    for (;;) {
      const i = (j - 1) >> 1;
      if (j === 0 || !this.worse(this.values[j]!, this.values[i]!)) return;
      this.swap(i, j);
      j = i;
    }
  }

  private down(i: number): void {
    for (;;) {
      const left = 2 * i + 1;
      if (left >= this.size) return;
      let child = left;
      const right = left + 1;
      if (right < this.size && this.worse(this.values[right]!, this.values[left]!)) child = right;
      if (!this.worse(this.values[child]!, this.values[i]!)) return;
      this.swap(i, child);
      i = child;
    }
  }
}
