// *.prom files that other programs leave in a directory. A file is taken whole or not at all: one that is malformed,
// half written or carries timestamps is reported and left out, as its metrics could otherwise be taken for fresh.
import { globSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { CollectorDefinition, HostCollector, HostContext } from "../collector.ts";
import type { HostExposition } from "../exposition.ts";
import { parseTextfile, TextfileError, type TextfileFamily } from "../textfile-parser.ts";

/** textfile reads the directories of `textfile.directory`. It runs last: families of other collectors come first. */
export const textfile: CollectorDefinition = { name: "textfile", create: (context) => new TextfileCollector(context) };

// A file is read and kept whole; a runaway one must not take the process along.
const MAX_FILE_BYTES = 32 * 1024 * 1024;

class TextfileCollector implements HostCollector {
  private readonly context: HostContext;
  private readonly reported = new Map<string, string>();

  constructor(context: HostContext) {
    this.context = context;
  }

  collect(out: HostExposition): void {
    let failed = false;
    const families = new Map<string, TextfileFamily>();
    const mtimes: [path: string, seconds: number][] = [];
    for (const path of this.files(() => (failed = true))) {
      try {
        const mtimeMs = readInto(path, families);
        mtimes.push([path, Math.floor(mtimeMs / 1000)]);
        this.reported.delete(path);
      } catch (error) {
        failed = true;
        this.report(path, "failed to collect textfile data", error as Error);
      }
    }
    for (const family of families.values()) {
      if (out.has(family.name)) {
        failed = true;
        this.report(family.name, "textfile metric is one of another collector", new Error(family.name));
      } else
        out.raw(family.name, family.help ?? `Metric read from ${family.paths.join(", ")}`, family.type, family.lines);
    }
    const mtime = out.family("gauge", "node_textfile_mtime_seconds", "Unixtime mtime of textfiles successfully read.", [
      "file",
    ]);
    for (const [path, seconds] of mtimes) mtime.add(seconds, path);
    out.gauge(
      "node_textfile_scrape_error",
      "1 if there was an error opening or reading a file, 0 otherwise",
      failed ? 1 : 0,
    );
  }

  private files(fail: () => void): string[] {
    const found: string[] = [];
    for (const pattern of this.context.flags["textfile.directory"]) {
      const dirs = /[*?[]/.test(pattern) ? globSync(pattern).sort() : [pattern];
      for (const dir of dirs) {
        try {
          for (const name of readdirSync(dir).sort()) if (name.endsWith(".prom")) found.push(join(dir, name));
          this.reported.delete(dir);
        } catch (error) {
          fail();
          this.report(dir, "failed to read textfile collector directory", error as Error);
        }
      }
    }
    return found;
  }

  // Once per path and problem, not once per scrape.
  private report(path: string, message: string, error: Error): void {
    if (this.reported.get(path) === error.message) return;
    if (this.reported.size > 1000) this.reported.clear();
    this.reported.set(path, error.message);
    this.context.log.error(message, { file: path, err: error });
  }
}

function readInto(path: string, families: Map<string, TextfileFamily>): number {
  const stat = statSync(path);
  if (stat.size > MAX_FILE_BYTES)
    throw new TextfileError(`${stat.size} bytes are more than the limit of ${MAX_FILE_BYTES}`);
  parseTextfile(readFileSync(path, "utf8"), path, families);
  return stat.mtimeMs;
}
