import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { openDatabase } from "../database/index.ts";
import { systemClock } from "../lib/clock.ts";
import { openMetricStore } from "./index.ts";
import { read } from "./store-testing.ts";

const ROUNDS = 5;

interface Acknowledged {
  shard: number;
  number: number;
  timeMs: number;
  round: number;
}

async function runAndKill(path: string, round: number, startMs: number, lifeMs: number): Promise<Acknowledged[]> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "store-crash-child.ts"), path, String(round), String(startMs)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  const opened = new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (data: Buffer) => {
      output += data.toString();
      if (output.startsWith("open")) resolve();
    });
    child.on("exit", () => reject(new Error("the child ended before it had opened the store")));
  });
  const exited = new Promise((resolve) => child.on("close", resolve));
  await opened;
  await delay(lifeMs);
  child.kill("SIGKILL");
  await exited;
  // The last line may be cut off.
  const lines = output.slice(0, output.lastIndexOf("\n")).split("\n").slice(1);
  return lines.map((line) => {
    const [shard, number] = line.split(" ").map(Number) as [number, number];
    return { shard, number, timeMs: startMs + number, round };
  });
}

test(
  "[ST20] what was acknowledged is there after kill -9, with the labels of its series",
  { timeout: 120_000 },
  async () => {
    const path = mkdtempSync(join(tmpdir(), "belfry-crash-"));
    try {
      const begin = Date.now() - 60_000;
      const acknowledged: Acknowledged[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const lifeMs = 150 + ((round * 7919) % 700);
        acknowledged.push(...(await runAndKill(path, round, begin + round * 10_000, lifeMs)));
      }
      expect(acknowledged.length).toBeGreaterThan(ROUNDS * 5);
      const database = await openDatabase({ path });
      const store = await openMetricStore({
        database,
        clock: systemClock,
        onError: (_what, cause) => expect(cause).toBeUndefined(),
      });
      await store.rebuilt;
      const got = await read(store, '{__name__!="scraped"}', 0, Number.MAX_SAFE_INTEGER);
      const present = new Set<string>();
      for (const [series, samples] of Object.entries(got)) {
        for (const [timeMs, value] of samples) present.add(`${series} ${timeMs} ${String(value)}`);
      }
      const lost: string[] = [];
      for (const { shard, number, timeMs, round } of acknowledged) {
        for (let i = 0; i < 20; i++) {
          const one = `{__name__="acked", i="${i}", shard="${shard}"} ${timeMs} ${number}`;
          if (!present.has(one)) lost.push(one);
        }
        const fresh = `{__name__="fresh", number="${number}", round="${round}"} ${timeMs} ${number}`;
        if (!present.has(fresh)) lost.push(fresh);
      }
      expect(lost).toEqual([]);
      await store.close();
      await database.close();
    } finally {
      rmSync(path, { recursive: true, force: true });
    }
  },
);
