// The tables of the metric store; docs/formats/metric-*.md describes each.
import { createTable, type Dialect } from "../dialect.ts";
import type { Migration } from "../migrate.ts";

export const metrics: Migration = {
  version: 1,
  name: "metrics",
  statements: (dialect: Dialect) => [
    ...createTable(dialect, {
      name: "metric_series",
      columns: [
        "day Date CODEC(Delta, ZSTD(1))",
        "id UInt64 CODEC(Delta, ZSTD(1))",
        "name LowCardinality(String)",
        "labels Map(LowCardinality(String), String) CODEC(ZSTD(3))",
      ],
      engine: "ReplacingMergeTree",
      partitionBy: "day",
      orderBy: "(name, id)",
      ttl: "day + INTERVAL 16 DAY",
      settings: { ttl_only_drop_parts: 1, non_replicated_deduplication_window: 1000 },
      shardBy: "id",
    }),
  ],
};
