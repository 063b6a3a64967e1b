import { createTable, type Dialect } from "../dialect.ts";
import { METRIC_TABLES } from "../metric-tables.ts";
import type { Migration } from "../migrate.ts";

/** metrics creates the tables of the metric store. */
export const metrics: Migration = {
  version: 1,
  name: "metrics",
  statements: (dialect: Dialect) => METRIC_TABLES.flatMap((table) => createTable(dialect, table)),
};
