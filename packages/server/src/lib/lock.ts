// One process per data directory. The lock is an SQLite file that is kept inside an open write transaction:
// that is an fcntl lock of the operating system, so it ends with the process however it dies, there is no
// stale lock to judge, and it also holds between containers that share a volume (where process ids lie).
// The holder is written down first, in a committed row that others can read while the lock is held.
//
// Rejected: a file with a process id (the id may belong to somebody else by now, or to another container),
// flock (not reachable from Node), an abstract socket (Linux only, not shared between containers).
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { DatabaseSync } from "node:sqlite";
import { AppError } from "./errors.ts";
import { fileErrorCode } from "./files.ts";

/** LockHolder is who holds a lock. */
export interface LockHolder {
  pid: number;
  host: string;
  /** startedMs is when the holder took the lock, in Unix milliseconds. */
  startedMs: number;
}

/** LockedError says that another process holds the lock. */
export class LockedError extends AppError {
  readonly path: string;
  readonly holder: LockHolder | undefined;
  constructor(path: string, what: string, holder: LockHolder | undefined) {
    const by = holder
      ? `process ${holder.pid} on ${holder.host} (since ${new Date(holder.startedMs).toISOString()})`
      : "another process";
    super("LOCKED", `${what} is in use by ${by}; stop it or choose another directory`);
    this.path = path;
    this.holder = holder;
  }
}

/** Lock is held until release() or the end of the process. */
export interface Lock {
  readonly path: string;
  release(): void;
}

/**
 * acquireLock takes the lock file at `path`, which is created if missing, or throws LockedError. `what` names
 * the thing that is protected in the error. A file that is no lock file is refused and left alone.
 */
export function acquireLock(path: string, what: string): Lock {
  let file: DatabaseSync;
  const existed = existsSync(path);
  try {
    file = new DatabaseSync(path);
  } catch (error) {
    throw new AppError("LOCK_FAILED", `cannot open the lock file ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  try {
    file.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF");
    file.exec("BEGIN IMMEDIATE");
    file.exec("CREATE TABLE IF NOT EXISTS holder (pid INTEGER, host TEXT, started_ms INTEGER)");
    file.exec("DELETE FROM holder");
    file
      .prepare("INSERT INTO holder (pid, host, started_ms) VALUES (?, ?, ?)")
      .run(process.pid, hostname(), Date.now());
    // Between the two transactions another process may get in; then it holds the lock and we are told so.
    file.exec("COMMIT; BEGIN IMMEDIATE");
  } catch (error) {
    const holder = isBusy(error) ? readHolder(file) : undefined;
    file.close();
    if (isBusy(error)) throw new LockedError(path, what, holder);
    const reason = (error as Error).message;
    const hint = existed && /not a database|malformed/.test(reason) ? " (it is not a lock file of ours)" : "";
    throw new AppError("LOCK_FAILED", `cannot lock ${what} with ${path}: ${reason}${hint}`, { cause: error });
  }
  let held = true;
  return {
    path,
    release() {
      if (!held) return;
      held = false;
      file.close();
    },
  };
}

/** lockHolder says who holds the lock file at `path` now, or undefined when nobody does. */
export function lockHolder(path: string): LockHolder | undefined {
  if (!existsSync(path)) return undefined;
  const file = new DatabaseSync(path);
  try {
    file.exec("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; ROLLBACK");
    return undefined;
  } catch (error) {
    if (isBusy(error)) return readHolder(file);
    throw new AppError("LOCK_FAILED", `cannot read the lock file ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    file.close();
  }
}

function isBusy(error: unknown): boolean {
  return fileErrorCode(error) === "ERR_SQLITE_ERROR" && (error as { errcode?: number }).errcode === 5;
}

function readHolder(file: DatabaseSync): LockHolder | undefined {
  try {
    const row = file.prepare("SELECT pid, host, started_ms FROM holder").get() as
      | { pid: number; host: string; started_ms: number }
      | undefined;
    return row && { pid: row.pid, host: row.host, startedMs: row.started_ms };
  } catch {
    return undefined;
  }
}
