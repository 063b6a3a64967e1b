// Functions on histograms: their count, sum and other numbers, and quantiles and fractions of native and classic
// histograms alike. The buckets of a classic histogram are series that differ in `le`; they are grouped once, and
// for every step the counts that are there make the histogram of that step.
import {
  ClassicBuckets,
  EMPTY_LABELS,
  type Histogram,
  histogramAverage,
  histogramDeviation,
  histogramFraction,
  histogramQuantile,
  histogramVariance,
  type Labels,
  LabelsBuilder,
  NaNObservations,
} from "@belfry/core/model";
import type { PositionRange } from "@belfry/core/promql";
import type { CollectedRows, Evaluator } from "./evaluator.ts";
import { formatOpenMetricsFloat } from "./go-format.ts";
import { UniquePerStep } from "./metadata-labels.ts";
import type { CallPlan, Plan } from "./plan.ts";
import { ABSENT, FLOAT, HISTOGRAM, type Row, type RowSink, scratchRow } from "./row.ts";

const BUCKET_LABEL = "le";
const WITHOUT_BUCKET: ReadonlySet<string> = new Set([BUCKET_LABEL]);

/** HISTOGRAM_VALUES are the functions of one native histogram, by name. */
export const HISTOGRAM_VALUES: ReadonlyMap<string, (histogram: Histogram) => number> = new Map<
  string,
  (histogram: Histogram) => number
>([
  ["histogram_count", (histogram) => histogram.count],
  ["histogram_sum", (histogram) => histogram.sum],
  ["histogram_avg", histogramAverage],
  ["histogram_stddev", histogramDeviation],
  ["histogram_stdvar", histogramVariance],
]);

/** evalHistogramValue evaluates one of HISTOGRAM_VALUES; floats fall out. */
export async function evalHistogramValue(
  ev: Evaluator,
  plan: CallPlan,
  apply: (histogram: Histogram) => number,
  sink: RowSink,
): Promise<void> {
  const arg = plan.args[0]!;
  const forward = ev.droppingNames(arg, sink);
  await ev.stream(arg, (row) => {
    if (row.histograms === null) return;
    row.count = 0;
    for (let s = row.from; s < row.to; s++) {
      const i = row.base + s;
      if (row.present[i] !== HISTOGRAM) {
        row.present[i] = ABSENT;
        continue;
      }
      row.values[i] = apply(row.histograms[s]!);
      row.present[i] = FLOAT;
      row.count++;
    }
    row.histograms = null;
    if (row.count > 0) forward(row);
  });
}

/** evalHistogramQuantile evaluates histogram_quantile(q, v). */
export async function evalHistogramQuantile(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const quantiles = await ev.scalar(plan.args[0]!);
  remarkOnQuantiles(ev, quantiles, plan.args[0]!.expr.pos);
  const input = await HistogramInput.read(ev, plan.args[1]!);
  const forward = ev.droppingNames(plan.args[1]!, sink);
  await input.quantiles(quantiles, plan.args[1]!.expr.pos, forward, undefined);
  input.release();
}

/** evalHistogramQuantiles evaluates histogram_quantiles(v, label, q, ...). */
export async function evalHistogramQuantiles(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const labelArg = plan.args[1]!;
  const label = labelArg.kind === "string" ? labelArg.value : "";
  const quantiles: Float64Array[] = [];
  for (const arg of plan.args.slice(2)) {
    const values = await ev.scalar(arg);
    remarkOnQuantiles(ev, values, arg.expr.pos);
    quantiles.push(values);
  }
  const pos = plan.args[0]!.expr.pos;
  const input = await HistogramInput.read(ev, plan.args[0]!);
  const forward = uniqueUnlessDelayed(ev, ev.droppingNames(plan.args[0]!, sink));
  for (const values of quantiles) await input.quantiles(values, pos, forward, label);
  input.release();
}

// The label for the quantile may replace one that told series apart.
function uniqueUnlessDelayed(ev: Evaluator, sink: RowSink): RowSink {
  if (ev.state.features.delayedNameRemoval) return sink;
  const unique = new UniquePerStep(ev.frame.steps);
  return (row) => {
    ev.visible(row);
    unique.add(row.labels, row);
    sink(row);
  };
}

/** evalHistogramFraction evaluates histogram_fraction(lower, upper, v). */
export async function evalHistogramFraction(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const lower = await ev.scalar(plan.args[0]!);
  const upper = await ev.scalar(plan.args[1]!);
  const input = await HistogramInput.read(ev, plan.args[2]!);
  const forward = ev.droppingNames(plan.args[2]!, sink);
  await input.fractions(lower, upper, plan.args[2]!.expr.pos, forward);
  input.release();
}

