// The border between the rest of the server and ClickHouse, embedded or remote. Everything above this folder
// sees these interfaces only; SQL dialect differences between one engine and a cluster stay below them.

/** SqlParameters are bound by ClickHouse itself (`{name:Type}` in the SQL), never pasted into it. */
export type SqlParameters = Readonly<Record<string, string | number | bigint | readonly (string | number | bigint)[]>>;

/** QueryOptions bounds one statement. */
export interface QueryOptions {
  params?: SqlParameters;
  /** signal cancels: the statement is killed in the engine, not only forgotten. */
  signal?: AbortSignal;
  /** timeoutMs is the longest the engine may work on it; default 30,000. */
  timeoutMs?: number;
  /** maxRows and maxBytes bound the result; past them DatabaseError with code DB_RESULT_TOO_LARGE. */
  maxRows?: number;
  maxBytes?: number;
  /**
   * whole takes the result of a stream in one piece. Streaming begins on the event loop (2 ms, 30 for a statement of
   * 200 kB), so this is the better choice for results of up to some megabytes. `query` always does it.
   */
  whole?: boolean;
  /** settings are appended to the SQL as SETTINGS. */
  settings?: Readonly<Record<string, string | number>>;
}

/** Database runs SQL. Errors are DatabaseError with the statement, the engine's code and name. */
export interface Database {
  /** kind tells what is behind it. */
  readonly kind: "embedded" | "server" | "cluster";
  /** query returns all rows of a SELECT (JSONEachRow semantics: 64-bit integers as strings unless cast). */
  query<Row>(sql: string, options?: QueryOptions): Promise<Row[]>;
  /** stream yields the bytes of a SELECT in the given FORMAT as the engine produces them; leaving early cancels it. */
  stream(sql: string, format: string, options?: QueryOptions): AsyncIterable<Uint8Array>;
  /** exec runs a statement without a result (DDL, ALTER, SYSTEM ...). */
  exec(sql: string, options?: QueryOptions): Promise<void>;
  /** insert writes bytes in `format` (TabSeparated or JSONEachRow) and resolves when they are durable. */
  insert(
    table: string,
    columns: readonly string[],
    format: "TabSeparated" | "JSONEachRow",
    data: Uint8Array,
    options?: QueryOptions,
  ): Promise<void>;
  close(): Promise<void>;
}

/** BatchWriter collects rows for one table and writes them in batches. Its queue is bounded in rows and bytes. */
export interface BatchWriter {
  /** append queues already encoded rows (complete lines of the table's insert format). Throws OverloadedError when the queue is full. */
  append(rows: number, data: Uint8Array): void;
  /** write is append, and resolves when these rows are durable; rejects when they will not be. */
  write(rows: number, data: Uint8Array): Promise<void>;
  /** flush writes what is queued now and resolves when it is durable. */
  flush(): Promise<void>;
  /** queuedRows and queuedBytes are what waits, in flight included. */
  readonly queuedRows: number;
  readonly queuedBytes: number;
}
