// Data directories that cannot be used, or only in part: each is refused, or told of, in its own words; none is changed.
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BelfryProcess, freePort, instant, runBelfry, startBelfry } from "../support/belfry.ts";
import { post } from "../support/prometheus-api.ts";
import { pushV1 } from "../support/remote-write.ts";
import { SmallDisk } from "../support/small-disk.ts";

const CONFIG = "global: {scrape_interval: 15s}\n";
const SERIES = 50;
const SAMPLES = 20;
const endMs = Math.floor(Date.now() / 1000) * 1000 - 60_000;

let base: string;
/** written is a folder whose data directory was written and closed in good order. */
let written: string;
let copies = 0;

/** copy gives a folder with the same data, to be damaged. */
function copy(): string {
  const folder = join(base, `copy-${copies++}`);
  cpSync(written, folder, { recursive: true });
  return folder;
}

function emptyFolder(): string {
  return mkdtempSync(join(base, "empty-"));
}

/** refusal is what `belfry serve` says before it ends with code 1. */
async function refusal(folder: string): Promise<string> {
  const { code, stdout, stderr } = await runBelfry(
    [
      "serve",
      `--storage.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${await freePort()}`,
      "--web.compat-listeners=none",
    ],
    { cwd: folder },
  );
  expect([code, stdout]).toEqual([1, ""]);
  return stderr.replaceAll(join(folder, "data"), "DATA").trim();
}

function push(url: string, name: string, timeMs: number, value = 1): Promise<{ status: number; text: string }> {
  return pushV1(url, [{ labels: { __name__: name }, samples: [{ timeMs, value }] }]);
}

/** tableFiles lists the data files of a table. */
function tableFiles(folder: string, table: string): string[] {
  const store = join(folder, "data", "clickhouse", "store");
  const definition = filesBelow(store).find((file) => file.endsWith(`/${table}.sql`))!;
  const uuid = /UUID '([^']+)'/.exec(readFileSync(definition, "utf8"))![1]!;
  const files = filesBelow(join(store, uuid.slice(0, 3), uuid)).filter((file) => file.endsWith(".bin"));
  expect(files.length).toBeGreaterThan(0);
  return files;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "belfry-storage-"));
  written = join(base, "written");
  mkdirSync(written);
  const belfry = await startBelfry({ config: CONFIG, folder: written });
  for (let i = 0; i < SAMPLES; i++) {
    const series = Array.from({ length: SERIES }, (_, n) => ({
      labels: { __name__: "kept", n: String(n) },
      samples: [{ timeMs: endMs - (SAMPLES - 1 - i) * 1000, value: i }],
    }));
    expect(await pushV1(belfry.url, series)).toEqual({ status: 204, text: "" });
  }
  expect(await belfry.stop()).toBe(0);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

