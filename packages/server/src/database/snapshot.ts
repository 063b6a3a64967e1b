// A snapshot is a copy of the data directory from just before a migration, made of hard links while the engine is
// closed: instant, and it takes room only as the originals are merged away. Files of a part are never changed after
// they are written, so they are linked; everything else (metadata, logs of deduplication, SQLite) is small and copied.
//
//   snapshots/<time>-v<schema>/     a complete one; made under a name with ".partial" first
//     belfry.json  clickhouse/  state.db…
//
// Rejected: BACKUP (copies every byte through the engine, and a restore needs it to start), FREEZE (does not hold
// the metadata, so not the schema, which is what a migration changes).
import {
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { syncFolder } from "../lib/files.ts";
import { openDataDirectory, readState, STATE_FILE, type DataDirectory } from "./data-directory.ts";
import { DatabaseError, DatabaseErrorCode } from "./errors.ts";

// Two are kept: the newest, and the one before it for who notices late.
const KEEP = 2;

/** takeSnapshot copies the directory's current content and returns the snapshot's name. The engine must be closed. */
export function takeSnapshot(directory: DataDirectory, nowMs: number): string {
  const name = `${new Date(nowMs).toISOString().replace(/[-:]/g, "").replace(/\..*/, "Z")}-v${directory.state.schema}`;
  const target = join(directory.snapshotsPath, name);
  const partial = `${target}.partial`;
  try {
    mkdirSync(directory.snapshotsPath, { recursive: true });
    rmSync(partial, { recursive: true, force: true });
    rmSync(target, { recursive: true, force: true });
    mkdirSync(partial);
    copyContent(directory.path, partial);
    renameSync(partial, target);
    syncFolder(directory.snapshotsPath);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw new DatabaseError(
      DatabaseErrorCode.MigrationFailed,
      `cannot take the snapshot ${target} before the migration: ${(error as Error).message}`,
      { cause: error },
    );
  }
  for (const old of listSnapshots(directory.snapshotsPath).slice(0, -KEEP)) {
    rmSync(join(directory.snapshotsPath, old), { recursive: true, force: true });
  }
  return name;
}

/** listSnapshots names the complete snapshots, oldest first. */
export function listSnapshots(snapshotsPath: string): string[] {
  if (!existsSync(snapshotsPath)) return [];
  return readdirSync(snapshotsPath)
    .filter((name) => /^\d{8}T\d{6}Z-v\d+$/.test(name))
    .sort();
}

/** RollbackResult says what rollback did. */
export interface RollbackResult {
  snapshot: string;
  /** fromSchema and toSchema are the schema versions before and after. */
  fromSchema: number;
  toSchema: number;
  /** replaced is where the state from before the rollback was put aside. */
  replaced: string;
}

/**
 * rollback returns the data directory at `path` to its latest snapshot. The snapshot stays, and what was there is
 * moved aside, not deleted. Throws DatabaseError when the directory is in use or has no snapshot.
 */
export function rollback(path: string, nowMs: number = Date.now()): RollbackResult {
  if (!existsSync(join(path, STATE_FILE))) {
    throw new DatabaseError(DatabaseErrorCode.ForeignDirectory, `${path} is not a data directory of Belfry`);
  }
  const directory = openDataDirectory(path);
  try {
    const snapshot = listSnapshots(directory.snapshotsPath).at(-1);
    if (snapshot === undefined) {
      throw new DatabaseError(DatabaseErrorCode.NoSnapshot, `${path} has no snapshot to return to`);
    }
    const source = join(directory.snapshotsPath, snapshot);
    const state = readState(source);
    const fromSchema = directory.state.schema;
    const restored = join(path, "restoring.partial");
    rmSync(restored, { recursive: true, force: true });
    mkdirSync(restored);
    copyContent(source, restored);
    const replaced = `replaced-${nowMs}-v${fromSchema}`;
    const aside = join(directory.snapshotsPath, replaced);
    mkdirSync(aside);
    for (const name of contentOf(path)) renameSync(join(path, name), join(aside, name));
    for (const name of contentOf(restored)) renameSync(join(restored, name), join(path, name));
    rmSync(restored, { recursive: true, force: true });
    syncFolder(path);
    return { snapshot, fromSchema, toSchema: state.schema, replaced: aside };
  } finally {
    directory.release();
  }
}

function contentOf(path: string): string[] {
  return readdirSync(path).filter(
    (name) => name === "clickhouse" || name === STATE_FILE || name.startsWith("state.db"),
  );
}

function copyContent(from: string, to: string): void {
  for (const name of contentOf(from)) copyTree(join(from, name), join(to, name), false);
}

function copyTree(from: string, to: string, inPart: boolean): void {
  const stat = lstatSync(from);
  if (stat.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to);
  } else if (stat.isDirectory()) {
    mkdirSync(to);
    const names = readdirSync(from);
    // A part is a folder with a checksums.txt; nothing in it is written again.
    const part = inPart || names.includes("checksums.txt");
    for (const name of names) copyTree(join(from, name), join(to, name), part);
  } else if (inPart) {
    try {
      linkSync(from, to);
    } catch {
      // The file system has no hard links.
      copyFileSync(from, to);
    }
  } else {
    copyFileSync(from, to);
  }
}
