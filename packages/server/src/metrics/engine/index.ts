export { Engine, type EngineLoad, MAX_POINTS } from "./engine.ts";
export { QueryError, type QueryErrorCode } from "./query-error.ts";
export type { Features } from "./query-state.ts";
export type {
  EngineFeature,
  EngineOptions,
  MatrixSeries,
  MatrixValue,
  QueryOptions,
  QueryResult,
  QueryStats,
  QueryValue,
  ScalarValue,
  StringValue,
  VectorSample,
  VectorValue,
} from "./types.ts";
