// Aggregations that give one row per group: sum, avg, count, min, max, group, stddev, stdvar, quantile. Rows are
// added to their group as they stream by and need not be kept (quantile is the exception). What a group has
// seen at a step is a bit set; the bits and sums of all groups lie in flat arrays, cell `group * steps + step`.
import {
  compactHistogram,
  EMPTY_LABELS,
  type Histogram,
  kahanError,
  type Labels,
  METRIC_NAME,
} from "@belfry/core/model";
import type { AggregateExpr } from "@belfry/core/promql";
import { evalCountValues } from "./count-values.ts";
import type { Evaluator } from "./evaluator.ts";
import { HistogramSum } from "./histogram-sums.ts";
import { METADATA_LABELS } from "./metadata-labels.ts";
import type { AggregatePlan } from "./plan.ts";
import { quantile } from "./quantile.ts";
import { ABSENT, FLOAT, HISTOGRAM, type Row, type RowSink, scratchRow } from "./row.ts";
import { evalSelection } from "./selection.ts";

/** Grouping finds the group of a row by its labels, and makes the labels of the group. */
export class Grouping {
  /** labels of the groups, by group number. */
  readonly labels: Labels[] = [];
  private readonly groups = new Map<string, number>();
  private readonly names: readonly string[];
  private readonly nameSet: ReadonlySet<string>;
  private readonly without: boolean;
  /** needsVisible: dropped names would show in the key. */
  private readonly needsVisible: boolean;
  private readonly ev: Evaluator;

  constructor(ev: Evaluator, expr: Pick<AggregateExpr, "grouping" | "without">) {
    this.ev = ev;
    this.without = expr.without;
    this.names = [...new Set(expr.grouping)].sort();
    this.nameSet = new Set(expr.without ? [...this.names, METRIC_NAME] : this.names);
    this.needsVisible = expr.without || this.names.some((name) => METADATA_LABELS.has(name));
  }

  get count(): number {
    return this.labels.length;
  }

  /** of returns the number of the row's group; numbers count up from 0 in order of first appearance. */
  of(row: Row): number {
    if (this.needsVisible) this.ev.visible(row);
    return this.ofLabels(row.labels);
  }

  ofLabels(labels: Labels): number {
    const key = this.without
      ? labels.keyWithout(this.nameSet)
      : this.names.length === 0
        ? ""
        : this.names.length === 1
          ? labels.get(this.names[0]!)
          : labels.keyOf(this.names);
    let group = this.groups.get(key);
    if (group === undefined) {
      group = this.labels.length;
      this.groups.set(key, group);
      this.labels.push(
        this.without ? labels.drop(this.nameSet) : this.names.length === 0 ? EMPTY_LABELS : labels.keep(this.nameSet),
      );
    }
    return group;
  }
}

/** evalAggregate evaluates any aggregation. */
export async function evalAggregate(ev: Evaluator, plan: AggregatePlan, sink: RowSink): Promise<void> {
  switch (plan.expr.op) {
    case "topk":
    case "bottomk":
    case "limitk":
    case "limit_ratio":
      return evalSelection(ev, plan, sink);
    case "count_values":
      return evalCountValues(ev, plan, sink);
    case "quantile":
      return evalQuantile(ev, plan, sink);
  }
  const grouping = new Grouping(ev, plan.expr);
  const sums = accumulatorFor(ev, plan);
  const dropped: boolean[] = [];
  await ev.stream(plan.inner, (row) => {
    const group = grouping.of(row);
    sums.ensure(group + 1);
    sums.add(group, row);
    if (row.drop) dropped[group] = true;
  });
  const out = scratchRow(EMPTY_LABELS, ev.frame.steps);
  for (let group = 0; group < grouping.count; group++) {
    out.histograms = null;
    out.count = sums.finish(group, out);
    out.labels = grouping.labels[group]!;
    out.drop = dropped[group] === true;
    if (out.count > 0) sink(out);
    if (ev.state.due(ev.frame.steps)) await ev.state.breathe();
  }
  sums.release();
}

