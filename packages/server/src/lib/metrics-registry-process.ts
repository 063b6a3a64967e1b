// What the process says of itself, under the names that Prometheus' client libraries agree on (process_*) and the
// ones that dashboards for Node.js read (nodejs_*).
import { readdirSync, readFileSync } from "node:fs";
import { constants, monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics } from "node:v8";
import type { MetricsRegistry } from "./metrics-registry.ts";

const GC_KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: "minor",
  [constants.NODE_PERFORMANCE_GC_MAJOR]: "major",
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: "incremental",
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: "weakcb",
};

// The delay is sampled by a timer with this period: 50 wake-ups a second cost under 0.1 % of a core.
const DELAY_RESOLUTION_MS = 20;

/** ProcessMetrics can be closed, which stops the observers; the metrics stay. */
export interface ProcessMetrics {
  close(): void;
}

/** registerProcessMetrics adds the metrics of this process to the registry. */
export function registerProcessMetrics(registry: MetricsRegistry): ProcessMetrics {
  registerProcess(registry);
  registerHeap(registry);
  const stopEventLoop = registerEventLoop(registry);
  const stopGc = registerGc(registry);
  return {
    close() {
      stopEventLoop();
      stopGc();
    },
  };
}

function registerProcess(registry: MetricsRegistry): void {
  registry.counterFunc("process_cpu_user_seconds_total", "Total user CPU time spent in seconds.", () => {
    return process.cpuUsage().user / 1e6;
  });
  registry.counterFunc("process_cpu_system_seconds_total", "Total system CPU time spent in seconds.", () => {
    return process.cpuUsage().system / 1e6;
  });
  registry.counterFunc("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  const startSeconds = Date.now() / 1000 - process.uptime();
  registry.gaugeFunc(
    "process_start_time_seconds",
    "Start time of the process since unix epoch in seconds.",
    () => startSeconds,
  );
  registry.gaugeFunc("process_resident_memory_bytes", "Resident memory size in bytes.", () =>
    process.memoryUsage.rss(),
  );
  if (process.platform !== "linux") return;
  registry.gaugeFunc("process_virtual_memory_bytes", "Virtual memory size in bytes.", virtualMemoryBytes);
  // The listing opens a descriptor of its own.
  registry.gaugeFunc(
    "process_open_fds",
    "Number of open file descriptors.",
    () => readdirSync("/proc/self/fd").length - 1,
  );
  registry.gaugeFunc("process_max_fds", "Maximum number of open file descriptors.", maxFds);
}

function virtualMemoryBytes(): number {
  const stat = readFileSync("/proc/self/stat", "latin1");
  // The command name stands in parentheses and may contain anything; vsize is the 21st field after it.
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ", 21)[20]);
}

function maxFds(): number {
  const limit = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
  return limit === "unlimited" ? Infinity : Number(limit);
}

function registerHeap(registry: MetricsRegistry): void {
  const total = registry.gauge("nodejs_heap_size_total_bytes", "Process heap size from Node.js in bytes.");
  const used = registry.gauge("nodejs_heap_size_used_bytes", "Process heap size used from Node.js in bytes.");
  const external = registry.gauge("nodejs_external_memory_bytes", "Node.js external memory size in bytes.");
  const buffers = registry.gauge(
    "nodejs_array_buffers_bytes",
    "Memory of array buffers, part of the external memory, in bytes.",
  );
  const spaceTotal = registry.gaugeVec(
    "nodejs_heap_space_size_total_bytes",
    "Process heap space size total from Node.js in bytes.",
    ["space"],
  );
  const spaceUsed = registry.gaugeVec(
    "nodejs_heap_space_size_used_bytes",
    "Process heap space size used from Node.js in bytes.",
    ["space"],
  );
  const spaceAvailable = registry.gaugeVec(
    "nodejs_heap_space_size_available_bytes",
    "Process heap space size available from Node.js in bytes.",
    ["space"],
  );
  registry.onCollect(() => {
    const memory = process.memoryUsage();
    total.set(memory.heapTotal);
    used.set(memory.heapUsed);
    external.set(memory.external);
    buffers.set(memory.arrayBuffers);
    for (const space of getHeapSpaceStatistics()) {
      const name = space.space_name.replace(/_space$/, "");
      spaceTotal.with(name).set(space.space_size);
      spaceUsed.with(name).set(space.space_used_size);
      spaceAvailable.with(name).set(space.space_available_size);
    }
  });
  const [major, minor, patch] = process.versions.node.split(".");
  registry
    .gaugeVec("nodejs_version_info", "Node.js version info.", ["version", "major", "minor", "patch"])
    .with(process.version, major, minor, patch)
    .set(1);
  registry.gaugeVecFunc(
    "nodejs_active_resources",
    "Number of active resources that are currently keeping the event loop alive, grouped by async resource type.",
    ["type"],
    (emit) => {
      const counts = new Map<string, number>();
      for (const type of process.getActiveResourcesInfo()) counts.set(type, (counts.get(type) ?? 0) + 1);
      for (const [type, count] of counts) emit(count, type);
    },
  );
}

function registerEventLoop(registry: MetricsRegistry): () => void {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  // The sampling timer's own period is part of every recorded value.
  const lag = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - DELAY_RESOLUTION_MS / 1000) || 0;
  const current = registry.gauge("nodejs_eventloop_lag_seconds", "Lag of event loop in seconds.");
  const min = registry.gauge("nodejs_eventloop_lag_min_seconds", "The minimum recorded event loop delay.");
  const max = registry.gauge("nodejs_eventloop_lag_max_seconds", "The maximum recorded event loop delay.");
  const mean = registry.gauge("nodejs_eventloop_lag_mean_seconds", "The mean of the recorded event loop delays.");
  const stddev = registry.gauge(
    "nodejs_eventloop_lag_stddev_seconds",
    "The standard deviation of the recorded event loop delays.",
  );
  const p50 = registry.gauge(
    "nodejs_eventloop_lag_p50_seconds",
    "The 50th percentile of the recorded event loop delays.",
  );
  const p90 = registry.gauge(
    "nodejs_eventloop_lag_p90_seconds",
    "The 90th percentile of the recorded event loop delays.",
  );
  const p99 = registry.gauge(
    "nodejs_eventloop_lag_p99_seconds",
    "The 99th percentile of the recorded event loop delays.",
  );
  let utilization = performance.eventLoopUtilization();
  const busy = registry.gauge(
    "nodejs_eventloop_utilization_ratio",
    "Share of the time since the last collection in which the event loop was not idle.",
  );
  const undo = registry.onCollect(() => {
    // Measured by the callback and shown by the next collection.
    const start = performance.now();
    setImmediate(() => current.set((performance.now() - start) / 1000));
    if (delay.count > 0) {
      min.set(lag(delay.min));
      max.set(lag(delay.max));
      mean.set(lag(delay.mean));
      stddev.set(delay.stddev / 1e9 || 0);
      p50.set(lag(delay.percentile(50)));
      p90.set(lag(delay.percentile(90)));
      p99.set(lag(delay.percentile(99)));
      delay.reset();
    }
    const now = performance.eventLoopUtilization();
    busy.set(performance.eventLoopUtilization(now, utilization).utilization || 0);
    utilization = now;
  });
  return () => {
    undo();
    delay.disable();
  };
}

function registerGc(registry: MetricsRegistry): () => void {
  const durations = registry.histogramVec(
    "nodejs_gc_duration_seconds",
    "Garbage collection duration by kind, one of major, minor, incremental or weakcb.",
    ["kind"],
    [0.001, 0.01, 0.1, 1, 2, 5],
  );
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const kind = GC_KINDS[(entry as unknown as { detail: { kind: number } }).detail.kind] ?? "unknown";
      durations.with(kind).observe(entry.duration / 1000);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return () => observer.disconnect();
}
