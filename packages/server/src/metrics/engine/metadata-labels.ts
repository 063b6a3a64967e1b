// Functions that change what a value means take the metric name, type and unit away. Two series that differed
// only in those then look the same, which is an error. With delayed name removal the labels stay until the
// whole query is done (and the error with them), without it they go at once.
import { type Labels, METRIC_NAME } from "@belfry/core/model";
import type { SelectedSeries } from "../queryable.ts";
import type { Plan } from "./plan.ts";
import { executionError, SAME_LABELSET } from "./query-error.ts";
import { ABSENT, type Row } from "./row.ts";

export const TYPE_LABEL = "__type__";
export const UNIT_LABEL = "__unit__";

/** METADATA_LABELS are the labels that are dropped together. */
export const METADATA_LABELS: ReadonlySet<string> = new Set([METRIC_NAME, TYPE_LABEL, UNIT_LABEL]);

/** dropMetadata returns the labels without name, type and unit. */
export function dropMetadata(labels: Labels): Labels {
  // The three sort before every label that does not begin with an underscore or a capital; most series have
  // the name only, and first.
  return labels.drop(METADATA_LABELS);
}

/** sameMetadata tells whether all series agree in name, type and unit, so that dropping them cannot make two alike. */
export function sameMetadata(series: readonly SelectedSeries[]): boolean {
  if (series.length === 0) return true;
  const first = series[0]!.labels;
  const name = first.get(METRIC_NAME);
  const type = first.get(TYPE_LABEL);
  const unit = first.get(UNIT_LABEL);
  const plain = type === "" && unit === "";
  for (let i = 1; i < series.length; i++) {
    const labels = series[i]!.labels;
    // Fast path: the name comes first and the next label is an ordinary one, so there is no type or unit.
    const { pairs } = labels;
    if (plain && pairs[0] === METRIC_NAME && pairs[1] === name && (pairs.length === 2 || pairs[2]! > "__unit__")) {
      continue;
    }
    if (labels.get(METRIC_NAME) !== name) return false;
    if (labels.get(TYPE_LABEL) !== type || labels.get(UNIT_LABEL) !== unit) return false;
  }
  return true;
}

/** uniformMetadata tells whether the rows of a plan surely agree in name, type and unit. */
export function uniformMetadata(plan: Plan): boolean {
  switch (plan.kind) {
    case "number":
    case "string":
      return true;
    case "selector":
      return sameMetadata(plan.series);
    case "range":
      return sameMetadata(plan.selector.series);
    case "subquery":
    case "negate":
    case "once":
      return uniformMetadata(plan.inner);
    case "call":
      if (plan.func.startsWith("label_") || plan.func === "info") return false;
      return plan.args.every(uniformMetadata);
    case "aggregate":
      return (
        uniformMetadata(plan.inner) ||
        (!plan.expr.without && !plan.expr.grouping.some((name) => METADATA_LABELS.has(name)))
      );
    case "binary":
      return false;
  }
}

/** UniqueLabels throws when two rows have the same labels, whatever their steps. */
export class UniqueLabels {
  private readonly seen = new Set<string>();
  add(labels: Labels): void {
    if (this.seen.has(labels.key)) throw executionError(SAME_LABELSET);
    this.seen.add(labels.key);
  }
}

/** UniquePerStep throws when two rows with the same labels are present at the same step. */
export class UniquePerStep {
  private readonly taken = new Map<string, Uint8Array>();
  private readonly steps: number;
  constructor(steps: number) {
    this.steps = steps;
  }

  add(labels: Labels, row: Row): void {
    let taken = this.taken.get(labels.key);
    const isNew = taken === undefined;
    if (taken === undefined) {
      taken = new Uint8Array(this.steps);
      this.taken.set(labels.key, taken);
    }
    for (let s = row.from; s < row.to; s++) {
      if (row.present[row.base + s] === ABSENT) continue;
      if (!isNew && taken[s] === 1) throw executionError(SAME_LABELSET);
      taken[s] = 1;
    }
  }
}
