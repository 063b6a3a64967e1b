// The first promise: what was acknowledged is there after kill -9 at any moment.
import { expect, test } from "vitest";
import { type BelfryProcess, startBelfry, waitFor } from "../support/belfry.ts";
import { pushV1 } from "../support/remote-write.ts";

const ROUNDS = 4;
const WRITERS = 3;
const SERIES_PER_WRITER = 20;
const CONFIG = "global: {scrape_interval: 15s}\n";

// A small generator with a seed, so that a failing round can be repeated.
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test("kill -9 under remote write loses no acknowledged sample", async () => {
  const next = random(20261121);
  // Whole seconds in the recent past, so that times are exact and inside the head's window.
  const baseMs = Math.floor(Date.now() / 1000) * 1000 - 3_000_000;
  const written = Array.from({ length: WRITERS }, () => ({ acknowledged: [] as number[], attempted: 0 }));
  let belfry: BelfryProcess | undefined;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      belfry = await startBelfry({ config: CONFIG, ...(belfry ? { folder: belfry.folder } : {}) });
      const server = belfry;
      let stopped = false;
      const writers = written.map(async (state, writer) => {
        while (!stopped) {
          const sample = state.attempted;
          const series = Array.from({ length: SERIES_PER_WRITER }, (_, i) => ({
            labels: { __name__: "durable", writer: String(writer), series: String(i) },
            samples: [{ timeMs: baseMs + sample * 1000, value: sample * 1000 + i }],
          }));
          state.attempted = sample + 1;
          try {
            const answer = await pushV1(server.url, series);
            if (answer.status === 204) state.acknowledged.push(sample);
            else if (!stopped) throw new Error(`write answered ${answer.status}: ${answer.text}`);
          } catch (error) {
            if (!stopped) throw error;
          }
        }
      });
      await new Promise((resolve) => setTimeout(resolve, 600 + next() * 1500));
      stopped = true;
      await server.kill();
      await Promise.all(writers);
    }
    const last = await startBelfry({ config: CONFIG, folder: belfry!.folder });
    belfry = last;
    for (let writer = 0; writer < WRITERS; writer++) {
      const { acknowledged, attempted } = written[writer]!;
      expect(acknowledged.length).toBeGreaterThan(ROUNDS);
      const endMs = baseMs + attempted * 1000;
      const query = `durable{writer="${writer}"}[${Math.ceil((endMs - baseMs) / 1000) + 60}s]`;
      const parameters = new URLSearchParams({ query, time: String(endMs / 1000) });
      const result = await waitFor(async () => {
        const response = await fetch(`${last.url}/api/v1/query?${parameters.toString()}`);
        const envelope = (await response.json()) as {
          data: { result: { metric: { series: string }; values: [number, string][] }[] };
        };
        return envelope.data.result.length === SERIES_PER_WRITER ? envelope.data.result : undefined;
      });
      for (const { metric, values } of result) {
        const found = new Map(values.map(([time, value]) => [Math.round(time * 1000), Number(value)]));
        // A request that a kill cut off was not acknowledged; whether its samples are there is open.
        const wrong = acknowledged.filter(
          (sample) => found.get(baseMs + sample * 1000) !== sample * 1000 + Number(metric.series),
        );
        expect(wrong, `acknowledged samples of writer ${writer} that are missing or differ`).toEqual([]);
      }
    }
  } finally {
    await belfry?.remove();
  }
});
