// openDatabase is the one way in: it takes the data directory or connects to the server, brings the tables to the
// newest version and returns a Database that is ready for use.
import { fileHolds, makeFolder, writeFileAtomic } from "../lib/files.ts";
import { systemClock, type Clock } from "../lib/clock.ts";
import { silentLogger, type Logger } from "../lib/log.ts";
import { openDataDirectory, type DataDirectory } from "./data-directory.ts";
import { clusterDialect, singleDialect } from "./dialect.ts";
import { DEFAULT_ENGINE_MEMORY_BYTES, engineConfig } from "./engine-config.ts";
import { EmbeddedTransport } from "./embedded-transport.ts";
import { DatabaseError, DatabaseErrorCode, toDatabaseError } from "./errors.ts";
import { latestVersion, migrate, refuseNewer, schemaVersion, type Migration } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/index.ts";
import { RemoteTransport } from "./remote-transport.ts";
import { takeSnapshot } from "./snapshot.ts";
import { SqlDatabase, type StatementEvent } from "./sql-database.ts";

/** CommonDatabaseOptions apply to every kind of engine. */
export interface CommonDatabaseOptions {
  log?: Logger;
  clock?: Clock;
  /** onStatement is called after every statement, for metrics; it must not throw. */
  onStatement?: (event: StatementEvent) => void;
  /** migrations replaces the schema; for tests. */
  migrations?: readonly Migration[];
}

/** EmbeddedDatabaseOptions opens the engine inside this process. Only one may be open at a time in a process. */
export interface EmbeddedDatabaseOptions extends CommonDatabaseOptions {
  /** path is the data directory; it is created when missing. */
  path: string;
  /** memoryBytes is what the engine may allocate; default 512 MiB. */
  memoryBytes?: number;
  /** threads is the most threads one query uses; default 2. */
  threads?: number;
  /** readers and writers are the most SELECTs and inserts at a time; defaults 4 and 2. */
  readers?: number;
  writers?: number;
}

/** ServerDatabaseOptions connects to a ClickHouse server, or to a cluster when its name is given. */
export interface ServerDatabaseOptions extends CommonDatabaseOptions {
  url: string;
  user?: string;
  password?: string;
  /** database is created when missing; default "belfry". */
  database?: string;
  cluster?: string;
  /** connections is the most connections at a time; default 10. */
  connections?: number;
}

export type OpenDatabaseOptions = EmbeddedDatabaseOptions | ServerDatabaseOptions;

const DATABASE_NAME = "belfry";

// The engine's statements run on libuv's thread pool, whose default of 4 they would fill alone. It is read when the
// pool starts, so this only helps when nothing has used it yet; the launcher sets it too.
const UV_THREADS = 16;

/** openDatabase resolves when the tables are ready. Rejects with DatabaseError, and then holds nothing. */
export async function openDatabase(options: OpenDatabaseOptions): Promise<SqlDatabase> {
  return "path" in options ? await openEmbedded(options) : await openServer(options);
}

async function openEmbedded(options: EmbeddedDatabaseOptions): Promise<SqlDatabase> {
  process.env.UV_THREADPOOL_SIZE ??= String(UV_THREADS);
  const log = options.log ?? silentLogger;
  const clock = options.clock ?? systemClock;
  const migrations = options.migrations ?? MIGRATIONS;
  const known = latestVersion(migrations);
  const directory = openDataDirectory(options.path);
  let database: SqlDatabase | undefined;
  try {
    refuseNewer(directory.state.schema, known, options.path);
    snapshotBeforeMigration(directory, known, clock, log);
    const transport = startEngine(directory, options);
    database = new SqlDatabase({
      transport,
      dialect: singleDialect("embedded", DATABASE_NAME),
      onStatement: options.onStatement,
      onClose: () => directory.release(),
    });
    const schema = await schemaVersion(database, database.dialect);
    refuseNewer(schema, known, options.path);
    if (schema === 0 && directory.state.schema > 0) {
      throw new DatabaseError(
        DatabaseErrorCode.Corrupt,
        `the tables of ${options.path} are gone (${directory.enginePath} does not have them); restore it from a backup, ` +
          "or choose an empty directory",
      );
    }
    const ran = await migrate(database, database.dialect, migrations, clock.now());
    if (ran.length > 0) log.info("Database migrated", { versions: ran.join(",") });
    const [{ engine }] = await database.query<{ engine: string }>("SELECT version() AS engine");
    const { migrating: _, ...state } = directory.state;
    if (directory.state.migrating || state.schema !== known || state.engine !== engine) {
      directory.state = { ...state, schema: known, engine };
      directory.save();
    }
    await warnOfDetachedParts(database, log);
    return database;
  } catch (error) {
    if (database) await database.close();
    else directory.release();
    throw error;
  }
}

