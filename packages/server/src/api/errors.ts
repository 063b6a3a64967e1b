// Errors as the Prometheus HTTP API shows them: an errorType, a text and the HTTP status that goes with the type.
import { AppError, OverloadedError } from "../lib/errors.ts";

/** ErrorType is the `errorType` of upstream's envelope. */
export type ErrorType =
  | "timeout"
  | "canceled"
  | "execution"
  | "bad_data"
  | "internal"
  | "unavailable"
  | "not_found"
  | "not_acceptable";

const STATUS: Record<ErrorType, number> = {
  bad_data: 400,
  execution: 422,
  canceled: 499,
  timeout: 503,
  internal: 500,
  unavailable: 503,
  not_found: 404,
  not_acceptable: 406,
};

/** ApiError ends a request with an errorType and a text for the person who sent it. */
export class ApiError extends AppError {
  readonly errorType: ErrorType;
  readonly retryAfterSeconds: number | undefined;
  constructor(errorType: ErrorType, message: string, options?: { cause?: unknown; retryAfterSeconds?: number }) {
    super(`API_${errorType.toUpperCase()}`, message, options);
    this.errorType = errorType;
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }

  get status(): number {
    return STATUS[this.errorType];
  }
}

/** invalidParameter is the error for one bad parameter, in upstream's words. */
export function invalidParameter(name: string, cause: unknown): ApiError {
  return new ApiError("bad_data", `invalid parameter ${JSON.stringify(name)}: ${messageOf(cause)}`, { cause });
}

/** messageOf is the text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// The engine and the database have codes of their own; what a client sees is upstream's errorType.
const TYPE_OF_CODE: Readonly<Record<string, ErrorType>> = {
  QUERY_PARSE: "bad_data",
  QUERY_TIMEOUT: "timeout",
  QUERY_CANCELED: "canceled",
  QUERY_EXECUTION: "execution",
  QUERY_TOO_MANY_SAMPLES: "execution",
  DB_RESULT_TOO_LARGE: "execution",
};

/** toApiError maps any thrown value to what the client is told; unknown errors become "internal". */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof OverloadedError) {
    return new ApiError("unavailable", error.message, { cause: error, retryAfterSeconds: error.retryAfterSeconds });
  }
  if (error instanceof AppError) {
    const known = TYPE_OF_CODE[error.code];
    if (known) return new ApiError(known, error.message, { cause: error });
  }
  return new ApiError("internal", messageOf(error), { cause: error });
}
