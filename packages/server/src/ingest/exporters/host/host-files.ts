// Reading /proc and /sys. Files under /proc are made by the kernel from memory while they are read, so a synchronous
// read of one costs the event loop less (2 to 6 µs) than the bookkeeping of an asynchronous one (20 to 70 µs, with
// fs.promises 50 to 150; bench/host-metrics.ts). Files that ask a device (sensors, batteries, drives) may take
// milliseconds or hang, so those go through `readSlow`.
import { close, closeSync, existsSync, open, openSync, read, readdirSync, readSync } from "node:fs";
import { join } from "node:path";

/** HostPaths are the roots that the collectors read below. */
export interface HostPaths {
  procfs: string;
  sysfs: string;
  rootfs: string;
  udevData: string;
}

/** DEFAULT_PATHS are those of the machine we run on. */
export const DEFAULT_PATHS: HostPaths = { procfs: "/proc", sysfs: "/sys", rootfs: "/", udevData: "/run/udev/data" };

const SMALL_BYTES = 64 * 1024;

// Attributes of devices are a number or a name.
const SLOW_BYTES = 512;

/** HostFiles reads files below the configured roots. */
export class HostFiles {
  readonly paths: HostPaths;
  private readonly cache = new Map<string, string>();
  private buffer = Buffer.allocUnsafe(SMALL_BYTES);

  constructor(paths: HostPaths) {
    this.paths = paths;
  }

  /** begin starts a collection: what `proc` read before is read again. */
  begin(): void {
    this.cache.clear();
  }

  /** proc reads a file below the proc root, once per collection. Throws when it cannot be read. */
  proc(path: string): string {
    const cached = this.cache.get(path);
    if (cached !== undefined) return cached;
    const text = this.read(join(this.paths.procfs, path));
    this.cache.set(path, text);
    return text;
  }

  /** tryProc is proc, but undefined when the file does not exist. */
  tryProc(path: string): string | undefined {
    return existsSync(join(this.paths.procfs, path)) ? this.proc(path) : undefined;
  }

  /** sysPath is the path of something below the sys root. */
  sysPath(...parts: readonly string[]): string {
    return join(this.paths.sysfs, ...parts);
  }

  /** procPath is the path of something below the proc root. */
  procPath(...parts: readonly string[]): string {
    return join(this.paths.procfs, ...parts);
  }

  /** rootPath is the path of something below the root file system. */
  rootPath(...parts: readonly string[]): string {
    return join(this.paths.rootfs, ...parts);
  }

  /** read reads a whole file as UTF-8. Throws when it cannot be read. */
  read(path: string): string {
    const fd = openSync(path, "r");
    try {
      let length = 0;
      for (;;) {
        const n = readSync(fd, this.buffer, length, this.buffer.length - length, null);
        length += n;
        if (n === 0) return this.buffer.toString("utf8", 0, length);
        if (length === this.buffer.length) {
          const grown = Buffer.allocUnsafe(length * 2);
          this.buffer.copy(grown, 0, 0, length);
          this.buffer = grown;
        }
      }
    } finally {
      closeSync(fd);
    }
  }

  /**
   * tryRead reads and trims a small file (up to 64 KB, in one read); undefined when it cannot be read. Attributes of
   * sysfs fail in many ways that mean "no value".
   */
  tryRead(path: string): string | undefined {
    if (!existsSync(path)) return undefined;
    const limit = Error.stackTraceLimit;
    // Capturing stacks that nobody reads is most of the cost of an attribute that answers EINVAL.
    Error.stackTraceLimit = 0;
    let fd: number | undefined;
    try {
      fd = openSync(path, "r");
      return this.buffer.toString("utf8", 0, readSync(fd, this.buffer, 0, SMALL_BYTES, null)).trim();
    } catch {
      return undefined;
    } finally {
      if (fd !== undefined) closeSync(fd);
      Error.stackTraceLimit = limit;
    }
  }

  /** tryNumber is tryRead of a decimal or 0x number; undefined also when it is none. */
  tryNumber(path: string): number | undefined {
    const text = this.tryRead(path);
    if (text === undefined || text === "") return undefined;
    const value = Number(text);
    return Number.isNaN(value) ? undefined : value;
  }

  /** readSlow reads and trims a file whose reading may take long; undefined when it cannot be read. */
  readSlow(path: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      open(path, "r", (openError, fd) => {
        if (openError) {
          resolve(undefined);
          return;
        }
        // One read only: some broken drivers answer EAGAIN for ever, and no attribute is longer than this.
        const buffer = Buffer.allocUnsafe(SLOW_BYTES);
        read(fd, buffer, 0, SLOW_BYTES, null, (readError, length) => {
          close(fd);
          resolve(readError ? undefined : buffer.toString("utf8", 0, length).trim());
        });
      });
    });
  }

  /** list names the entries of a directory, sorted, or undefined when it does not exist. */
  list(path: string): string[] | undefined {
    if (!existsSync(path)) return undefined;
    return readdirSync(path).sort();
  }

  /** listNumbered names the entries made of a prefix and a number (cpu0, cpu1, ...), in the order of the numbers. */
  listNumbered(path: string, prefix: string): string[] {
    const found: { name: string; number: number }[] = [];
    for (const name of this.list(path) ?? []) {
      const digits = name.startsWith(prefix) ? name.slice(prefix.length) : "";
      if (/^\d+$/.test(digits)) found.push({ name, number: Number(digits) });
    }
    return found.sort((a, b) => a.number - b.number).map((entry) => entry.name);
  }
}

/** fields splits a line at runs of white space. */
export function fields(line: string): string[] {
  return line.trim().split(/\s+/);
}

/** lines splits a text into its non-empty lines. */
export function lines(text: string): string[] {
  const out = text.split("\n");
  return out.filter((line) => line !== "");
}