/** Bits of a cell: what a group has seen at a step. */
const SEEN = 1;
const HAS_FLOAT = 2;
const HAS_HISTOGRAM = 4;
const INCOMPATIBLE = 8;
const INCREMENTAL = 16;

abstract class Accumulator {
  protected readonly ev: Evaluator;
  protected readonly plan: AggregatePlan;
  protected readonly steps: number;
  protected bits = new Uint8Array(0);
  private groups = 0;

  constructor(ev: Evaluator, plan: AggregatePlan) {
    this.ev = ev;
    this.plan = plan;
    this.steps = ev.frame.steps;
  }

  /** ensure makes room for `groups` groups. */
  ensure(groups: number): void {
    if (groups <= this.groups) return;
    this.ev.state.budget.charge((groups - this.groups) * this.steps);
    this.groups = groups;
    const cells = Math.max(groups, Math.floor((this.bits.length / this.steps) * 1.5), 8) * this.steps;
    if (groups * this.steps <= this.bits.length) return;
    const bits = new Uint8Array(cells);
    bits.set(this.bits);
    this.bits = bits;
    this.grow(cells);
  }

  release(): void {
    this.ev.state.budget.release(this.groups * this.steps);
  }

  protected abstract grow(cells: number): void;
  abstract add(group: number, row: Row): void;
  /** finish fills `out` with the results of a group and returns how many steps have one. */
  abstract finish(group: number, out: Row): number;
}

function grown(values: Float64Array, cells: number): Float64Array {
  const out = new Float64Array(cells);
  out.set(values);
  return out;
}

function accumulatorFor(ev: Evaluator, plan: AggregatePlan): Accumulator {
  switch (plan.expr.op) {
    case "sum":
    case "avg":
      return new SumAccumulator(ev, plan);
    case "min":
    case "max":
      return new ExtremeAccumulator(ev, plan);
    case "stddev":
    case "stdvar":
      return new DeviationAccumulator(ev, plan);
    default:
      return new CountAccumulator(ev, plan);
  }
}

/** CountAccumulator is count and group. */
class CountAccumulator extends Accumulator {
  private counts: Float64Array = new Float64Array(0);

  protected grow(cells: number): void {
    this.counts = grown(this.counts, cells);
  }

  add(group: number, row: Row): void {
    const at = group * this.steps;
    const { present, base } = row;
    const counts = this.counts;
    for (let s = row.from; s < row.to; s++) if (present[base + s] !== ABSENT) counts[at + s]! += 1;
  }

  finish(group: number, out: Row): number {
    const at = group * this.steps;
    const isGroup = this.plan.expr.op === "group";
    let count = 0;
    for (let s = 0; s < this.steps; s++) {
      const n = this.counts[at + s]!;
      out.present[s] = n > 0 ? FLOAT : ABSENT;
      out.values[s] = isGroup ? 1 : n;
      if (n > 0) count++;
    }
    return count;
  }
}

/** ExtremeAccumulator is min and max. NaN loses against any number. */
class ExtremeAccumulator extends Accumulator {
  private values: Float64Array = new Float64Array(0);

  protected grow(cells: number): void {
    this.values = grown(this.values, cells);
  }

  add(group: number, row: Row): void {
    const at = group * this.steps;
    const { present, base } = row;
    const { bits, values } = this;
    const isMin = this.plan.expr.op === "min";
    for (let s = row.from; s < row.to; s++) {
      const kind = present[base + s]!;
      if (kind === ABSENT) continue;
      if (kind === HISTOGRAM) {
        this.ev.state.annotations.histogramIgnoredInAggregation(this.plan.expr.op, this.plan.inner.expr.pos);
        continue;
      }
      const value = row.values[base + s]!;
      const cell = at + s;
      if (bits[cell] === 0) {
        bits[cell] = SEEN;
        values[cell] = value;
        continue;
      }
      const known = values[cell]!;
      if ((isMin ? known > value : known < value) || known !== known) values[cell] = value;
    }
  }