describe("is refused, and left as it was:", () => {
  test("a folder of somebody else", async () => {
    const folder = emptyFolder();
    const data = join(folder, "data");
    mkdirSync(data);
    for (const name of ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]) writeFileSync(join(data, name), name);
    expect(await refusal(folder)).toBe(
      "belfry: error: the directory DATA is not empty and not a data directory of Belfry (it holds a.jpg, b.jpg, c.jpg and 1 more); choose an empty one",
    );
    expect(readdirSync(data)).toEqual(["a.jpg", "b.jpg", "c.jpg", "d.jpg"]);
  });

  test("the data directory of a Prometheus", async () => {
    const folder = emptyFolder();
    mkdirSync(join(folder, "data", "wal"), { recursive: true });
    writeFileSync(join(folder, "data", "lock"), "");
    expect(await refusal(folder)).toMatch(/ is not empty and not a data directory of Belfry \(it holds lock, wal\)/);
    expect(readdirSync(join(folder, "data"))).toEqual(["lock", "wal"]);
  });

  test("a file", async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, "data"), "text");
    expect(await refusal(folder)).toBe("belfry: error: the data directory DATA is not a directory");
    expect(readFileSync(join(folder, "data"), "utf8")).toBe("text");
  });

  test("one below a file, which cannot be made", async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, "file"), "text");
    const { code, stderr } = await runBelfry(["serve", `--storage.path=${join(folder, "file", "data")}`], {
      cwd: folder,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^belfry: error: cannot .* the data directory .*\/file\/data: ENOTDIR/);
  });

  test.each([
    ["no JSON", "hello", /^belfry: error: cannot read DATA\/belfry\.json: .*not valid JSON$/],
    ["empty", "", /^belfry: error: cannot read DATA\/belfry\.json: Unexpected end of JSON input$/],
    ["of another kind", '{"name":"x"}', /^belfry: error: DATA\/belfry\.json does not describe a data directory$/],
    [
      "of a newer layout",
      '{"belfry":2,"schema":1}',
      /^belfry: error: the data directory DATA was written by a newer Belfry \(layout 2, this version knows 1\); use that version, or go back with its "belfry rollback"$/,
    ],
    [
      "of a newer schema",
      '{"belfry":1,"schema":99}',
      /^belfry: error: the tables in DATA have version 99, this program knows \d+: they were written by a newer Belfry\. Use that version, or "belfry rollback" to return to the state before its migration$/,
    ],
  ])("one whose belfry.json is %s", async (_what, text, error) => {
    const folder = copy();
    writeFileSync(join(folder, "data", "belfry.json"), text);
    expect(await refusal(folder)).toMatch(error);
    expect(readFileSync(join(folder, "data", "belfry.json"), "utf8")).toBe(text);
    // With the right file back, everything is still there.
    cpSync(join(written, "data", "belfry.json"), join(folder, "data", "belfry.json"));
    const belfry = await startBelfry({ config: CONFIG, folder });
    expect((await instant(belfry.url, "count(count_over_time(kept[1m]) == 20)", endMs / 1000))[0]!.value[1]).toBe("50");
    await belfry.remove();
  });

  test("one whose belfry.json is missing", async () => {
    const folder = copy();
    rmSync(join(folder, "data", "belfry.json"));
    expect(await refusal(folder)).toMatch(
      / is not empty and not a data directory of Belfry \(it holds clickhouse, engine\.xml\)/,
    );
  });

  test("one whose lock file is none", async () => {
    const folder = copy();
    const lock = join(folder, "data", "belfry.lock");
    writeFileSync(lock, "this is long enough to be read as something");
    expect(await refusal(folder)).toMatch(
      /cannot lock the data directory DATA with DATA\/belfry\.lock: .* \(it is not a lock file of ours\)$/,
    );
    expect(readFileSync(lock, "utf8")).toBe("this is long enough to be read as something");
  });

  test("one whose tables are gone", async () => {
    const folder = copy();
    rmSync(join(folder, "data", "clickhouse"), { recursive: true });
    expect(await refusal(folder)).toBe(
      "belfry: error: the tables of DATA are gone (DATA/clickhouse does not have them); restore it from a backup, or choose an empty directory",
    );
  });

  test("one whose table definitions are damaged", async () => {
    const folder = copy();
    for (const file of filesBelow(join(folder, "data", "clickhouse")))
      if (file.endsWith(".sql")) writeFileSync(file, "garbage");
    expect(await refusal(folder)).toMatch(
      /belfry: error: the engine cannot open DATA\/clickhouse: its files may be damaged .*; restore it from a backup, or return to a snapshot with "belfry rollback"$/,
    );
  });

  test("one that another process uses, which goes on", async () => {
    const belfry = await startBelfry({ config: CONFIG, folder: copy() });
    try {
      const error = await refusal(belfry.folder);
      expect(error).toMatch(
        new RegExp(
          `^belfry: error: the data directory DATA is in use by process ${belfry.child.pid} on .* \\(since .*Z\\); stop it or choose another directory$`,
        ),
      );
      expect(await push(belfry.url, "after", endMs)).toEqual({ status: 204, text: "" });
    } finally {
      await belfry.remove();
    }
  });

  test("one that another process has just been killed in is free at once", async () => {
    const folder = copy();
    await (await startBelfry({ config: CONFIG, folder })).kill();
    const again = await startBelfry({ config: CONFIG, folder });
    expect(await push(again.url, "after", endMs)).toEqual({ status: 204, text: "" });
    await again.remove();
  });
});

