// File discovery: target groups from JSON and YAML files, read again when something changes in their folders and at
// every interval, since not every file system tells of changes. A file that cannot be read keeps its targets.
import { type FSWatcher, readFileSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import type { Timer } from "../../lib/clock.ts";
import type { FileDiscoveryConfig } from "./config.ts";
import type { Discoverer, DiscoveryEnvironment, Emit } from "./discoverer.ts";
import { glob } from "./glob.ts";
import { type DiscoveryMetrics, discoveryMetrics } from "./metrics.ts";
import { parseTargetGroups } from "./target-groups.ts";
import type { TargetGroup } from "./target-group.ts";

// An editor or a rename makes several events within a few milliseconds; they are answered by one reading.
const SETTLE_MS = 50;

/** FileDiscoverer reads files. */
export class FileDiscoverer implements Discoverer {
  private readonly config: FileDiscoveryConfig;
  private readonly env: DiscoveryEnvironment;
  private readonly metrics: DiscoveryMetrics;
  private readonly watchers = new Map<string, FSWatcher>();
  /** counts remembers how many groups each file held, to tell which are gone. */
  private counts = new Map<string, number>();

  constructor(config: FileDiscoveryConfig, env: DiscoveryEnvironment) {
    this.config = config;
    this.env = env;
    this.metrics = discoveryMetrics(env.registry);
  }

  run(emit: Emit, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const { clock } = this.env;
      let settling: Timer | undefined;
      const refresh = (): void => {
        settling?.cancel();
        settling = undefined;
        if (signal.aborted) return;
        this.refresh(emit);
        this.watch(() => (settling ??= clock.setTimeout(refresh, SETTLE_MS)));
      };
      const ticker = clock.setInterval(refresh, this.config.refreshIntervalMs);
      signal.addEventListener(
        "abort",
        () => {
          ticker.cancel();
          settling?.cancel();
          for (const watcher of this.watchers.values()) watcher.close();
          this.watchers.clear();
          for (const path of this.counts.keys()) this.metrics.fileTimes.delete(path);
          resolve();
        },
        { once: true },
      );
      refresh();
    });
  }

  /** refresh reads all files once. */
  refresh(emit: Emit): void {
    const { metrics } = this;
    const { log, clock } = this.env;
    const started = clock.monotonicMs();
    const counts = new Map<string, number>();
    for (const path of this.paths()) {
      try {
        const groups = this.read(path);
        counts.set(path, groups.length);
        emit(groups);
      } catch (error) {
        metrics.fileReadErrors.inc();
        log.error("Error reading file", { discovery: "file", path, err: error });
        // Its groups stay as they were.
        counts.set(path, this.counts.get(path) ?? 0);
      }
    }
    for (const [path, before] of this.counts) {
      const now = counts.get(path) ?? 0;
      if (!counts.has(path)) metrics.fileTimes.delete(path);
      for (let i = now; i < before; i++) emit([{ source: `${path}:${i}`, targets: [], labels: new Map() }]);
    }
    this.counts = counts;
    metrics.refreshDuration.with("file").observe((clock.monotonicMs() - started) / 1000);
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

  private read(path: string): TargetGroup[] {
    const modifiedMs = statSync(path).mtimeMs;
    const groups = parseTargetGroups(readFileSync(path), path).map((group, i) => ({
      source: `${path}:${i}`,
      targets: group.targets,
      labels: new Map([...group.labels, ["__meta_filepath", path]]),
    }));
    this.metrics.fileTimes.set(path, Math.floor(modifiedMs / 1000));
    return groups;
  }

  // Folders are watched, not files: a file that is replaced by a rename is another file under the same name.
  private watch(changed: () => void): void {
    for (const folder of new Set(this.config.files.map((pattern) => dirname(pattern)))) {
      if (this.watchers.has(folder) || /[*?[]/.test(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, changed);
        watcher.on("error", () => {
          this.metrics.fileWatchErrors.inc();
          watcher.close();
          this.watchers.delete(folder);
        });
        this.watchers.set(folder, watcher);
      } catch (error) {
        // The folder may come later; the next reading tries again.
        this.metrics.fileWatchErrors.inc();
        this.env.log.debug("Error adding file watch", { discovery: "file", path: folder, err: error });
      }
    }
  }
}
