import type { SearchSchemaInput } from "@tanstack/react-router";

/** QuerySearch is the view state of the query page, as it stands in the URL. */
export interface QuerySearch {
  /** expr is the PromQL expression. */
  expr: string;
  /** range is the width of the graph in seconds. */
  range: number;
  /** end is Unix seconds; undefined follows the present. */
  end?: number;
  tab: "graph" | "table";
}

/** DEFAULT_EXPR is the expression of an untouched page: it is alive seconds after the first start. */
export const DEFAULT_EXPR = 'sum by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[1m]))';

const DEFAULT_RANGE_SECONDS = 900;
const MAX_RANGE_SECONDS = 10 * 365 * 86_400;

/** validateQuerySearch reads the view state; anything unreadable becomes the default. */
export function validateQuerySearch(search: Partial<QuerySearch> & SearchSchemaInput): QuerySearch {
  const range = Number(search.range);
  const end = Number(search.end);
  return {
    expr: typeof search.expr === "string" ? search.expr : DEFAULT_EXPR,
    range: range > 0 && range <= MAX_RANGE_SECONDS ? range : DEFAULT_RANGE_SECONDS,
    ...(end > 0 ? { end } : {}),
    tab: search.tab === "table" ? "table" : "graph",
  };
}
