// How the same tables are declared on one engine and on a cluster. On a cluster every table is two: the rows lie
// in `<name>_local` on each shard, replicated, and `<name>` is a Distributed table in front of them.

import { quoteString } from "./statement.ts";

/** Dialect is what SQL builders must know of the engine. */
export interface Dialect {
  readonly kind: "embedded" | "server" | "cluster";
  readonly database: string;
  readonly cluster?: string;
  /** insertSettings go with every insert. */
  readonly insertSettings: Readonly<Record<string, string | number>>;
}

/** TableSpec declares one table. */
export interface TableSpec {
  name: string;
  /** columns are the declarations between the parentheses. */
  columns: readonly string[];
  /** engine is a MergeTree engine without its Replicated prefix, e.g. "MergeTree" or "ReplacingMergeTree(version)". */
  engine: string;
  partitionBy?: string;
  orderBy: string;
  /** primaryKey is a prefix of orderBy; omitted it is the whole. */
  primaryKey?: string;
  ttl?: string;
  settings?: Readonly<Record<string, string | number>>;
  /** shardBy spreads rows over a cluster's shards. */
  shardBy: string;
}

/** singleDialect is the dialect of one engine. */
export function singleDialect(kind: "embedded" | "server", database: string): Dialect {
  return { kind, database, insertSettings: {} };
}

/** clusterDialect is the dialect of a cluster; inserts wait until the shard has the rows. */
export function clusterDialect(database: string, cluster: string): Dialect {
  return {
    kind: "cluster",
    database,
    cluster,
    insertSettings: { distributed_foreground_insert: 1, insert_quorum: "auto" },
  };
}

/** onCluster is the clause that makes a DDL statement go to every server. */
export function onCluster(dialect: Dialect): string {
  return dialect.kind === "cluster" ? ` ON CLUSTER ${clusterName(dialect)}` : "";
}

/** storageTable is the name of the table that holds the rows: what ALTER, OPTIMIZE and system.parts know. */
export function storageTable(dialect: Dialect, name: string): string {
  return dialect.kind === "cluster" ? `${name}_local` : name;
}

/** createTable is the statements that create a table if it is missing. */
export function createTable(dialect: Dialect, spec: TableSpec): string[] {
  const body = spec.columns.map((column) => `  ${column}`).join(",\n");
  const storage = storageTable(dialect, spec.name);
  const lines = [
    `CREATE TABLE IF NOT EXISTS ${storage}${onCluster(dialect)}`,
    "(",
    body,
    ")",
    `ENGINE = ${engineOf(dialect, spec.engine)}`,
  ];
  if (spec.partitionBy !== undefined) lines.push(`PARTITION BY ${spec.partitionBy}`);
  if (spec.primaryKey !== undefined) lines.push(`PRIMARY KEY ${spec.primaryKey}`);
  lines.push(`ORDER BY ${spec.orderBy}`);
  if (spec.ttl !== undefined) lines.push(`TTL ${spec.ttl}`);
  const settings = Object.entries(spec.settings ?? {}).map(
    ([name, value]) => `${settingName(dialect, name)} = ${typeof value === "number" ? value : quoteString(value)}`,
  );
  if (settings.length > 0) lines.push(`SETTINGS ${settings.join(", ")}`);
  const statements = [lines.join("\n")];
  if (dialect.kind === "cluster") {
    statements.push(
      `CREATE TABLE IF NOT EXISTS ${spec.name}${onCluster(dialect)} AS ${storage}\n` +
        `ENGINE = Distributed(${clusterName(dialect)}, ${dialect.database}, ${storage}, ${spec.shardBy})`,
    );
  }
  return statements;
}

/** alterTable is the statement that changes the table which holds the rows; `command` as in ADD COLUMN IF NOT EXISTS …. */
export function alterTable(dialect: Dialect, name: string, command: string): string {
  return `ALTER TABLE ${storageTable(dialect, name)}${onCluster(dialect)} ${command}`;
}

function engineOf(dialect: Dialect, engine: string): string {
  if (dialect.kind !== "cluster") return engine;
  const [name, args] = /^(\w+)(?:\((.*)\))?$/s.exec(engine)!.slice(1);
  const path = `'/clickhouse/tables/{shard}/${dialect.database}/{uuid}', '{replica}'`;
  return `Replicated${name}(${path}${args ? `, ${args}` : ""})`;
}

// Replicated tables remember deduplication tokens by a setting of their own.
function settingName(dialect: Dialect, name: string): string {
  return dialect.kind === "cluster" ? name.replace(/^non_replicated_/, "replicated_") : name;
}

function clusterName(dialect: Dialect): string {
  return `\`${dialect.cluster!.replace(/[\\`]/g, (char) => `\\${char}`)}\``;
}
