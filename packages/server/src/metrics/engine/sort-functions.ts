// sort(), sort_desc(), sort_by_label() and sort_by_label_desc(). Only instant queries have an order to change;
// results of range queries are ordered by labels, whatever one asks for.
import { compareLabels } from "@belfry/core/model";
import type { Evaluator } from "./evaluator.ts";
import { isNaturallyLess } from "./natural-order.ts";
import type { CallPlan } from "./plan.ts";
import { FLOAT, type Row, type RowSink } from "./row.ts";

/** evalSort evaluates one of the sort functions. */
export async function evalSort(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const byValue = plan.func === "sort" || plan.func === "sort_desc";
  const descending = plan.func.endsWith("_desc");
  const collected = await ev.collect(plan.args[0]!);
  let rows = collected.rows;
  if (!ev.frame.isInstant) ev.state.annotations.sortInRangeQuery(plan.expr.pos);
  if (byValue) {
    for (const row of rows) dropHistograms(row);
    rows = rows.filter((row) => row.count > 0);
  }
  if (ev.frame.steps === 1) {
    for (const row of rows) ev.visible(row);
    if (byValue) rows.sort((a, b) => compareValues(a.values[a.base + a.from]!, b.values[b.base + b.from]!, descending));
    else {
      const names = plan.args.slice(1).map((arg) => (arg.kind === "string" ? arg.value : ""));
      rows.sort((a, b) => (descending ? -compareByLabels(a, b, names) : compareByLabels(a, b, names)));
    }
  }
  for (const row of rows) sink(row);
  ev.release(collected);
}

function dropHistograms(row: Row): void {
  if (row.histograms === null) return;
  row.count = 0;
  for (let s = row.from; s < row.to; s++) {
    if (row.present[row.base + s] === FLOAT) row.count++;
    else row.present[row.base + s] = 0;
  }
  row.histograms = null;
}

// NaN goes last in either direction.
function compareValues(a: number, b: number, descending: boolean): number {
  if (a !== a) return b !== b ? 0 : 1;
  if (b !== b) return -1;
  if (a === b) return 0;
  return a < b === descending ? 1 : -1;
}

function compareByLabels(a: Row, b: Row, names: readonly string[]): number {
  for (const name of names) {
    const x = a.labels.get(name);
    const y = b.labels.get(name);
    if (x === y) continue;
    return isNaturallyLess(x, y) ? -1 : 1;
  }
  return compareLabels(a.labels, b.labels);
}
