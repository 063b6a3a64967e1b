// A ClickHouse server or cluster over HTTP. Every statement has a query_id of ours, by which it is killed when its
// caller gives up: closing the connection alone leaves a statement without output running.
import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { createClient, type ClickHouseClient } from "@clickhouse/client";
import { onCluster, type Dialect } from "./dialect.ts";
import { DatabaseError, DatabaseErrorCode } from "./errors.ts";
import { parameterText, quoteIdentifier, quoteString, settingsClause } from "./statement.ts";
import type { Call, InsertTarget, Transport } from "./transport.ts";

/** RemoteTransportOptions says where the server is. The URL's own user and password are refused: they would end up in logs. */
export interface RemoteTransportOptions {
  url: string;
  user: string;
  password: string;
  dialect: Dialect;
  connections: number;
}

const KILL_GRACE_MS = 1_000;
const LONGEST_REQUEST_MS = 3_700_000;

export class RemoteTransport implements Transport {
  private readonly client: ClickHouseClient;
  private readonly dialect: Dialect;
  private readonly options: RemoteTransportOptions;

  constructor(options: RemoteTransportOptions) {
    this.options = options;
    this.dialect = options.dialect;
    this.client = this.connect(options.dialect.database);
  }

  /** createDatabase creates the database if it is missing; the first thing to do. */
  async createDatabase(): Promise<void> {
    const client = this.connect("default");
    try {
      const cluster = onCluster(this.dialect);
      await client.command({
        query: `CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(this.dialect.database)}${cluster}`,
      });
    } finally {
      await client.close();
    }
  }

  async run(sql: string, call: Call): Promise<void> {
    await this.guarded(call, async (queryId, signal) => {
      await this.client.command({
        query: sql,
        query_id: queryId,
        query_params: this.parameters(call),
        abort_signal: signal,
        // DDL on a cluster: fail when a server did not do it in time instead of leaving it half done.
        clickhouse_settings: { wait_end_of_query: 1 },
      });
    });
  }

  async insert(target: InsertTarget, data: Uint8Array, call: Call): Promise<void> {
    const query = `INSERT INTO ${target.table} (${target.columns.join(", ")}) SETTINGS ${settingsClause(target.settings)} FORMAT ${target.format}`;
    await this.guarded(call, async (queryId, signal) => {
      const result = await this.client.exec({
        query,
        query_id: queryId,
        abort_signal: signal,
        values: Readable.from([data], { objectMode: false }),
        // An error that comes after the response has begun would look like success otherwise.
        clickhouse_settings: { wait_end_of_query: 1 },
      });
      for await (const _ of result.stream);
    });
  }

  async *stream(sql: string, format: string, call: Call): AsyncGenerator<Uint8Array, void, undefined> {
    const queryId = `belfry-${randomUUID()}`;
    const limit = new Limit(call);
    let done = false;
    try {
      const result = await this.client.exec({
        query: `${sql} FORMAT ${format}`,
        query_id: queryId,
        query_params: this.parameters(call),
        abort_signal: limit.signal,
      });
      for await (const chunk of result.stream as AsyncIterable<Uint8Array>) yield chunk;
      done = true;
    } catch (error) {
      done = !limit.signal.aborted;
      throw limit.reason(error);
    } finally {
      limit.end();
      if (!done) this.kill(queryId);
    }
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  private async guarded(call: Call, work: (queryId: string, signal: AbortSignal) => Promise<void>): Promise<void> {
    const queryId = `belfry-${randomUUID()}`;
    const limit = new Limit(call);
    try {
      await work(queryId, limit.signal);
    } catch (error) {
      if (limit.signal.aborted) this.kill(queryId);
      throw limit.reason(error);
    } finally {
      limit.end();
    }
  }

  // The statement may have ended; what matters is that it does not go on.
  private kill(queryId: string): void {
    const query = `KILL QUERY${onCluster(this.dialect)} WHERE query_id = ${quoteString(queryId)} OR initial_query_id = ${quoteString(queryId)} ASYNC`;
    this.client.command({ query }).catch(() => undefined);
  }

  private parameters(call: Call): Record<string, unknown> | undefined {
    if (!call.params) return undefined;
    return Object.fromEntries(
      Object.entries(call.params).map(([name, value]) => [
        name,
        // The client escapes strings and arrays itself; big integers need their digits.
        typeof value === "bigint" ? parameterText(value) : value,
      ]),
    );
  }

  private connect(database: string): ClickHouseClient {
    let url: URL;
    try {
      url = new URL(this.options.url);
    } catch {
      throw new DatabaseError(DatabaseErrorCode.Unavailable, "the database URL is not a URL like http://host:8123");
    }
    const user = decodeURIComponent(url.username) || this.options.user;
    const password = decodeURIComponent(url.password) || this.options.password;
    url.username = "";
    url.password = "";
    return createClient({
      url,
      username: user,
      password,
      database,
      application: "belfry",
      max_open_connections: this.options.connections,
      request_timeout: LONGEST_REQUEST_MS,
      compression: { request: false, response: false },
      // Log lines of the client would repeat errors that are thrown as well.
      log: { level: 127 },
    });
  }
}

/** Limit joins the caller's signal and the time limit. */
class Limit {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private readonly call: Call;

  constructor(call: Call) {
    this.call = call;
    this.timer = setTimeout(() => {
      this.controller.abort(
        new DatabaseError(DatabaseErrorCode.Timeout, `no answer within ${call.timeoutMs} ms`, { retryable: true }),
      );
    }, call.timeoutMs + KILL_GRACE_MS);
    this.timer.unref();
    call.signal?.addEventListener("abort", this.onAbort, { once: true });
    if (call.signal?.aborted) this.onAbort();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** reason is what to throw for an error: why it was given up, if it was. */
  reason(error: unknown): unknown {
    return this.controller.signal.aborted ? this.controller.signal.reason : error;
  }

  end(): void {
    clearTimeout(this.timer);
    this.call.signal?.removeEventListener("abort", this.onAbort);
  }

  private readonly onAbort = (): void => this.controller.abort(this.call.signal!.reason);
}
