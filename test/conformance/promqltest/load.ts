import { ClassicHistogramBuilder, type Labels, LabelsBuilder, METRIC_NAME, splitClassicName } from "@belfry/core/model";
import type { MemorySample, MemoryStorage } from "./memory-storage.ts";
import type { LoadCommand, LoadedSeries } from "./script.ts";

/** load puts the series of a load command into the storage; the first value is at time `startMs`. */
export function load(command: LoadCommand, storage: MemoryStorage, startMs = 0): void {
  for (const series of command.series) {
    storage.append(series.labels, samplesOf(series, command.intervalMs, startMs));
  }
  if (command.withNhcb) loadAsNativeHistograms(command, storage, startMs);
}

function samplesOf(series: LoadedSeries, intervalMs: number, startMs: number): MemorySample[] {
  const samples: MemorySample[] = [];
  for (let i = 0; i < series.values.length; i++) {
    const { omitted, stale, value, histogram } = series.values[i];
    if (omitted) continue;
    const timeMs = startMs + i * intervalMs;
    const offset = series.startOffsetsMs[i];
    samples.push({ timeMs, value, stale, histogram, startMs: offset === undefined ? 0 : timeMs + offset });
  }
  return samples;
}

/** loadAsNativeHistograms collects the series of each classic histogram, time by time, and adds what they make up. */
function loadAsNativeHistograms(command: LoadCommand, storage: MemoryStorage, startMs: number): void {
  const histograms = new Map<string, { labels: Labels; byTime: Map<number, ClassicHistogramBuilder> }>();
  for (const series of command.series) {
    const { base, suffix } = splitClassicName(series.labels.metricName);
    if (suffix === "") continue;
    const bound = parseBound(series.labels.get("le"));
    if (suffix === "_bucket" && Number.isNaN(bound)) continue;
    const labels = new LabelsBuilder(series.labels).set(METRIC_NAME, base).delete("le").labels();
    let entry = histograms.get(labels.key);
    if (!entry) histograms.set(labels.key, (entry = { labels, byTime: new Map() }));
    for (const sample of samplesOf(series, command.intervalMs, startMs)) {
      if (sample.histogram) continue;
      let builder = entry.byTime.get(sample.timeMs);
      if (!builder) entry.byTime.set(sample.timeMs, (builder = new ClassicHistogramBuilder()));
      if (suffix === "_bucket") builder.setBucket(bound, sample.value);
      else if (suffix === "_count") builder.setCount(sample.value);
      else builder.setSum(sample.value);
    }
  }
  for (const { labels, byTime } of histograms.values()) {
    const samples = [...byTime].map(([timeMs, builder]) => ({ timeMs, value: 0, histogram: builder.build() }));
    storage.append(
      labels,
      samples.toSorted((a, b) => a.timeMs - b.timeMs),
    );
  }
}

function parseBound(text: string): number {
  if (/^\+?inf(inity)?$/i.test(text)) return Infinity;
  if (/^-inf(inity)?$/i.test(text)) return -Infinity;
  return text.trim() === "" ? NaN : Number(text);
}
