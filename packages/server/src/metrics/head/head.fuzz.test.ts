// The head against a model that keeps plain sorted arrays: whatever sequence of appends, late samples, staleness
// markers, histograms, deletions and maintenance, a read gives the same bits.
import { type Histogram, Labels, SampleBuffer } from "@belfry/core/model";
import { expect, test } from "vitest";
import { ExemplarStore } from "../exemplars.ts";
import { MetadataStore } from "../metadata.ts";
import { HeadAppendable } from "./head-appender.ts";
import { Head } from "./head.ts";

function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

type Value = number | "stale" | Histogram;
type Model = { time: number; value: Value; start: number }[];

function histogram(next: () => number): Histogram {
  const buckets = 1 + Math.floor(next() * 3);
  return {
    counterResetHint: 0,
    schema: Math.floor(next() * 2),
    zeroThreshold: 0.001,
    zeroCount: Math.floor(next() * 5),
    count: Math.floor(next() * 100),
    sum: next() * 100,
    positiveSpans: [{ offset: 0, length: buckets }],
    positiveBuckets: Float64Array.from({ length: buckets }, () => Math.floor(next() * 10)),
    negativeSpans: [],
    negativeBuckets: new Float64Array(0),
    customValues: undefined,
  };
}

// Every kind of value, and switches between them, since those are what makes a chunk change its encoding.
function nextValue(kind: number, previous: number, next: () => number): Value {
  const chance = next();
  if (chance < 0.02) return "stale";
  if (chance < 0.03) return NaN;
  if (chance < 0.04) return [-0, 0, Infinity, -Infinity, 5e-324, 2 ** 53, -(2 ** 60), 1.5][Math.floor(next() * 8)]!;
  switch (kind) {
    case 0:
      return previous;
    case 1:
      return previous + Math.floor((next() - 0.5) * 260);
    case 2:
      return previous + [-32768, -32767, -32766, 32767, 32768, 5][Math.floor(next() * 6)]!;
    case 3:
      return Math.round((previous + next() * 10) * 100) / 100;
    case 4:
      return next() * 1e9;
    case 5:
      return Math.fround(next());
    case 6:
      return previous + [2 ** 31, -(2 ** 31), 1 - 2 ** 31, 2 - 2 ** 31, 2 ** 31 - 1, 2 ** 34][Math.floor(next() * 6)]!;
    default:
      return histogram(next);
  }
}

function comparable(buffer: SampleBuffer): unknown[] {
  return Array.from({ length: buffer.length }, (_, i) => {
    const h = buffer.histograms?.[i];
    return [buffer.times[i], h ?? [buffer.words[2 * i], buffer.words[2 * i + 1]], buffer.starts?.[i] ?? 0];
  });
}

function expected(model: Model, startMs: number, endMs: number): unknown[] {
  const buffer = new SampleBuffer();
  for (const { time, value, start } of model) {
    if (time < startMs || time > endMs) continue;
    if (value === "stale") buffer.pushStale(time);
    else if (typeof value !== "number") buffer.pushHistogram(time, value);
    else if (Number.isNaN(value)) {
      buffer.push(time, 0);
      buffer.words[2 * buffer.length - 2] = 1;
      buffer.words[2 * buffer.length - 1] = 0x7ff80000;
    } else buffer.push(time, value);
    if (start !== 0) buffer.setStart(start);
  }
  return comparable(buffer);
}

