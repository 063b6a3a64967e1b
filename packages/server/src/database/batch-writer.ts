// BatchWriter turns many small writes to one table into few large inserts (group commit).
//
//   append/write --> queue (bounded) --(rows, bytes or age reached)--> batch --> insert --ok--> resolved
//                                                                        ^         |
//                                                                        +--wait---+ failed, worth a retry
//
// One insert is in flight at a time; what arrives meanwhile becomes the next batch. So under load the batches grow
// by themselves, and a writer that waits is waiting for at most the insert under way and its own.
//
// A batch never changes once it is formed: a retry sends the same bytes with the same deduplication token, and the
// engine drops a block whose token it has seen. So an insert that failed in an unknown way (a connection lost after
// the server had it) is not there twice. See docs/formats/README.md for how long tokens are remembered.
//
// A retryable failure (disk full, server away) is tried again for as long as the process lives; meanwhile the queue
// fills and then refuses rows, which is where the bound lies. Who awaits a write is told after writeTimeoutMs that
// it did not happen in time; the rows stay queued all the same, so a client that sends them again makes duplicates,
// which readers drop (same series, same time). When the engine refuses rows for what they are, the batch is split
// until the guilty rows are alone; they are given up and their writer told, the others are written.
import { randomUUID } from "node:crypto";
import { systemClock, type Clock, type Timer } from "../lib/clock.ts";
import { bug, OverloadedError } from "../lib/errors.ts";
import { Backoff } from "../lib/retry.ts";
import type { BatchWriter, Database } from "./database.ts";
import { DatabaseError, DatabaseErrorCode, toDatabaseError } from "./errors.ts";

/** BatchWriterOptions shapes one writer. */
export interface BatchWriterOptions {
  table: string;
  columns: readonly string[];
  format?: "TabSeparated" | "JSONEachRow";
  /** maxRows and maxBytes bound one insert; defaults 100,000 and 8 MiB. */
  maxRows?: number;
  maxBytes?: number;
  /** maxAgeMs is the longest that appended rows wait for company; default 1,000. */
  maxAgeMs?: number;
  /** writeDelayMs is how long a write waits for company when nothing is in flight; default 5. */
  writeDelayMs?: number;
  /** queueRows and queueBytes bound what waits, in flight included; defaults 2,000,000 and 128 MiB. */
  queueRows?: number;
  queueBytes?: number;
  /** writeTimeoutMs is the longest that a write is awaited; default 15,000. */
  writeTimeoutMs?: number;
  clock?: Clock;
  random?: () => number;
  /** onError is told of every failed insert, and whether it will be tried again. It must not throw. */
  onError?: (error: DatabaseError, willRetry: boolean) => void;
  /** onBatch is told of every insert that succeeded. It must not throw. */
  onBatch?: (batch: BatchResult) => void;
}

/** BatchResult describes a finished insert. */
export interface BatchResult {
  rows: number;
  bytes: number;
  attempts: number;
  /** seconds from the first attempt to success. */
  seconds: number;
}

/** BatchWriterState is a writer's health. */
export interface BatchWriterState {
  queuedRows: number;
  queuedBytes: number;
  /** degraded is true from the first failed attempt of a batch until an insert succeeds. */
  degraded: boolean;
  lastError: DatabaseError | undefined;
  /** lastErrorMs and lastSuccessMs are Unix milliseconds, 0 for never. */
  lastErrorMs: number;
  lastSuccessMs: number;
  writtenRows: number;
  writtenBytes: number;
  batches: number;
  retries: number;
  /** lostRows were given up. */
  lostRows: number;
  /** refusedRows found the queue full. */
  refusedRows: number;
}

/** ClosableBatchWriter is a BatchWriter with its life cycle and health. */
export interface ClosableBatchWriter extends BatchWriter {
  /** close flushes what is queued, gives up after `timeoutMs` (default 30,000), and refuses further rows. Rejects when rows were lost. */
  close(timeoutMs?: number): Promise<void>;
  state(): BatchWriterState;
}

