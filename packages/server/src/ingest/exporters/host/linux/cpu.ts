import type { CollectorDefinition, HostCollector, HostContext } from "../collector.ts";
import type { HostExposition } from "../exposition.ts";
import { fields, lines } from "../host-files.ts";

/** cpu reads /proc/stat and, below /sys/devices/system/cpu, what is online, isolated and throttled. */
export const cpu: CollectorDefinition = { name: "cpu", create: (context) => new CpuCollector(context) };

// /proc/stat counts in USER_HZ, which is 100 on every architecture that Node runs on.
const USER_HZ = 100;

// Idle time that goes back by this many seconds means that the CPU was unplugged and plugged in again.
const JUMP_BACK_SECONDS = 3;

const MODES = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const IDLE = 3;
const GUEST = 8;
const GUEST_NICE = 9;

class CpuCollector implements HostCollector {
  private readonly context: HostContext;
  // Seconds per mode as reported. The kernel's idle and iowait counters go back a little at times (they are
  // sampled by different CPUs); a counter must not, so each keeps its highest value.
  private readonly seconds = new Map<string, Float64Array>();

  constructor(context: HostContext) {
    this.context = context;
  }

  collect(out: HostExposition): void {
    if (this.context.flags["cpu.info"]) this.collectInfo(out);
    this.collectStat(out);
    this.collectIsolated(out);
    this.collectThrottles(out);
    this.collectOnline(out);
  }

  private collectStat(out: HostExposition): void {
    const present = new Set<string>();
    for (const line of this.context.files.proc("stat").split("\n")) {
      if (!line.startsWith("cpu")) break;
      const [name, ...ticks] = fields(line);
      if (name === "cpu") continue;
      const id = name.slice(3);
      present.add(id);
      this.advance(id, ticks);
    }
    const total = out.family("counter", "node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", [
      "cpu",
      "mode",
    ]);
    const guest = out.family(
      "counter",
      "node_cpu_guest_seconds_total",
      "Seconds the CPUs spent in guests (VMs) for each mode.",
      ["cpu", "mode"],
    );
    for (const [id, seconds] of this.seconds) {
      if (!present.has(id)) {
        this.seconds.delete(id);
        continue;
      }
      for (let mode = 0; mode < MODES.length; mode++) total.add(seconds[mode], id, MODES[mode]);
      if (!this.context.flags["cpu.guest"]) continue;
      guest.add(seconds[GUEST], id, "user");
      guest.add(seconds[GUEST_NICE], id, "nice");
    }
  }

  private advance(id: string, ticks: readonly string[]): void {
    let seconds = this.seconds.get(id);
    if (seconds === undefined || seconds[IDLE] - Number(ticks[IDLE]) / USER_HZ >= JUMP_BACK_SECONDS) {
      seconds = new Float64Array(GUEST_NICE + 1);
      this.seconds.set(id, seconds);
    }
    for (let mode = 0; mode < seconds.length; mode++) {
      const now = Number(ticks[mode] ?? 0) / USER_HZ;
      if (now > seconds[mode]) seconds[mode] = now;
    }
  }

  private collectInfo(out: HostExposition): void {
    const labels = [
      "package",
      "core",
      "cpu",
      "vendor",
      "family",
      "model",
      "model_name",
      "microcode",
      "stepping",
      "cachesize",
    ];
    const info = out.family("gauge", "node_cpu_info", "CPU information from /proc/cpuinfo.", labels);
    for (const block of this.context.files.proc("cpuinfo").split("\n\n")) {
      const values = new Map<string, string>();
      for (const line of lines(block)) {
        const colon = line.indexOf(":");
        if (colon > 0) values.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
      }
      if (!values.has("processor")) continue;
      const get = (key: string): string => values.get(key) ?? "";
      info.add(
        1,
        get("physical id"),
        get("core id"),
        get("processor"),
        get("vendor_id"),
        get("cpu family"),
        get("model"),
        get("model name"),
        get("microcode"),
        get("stepping"),
        get("cache size"),
      );
    }
  }

  private collectIsolated(out: HostExposition): void {
    const ranges = this.context.files.tryRead(this.context.files.sysPath("devices/system/cpu/isolated"));
    if (!ranges) return;
    const isolated = out.family(
      "gauge",
      "node_cpu_isolated",
      "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.",
      ["cpu"],
    );
    for (const range of ranges.split(",")) {
      const [first, last = first] = range.split("-");
      for (let id = Number(first); id <= Number(last); id++) isolated.add(1, String(id));
    }
  }

  private collectThrottles(out: HostExposition): void {
    const { files } = this.context;
    const cores = new Set<string>();
    const packages = new Set<string>();
    const corePath = files.sysPath("devices/system/cpu");
    const byCore = out.family(
      "counter",
      "node_cpu_core_throttles_total",
      "Number of times this CPU core has been throttled.",
      ["package", "core"],
    );
    const byPackage = out.family(
      "counter",
      "node_cpu_package_throttles_total",
      "Number of times this CPU package has been throttled.",
      ["package"],
    );
    for (const name of files.listNumbered(corePath, "cpu")) {
      const dir = `${corePath}/${name}`;
      // Absent on virtual machines; then the topology need not be read either.
      if (files.list(`${dir}/thermal_throttle`) === undefined) continue;
      const packageId = files.tryRead(`${dir}/topology/physical_package_id`);
      const coreId = files.tryRead(`${dir}/topology/core_id`);
      if (packageId === undefined || coreId === undefined) continue;
      // Hyper-threads of a core, and cores of a package, show the same counter.
      const coreKey = `${packageId}/${coreId}`;
      if (!cores.has(coreKey)) {
        const count = files.tryNumber(`${dir}/thermal_throttle/core_throttle_count`);
        if (count !== undefined) {
          cores.add(coreKey);
          byCore.add(count, packageId, coreId);
        }
      }
      if (!packages.has(packageId)) {
        const count = files.tryNumber(`${dir}/thermal_throttle/package_throttle_count`);
        if (count !== undefined) {
          packages.add(packageId);
          byPackage.add(count, packageId);
        }
      }
    }
  }

  private collectOnline(out: HostExposition): void {
    const { files } = this.context;
    const dir = files.sysPath("devices/system/cpu");
    const online = out.family("gauge", "node_cpu_online", "CPUs that are online and being scheduled.", ["cpu"]);
    for (const name of files.listNumbered(dir, "cpu")) {
      // A CPU that cannot be switched off (usually the first) has no such file.
      online.add(files.tryRead(`${dir}/${name}/online`) === "0" ? 0 : 1, name.slice(3));
    }
  }
}