function remarkOnQuantiles(ev: Evaluator, quantiles: Float64Array, pos: PositionRange): void {
  let last = 0;
  for (const q of quantiles) {
    if ((q >= 0 && q <= 1) || Object.is(q, last)) continue;
    last = q;
    ev.state.annotations.invalidQuantile(q, pos);
  }
}

/** ClassicGroup is the buckets of one classic histogram. */
interface ClassicGroup {
  labels: Labels;
  drop: boolean;
  /** rows sorted by bound. */
  rows: Row[];
  bounds: number[];
  /** excluded marks steps at which there is a native histogram of the same series; null if none. */
  excluded: Uint8Array | null;
}

/** HistogramInput is a vector taken apart into native and classic histograms. */
class HistogramInput {
  private readonly ev: Evaluator;
  private readonly collected: CollectedRows;
  private readonly natives: Row[] = [];
  private readonly groups: ClassicGroup[] = [];
  private readonly buckets = new ClassicBuckets();
  private readonly out: Row;

  private constructor(ev: Evaluator, collected: CollectedRows) {
    this.ev = ev;
    this.collected = collected;
    this.out = scratchRow(EMPTY_LABELS, ev.frame.steps);
  }

  static async read(ev: Evaluator, plan: Plan): Promise<HistogramInput> {
    const collected = await ev.collect(plan);
    const input = new HistogramInput(ev, collected);
    input.split(plan.expr.pos);
    return input;
  }

  release(): void {
    this.ev.release(this.collected);
  }

  private nameOf(labels: Labels): string {
    return this.ev.state.features.delayedNameRemoval ? labels.metricName : "";
  }

  private split(pos: PositionRange): void {
    const { annotations } = this.ev.state;
    const byKey = new Map<string, ClassicGroup>();
    for (const row of this.collected.rows) {
      this.ev.visible(row);
      const floats = countKind(row, FLOAT);
      if (row.histograms !== null && floats < row.count) this.natives.push(row);
      if (floats === 0) continue;
      const text = row.labels.get(BUCKET_LABEL);
      const bound = parseBound(text);
      if (bound === undefined) {
        annotations.badBucketLabel(this.nameOf(row.labels), text, pos);
        continue;
      }
      const labels = row.labels.drop(WITHOUT_BUCKET);
      let group = byKey.get(labels.key);
      if (group === undefined) {
        group = { labels, drop: row.drop, rows: [], bounds: [], excluded: null };
        byKey.set(labels.key, group);
        this.groups.push(group);
      }
      let at = group.rows.length;
      while (at > 0 && group.bounds[at - 1]! > bound) at--;
      group.rows.splice(at, 0, row);
      group.bounds.splice(at, 0, bound);
    }
    for (const row of this.natives) {
      const group = byKey.get(row.labels.key);
      if (group === undefined) continue;
      for (let s = row.from; s < row.to; s++) {
        if (row.present[row.base + s] !== HISTOGRAM || !group.rows.some((bucket) => bucket.kind(s) === FLOAT)) continue;
        annotations.mixedClassicNativeHistograms(this.nameOf(row.labels), pos);
        row.present[row.base + s] = ABSENT;
        (group.excluded ??= new Uint8Array(this.ev.frame.steps))[s] = 1;
      }
    }
  }

