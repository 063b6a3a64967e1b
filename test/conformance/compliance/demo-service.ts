// A stand-in for the demo service of the public compliance suite: the same metrics, labels and behaviour, but all of it
// a function of a seed, so that two servers can be given the very same samples.
//
// Each instance is scraped every 5 s at an offset of its own, as Prometheus spreads its targets. One of them restarts
// once, which resets its counters.
import { Labels, LabelsBuilder } from "@belfry/core/model";

const SCRAPE_INTERVAL_MS = 5000;

/** DemoInstance is one scraped target. */
export interface DemoInstance {
  instance: string;
  /** offsetMs is where in each interval it is scraped. */
  offsetMs: number;
  seed: number;
  /** restartAtMs is how long after the first scrape it restarts; 0 for never. */
  restartAtMs: number;
}

export const DEMO_INSTANCES: readonly DemoInstance[] = [
  { instance: "demo.promlabs.com:10000", offsetMs: 1234, seed: 1, restartAtMs: 0 },
  { instance: "demo.promlabs.com:10001", offsetMs: 2871, seed: 2, restartAtMs: 4_321_000 },
  { instance: "demo.promlabs.com:10002", offsetMs: 4017, seed: 3, restartAtMs: 0 },
];

/** DemoSeries is one series with the samples of all scrapes; a value of undefined is a staleness marker. */
export interface DemoSeries {
  labels: Labels;
  times: number[];
  values: (number | undefined)[];
}

/** generateDemoData makes the samples of all instances between two times. */
export function generateDemoData(startMs: number, endMs: number): DemoSeries[] {
  return DEMO_INSTANCES.flatMap((instance) => new DemoService(instance).scrapeAll(startMs, endMs));
}

const MIB = 1024 * 1024;
const BOUNDS = Array.from({ length: 25 }, (_, i) => 0.0001 * 1.5 ** i);
const ENDPOINTS = [
  { method: "GET", path: "/api/foo", perSecond: 50, latency: 0.01, errorRatio: 0.005, outageSeconds: 23 },
  { method: "POST", path: "/api/foo", perSecond: 3, latency: 0.02, errorRatio: 0.02, outageSeconds: 60 },
  { method: "GET", path: "/api/bar", perSecond: 25, latency: 0.015, errorRatio: 0.0025, outageSeconds: 13 },
  { method: "POST", path: "/api/bar", perSecond: 5, latency: 0.05, errorRatio: 0.01, outageSeconds: 47 },
  { method: "GET", path: "/api/nonexistent", perSecond: 1, latency: 0.00015, errorRatio: 0, outageSeconds: 30 },
] as const;

class DemoService {
  private readonly instance: DemoInstance;
  /** series by name and own labels. */
  private readonly series = new Map<string, DemoSeries>();
  private state: number;
  private cpu = { user: 0, system: 0, idle: 0 };
  private memory = { used: 3500 * MIB, cached: 1500 * MIB, buffers: 800 * MIB };
  private disk = 20e9;
  private batch = { success: 0, run: 0, duration: 0, bytes: 0 };
  private requests = new Map<string, { buckets: number[]; sum: number; count: number }>();
  private intermittent = false;

  constructor(instance: DemoInstance) {
    this.instance = instance;
    this.state = instance.seed;
  }

  scrapeAll(startMs: number, endMs: number): DemoSeries[] {
    const { offsetMs, restartAtMs } = this.instance;
    const first = Math.ceil((startMs - offsetMs) / SCRAPE_INTERVAL_MS) * SCRAPE_INTERVAL_MS + offsetMs;
    let restarted = restartAtMs === 0;
    for (let time = first; time <= endMs; time += SCRAPE_INTERVAL_MS) {
      if (!restarted && time - first >= restartAtMs) {
        restarted = true;
        this.cpu = { user: 0, system: 0, idle: 0 };
        this.requests.clear();
      }
      this.advance(time, time - first);
      this.scrape(time);
    }
    return [...this.series.values()];
  }

