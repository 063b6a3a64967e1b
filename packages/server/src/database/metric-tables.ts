// The tables of the metric store: their names, columns and declarations. docs/formats/metric-*.md describes each.
// This file is what migration 1 creates; later changes are migrations of their own.
import type { TableSpec } from "./dialect.ts";

/** DAY_MS is the width of a partition. */
export const DAY_MS = 86_400_000;

/** DEFAULT_METRIC_RETENTION_MS is Prometheus' default. */
export const DEFAULT_METRIC_RETENTION_MS = 15 * DAY_MS;

// Rows of the same two hours lie together, then by series: a query over the last hour of everything reads two hours
// instead of the day (5 times faster), and one over a day of few series finds them in twelve places. Measured over
// 18 M samples (bench/read-samples.ts): four hours take 5 % less room and serve few series 1.5 times faster, but
// all series half as fast; one hour takes 8 % more room and gains little.
const BUCKET = "toStartOfInterval(time, INTERVAL 2 HOUR)";

/** TIME_ORDER is the order in which the sample tables are sorted, for ORDER BY clauses that the engine need not sort for. */
export const TIME_ORDER = `${BUCKET}, id, time`;

// The id takes next to no room where a series' rows follow each other; the time is a constant step almost always.
const ID = "id UInt64 CODEC(Delta, ZSTD(1))";
const TIME = "time DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))";

// Every acknowledging table is flushed to the disk before an insert returns (2 ms; docs/decisions), and remembers
// the tokens of its last inserts, so that a repeated one is dropped.
const DURABLE = {
  fsync_after_insert: 1,
  fsync_part_directory: 1,
  non_replicated_deduplication_window: 1_000,
} as const;

const RETAINED = {
  ...DURABLE,
  // Whole days end; a changed retention looks at the parts again without rewriting them.
  ttl_only_drop_parts: 1,
  materialize_ttl_recalculate_only: 1,
} as const;

// A day that is over is merged into one part, once nothing has come for it in an hour.
const BY_DAY = {
  ...RETAINED,
  min_age_to_force_merge_seconds: 3_600,
  min_age_to_force_merge_on_partition_only: 1,
  // An insert a second makes small parts all day. Merging twelve or more of a size at a time instead of five halves
  // what merging costs (0.7 to 0.35 µs per sample at 10,000 samples/s); what is young is asked of the head anyway.
  merge_selector_base: 20,
  min_parts_to_merge_at_once: 12,
} as const;

// The engine's clock is the system's, which may be wrong; what it ends cannot be brought back. So its limit is this
// much later than the retention, which is enforced with more care (retention.ts).
const TTL_GRACE_MS = 30 * DAY_MS;

/** ttlExpression is the engine's own limit on the age of rows, for a retention counted from `column`. */
export function ttlExpression(column: "time" | "day", retentionMs: number): string {
  const keptMs = retentionMs + TTL_GRACE_MS;
  return column === "time"
    ? `toDateTime(time) + toIntervalSecond(${Math.ceil(keptMs / 1000)})`
    : // Series outlive their samples by a day, so that no sample is ever without its series.
      `day + toIntervalDay(${Math.ceil(keptMs / DAY_MS) + 1})`;
}

/** METRIC_SERIES: one row per series and day on which it has samples. */
export const METRIC_SERIES: TableSpec = {
  name: "metric_series",
  columns: [
    "day Date CODEC(Delta, ZSTD(1))",
    "id UInt64 CODEC(ZSTD(1))",
    "name LowCardinality(String) CODEC(ZSTD(1))",
    "labels Map(LowCardinality(String), String) CODEC(ZSTD(3))",
  ],
  engine: "ReplacingMergeTree",
  partitionBy: "day",
  orderBy: "(name, id)",
  ttl: ttlExpression("day", DEFAULT_METRIC_RETENTION_MS),
  settings: BY_DAY,
  shardBy: "id",
};

/**
 * METRIC_SAMPLES: one row per sample. A value is kept as a decimal number where it is one (14.25 is 1425 and scale
 * 2), which takes a third less room than its bits and is exact: mantissa / 10^scale is the value again, bit for bit.
 * Where it is not, scale is -1 and mantissa holds the 64 bits.
 */
