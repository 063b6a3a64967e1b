import type { Migration } from "../migrate.ts";
import { metrics } from "./0001-metrics.ts";

/** MIGRATIONS is the schema's history, oldest first. Released ones are never changed. */
export const MIGRATIONS: readonly Migration[] = [metrics];
