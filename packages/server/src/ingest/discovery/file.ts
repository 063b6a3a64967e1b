// File discovery: target groups from JSON and YAML files. Everything is read again at every interval, since not every
// file system tells of changes; where one does, what has changed is read at once. A file that cannot be read keeps
// its targets; one that is gone loses them.
import { type FSWatcher, statSync, watch } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import type { FileDiscoveryConfig } from "./config.ts";
import type { Discoverer, DiscoveryEnvironment, Emit } from "./discoverer.ts";
import { glob } from "./glob.ts";
import { type DiscoveryMetrics, discoveryMetrics } from "./metrics.ts";
import { checkInterval } from "./refresh.ts";
import { parseTargetGroups } from "./target-groups.ts";
import type { TargetGroup } from "./target-group.ts";

// An editor or a rename makes several events within a few milliseconds; they are answered by one reading.
const SETTLE_MS = 50;
// The largest file that is read: a million targets with a few labels each.
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** KnownFile is what is remembered of a file: how many groups it gave, and which state of it was read. */
interface KnownFile {
  groups: number;
  /** state is "" when the file could not be read, so that it is tried again. */
  state: string;
}

/** FileDiscoverer reads files. */
export class FileDiscoverer implements Discoverer {
  private readonly config: FileDiscoveryConfig;
  private readonly env: DiscoveryEnvironment;
  private readonly metrics: DiscoveryMetrics;
  private readonly watchers = new Map<string, { watcher: FSWatcher; ino: number }>();
  private known = new Map<string, KnownFile>();

  /** Throws for an interval that is not positive. */
  constructor(config: FileDiscoveryConfig, env: DiscoveryEnvironment) {
    checkInterval(config.refreshIntervalMs);
    this.config = config;
    this.env = env;
    this.metrics = discoveryMetrics(env.registry);
  }

  async run(emit: Emit, signal: AbortSignal): Promise<void> {
    try {
      let everything = true;
      while (!signal.aborted) {
        // Watching starts before reading: what changes in between is read again.
        const change = this.nextChange(signal);
        await this.refresh(emit, signal, everything);
        everything = !(await change);
      }
    } finally {
      for (const { watcher } of this.watchers.values()) watcher.close();
      this.watchers.clear();
      for (const path of this.known.keys()) this.metrics.fileTimes.delete(path);
      this.known.clear();
    }
  }

  private async refresh(emit: Emit, signal: AbortSignal, everything: boolean): Promise<void> {
    const { clock, log } = this.env;
    const started = clock.monotonicMs();
    const now = new Map<string, KnownFile>();
    // All files are handed on together, so that a start does not show the targets of some of them only.
    const changed: TargetGroup[] = [];
    for (const path of this.paths()) {
      const before = this.known.get(path) ?? { groups: 0, state: "" };
      try {
        const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
        const state = `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
        if (!everything && state === before.state) {
          now.set(path, before);
          continue;
        }
        if (size > MAX_FILE_BYTES) {
          throw new Error(`the file has ${size} bytes, at most ${MAX_FILE_BYTES} are read`);
        }
        const groups = readGroups(await readFile(path), path);
        if (signal.aborted) return;
        this.metrics.fileTimes.set(path, Number(mtimeNs / 1_000_000_000n));
        now.set(path, { groups: groups.length, state });
        for (const group of groups) changed.push(group);
      } catch (error) {
        if (signal.aborted) return;
        this.metrics.fileReadErrors.inc();
        log.error("Error reading file", { discovery: "file", path, err: error });
        now.set(path, { groups: before.groups, state: "" });
      }
    }
    for (const [path, before] of this.known) {
      const groups = now.get(path)?.groups ?? 0;
      if (!now.has(path)) this.metrics.fileTimes.delete(path);
      for (let i = groups; i < before.groups; i++)
        changed.push({ source: `${path}:${i}`, targets: [], labels: new Map() });
    }
    this.known = now;
    if (everything || changed.length > 0) emit(changed);
    this.metrics.refreshDuration.with("file").observe((clock.monotonicMs() - started) / 1000);
  }

  private paths(): Set<string> {
    const out = new Set<string>();
    for (const pattern of this.config.files) {
      try {
        for (const path of glob(pattern)) out.add(path);
      } catch (error) {
        this.env.log.error("Error expanding glob", { discovery: "file", glob: pattern, err: error });
      }
    }
    return out;
  }

  // nextChange resolves with true soon after something changed, with false when the interval is over or all ends.
  private nextChange(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const { clock } = this.env;
      const end = (changed: boolean): void => {
        interval.cancel();
        settling?.cancel();
        signal.removeEventListener("abort", onAbort);
        resolve(changed);
      };
      const onAbort = (): void => end(false);
      const interval = clock.setTimeout(() => end(false), this.config.refreshIntervalMs);
      let settling: ReturnType<typeof clock.setTimeout> | undefined;
      signal.addEventListener("abort", onAbort, { once: true });
      this.watch();
      this.changed = () => (settling ??= clock.setTimeout(() => end(true), SETTLE_MS));
    });
  }

  /** changed is what an event in a watched folder does at present. */
  private changed: () => void = () => {};

  // Folders are watched, not files: a file that is replaced by a rename is another file under the same name, and the
  // files of a mounted configuration are links into a folder that is exchanged as a whole.
  private watch(): void {
    for (const pattern of this.config.files) {
      const slash = pattern.lastIndexOf("/");
      const folder = slash === -1 ? "." : slash === 0 ? "/" : pattern.slice(0, slash);
      try {
        // A folder that was made anew is another one: its old watcher says nothing any more.
        const { ino } = statSync(folder);
        const old = this.watchers.get(folder);
        if (old?.ino === ino) continue;
        old?.watcher.close();
        this.watchers.delete(folder);
        const watcher = watch(folder, { persistent: false }, () => this.changed());
        watcher.on("error", (error) => {
          this.metrics.fileWatchErrors.inc();
          this.env.log.error("Error watching file", { discovery: "file", path: folder, err: error });
          watcher.close();
          this.watchers.delete(folder);
        });
        this.watchers.set(folder, { watcher, ino });
      } catch (error) {
        // The folder may come later; the next reading tries again.
        this.metrics.fileWatchErrors.inc();
        this.env.log.error("Error adding file watch", { discovery: "file", path: folder, err: error });
      }
    }
  }
}

function readGroups(bytes: Uint8Array, path: string): TargetGroup[] {
  return parseTargetGroups(bytes, path).map((group, i) => ({
    source: `${path}:${i}`,
    targets: group.targets,
    labels: new Map([...group.labels, ["__meta_filepath", path]]),
  }));
}