export const METRIC_SAMPLES: TableSpec = {
  name: "metric_samples",
  columns: [
    ID,
    TIME,
    "mantissa Int64 CODEC(Delta, T64('bit'), ZSTD(1))",
    "scale Int8 CODEC(ZSTD(1))",
    "start DateTime64(3, 'UTC') CODEC(ZSTD(1))",
    "value Float64 ALIAS if(scale < 0, reinterpretAsFloat64(mantissa), " +
      "mantissa / transform(scale, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], " +
      "[1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000], 1))",
  ],
  engine: "MergeTree",
  partitionBy: "toDate(time)",
  orderBy: `(${TIME_ORDER})`,
  ttl: ttlExpression("time", DEFAULT_METRIC_RETENTION_MS),
  settings: BY_DAY,
  shardBy: "id",
};

/** METRIC_HISTOGRAMS: one row per native histogram sample. */
export const METRIC_HISTOGRAMS: TableSpec = {
  name: "metric_histograms",
  columns: [
    ID,
    TIME,
    "start DateTime64(3, 'UTC') CODEC(ZSTD(1))",
    "counter_reset_hint UInt8 CODEC(ZSTD(1))",
    "schema Int8 CODEC(ZSTD(1))",
    "zero_threshold Float64 CODEC(ZSTD(1))",
    "zero_count Float64 CODEC(Delta, ZSTD(1))",
    "count Float64 CODEC(Delta, ZSTD(1))",
    "sum Float64 CODEC(Delta, ZSTD(1))",
    "positive_offsets Array(Int32) CODEC(ZSTD(1))",
    "positive_lengths Array(UInt32) CODEC(ZSTD(1))",
    "positive_buckets Array(Float64) CODEC(ZSTD(3))",
    "negative_offsets Array(Int32) CODEC(ZSTD(1))",
    "negative_lengths Array(UInt32) CODEC(ZSTD(1))",
    "negative_buckets Array(Float64) CODEC(ZSTD(3))",
    "custom_values Array(Float64) CODEC(ZSTD(1))",
  ],
  engine: "MergeTree",
  partitionBy: "toDate(time)",
  orderBy: `(${TIME_ORDER})`,
  ttl: ttlExpression("time", DEFAULT_METRIC_RETENTION_MS),
  settings: BY_DAY,
  shardBy: "id",
};

/** METRIC_EXEMPLARS: one row per exemplar. */
export const METRIC_EXEMPLARS: TableSpec = {
  name: "metric_exemplars",
  columns: [
    ID,
    TIME,
    "has_time UInt8 CODEC(ZSTD(1))",
    "value Float64 CODEC(ZSTD(1))",
    "labels Map(LowCardinality(String), String) CODEC(ZSTD(1))",
  ],
  engine: "MergeTree",
  partitionBy: "toDate(time)",
  orderBy: "(id, time)",
  ttl: ttlExpression("time", DEFAULT_METRIC_RETENTION_MS),
  settings: BY_DAY,
  shardBy: "id",
};

/** METRIC_METADATA: one row per metric family and distinct type, unit and help; `seen` is the newest time it was said. */
export const METRIC_METADATA: TableSpec = {
  name: "metric_metadata",
  columns: [
    "family String CODEC(ZSTD(1))",
    "type LowCardinality(String) CODEC(ZSTD(1))",
    "unit LowCardinality(String) CODEC(ZSTD(1))",
    "help String CODEC(ZSTD(3))",
    "seen DateTime64(3, 'UTC') CODEC(ZSTD(1))",
  ],
  engine: "ReplacingMergeTree(seen)",
  orderBy: "(family, type, unit, help)",
  settings: DURABLE,
  shardBy: "cityHash64(family)",
};

/** METRIC_TABLES lists the tables of the metric store. */
export const METRIC_TABLES: readonly TableSpec[] = [
  METRIC_SERIES,
  METRIC_SAMPLES,
  METRIC_HISTOGRAMS,
  METRIC_EXEMPLARS,
  METRIC_METADATA,
];
