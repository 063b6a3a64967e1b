// The built-in host metrics: what node_exporter says of a machine, under the same names, labels, types and help
// texts, so that every dashboard and rule written for it works. One collection runs the collectors one after another
// (they are quick, and a device that is asked by two at once is slower), each with its own success and duration.
// A collector that does not finish in time is reported as failed and is not started again before it has.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { systemClock, type Clock } from "../../../lib/clock.ts";
import { silentLogger, type Logger } from "../../../lib/log.ts";
import { VERSION } from "../../../lib/version.ts";
import {
  DEFAULT_FLAGS,
  NoDataError,
  type CollectorDefinition,
  type HostCollector as Collector,
  type HostContext,
  type HostFlags,
} from "./collector.ts";
import { DARWIN_COLLECTORS, LINUX_COLLECTORS, PORTABLE_COLLECTORS } from "./collectors.ts";
import { HostExposition } from "./exposition.ts";
import { DEFAULT_PATHS, HostFiles, type HostPaths } from "./host-files.ts";
import { createMountProbe, type MountProbe } from "./mount-probe.ts";

/** HostCollectorOptions leaves everything at node_exporter's defaults unless set. */
export interface HostCollectorOptions {
  /** paths are the roots to read below (`--path.procfs`, `--path.sysfs`, `--path.rootfs`, `--path.udev.data`). */
  paths?: Partial<HostPaths>;
  flags?: Partial<HostFlags>;
  /** collectors limits the collection to these names; all when absent. Throws when a name is unknown. */
  collectors?: readonly string[];
  log?: Logger;
  clock?: Clock;
  mounts?: MountProbe;
  /** platform, and run for programs, are this machine's unless a test says otherwise. */
  platform?: NodeJS.Platform;
  run?: HostContext["run"];
}

/** HostCollector produces expositions of the machine. */
export interface HostCollector {
  /** collect resolves with text format 0.0.4. It does not reject; failures are in the exposition. Calls do not overlap: a second one shares the result of the first. */
  collect(): Promise<Uint8Array>;
  close(): void;
}

// A scrape times out after 10 s by default; a sensor that hangs must not cost the other metrics.
const COLLECTOR_TIMEOUT_MS = 6000;
const RUN_TIMEOUT_MS = 5000;

// Dashboards find their machines by this metric. What there is no answer to (it was not built by Go) stays empty.
const BUILD_INFO_HELP =
  "A metric with a constant '1' value labeled by version, revision, branch, goversion from which node_exporter was built, and the goos and goarch for the build.";
const BUILD_INFO_LABELS = ["branch", "goarch", "goos", "goversion", "revision", "version"];
const GOARCH: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/** createHostCollector prepares the collectors for this machine. */
export function createHostCollector(options: HostCollectorOptions = {}): HostCollector {
  const clock = options.clock ?? systemClock;
  const context: HostContext = {
    files: new HostFiles({ ...DEFAULT_PATHS, ...options.paths }),
    log: options.log ?? silentLogger,
    flags: { ...DEFAULT_FLAGS, ...options.flags },
    mounts: options.mounts ?? createMountProbe(clock),
    platform: options.platform ?? process.platform,
    now: () => clock.now(),
    run: options.run ?? run,
  };
  const definitions = definitionsFor(context);
  for (const name of options.collectors ?? []) {
    if (!definitions.some((definition) => definition.name === name)) throw new Error(`missing collector: ${name}`);
  }
  const wanted = definitions.filter(({ name }) => options.collectors?.includes(name) ?? true);
  const runs = wanted.map((definition) => new CollectorRun(definition, context, clock));
  const out = new HostExposition();
  let current: Promise<Uint8Array> | undefined;

  async function collectAll(): Promise<Uint8Array> {
    context.files.begin();
    out.begin();
    const duration = out.family(
      "gauge",
      "node_scrape_collector_duration_seconds",
      "node_exporter: Duration of a collector scrape.",
      ["collector"],
    );
    const success = out.family(
      "gauge",
      "node_scrape_collector_success",
      "node_exporter: Whether a collector succeeded.",
      ["collector"],
    );
    for (const run of runs) {
      const start = clock.monotonicMs();
      const succeeded = await run.collect(out);
      duration.add((clock.monotonicMs() - start) / 1000, run.name);
      success.add(succeeded ? 1 : 0, run.name);
    }
    out
      .family("gauge", "node_exporter_build_info", BUILD_INFO_HELP, BUILD_INFO_LABELS)
      .add(1, "", GOARCH[process.arch] ?? process.arch, context.platform, "", "", `belfry-${VERSION}`);
    return out.render();
  }

  return {
    collect() {
      current ??= collectAll().finally(() => {
        current = undefined;
      });
      return current;
    },
    close: () => context.mounts.close(),
  };
}

// Without /proc (macOS, or a container that hides it) there are fewer collectors; those that are missing are absent
// from node_scrape_collector_success, too.
function definitionsFor({ platform, files, log }: HostContext): readonly CollectorDefinition[] {
  if (platform === "darwin") return DARWIN_COLLECTORS;
  if (existsSync(files.paths.procfs)) return LINUX_COLLECTORS;
  log.warn("there is no /proc to read: host metrics are limited to CPU, memory, load, time and uname", {
    path: files.paths.procfs,
  });
  return PORTABLE_COLLECTORS;
}

async function run(file: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(file, [...args], {
    timeout: RUN_TIMEOUT_MS,
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout;
}

class CollectorRun {
  readonly name: string;
  private readonly collector: Collector;
  private readonly log: Logger;
  private readonly clock: Clock;
  private hanging: Promise<void> | undefined;
  private lastFailure = "";

  constructor(definition: CollectorDefinition, context: HostContext, clock: Clock) {
    this.name = definition.name;
    this.log = context.log.child({ collector: definition.name });
    this.collector = definition.create({ ...context, log: this.log });
    this.clock = clock;
  }

  async collect(out: HostExposition): Promise<boolean> {
    if (this.hanging !== undefined) return false;
    try {
      const pending = this.collector.collect(out);
      if (pending !== undefined) await this.inTime(pending);
      this.lastFailure = "";
      return true;
    } catch (error) {
      const failure = error instanceof NoDataError ? "" : (error as Error).message;
      // One line when it begins to fail, not one per scrape.
      if (failure !== "" && failure !== this.lastFailure) this.log.warn("collector failed", { err: error });
      this.lastFailure = failure;
      return false;
    }
  }

  private async inTime(pending: Promise<void>): Promise<void> {
    let cancel = (): void => {};
    const late = new Promise<never>((_resolve, reject) => {
      const timer = this.clock.setTimeout(() => {
        const release = (): void => {
          this.hanging = undefined;
        };
        this.hanging = pending.then(release, release);
        reject(new Error(`no answer within ${COLLECTOR_TIMEOUT_MS} ms`));
      }, COLLECTOR_TIMEOUT_MS);
      cancel = () => timer.cancel();
    });
    try {
      await Promise.race([pending, late]);
    } finally {
      cancel();
    }
  }
}