  finish(group: number, out: Row): number {
    const at = group * this.steps;
    let count = 0;
    for (let s = 0; s < this.steps; s++) {
      const seen = this.bits[at + s]!;
      out.present[s] = seen;
      out.values[s] = this.values[at + s]!;
      count += seen;
    }
    return count;
  }
}

/** DeviationAccumulator is stddev and stdvar, by Welford's method with compensated sums. */
class DeviationAccumulator extends Accumulator {
  private counts: Float64Array = new Float64Array(0);
  private means: Float64Array = new Float64Array(0);
  private squares: Float64Array = new Float64Array(0);

  protected grow(cells: number): void {
    this.counts = grown(this.counts, cells);
    this.means = grown(this.means, cells);
    this.squares = grown(this.squares, cells);
  }

  add(group: number, row: Row): void {
    const at = group * this.steps;
    const { counts, means, squares } = this;
    for (let s = row.from; s < row.to; s++) {
      const kind = row.present[row.base + s]!;
      if (kind === ABSENT) continue;
      if (kind === HISTOGRAM) {
        this.ev.state.annotations.histogramIgnoredInAggregation(this.plan.expr.op, this.plan.inner.expr.pos);
        continue;
      }
      const value = row.values[row.base + s]!;
      const cell = at + s;
      const count = ++counts[cell]!;
      if (count === 1) {
        means[cell] = value;
        squares[cell] = Number.isFinite(value) ? 0 : NaN;
        continue;
      }
      const delta = value - means[cell]!;
      means[cell]! += delta / count;
      squares[cell]! += delta * (value - means[cell]!);
    }
  }

  finish(group: number, out: Row): number {
    const at = group * this.steps;
    const root = this.plan.expr.op === "stddev";
    let count = 0;
    for (let s = 0; s < this.steps; s++) {
      const n = this.counts[at + s]!;
      if (n === 0) {
        out.present[s] = ABSENT;
        continue;
      }
      const variance = this.squares[at + s]! / n;
      out.values[s] = root ? Math.sqrt(variance) : variance;
      out.present[s] = FLOAT;
      count++;
    }
    return count;
  }
}

/**
 * SumAccumulator is sum and avg. Floats are summed with Neumaier's compensation. The average divides the sum
 * at the end; where the sum would overflow it goes on with a running mean.
 */
class SumAccumulator extends Accumulator {
  private sums: Float64Array = new Float64Array(0);
  private errors: Float64Array = new Float64Array(0);
  /** counts and means are for avg only. */
  private counts: Float64Array = new Float64Array(0);
  private means: Float64Array = new Float64Array(0);
  /** full marks groups with a float and no histogram in every cell. */
  private readonly full: boolean[] = [];
  private readonly isAvg: boolean;
  private readonly histograms = new Map<number, HistogramSum>();

  constructor(ev: Evaluator, plan: AggregatePlan) {
    super(ev, plan);
    this.isAvg = plan.expr.op === "avg";
  }

  protected grow(cells: number): void {
    this.sums = grown(this.sums, cells);
    this.errors = grown(this.errors, cells);
    if (this.isAvg) {
      this.counts = grown(this.counts, cells);
      this.means = grown(this.means, cells);
    }
  }

  add(group: number, row: Row): void {
    if (row.histograms !== null) this.addMixed(group, row);
    else if (this.isAvg) this.addToAverage(group, row);
    else this.addToSum(group, row);
  }

  // Fast path: the group has seen floats only, at every step, and so has the row.
  private addFullRow(at: number, row: Row): void {
    const { sums, errors, steps } = this;
    const { values, base } = row;
    for (let s = 0; s < steps; s++) {
      const value = values[base + s]!;
      const sum = sums[at + s]!;
      const total = sum + value;
      // The rounding error of the addition, exactly, and without asking which addend is the larger: twice as fast.
      // Once a sum is infinite its error is NaN, and finish() leaves it out.
      const part = total - sum;
      errors[at + s]! += sum - (total - part) + (value - part);
      sums[at + s] = total;
    }
  }

