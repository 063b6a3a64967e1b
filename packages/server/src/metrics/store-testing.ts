// What the tests of the store share: a query context without limits and short ways to write and read.
import { type Histogram, Labels, Matcher, type MatchType, SampleBuffer } from "@belfry/core/model";
import type { AppendOptions, SeriesRef } from "./appender.ts";
import type { MetricStore } from "./metric-store.ts";
import type { Queryable, QueryContext, SelectHints } from "./queryable.ts";

/** unlimited is a query context that is never aborted and counts nothing. */
export function unlimited(): QueryContext {
  return { signal: new AbortController().signal, budget: { charge: () => undefined, release: () => undefined } };
}

/** hints are select hints for a plain range. */
export function hints(startMs: number, endMs: number, limit = 0): SelectHints {
  return { startMs, endMs, stepMs: 0, rangeMs: 0, func: "", limit };
}

/** labels parses `name{a="1",b="2"}` without escapes. */
export function labels(text: string): Labels {
  const [, name, inner] = /^([^{]*)(?:\{(.*)\})?$/.exec(text)!;
  const record: Record<string, string> = name === "" ? {} : { __name__: name! };
  for (const part of inner ? inner.split(",") : []) {
    const [, key, value] = /^\s*([^=]+)="(.*)"$/.exec(part)!;
    record[key!] = value!;
  }
  return Labels.fromRecord(record);
}

/** matchers parses `name{a="1",b=~"x"}` without escapes. */
export function matchers(text: string): Matcher[] {
  const [, name, inner] = /^([^{]*)(?:\{(.*)\})?$/.exec(text)!;
  const out = name === "" ? [] : [new Matcher("=", "__name__", name!)];
  for (const part of inner ? inner.split(",") : []) {
    const [, key, type, value] = /^\s*([^=!~]+)(=~|!~|!=|=)"(.*)"$/.exec(part)!;
    out.push(new Matcher(type as MatchType, key!, value!));
  }
  return out;
}

/** TestSample is a sample as tests write it: time and a value, "stale", or a histogram. */
export type TestSample = [timeMs: number, value: number | "stale" | Histogram, startMs?: number];

/** write commits one batch with samples of some series and returns what every append returned; a scrape is not waited for. */
export async function write(
  store: Pick<MetricStore, "appender">,
  batch: Readonly<Record<string, readonly TestSample[]>>,
  options?: AppendOptions,
): Promise<SeriesRef[]> {
  const appender = store.appender(options);
  const results: SeriesRef[] = [];
  for (const [series, samples] of Object.entries(batch)) {
    const of = labels(series);
    for (const [timeMs, value, startMs] of samples) {
      if (value === "stale") results.push(appender.appendStale(0, of, timeMs));
      else if (typeof value === "number") results.push(appender.append(0, of, timeMs, value, startMs));
      else results.push(appender.appendHistogram(0, of, timeMs, value, startMs));
    }
  }
  const committed = appender.commit();
  // A scrape's rows may wait a second; what it must do is be visible at once.
  if (options?.scrape !== true) await committed;
  return results;
}

/** ReadSample is a sample as tests compare it: NaNs show their bits. */
export type ReadSample = [timeMs: number, value: number | string | Histogram, startMs?: number];

/** read returns the samples of every selected series, by its printed labels. */
export async function read(
  store: Queryable,
  selector: string,
  startMs: number,
  endMs: number,
  context: QueryContext = unlimited(),
): Promise<Record<string, ReadSample[]>> {
  const { series } = await store.select(matchers(selector), hints(startMs, endMs), context);
  const out: Record<string, ReadSample[]> = {};
  const buffer = new SampleBuffer(1);
  for (const one of series) {
    buffer.clear();
    one.read(startMs, endMs, buffer);
    const key = one.labels.toString();
    if (out[key]) throw new Error(`series ${key} was returned twice`);
    if (buffer.length > 0) out[key] = samplesOf(buffer);
  }
  return out;
}

/** samplesOf lists the samples of a buffer. */
export function samplesOf(buffer: SampleBuffer): ReadSample[] {
  return Array.from({ length: buffer.length }, (_, i) => {
    const sample: ReadSample = [buffer.times[i]!, buffer.histograms?.[i] ?? shown(buffer, i)];
    const startMs = buffer.starts?.[i] ?? 0;
    if (startMs !== 0) sample.push(startMs);
    return sample;
  });
}

function shown(buffer: SampleBuffer, i: number): number | string {
  if (buffer.isStale(i)) return "stale";
  const value = buffer.values[i]!;
  if (value === value) return value;
  const hex = (word: number): string => word.toString(16).padStart(8, "0");
  return `NaN ${hex(buffer.words[2 * i + 1]!)}${hex(buffer.words[2 * i]!)}`;
}

/** histogram makes a small native histogram. */
export function histogram(count: number, buckets: readonly number[] = [count], offset = 0): Histogram {
  return {
    counterResetHint: 0,
    schema: 0,
    zeroThreshold: 0.001,
    zeroCount: 0,
    count,
    sum: count * 1.5,
    positiveSpans: [{ offset, length: buckets.length }],
    positiveBuckets: Float64Array.from(buckets),
    negativeSpans: [],
    negativeBuckets: new Float64Array(0),
    customValues: undefined,
  };
}