interface Ticket {
  settle: (error?: DatabaseError) => void;
}

/** Entry is what one call brought; it is never divided. */
interface Entry {
  data: Uint8Array;
  rows: number;
  ticket: Ticket | undefined;
}

interface Batch {
  entries: Entry[];
  rows: number;
  bytes: number;
  /** awaited is true when somebody waits for it. */
  awaited: boolean;
  /** flushers wait for the batch but do not care how it ends. */
  flushers: Ticket[];
  lost: DatabaseError | undefined;
}

// Errors that are about the rows: parsing, types, ranges. See ClickHouse's src/Common/ErrorCodes.cpp.
const ROW_ERRORS: ReadonlySet<number> = new Set([
  6, 25, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 128, 130, 131, 321, 407, 441,
]);

const MIB = 1024 * 1024;

/** createBatchWriter makes the writer for one table. */
export function createBatchWriter(database: Database, options: BatchWriterOptions): ClosableBatchWriter {
  return new Writer(database, options);
}

class Writer implements ClosableBatchWriter {
  private readonly database: Database;
  private readonly options: Required<Omit<BatchWriterOptions, "onError" | "onBatch">>;
  private readonly onError: BatchWriterOptions["onError"];
  private readonly onBatch: BatchWriterOptions["onBatch"];
  private readonly backoff: Backoff;
  private readonly tokenPrefix = randomUUID();
  private tokens = 0;

  /** queue holds the batches that wait; the last one is still being filled. */
  private readonly queue: Batch[] = [];
  private inFlight: Batch | undefined;
  private timer: Timer | undefined;
  private timerDueMs = 0;
  private retryTimer: Timer | undefined;
  private wakeRetry: (() => void) | undefined;
  private closed = false;
  private awaited = 0;
  private keepAlive: NodeJS.Timeout | undefined;
  private readonly abort = new AbortController();
  private readonly health: BatchWriterState = {
    queuedRows: 0,
    queuedBytes: 0,
    degraded: false,
    lastError: undefined,
    lastErrorMs: 0,
    lastSuccessMs: 0,
    writtenRows: 0,
    writtenBytes: 0,
    batches: 0,
    retries: 0,
    lostRows: 0,
    refusedRows: 0,
  };

  constructor(database: Database, options: BatchWriterOptions) {
    this.database = database;
    this.onError = options.onError;
    this.onBatch = options.onBatch;
    this.options = {
      format: "TabSeparated",
      maxRows: 100_000,
      maxBytes: 8 * MIB,
      maxAgeMs: 1_000,
      writeDelayMs: 5,
      queueRows: 2_000_000,
      queueBytes: 128 * MIB,
      writeTimeoutMs: 15_000,
      clock: systemClock,
      random: Math.random,
      ...options,
    };
    this.backoff = new Backoff({ minMs: 100, maxMs: 10_000, random: this.options.random });
  }

  get queuedRows(): number {
    return this.health.queuedRows;
  }

  get queuedBytes(): number {
    return this.health.queuedBytes;
  }

  state(): BatchWriterState {
    return { ...this.health };
  }

  append(rows: number, data: Uint8Array): void {
    if (rows === 0) return;
    this.enqueue(rows, data, false);
    this.schedule(this.options.maxAgeMs);
  }

  write(rows: number, data: Uint8Array): Promise<void> {
    if (rows === 0) return Promise.resolve();
    return new Promise<void>((resolve, reject) => {
      // It throws when the queue is full; only then is there something to wait for.
      const entry = this.enqueue(rows, data, true);
      entry.ticket = this.writeTicket(resolve, reject);
      this.schedule(this.options.writeDelayMs);
    });
  }

  flush(): Promise<void> {
    const last = this.queue[this.queue.length - 1] ?? this.inFlight;
    if (!last) return Promise.resolve();
    return new Promise<void>((resolve, reject) => {
      last.awaited = true;
      last.flushers.push(this.ticket(resolve, reject));
      this.schedule(0);
    });
  }

