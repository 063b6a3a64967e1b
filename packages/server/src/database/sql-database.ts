// SqlDatabase is the one implementation of Database: it bounds statements, writes their settings into the SQL,
// decodes rows and names errors. Where the SQL goes is the Transport's.
import type { Database, QueryOptions } from "./database.ts";
import { DatabaseError, DatabaseErrorCode, toDatabaseError } from "./errors.ts";
import { DEFAULT_TIMEOUT_MS, selectSettings, settingsClause, trimStatement, withSettings } from "./statement.ts";
import type { Dialect } from "./dialect.ts";
import type { InsertTarget, Transport } from "./transport.ts";

// 64-bit integers as strings: JSON numbers lose their low digits. Denormals (nan, inf) would be null.
const JSON_SETTINGS = { output_format_json_quote_64bit_integers: 1, output_format_json_quote_denormals: 1 } as const;

// An insert is not a query: a batch that waits for a busy disk is better late than failed.
const INSERT_TIMEOUT_MS = 60_000;

// The settings of every insert. `precise_float_parsing`: the fast parser is off by one bit for one value in six.
// `async_insert`: batches are made here, and a server that makes its own would answer before they are durable.
// `input_format_parallel_parsing`: its threads cost more than they gain below 10 MB (17 instead of 24 ms for 10,000
// rows).
const INSERT_SETTINGS = {
  precise_float_parsing: 1,
  max_partitions_per_insert_block: 0,
  async_insert: 0,
  input_format_parallel_parsing: 0,
} as const;

/** StatementEvent describes a finished statement, for the owner's metrics. */
export interface StatementEvent {
  kind: "query" | "exec" | "insert";
  table: string | undefined;
  seconds: number;
  bytes: number;
  error: DatabaseError | undefined;
}

/** SqlDatabaseOptions is what a SqlDatabase is made of. */
export interface SqlDatabaseOptions {
  transport: Transport;
  dialect: Dialect;
  /** onStatement is called after every statement; it must not throw. */
  onStatement?: (event: StatementEvent) => void;
  /** onClose runs once after the transport has closed. */
  onClose?: () => void;
}

export class SqlDatabase implements Database {
  readonly dialect: Dialect;
  private readonly transport: Transport;
  private readonly options: SqlDatabaseOptions;
  private closing: Promise<void> | undefined;

  constructor(options: SqlDatabaseOptions) {
    this.options = options;
    this.transport = options.transport;
    this.dialect = options.dialect;
  }

  get kind(): Database["kind"] {
    return this.dialect.kind;
  }

  async query<Row>(sql: string, options: QueryOptions = {}): Promise<Row[]> {
    const chunks: Uint8Array[] = [];
    const settings = { ...JSON_SETTINGS, ...options.settings };
    for await (const chunk of this.stream(sql, "JSONEachRow", { ...options, settings, whole: true }))
      chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("utf8");
    const rows: Row[] = [];
    for (let start = 0; start < text.length;) {
      let end = text.indexOf("\n", start);
      if (end < 0) end = text.length;
      if (end > start) rows.push(JSON.parse(text.slice(start, end)) as Row);
      start = end + 1;
    }
    return rows;
  }

  async *stream(sql: string, format: string, options: QueryOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    this.mustBeOpen(sql);
    const statement = withSettings(sql, selectSettings(options));
    const started = performance.now();
    let bytes = 0;
    let failure: DatabaseError | undefined;
    try {
      const call = {
        params: options.params,
        signal: options.signal,
        timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        whole: options.whole,
      };
      for await (const chunk of this.transport.stream(statement, format, call)) {
        bytes += chunk.length;
        // The engine counts its own blocks; this also holds for what its format makes of them.
        if (options.maxBytes !== undefined && bytes > options.maxBytes) {
          throw new DatabaseError(
            DatabaseErrorCode.ResultTooLarge,
            `the result is larger than ${options.maxBytes} bytes`,
            { statement },
          );
        }
        yield chunk;
      }
    } catch (error) {
      if (isAbort(error, options.signal)) throw error;
      failure = toDatabaseError(error, { action: "read from the database", statement: sql, write: false });
      throw failure;
    } finally {
      this.report("query", undefined, started, bytes, failure);
    }
  }

  async exec(sql: string, options: QueryOptions = {}): Promise<void> {
    this.mustBeOpen(sql);
    const statement = options.settings ? withSettings(sql, options.settings) : trimStatement(sql);
    const started = performance.now();
    let failure: DatabaseError | undefined;
    try {
      await this.transport.run(statement, {
        params: options.params,
        signal: options.signal,
        timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      });
    } catch (error) {
      if (isAbort(error, options.signal)) throw error;
      failure = toDatabaseError(error, { action: "execute a statement", statement: sql, write: true });
      throw failure;
    } finally {
      this.report("exec", undefined, started, 0, failure);
    }
  }

  async insert(
    table: string,
    columns: readonly string[],
    format: "TabSeparated" | "JSONEachRow",
    data: Uint8Array,
    options: QueryOptions = {},
  ): Promise<void> {
    if (data.length === 0) return;
    const target: InsertTarget = {
      table,
      columns,
      format,
      settings: { ...INSERT_SETTINGS, ...this.dialect.insertSettings, ...options.settings },
    };
    const statement = `INSERT INTO ${table} (${columns.join(", ")}) SETTINGS ${settingsClause(target.settings)} FORMAT ${format}`;
    this.mustBeOpen(statement);
    const started = performance.now();
    let failure: DatabaseError | undefined;
    try {
      await this.transport.insert(target, data, {
        signal: options.signal,
        timeoutMs: options.timeoutMs ?? INSERT_TIMEOUT_MS,
      });
    } catch (error) {
      if (isAbort(error, options.signal)) throw error;
      failure = toDatabaseError(error, {
        action: `insert ${data.length} bytes into ${table}`,
        statement,
        table,
        write: true,
      });
      throw failure;
    } finally {
      this.report("insert", table, started, data.length, failure);
    }
  }

  close(): Promise<void> {
    this.closing ??= this.transport.close().finally(() => this.options.onClose?.());
    return this.closing;
  }

  private mustBeOpen(statement: string): void {
    if (this.closing) throw new DatabaseError(DatabaseErrorCode.Closed, "the database is closed", { statement });
  }

  private report(
    kind: StatementEvent["kind"],
    table: string | undefined,
    started: number,
    bytes: number,
    error: DatabaseError | undefined,
  ): void {
    this.options.onStatement?.({ kind, table, seconds: (performance.now() - started) / 1000, bytes, error });
  }
}

function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && error === signal.reason;
}
