// The engine inside this process. What chDB needs from us, found by trying (version 3.4, engine 26.7):
//
// - The configuration file is read by the first session of the process at a path; it is opened first and kept.
// - A connection runs one statement at a time. There are three kinds, so that nothing waits for the wrong thing:
//   readers, writers (inserts) and one for everything else.
// - Large results are taken as a stream: chunks arrive as the engine makes them, which is bounded and up to 3 times
//   faster than the whole result in one buffer. But a stream is begun on the event loop, analysis and all, so small
//   results are taken whole.
// - Inserts hand their bytes over without a copy.
// - `createClient({ connection })` of @clickhouse/client would work here too, but buffers whole results, decodes
//   inserted bytes to a string and back, and costs 0.2 to 0.7 ms more per query; so chDB's sessions are used as they are.
// - Parameters given beside a statement go through one process-wide line, one statement at a time, because the
//   engine mixes them up otherwise. `SET param_x = …` on our own connection is bound just as well and runs beside
//   others.
// - Nothing interrupts a running statement but KILL QUERY from another connection. Every connection carries a tag
//   in log_comment by which it is found. Until the engine has let go, the connection stays taken.
// - An insert looks whether standard input has something to read, and takes it for more rows: a key pressed in the
//   terminal, or a pipe, makes it fail or hang. So standard input is taken away from the process.
import { closeSync, openSync } from "node:fs";
import { Session, drainPending } from "chdb";
import { Pool } from "./connection-pool.ts";
import { DatabaseError, DatabaseErrorCode } from "./errors.ts";
import { quoteIdentifier, quoteString, setParameters } from "./statement.ts";
import type { Call, InsertTarget, Transport } from "./transport.ts";

/** EmbeddedTransportOptions says where the engine keeps its data. */
export interface EmbeddedTransportOptions {
  /** path is the engine's own folder. */
  path: string;
  configFile: string;
  database: string;
  /** readers is the most SELECTs at a time. */
  readers: number;
  /** writers is the most inserts at a time. */
  writers: number;
}

// Statements that may wait for a connection. More only means that all of them time out.
const MAX_WAITING = 256;
// The engine is given this much longer than the statement's limit to end by itself before it is killed.
const KILL_GRACE_MS = 1_000;
// A kill that finds nothing (the statement was not registered yet) is tried again.
const KILL_AGAIN_MS = 100;
// On close, statements get this long to end before they are killed.
const CLOSE_GRACE_MS = 10_000;

