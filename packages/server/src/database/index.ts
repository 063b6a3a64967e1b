export {
  createBatchWriter,
  type BatchResult,
  type BatchWriterOptions,
  type BatchWriterState,
  type ClosableBatchWriter,
} from "./batch-writer.ts";
export type { BatchWriter, Database, QueryOptions, SqlParameters } from "./database.ts";
export { DatabaseError, DatabaseErrorCode } from "./errors.ts";
export { decimalScale, ExemplarRows, HistogramRows, MetadataRows, SampleRows, SeriesRows } from "./metric-rows.ts";
export {
  readExemplars,
  readHistograms,
  readMetadata,
  readSamples,
  readSeries,
  type HistogramSample,
  type ReadOptions,
  type SampleBlock,
  type SampleSelection,
  type SeriesSelection,
  type StoredExemplar,
  type StoredMetadata,
  type StoredSeries,
} from "./metric-reader.ts";
export {
  openDatabase,
  type EmbeddedDatabaseOptions,
  type OpenDatabaseOptions,
  type ServerDatabaseOptions,
} from "./open.ts";
export { rollback, type RollbackResult } from "./snapshot.ts";
export { SqlDatabase, type StatementEvent } from "./sql-database.ts";
export {
  deleteSamples,
  diskUsage,
  dropExpiredDays,
  enforceDiskBudget,
  RETAINED_TABLES,
  setRetention,
  type DayUsage,
  type DiskBudgetResult,
  type DiskUsage,
  type RetainedTable,
} from "./retention.ts";
export { DAY_MS, DEFAULT_METRIC_RETENTION_MS } from "./metric-tables.ts";
export { openStateDatabase, STATE_DATABASE_FILE, type StateDatabase } from "./state-database.ts";
