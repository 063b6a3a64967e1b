// A full disk: what arrives meanwhile is not acknowledged, what was acknowledged stays, and with room again everything
// goes on by itself. On a small file system of its own, which only root can mount.
import { afterAll, expect, test } from "vitest";
import { type BelfryProcess, instant, startBelfry, waitFor } from "../support/belfry.ts";
import { exposes, ExpositionTarget } from "../support/exposition-target.ts";
import { get } from "../support/prometheus-api.ts";
import { pushV1 } from "../support/remote-write.ts";
import { SmallDisk } from "../support/small-disk.ts";

const SERIES = 100;
const disk = SmallDisk.mount(100);
const baseMs = Math.floor(Date.now() / 1000) * 1000 - 600_000;
let belfry: BelfryProcess | undefined;
let target: ExpositionTarget | undefined;
afterAll(async () => {
  await belfry?.kill();
  await target?.close();
  disk?.unmount();
});

test.skipIf(disk === undefined)("a full disk (root only) loses nothing that was acknowledged", async () => {
  target = await ExpositionTarget.start(exposes("exposed 1\n"));
  const config = `global: {scrape_interval: 1s}
scrape_configs: [{job_name: a, static_configs: [{targets: ["${target.address}"]}]}]
`;
  belfry = await startBelfry({ config, folder: disk!.path });
  const { url } = belfry;
  const acknowledged: number[] = [];
  const refused: number[] = [];
  let next = 0;
  const push = async (): Promise<{ status: number; text: string }> => {
    const n = next++;
    const series = Array.from({ length: SERIES }, (_, i) => ({
      labels: { __name__: "durable", i: String(i) },
      samples: [{ timeMs: baseMs + n * 1000, value: n * 1000 + i }],
    }));
    const answer = await pushV1(url, series);
    (answer.status === 204 ? acknowledged : refused).push(n);
    return answer;
  };
  const metric = async (name: string): Promise<string | undefined> =>
    new RegExp(`^${name} (\\S+)$`, "m").exec(await (await fetch(`${url}/metrics`)).text())?.[1];

  for (let i = 0; i < 5; i++) expect(await push()).toEqual({ status: 204, text: "" });
  disk!.fill(64 * 1024);
  const answers = await Promise.all([push(), push(), push()]);
  for (const { status, text } of answers) {
    expect(status).toBeGreaterThanOrEqual(500);
    expect(text).toMatch(/^could not insert \d+ bytes into metric_samples: .*not enough space/);
  }
  expect(refused).toEqual([5, 6, 7]);
  expect(await metric('belfry_batch_writer_degraded\\{table="samples"\\}')).toBe("1");
  expect(belfry.log()).toMatch(/level=ERROR msg="Writing to the database failed, trying again" table=metric_samples/);
  // Everything else goes on meanwhile: queries, scrapes, health.
  expect((await fetch(`${url}/-/healthy`)).status).toBe(200);
  expect((await instant(url, "count(durable)", baseMs / 1000 + 4))[0]!.value[1]).toBe(String(SERIES));
  expect((await instant(url, "up"))[0]!.value[1]).toBe("1");

  disk!.unfill();
  await waitFor(async () => ((await push()).status === 204 ? true : undefined), 60_000, "writing goes on");
  for (let i = 0; i < 5; i++) expect(await push()).toEqual({ status: 204, text: "" });
  expect(await metric('belfry_batch_writer_degraded\\{table="samples"\\}')).toBe("0");

  await belfry.kill();
  belfry = await startBelfry({ config, folder: disk!.path });
  const query = `durable[${next + 60}s]`;
  const { json } = await get(belfry.url, "query", { query, time: baseMs / 1000 + next });
  const { result } = json.data as { result: { metric: { i: string }; values: [number, string][] }[] };
  expect(result).toHaveLength(SERIES);
  for (const { metric: labels, values } of result) {
    const found = new Map(values.map(([time, value]) => [Math.round(time * 1000), Number(value)]));
    // What was refused may be there: its sender is told to repeat it.
    const wrong = acknowledged.filter((n) => found.get(baseMs + n * 1000) !== n * 1000 + Number(labels.i));
    expect(wrong, "acknowledged samples that are missing or differ").toEqual([]);
    expect(values.length).toBeLessThanOrEqual(acknowledged.length + refused.length);
  }
  // Scraping during the full disk was not acknowledged to anybody; what came before and after is there.
  await waitFor(async () => {
    const [sample] = await instant(belfry!.url, "count_over_time(exposed[10m])");
    return Number(sample?.value[1]) > 2 ? true : undefined;
  });
});

test.skipIf(disk === undefined)("a full disk (root only) does not keep the process from ending", async () => {
  disk!.fill(64 * 1024);
  await waitFor(async () => (belfry!.log().includes("not enough space") ? true : undefined));
  // What was scraped since cannot be kept: the end is orderly, but not a success.
  expect(await belfry!.stop()).toBe(1);
  expect(belfry!.log()).toMatch(/level=ERROR msg="Error while stopping" err="could not insert .*not enough space/);
  disk!.unfill();
  belfry = await startBelfry({ folder: disk!.path });
  expect((await instant(belfry.url, "count(durable)", baseMs / 1000 + 4))[0]!.value[1]).toBe(String(SERIES));
  expect(await belfry.stop()).toBe(0);
});
