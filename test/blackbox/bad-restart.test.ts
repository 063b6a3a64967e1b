// Ends and clocks: killed while it scrapes, stopped under load, and a wall clock that jumps.
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { instant, startBelfry, waitFor } from "../support/belfry.ts";
import { exposes, ExpositionTarget } from "../support/exposition-target.ts";
import { get } from "../support/prometheus-api.ts";
import { pushV1 } from "../support/remote-write.ts";

interface Series {
  metric: Record<string, string>;
  values: [number, string][];
}

async function range(url: string, query: string, time?: number): Promise<Series[]> {
  const { json } = await get(url, "query", { query, ...(time === undefined ? {} : { time }) });
  expect(json.error).toBeUndefined();
  return (json.data as { result: Series[] }).result;
}

function scrapeConfig(target: ExpositionTarget): string {
  return `global: {scrape_interval: 1s}
scrape_configs: [{job_name: a, static_configs: [{targets: ["${target.address}"]}]}]
`;
}

test("killed while it scrapes: after a restart it scrapes on, and all but the last moments are there", async () => {
  let counter = 0;
  const target = await ExpositionTarget.start((request, response) => {
    exposes(`# TYPE steps_total counter\nsteps_total ${counter++}\n`)(request, response);
  });
  const config = scrapeConfig(target);
  let belfry = await startBelfry({ config });
  try {
    for (let round = 0; round < 3; round++) {
      const until = counter + 4;
      await waitFor(async () => (counter >= until ? true : undefined));
      const before = (await range(belfry.url, "steps_total[10m]"))[0]!.values;
      const killedAt = Date.now() / 1000;
      await belfry.kill();
      belfry = await startBelfry({ config, folder: belfry.folder });
      const after = await waitFor(async () => {
        const [series] = await range(belfry.url, "steps_total[10m]");
        return series?.values.some(([time]) => time > killedAt) ? series.values : undefined;
      });
      // A scrape may wait for a second to become durable; whatever is older has survived, bit for bit.
      const kept = new Map(after);
      for (const [time, value] of before) if (time < killedAt - 3) expect(kept.get(time)).toBe(value);
      for (let i = 1; i < after.length; i++) expect(after[i]![0]).toBeGreaterThan(after[i - 1]![0]);
    }
    expect((await instant(belfry.url, "up"))[0]!.value[1]).toBe("1");
    expect(await belfry.stop()).toBe(0);
  } finally {
    await belfry.remove();
    await target.close();
  }
});

test("stopped under load: exit code 0, and nothing acknowledged is lost", async () => {
  const target = await ExpositionTarget.start(exposes("exposed 1\n"));
  const config = scrapeConfig(target);
  const baseMs = Math.floor(Date.now() / 1000) * 1000 - 1_800_000;
  const writers = Array.from({ length: 4 }, () => ({ acknowledged: [] as number[], next: 0 }));
  let belfry = await startBelfry({ config });
  try {
    const { url } = belfry;
    // From the moment the end is asked for, requests may be turned away; until then none.
    let stopping = false;
    const unexpected: unknown[] = [];
    const writing = writers.map(async (state, writer) => {
      for (;;) {
        const n = state.next++;
        const series = Array.from({ length: 50 }, (_, i) => ({
          labels: { __name__: "loaded", writer: String(writer), i: String(i) },
          samples: [{ timeMs: baseMs + n * 100, value: n }],
        }));
        try {
          const { status, text } = await pushV1(url, series);
          if (status === 204) state.acknowledged.push(n);
          else if (!stopping || status !== 503) unexpected.push([status, text]);
        } catch (error) {
          if (!stopping) unexpected.push(error);
          return;
        }
      }
    });
    const querying = (async () => {
      while (!stopping) await instant(url, "sum(rate(loaded[1m]))", baseMs / 1000).catch(() => {});
    })();
    await waitFor(async () => (writers.every((state) => state.acknowledged.length > 20) ? true : undefined));
    stopping = true;
    const stopped = belfry.stop();
    expect(await stopped).toBe(0);
    await Promise.all([...writing, querying]);
    expect(unexpected).toEqual([]);
    expect(belfry.log()).toMatch(/msg="See you next time!"/);

    belfry = await startBelfry({ config, folder: belfry.folder });
    for (const [writer, { acknowledged, next }] of writers.entries()) {
      const found = await range(belfry.url, `loaded{writer="${writer}"}[1h]`, baseMs / 1000 + next);
      expect(found).toHaveLength(50);
      for (const { values } of found) {
        const kept = new Set(values.map(([, value]) => Number(value)));
        expect(acknowledged.filter((n) => !kept.has(n))).toEqual([]);
      }
    }
    expect(await belfry.stop()).toBe(0);
  } finally {
    await belfry.remove();
    await target.close();
  }
});

