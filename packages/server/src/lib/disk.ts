import { readdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";

/** DiskSpace is the room on the file system that holds a path; `availableBytes` is what this user may still write. */
export interface DiskSpace {
  totalBytes: number;
  availableBytes: number;
}

/** diskSpace asks the file system that holds `path`. */
export function diskSpace(path: string): DiskSpace {
  const stat = statfsSync(path);
  return { totalBytes: stat.blocks * stat.bsize, availableBytes: stat.bavail * stat.bsize };
}

/** folderBytes is the space the files below `path` take on disk; hard links are counted once. Files that vanish meanwhile count 0. */
export function folderBytes(path: string): number {
  const seen = new Set<number>();
  let total = 0;
  const visit = (folder: string): void => {
    let entries;
    try {
      entries = readdirSync(folder, { withFileTypes: true });
    } catch {
      return;
    }
    for (const entry of entries) {
      const child = join(folder, entry.name);
      if (entry.isDirectory()) {
        visit(child);
        continue;
      }
      if (!entry.isFile()) continue;
      const stat = statSync(child, { throwIfNoEntry: false });
      if (!stat) continue;
      if (stat.nlink > 1) {
        if (seen.has(stat.ino)) continue;
        seen.add(stat.ino);
      }
      total += stat.blocks * 512;
    }
  };
  visit(path);
  return total;
}
