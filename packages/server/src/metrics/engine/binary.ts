// Binary operators between vectors, and between a vector and a scalar.
//
// Which series belong together is decided once per pair of label sets, not per step: every row gets the ordinal
// of its match signature. Where each signature has one row on either side (nearly always) whole columns are
// combined. Where rows of one signature take turns over time, the steps are gone through one by one, exactly
// as the definition of the operators does; duplicates that matter are found there, at the first step where
// they meet.
import { compareLabels, EMPTY_LABELS, type Labels, LabelsBuilder, METRIC_NAME } from "@belfry/core/model";
import type { BinaryOperator, VectorMatching } from "@belfry/core/promql";
import { bug } from "../../lib/errors.ts";
import {
  arithmetic,
  cellOperation,
  type CellResult,
  changesMeaning,
  compare,
  isComparison,
  isTrim,
} from "./binary-cell.ts";
import type { Evaluator } from "./evaluator.ts";
import { dropMetadata } from "./metadata-labels.ts";
import { type BinaryPlan, type Plan, planType } from "./plan.ts";
import { executionError, SAME_LABELSET } from "./query-error.ts";
import { ABSENT, countPresent, FLOAT, HISTOGRAM, type Row, type RowSink, scratchRow } from "./row.ts";

/** scalarOperation applies an operator to two scalars; comparisons yield 1 and 0. */
export function scalarOperation(op: BinaryOperator, a: number, b: number): number {
  if (isComparison(op)) return compare(op, a, b) ? 1 : 0;
  return arithmetic(op, a, b);
}

/** evalBinary evaluates an operator of which at least one operand is a vector. */
export async function evalBinary(ev: Evaluator, plan: BinaryPlan, sink: RowSink): Promise<void> {
  const left = planType(plan.lhs);
  const right = planType(plan.rhs);
  if (left === "vector" && right === "scalar") return vectorScalar(ev, plan, plan.lhs, plan.rhs, false, sink);
  if (left === "scalar" && right === "vector") return vectorScalar(ev, plan, plan.rhs, plan.lhs, true, sink);
  const matching = plan.expr.matching;
  if (matching === undefined) throw bug("vector operands without matching");
  switch (plan.expr.op) {
    case "and":
    case "unless":
    case "or":
      return setOperation(ev, plan, matching, sink);
    default:
      return new VectorOperation(ev, plan, matching, sink).run();
  }
}

async function vectorScalar(
  ev: Evaluator,
  plan: BinaryPlan,
  vector: Plan,
  scalar: Plan,
  swap: boolean,
  sink: RowSink,
): Promise<void> {
  const { op, returnBool, pos } = plan.expr;
  const other = await ev.scalar(scalar);
  const { annotations } = ev.state;
  const drops = changesMeaning(op) || returnBool;
  const forward = drops ? ev.droppingNames(vector, sink) : sink;
  const comparison = isComparison(op);
  const result: CellResult = { value: 0, histogram: undefined, keep: true };
  await ev.stream(vector, (row) => {
    if (row.histograms === null && !isTrim(op)) {
      if (!comparison) arithmeticColumn(op, row, other, swap);
      else if (returnBool) boolColumn(op, row, other, swap);
      else filterColumn(op, row, other, swap);
    } else {
      // Slow path: histograms.
      const { present, values, base } = row;
      for (let s = row.from; s < row.to; s++) {
        const kind = present[base + s]!;
        if (kind === ABSENT) continue;
        const histogram = kind === HISTOGRAM ? row.histograms![s] : undefined;
        const value = values[base + s]!;
        const defined = swap
          ? cellOperation(op, other[s]!, value, undefined, histogram, result, annotations, pos)
          : cellOperation(op, value, other[s]!, histogram, undefined, result, annotations, pos);
        if (!defined) {
          present[base + s] = ABSENT;
          continue;
        }
        if (comparison) {
          // Comparisons keep the element of the vector; histograms never get here.
          if (returnBool) values[base + s] = result.keep ? 1 : 0;
          else if (!result.keep) present[base + s] = ABSENT;
        } else if (result.histogram === undefined) {
          values[base + s] = result.value;
          present[base + s] = FLOAT;
        } else {
          row.histograms![s] = result.histogram;
        }
      }
      row.count = countPresent(row);
    }
    if (row.count > 0) forward(row);
  });
}

