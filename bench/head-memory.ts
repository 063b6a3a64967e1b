// Memory per series and sample in the head: node --expose-gc bench/head-memory.ts
import { fill, VALUE_KINDS, type ValueKind } from "./head-fixture.ts";

function resident(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const STEP_MS = 15_000;
const SAMPLES = 720;

console.log(
  "series   samples  kind           B/sample(values)  B/sample(all)  B/series(all)  measured B/series  ns/append",
);
for (const series of [10_000, 100_000]) {
  const before = resident();
  const { store, appendMs } = await fill(series, SAMPLES, STEP_MS);
  const measured = resident() - before;
  report(series, "mix", store.stats().head.usedBytes, measured, appendMs);
  await store.close();
}
for (const kind of Object.keys(VALUE_KINDS) as ValueKind[]) {
  const series = 2000;
  const before = resident();
  const { store, appendMs } = await fill(series, SAMPLES, STEP_MS, kind);
  report(series, kind, store.stats().head.usedBytes, resident() - before, appendMs);
  await store.close();
}

function report(series: number, kind: string, used: number, measured: number, appendMs: number): void {
  const samples = series * SAMPLES;
  const fixed = 400 * series;
  console.log(
    [
      String(series).padEnd(8),
      String(SAMPLES).padEnd(8),
      kind.padEnd(14),
      ((used - fixed) / samples).toFixed(2).padStart(16),
      (used / samples).toFixed(2).padStart(14),
      (used / series).toFixed(0).padStart(14),
      (measured / series).toFixed(0).padStart(18),
      ((appendMs * 1e6) / samples).toFixed(0).padStart(10),
    ].join(" "),
  );
}
