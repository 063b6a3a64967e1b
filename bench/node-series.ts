// A seeded generator of series as one host exposes them: node_exporter with eight processors, four disks and four
// network devices, the exporter's own runtime, and a service with histograms. The shares of constant series,
// whole numbers and decimals are those of a real machine; only a third of the series never changes, which is
// on the hard side (Prometheus 2.42 takes 2.5 bytes per sample for a day of it).
import { Labels } from "@belfry/core/model";

/** GeneratedSeries yields its value at a time; times must be asked for in ascending order. */
export interface GeneratedSeries {
  readonly labels: Labels;
  value(seconds: number): number;
}

/** random is a small seeded generator of numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const MEMINFO_MOVING =
  "MemFree MemAvailable Buffers Cached Active Inactive Active_anon Inactive_anon Active_file Inactive_file Dirty " +
  "AnonPages Mapped Shmem Slab SReclaimable SUnreclaim KernelStack PageTables Committed_AS VmallocUsed Percpu AnonHugePages";
const MEMINFO_STILL =
  "MemTotal SwapCached Unevictable Mlocked SwapTotal SwapFree Writeback NFS_Unstable Bounce WritebackTmp CommitLimit " +
  "VmallocTotal VmallocChunk HardwareCorrupted ShmemHugePages FileHugePages HugePages_Total HugePages_Free " +
  "HugePages_Rsvd Hugepagesize DirectMap4k DirectMap2M";
const DISK =
  "reads_completed reads_merged read_bytes read_time_seconds writes_completed writes_merged written_bytes " +
  "write_time_seconds io_time_seconds io_time_weighted_seconds discards_completed discards_merged " +
  "discarded_sectors discard_time_seconds flush_requests flush_requests_time_seconds";
const NET = "bytes packets errs drop fifo frame compressed multicast";
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, Infinity];

/** nodeSeries makes about 950 series of one host. */
export function nodeSeries(instance: string, seed: number): GeneratedSeries[] {
  const next = random(seed);
  const gauss = (): number => {
    let sum = 0;
    for (let i = 0; i < 6; i++) sum += next();
    return (sum - 3) / Math.SQRT1_2;
  };
  const out: GeneratedSeries[] = [];
  const add = (
    name: string,
    labels: Record<string, string>,
    value: (load: number, seconds: number) => number,
  ): void => {
    out.push({
      labels: Labels.fromRecord({ __name__: name, instance, job: "node", ...labels }),
      value: (seconds) => value(loadAt(seconds), seconds),
    });
  };

  // The load of the machine drives most of it: a slow wave over the day and noise.
  let load = 0.4;
  let loadTime = -1;
  const loadAt = (seconds: number): number => {
    if (seconds !== loadTime) {
      loadTime = seconds;
      const wave = 0.35 + 0.25 * Math.sin((seconds / 86_400) * 2 * Math.PI);
      load = Math.min(0.98, Math.max(0.02, load + 0.009 * gauss() + 0.02 * (wave - load)));
    }
    return load;
  };
  /** counter grows by about `rate` per step when the machine is fully loaded, in `share` of the steps. */
  const counter = (rate: number, share = 1, noise = 0.4): ((load: number) => number) => {
    let total = Math.floor(next() * 1e9);
    return (busy) => {
      if (share > 0 && next() < share) total += Math.max(0, Math.round(rate * busy * (1 + noise * gauss())));
      return total;
    };
  };
  const constant =
    (value: number): (() => number) =>
    () =>
      value;

  for (let cpu = 0; cpu < 8; cpu++) {
    const labels = { cpu: String(cpu) };
    const shares = { idle: NaN, user: 0.7, system: 0.25, iowait: 0.04, softirq: 0.01, irq: 0, nice: 0, steal: 0 };
    for (const [mode, share] of Object.entries(shares)) {
      const ticks = counter(1500, share === 0 ? 0 : 1, 0.15);
      const value = (busy: number): number => ticks(mode === "idle" ? 1 - busy : busy * share) / 100;
      add("node_cpu_seconds_total", { ...labels, mode }, value);
    }
    const running = counter(15e9, 1, 0.1);
    add("node_schedstat_running_seconds_total", labels, (busy) => running(busy) / 1e9);
    const waiting = counter(75e7, 1, 0.1);
    add("node_schedstat_waiting_seconds_total", labels, (busy) => waiting(busy) / 1e9);
    add("node_schedstat_timeslices_total", labels, counter(4000));
    add("node_cpu_scaling_frequency_hertz", labels, (busy) => Math.round(1.2e6 + 2e6 * busy * next()) * 1000);
    add("node_cpu_guest_seconds_total", { ...labels, mode: "user" }, constant(0));
    add("node_cpu_guest_seconds_total", { ...labels, mode: "nice" }, constant(0));
  }
  for (const name of MEMINFO_MOVING.split(" ")) {
    let kib = Math.floor(next() * 1.6e7);
    const pace = next();
    add(`node_memory_${name}_bytes`, {}, () => {
      if (next() < 0.3 + 0.7 * pace) kib = Math.max(0, kib + Math.round(gauss() * (pace < 0.5 ? 800 : 60)) * 4);
      return kib * 1024;
    });
  }
  for (const name of MEMINFO_STILL.split(" ")) {
    add(`node_memory_${name}_bytes`, {}, constant(next() < 0.5 ? 0 : Math.floor(next() * 1.6e7) * 1024));
  }
  for (const [device, pace] of [
    ["nvme0n1", 1],
    ["sda", 0.02],
    ["dm-0", 0.9],
    ["sr0", 0],
  ] as const) {
    for (const name of DISK.split(" ")) {
      const share = pace * (name.startsWith("discard") ? 0.001 : /^(writ|io|flush)/.test(name) ? 3 : 0.3);
      const total = counter(name.includes("bytes") ? 300 : 50, Math.min(1, share), 0.8);
      const factor = name.includes("bytes") ? 4096 : name.includes("time") ? 0 : 1;
      add(`node_disk_${name}_total`, { device }, (busy) => (factor === 0 ? total(busy) / 1000 : total(busy) * factor));
    }
    add("node_disk_io_now", { device }, () => (next() < 0.1 * pace ? Math.floor(next() * 4) : 0));
  }
  for (const [device, pace] of [
    ["eth0", 1],
    ["lo", 0.5],
    ["docker0", 0.05],
    ["wlan0", 0],
  ] as const) {
    for (const direction of ["receive", "transmit"]) {
      for (const name of NET.split(" ")) {
        const moving = name === "bytes" || name === "packets" || (name === "multicast" && direction === "receive");
        const rate = name === "bytes" ? 2e6 : name === "packets" ? 2500 : 100;
        add(
          `node_network_${direction}_${name}_total`,
          { device },
          counter(rate * pace, moving ? Math.min(1, pace * 4) : 0, 0.5),
        );
      }
    }
    for (const name of "up mtu_bytes speed_bytes carrier info iface_id flags address_assign_type dormant".split(" ")) {
      add(`node_network_${name}`, { device }, constant(Math.floor(next() * 1500)));
    }
  }
  for (const [mountpoint, pace] of [
    ["/", 0.6],
    ["/home", 0.6],
    ["/boot", 0],
    ["/var/lib/docker", 0.6],
    ["/run", 0.2],
  ] as const) {
    for (const name of "size_bytes free_bytes avail_bytes files files_free readonly device_error".split(" ")) {
      let amount = Math.floor(next() * 1e8);
      const moving = /free|avail/.test(name);
      const factor = name.endsWith("bytes") ? 4096 : 1;
      add(`node_filesystem_${name}`, { mountpoint }, () => {
        if (moving && next() < pace) amount = Math.max(0, amount + Math.round(gauss() * 30 - 2));
        return amount * factor;
      });
    }
  }
  for (let i = 0; i < 45; i++)
    add(`node_netstat_${i}`, {}, counter(10 ** (next() * 3), i < 18 ? 1 : i < 26 ? 0.05 : 0));
  for (let i = 0; i < 8; i++) add(`node_vmstat_${i}`, {}, counter(10 ** (1 + next() * 4)));
  for (let i = 0; i < 20; i++) {
    let sockets = Math.floor(next() * 300);
    add(`node_sockstat_${i}`, {}, () => {
      if (next() < (i < 8 ? 0.4 : 0.01)) sockets = Math.max(0, sockets + Math.round(gauss() * 2));
      return sockets;
    });
  }
  for (const [name, pace] of [
    ["load1", 0.25],
    ["load5", 0.05],
    ["load15", 0.02],
  ] as const) {
    let average = 0.5;
    add(`node_${name}`, {}, (busy) => {
      average = Math.max(0, average + pace * (busy * 8 - average) + 0.08 * gauss() * pace);
      return Math.round(average * 100) / 100;
    });
  }
  for (const name of ["cpu_waiting", "io_waiting", "io_stalled", "memory_waiting", "memory_stalled"]) {
    const micros = counter(2e5, name.startsWith("memory") ? 0 : 1, 1);
    add(`node_pressure_${name}_seconds_total`, {}, (busy) => micros(busy) / 1e6);
  }
  add("node_time_seconds", {}, (_, seconds) => seconds + Math.round(next() * 2e6) / 1e9);
  add("node_boot_time_seconds", {}, constant(1.69e9));
  add("node_context_switches_total", {}, counter(60_000, 1, 0.2));
  add("node_intr_total", {}, counter(40_000, 1, 0.2));
  add("node_forks_total", {}, counter(30));
  for (let i = 0; i < 10; i++) {
    let celsius = 35 + next() * 20;
    add("node_hwmon_temp_celsius", { sensor: `temp${i}` }, () => {
      if (next() < 0.3) celsius = Math.round((celsius + gauss() * 0.5) * 8) / 8;
      return celsius;
    });
  }
  for (let i = 0; i < 40; i++) {
    const collector = `collector${i}`;
    add(
      "node_scrape_collector_duration_seconds",
      { collector },
      () => Math.round((2e-4 + 2e-3 * next() ** 2) * 1e9) / 1e9,
    );
    add("node_scrape_collector_success", { collector }, constant(1));
  }
  for (let i = 0; i < 28; i++) {
    let bytes = Math.floor(next() * 1e8);
    add(`go_memstats_${i}`, {}, () => {
      if (i < 20 && next() < 0.9)
        bytes = i < 8 ? bytes + Math.floor(next() * 2e5) : Math.max(0, bytes + Math.round(gauss() * 5e4));
      return bytes;
    });
  }
  for (const quantile of ["0", "0.25", "0.5", "0.75", "1"]) {
    let seconds = 5e-5;
    add("go_gc_duration_seconds", { quantile }, () => {
      if (next() < 0.12) seconds = Math.round((1e-5 + next() * 1e-4) * 1e9) / 1e9;
      return seconds;
    });
  }
  add("up", {}, constant(1));
  add("scrape_samples_scraped", {}, constant(1000));
  add("scrape_samples_post_metric_relabeling", {}, constant(1000));
  add("scrape_series_added", {}, constant(0));
  add("scrape_duration_seconds", {}, () => 0.02 + Math.round(next() * 1e7) / 1e9);
  for (let h = 0; h < 26; h++) addHistogram(h);
  return out;

  function addHistogram(handler: number): void {
    const rate = 15 * 10 ** (next() * 2.5 - 0.7);
    const median = 0.003 + 0.05 * next();
    const buckets = new Float64Array(BOUNDS.length);
    let sum = 0;
    let time = -1;
    const step = (busy: number, seconds: number): void => {
      if (seconds === time) return;
      time = seconds;
      const requests = Math.min(200, Math.max(0, Math.round(rate * busy * (1 + 0.3 * gauss()))));
      for (let i = 0; i < requests; i++) {
        const took = median * Math.exp(gauss() * 0.8);
        sum += took;
        for (let b = BOUNDS.findIndex((bound) => took <= bound); b < BOUNDS.length; b++) buckets[b]++;
      }
    };
    const labels = { handler: `/api/v1/resource/${handler}` };
    BOUNDS.forEach((bound, b) => {
      const le = bound === Infinity ? "+Inf" : String(bound);
      add("http_request_duration_seconds_bucket", { ...labels, le }, (busy, seconds) => {
        step(busy, seconds);
        return buckets[b];
      });
    });
    add("http_request_duration_seconds_sum", labels, (busy, seconds) => {
      step(busy, seconds);
      return sum;
    });
    add("http_request_duration_seconds_count", labels, (busy, seconds) => {
      step(busy, seconds);
      return buckets[BOUNDS.length - 1];
    });
  }
}
