// The evaluator walks a plan over one frame of steps. Vector-valued nodes stream rows into a sink; scalars are
// one number per step. Subqueries and step-invariant parts get an evaluator of their own over another frame.
//
// The order of rows is part of the answer of an instant query, so no node reorders what it has no reason to.
import { EMPTY_LABELS, SampleBuffer } from "@belfry/core/model";
import { bug } from "../../lib/errors.ts";
import type { SelectedSeries } from "../queryable.ts";
import { evalAggregate } from "./aggregate.ts";
import { evalBinary, scalarOperation } from "./binary.ts";
import { evalCall, evalScalarCall } from "./call.ts";
import { dropMetadata, UniquePerStep, uniformMetadata } from "./metadata-labels.ts";
import { negateHistogram } from "./histogram-cells.ts";
import type { OncePlan, Plan, SelectorPlan, SubqueryPlan } from "./plan.ts";
import type { QueryContext } from "../queryable.ts";
import { type QueryState, SampleCounter } from "./query-state.ts";
import {
  ABSENT,
  FLOAT,
  type Frame,
  frameOf,
  HISTOGRAM,
  type Row,
  RowCollector,
  type RowSink,
  scratchRow,
} from "./row.ts";
import { LatestSamples } from "./selectors.ts";
import { smoothSeries } from "./smoothed.ts";
import { histogramSamples } from "./histogram-cells.ts";

/** CollectedRows are copies of all rows of a plan, charged to the budget. */
export interface CollectedRows {
  rows: Row[];
  samples: number;
}

/** Evaluator evaluates plans over one frame. */
export class Evaluator {
  readonly state: QueryState;
  readonly frame: Frame;
  readonly samples: SampleCounter;

  constructor(state: QueryState, frame: Frame, samples: SampleCounter) {
    this.state = state;
    this.frame = frame;
    this.samples = samples;
  }

  /** timeMs is the evaluation time of a step. */
  timeMs(step: number): number {
    return this.frame.startMs + step * this.frame.stepMs;
  }

  /** child evaluates over another frame with a sample counter of its own. */
  child(frame: Frame): Evaluator {
    return new Evaluator(this.state, frame, new SampleCounter(0));
  }

  /** context is what the storage needs to know of this query. */
  get context(): QueryContext {
    return { signal: this.state.signal, budget: this.state.budget };
  }

  /** stream evaluates a vector plan row by row. Rows without any present step are not passed on. */
  async stream(plan: Plan, sink: RowSink): Promise<void> {
    if (this.frame.steps === 0) return;
    switch (plan.kind) {
      case "selector":
        return this.streamSelector(plan, sink);
      case "call":
        return evalCall(this, plan, sink);
      case "aggregate":
        return evalAggregate(this, plan, sink);
      case "binary":
        return evalBinary(this, plan, sink);
      case "negate":
        return this.negate(plan.inner, sink);
      case "once":
        return this.once(plan, sink);
      default:
        throw bug(`${plan.kind} is not a vector`);
    }
  }

  /** collect evaluates a vector plan and keeps all rows; the caller releases them with `release`. */
  async collect(plan: Plan): Promise<CollectedRows> {
    const collector = new RowCollector();
    const collected: CollectedRows = { rows: collector.rows, samples: 0 };
    await this.stream(plan, (row) => {
      const samples = rowSamples(row);
      this.state.budget.charge(samples);
      collected.samples += samples;
      collector.add(row);
    });
    return collected;
  }

  /** release gives back what `collect` charged. */
  release(collected: CollectedRows): void {
    this.state.budget.release(collected.samples);
    collected.samples = 0;
  }

  /** scalar evaluates a scalar plan to one number per step. The array may be changed by the caller. */
  async scalar(plan: Plan): Promise<Float64Array> {
    const steps = this.frame.steps;
    switch (plan.kind) {
      case "number":
        return new Float64Array(steps).fill(plan.value);
      case "once": {
        if (steps === 0) return new Float64Array(0);
        const child = this.child({ ...this.frame, steps: 1, isInstant: true });
        const first = await child.scalar(plan.inner);
        for (let s = 0; s < steps; s++) this.samples.add(s, child.samples.total);
        return new Float64Array(steps).fill(first[0]!);
      }
      case "negate": {
        const values = await this.scalar(plan.inner);
        for (let s = 0; s < steps; s++) values[s] = -values[s]!;
        return values;
      }
      case "binary": {
        const lhs = await this.scalar(plan.lhs);
        const rhs = await this.scalar(plan.rhs);
        for (let s = 0; s < steps; s++) lhs[s] = scalarOperation(plan.expr.op, lhs[s]!, rhs[s]!);
        return lhs;
      }
      case "call":
        return evalScalarCall(this, plan);
      default:
        throw bug(`${plan.kind} is not a scalar`);
    }
  }