  /** fill loads the buckets of a step; false when there are none. */
  private fill(group: ClassicGroup, step: number): boolean {
    const { buckets } = this;
    buckets.clear();
    if (group.excluded !== null && group.excluded[step] === 1) return false;
    const { rows, bounds } = group;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      if (row.kind(step) === FLOAT) buckets.push(bounds[i]!, row.values[row.base + step]!);
    }
    return buckets.length > 0;
  }

  private emit(labels: Labels, sink: RowSink): void {
    if (this.out.count === 0) return;
    this.out.labels = labels;
    this.out.drop = false;
    sink(this.out);
  }

  async quantiles(
    quantiles: Float64Array,
    pos: PositionRange,
    sink: RowSink,
    label: string | undefined,
  ): Promise<void> {
    const { ev, out } = this;
    const { annotations } = ev.state;
    for (const row of this.natives) {
      out.count = 0;
      for (let s = 0; s < ev.frame.steps; s++) {
        out.present[s] = ABSENT;
        if (row.kind(s) !== HISTOGRAM) continue;
        const { value, nan } = histogramQuantile(quantiles[s]!, row.histograms![s]!);
        if (nan === NaNObservations.Result) annotations.quantileNaNResult(this.nameOf(row.labels), pos);
        else if (nan === NaNObservations.Skew) annotations.quantileNaNSkew(this.nameOf(row.labels), pos);
        out.values[s] = value;
        out.present[s] = FLOAT;
        out.count++;
      }
      this.emitQuantile(row.labels, quantiles, label, sink);
      if (ev.state.due(ev.frame.steps * 16)) await ev.state.breathe();
    }
    for (const group of this.groups) {
      out.count = 0;
      for (let s = 0; s < ev.frame.steps; s++) {
        out.present[s] = ABSENT;
        if (!this.fill(group, s)) continue;
        const { buckets } = this;
        out.values[s] = buckets.quantile(quantiles[s]!);
        out.present[s] = FLOAT;
        out.count++;
        if (buckets.forcedMonotonic) {
          annotations.forcedMonotonicity(
            this.nameOf(group.labels),
            pos,
            ev.timeMs(s),
            buckets.minBucket,
            buckets.maxBucket,
            buckets.maxDiff,
          );
        }
      }
      this.emitQuantile(group.labels, quantiles, label, sink);
      if (ev.state.due(ev.frame.steps * group.rows.length)) await ev.state.breathe();
    }
  }

  // With a label for the quantile, steps of different quantiles belong to different series.
  private emitQuantile(labels: Labels, quantiles: Float64Array, label: string | undefined, sink: RowSink): void {
    const { out } = this;
    if (out.count === 0) return;
    if (label === undefined) {
      this.emit(labels, sink);
      return;
    }
    const named = (q: number): Labels => new LabelsBuilder(labels).set(label, formatOpenMetricsFloat(q)).labels();
    const first = quantiles[0]!;
    if (quantiles.every((q) => Object.is(q, first))) {
      this.emit(named(first), sink);
      return;
    }
    const present = out.present.slice();
    for (const q of new Set(quantiles)) {
      out.count = 0;
      for (let s = 0; s < quantiles.length; s++) {
        const same = Object.is(quantiles[s], q) || (quantiles[s] === q && q === 0);
        out.present[s] = same ? present[s]! : ABSENT;
        if (out.present[s] !== ABSENT) out.count++;
      }
      this.emit(named(q), sink);
    }
  }

  async fractions(lower: Float64Array, upper: Float64Array, pos: PositionRange, sink: RowSink): Promise<void> {
    const { ev, out } = this;
    for (const row of this.natives) {
      out.count = 0;
      for (let s = 0; s < ev.frame.steps; s++) {
        out.present[s] = ABSENT;
        if (row.kind(s) !== HISTOGRAM) continue;
        const { value, nan } = histogramFraction(lower[s]!, upper[s]!, row.histograms![s]!);
        if (nan) ev.state.annotations.fractionNaNs(this.nameOf(row.labels), pos);
        out.values[s] = value;
        out.present[s] = FLOAT;
        out.count++;
      }
      this.emit(row.labels, sink);
      if (ev.state.due(ev.frame.steps * 16)) await ev.state.breathe();
    }
    for (const group of this.groups) {
      out.count = 0;
      for (let s = 0; s < ev.frame.steps; s++) {
        out.present[s] = ABSENT;
        if (!this.fill(group, s)) continue;
        out.values[s] = this.buckets.fraction(lower[s]!, upper[s]!);
        out.present[s] = FLOAT;
        out.count++;
      }
      this.emit(group.labels, sink);
      if (ev.state.due(ev.frame.steps * group.rows.length)) await ev.state.breathe();
    }
  }
}

function countKind(row: Row, kind: number): number {
  if (row.histograms === null) return kind === FLOAT ? row.count : 0;
  let count = 0;
  for (let s = row.from; s < row.to; s++) if (row.present[row.base + s] === kind) count++;
  return count;
}

const FLOAT_TEXT = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const INFINITY_TEXT = /^([+-]?)inf(?:inity)?$/i;

/** parseBound reads the value of `le` as Go's ParseFloat would, or returns undefined. */
function parseBound(text: string): number | undefined {
  if (FLOAT_TEXT.test(text)) return Number(text);
  const infinity = INFINITY_TEXT.exec(text);
  if (infinity) return infinity[1] === "-" ? -Infinity : Infinity;
  return /^nan$/i.test(text) ? NaN : undefined;
}
