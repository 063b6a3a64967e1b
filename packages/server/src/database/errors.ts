import { AppError } from "../lib/errors.ts";

/** DatabaseErrorCode says what kind of failure it was; callers branch on it, never on text. */
export const DatabaseErrorCode = {
  /** The engine refused or failed a statement for a reason without a code of its own. */
  QueryFailed: "DB_QUERY_FAILED",
  /** An insert failed for a reason without a code of its own. */
  WriteFailed: "DB_WRITE_FAILED",
  /** Longer than the statement's limit. */
  Timeout: "DB_TIMEOUT",
  /** The result passed maxRows or maxBytes. */
  ResultTooLarge: "DB_RESULT_TOO_LARGE",
  /** The statement needed more memory than it may have. */
  MemoryLimit: "DB_MEMORY_LIMIT",
  /** The disk is full. */
  DiskFull: "DB_DISK_FULL",
  /** The disk cannot be written (read-only) or read. */
  DiskFailed: "DB_DISK_FAILED",
  /** The server cannot be reached or is shutting down. */
  Unavailable: "DB_UNAVAILABLE",
  /** User name or password refused, or a right is missing. */
  AccessDenied: "DB_ACCESS_DENIED",
  /** Too many statements wait for a connection. */
  Busy: "DB_BUSY",
  /** The database has been closed. */
  Closed: "DB_CLOSED",
  /** The data directory is held by another process. */
  Locked: "DB_LOCKED",
  /** The directory is not a data directory of ours. */
  ForeignDirectory: "DB_FOREIGN_DIRECTORY",
  /** The data directory, or a part of it, cannot be read as what it says it is. */
  Corrupt: "DB_CORRUPT",
  /** The schema was written by a newer version. */
  SchemaNewer: "DB_SCHEMA_NEWER",
  /** A migration failed. */
  MigrationFailed: "DB_MIGRATION_FAILED",
  /** There is no snapshot to go back to. */
  NoSnapshot: "DB_NO_SNAPSHOT",
} as const;
export type DatabaseErrorCode = (typeof DatabaseErrorCode)[keyof typeof DatabaseErrorCode];

/** DatabaseErrorDetails is what a DatabaseError knows beyond its message. */
export interface DatabaseErrorDetails {
  cause?: unknown;
  /** statement is the SQL; it is shortened by the error. */
  statement?: string;
  table?: string;
  engineCode?: number;
  engineName?: string;
  retryable?: boolean;
}

/** DatabaseError says that the database failed, with what it was doing. It never holds data rows or secrets. */
export class DatabaseError extends AppError {
  declare readonly code: DatabaseErrorCode;
  /** statement is the SQL on one line, at most 300 characters. */
  readonly statement: string | undefined;
  readonly table: string | undefined;
  /** engineCode and engineName are ClickHouse's, e.g. 241 and MEMORY_LIMIT_EXCEEDED. */
  readonly engineCode: number | undefined;
  readonly engineName: string | undefined;
  /** retryable tells whether the same statement may succeed later without anybody changing it. */
  readonly retryable: boolean;
  readonly diskFull: boolean;

  constructor(code: DatabaseErrorCode, message: string, details: DatabaseErrorDetails = {}) {
    super(code, message, details.cause === undefined ? undefined : { cause: details.cause });
    this.statement = details.statement === undefined ? undefined : shortenStatement(details.statement);
    this.table = details.table;
    this.engineCode = details.engineCode;
    this.engineName = details.engineName;
    this.retryable = details.retryable ?? false;
    this.diskFull = code === DatabaseErrorCode.DiskFull;
  }
}

/** shortenStatement puts SQL on one line and cuts it, so that a log line with it stays readable. */
export function shortenStatement(sql: string): string {
  const line = sql.slice(0, 2_000).replace(/\s+/g, " ").trim();
  return line.length <= 300 ? line : `${line.slice(0, 297)}...`;
}

