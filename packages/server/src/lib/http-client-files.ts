// Secrets and certificates in files. They rotate while the process runs, so a file is read again when it is used,
// at most once a second.
import { readFile } from "node:fs/promises";

const FRESH_MS = 1000;

/** WatchedFile reads a file again when it is older than a second in our memory. */
export class WatchedFile {
  readonly path: string;
  private text = "";
  private readAtMs = -Infinity;
  private readonly now: () => number;

  constructor(path: string, now: () => number) {
    this.path = path;
    this.now = now;
  }

  /** read returns the file's text. Rejects with the file system's error. */
  async read(): Promise<string> {
    if (this.now() - this.readAtMs < FRESH_MS) return this.text;
    this.text = await readFile(this.path, "utf8");
    this.readAtMs = this.now();
    return this.text;
  }
}

/** Secret is a value that stands in the configuration or in a file; "" when neither does. */
export class Secret {
  private readonly value: string;
  private readonly file: WatchedFile | undefined;

  constructor(value: string, path: string, now: () => number) {
    this.value = value;
    this.file = path === "" ? undefined : new WatchedFile(path, now);
  }

  /** read returns the value; what a file holds is trimmed, as editors add a newline. */
  async read(): Promise<string> {
    if (this.file === undefined) return this.value;
    try {
      return (await this.file.read()).trim();
    } catch (cause) {
      throw new Error(`unable to read file ${this.file.path}: ${(cause as Error).message}`, { cause });
    }
  }
}
