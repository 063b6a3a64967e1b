// A plan is an expression made ready for one query: durations and start()/end() are numbers, selectors know
// the stretch of time they read, and what does not depend on the step is marked to be evaluated once. The
// syntax tree itself is shared between queries and never changed.
import type {
  AggregateExpr,
  BinaryExpr,
  Call,
  Expr,
  MatrixSelector,
  NumberLiteral,
  StringLiteral,
  SubqueryExpr,
  UnaryExpr,
  VectorSelector,
} from "@belfry/core/promql";
import type { Matcher } from "@belfry/core/model";
import type { SelectedSeries, SelectHints } from "../queryable.ts";
import { durationMs } from "./durations.ts";
import { executionError } from "./query-error.ts";

export interface NumberPlan {
  kind: "number";
  value: number;
  expr: Expr;
}

export interface StringPlan {
  kind: "string";
  value: string;
  expr: StringLiteral;
}

/** SelectorPlan reads the latest sample before each step. */
export interface SelectorPlan {
  kind: "selector";
  expr: VectorSelector;
  matchers: readonly Matcher[];
  offsetMs: number;
  /** atMs is the time of `@`; the selector then means the same at every step. */
  atMs: number | undefined;
  anchored: boolean;
  smoothed: boolean;
  hints: SelectHints;
  /** statsOnly: only count and sum of histograms matter; see reset-hints.ts. */
  statsOnly: boolean;
  /** series is filled by `select` before evaluation. */
  series: readonly SelectedSeries[];
}

/** RangePlan is a selector with a range; only an argument of a function or a whole instant query. */
export interface RangePlan {
  kind: "range";
  expr: MatrixSelector;
  selector: SelectorPlan;
  rangeMs: number;
}

export interface SubqueryPlan {
  kind: "subquery";
  expr: SubqueryExpr;
  inner: Plan;
  rangeMs: number;
  stepMs: number;
  offsetMs: number;
  atMs: number | undefined;
}

export interface CallPlan {
  kind: "call";
  expr: Call;
  func: string;
  args: Plan[];
}

export interface AggregatePlan {
  kind: "aggregate";
  expr: AggregateExpr;
  inner: Plan;
  param: Plan | undefined;
}

export interface BinaryPlan {
  kind: "binary";
  expr: BinaryExpr;
  lhs: Plan;
  rhs: Plan;
}

/** NegatePlan is unary minus; unary plus needs no plan of its own. */
export interface NegatePlan {
  kind: "negate";
  expr: UnaryExpr;
  inner: Plan;
}

/** OncePlan evaluates `inner` at the first step only and repeats the answer for the others. */
export interface OncePlan {
  kind: "once";
  expr: Expr;
  inner: Plan;
}

export type Plan =
  | NumberPlan
  | StringPlan
  | SelectorPlan
  | RangePlan
  | SubqueryPlan
  | CallPlan
  | AggregatePlan
  | BinaryPlan
  | NegatePlan
  | OncePlan;

/** PlanType is what a plan evaluates to. */
export type PlanType = "scalar" | "vector" | "matrix" | "string";

const SCALAR_FUNCTIONS: ReadonlySet<string> = new Set([
  "time",
  "pi",
  "scalar",
  "start",
  "end",
  "range",
  "step",
  "min_of",
  "max_of",
]);

/** planType tells what a plan evaluates to. */
export function planType(plan: Plan): PlanType {
  switch (plan.kind) {
    case "number":
      return "scalar";
    case "string":
      return "string";
    case "range":
    case "subquery":
      return "matrix";
    case "call":
      return SCALAR_FUNCTIONS.has(plan.func) ? "scalar" : "vector";
    case "binary":
      return planType(plan.lhs) === "scalar" && planType(plan.rhs) === "scalar" ? "scalar" : "vector";
    case "negate":
    case "once":
      return planType(plan.inner);
    default:
      return "vector";
  }
}

// Their result varies with the evaluation time even when their arguments do not.
const STEP_DEPENDENT: ReadonlySet<string> = new Set([
  "days_in_month",
  "day_of_month",
  "day_of_week",
  "day_of_year",
  "hour",
  "minute",
  "month",
  "year",
  "predict_linear",
  "time",
  "timestamp",
]);

/** PlanContext is what of the query decides the plan. */
export interface PlanContext {
  startMs: number;
  endMs: number;
  /** stepMs is 0 for an instant query. */
  stepMs: number;
  lookbackMs: number;
  noStepSubqueryIntervalMs: (rangeMs: number) => number;
}

/** CompiledPlan is a plan with the selectors it reads, in the order of the text. */
export interface CompiledPlan {
  plan: Plan;
  selectors: SelectorPlan[];
}

