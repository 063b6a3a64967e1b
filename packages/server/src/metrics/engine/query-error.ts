import { AppError } from "../../lib/errors.ts";

/** QueryErrorCode tells the kinds of failed queries apart; the API maps them to upstream's errorType. */
export type QueryErrorCode =
  | "QUERY_PARSE"
  | "QUERY_EXECUTION"
  | "QUERY_TOO_MANY_SAMPLES"
  | "QUERY_TIMEOUT"
  | "QUERY_CANCELED";

/** QueryError is a query that failed because of what it asks; the texts are Prometheus'. */
export class QueryError extends AppError {
  declare readonly code: QueryErrorCode;
}

/** executionError is the error for a query that is well formed but cannot be answered. */
export function executionError(message: string): QueryError {
  return new QueryError("QUERY_EXECUTION", message);
}

/** SAME_LABELSET is the text for results that cannot be told apart by their labels. */
export const SAME_LABELSET = "vector cannot contain metrics with the same labelset";