function snapshotBeforeMigration(directory: DataDirectory, known: number, clock: Clock, log: Logger): void {
  const { state } = directory;
  if (state.schema === 0 || state.schema === known || state.migrating) return;
  const snapshot = takeSnapshot(directory, clock.now());
  directory.state = { ...state, migrating: { from: state.schema, to: known, snapshot } };
  directory.save();
  log.info("Snapshot taken before the migration", { snapshot, from: state.schema, to: known });
}

function startEngine(directory: DataDirectory, options: EmbeddedDatabaseOptions): EmbeddedTransport {
  const limits = { memoryBytes: options.memoryBytes ?? DEFAULT_ENGINE_MEMORY_BYTES, threads: options.threads ?? 2 };
  try {
    makeFolder(directory.enginePath);
    const config = engineConfig(limits);
    // Not written when it says so already, so that a full disk can be opened.
    if (!fileHolds(directory.configFile, config)) writeFileAtomic(directory.configFile, config);
    return new EmbeddedTransport({
      path: directory.enginePath,
      configFile: directory.configFile,
      database: DATABASE_NAME,
      readers: options.readers ?? 4,
      writers: options.writers ?? 2,
    });
  } catch (error) {
    const cause = toDatabaseError(error, { action: "open the database", statement: "", write: false });
    // The engine writes its reason to standard error and only says that it failed.
    const unknown = cause.code === DatabaseErrorCode.QueryFailed;
    throw new DatabaseError(
      unknown ? DatabaseErrorCode.Corrupt : cause.code,
      unknown
        ? `the engine cannot open ${directory.enginePath}: its files may be damaged (its own message is on standard error); ` +
            'restore it from a backup, or return to a snapshot with "belfry rollback"'
        : cause.message,
      { cause, engineCode: cause.engineCode, engineName: cause.engineName, retryable: cause.retryable },
    );
  }
}

// Parts that cannot be read are set aside by the engine and no longer answer queries; somebody should know.
async function warnOfDetachedParts(database: SqlDatabase, log: Logger): Promise<void> {
  const rows = await database.query<{ table: string; parts: number }>(
    `SELECT table, toUInt32(count()) AS parts FROM system.detached_parts WHERE database = {database:String} ` +
      `AND startsWith(reason, 'broken') GROUP BY table ORDER BY table`,
    { params: { database: database.dialect.database } },
  );
  for (const { table, parts } of rows) log.warn("Damaged parts of a table were set aside", { table, parts });
}

async function openServer(options: ServerDatabaseOptions): Promise<SqlDatabase> {
  const name = options.database ?? DATABASE_NAME;
  const dialect = options.cluster ? clusterDialect(name, options.cluster) : singleDialect("server", name);
  const transport = new RemoteTransport({
    url: options.url,
    user: options.user ?? "default",
    password: options.password ?? "",
    dialect,
    connections: options.connections ?? 10,
  });
  const database = new SqlDatabase({ transport, dialect, onStatement: options.onStatement });
  try {
    await transport.createDatabase();
    const clock = options.clock ?? systemClock;
    const ran = await migrate(database, dialect, options.migrations ?? MIGRATIONS, clock.now());
    if (ran.length > 0) options.log?.info("Database migrated", { versions: ran.join(",") });
    return database;
  } catch (error) {
    await database.close();
    throw toDatabaseError(error, { action: "open the database", statement: "", write: false });
  }
}
