// Reading the head as a query does: 10,000 series x 240 samples into one reused buffer. node bench/head-read.ts
import { SampleBuffer } from "@belfry/core/model";
import { fill, type ValueKind } from "./head-fixture.ts";

const SERIES = 10_000;
const kinds: (ValueKind | undefined)[] = [
  undefined,
  "constant",
  "smallCounter",
  "counter",
  "cpuSeconds",
  "durationSum",
];
for (const kind of kinds) {
  const { store, endMs } = await fill(SERIES, 720, 15_000, kind);
  const context = { signal: new AbortController().signal, budget: { charge() {}, release() {} } };
  const startMs = endMs - 240 * 15_000;
  const buffer = new SampleBuffer();
  const selects: number[] = [];
  const reads: number[] = [];
  let samples = 0;
  for (let run = 0; run < 30; run++) {
    const begin = performance.now();
    const { series } = await store.select([], { startMs, endMs, stepMs: 0, rangeMs: 0, func: "", limit: 0 }, context);
    const selected = performance.now();
    samples = 0;
    for (const one of series) {
      buffer.clear();
      one.read(startMs, endMs, buffer);
      samples += buffer.length;
    }
    selects.push(selected - begin);
    reads.push(performance.now() - selected);
  }
  console.log(`${kind ?? "mix"}: ${samples} samples, select ${median(selects)} ms, read ${median(reads)} ms`);
  await store.close();
}

function median(values: number[]): string {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!.toFixed(2);
}
