// absent() answers with one series when there is nothing. Its labels are those that the selector demands to be
// exactly something, so that an alert can say what is missing.
import { EMPTY_LABELS, type Labels, LabelsBuilder, METRIC_NAME } from "@belfry/core/model";
import type { Evaluator } from "./evaluator.ts";
import type { CallPlan, Plan } from "./plan.ts";
import { ABSENT, FLOAT, type RowSink, scratchRow } from "./row.ts";

/** absentLabels derives the labels of an absent series from the argument of absent() or absent_over_time(). */
export function absentLabels(arg: Plan): Labels {
  const plan = arg.kind === "once" ? arg.inner : arg;
  const selector = plan.kind === "selector" ? plan : plan.kind === "range" ? plan.selector : undefined;
  if (selector === undefined) return EMPTY_LABELS;
  const builder = new LabelsBuilder();
  const seen = new Set<string>();
  for (const matcher of selector.matchers) {
    if (matcher.name === METRIC_NAME) continue;
    if (matcher.type === "=" && !seen.has(matcher.name)) {
      builder.set(matcher.name, matcher.value);
      seen.add(matcher.name);
    } else builder.delete(matcher.name);
  }
  return builder.labels();
}

/** evalAbsent evaluates absent(). */
export async function evalAbsent(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const { steps } = ev.frame;
  const found = new Uint8Array(steps);
  await ev.stream(plan.args[0]!, (row) => {
    for (let s = row.from; s < row.to; s++) if (row.present[row.base + s] !== ABSENT) found[s] = 1;
  });
  const row = scratchRow(absentLabels(plan.args[0]!), steps);
  for (let s = 0; s < steps; s++) {
    if (found[s] === 1) continue;
    row.present[s] = FLOAT;
    row.values[s] = 1;
    row.count++;
  }
  if (row.count > 0) sink(row);
}