  async close(timeoutMs = 30_000): Promise<void> {
    this.closed = true;
    const limit = setTimeout(() => {
      this.abort.abort(
        this.health.lastError ??
          new DatabaseError(DatabaseErrorCode.Timeout, `${this.options.table} was not flushed within ${timeoutMs} ms`),
      );
      this.wakeRetry?.();
    }, timeoutMs);
    this.wakeRetry?.();
    try {
      await this.flush();
    } finally {
      clearTimeout(limit);
      this.timer?.cancel();
    }
  }

  private ticket(resolve: () => void, reject: (error: Error) => void): Ticket {
    // Timers of the clock do not keep the process alive; somebody who awaits their work must.
    if (this.awaited++ === 0) this.keepAlive = setInterval(() => undefined, 60_000);
    let settled = false;
    return {
      settle: (error) => {
        if (settled) return;
        settled = true;
        if (--this.awaited === 0) clearInterval(this.keepAlive);
        if (error) reject(error);
        else resolve();
      },
    };
  }

  // A write that is not durable in time is reported as failed while its rows stay queued.
  private writeTicket(resolve: () => void, reject: (error: Error) => void): Ticket {
    const { table, clock, writeTimeoutMs } = this.options;
    const ticket = this.ticket(resolve, reject);
    const timer = clock.setTimeout(() => {
      const { lastError, degraded } = this.health;
      const late = `rows for ${table} were not durable within ${writeTimeoutMs} ms`;
      ticket.settle(
        (degraded && lastError) || new DatabaseError(DatabaseErrorCode.Timeout, late, { table, retryable: true }),
      );
    }, writeTimeoutMs);
    return {
      settle: (error) => {
        timer.cancel();
        ticket.settle(error);
      },
    };
  }

  private enqueue(rows: number, data: Uint8Array, awaited: boolean): Entry {
    const { health, options } = this;
    if (this.closed) throw new DatabaseError(DatabaseErrorCode.Closed, `the writer of ${options.table} is closed`);
    if (data[data.length - 1] !== 10) throw bug("rows must be whole lines, the last one ended");
    // A single write larger than the whole queue is accepted when nothing else waits: refusing it would be for ever.
    const full = health.queuedRows + rows > options.queueRows || health.queuedBytes + data.length > options.queueBytes;
    if (full && health.queuedRows > 0) {
      health.refusedRows += rows;
      const why = health.degraded ? `; the last insert failed: ${health.lastError?.message}` : "";
      throw new OverloadedError(`the queue of ${options.table} is full with ${health.queuedRows} rows${why}`);
    }
    let batch = this.queue[this.queue.length - 1];
    if (!batch || batch.rows + rows > options.maxRows || batch.bytes + data.length > options.maxBytes) {
      if (batch) this.schedule(0);
      batch = { entries: [], rows: 0, bytes: 0, awaited: false, flushers: [], lost: undefined };
      this.queue.push(batch);
    }
    const entry: Entry = { data, rows, ticket: undefined };
    batch.entries.push(entry);
    batch.rows += rows;
    batch.bytes += data.length;
    batch.awaited ||= awaited;
    health.queuedRows += rows;
    health.queuedBytes += data.length;
    if (this.isFull(batch)) this.schedule(0);
    return entry;
  }

  private isFull(batch: Batch): boolean {
    return batch.rows >= this.options.maxRows || batch.bytes >= this.options.maxBytes;
  }

  // schedule makes sure that the head of the queue is sent within delayMs, unless an insert is in flight: the next
  // one starts when that ends.
  private schedule(delayMs: number): void {
    if (this.inFlight || this.queue.length === 0) return;
    if (delayMs <= 0) {
      this.send();
      return;
    }
    const dueMs = this.options.clock.monotonicMs() + delayMs;
    if (this.timer && this.timerDueMs <= dueMs) return;
    this.timer?.cancel();
    this.timerDueMs = dueMs;
    this.timer = this.options.clock.setTimeout(() => {
      this.timer = undefined;
      this.send();
    }, delayMs);
  }