  private addToSum(group: number, row: Row): void {
    const { bits, sums, errors } = this;
    const { present, values, base, to } = row;
    const at = group * this.steps;
    if (row.count === this.steps) {
      if (this.full[group] === true) {
        this.addFullRow(at, row);
        return;
      }
      // After this row every cell has a float; a group with histograms never becomes full.
      if (this.histograms.size === 0) this.full[group] = true;
    }
    for (let s = row.from; s < to; s++) {
      if (present[base + s] === ABSENT) continue;
      const value = values[base + s]!;
      const cell = at + s;
      if (bits[cell] === 0) {
        bits[cell] = SEEN | HAS_FLOAT;
        sums[cell] = value;
        continue;
      }
      bits[cell] |= HAS_FLOAT;
      const sum = sums[cell]!;
      const total = sum + value;
      const part = total - sum;
      errors[cell]! += sum - (total - part) + (value - part);
      sums[cell] = total;
    }
  }

  private addToAverage(group: number, row: Row): void {
    const at = group * this.steps;
    for (let s = row.from; s < row.to; s++) {
      if (row.present[row.base + s] !== ABSENT) this.averageFloat(at + s, row.values[row.base + s]!);
    }
  }

  private averageFloat(cell: number, value: number): void {
    const { bits, sums, errors, counts, means } = this;
    if (bits[cell] === 0) {
      bits[cell] = SEEN | HAS_FLOAT;
      sums[cell] = value;
      means[cell] = value;
      counts[cell] = 1;
      return;
    }
    bits[cell] |= HAS_FLOAT;
    const count = ++counts[cell]!;
    if ((bits[cell]! & INCREMENTAL) === 0) {
      const sum = sums[cell]!;
      const total = sum + value;
      if (total !== Infinity && total !== -Infinity) {
        if (Math.abs(sum) >= Math.abs(value)) errors[cell]! += sum - total + value;
        else errors[cell]! += value - total + sum;
        sums[cell] = total;
        return;
      }
      bits[cell] |= INCREMENTAL;
      means[cell] = sum / (count - 1);
      errors[cell]! /= count - 1;
    }
    const q = (count - 1) / count;
    const mean = q * means[cell]!;
    const error = q * errors[cell]!;
    const part = value / count;
    const total = mean + part;
    if (total === Infinity || total === -Infinity) errors[cell] = 0;
    else if (Math.abs(mean) >= Math.abs(part)) errors[cell] = error + (mean - total + part);
    else errors[cell] = error + (part - total + mean);
    means[cell] = total;
  }

  // Slow path: a row with histograms.
  private addMixed(group: number, row: Row): void {
    const at = group * this.steps;
    for (let s = row.from; s < row.to; s++) {
      const kind = row.present[row.base + s]!;
      if (kind === ABSENT) continue;
      const cell = at + s;
      if (this.bits[cell]! & INCOMPATIBLE) continue;
      if (kind === HISTOGRAM) this.addHistogram(cell, row.histograms![s]!, row.labels);
      else if (this.isAvg) this.averageFloat(cell, row.values[row.base + s]!);
      else this.sumFloat(cell, row.values[row.base + s]!);
    }
  }

  private sumFloat(cell: number, value: number): void {
    const { bits, sums, errors } = this;
    const sum = bits[cell] === 0 ? 0 : sums[cell]!;
    bits[cell] |= SEEN | HAS_FLOAT;
    errors[cell] = kahanError(value, sum, errors[cell]!);
    sums[cell] = sum + value;
  }

  private addHistogram(cell: number, histogram: Histogram, labels: Labels): void {
    const { bits } = this;
    this.full.length = 0;
    if (bits[cell] === 0) {
      bits[cell] = SEEN | HAS_HISTOGRAM;
      this.histograms.set(cell, new HistogramSum(histogram, this.isAvg));
      return;
    }
    bits[cell]! |= HAS_HISTOGRAM;
    const sum = this.histograms.get(cell);
    // Without a histogram so far the group has floats, and no result anyway.
    if (sum === undefined) return;
    sum.add(histogram);
    if (!sum.incompatible) return;
    bits[cell]! |= INCOMPATIBLE;
    this.ev.state.annotations.mixedExponentialCustomHistograms(labels.metricName, this.plan.inner.expr.pos);
  }