// The loops below run over cells that may be absent: computing garbage there is cheaper than asking.
function arithmeticColumn(op: BinaryOperator, row: Row, other: Float64Array, swap: boolean): void {
  const { values, base, from, to } = row;
  switch (op) {
    case "+":
      for (let s = from; s < to; s++) values[base + s] = values[base + s]! + other[s]!;
      return;
    case "*":
      for (let s = from; s < to; s++) values[base + s] = values[base + s]! * other[s]!;
      return;
    case "-":
      if (swap) for (let s = from; s < to; s++) values[base + s] = other[s]! - values[base + s]!;
      else for (let s = from; s < to; s++) values[base + s] = values[base + s]! - other[s]!;
      return;
    case "/":
      if (swap) for (let s = from; s < to; s++) values[base + s] = other[s]! / values[base + s]!;
      else for (let s = from; s < to; s++) values[base + s] = values[base + s]! / other[s]!;
      return;
    default:
      for (let s = from; s < to; s++) {
        const value = values[base + s]!;
        values[base + s] = swap ? arithmetic(op, other[s]!, value) : arithmetic(op, value, other[s]!);
      }
  }
}

function boolColumn(op: BinaryOperator, row: Row, other: Float64Array, swap: boolean): void {
  const { values, base } = row;
  for (let s = row.from; s < row.to; s++) {
    const value = values[base + s]!;
    values[base + s] = (swap ? compare(op, other[s]!, value) : compare(op, value, other[s]!)) ? 1 : 0;
  }
}

function filterColumn(op: BinaryOperator, row: Row, other: Float64Array, swap: boolean): void {
  const { values, present, base } = row;
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    const value = values[base + s]!;
    if (present[base + s] === ABSENT) continue;
    if (swap ? compare(op, other[s]!, value) : compare(op, value, other[s]!)) count++;
    else present[base + s] = ABSENT;
  }
  row.count = count;
}

const ONLY_NAME: ReadonlySet<string> = new Set([METRIC_NAME]);

// keyWithoutName identifies the labels other than the name. Their full key is kept with them from query to query, so
// cutting the name off is cheaper than putting the rest together.
function keyWithoutName(labels: Labels): string {
  const { pairs, key } = labels;
  if (pairs[0] === METRIC_NAME) return key.slice(METRIC_NAME.length + pairs[1]!.length + 2);
  return labels.has(METRIC_NAME) ? labels.drop(ONLY_NAME).key : key;
}

/** Signatures numbers the match signatures of rows; the same for both sides of an operator. */
class Signatures {
  count = 0;
  private readonly ordinals = new Map<string, number>();
  private readonly keyOf: (labels: Labels) => string;

  constructor(matching: VectorMatching) {
    if (matching.on) {
      const names = [...matching.matchingLabels].sort();
      this.keyOf = names.length === 1 ? (labels) => labels.get(names[0]!) : (labels) => labels.keyOf(names);
    } else if (matching.matchingLabels.length === 0) {
      this.keyOf = keyWithoutName;
    } else {
      const names = new Set([METRIC_NAME, ...matching.matchingLabels]);
      this.keyOf = (labels) => labels.keyWithout(names);
    }
  }

  async of(rows: readonly Row[], ev: Evaluator): Promise<Int32Array> {
    const out = new Int32Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      const key = this.keyOf(rows[i]!.labels);
      let ordinal = this.ordinals.get(key);
      if (ordinal === undefined) {
        ordinal = this.count++;
        this.ordinals.set(key, ordinal);
      }
      out[i] = ordinal;
      if (ev.state.due(64)) await ev.state.breathe();
    }
    return out;
  }
}

