// Log lines as Prometheus writes them (logfmt with time, level and msg), or JSON. pino writes the JSON; logfmt
// is made from the same calls. Secrets never reach a log: callers pass facts, not configuration objects.
import { pino, type DestinationStream } from "pino";

/** LogLevel is the least severe level that is written. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Logger writes one line per call; `fields` are printed after the message. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** child adds fields to every line. */
  child(fields: Readonly<Record<string, unknown>>): Logger;
}

/** createLogger writes to `destination`, by default standard error. */
export function createLogger(
  level: LogLevel,
  format: "logfmt" | "json",
  destination: DestinationStream = { write: (line: string) => void process.stderr.write(line) },
): Logger {
  const base = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: "msg",
    },
    format === "json" ? destination : { write: (line: string) => destination.write(toLogfmt(line)) },
  );
  return wrap(base);
}

/** silentLogger writes nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

function wrap(base: Pick<ReturnType<typeof pino>, "debug" | "info" | "warn" | "error" | "child">): Logger {
  return {
    debug: (message, fields) => base.debug(plain(fields), message),
    info: (message, fields) => base.info(plain(fields), message),
    warn: (message, fields) => base.warn(plain(fields), message),
    error: (message, fields) => base.error(plain(fields), message),
    child: (fields) => wrap(base.child(plain(fields))),
  };
}

// Errors are printed by their message; a stack is for bugs only.
function plain(fields: Readonly<Record<string, unknown>> | undefined): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields ?? {})) {
    if (value instanceof Error) out[key] = value.message.startsWith("BUG:") ? value.stack : value.message;
    else out[key] = value;
  }
  return out;
}

function toLogfmt(line: string): string {
  const { time, level, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  let out = `time=${String(time)} level=${String(level).toUpperCase()} msg=${quote(String(msg))}`;
  for (const [key, value] of Object.entries(rest)) {
    out += ` ${key}=${quote(typeof value === "object" ? JSON.stringify(value) : String(value))}`;
  }
  return out + "\n";
}

function quote(text: string): string {
  return text === "" || /[\s"=\\]/.test(text) ? JSON.stringify(text) : text;
}
