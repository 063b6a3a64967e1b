// A small file system of its own, for what happens when it is full or turns read-only. Only root can mount one.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** SmallDisk is a mounted tmpfs. */
export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** mount makes one of `megabytes`, or returns undefined where that is not allowed. */
  static mount(megabytes: number): SmallDisk | undefined {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
    const path = mkdtempSync(join(tmpdir(), "belfry-disk-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path], { stdio: "ignore" });
    } catch {
      rmSync(path, { recursive: true, force: true });
      return undefined;
    }
    return new SmallDisk(path);
  }

  /** freeBytes is the room that is left. */
  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** fill takes all room but `leaveBytes`; `unfill` gives it back. */
  fill(leaveBytes: number): void {
    writeFileSync(join(this.path, "ballast"), Buffer.alloc(Math.max(0, this.freeBytes() - leaveBytes), 1));
  }

  unfill(): void {
    rmSync(join(this.path, "ballast"), { force: true });
  }

  /** setReadOnly makes the whole file system read-only, or writable again. */
  setReadOnly(readOnly: boolean): void {
    execFileSync("mount", ["-o", `remount,${readOnly ? "ro" : "rw"}`, this.path], { stdio: "ignore" });
  }

  /** unmount ends it, with everything on it. */
  unmount(): void {
    execFileSync("umount", ["-l", this.path], { stdio: "ignore" });
    rmSync(this.path, { recursive: true, force: true });
  }
}