  private send(): void {
    const batch = this.queue.shift();
    if (!batch || this.inFlight) throw bug("a batch was sent twice or from an empty queue");
    this.timer?.cancel();
    this.timer = undefined;
    this.inFlight = batch;
    // insertBatch never rejects: it ends every ticket of the batch.
    void this.insertBatch(batch).then(() => {
      this.inFlight = undefined;
      const next = this.queue[0];
      if (!next) return;
      // Full batches and awaited ones go at once; others wait for company as if they had just come.
      const now = this.closed || this.queue.length > 1 || next.awaited || this.isFull(next);
      this.schedule(now ? 0 : this.options.maxAgeMs);
    });
  }

  private async insertBatch(batch: Batch): Promise<void> {
    const { entries } = batch;
    batch.entries = [];
    await this.insertEntries(batch, entries, batch.rows, batch.bytes);
    for (const flusher of batch.flushers) flusher.settle(batch.lost);
  }

  private async insertEntries(batch: Batch, entries: Entry[], rows: number, bytes: number): Promise<void> {
    const { options, health } = this;
    const { clock } = options;
    const data =
      entries.length === 1
        ? entries[0].data
        : Buffer.concat(
            entries.map((entry) => entry.data),
            bytes,
          );
    const settings = { insert_deduplication_token: `${this.tokenPrefix}-${++this.tokens}` };
    const startedMs = clock.monotonicMs();
    this.backoff.reset();
    for (let attempts = 1; ; attempts++) {
      let error: DatabaseError;
      try {
        await this.database.insert(options.table, options.columns, options.format, data, {
          settings,
          signal: this.abort.signal,
        });
        health.degraded = false;
        health.lastSuccessMs = clock.now();
        health.writtenRows += rows;
        health.writtenBytes += bytes;
        health.batches++;
        this.settle(entries, rows, bytes);
        const seconds = (clock.monotonicMs() - startedMs) / 1000;
        this.onBatch?.({ rows, bytes, attempts, seconds });
        return;
      } catch (cause) {
        error = toDatabaseError(cause, { action: `insert into ${options.table}`, statement: "", write: true });
      }
      const divisible = entries.length > 1 && error.engineCode !== undefined && ROW_ERRORS.has(error.engineCode);
      const willRetry = divisible || (error.retryable && !this.abort.signal.aborted);
      health.degraded = true;
      health.lastError = error;
      health.lastErrorMs = clock.now();
      this.onError?.(error, willRetry);
      if (divisible) {
        const half = entries.length >> 1;
        for (const part of [entries.slice(0, half), entries.slice(half)]) {
          await this.insertEntries(
            batch,
            part,
            sum(part, (entry) => entry.rows),
            sum(part, (entry) => entry.data.length),
          );
        }
        return;
      }
      if (!willRetry) {
        health.lostRows += rows;
        // Whoever awaits a write is told; a flush speaks for the rows nobody awaits.
        if (entries.some((entry) => entry.ticket === undefined)) batch.lost = error;
        this.settle(entries, rows, bytes, error);
        return;
      }
      health.retries++;
      await this.wait(this.backoff.next());
    }
  }

  private wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.retryTimer?.cancel();
        this.retryTimer = undefined;
        this.wakeRetry = undefined;
        resolve();
      };
      this.wakeRetry = done;
      this.retryTimer = this.options.clock.setTimeout(done, delayMs);
    });
  }

  private settle(entries: Entry[], rows: number, bytes: number, error?: DatabaseError): void {
    this.health.queuedRows -= rows;
    this.health.queuedBytes -= bytes;
    for (const entry of entries) entry.ticket?.settle(error);
  }
}

function sum(entries: readonly Entry[], of: (entry: Entry) => number): number {
  let total = 0;
  for (const entry of entries) total += of(entry);
  return total;
}
