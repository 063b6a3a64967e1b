// Three kinds of failure, never blurred: the user's input is wrong (QueryError, ConfigError ...), the world
// failed (DatabaseError ...), or we did (bug()). A caller branches on class or code, never on text.

/** AppError is the base of every error that is meant to reach a person. `code` is listed in core/api. */
export class AppError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** OverloadedError says that a bound was reached; HTTP answers 429 or 503 with Retry-After. */
export class OverloadedError extends AppError {
  readonly retryAfterSeconds: number;
  constructor(message: string, retryAfterSeconds = 1) {
    super("OVERLOADED", message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** bug makes the error for a broken invariant of ours. */
export function bug(message: string): Error {
  return new Error(`BUG: ${message}`);
}
