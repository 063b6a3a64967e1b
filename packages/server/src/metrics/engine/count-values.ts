// count_values counts how often each value occurs; the value becomes a label.
import { histogramToString, LabelsBuilder } from "@belfry/core/model";
import { Grouping } from "./aggregate.ts";
import type { Evaluator } from "./evaluator.ts";
import { formatF } from "./go-format.ts";
import type { AggregatePlan } from "./plan.ts";
import { executionError } from "./query-error.ts";
import { ABSENT, FLOAT, HISTOGRAM, type Row, type RowSink, scratchRow } from "./row.ts";
import { isValidLabelName, quoteBytes } from "./label-names.ts";

/** evalCountValues evaluates count_values. */
export async function evalCountValues(ev: Evaluator, plan: AggregatePlan, sink: RowSink): Promise<void> {
  const param = plan.param!;
  const label = param.kind === "string" ? param.value : "";
  if (!isValidLabelName(label)) throw executionError(`invalid label name ${quoteBytes(label)}`);
  const { without, grouping } = plan.expr;
  const groups = new Grouping(ev, { without, grouping: without ? grouping : [...grouping, label] });
  const { steps } = ev.frame;
  const outputs: Row[] = [];
  await ev.stream(plan.inner, (row) => {
    ev.visible(row);
    const builder = new LabelsBuilder(row.labels);
    // Values mostly stay the same from step to step.
    let lastGroup = -1;
    let lastValue = 0;
    for (let s = row.from; s < row.to; s++) {
      const kind = row.present[row.base + s]!;
      if (kind === ABSENT) continue;
      const value = row.values[row.base + s]!;
      if (kind === HISTOGRAM) {
        const text = histogramToString(row.histograms![s]!);
        lastGroup = groups.ofLabels(builder.set(label, text).labels());
        lastValue = NaN;
      } else if (lastGroup === -1 || value !== lastValue || value === 0) {
        lastGroup = groups.ofLabels(builder.set(label, formatF(value)).labels());
        lastValue = value;
      }
      const out = (outputs[lastGroup] ??= newOutput(ev, groups.labels[lastGroup]!, steps));
      if (out.present[s] === ABSENT) out.count++;
      out.present[s] = FLOAT;
      out.values[s]! += 1;
    }
  });
  for (const row of outputs) sink(row);
  ev.state.budget.release(outputs.length * steps);
}

function newOutput(ev: Evaluator, labels: Row["labels"], steps: number): Row {
  ev.state.budget.charge(steps);
  return scratchRow(labels, steps);
}