function run(seed: number, rounds: number): void {
  const next = random(seed);
  const start = 1_700_000_000_000;
  let now = start;
  const head = new Head({ now: () => now, outOfOrderWindowMs: 3_600_000, windowMs: 1e12 });
  const appendable = new HeadAppendable(head, new ExemplarStore(0), new MetadataStore(), undefined);
  const count = 12;
  const labels = Array.from({ length: count }, (_, i) => Labels.fromRecord({ __name__: "m", i: String(i) }));
  const refs: number[] = Array.from({ length: count }, () => 0);
  const models: Model[] = Array.from({ length: count }, () => []);
  const kinds = Array.from({ length: count }, () => Math.floor(next() * 7));
  const last = Array.from({ length: count }, () => Math.floor(next() * 1000));
  const starts: number[] = Array.from({ length: count }, () => 0);

  for (let r = 0; r < rounds; r++) {
    now += 15_000 + (next() < 0.1 ? Math.floor(next() * 5000) : 0);
    const appender = appendable.appender({ allowOutOfOrder: true });
    for (let i = 0; i < count; i++) {
      if (next() < 0.05) continue;
      if (next() < 0.01) kinds[i] = Math.floor(next() * 9);
      if (next() < 0.005) starts[i] = now - 1000;
      const value = nextValue(kinds[i]!, last[i]!, next);
      if (typeof value === "number" && Number.isFinite(value)) last[i] = value;
      // Mostly the time of the scrape, sometimes one of its own, sometimes a late one.
      let time = next() < 0.9 ? now : now - Math.floor(next() * 5000);
      if (next() < 0.04) time = now - Math.floor(next() * 1_800_000);
      const model = models[i]!;
      const at = model.findLastIndex((sample) => sample.time <= time);
      if (at >= 0 && model[at]!.time === time) continue;
      const sample = { time, value, start: value === "stale" ? 0 : starts[i]! };
      model.splice(at + 1, 0, sample);
      let ref: number;
      if (value === "stale") ref = appender.appendStale(refs[i]!, labels[i]!, time);
      else if (typeof value === "number") ref = appender.append(refs[i]!, labels[i]!, time, value, sample.start);
      else ref = appender.appendHistogram(refs[i]!, labels[i]!, time, value, sample.start);
      expect(ref).toBeGreaterThan(0);
      refs[i] = ref;
    }
    void appender.commit();
    if (next() < 0.02) {
      const i = Math.floor(next() * count);
      const from = start + Math.floor(next() * (now - start));
      const to = from + Math.floor(next() * 600_000);
      const slot = head.series.slotOf(refs[i]!);
      if (slot >= 0) {
        head.deleteRange(slot, from, to);
        models[i] = models[i]!.filter((sample) => sample.time < from || sample.time > to);
      }
    }
    if (next() < 0.05) head.maintain();
    if (next() < 0.1 || r === rounds - 1) {
      const i = Math.floor(next() * count);
      const slot = head.series.slotOf(refs[i]!);
      const from = next() < 0.3 ? -Infinity : start + Math.floor(next() * (now - start));
      const to = next() < 0.3 ? Infinity : from + Math.floor(next() * 3_600_000);
      const buffer = new SampleBuffer(1);
      if (slot >= 0) head.read(slot, from, to, buffer);
      expect(comparable(buffer), `seed ${seed} round ${r} series ${i}`).toEqual(expected(models[i]!, from, to));
    }
  }
  for (let i = 0; i < count; i++) {
    const buffer = new SampleBuffer(1);
    const slot = head.series.slotOf(refs[i]!);
    if (slot >= 0) head.read(slot, -Infinity, Infinity, buffer);
    expect(comparable(buffer), `seed ${seed} series ${i}`).toEqual(expected(models[i]!, -Infinity, Infinity));
  }
  // Everything deleted: no block, chunk or slab may be left behind.
  for (let i = 0; i < count; i++) {
    const slot = head.series.slotOf(refs[i]!);
    if (slot >= 0) head.deleteRange(slot, -Infinity, Infinity);
  }
  for (let i = 0; i < 4; i++) head.maintain();
  expect(head.chunks.usedBytes).toBe(0);
  expect(head.chunks.size).toBe(0);
  expect(head.series.size).toBe(0);
}

test.each(Array.from({ length: 40 }, (_, i) => i + 1))("[HD20] the head keeps every bit, seed %i", (seed) => {
  run(seed, 600);
});
