// A Transport carries finished SQL to one kind of engine. It knows connections, cancellation and bytes; what a
// statement means, its bounds and its errors are SqlDatabase's (sql-database.ts), the same for every engine.
import type { SqlParameters } from "./database.ts";

/** Call bounds one statement on its way. */
export interface Call {
  params?: SqlParameters;
  signal?: AbortSignal;
  /** timeoutMs includes the wait for a connection. Past it the statement is killed, whatever the engine thinks. */
  timeoutMs: number;
  /** whole allows stream to yield the result in one piece. */
  whole?: boolean;
}

/**
 * Transport implementations throw whatever their engine throws. When a signal aborts they kill the statement in
 * the engine and throw the signal's reason at once.
 */
export interface Transport {
  /** run executes statements without a result on a connection that readers and inserts do not use. */
  run(sql: string, call: Call): Promise<void>;
  /** stream yields the bytes of a result; the chunks are the engine's and may be kept. Leaving early cancels it. */
  stream(sql: string, format: string, call: Call): AsyncIterable<Uint8Array>;
  /** insert sends `data` after the statement, which ends with its FORMAT clause. */
  insert(target: InsertTarget, data: Uint8Array, call: Call): Promise<void>;
  /** close ends the connections; statements under way are waited for or killed. */
  close(): Promise<void>;
}

/** InsertTarget is where inserted bytes go. */
export interface InsertTarget {
  table: string;
  columns: readonly string[];
  format: "TabSeparated" | "JSONEachRow";
  settings: Readonly<Record<string, string | number>>;
}