async function setOperation(ev: Evaluator, plan: BinaryPlan, matching: VectorMatching, sink: RowSink): Promise<void> {
  const op = plan.expr.op;
  const lhs = await ev.collect(plan.lhs);
  const rhs = await ev.collect(plan.rhs);
  const left = lhs.rows;
  const right = rhs.rows;
  for (const row of left) ev.visible(row);
  for (const row of right) ev.visible(row);
  const signatures = new Signatures(matching);
  const leftOrdinals = await signatures.of(left, ev);
  const rightOrdinals = await signatures.of(right, ev);
  const filter = async (
    rows: readonly Row[],
    ordinals: Int32Array,
    others: PresenceBySignature,
    wanted: boolean,
  ): Promise<void> => {
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const presence = others.of(ordinals[i]!);
      if (presence !== undefined) keepWhere(row, presence, wanted);
      else if (wanted) continue;
      if (row.count > 0) sink(row);
      if (ev.state.due(row.to - row.from)) await ev.state.breathe();
    }
  };
  if (op === "or") {
    // What is on the left has to be known before rows are handed on: sinks may change them.
    const onLeft = await PresenceBySignature.from(left, leftOrdinals, ev);
    for (const row of left) sink(row);
    await filter(right, rightOrdinals, onLeft, false);
  } else {
    const onRight = await PresenceBySignature.from(right, rightOrdinals, ev);
    await filter(left, leftOrdinals, onRight, op === "and");
  }
  ev.release(lhs);
  ev.release(rhs);
}

/** PresenceBySignature tells at which steps any row of a signature is present. */
class PresenceBySignature {
  private readonly bySignature: (Uint8Array | undefined)[] = [];

  static async from(rows: readonly Row[], ordinals: Int32Array, ev: Evaluator): Promise<PresenceBySignature> {
    const made = new PresenceBySignature();
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const presence = (made.bySignature[ordinals[i]!] ??= new Uint8Array(ev.frame.steps));
      for (let s = row.from; s < row.to; s++) if (row.present[row.base + s] !== ABSENT) presence[s] = 1;
      if (ev.state.due(row.to - row.from)) await ev.state.breathe();
    }
    return made;
  }

  of(ordinal: number): Uint8Array | undefined {
    return this.bySignature[ordinal];
  }
}

function keepWhere(row: Row, presence: Uint8Array, wanted: boolean): void {
  const unwanted = wanted ? 0 : 1;
  const { present, base } = row;
  let count = 0;
  for (let s = row.from; s < row.to; s++) {
    if (present[base + s] === ABSENT) continue;
    if (presence[s] === unwanted) present[base + s] = ABSENT;
    else count++;
  }
  row.count = count;
}

/** Pairs tells for each row of the many side its row on the one side (-1 for none) and the labels of the result. */
interface Pairs {
  partner: Int32Array;
  labels: (Labels | undefined)[];
}

/** VectorOperation is one evaluation of an arithmetic or comparison operator between vectors. */
class VectorOperation {
  private readonly ev: Evaluator;
  private readonly plan: BinaryPlan;
  private readonly op: BinaryOperator;
  private readonly returnBool: boolean;
  private readonly matching: VectorMatching;
  private readonly sink: RowSink;
  private readonly swapped: boolean;
  private readonly matchingLabels: ReadonlySet<string>;
  private readonly result: CellResult = { value: 0, histogram: undefined, keep: true };

  constructor(ev: Evaluator, plan: BinaryPlan, matching: VectorMatching, sink: RowSink) {
    this.ev = ev;
    this.plan = plan;
    this.op = plan.expr.op;
    this.returnBool = plan.expr.returnBool;
    this.matching = matching;
    this.sink = sink;
    this.swapped = matching.card === "one-to-many";
    this.matchingLabels = new Set(matching.matchingLabels);
  }

  async run(): Promise<void> {
    const { ev, matching } = this;
    const lhs = await ev.collect(this.plan.lhs);
    const rhs = await ev.collect(this.plan.rhs);
    const left = lhs.rows;
    const right = rhs.rows;
    for (const row of left) ev.visible(row);
    for (const row of right) ev.visible(row);
    // From here on `many` is the side of which several rows may match one of the other.
    const many = this.swapped ? right : left;
    const one = this.swapped ? left : right;
    const signatures = new Signatures(matching);
    const manyOrdinals = await signatures.of(many, ev);
    const oneOrdinals = await signatures.of(one, ev);
    const fills = matching.fillLhs !== undefined || matching.fillRhs !== undefined;
    const columns = fills ? undefined : await this.pairUp(many, manyOrdinals, one, oneOrdinals, signatures.count);
    if (columns) await this.byColumn(many, one, columns);
    else await this.byStep(many, manyOrdinals, one, oneOrdinals, signatures.count);
    ev.release(lhs);
    ev.release(rhs);
  }

