// Dashboards ask for the same metrics again and again; which series a metric had on some days hardly changes. The
// cache remembers the answer until a series of that metric is written: when its row is handed over, and again when
// it is durable, because a query in between may have been answered without it.
import type { StoredSeries } from "./metric-reader.ts";

// A series takes about 300 bytes; 50,000 of them 15 MB. Larger metrics are cheap to ask for compared with their samples.
const MAX_SERIES = 50_000;
const MAX_SERIES_OF_METRIC = 10_000;

interface Entry {
  series: readonly StoredSeries[];
  untilMs: number;
}

/** SeriesCache maps metric name and range of days to series. */
export class SeriesCache {
  private readonly metrics = new Map<string, Map<string, Entry>>();
  private readonly maxAgeMs: number;
  private held = 0;
  private version = 0;

  /** `maxAgeMs` bounds how old an answer may be; where other processes write to the same tables it must be short. */
  constructor(maxAgeMs: number) {
    this.maxAgeMs = maxAgeMs;
  }

  /** get returns the series, asking `load` when they are not known. */
  async get(
    name: string,
    days: string,
    nowMs: number,
    load: () => Promise<readonly StoredSeries[]>,
  ): Promise<readonly StoredSeries[]> {
    const known = this.metrics.get(name)?.get(days);
    if (known !== undefined && nowMs < known.untilMs) return known.series;
    const { version } = this;
    const series = await load();
    // Something was written meanwhile; the answer may be without it.
    if (version === this.version && series.length <= MAX_SERIES_OF_METRIC) this.put(name, days, series, nowMs);
    return series;
  }

  private put(name: string, days: string, series: readonly StoredSeries[], nowMs: number): void {
    let ranges = this.metrics.get(name);
    if (ranges === undefined) this.metrics.set(name, (ranges = new Map()));
    // An empty answer takes room as well.
    this.held += series.length + 1 - sizeOf(ranges.get(days));
    ranges.set(days, { series, untilMs: nowMs + this.maxAgeMs });
    for (const other of this.metrics.keys()) {
      if (this.held <= MAX_SERIES) break;
      this.drop(other);
    }
  }

  /** forget drops what is known of a metric. */
  forget(name: string): void {
    this.version++;
    if (this.metrics.has(name)) this.drop(name);
  }

  /** clear drops everything. */
  clear(): void {
    this.version++;
    this.metrics.clear();
    this.held = 0;
  }

  private drop(name: string): void {
    for (const entry of this.metrics.get(name)!.values()) this.held -= sizeOf(entry);
    this.metrics.delete(name);
  }
}

function sizeOf(entry: Entry | undefined): number {
  return entry === undefined ? 0 : entry.series.length + 1;
}
