import { expect, test } from "vitest";
import { alterTable, clusterDialect, createTable, singleDialect, storageTable } from "./dialect.ts";
import { METRIC_TABLES } from "./metric-tables.ts";

const spec = {
  name: "samples",
  columns: ["id UInt64", "time DateTime64(3, 'UTC')"],
  engine: "ReplacingMergeTree(version)",
  partitionBy: "toDate(time)",
  orderBy: "(id, time)",
  ttl: "toDateTime(time) + toIntervalSecond(5)",
  settings: { ttl_only_drop_parts: 1, storage_policy: "hot" },
  shardBy: "id",
};

test("one engine: one table", () => {
  const dialect = singleDialect("embedded", "belfry");
  expect(createTable(dialect, spec)).toMatchInlineSnapshot(`
    [
      "CREATE TABLE IF NOT EXISTS samples
    (
      id UInt64,
      time DateTime64(3, 'UTC')
    )
    ENGINE = ReplacingMergeTree(version)
    PARTITION BY toDate(time)
    ORDER BY (id, time)
    TTL toDateTime(time) + toIntervalSecond(5)
    SETTINGS ttl_only_drop_parts = 1, storage_policy = 'hot'",
    ]
  `);
  expect(storageTable(dialect, "samples")).toBe("samples");
  expect(alterTable(dialect, "samples", "ADD COLUMN x UInt8")).toBe("ALTER TABLE samples ADD COLUMN x UInt8");
});

test("a cluster: a replicated table on every server and a distributed one in front", () => {
  const dialect = clusterDialect("belfry", "c1");
  expect(createTable(dialect, spec)).toMatchInlineSnapshot(`
    [
      "CREATE TABLE IF NOT EXISTS samples_local ON CLUSTER \`c1\`
    (
      id UInt64,
      time DateTime64(3, 'UTC')
    )
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/belfry/{uuid}', '{replica}', version)
    PARTITION BY toDate(time)
    ORDER BY (id, time)
    TTL toDateTime(time) + toIntervalSecond(5)
    SETTINGS ttl_only_drop_parts = 1, storage_policy = 'hot'",
      "CREATE TABLE IF NOT EXISTS samples ON CLUSTER \`c1\` AS samples_local
    ENGINE = Distributed(\`c1\`, belfry, samples_local, id)",
    ]
  `);
  expect(alterTable(dialect, "samples", "ADD COLUMN x UInt8")).toBe(
    "ALTER TABLE samples_local ON CLUSTER `c1` ADD COLUMN x UInt8",
  );
});

test("the metric tables on a cluster forget deduplication tokens by the replicated setting", () => {
  const statements = METRIC_TABLES.flatMap((table) => createTable(clusterDialect("belfry", "c1"), table));
  for (const statement of statements.filter((text) => text.includes("_local ON CLUSTER"))) {
    expect(statement).toContain("replicated_deduplication_window = 1000");
    expect(statement).not.toContain("non_replicated_deduplication_window");
  }
});