// What the engine can stream; SHOW, DESCRIBE and EXPLAIN come whole.
const STREAMABLE = /^\s*(?:SELECT|WITH|\()/i;

interface Connection {
  readonly session: Session;
  readonly tag: string;
}

export class EmbeddedTransport implements Transport {
  private readonly options: EmbeddedTransportOptions;
  private readonly control: Session;
  private readonly readers: Pool<Connection>;
  private readonly writers: Pool<Connection>;
  private readonly runners: Pool<Connection>;
  private connections = 0;
  private kills: Promise<void> = Promise.resolve();

  /** Opens the engine; throws what chDB throws when it cannot. Only one may be open in a process. */
  constructor(options: EmbeddedTransportOptions) {
    this.options = options;
    detachStandardInput();
    // With a configuration file the engine logs everything to a terminal; its own setting for that is not heeded.
    const connectionArgs = [`--config-file=${options.configFile}`, "--log-level=fatal"];
    this.control = new Session(options.path, { connectionArgs });
    try {
      this.control.query(`CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(options.database)} ENGINE = Atomic`);
      this.control.query(`USE ${quoteIdentifier(options.database)}`);
    } catch (error) {
      this.control.close();
      throw error;
    }
    const open = (): Connection => this.openConnection();
    this.readers = new Pool({ size: options.readers, maxWaiting: MAX_WAITING, open });
    this.writers = new Pool({ size: options.writers, maxWaiting: MAX_WAITING, open });
    this.runners = new Pool({ size: 1, maxWaiting: MAX_WAITING, open });
  }

  run(sql: string, call: Call): Promise<void> {
    const parameters = setParameters(call.params);
    return this.exclusive(this.runners, call, async (connection) => {
      if (parameters) await connection.session.queryAsync(parameters);
      await connection.session.queryAsync(sql);
    });
  }

  insert(target: InsertTarget, data: Uint8Array, call: Call): Promise<void> {
    return this.exclusive(this.writers, call, async (connection) => {
      await connection.session.insert({
        table: target.table,
        columns: target.columns,
        format: target.format,
        settings: target.settings,
        values: data,
      });
    });
  }

  async *stream(sql: string, format: string, call: Call): AsyncGenerator<Uint8Array, void, undefined> {
    const parameters = setParameters(call.params);
    const connection = await this.readers.acquire(call.timeoutMs, call.signal);
    let iterator: AsyncIterator<{ raw(): Uint8Array }> | undefined;
    let pending: Promise<unknown> | undefined;
    let ended: "done" | "failed" | undefined;
    const watch = new Watch(call);
    try {
      if (parameters) await watch.race((pending = connection.session.queryAsync(parameters)));
      if (call.whole || !STREAMABLE.test(sql)) {
        pending = connection.session.queryAsync(sql, { format });
        const result = await watch.race(pending as Promise<{ bytes(): Uint8Array }>);
        pending = undefined;
        ended = "done";
        yield result.bytes();
        return;
      }
      iterator = connection.session.queryStream(sql, { format })[Symbol.asyncIterator]();
      for (;;) {
        const next = iterator.next();
        pending = next;
        const result = await watch.race(next);
        pending = undefined;
        if (result.done) {
          ended = "done";
          return;
        }
        yield result.value.raw();
      }
    } catch (error) {
      // An error of the engine itself ends the stream; a timeout or an abort leaves it running.
      if (!watch.interrupted) ended = "failed";
      throw error;
    } finally {
      watch.end();
      if (ended === "done") this.readers.release(connection);
      else if (ended === "failed") void this.giveBack(connection, this.readers);
      else void this.abandon(connection, this.readers, () => drain(pending, iterator));
    }
  }

  async close(): Promise<void> {
    const pools = [this.readers, this.writers, this.runners];
    const closing = pools.map((pool) => pool.close());
    const killer = setTimeout(() => {
      for (const pool of pools) for (const connection of pool.inUse()) void this.kill(connection.tag);
    }, CLOSE_GRACE_MS);
    try {
      for (const items of await Promise.all(closing)) for (const connection of items) connection.session.close();
    } finally {
      clearTimeout(killer);
      await this.kills;
      this.control.close();
      await drainPending();
    }
  }

  private openConnection(): Connection {
    const tag = `belfry-${++this.connections}`;
    const session = new Session(this.options.path);
    // On the event loop, but quick (0.1 ms each) and only once per connection.
    session.query(`USE ${quoteIdentifier(this.options.database)}`);
    session.query(`SET log_comment = ${quoteString(tag)}`);
    return { session, tag };
  }

  // exclusive runs work on a connection of its own. When the caller gives up, it is rejected at once while the
  // connection stays taken until the engine has ended the statement.
  private async exclusive(
    pool: Pool<Connection>,
    call: Call,
    work: (connection: Connection) => Promise<void>,
  ): Promise<void> {
    const connection = await pool.acquire(call.timeoutMs, call.signal);
    const watch = new Watch(call);
    const running = work(connection);
    try {
      await watch.race(running);
      pool.release(connection);
    } catch (error) {
      void (watch.interrupted ? this.abandon(connection, pool, () => running) : this.giveBack(connection, pool));
      throw error;
    } finally {
      watch.end();
    }
  }

  private async abandon(connection: Connection, pool: Pool<Connection>, rest: () => Promise<unknown>): Promise<void> {
    const ending = rest().then(
      () => true,
      () => true,
    );
    do await this.kill(connection.tag);
    while (!(await Promise.race([ending, after(KILL_AGAIN_MS)])));
    await this.giveBack(connection, pool);
  }

  // giveBack releases a connection whose statement failed. Such a statement keeps its place in the process list, and
  // the memory it holds, until the next one on its connection; so there is one.
  private async giveBack(connection: Connection, pool: Pool<Connection>): Promise<void> {
    await connection.session.queryAsync("SET send_logs_level = 'none'").catch(() => undefined);
    pool.release(connection);
  }

  // Kills go one after the other over a connection of their own. A failed one is tried again by abandon: the
  // statement it was for may just as well have ended meanwhile.
  private kill(tag: string): Promise<void> {
    const sql = `KILL QUERY WHERE Settings['log_comment'] = ${quoteString(tag)} ASYNC`;
    this.kills = this.kills
      .then(() => this.control.queryAsync(sql))
      .then(
        () => undefined,
        () => undefined,
      );
    return this.kills;
  }
}

// detachStandardInput makes file descriptor 0 an empty one. The lowest free number is given to the next file opened.
function detachStandardInput(): void {
  try {
    closeSync(0);
  } catch {
    // It was closed already; then whatever is opened first would become the engine's input.
  }
  openSync("/dev/null", "r");
}

// What is left of a killed stream; it ends with the error of the kill.
async function drain(
  pending: Promise<unknown> | undefined,
  iterator: AsyncIterator<unknown> | undefined,
): Promise<void> {
  await pending;
  if (!iterator) return;
  for (let next = await iterator.next(); !next.done; next = await iterator.next());
}

function after(delayMs: number): Promise<false> {
  return new Promise((resolve) => setTimeout(resolve, delayMs, false).unref());
}

/** Watch turns a call's signal and limit into a rejection that overtakes the engine. */
class Watch {
  interrupted = false;
  private readonly call: Call;
  private readonly timer: NodeJS.Timeout;
  private reject: ((error: unknown) => void) | undefined;
  private reason: unknown;

  constructor(call: Call) {
    this.call = call;
    this.timer = setTimeout(this.onTimeout, call.timeoutMs + KILL_GRACE_MS);
    this.timer.unref();
    call.signal?.addEventListener("abort", this.onAbort, { once: true });
    if (call.signal?.aborted) this.onAbort();
  }

  /** race settles as `work` does, unless the call is given up before. */
  race<T>(work: Promise<T>): Promise<T> {
    if (this.interrupted) {
      work.catch(() => undefined);
      return Promise.reject(this.reason as Error);
    }
    return new Promise<T>((resolve, reject) => {
      this.reject = reject;
      work.then(resolve, reject);
    });
  }

  end(): void {
    clearTimeout(this.timer);
    this.call.signal?.removeEventListener("abort", this.onAbort);
  }

  private readonly onAbort = (): void => this.interrupt(this.call.signal!.reason);

  private readonly onTimeout = (): void =>
    this.interrupt(
      new DatabaseError(DatabaseErrorCode.Timeout, `no answer within ${this.call.timeoutMs} ms`, { retryable: true }),
    );

  private interrupt(reason: unknown): void {
    this.interrupted = true;
    this.reason = reason;
    this.reject?.(reason);
  }
}