// ClickHouse's error codes that have a meaning of their own for us (src/Common/ErrorCodes.cpp).
const KINDS: ReadonlyMap<number, { code: DatabaseErrorCode; retryable: boolean }> = new Map([
  [159, { code: DatabaseErrorCode.Timeout, retryable: true }], // TIMEOUT_EXCEEDED
  [160, { code: DatabaseErrorCode.Timeout, retryable: true }], // TOO_SLOW
  [396, { code: DatabaseErrorCode.ResultTooLarge, retryable: false }], // TOO_MANY_ROWS_OR_BYTES
  [241, { code: DatabaseErrorCode.MemoryLimit, retryable: true }], // MEMORY_LIMIT_EXCEEDED
  [173, { code: DatabaseErrorCode.MemoryLimit, retryable: true }], // CANNOT_ALLOCATE_MEMORY
  [243, { code: DatabaseErrorCode.DiskFull, retryable: true }], // NOT_ENOUGH_SPACE
  [74, { code: DatabaseErrorCode.DiskFailed, retryable: true }], // CANNOT_READ_FROM_FILE_DESCRIPTOR
  [75, { code: DatabaseErrorCode.DiskFailed, retryable: true }], // CANNOT_WRITE_TO_FILE_DESCRIPTOR
  [76, { code: DatabaseErrorCode.DiskFailed, retryable: true }], // CANNOT_OPEN_FILE
  [84, { code: DatabaseErrorCode.DiskFailed, retryable: true }], // DIRECTORY_ALREADY_EXISTS
  [425, { code: DatabaseErrorCode.DiskFailed, retryable: true }], // SYSTEM_ERROR
  [481, { code: DatabaseErrorCode.DiskFailed, retryable: true }], // PATH_ACCESS_DENIED
  [40, { code: DatabaseErrorCode.Corrupt, retryable: false }], // CHECKSUM_DOESNT_MATCH
  [246, { code: DatabaseErrorCode.Corrupt, retryable: false }], // CORRUPTED_DATA
  [271, { code: DatabaseErrorCode.Corrupt, retryable: false }], // CANNOT_DECOMPRESS
  [1001, { code: DatabaseErrorCode.DiskFailed, retryable: true }], // STD_EXCEPTION (file system errors)
  [202, { code: DatabaseErrorCode.Busy, retryable: true }], // TOO_MANY_SIMULTANEOUS_QUERIES
  [252, { code: DatabaseErrorCode.Busy, retryable: true }], // TOO_MANY_PARTS
  [209, { code: DatabaseErrorCode.Unavailable, retryable: true }], // SOCKET_TIMEOUT
  [210, { code: DatabaseErrorCode.Unavailable, retryable: true }], // NETWORK_ERROR
  [236, { code: DatabaseErrorCode.Unavailable, retryable: true }], // ABORTED
  [242, { code: DatabaseErrorCode.Unavailable, retryable: true }], // TABLE_IS_READ_ONLY (keeper session lost)
  [279, { code: DatabaseErrorCode.Unavailable, retryable: true }], // ALL_CONNECTION_TRIES_FAILED
  [285, { code: DatabaseErrorCode.Unavailable, retryable: true }], // TOO_FEW_LIVE_REPLICAS
  [319, { code: DatabaseErrorCode.Unavailable, retryable: true }], // UNKNOWN_STATUS_OF_INSERT
  [999, { code: DatabaseErrorCode.Unavailable, retryable: true }], // KEEPER_EXCEPTION
  [192, { code: DatabaseErrorCode.AccessDenied, retryable: false }], // UNKNOWN_USER
  [193, { code: DatabaseErrorCode.AccessDenied, retryable: false }], // WRONG_PASSWORD
  [194, { code: DatabaseErrorCode.AccessDenied, retryable: false }], // REQUIRED_PASSWORD
  [497, { code: DatabaseErrorCode.AccessDenied, retryable: false }], // ACCESS_DENIED
  [516, { code: DatabaseErrorCode.AccessDenied, retryable: false }], // AUTHENTICATION_FAILED
]);

const EXCEPTION = /Code: (\d+)\.\s*(?:DB::\w*Exception: )?([\s\S]*)/;
const NETWORK_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EPIPE",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** StatementContext is what was being done when the engine failed. */
export interface StatementContext {
  /** action completes "could not …", e.g. "insert 20 rows into metric_samples". */
  action: string;
  statement: string;
  table?: string;
  write: boolean;
}

/** toDatabaseError turns whatever the engine or its client threw into a DatabaseError. */
export function toDatabaseError(error: unknown, context: StatementContext): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const match = EXCEPTION.exec(text);
  // The HTTP client parses the code off the message and keeps it in fields of its own.
  const fields = error as { code?: unknown; type?: unknown; clickhouseCode?: unknown } | null;
  const engineCode = match
    ? Number(match[1])
    : (numeric(fields?.clickhouseCode) ?? (typeof fields?.type === "string" ? numeric(fields.code) : undefined));
  const reason = tidy(match ? match[2] : text);
  const engineName = /\(([A-Z][A-Z0-9_]{2,})\)\.?$/.exec(reason)?.[1] ?? stringOf(fields?.type);
  const kind = engineCode === undefined ? undefined : KINDS.get(engineCode);
  let code: DatabaseErrorCode =
    kind?.code ?? (context.write ? DatabaseErrorCode.WriteFailed : DatabaseErrorCode.QueryFailed);
  let retryable = kind?.retryable ?? false;
  if (engineCode === undefined && isNetworkError(error)) {
    code = DatabaseErrorCode.Unavailable;
    retryable = true;
  }
  // A full disk also shows as a failed write, wherever the engine met it first.
  if (/No space left on device|NOT_ENOUGH_SPACE|ENOSPC|errno: 28\b/.test(text)) {
    code = DatabaseErrorCode.DiskFull;
    retryable = true;
  } else if (/Read-only file system|EROFS|EACCES|EDQUOT|EIO\b|errno: 30\b/.test(text)) {
    code = DatabaseErrorCode.DiskFailed;
    retryable = true;
  }
  return new DatabaseError(code, `could not ${context.action}: ${reason}`, {
    // The original's message may hold the statement with its data: keep only a shortened copy.
    cause: new Error(reason),
    statement: context.statement,
    table: context.table,
    engineCode,
    engineName,
    retryable,
  });
}

function isNetworkError(error: unknown): boolean {
  for (let e = error as { code?: unknown; message?: unknown; cause?: unknown } | undefined, i = 0; e && i < 4; i++) {
    if (typeof e.code === "string" && NETWORK_CODES.has(e.code)) return true;
    if (typeof e.message === "string" && /socket hang up|aborted|Timeout error|timed out/i.test(e.message)) return true;
    e = e.cause as typeof e;
  }
  return false;
}

// tidy removes stack traces, credentials in URLs, and what the engine says twice.
function tidy(text: string): string {
  const line = text
    .replace(/Code: \d+\. DB::\w*Exception: /g, "")
    .replace(/ \(version [^)]*\)\.?/g, "")
    .replace(/ (\([A-Z][A-Z0-9_]+\))\.?(?: \1\.?)+$/, " $1")
    .replace(/\n?Stack trace:[\s\S]*$/, "")
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, "$1")
    .replace(/([?&](?:password|user)=)[^&\s]*/gi, "$1***")
    .replace(/\s+/g, " ")
    .trim();
  return line.length <= 600 ? line : `${line.slice(0, 597)}...`;
}

function numeric(value: unknown): number | undefined {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  if (typeof value === "string" && /^\d+$/.test(value)) return Number(value);
  return undefined;
}

function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