  /** pairUp returns the row of the one side and the result labels for each row of the many side, or undefined when only the steps can tell. */
  private async pairUp(
    many: readonly Row[],
    manyOrdinals: Int32Array,
    one: readonly Row[],
    oneOrdinals: Int32Array,
    signatures: number,
  ): Promise<Pairs | undefined> {
    const oneOf = new Int32Array(signatures).fill(-1);
    for (let i = 0; i < one.length; i++) {
      if (oneOf[oneOrdinals[i]!] !== -1) return undefined;
      oneOf[oneOrdinals[i]!] = i;
    }
    const oneToOne = this.matching.card === "one-to-one";
    const taken = oneToOne ? new Uint8Array(signatures) : undefined;
    const keys = oneToOne ? undefined : new Set<string>();
    const partner = new Int32Array(many.length).fill(-1);
    const labels: (Labels | undefined)[] = [];
    for (let i = 0; i < many.length; i++) {
      const ordinal = manyOrdinals[i]!;
      const j = oneOf[ordinal]!;
      if (j === -1) continue;
      partner[i] = j;
      if (taken) {
        if (taken[ordinal] === 1) return undefined;
        taken[ordinal] = 1;
      }
      const metric = this.resultLabels(many[i]!.labels, one[j]!.labels);
      if (keys) {
        if (keys.has(metric.key)) return undefined;
        keys.add(metric.key);
      }
      labels[i] = metric;
      if (this.ev.state.due(64)) await this.ev.state.breathe();
    }
    return { partner, labels };
  }

  private async byColumn(many: readonly Row[], one: readonly Row[], columns: Pairs): Promise<void> {
    const { ev } = this;
    const out = scratchRow(EMPTY_LABELS, ev.frame.steps);
    for (let i = 0; i < many.length; i++) {
      const j = columns.partner[i]!;
      if (j === -1) continue;
      const a = many[i]!;
      const b = one[j]!;
      const from = Math.max(a.from, b.from);
      const to = Math.min(a.to, b.to);
      if (from >= to) continue;
      out.from = from;
      out.to = to;
      out.labels = columns.labels[i]!;
      out.drop = this.returnBool;
      this.combine(this.swapped ? b : a, this.swapped ? a : b, out);
      if (out.count > 0) this.sink(out);
      if (ev.state.due(to - from)) await ev.state.breathe();
    }
  }

  /** combine fills `out` over its from..to with `a op b`, sides as written in the query. */
  private combine(a: Row, b: Row, out: Row): void {
    out.histograms = null;
    if (a.histograms !== null || b.histograms !== null || isTrim(this.op)) {
      this.combineCells(a, b, out);
      return;
    }
    const { from, to } = out;
    const left = a.values;
    const right = b.values;
    const leftBase = a.base;
    const rightBase = b.base;
    const values = out.values;
    const present = out.present;
    let count = 0;
    for (let s = from; s < to; s++) {
      // Both are 0 or 1 here, so the product is "both present".
      const both = a.present[leftBase + s]! & b.present[rightBase + s]!;
      present[s] = both;
      count += both;
    }
    const op = this.op;
    if (isComparison(op)) {
      for (let s = from; s < to; s++) {
        if (present[s] === ABSENT) continue;
        const holds = compare(op, left[leftBase + s]!, right[rightBase + s]!);
        if (this.returnBool) values[s] = holds ? 1 : 0;
        else if (holds) values[s] = left[leftBase + s]!;
        else {
          present[s] = ABSENT;
          count--;
        }
      }
    } else {
      switch (op) {
        case "+":
          for (let s = from; s < to; s++) values[s] = left[leftBase + s]! + right[rightBase + s]!;
          break;
        case "-":
          for (let s = from; s < to; s++) values[s] = left[leftBase + s]! - right[rightBase + s]!;
          break;
        case "*":
          for (let s = from; s < to; s++) values[s] = left[leftBase + s]! * right[rightBase + s]!;
          break;
        case "/":
          for (let s = from; s < to; s++) values[s] = left[leftBase + s]! / right[rightBase + s]!;
          break;
        default:
          for (let s = from; s < to; s++) values[s] = arithmetic(op, left[leftBase + s]!, right[rightBase + s]!);
      }
    }
    out.count = count;
  }