/** compile makes the plan of an expression. Throws QueryError for durations that make no sense. */
export function compile(expr: Expr, context: PlanContext): CompiledPlan {
  const compiler = new Compiler(context);
  const top = compiler.compile(expr, {
    startMs: context.startMs,
    endMs: context.endMs,
    stepMs: context.stepMs,
    func: "",
    stats: "",
  });
  return { plan: top.wrap ? once(top.plan) : top.plan, selectors: compiler.selectors };
}

interface Scope {
  /** startMs and endMs are the first and last evaluation time here. */
  startMs: number;
  endMs: number;
  stepMs: number;
  /** func is the function or aggregation around, for the hints. */
  func: string;
  /** stats is "only" within functions that use but count and sum of histograms, "all" once something needs the rest. */
  stats: "" | "only" | "all";
}

interface Compiled {
  plan: Plan;
  /** invariant: the value is the same at every step. */
  invariant: boolean;
  /** wrap: evaluating once is worth it; literals and ranges take care of themselves. */
  wrap: boolean;
}

function once(plan: Plan): Plan {
  return plan.kind === "once" ? plan : { kind: "once", expr: plan.expr, inner: plan };
}

function unwrapParens(expr: Expr): Expr {
  while (expr.kind === "ParenExpr") expr = expr.expr;
  return expr;
}

function statsWithin(func: string, outer: Scope["stats"]): Scope["stats"] {
  switch (func) {
    case "histogram_count":
    case "histogram_sum":
    case "histogram_avg":
      return outer === "all" ? "all" : "only";
    case "histogram_quantile":
    case "histogram_quantiles":
    case "histogram_fraction":
      return "all";
    default:
      return outer;
  }
}

class Compiler {
  readonly selectors: SelectorPlan[] = [];
  private readonly context: PlanContext;

  constructor(context: PlanContext) {
    this.context = context;
  }

  compile(expr: Expr, scope: Scope): Compiled {
    switch (expr.kind) {
      case "NumberLiteral":
        return this.literal(expr);
      case "StringLiteral":
        return { plan: { kind: "string", value: expr.value, expr }, invariant: true, wrap: false };
      case "ParenExpr":
        return this.compile(expr.expr, scope);
      case "VectorSelector": {
        const plan = this.selector(expr, 0, scope);
        return { plan, invariant: plan.atMs !== undefined, wrap: plan.atMs !== undefined };
      }
      case "MatrixSelector": {
        const rangeMs = this.rangeMs(expr);
        const selector = this.selector(expr.vectorSelector, rangeMs, scope);
        return {
          plan: { kind: "range", expr, selector, rangeMs },
          invariant: selector.atMs !== undefined,
          wrap: false,
        };
      }
      case "SubqueryExpr":
        return this.subquery(expr, scope);
      case "UnaryExpr": {
        const inner = this.compile(expr.expr, scope);
        if (expr.op === "+") return inner;
        return { ...inner, plan: { kind: "negate", expr, inner: inner.plan }, wrap: inner.invariant && inner.wrap };
      }
      case "BinaryExpr":
        return this.binary(expr, scope);
      case "AggregateExpr": {
        const inner = this.compile(unwrapParens(expr.expr), { ...scope, func: expr.op });
        const param =
          expr.param === undefined ? undefined : this.compile(unwrapParens(expr.param), { ...scope, func: expr.op });
        const plan: Plan = { kind: "aggregate", expr, inner: inner.plan, param: param?.plan };
        if (inner.invariant && (param?.invariant ?? true)) return { plan, invariant: true, wrap: inner.wrap };
        if (inner.wrap) plan.inner = once(inner.plan);
        if (param?.wrap) plan.param = once(param.plan);
        return { plan, invariant: false, wrap: false };
      }
      case "Call":
        return this.call(expr, scope);
    }
  }

  private literal(expr: NumberLiteral): Compiled {
    return { plan: { kind: "number", value: expr.value, expr }, invariant: true, wrap: false };
  }

  private binary(expr: BinaryExpr, scope: Scope): Compiled {
    const operand: Scope = { ...scope, func: "" };
    const lhs = this.compile(expr.lhs, operand);
    const rhs = this.compile(expr.rhs, operand);
    const plan: Plan = { kind: "binary", expr, lhs: lhs.plan, rhs: rhs.plan };
    if (lhs.invariant && rhs.invariant) return { plan, invariant: true, wrap: true };
    if (lhs.wrap) plan.lhs = once(lhs.plan);
    if (rhs.wrap) plan.rhs = once(rhs.plan);
    return { plan, invariant: false, wrap: false };
  }