  finish(group: number, out: Row): number {
    const at = group * this.steps;
    const { bits, sums, errors, counts, means } = this;
    let count = 0;
    for (let s = 0; s < this.steps; s++) {
      const cell = at + s;
      const seen = bits[cell]!;
      out.present[s] = ABSENT;
      if (seen === 0) continue;
      if ((seen & HAS_HISTOGRAM) !== 0) {
        const histogram = this.finishHistogram(cell, seen);
        if (histogram === undefined) continue;
        out.present[s] = HISTOGRAM;
        (out.histograms ??= [])[s] = histogram;
      } else {
        out.present[s] = FLOAT;
        if (!this.isAvg) out.values[s] = Number.isFinite(sums[cell]) ? sums[cell]! + errors[cell]! : sums[cell]!;
        else if ((seen & INCREMENTAL) !== 0) out.values[s] = means[cell]! + errors[cell]!;
        else out.values[s] = sums[cell]! / counts[cell]! + errors[cell]! / counts[cell]!;
      }
      count++;
    }
    return count;
  }

  private finishHistogram(cell: number, seen: number): Histogram | undefined {
    const { annotations } = this.ev.state;
    const pos = this.plan.inner.expr.pos;
    if ((seen & HAS_FLOAT) !== 0) {
      annotations.mixedFloatsHistogramsInAggregation(pos);
      return undefined;
    }
    if ((seen & INCOMPATIBLE) !== 0) return undefined;
    const sum = this.histograms.get(cell)!;
    if (sum.collision) annotations.counterResetCollision("aggregation", pos);
    if (sum.reconciled) annotations.mismatchedCustomBuckets("aggregation", pos);
    return compactHistogram(sum.result());
  }
}

async function evalQuantile(ev: Evaluator, plan: AggregatePlan, sink: RowSink): Promise<void> {
  const { annotations } = ev.state;
  const pos = plan.inner.expr.pos;
  const quantiles = await ev.scalar(plan.param!);
  let min = Infinity;
  let max = -Infinity;
  let hasNaN = false;
  for (const q of quantiles) {
    if (q !== q) hasNaN = true;
    if (q < min) min = q;
    if (q > max) max = q;
  }
  if (hasNaN) annotations.invalidQuantile(NaN, plan.param!.expr.pos);
  if (max > 1) annotations.invalidQuantile(max, plan.param!.expr.pos);
  if (min < 0) annotations.invalidQuantile(min, plan.param!.expr.pos);
  const collected = await ev.collect(plan.inner);
  const grouping = new Grouping(ev, plan.expr);
  const members: Row[][] = [];
  for (const row of collected.rows) (members[grouping.of(row)] ??= []).push(row);
  const out = scratchRow(EMPTY_LABELS, ev.frame.steps);
  for (let group = 0; group < grouping.count; group++) {
    const rows = members[group]!;
    const values = new Float64Array(rows.length);
    out.labels = grouping.labels[group]!;
    out.drop = rows.some((row) => row.drop);
    out.count = 0;
    for (let s = 0; s < ev.frame.steps; s++) {
      let n = 0;
      for (const row of rows) {
        const kind = row.kind(s);
        if (kind === FLOAT) values[n++] = row.values[row.base + s]!;
        else if (kind === HISTOGRAM) annotations.histogramIgnoredInAggregation("quantile", pos);
      }
      out.present[s] = ABSENT;
      if (n === 0) continue;
      out.values[s] = quantile(quantiles[s]!, values, n);
      out.present[s] = FLOAT;
      out.count++;
    }
    if (out.count > 0) sink(out);
    if (ev.state.due(rows.length * ev.frame.steps)) await ev.state.breathe();
  }
  ev.release(collected);
}
