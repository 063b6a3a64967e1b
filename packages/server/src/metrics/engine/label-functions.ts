// label_replace() and label_join() change labels and leave samples alone.
import { type Labels, LabelsBuilder, METRIC_NAME, RegexError, Replacement, Substitution } from "@belfry/core/model";
import type { Evaluator } from "./evaluator.ts";
import { isValidLabelName } from "./label-names.ts";
import { UniquePerStep } from "./metadata-labels.ts";
import type { CallPlan } from "./plan.ts";
import { executionError } from "./query-error.ts";
import type { Row, RowSink } from "./row.ts";

function text(plan: CallPlan, i: number): string {
  const arg = plan.args[i]!;
  return arg.kind === "string" ? arg.value : "";
}

/** evalLabelReplace evaluates label_replace(v, dst, replacement, src, regex). */
export async function evalLabelReplace(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const dst = text(plan, 1);
  const source = text(plan, 3);
  const pattern = text(plan, 4);
  const replacement = new Replacement(text(plan, 2));
  let substitution: Substitution;
  try {
    substitution = new Substitution(pattern);
  } catch (error) {
    if (error instanceof RegexError) {
      throw executionError(`invalid regular expression in label_replace(): ${pattern}`);
    }
    throw error;
  }
  if (!isValidLabelName(dst)) throw executionError(`invalid destination label name in label_replace(): ${dst}`);
  // Label values repeat far more often than they differ.
  const results = new Map<string, string | undefined>();
  await relabel(ev, plan, dst, sink, (labels) => {
    const value = labels.get(source);
    if (!results.has(value)) results.set(value, substitution.expand(value, replacement)?.[0]);
    return results.get(value);
  });
}

/** evalLabelJoin evaluates label_join(v, dst, separator, src...). */
export async function evalLabelJoin(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const dst = text(plan, 1);
  const separator = text(plan, 2);
  const sources: string[] = [];
  for (let i = 3; i < plan.args.length; i++) {
    const source = text(plan, i);
    if (!isValidLabelName(source)) throw executionError(`invalid source label name in label_join(): ${source}`);
    sources.push(source);
  }
  if (!isValidLabelName(dst)) throw executionError(`invalid destination label name in label_join(): ${dst}`);
  await relabel(ev, plan, dst, sink, (labels) => sources.map((name) => labels.get(name)).join(separator));
}

// relabel sets `dst` to what `value` says (undefined: leave as it is) and sees that series stay different.
async function relabel(
  ev: Evaluator,
  plan: CallPlan,
  dst: string,
  sink: RowSink,
  value: (labels: Labels) => string | undefined,
): Promise<void> {
  const unique = new UniquePerStep(ev.frame.steps);
  const builder = new LabelsBuilder();
  await ev.stream(plan.args[0]!, (row: Row) => {
    ev.visible(row);
    const result = value(row.labels);
    if (result !== undefined) {
      row.labels = builder.reset(row.labels).set(dst, result).labels();
      if (dst === METRIC_NAME) row.drop = false;
    }
    unique.add(row.labels, row);
    sink(row);
  });
}
