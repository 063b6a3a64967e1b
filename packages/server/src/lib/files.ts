// Files that must be whole after a crash: written beside their place, flushed, then renamed over it.
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/**
 * writeFileAtomic replaces the file at `path`. After a crash the file is either the old or the new one, whole.
 * The folder must exist. Throws the file system's error and leaves no temporary file behind.
 */
export function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o644): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  try {
    const file = openSync(temporary, "w", mode);
    try {
      for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** fileHolds tells whether the file at `path` exists and holds exactly this text. */
export function fileHolds(path: string, content: string): boolean {
  try {
    return readFileSync(path, "utf8") === content;
  } catch {
    return false;
  }
}

/** syncFolder makes renames, creations and removals in a folder survive a power loss. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** makeFolder creates a folder and its parents, and returns whether it was missing. */
export function makeFolder(path: string): boolean {
  return mkdirSync(path, { recursive: true }) !== undefined;
}

/** fileErrorCode is the code of a file system error (ENOENT, EACCES ...), or undefined for any other error. */
export function fileErrorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}