  // Slow path: histograms on a side.
  private combineCells(a: Row, b: Row, out: Row): void {
    const { result } = this;
    const { values, present } = out;
    let count = 0;
    for (let s = out.from; s < out.to; s++) {
      present[s] = ABSENT;
      const kindA = a.present[a.base + s]!;
      const kindB = b.present[b.base + s]!;
      if (kindA === ABSENT || kindB === ABSENT) continue;
      const ha = kindA === HISTOGRAM ? a.histograms![s] : undefined;
      const hb = kindB === HISTOGRAM ? b.histograms![s] : undefined;
      if (!this.cell(a.values[a.base + s]!, b.values[b.base + s]!, ha, hb)) continue;
      if (!result.keep) continue;
      count++;
      if (result.histogram === undefined) {
        present[s] = FLOAT;
        values[s] = result.value;
      } else {
        present[s] = HISTOGRAM;
        (out.histograms ??= [])[s] = result.histogram;
      }
    }
    out.count = count;
  }

  /** cell computes one result into `this.result`; false when there is none at all. */
  private cell(a: number, b: number, ha: CellResult["histogram"], hb: CellResult["histogram"]): boolean {
    const { result, op } = this;
    if (!cellOperation(op, a, b, ha, hb, result, this.ev.state.annotations, this.plan.expr.pos)) return false;
    if (this.returnBool) {
      result.value = result.keep ? 1 : 0;
      result.histogram = undefined;
      result.keep = true;
    }
    return true;
  }

  /** resultLabels are the labels of a result; `many` and `one` are the sides in the sense of the matching. */
  private resultLabels(many: Labels, one: Labels): Labels {
    const { matching } = this;
    let labels = many;
    const drops = changesMeaning(this.op);
    if (drops) labels = dropMetadata(labels);
    if (matching.card === "one-to-one") {
      labels = matching.on ? labels.keep(this.matchingLabels) : labels.drop(this.matchingLabels);
    }
    if (matching.include.length > 0) {
      const builder = new LabelsBuilder(labels);
      for (const name of matching.include) builder.set(name, one.get(name));
      labels = builder.labels();
    }
    if (this.returnBool && !this.ev.state.features.delayedNameRemoval) labels = dropMetadata(labels);
    return labels;
  }

  /** matchLabels are the labels a signature stands for. */
  private matchLabels(labels: Labels): Labels {
    if (this.matching.on) return labels.keep(this.matchingLabels);
    return labels.drop(new Set([METRIC_NAME, ...this.matchingLabels]));
  }