describe("read-only", () => {
  test.skipIf(process.getuid?.() === 0)("by its permissions (not as root, who may write all the same)", async () => {
    const folder = copy();
    chmodSync(join(folder, "data"), 0o555);
    expect(await refusal(folder)).toMatch(/^belfry: error: cannot use the data directory DATA: /);
    chmodSync(join(folder, "data"), 0o755);
  });

  const disk = SmallDisk.mount(64);
  afterAll(() => disk?.unmount());
  test.skipIf(disk === undefined)("by its file system (root only)", async () => {
    cpSync(written, disk!.path, { recursive: true });
    disk!.setReadOnly(true);
    const error = await refusal(disk!.path);
    expect(error).toMatch(/^belfry: error: cannot use the data directory DATA: .*read-?only/);
    disk!.setReadOnly(false);
    const belfry = await startBelfry({ config: CONFIG, folder: disk!.path });
    expect((await instant(belfry.url, "count(kept)", endMs / 1000))[0]!.value[1]).toBe("50");
    expect(await belfry.stop()).toBe(0);
  });
});

describe("damaged data", () => {
  test("that the engine notices is set aside with a warning; everything else goes on", async () => {
    const folder = copy();
    const files = tableFiles(folder, "metric_samples");
    for (const file of files) truncateSync(file, 3);
    const belfry = await startBelfry({ config: CONFIG, folder });
    try {
      expect(belfry.log()).toMatch(
        /level=WARN msg="Damaged parts of a table were set aside" table=metric_samples parts=\d+/,
      );
      expect(await instant(belfry.url, "count(kept)", endMs / 1000)).toEqual([]);
      await goesOn(belfry);
    } finally {
      await belfry.remove();
    }
  });

  test("that nobody notices before it is read fails the queries that need it; everything else goes on", async () => {
    const folder = copy();
    for (const file of tableFiles(folder, "metric_samples")) {
      writeFileSync(file, Buffer.alloc(statSync(file).size, 0x5a));
    }
    const belfry = await startBelfry({ config: CONFIG, folder });
    try {
      const answer = await post(belfry.url, "query", { query: "sum(kept)", time: endMs / 1000 });
      expect([answer.status, answer.json]).toEqual([
        500,
        {
          status: "error",
          errorType: "internal",
          error: expect.stringMatching(/^could not read from the database: .*metric_samples/),
        },
      ]);
      expect(belfry.log()).toMatch(/level=ERROR .*could not rebuild the head/);
      expect((await fetch(`${belfry.url}/-/ready`)).status).toBe(200);
      expect(await push(belfry.url, "after", Date.now())).toEqual({ status: 204, text: "" });
      expect(await belfry.stop()).toBe(0);
    } finally {
      await belfry.remove();
    }
  });
});

async function goesOn(belfry: BelfryProcess): Promise<void> {
  const now = Date.now();
  expect(await push(belfry.url, "after", now, 7)).toEqual({ status: 204, text: "" });
  expect((await instant(belfry.url, "after", now / 1000))[0]!.value[1]).toBe("7");
  expect(await belfry.stop()).toBe(0);
  const again = await startBelfry({ config: CONFIG, folder: belfry.folder });
  expect((await instant(again.url, "after", now / 1000))[0]!.value[1]).toBe("7");
  expect(await again.stop()).toBe(0);
}