  /** visible makes the labels of a row what later nodes may see: without delayed name removal dropped names are gone. */
  visible(row: Row): Row {
    if (row.drop && !this.state.features.delayedNameRemoval) {
      row.labels = dropMetadata(row.labels);
      row.drop = false;
    }
    return row;
  }

  /**
   * droppingNames wraps a sink for rows whose name is dropped by the node around `plan`: it marks them and,
   * unless removal is delayed, sees to it that no two of them become the same series at the same step.
   */
  droppingNames(plan: Plan, sink: RowSink): RowSink {
    if (this.state.features.delayedNameRemoval || uniformMetadata(plan)) {
      return (row) => {
        row.drop = true;
        sink(row);
      };
    }
    const unique = new UniquePerStep(this.frame.steps);
    return (row) => {
      row.drop = true;
      this.visible(row);
      unique.add(row.labels, row);
      sink(row);
    };
  }

  private async streamSelector(plan: SelectorPlan, sink: RowSink): Promise<void> {
    const { state } = this;
    const row = scratchRow(EMPTY_LABELS, this.frame.steps);
    if (plan.smoothed) {
      await smoothSeries(this, plan, row, sink);
      return;
    }
    const latest = new LatestSamples(this.frame, plan, state.lookbackMs);
    await this.eachSeries(plan, (series, buffer) => {
      if (latest.fill(buffer, row) === 0) return;
      this.countRow(row);
      row.labels = series.labels;
      row.drop = false;
      sink(row);
    });
  }

  /** eachSeries reads the series of an instant selector one after the other into one buffer. */
  async eachSeries(plan: SelectorPlan, visit: (series: SelectedSeries, buffer: SampleBuffer) => void): Promise<void> {
    const { state } = this;
    const buffer = new SampleBuffer();
    const { startMs, endMs } = plan.hints;
    for (const series of plan.series) {
      buffer.clear();
      series.read(startMs, endMs, buffer);
      if (buffer.length > 0) visit(series, buffer);
      if (state.due(buffer.length + this.frame.steps)) await state.breathe();
    }
  }

  private countRow(row: Row): void {
    if (row.histograms === null && this.samples.perStep === null) {
      this.samples.total += row.count;
      return;
    }
    for (let s = row.from; s < row.to; s++) {
      const kind = row.present[row.base + s]!;
      if (kind === FLOAT) this.samples.add(s, 1);
      else if (kind === HISTOGRAM) this.samples.add(s, histogramSamples(row.histograms![s]!));
    }
  }

  private async negate(inner: Plan, sink: RowSink): Promise<void> {
    const forward = this.droppingNames(inner, sink);
    await this.stream(inner, (row) => {
      const { values, present, base } = row;
      for (let s = row.from; s < row.to; s++) {
        if (present[base + s] === HISTOGRAM) row.histograms![s] = negateHistogram(row.histograms![s]!);
        else values[base + s] = -values[base + s]!;
      }
      forward(row);
    });
  }

  private async once(plan: OncePlan, sink: RowSink): Promise<void> {
    const steps = this.frame.steps;
    const child = this.child({ ...this.frame, steps: 1, isInstant: true });
    const out = scratchRow(EMPTY_LABELS, steps);
    await child.stream(plan.inner, (row) => {
      const kind = row.present[row.base]!;
      if (kind === ABSENT) return;
      out.labels = row.labels;
      out.drop = row.drop;
      out.count = steps;
      out.present.fill(kind);
      if (kind === HISTOGRAM) out.histograms = Array.from({ length: steps }, () => row.histograms![0]);
      else {
        out.histograms = null;
        out.values.fill(row.values[row.base]!);
      }
      sink(out);
    });
    for (let s = 0; s < steps; s++) this.samples.add(s, child.samples.total);
  }

  /** subquery makes the evaluator for the inside of a subquery. */
  subquery(plan: SubqueryPlan): Evaluator {
    const { startMs, stepMs, steps } = this.frame;
    const first = (plan.atMs ?? startMs) - plan.offsetMs - plan.rangeMs;
    const endMs = (plan.atMs ?? startMs + (steps - 1) * stepMs) - plan.offsetMs;
    // The first multiple of the resolution after the (open) start of the range.
    let alignedMs = plan.stepMs * Math.trunc(first / plan.stepMs);
    if (alignedMs <= first) alignedMs += plan.stepMs;
    return this.child(frameOf(alignedMs, endMs, plan.stepMs));
  }
}

function rowSamples(row: Row): number {
  if (row.histograms === null) return row.count;
  let samples = 0;
  for (let s = row.from; s < row.to; s++) {
    const kind = row.present[row.base + s]!;
    if (kind === FLOAT) samples++;
    else if (kind === HISTOGRAM) samples += histogramSamples(row.histograms[s]!);
  }
  return samples;
}
