// What goes into the engine and what comes out of it.
import type { Histogram, Labels } from "@belfry/core/model";
import type { Clock } from "../../lib/clock.ts";

/** EngineFeature is a name of `--enable-feature` that the engine or its parser knows. */
export type EngineFeature =
  | "promql-experimental-functions"
  | "promql-duration-expr"
  | "promql-extended-range-selectors"
  | "promql-binop-fill-modifiers"
  | "promql-delayed-name-removal"
  | "promql-per-step-stats"
  | "type-and-unit-labels"
  | "use-start-timestamps";

/** EngineOptions configures an Engine; every field has upstream's default. */
export interface EngineOptions {
  /** maxSamples bounds the samples one query may hold at a time; default 50,000,000. */
  maxSamples?: number;
  /** timeoutMs bounds the time of one query, waiting included; default 120,000. */
  timeoutMs?: number;
  /** lookbackDeltaMs is how far back an instant selector looks for the latest sample; default 300,000. */
  lookbackDeltaMs?: number;
  /** maxConcurrency is the number of queries evaluated at a time; default 20. */
  maxConcurrency?: number;
  /** maxQueued is the number of queries that may wait for their turn; further ones are refused. Default 1,000. */
  maxQueued?: number;
  /** features holds names as in `--enable-feature`; unknown ones are ignored here. */
  features?: ReadonlySet<string>;
  /** noStepSubqueryIntervalMs is the resolution of a subquery written without one; default 60,000. */
  noStepSubqueryIntervalMs?: (rangeMs: number) => number;
  clock?: Clock;
}

/** QueryOptions applies to one query. */
export interface QueryOptions {
  /** signal cancels the query, usually because the client has gone away. */
  signal?: AbortSignal;
  /** lookbackDeltaMs replaces the engine's where it is positive. */
  lookbackDeltaMs?: number;
  /** timeoutMs shortens the engine's timeout; a longer one has no effect. */
  timeoutMs?: number;
  /** stats "all" adds per-step sample counts when promql-per-step-stats is enabled. */
  stats?: "" | "all";
}

export interface ScalarValue {
  type: "scalar";
  timeMs: number;
  value: number;
}

export interface StringValue {
  type: "string";
  timeMs: number;
  value: string;
}

/** VectorSample is a float unless `histogram` is set; `value` is then meaningless. */
export interface VectorSample {
  labels: Labels;
  timeMs: number;
  value: number;
  histogram?: Histogram | undefined;
}

export interface VectorValue {
  type: "vector";
  samples: VectorSample[];
}

/**
 * MatrixSeries holds samples as columns; sample `i` is a histogram where `histograms[i]` is set. Series share `times`
 * and must not be changed.
 */
export interface MatrixSeries {
  labels: Labels;
  times: Float64Array;
  values: Float64Array;
  histograms: (Histogram | undefined)[] | null;
}

export interface MatrixValue {
  type: "matrix";
  series: MatrixSeries[];
}

/** QueryValue is the answer to a query. */
export type QueryValue = ScalarValue | StringValue | VectorValue | MatrixValue;

/** QueryStats has the shape and names of upstream's JSON; timings are seconds. */
export interface QueryStats {
  timings: {
    evalTotalTime: number;
    resultSortTime: number;
    queryPreparationTime: number;
    innerEvalTime: number;
    execQueueTime: number;
    execTotalTime: number;
  };
  samples: {
    /** Pairs of Unix seconds and samples read for that step. */
    totalQueryableSamplesPerStep?: [number, number][];
    totalQueryableSamples: number;
    peakSamples: number;
  };
}

/** QueryResult is the answer with its annotations, each text once, positions included. */
export interface QueryResult {
  value: QueryValue;
  warnings: string[];
  infos: string[];
  stats: QueryStats;
}
