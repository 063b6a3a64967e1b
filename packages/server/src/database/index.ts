export {
  createBatchWriter,
  type BatchResult,
  type BatchWriterOptions,
  type BatchWriterState,
  type ClosableBatchWriter,
} from "./batch-writer.ts";
export type { BatchWriter, Database, QueryOptions, SqlParameters } from "./database.ts";
export { DatabaseError, DatabaseErrorCode } from "./errors.ts";
export {
  openDatabase,
  type EmbeddedDatabaseOptions,
  type OpenDatabaseOptions,
  type ServerDatabaseOptions,
} from "./open.ts";
export { rollback, type RollbackResult } from "./snapshot.ts";
export { SqlDatabase, type StatementEvent } from "./sql-database.ts";
