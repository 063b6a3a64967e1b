import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { acquireLock, lockHolder, LockedError } from "./lock.ts";

let root: string;
let path: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "belfry-lock-"));
  path = join(root, "a.lock");
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** holdElsewhere takes the lock in another process, which can only be killed. */
async function holdElsewhere(): Promise<{ pid: number; kill(): Promise<void> }> {
  const module = fileURLToPath(new URL("lock.ts", import.meta.url));
  const script = `import { acquireLock } from ${JSON.stringify(module)};
    acquireLock(${JSON.stringify(path)}, "the thing"); console.log("held"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    void exited.then(() => reject(new Error("the other process ended")));
  });
  return {
    pid: child.pid!,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

test("one at a time, named by process, host and time", () => {
  const before = Date.now();
  const lock = acquireLock(path, "the thing");
  const error = ((): LockedError => {
    try {
      acquireLock(path, "the thing");
    } catch (caught) {
      return caught as LockedError;
    }
    throw new Error("it was not locked");
  })();
  expect(error).toBeInstanceOf(LockedError);
  expect(error.holder).toMatchObject({ pid: process.pid, host: hostname() });
  expect(error.holder!.startedMs).toBeGreaterThanOrEqual(before);
  expect(error.message).toMatch(
    /^the thing is in use by process \d+ on .* \(since \d{4}-.*Z\); stop it or choose another directory$/,
  );
  expect(lockHolder(path)?.pid).toBe(process.pid);
  lock.release();
  lock.release();
  expect(lockHolder(path)).toBeUndefined();
  acquireLock(path, "the thing").release();
});

test("another process is named; when it dies, however, the lock is free", async () => {
  const other = await holdElsewhere();
  expect(lockHolder(path)?.pid).toBe(other.pid);
  expect(() => acquireLock(path, "the thing")).toThrow(`the thing is in use by process ${other.pid} on `);
  await other.kill();
  expect(lockHolder(path)).toBeUndefined();
  const lock = acquireLock(path, "the thing");
  expect(lockHolder(path)?.pid).toBe(process.pid);
  lock.release();
});

test("a file that is no lock is refused and left alone", () => {
  const text = "somebody's notes, which happen to have this name\n".repeat(50);
  writeFileSync(path, text);
  expect(() => acquireLock(path, "the thing")).toThrow("it is not a lock file of ours");
  expect(readFileSync(path, "utf8")).toBe(text);
});

test("a folder that is missing, and a lock that is", () => {
  expect(() => acquireLock(join(root, "no", "such.lock"), "the thing")).toThrow("cannot open the lock file");
  expect(lockHolder(join(root, "none"))).toBeUndefined();
});