  private async byStep(
    many: readonly Row[],
    manyOrdinals: Int32Array,
    one: readonly Row[],
    oneOrdinals: Int32Array,
    signatures: number,
  ): Promise<void> {
    const { ev, matching, result, swapped } = this;
    const { steps } = ev.frame;
    // As upstream has it, the fill values stay with the sides after these were swapped: with group_right,
    // fill_left stands in for missing series of the many side, which is written on the right.
    const fillMany = matching.fillLhs;
    const fillOne = matching.fillRhs;
    const oneAt = new Int32Array(signatures);
    const matched = new Uint8Array(signatures);
    const outputs = new OutputRows(steps);
    const matchLabelsOf = new Map<Row, Labels>();
    const groupOf = (row: Row): Labels => {
      let labels = matchLabelsOf.get(row);
      if (labels === undefined) matchLabelsOf.set(row, (labels = this.matchLabels(row.labels)));
      return labels;
    };
    const oneToOne = matching.card === "one-to-one";
    const inserted = oneToOne ? undefined : new Map<number, Set<string>>();
    let step = 0;
    const emit = (manyRow: Row | undefined, oneRow: Row | undefined, ordinal: number): void => {
      const manyKind = manyRow ? manyRow.kind(step) : FLOAT;
      const oneKind = oneRow ? oneRow.kind(step) : FLOAT;
      const manyValue = manyRow ? manyRow.values[manyRow.base + step]! : fillMany!;
      const oneValue = oneRow ? oneRow.values[oneRow.base + step]! : fillOne!;
      const manyHistogram = manyKind === HISTOGRAM ? manyRow!.histograms![step] : undefined;
      const oneHistogram = oneKind === HISTOGRAM ? oneRow!.histograms![step] : undefined;
      const defined = swapped
        ? this.cell(oneValue, manyValue, oneHistogram, manyHistogram)
        : this.cell(manyValue, oneValue, manyHistogram, oneHistogram);
      if (!defined) return;
      const manyLabels = manyRow ? manyRow.labels : groupOf(oneRow!);
      const oneLabels = oneRow ? oneRow.labels : groupOf(manyRow!);
      const metric = this.resultLabels(manyLabels, oneLabels);
      if (oneToOne) {
        if (matched[ordinal] === 1) {
          throw executionError(
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
          );
        }
      } else {
        let keys = inserted!.get(ordinal);
        if (keys === undefined) inserted!.set(ordinal, (keys = new Set()));
        if (keys.has(metric.key)) {
          throw executionError("multiple matches for labels: grouping labels must ensure unique matches");
        }
        keys.add(metric.key);
      }
      matched[ordinal] = 1;
      if (result.keep) outputs.set(metric, this.returnBool, step, result);
    };
    for (step = 0; step < steps; step++) {
      oneAt.fill(-1);
      matched.fill(0);
      inserted?.clear();
      let anyOne = false;
      for (let j = 0; j < one.length; j++) {
        if (one[j]!.kind(step) === ABSENT) continue;
        anyOne = true;
        const ordinal = oneOrdinals[j]!;
        if (oneAt[ordinal] !== -1) {
          // With nothing on the other side nothing is matched, and duplicates do not matter.
          if (!many.some((row) => row.kind(step) !== ABSENT) && fillMany === undefined && fillOne === undefined) break;
          this.duplicate(one[j]!, one[oneAt[ordinal]!]!);
        }
        oneAt[ordinal] = j;
      }
      if (anyOne || fillOne !== undefined) {
        for (let i = 0; i < many.length; i++) {
          if (many[i]!.kind(step) === ABSENT) continue;
          const ordinal = manyOrdinals[i]!;
          const j = oneAt[ordinal]!;
          if (j !== -1) emit(many[i]!, one[j]!, ordinal);
          else if (fillOne !== undefined) emit(many[i]!, undefined, ordinal);
        }
      }
      if (fillMany !== undefined) {
        for (let j = 0; j < one.length; j++) {
          const ordinal = oneOrdinals[j]!;
          if (oneAt[ordinal] === j && matched[ordinal] === 0) emit(undefined, one[j]!, ordinal);
        }
      }
      if (ev.state.due(many.length + one.length)) await ev.state.breathe();
    }
    for (const row of outputs.rows()) this.sink(row);
  }

  private duplicate(row: Row, earlier: Row): never {
    const side = this.swapped ? "left" : "right";
    const [first, second] = [row.labels, earlier.labels].sort(compareLabels) as [Labels, Labels];
    throw executionError(
      `found duplicate series for the match group ${this.matchLabels(row.labels).toString()} on the ${side} hand-side of the operation: ` +
        `[${first.toString()}, ${second.toString()}];many-to-many matching not allowed: matching labels must be unique on one side`,
    );
  }
}

/** OutputRows gathers results that come step by step into rows, by label set. */
export class OutputRows {
  private readonly byKey = new Map<string, Row>();
  private readonly steps: number;
  constructor(steps: number) {
    this.steps = steps;
  }

  /** set puts a result; throws when the label set has one at this step already. */
  set(labels: Labels, drop: boolean, step: number, result: Pick<CellResult, "value" | "histogram">): void {
    let row = this.byKey.get(labels.key);
    if (row === undefined) {
      row = scratchRow(labels, this.steps);
      row.drop = drop;
      this.byKey.set(labels.key, row);
    }
    if (row.present[step] !== ABSENT) throw executionError(SAME_LABELSET);
    row.count++;
    if (result.histogram === undefined) {
      row.present[step] = FLOAT;
      row.values[step] = result.value;
    } else {
      row.present[step] = HISTOGRAM;
      (row.histograms ??= [])[step] = result.histogram;
    }
  }

  rows(): Iterable<Row> {
    return this.byKey.values();
  }
}
