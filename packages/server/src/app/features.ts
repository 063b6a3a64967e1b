// The names of --enable-feature and what /api/v1/features answers.
import { FUNCTIONS } from "@belfry/core/promql";

/** KNOWN_FEATURES are upstream's experimental features that Belfry has. */
export const KNOWN_FEATURES: ReadonlySet<string> = new Set([
  "promql-experimental-functions",
  "promql-duration-expr",
  "promql-extended-range-selectors",
  "promql-binop-fill-modifiers",
  "promql-delayed-name-removal",
  "promql-per-step-stats",
  "type-and-unit-labels",
  "use-start-timestamps",
  "created-timestamp-zero-ingestion",
  "extra-scrape-metrics",
]);

// Upstream's features that are always on here, or have nothing to switch.
const ALWAYS: ReadonlySet<string> = new Set([
  "exemplar-storage",
  "native-histograms",
  "remote-write-receiver",
  "metadata-wal-records",
  "promql-at-modifier",
  "promql-negative-offset",
  "new-service-discovery-manager",
  "auto-gomaxprocs",
  "auto-gomemlimit",
  "utf8-names",
  "no-default-scrape-port",
]);

/** unknownFeatures lists what is neither known nor always on. */
export function unknownFeatures(names: readonly string[]): string[] {
  return names.filter((name) => !KNOWN_FEATURES.has(name) && !ALWAYS.has(name));
}

/** featureReport is the answer of /api/v1/features: groups of feature names and whether each is on. */
export function featureReport(
  enabled: ReadonlySet<string>,
  switches: { admin: boolean; lifecycle: boolean; remoteWrite: boolean },
): Record<string, Record<string, boolean>> {
  const experimental = enabled.has("promql-experimental-functions");
  const functions: Record<string, boolean> = {};
  for (const [name, definition] of FUNCTIONS) functions[name] = experimental || !definition.experimental;
  const durations = enabled.has("promql-duration-expr");
  for (const name of ["start", "end", "range", "step", "min_of", "max_of"]) functions[name] ??= durations;
  const fill = enabled.has("promql-binop-fill-modifiers");
  const operators = ["!=", "!~", "%", "*", "+", "-", "/", "<", "</", "<=", "==", "=~", ">", ">/", ">=", "@", "^"];
  const words = ["and", "atan2", "avg", "bottomk", "count", "count_values", "group", "max", "min", "or", "quantile"];
  const rest = ["stddev", "stdvar", "sum", "topk", "unless"];
  return {
    api: {
      admin: switches.admin,
      exclude_alerts: false,
      label_values_match: true,
      lifecycle: switches.lifecycle,
      otlp_write_receiver: false,
      query_stats: true,
      query_warnings: true,
      remote_write_receiver: switches.remoteWrite,
      search: true,
      search_fuzz_alg_jarowinkler: true,
      search_fuzz_alg_subsequence: true,
      time_range_labels: true,
      time_range_series: true,
    },
    prometheus: { agent_mode: false, auto_reload_config: false, server_mode: true },
    promql: {
      anchored: enabled.has("promql-extended-range-selectors"),
      at_modifier: true,
      bool: true,
      by: true,
      delayed_name_removal: enabled.has("promql-delayed-name-removal"),
      duration_expr: durations,
      fill,
      fill_left: fill,
      fill_right: fill,
      group_left: true,
      group_right: true,
      ignoring: true,
      negative_offset: true,
      offset: true,
      on: true,
      per_query_lookback_delta: true,
      per_step_stats: enabled.has("promql-per-step-stats"),
      smoothed: enabled.has("promql-extended-range-selectors"),
      subqueries: true,
      type_and_unit_labels: enabled.has("type-and-unit-labels"),
      without: true,
    },
    promql_functions: functions,
    promql_operators: {
      ...Object.fromEntries([...operators, ...words, ...rest].map((name) => [name, true])),
      limitk: experimental,
      limit_ratio: experimental,
    },
    scrape: {
      extra_scrape_metrics: true,
      start_timestamp_zero_ingestion: enabled.has("created-timestamp-zero-ingestion"),
      type_and_unit_labels: enabled.has("type-and-unit-labels"),
    },
    service_discovery_providers: { dns: true, docker: true, file: true, http: true, kubernetes: true, static: true },
    tsdb: { exemplar_storage: true, native_histograms: true, isolation: false },
  };
}
