// Nothing acknowledged is lost, whatever happens to the process or the disk.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startDatabaseProcess, type Answer, type DatabaseProcess } from "../support/database-process.ts";

let root: string;
let path: string;
let mounted = false;
const processes: DatabaseProcess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "belfry-crash-"));
  path = join(root, "data");
});

afterEach(async () => {
  for (const process of processes.splice(0)) {
    process.child.kill("SIGKILL");
    await process.exited;
  }
  if (mounted) execFileSync("umount", ["-l", path]);
  mounted = false;
  rmSync(root, { recursive: true, force: true });
});

async function start(): Promise<DatabaseProcess> {
  const process = startDatabaseProcess(path);
  processes.push(process);
  const answer = await process.wait((a) => a.opened !== undefined || a.failed !== undefined);
  expect(answer).toEqual({ opened: true });
  return process;
}

function acknowledged(answers: readonly Answer[]): string[] {
  return answers.flatMap((answer) => (answer.acknowledged ? [answer.acknowledged.join(":")] : []));
}

async function stored(process: DatabaseProcess): Promise<string[]> {
  process.send({ read: true });
  return (await process.wait((answer) => answer.rows !== undefined)).rows!.map((row) => row.join(":"));
}

function missing(expected: readonly string[], present: readonly string[]): string[] {
  const set = new Set(present);
  return expected.filter((row) => !set.has(row));
}

test("SIGKILL at any moment: every acknowledged row is there after reopening, and none twice", async () => {
  const written: string[] = [];
  // Moments from the first insert to the time of merges; the sequence is fixed so that a failure can be repeated.
  for (const [round, killAfterMs] of [30, 700, 120, 1500, 350, 90, 2500, 11].entries()) {
    const process = await start();
    expect(missing(written, await stored(process))).toEqual([]);
    process.send({ write: 8, from: round * 1_000_000 });
    await process.wait((answer) => answer.acknowledged !== undefined);
    await new Promise((resolve) => setTimeout(resolve, killAfterMs));
    process.child.kill("SIGKILL");
    await process.exited;
    const rows = acknowledged(process.answers);
    expect(rows.length).toBeGreaterThan(0);
    written.push(...rows);
  }
  const process = await start();
  const rows = await stored(process);
  expect(missing(written, rows)).toEqual([]);
  expect(new Set(rows).size).toBe(rows.length);
  expect(written.length).toBeGreaterThan(1_000);
});

test("a graceful end flushes what was appended", async () => {
  const process = await start();
  process.send({ write: 4 });
  await process.wait((answer) => answer.acknowledged !== undefined);
  process.send({ close: true });
  expect(await process.exited).toBe(0);
  const again = await start();
  expect(missing(acknowledged(process.answers), await stored(again))).toEqual([]);
});

test("a second process on the same directory is told who has it", async () => {
  const first = await start();
  const second = startDatabaseProcess(path);
  processes.push(second);
  const { failed } = await second.wait((answer) => answer.failed !== undefined || answer.opened !== undefined);
  expect(failed?.code).toBe("DB_LOCKED");
  expect(failed?.message).toContain(`the data directory ${path} is in use by process ${first.child.pid} on `);
  first.child.kill("SIGKILL");
  await first.exited;
  await start();
});

// A file system of its own, which only root may mount.
function mount(sizeMiB: number): boolean {
  mkdirSync(path, { recursive: true });
  const result = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m`, "belfry-test", path]);
  mounted = result.status === 0;
  return mounted;
}

const canMount = ((): boolean => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const folder = mkdtempSync(join(tmpdir(), "belfry-mount-"));
  const result = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "belfry-test", folder]);
  if (result.status === 0) spawnSync("umount", [folder]);
  rmSync(folder, { recursive: true, force: true });
  return result.status === 0;
})();

describe.skipIf(!canMount)("a disk of its own (needs root and mount)", () => {
  test("full: writes are refused as such, acknowledged rows stay, and it goes on when there is room", async () => {
    expect(mount(48)).toBe(true);
    const process = await start();
    process.send({ write: 4 });
    await process.wait((answer) => answer.acknowledged !== undefined);
    fillDisk();
    const { rejected } = await process.wait((answer) => answer.rejected !== undefined, 60_000);
    expect(rejected).toMatchObject({ code: "DB_DISK_FULL", diskFull: true });
    process.send({ state: true });
    const { state } = await process.wait((answer) => answer.state !== undefined);
    expect(state).toMatchObject({ degraded: true, lastErrorCode: "DB_DISK_FULL", lostRows: 0 });

    // Killed while full, it opens again while full, with everything there.
    process.child.kill("SIGKILL");
    await process.exited;
    const written = acknowledged(process.answers);
    const again = await start();
    expect(missing(written, await stored(again))).toEqual([]);
    again.send({ write: 4, from: 1_000_000 });
    await again.wait((answer) => answer.rejected !== undefined, 60_000);

    rmSync(join(path, "ballast"));
    await again.wait((answer) => answer.acknowledged !== undefined, 60_000);
    again.send({ stop: true });
    again.send({ state: true });
    const after = (await again.wait((answer) => answer.state !== undefined)).state!;
    expect(after).toMatchObject({ degraded: false, lostRows: 0, queuedRows: 0 });
    expect(missing([...written, ...acknowledged(again.answers)], await stored(again))).toEqual([]);
  });

  test("read-only: a clear error at start, and everything is there when it can be written again", async () => {
    expect(mount(64)).toBe(true);
    const process = await start();
    process.send({ write: 4 });
    await process.wait((answer) => answer.acknowledged !== undefined);
    // The kernel refuses to make a file system read-only while files are open for writing.
    process.child.kill("SIGKILL");
    await process.exited;
    execFileSync("mount", ["-o", "remount,ro", path]);
    const second = startDatabaseProcess(path);
    processes.push(second);
    const { failed } = await second.wait((answer) => answer.failed !== undefined || answer.opened !== undefined);
    expect(failed?.code).toBe("DB_DISK_FAILED");
    expect(failed?.message).toContain(`cannot use the data directory ${path}: `);
    execFileSync("mount", ["-o", "remount,rw", path]);
    expect(missing(acknowledged(process.answers), await stored(await start()))).toEqual([]);
  });

  function fillDisk(): void {
    const block = Buffer.alloc(1024 * 1024, 1);
    const chunks: Buffer[] = [];
    for (let i = 0; i < 64; i++) {
      chunks.push(block);
      try {
        writeFileSync(join(path, "ballast"), Buffer.concat(chunks));
      } catch {
        return;
      }
    }
    throw new Error("the disk did not become full");
  }
});