  /** random is uniform in [0, 1) (mulberry32). */
  private random(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  private advance(time: number, elapsed: number): void {
    const seconds = SCRAPE_INTERVAL_MS / 1000;
    const cores = this.cores();
    const user = (0.3 + (this.random() - 0.5) / 5) * cores * seconds;
    const system = (0.15 + (this.random() - 0.5) / 5) * cores * seconds;
    this.cpu.user += user;
    this.cpu.system += system;
    this.cpu.idle += cores * seconds - user - system;
    this.memory.used = this.step(this.memory.used, 3500 * MIB);
    this.memory.cached = this.step(this.memory.cached, 1500 * MIB);
    this.memory.buffers = this.step(this.memory.buffers, 800 * MIB);
    this.disk += Math.floor(50e6 * (1.5 - this.random()));
    if (this.disk > 180e9) this.disk = 20e9;
    if (elapsed % 60_000 === 0) {
      const now = time / 1000 - this.random();
      this.batch.duration = 3 + this.random();
      this.batch.run = now;
      if (this.random() > 0.25 || this.batch.success === 0) {
        this.batch.success = now;
        this.batch.bytes = 1e6 + Math.floor(this.random() * 1e5);
      }
    }
    for (const endpoint of ENDPOINTS) this.serve(endpoint, elapsed / 1000, seconds);
  }

  private serve(endpoint: (typeof ENDPOINTS)[number], elapsed: number, seconds: number): void {
    const outage = elapsed % (10 * endpoint.outageSeconds) < endpoint.outageSeconds;
    const rate = endpoint.perSecond * (1 + 0.4 * Math.sin((2 * Math.PI * elapsed) / 3600));
    const count = Math.floor(rate * seconds + this.random());
    for (let i = 0; i < count; i++) {
      const failed = this.random() <= endpoint.errorRatio * (outage ? 10 : 1);
      const status = endpoint.path === "/api/nonexistent" ? "404" : failed ? "500" : "200";
      const latency = endpoint.latency * (0.8 + 0.4 * this.random()) * (outage ? 3 : 1);
      const key = `${endpoint.method} ${endpoint.path} ${status}`;
      let histogram = this.requests.get(key);
      if (!histogram) {
        histogram = { buckets: BOUNDS.map(() => 0), sum: 0, count: 0 };
        this.requests.set(key, histogram);
      }
      histogram.count++;
      histogram.sum += latency;
      for (let b = BOUNDS.length - 1; b >= 0 && latency <= BOUNDS[b]; b--) histogram.buckets[b]++;
    }
  }

  private step(value: number, base: number): number {
    const next = value + Math.floor((this.random() - 0.5) * 60 * MIB);
    return Math.abs(next - base) > base * 0.2 ? base : next;
  }

  private cores(): number {
    return this.instance.seed === 2 ? 8 : 4;
  }

  private scrape(time: number): void {
    for (const [mode, value] of Object.entries(this.cpu))
      this.add("demo_cpu_usage_seconds_total", time, value, { mode });
    this.add("demo_num_cpus", time, this.cores());
    const { used, cached, buffers } = this.memory;
    this.add("demo_memory_usage_bytes", time, used, { type: "used" });
    this.add("demo_memory_usage_bytes", time, cached, { type: "cached" });
    this.add("demo_memory_usage_bytes", time, buffers, { type: "buffers" });
    this.add("demo_memory_usage_bytes", time, 8192 * MIB - used - cached - buffers, { type: "free" });
    this.add("demo_disk_usage_bytes", time, this.disk);
    this.add("demo_disk_total_bytes", time, 200e9);
    this.add("demo_batch_last_success_timestamp_seconds", time, this.batch.success);
    this.add("demo_batch_last_run_timestamp_seconds", time, this.batch.run);
    this.add("demo_batch_last_run_duration_seconds", time, this.batch.duration);
    this.add("demo_batch_last_run_processed_bytes", time, this.batch.bytes);
    this.add("demo_api_http_requests_in_progress", time, Math.floor(this.random() * 5));
    for (const [key, histogram] of this.requests) {
      const [method, path, status] = key.split(" ");
      const labels = { method, path, status };
      const name = "demo_api_request_duration_seconds";
      BOUNDS.forEach((bound, b) => {
        this.add(`${name}_bucket`, time, histogram.buckets[b], { ...labels, le: String(bound) });
      });
      this.add(`${name}_bucket`, time, histogram.count, { ...labels, le: "+Inf" });
      this.add(`${name}_sum`, time, histogram.sum, labels);
      this.add(`${name}_count`, time, histogram.count, labels);
    }
    // There every second minute only; the scrape after the last one marks it stale.
    const present = Math.floor(time / 60_000) % 2 === 0;
    if (present) this.add("demo_intermittent_metric", time, 1);
    else if (this.intermittent) this.add("demo_intermittent_metric", time, undefined);
    this.intermittent = present;
    this.add("up", time, 1);
  }

  private add(name: string, time: number, value: number | undefined, labels: Record<string, string> = {}): void {
    const key = name + JSON.stringify(labels);
    let series = this.series.get(key);
    if (!series) {
      const builder = new LabelsBuilder(Labels.fromRecord(labels));
      builder.set("__name__", name).set("instance", this.instance.instance).set("job", "demo");
      series = { labels: builder.labels(), times: [], values: [] };
      this.series.set(key, series);
    }
    series.times.push(time);
    series.values.push(value);
  }
}
