// File discovery: target groups in JSON or YAML files, read again when they change and at every refresh interval. A
// file that cannot be read keeps the groups it had; one that is gone, or no longer matches the pattern, loses them.
import { watch, type FSWatcher } from "node:fs";
import { glob, readFile, stat } from "node:fs/promises";
import { dirname, extname } from "node:path";
import { parseDocument } from "yaml";
import { sleep, type Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { Counter } from "../../lib/metrics-registry.ts";
import type { FileDiscoveryConfig } from "./config.ts";
import type { Discoverer, Emit } from "./discoverer.ts";
import { readGroups } from "./group-json.ts";
import type { TargetGroup } from "./target-group.ts";

/** FileDiscoveryOptions is what file discovery stands on. */
export interface FileDiscoveryOptions {
  clock: Clock;
  log: Logger;
  failures: Counter;
}

// Editors and configuration managers write a file in several steps; one reading after they are done is enough.
const SETTLE_MS = 100;
// A list of targets larger than this is a mistake.
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** FileDiscoverer reads and watches the files that its patterns match. */
export class FileDiscoverer implements Discoverer {
  private readonly config: FileDiscoveryConfig;
  private readonly options: FileDiscoveryOptions;
  /** groupCounts remembers how many groups each file had, to withdraw the ones that are gone. */
  private readonly groupCounts = new Map<string, number>();
  private readonly watchers = new Map<string, FSWatcher>();

  constructor(config: FileDiscoveryConfig, options: FileDiscoveryOptions) {
    this.config = config;
    this.options = options;
  }

  async run(emit: Emit, signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const changed = this.watchFolders(signal);
        await this.refresh(emit, signal);
        const pause = new AbortController();
        const stop = (): void => pause.abort();
        void changed.then(stop);
        await sleep(this.options.clock, this.config.refreshIntervalMs, AbortSignal.any([signal, pause.signal])).catch(
          () => {},
        );
        if (pause.signal.aborted && !signal.aborted) {
          await sleep(this.options.clock, SETTLE_MS, signal).catch(() => {});
        }
      }
    } finally {
      for (const watcher of this.watchers.values()) watcher.close();
    }
  }

  // Resolves at the next change in any folder of the patterns.
  private watchFolders(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const folders = new Set(this.config.files.map((pattern) => dirname(pattern)));
      for (const folder of folders) {
        this.watchers.get(folder)?.close();
        try {
          const watcher = watch(folder, { persistent: false, signal }, () => resolve());
          watcher.on("error", () => watcher.close());
          this.watchers.set(folder, watcher);
        } catch (error) {
          // The refresh interval still finds changes.
          this.options.log.warn("Unable to watch a folder of file discovery", { path: folder, err: error });
        }
      }
    });
  }

  private async refresh(emit: Emit, signal: AbortSignal): Promise<void> {
    const found = new Set<string>();
    const groups: TargetGroup[] = [];
    for (const pattern of this.config.files) {
      for (const file of await expand(pattern)) {
        if (found.has(file)) continue;
        found.add(file);
        try {
          const read = await readTargetFile(file);
          groups.push(...read, ...this.withdrawn(file, read.length));
          this.groupCounts.set(file, read.length);
        } catch (error) {
          this.options.failures.inc();
          this.options.log.error("Error reading file", { discovery: "file", path: file, err: error });
        }
      }
    }
    for (const file of this.groupCounts.keys()) {
      if (found.has(file)) continue;
      groups.push(...this.withdrawn(file, 0));
      this.groupCounts.delete(file);
    }
    if (!signal.aborted) emit(groups);
  }

  private withdrawn(file: string, from: number): TargetGroup[] {
    const groups: TargetGroup[] = [];
    for (let i = from; i < (this.groupCounts.get(file) ?? 0); i++) {
      groups.push({ source: sourceOf(file, i), targets: [], labels: new Map() });
    }
    return groups;
  }
}

/** readTargetFile reads one file of target groups. Throws Error with what is wrong in it. */
export async function readTargetFile(file: string): Promise<TargetGroup[]> {
  const { size } = await stat(file);
  if (size > MAX_FILE_BYTES) throw new Error(`${file} has ${size} bytes, more than the ${MAX_FILE_BYTES} allowed`);
  const text = await readFile(file, "utf8");
  const extension = extname(file).toLowerCase();
  let value: unknown;
  if (extension === ".json") {
    value = JSON.parse(text);
  } else if (extension === ".yml" || extension === ".yaml") {
    const document = parseDocument(text, { uniqueKeys: true });
    if (document.errors.length > 0) throw new Error(document.errors[0]!.message);
    value = document.toJS({ maxAliasCount: 100 });
  } else {
    throw new Error(
      `file_sd: unsupported file extension ${JSON.stringify(extension)} of ${file}; expected .json, .yml or .yaml`,
    );
  }
  return readGroups(value, (index) => sourceOf(file, index), new Map([["__meta_filepath", file]]));
}

function sourceOf(file: string, index: number): string {
  return `${file}:${index}`;
}

async function expand(pattern: string): Promise<string[]> {
  if (!pattern.includes("*")) {
    try {
      await stat(pattern);
      return [pattern];
    } catch {
      return [];
    }
  }
  const files: string[] = [];
  for await (const file of glob(pattern)) files.push(file);
  return files.sort();
}