  private call(expr: Call, scope: Scope): Compiled {
    const { startMs, endMs, stepMs } = this.context;
    switch (expr.func) {
      case "start":
        return { plan: { kind: "number", value: startMs / 1000, expr }, invariant: true, wrap: false };
      case "end":
        return { plan: { kind: "number", value: endMs / 1000, expr }, invariant: true, wrap: false };
      case "range":
        return { plan: { kind: "number", value: (endMs - startMs) / 1000, expr }, invariant: true, wrap: false };
      case "step":
        return { plan: { kind: "number", value: stepMs / 1000, expr }, invariant: true, wrap: false };
    }
    const isInfo = expr.func === "info";
    const args = expr.args.map((arg, i) => {
      const unwrapped = unwrapParens(arg);
      // The second argument of info() looks like a selector but only names labels: nothing is read for it.
      if (isInfo && i === 1) return { plan: this.labelSelector(unwrapped), invariant: true, wrap: false };
      return this.compile(unwrapped, { ...scope, func: expr.func, stats: statsWithin(expr.func, scope.stats) });
    });
    const plan: Plan = { kind: "call", expr, func: expr.func, args: args.map((arg) => arg.plan) };
    const invariant = !STEP_DEPENDENT.has(expr.func) && args.every((arg) => arg.invariant);
    if (invariant) return { plan, invariant, wrap: true };
    plan.args = args.map((arg) => (arg.wrap ? once(arg.plan) : arg.plan));
    return { plan, invariant: false, wrap: false };
  }

  private subquery(expr: SubqueryExpr, scope: Scope): Compiled {
    const rangeMs = expr.rangeExpr === undefined ? expr.rangeMs : this.duration(expr.rangeExpr, false);
    let stepMs = expr.stepExpr === undefined ? expr.stepMs : this.duration(expr.stepExpr, false);
    if (stepMs === 0) stepMs = this.context.noStepSubqueryIntervalMs(rangeMs);
    const offsetMs = this.offsetMs(expr);
    const atMs = this.atMs(expr);
    const startMs = (atMs ?? scope.startMs) - offsetMs - rangeMs;
    const endMs = (atMs ?? scope.endMs) - offsetMs;
    const inner = this.compile(expr.expr, { startMs, endMs, stepMs, func: scope.func, stats: "all" });
    const plan: Plan = {
      kind: "subquery",
      expr,
      inner: inner.invariant && inner.plan.kind !== "number" ? once(inner.plan) : inner.plan,
      rangeMs,
      stepMs,
      offsetMs,
      atMs,
    };
    return { plan, invariant: atMs !== undefined, wrap: false };
  }

  private labelSelector(expr: Expr): Plan {
    if (expr.kind !== "VectorSelector") throw executionError("expected a label selector");
    return this.bareSelector(expr, { startMs: 0, endMs: 0, stepMs: 0, rangeMs: 0, func: "info", limit: 0 });
  }

  private bareSelector(expr: VectorSelector, hints: SelectHints): SelectorPlan {
    return {
      kind: "selector",
      expr,
      matchers: expr.matchers,
      offsetMs: this.offsetMs(expr),
      atMs: this.atMs(expr),
      anchored: expr.anchored,
      smoothed: expr.smoothed,
      hints,
      statsOnly: false,
      series: [],
    };
  }

  private selector(expr: VectorSelector, rangeMs: number, scope: Scope): SelectorPlan {
    const { lookbackMs } = this.context;
    const plan = this.bareSelector(expr, {
      startMs: 0,
      endMs: 0,
      stepMs: scope.stepMs,
      rangeMs,
      func: scope.func,
      limit: 0,
    });
    let startMs = (plan.atMs ?? scope.startMs) - plan.offsetMs;
    let endMs = (plan.atMs ?? scope.endMs) - plan.offsetMs;
    // The left boundary is open: a sample exactly one lookback or range before is not wanted.
    if (rangeMs === 0) startMs -= lookbackMs - 1;
    else startMs -= rangeMs - 1 + (expr.anchored || expr.smoothed ? lookbackMs : 0);
    if (expr.smoothed) endMs += lookbackMs;
    plan.hints.startMs = startMs;
    plan.hints.endMs = endMs;
    plan.statsOnly = scope.stats === "only";
    this.selectors.push(plan);
    return plan;
  }

  private rangeMs(expr: MatrixSelector): number {
    return expr.rangeExpr === undefined ? expr.rangeMs : this.duration(expr.rangeExpr, false);
  }

  private offsetMs(expr: VectorSelector | SubqueryExpr): number {
    return expr.offsetExpr === undefined ? expr.originalOffsetMs : this.duration(expr.offsetExpr, true);
  }

  private duration(expr: NonNullable<MatrixSelector["rangeExpr"]>, mayBeNegative: boolean): number {
    return durationMs(expr, this.context.stepMs, this.context.endMs - this.context.startMs, mayBeNegative);
  }

  private atMs(expr: VectorSelector | SubqueryExpr): number | undefined {
    if (expr.startOrEnd === "start") return this.context.startMs;
    if (expr.startOrEnd === "end") return this.context.endMs;
    return expr.timestampMs;
  }
}