test("stopped while a client holds a connection open and another waits for a long query", async () => {
  const belfry = await startBelfry({ config: "global: {scrape_interval: 15s}\n" });
  try {
    const now = Math.floor(Date.now() / 1000) * 1000;
    for (let from = 0; from < 1000; from += 100) {
      await pushV1(
        belfry.url,
        Array.from({ length: 100 }, (_, i) => ({
          labels: { __name__: "heavy", i: String(from + i) },
          samples: Array.from({ length: 100 }, (_unused, s) => ({ timeMs: now - (100 - s) * 30_000, value: s })),
        })),
      );
    }
    const events = await fetch(`${belfry.url}/api/v1/notifications/live`);
    expect(events.headers.get("content-type")).toBe("text/event-stream");
    const heavy = { query: "quantile_over_time(0.9, heavy[50m])", start: now / 1000 - 3000, end: now / 1000, step: 1 };
    const slow = get(belfry.url, "query_range", heavy).catch((error: unknown) => error);
    await waitFor(async () =>
      /^belfry_engine_queries 1$/m.test(await (await fetch(`${belfry.url}/metrics`)).text()) ? true : undefined,
    );
    expect(await belfry.stop()).toBe(0);
    await slow;
    await events.body?.cancel().catch(() => {});
  } finally {
    await belfry.remove();
  }
});

const FAKETIME = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
].find((file) => existsSync(file));

test.skipIf(FAKETIME === undefined)("a wall clock that jumps an hour ahead and back (needs libfaketime)", async () => {
  const folder = mkdtempSync(join(tmpdir(), "belfry-clock-"));
  const offset = join(folder, "offset");
  const jumpTo = (seconds: number): void => writeFileSync(offset, `${seconds < 0 ? "" : "+"}${seconds}`);
  jumpTo(0);
  const target = await ExpositionTarget.start(exposes("exposed 1\n"));
  const config = scrapeConfig(target);
  const env = {
    LD_PRELOAD: FAKETIME,
    FAKETIME_TIMESTAMP_FILE: offset,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    DONT_FAKE_MONOTONIC: "1",
  };
  let belfry = await startBelfry({ config, folder, env });
  const exposed = async (): Promise<number[]> =>
    ((await range(belfry.url, "exposed[4h]", Date.now() / 1000 + 7200))[0]?.values ?? []).map(([time]) => time);
  const scraped = async (times: number): Promise<void> => {
    const until = target.scrapes + times;
    await waitFor(async () => (target.scrapes >= until ? true : undefined));
  };
  try {
    const start = Date.now() / 1000;
    await waitFor(async () => ((await exposed()).length >= 2 ? true : undefined));

    jumpTo(3600);
    const ahead = await waitFor(async () => {
      const times = (await exposed()).filter((time) => time > start + 3000);
      return times.length >= 2 ? times : undefined;
    });
    // The rhythm is the monotonic clock's: no scrape is made up for, none waits for an hour.
    expect(ahead.length).toBeLessThanOrEqual(target.scrapes);

    jumpTo(0);
    await scraped(3);
    // Older than what the series has: refused as from any target, until the clock has caught up.
    expect((await exposed()).length).toBeLessThanOrEqual(target.scrapes);
    expect(belfry.log()).toMatch(/Error on ingesting out-of-order samples/);
    const now = Math.floor(Date.now() / 1000) * 1000;
    expect(await pushV1(belfry.url, [{ labels: { __name__: "p" }, samples: [{ timeMs: now, value: 3 }] }])).toEqual({
      status: 204,
      text: "",
    });
    expect((await instant(belfry.url, "p"))[0]!.value[1]).toBe("3");

    jumpTo(-7200);
    await scraped(2);
    expect((await fetch(`${belfry.url}/-/healthy`)).status).toBe(200);
    jumpTo(3700);
    await waitFor(async () => ((await exposed()).some((time) => time > start + 3690) ? true : undefined));
    jumpTo(0);
    const kept = await exposed();
    expect(await belfry.stop()).toBe(0);

    belfry = await startBelfry({ config, folder });
    expect((await exposed()).slice(0, kept.length)).toEqual(kept);
    expect((await instant(belfry.url, "p"))[0]!.value[1]).toBe("3");
    expect(await belfry.stop()).toBe(0);
  } finally {
    await belfry.remove();
    await target.close();
  }
});
