// Asking mounts for their size. statfs(2) of a network or FUSE file system can hang for as long as its server is
// away, and a hung call cannot be cancelled. libuv's pool has four threads that everything shares, so such mounts are
// asked from a thread of their own; when one hangs longer than the timeout its mount is marked stuck, the thread is
// left to itself, and the next mount gets a new one. A stuck mount is not asked again until the thread that hangs on
// it comes back.
import { statfsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Clock } from "../../../lib/clock.ts";

/** MountStats are the numbers of statfs. */
export interface MountStats {
  blockSize: number;
  blocks: number;
  blocksFree: number;
  blocksAvailable: number;
  files: number;
  filesFree: number;
}

/** MountProbe asks mounts. */
export interface MountProbe {
  /** stat resolves with the numbers, or with a text that says why there are none. */
  stat(path: string, fsType: string, timeoutMs: number): Promise<MountStats | string>;
  /** close lets threads that do not hang end. */
  close(): void;
}

/** STUCK is the answer for a mount that did not answer in time. */
export const STUCK = "mountpoint timeout";

// File systems whose statfs answers from memory whatever state the device is in.
const LOCAL = new Set(
  "bcachefs btrfs ext2 ext3 ext4 exfat f2fs hfs hfsplus jfs minix nilfs2 ntfs ntfs3 ramfs reiserfs rootfs tmpfs udf ufs vfat xfs zfs".split(
    " ",
  ),
);

// Threads at work or hanging at a time. Each keeps about 4 MB. When all of them hang, further mounts are reported stuck
// without being asked.
const MAX_THREADS = 4;

// The thread's whole program; inline so that it needs no file of its own in a bundle.
const THREAD = `
const { parentPort } = require("node:worker_threads");
const { statfsSync } = require("node:fs");
parentPort.on("message", (path) => {
  try {
    const s = statfsSync(path);
    parentPort.postMessage([s.bsize, s.blocks, s.bfree, s.bavail, s.files, s.ffree]);
  } catch (error) {
    parentPort.postMessage(error.code + ": " + error.message);
  }
});`;

/** createMountProbe asks local file systems at once and others from threads. */
export function createMountProbe(clock: Clock): MountProbe {
  return new ThreadedProbe(clock, LOCAL, () => new StatThread());
}

/** StatCaller runs one statfs at a time off the event loop; a call may never settle. */
export interface StatCaller {
  call(path: string): Promise<MountStats | string>;
  close(): void;
}

/** ThreadedProbe is the probe with its parts exposed: which types are local, and how a thread is made. */
export class ThreadedProbe implements MountProbe {
  private readonly clock: Clock;
  private readonly local: ReadonlySet<string>;
  private readonly makeCaller: () => StatCaller;
  private readonly idle: StatCaller[] = [];
  private readonly stuck = new Set<string>();
  private readonly waiting: (() => void)[] = [];
  private busy = 0;

  constructor(clock: Clock, local: ReadonlySet<string>, makeCaller: () => StatCaller) {
    this.clock = clock;
    this.local = local;
    this.makeCaller = makeCaller;
  }

  async stat(path: string, fsType: string, timeoutMs: number): Promise<MountStats | string> {
    if (this.local.has(fsType)) return statNow(path);
    while (!this.stuck.has(path)) {
      if (this.stuck.size >= MAX_THREADS) return STUCK;
      if (this.busy < MAX_THREADS) return await this.ask(path, timeoutMs);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    return STUCK;
  }

  close(): void {
    for (const caller of this.idle) caller.close();
    this.idle.length = 0;
  }

  private ask(path: string, timeoutMs: number): Promise<MountStats | string> {
    const caller = this.idle.pop() ?? this.makeCaller();
    this.busy++;
    return new Promise((resolve) => {
      const timer = this.clock.setTimeout(() => {
        this.stuck.add(path);
        this.wake();
        resolve(STUCK);
      }, timeoutMs);
      const settle = (answer: MountStats | string): void => {
        timer.cancel();
        this.busy--;
        this.stuck.delete(path);
        // One thread is kept for the next collection.
        if (this.idle.length === 0) this.idle.push(caller);
        else caller.close();
        this.wake();
        resolve(answer);
      };
      void caller.call(path).then(settle, (error: unknown) => settle(String(error)));
    });
  }

  private wake(): void {
    for (const resume of this.waiting.splice(0)) resume();
  }
}

function statNow(path: string): MountStats | string {
  try {
    const s = statfsSync(path);
    return {
      blockSize: s.bsize,
      blocks: s.blocks,
      blocksFree: s.bfree,
      blocksAvailable: s.bavail,
      files: s.files,
      filesFree: s.ffree,
    };
  } catch (error) {
    return statError(error);
  }
}

function statError(error: unknown): string {
  return errorText(`${(error as NodeJS.ErrnoException).code}: ${(error as Error).message}`);
}

// The texts of errno as Go prints them, since they become a label value.
const ERRNO: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EIO: "input/output error",
  ENOENT: "no such file or directory",
  ENOTCONN: "transport endpoint is not connected",
  ENODEV: "no such device",
  ENOTDIR: "not a directory",
  EPERM: "operation not permitted",
  ESTALE: "stale NFS file handle",
  EHOSTDOWN: "host is down",
  ETIMEDOUT: "connection timed out",
};

function errorText(text: string): string {
  const code = /^([A-Z]+):/.exec(text)?.[1] ?? "";
  return ERRNO[code] ?? text;
}

class StatThread implements StatCaller {
  private readonly worker: Worker;

  constructor() {
    this.worker = new Worker(THREAD, { eval: true, execArgv: [], env: {} });
    // A hanging thread must not keep the process from ending.
    this.worker.unref();
  }

  call(path: string): Promise<MountStats | string> {
    return new Promise((resolve, reject) => {
      const onMessage = (answer: number[] | string): void => {
        this.worker.off("error", onError);
        if (typeof answer === "string") resolve(errorText(answer));
        else {
          const [blockSize, blocks, blocksFree, blocksAvailable, files, filesFree] = answer;
          resolve({ blockSize, blocks, blocksFree, blocksAvailable, files, filesFree });
        }
      };
      const onError = (error: Error): void => {
        this.worker.off("message", onMessage);
        reject(error);
      };
      this.worker.once("message", onMessage);
      this.worker.once("error", onError);
      this.worker.postMessage(path, []);
    });
  }

  close(): void {
    void this.worker.terminate();
  }
}
