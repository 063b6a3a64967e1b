// The state database keeps what people and other programs change through the API, which is little and must not be
// lost: SQLite in the data directory, beside ClickHouse's files. Its file is copied with every snapshot.
//
// Writes are synchronous and durable when they return (WAL, flushed at every commit): about a millisecond each.
import { DatabaseSync } from "node:sqlite";
import { DatabaseError, DatabaseErrorCode } from "./errors.ts";
import { refuseNewer } from "./migrate.ts";

/** STATE_DATABASE_FILE is its name in the data directory. */
export const STATE_DATABASE_FILE = "state.db";

/** StateMigration is one step of its schema; see Migration. It runs in one transaction with the record that it ran. */
export interface StateMigration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/** StateDatabase is a small durable store. Methods throw DatabaseError. */
export interface StateDatabase {
  /** get returns the value of a key, or undefined. */
  get(key: string): string | undefined;
  set(key: string, value: string): void;
  delete(key: string): void;
  /** list returns keys and values whose key begins with `prefix`, sorted by key. */
  list(prefix: string): [string, string][];
  close(): void;
}

const MIGRATIONS: readonly StateMigration[] = [
  {
    version: 1,
    name: "values",
    sql: "CREATE TABLE key_values (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
  },
];

/** openStateDatabase opens or creates the file, and brings it to the newest version. A newer or damaged one is refused. */
export function openStateDatabase(
  file: string,
  migrations: readonly StateMigration[] = MIGRATIONS,
  nowMs: number = Date.now(),
): StateDatabase {
  let sqlite: DatabaseSync;
  try {
    sqlite = new DatabaseSync(file);
  } catch (error) {
    throw failure("open", file, error);
  }
  try {
    sqlite.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000");
    migrate(sqlite, file, migrations, nowMs);
    return new SqliteState(sqlite, file);
  } catch (error) {
    sqlite.close();
    throw error instanceof DatabaseError ? error : failure("open", file, error);
  }
}

function migrate(sqlite: DatabaseSync, file: string, migrations: readonly StateMigration[], nowMs: number): void {
  sqlite.exec(
    "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_ms INTEGER NOT NULL) STRICT",
  );
  const { version } = sqlite.prepare("SELECT coalesce(max(version), 0) AS version FROM migrations").get() as {
    version: number;
  };
  refuseNewer(version, migrations.at(-1)?.version ?? 0, file);
  for (const migration of migrations) {
    if (migration.version <= version) continue;
    sqlite.exec("BEGIN IMMEDIATE");
    try {
      sqlite.exec(migration.sql);
      sqlite
        .prepare("INSERT INTO migrations (version, name, applied_ms) VALUES (?, ?, ?)")
        .run(migration.version, migration.name, Math.floor(nowMs));
      sqlite.exec("COMMIT");
    } catch (error) {
      sqlite.exec("ROLLBACK");
      throw new DatabaseError(
        DatabaseErrorCode.MigrationFailed,
        `migration ${migration.version} (${migration.name}) of ${file} failed: ${(error as Error).message}`,
        { cause: error, statement: migration.sql },
      );
    }
  }
}

class SqliteState implements StateDatabase {
  private readonly sqlite: DatabaseSync;
  private readonly file: string;

  constructor(sqlite: DatabaseSync, file: string) {
    this.sqlite = sqlite;
    this.file = file;
  }

  get(key: string): string | undefined {
    return this.guard("read", () => {
      const row = this.sqlite.prepare("SELECT value FROM key_values WHERE key = ?").get(key);
      return row?.value as string | undefined;
    });
  }

  set(key: string, value: string): void {
    const sql =
      "INSERT INTO key_values (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    this.guard("write", () => this.sqlite.prepare(sql).run(key, value));
  }

  delete(key: string): void {
    this.guard("write", () => this.sqlite.prepare("DELETE FROM key_values WHERE key = ?").run(key));
  }

  list(prefix: string): [string, string][] {
    return this.guard("read", () => {
      // A comparison, not LIKE: the prefix may hold its wildcards.
      const sql = "SELECT key, value FROM key_values WHERE substr(key, 1, length(?)) = ? ORDER BY key";
      return this.sqlite
        .prepare(sql)
        .all(prefix, prefix)
        .map((row): [string, string] => [row.key as string, row.value as string]);
    });
  }

  close(): void {
    if (this.sqlite.isOpen) this.sqlite.close();
  }

  private guard<T>(action: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw failure(action, this.file, error);
    }
  }
}

// SQLite's result codes that have a meaning of their own for us (sqlite.org/rescode.html).
function failure(action: string, file: string, error: unknown): DatabaseError {
  const { errcode, message } = error as { errcode?: number; message: string };
  const code =
    errcode === 13
      ? DatabaseErrorCode.DiskFull
      : errcode === 8 || errcode === 10 || errcode === 14
        ? DatabaseErrorCode.DiskFailed
        : errcode === 11 || errcode === 26
          ? DatabaseErrorCode.Corrupt
          : action === "write"
            ? DatabaseErrorCode.WriteFailed
            : DatabaseErrorCode.QueryFailed;
  const retryable = code === DatabaseErrorCode.DiskFull || code === DatabaseErrorCode.DiskFailed;
  return new DatabaseError(code, `could not ${action} ${file}: ${message}`, { cause: error, retryable });
}
