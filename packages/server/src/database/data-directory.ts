// The folder that --storage.path names:
//
//   belfry.json     what this is: layout, schema version, engine version; also marks a migration under way
//   belfry.lock     held while a process uses the folder
//   engine.xml      the engine's configuration, written at every start
//   clickhouse/     the engine's own data
//   state.db        what people edit (state-database.ts)
//   snapshots/      copies taken before a migration (snapshot.ts)
//
// A folder with anything else in it and without belfry.json is somebody else's: it is refused before anything is
// written, even the lock.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { acquireLock, LockedError, type Lock } from "../lib/lock.ts";
import { fileErrorCode, makeFolder, writeFileAtomic } from "../lib/files.ts";
import { DatabaseError, DatabaseErrorCode } from "./errors.ts";

/** LAYOUT is the version of the folder's arrangement itself. */
export const LAYOUT = 1;

/** DirectoryState is the content of belfry.json. */
export interface DirectoryState {
  /** belfry is the layout. */
  belfry: number;
  createdMs: number;
  /** schema is the version the tables have; 0 before the first migration. */
  schema: number;
  /** engine is the version of ClickHouse that used the folder last. */
  engine: string;
  /** migrating is set from the moment a snapshot is complete until the migration is. */
  migrating?: { from: number; to: number; snapshot: string | null };
}

/** DataDirectory is a folder that this process holds. */
export interface DataDirectory {
  readonly path: string;
  readonly enginePath: string;
  readonly configFile: string;
  readonly snapshotsPath: string;
  state: DirectoryState;
  /** save writes `state`. */
  save(): void;
  release(): void;
}

// Names that do not make a folder foreign: file systems and volumes put them there.
const IGNORED = new Set(["lost+found", ".DS_Store", ".gitkeep", ".keep"]);

/** STATE_FILE is the name of the file that makes a folder a data directory. */
export const STATE_FILE = "belfry.json";
const LOCK_FILE = "belfry.lock";

/** openDataDirectory makes or takes the folder at `path`. Throws DatabaseError; nothing is written to a folder that is refused. */
export function openDataDirectory(path: string): DataDirectory {
  const known = inspect(path);
  let lock: Lock;
  try {
    makeFolder(path);
    lock = acquireLock(join(path, LOCK_FILE), `the data directory ${path}`);
  } catch (error) {
    if (error instanceof LockedError)
      throw new DatabaseError(DatabaseErrorCode.Locked, error.message, { cause: error });
    throw new DatabaseError(
      DatabaseErrorCode.DiskFailed,
      `cannot use the data directory ${path}: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  try {
    // Read again under the lock: whoever held it may have changed the state.
    const state = (known && readState(path)) ?? { belfry: LAYOUT, createdMs: Date.now(), schema: 0, engine: "" };
    const directory: DataDirectory = {
      path,
      enginePath: join(path, "clickhouse"),
      configFile: join(path, "engine.xml"),
      snapshotsPath: join(path, "snapshots"),
      state,
      save: () => writeFileAtomic(join(path, STATE_FILE), `${JSON.stringify(directory.state, null, 2)}\n`),
      release: () => lock.release(),
    };
    if (!known) directory.save();
    makeFolder(directory.enginePath);
    return directory;
  } catch (error) {
    lock.release();
    if (error instanceof DatabaseError) throw error;
    throw new DatabaseError(
      DatabaseErrorCode.DiskFailed,
      `cannot write to the data directory ${path}: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

/** inspect tells whether the folder at `path` is a data directory already (undefined: missing or empty), or throws. */
function inspect(path: string): DirectoryState | undefined {
  let names: string[];
  try {
    if (!statSync(path).isDirectory()) {
      throw new DatabaseError(DatabaseErrorCode.ForeignDirectory, `the data directory ${path} is not a directory`);
    }
    names = readdirSync(path).filter((name) => !IGNORED.has(name));
  } catch (error) {
    if (error instanceof DatabaseError) throw error;
    if (fileErrorCode(error) === "ENOENT") return undefined;
    throw new DatabaseError(
      DatabaseErrorCode.DiskFailed,
      `cannot read the data directory ${path}: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  if (existsSync(join(path, STATE_FILE))) return readState(path);
  // A crash between the lock and the state file leaves these two.
  const foreign = names.filter((name) => name !== LOCK_FILE && !name.startsWith(`${STATE_FILE}.`));
  if (foreign.length === 0) return undefined;
  throw new DatabaseError(
    DatabaseErrorCode.ForeignDirectory,
    `the directory ${path} is not empty and not a data directory of Belfry (it holds ${list(foreign)}); choose an empty one`,
  );
}

/** readState reads belfry.json, or throws DatabaseError when it is damaged or of a newer layout. */
export function readState(path: string): DirectoryState {
  const file = join(path, STATE_FILE);
  let state: Partial<DirectoryState>;
  try {
    state = JSON.parse(readFileSync(file, "utf8")) as Partial<DirectoryState>;
  } catch (error) {
    throw new DatabaseError(DatabaseErrorCode.Corrupt, `cannot read ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (typeof state !== "object" || state === null || !isCount(state.belfry) || !isCount(state.schema)) {
    throw new DatabaseError(DatabaseErrorCode.Corrupt, `${file} does not describe a data directory`);
  }
  if (state.belfry > LAYOUT) {
    throw new DatabaseError(
      DatabaseErrorCode.SchemaNewer,
      `the data directory ${path} was written by a newer Belfry (layout ${state.belfry}, this version knows ${LAYOUT}); use that version, or go back with its "belfry rollback"`,
    );
  }
  return { createdMs: 0, engine: "", ...state } as DirectoryState;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
