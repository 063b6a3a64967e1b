// Migrations bring the tables from any earlier version to the newest. Each has a number and runs once; what ran is
// recorded in belfry_migrations. A crash in the middle repeats the one that was under way, so every statement must
// be harmless when it is repeated (IF NOT EXISTS and the like).
import type { Database } from "./database.ts";
import { createTable, type Dialect } from "./dialect.ts";
import { DatabaseError, DatabaseErrorCode } from "./errors.ts";
import { RowBuffer } from "./row-buffer.ts";

/** Migration is one step of the schema. */
export interface Migration {
  /** version is its number: 1, 2, 3 … without gaps. */
  readonly version: number;
  readonly name: string;
  /** statements are run in order. */
  statements(dialect: Dialect): readonly string[];
  /** run does what SQL alone cannot, after the statements. */
  run?(database: Database, dialect: Dialect): Promise<void>;
}

// Large tables may take long; a migration is not cut off half-way by a query's limit.
const STATEMENT_TIMEOUT_MS = 3_600_000;

const TABLE = "belfry_migrations";

/** latestVersion is the version after all migrations. */
export function latestVersion(migrations: readonly Migration[]): number {
  return migrations.length === 0 ? 0 : migrations[migrations.length - 1].version;
}

/** schemaVersion asks the database for its version; 0 for an empty one. */
export async function schemaVersion(database: Database, dialect: Dialect): Promise<number> {
  const exists = await database.query<{ n: number }>(
    `SELECT toUInt32(count()) AS n FROM system.tables WHERE database = {database:String} AND name = {name:String}`,
    { params: { database: dialect.database, name: TABLE } },
  );
  if (exists[0].n === 0) return 0;
  const rows = await database.query<{ version: number }>(`SELECT toUInt32(max(version)) AS version FROM ${TABLE}`);
  return rows[0].version;
}

/** refuseNewer throws when the schema is newer than this program knows. */
export function refuseNewer(version: number, known: number, where: string): void {
  if (version <= known) return;
  throw new DatabaseError(
    DatabaseErrorCode.SchemaNewer,
    `the tables in ${where} have version ${version}, this program knows ${known}: they were written by a newer Belfry. ` +
      `Use that version, or "belfry rollback" to return to the state before its migration`,
  );
}

/** migrate runs what is missing and returns the versions that ran. Rejects with DatabaseError; what ran before stays recorded. */
export async function migrate(
  database: Database,
  dialect: Dialect,
  migrations: readonly Migration[],
  nowMs: number,
): Promise<number[]> {
  const current = await schemaVersion(database, dialect);
  refuseNewer(current, latestVersion(migrations), dialect.database);
  const missing = migrations.filter((migration) => migration.version > current);
  if (missing.length === 0) return [];
  const timeoutMs = STATEMENT_TIMEOUT_MS;
  for (const statement of migrationsTable(dialect)) await database.exec(statement, { timeoutMs });
  const done: number[] = [];
  for (const migration of missing) {
    try {
      for (const statement of migration.statements(dialect)) await database.exec(statement, { timeoutMs });
      await migration.run?.(database, dialect);
      const row = new RowBuffer(256);
      row.integer(migration.version);
      row.endField();
      row.text(migration.name);
      row.endField();
      row.time(nowMs);
      row.endRow();
      await database.insert(TABLE, ["version", "name", "applied"], "TabSeparated", row.take());
    } catch (error) {
      const reason = (error as Error).message;
      throw new DatabaseError(
        DatabaseErrorCode.MigrationFailed,
        `migration ${migration.version} (${migration.name}) failed: ${reason}; the next start tries it again`,
        error instanceof DatabaseError
          ? {
              cause: error,
              statement: error.statement,
              engineCode: error.engineCode,
              engineName: error.engineName,
              retryable: error.retryable,
            }
          : { cause: error },
      );
    }
    done.push(migration.version);
  }
  return done;
}

function migrationsTable(dialect: Dialect): string[] {
  return createTable(dialect, {
    name: TABLE,
    columns: ["version UInt32", "name String", "applied DateTime64(3, 'UTC')"],
    engine: "MergeTree",
    orderBy: "version",
    shardBy: "version",
  });
}
