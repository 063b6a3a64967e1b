// scrape_failure_log_file: one line of JSON for every failed scrape. Scrape pools that name the same file share it.
import { createWriteStream, type WriteStream } from "node:fs";
import type { Logger } from "../../lib/log.ts";

// A disk that does not keep up must not fill the memory: lines past this are dropped.
const MAX_PENDING_BYTES = 1024 * 1024;

/** FailureLogs holds the open files. */
export class FailureLogs {
  private readonly logger: Logger;
  private readonly files = new Map<string, WriteStream>();

  constructor(logger: Logger) {
    this.logger = logger;
  }

  /** log appends a line to the file at `path`, which is opened when it is first needed. */
  log(path: string, jobName: string, target: string, message: string): void {
    let file = this.files.get(path);
    if (file === undefined) {
      file = createWriteStream(path, { flags: "a" });
      file.on("error", (error) => {
        this.files.delete(path);
        this.logger.error("Writing the scrape failure log failed", { file: path, err: error });
      });
      this.files.set(path, file);
    }
    if (file.writableLength > MAX_PENDING_BYTES) return;
    const time = new Date().toISOString();
    file.write(`${JSON.stringify({ time, level: "ERROR", msg: message, job_name: jobName, target })}\n`);
  }

  /** keep closes all files but those in `paths`. */
  keep(paths: ReadonlySet<string>): void {
    for (const [path, file] of this.files) {
      if (paths.has(path)) continue;
      this.files.delete(path);
      file.end();
    }
  }
}
