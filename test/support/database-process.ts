// A process that owns a data directory, for tests that kill it or fill its disk. It is driven by messages and answers
// with lines of JSON on standard output, which leave the process at once.
//
//   {"write": N, "from": I}   N writers write rows I, I+N ... through one batch writer until told to stop; every
//                             acknowledged row is reported as {"acknowledged": [series, number]}
//   {"read": true}            reports every stored row as {"rows": [[series, number] ...]}
//   {"state": true}           reports the writer's state
//   {"stop": true}            stops the writers
//   {"close": true}           flushes, closes and ends
import { createInterface } from "node:readline";
import { writeSync } from "node:fs";
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import {
  createBatchWriter,
  openDatabase,
  readSamples,
  SampleRows,
  type BatchWriterState,
} from "../../packages/server/src/database/index.ts";

/** Answer is a line of the process. */
export interface Answer {
  opened?: boolean;
  failed?: { code: string; message: string; diskFull?: boolean };
  acknowledged?: [number, number];
  rejected?: { code: string; message: string; diskFull?: boolean };
  rows?: [number, number][];
  state?: BatchWriterState & { lastErrorCode?: string };
}

/** DatabaseProcess is a running process under test. */
export interface DatabaseProcess {
  readonly child: ChildProcess;
  readonly answers: Answer[];
  send(command: object): void;
  /** wait resolves with the first answer from now on that fits. */
  wait(fits: (answer: Answer) => boolean, timeoutMs?: number): Promise<Answer>;
  exited: Promise<number | null>;
}

/** startDatabaseProcess starts a process on a data directory. It may report `failed` instead of `opened`. */
export function startDatabaseProcess(path: string): DatabaseProcess {
  const stdio = ["ignore", "pipe", "inherit", "ipc"] as const;
  const child = fork(fileURLToPath(import.meta.url), [path], { stdio: [...stdio], execArgv: [] });
  const answers: Answer[] = [];
  const listeners = new Set<(answer: Answer) => void>();
  createInterface({ input: child.stdout! }).on("line", (line) => {
    if (!line.startsWith("{")) return;
    const answer = JSON.parse(line) as Answer;
    answers.push(answer);
    for (const listener of listeners) listener(answer);
  });
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  return {
    child,
    answers,
    exited,
    send: (command) => void child.send(command),
    wait(fits, timeoutMs = 30_000) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          listeners.delete(listener);
          reject(new Error(`no such answer within ${timeoutMs} ms; the last was ${JSON.stringify(answers.at(-1))}`));
        }, timeoutMs);
        const listener = (answer: Answer): void => {
          if (!fits(answer)) return;
          listeners.delete(listener);
          clearTimeout(timer);
          resolve(answer);
        };
        listeners.add(listener);
      });
    },
  };
}

if (import.meta.main) await main(process.argv[2]!);

async function main(path: string): Promise<void> {
  // Written at once: what is reported must have left the process when it is killed.
  const report = (answer: Answer): void => void writeSync(1, `${JSON.stringify(answer)}\n`);
  const database = await openDatabase({ path, memoryBytes: 256 * 1024 * 1024 }).catch((error: Answer["failed"]) => {
    report({ failed: { code: error!.code, message: error!.message, diskFull: error!.diskFull } });
    process.exit(1);
  });
  const writer = createBatchWriter(database, {
    table: SampleRows.table,
    columns: SampleRows.columns,
    writeTimeoutMs: 3_000,
    random: () => 0,
  });
  report({ opened: true });

  const baseMs = Math.floor(Date.now() / 1e6) * 1e6 - 5e6;
  let stopped = false;
  const write = async (series: number, step: number): Promise<void> => {
    const rows = new SampleRows();
    for (let number = series; !stopped; number += step) {
      // A day back now and then, so that inserts touch several partitions.
      const timeMs = baseMs + number - (number % 5 === 0 ? 86_400_000 : 0);
      rows.add(0, series % 100, timeMs, number, 0x41000000, 0);
      try {
        await writer.write(1, rows.take());
        report({ acknowledged: [series % 100, number] });
      } catch (error) {
        const { code, message, diskFull } = error as { code: string; message: string; diskFull?: boolean };
        report({ rejected: { code, message, diskFull } });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };
  let writers: Promise<void>[] = [];
  interface Command {
    write?: number;
    from?: number;
    read?: true;
    state?: true;
    stop?: true;
    close?: true;
  }
  const obey = async (command: Command): Promise<void> => {
    if (command.write) {
      stopped = false;
      for (let i = 0; i < command.write; i++) writers.push(write((command.from ?? 0) + i, command.write));
    }
    if (command.stop || command.close) {
      stopped = true;
      await Promise.all(writers);
      writers = [];
    }
    if (command.state) report({ state: { ...writer.state(), lastErrorCode: writer.state().lastError?.code } });
    if (command.read) {
      const rows: [number, number][] = [];
      for await (const block of readSamples(database, { startMs: 0, endMs: Infinity })) {
        for (let i = 0; i < block.length; i++) rows.push([block.ids[2 * i]!, block.words[2 * i]!]);
      }
      report({ rows });
    }
    if (command.close) {
      await writer.close();
      await database.close();
      process.exit(0);
    }
  };
  // One after the other, in their order.
  let obeyed = Promise.resolve();
  process.on("message", (command: Command) => {
    obeyed = obeyed.then(() => obey(command));
  });
}
