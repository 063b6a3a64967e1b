// What turns options into SQL. Settings are written into the statement, because settings given beside it stay on
// the embedded connection for the next one; parameters travel apart from it and are bound by the engine.
import { bug } from "../lib/errors.ts";
import type { QueryOptions, SqlParameters } from "./database.ts";

/** DEFAULT_TIMEOUT_MS bounds a statement whose caller names no limit. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** SettingValues are ClickHouse settings of one statement. */
export type SettingValues = Readonly<Record<string, string | number>>;

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** selectSettings are the settings that bound a SELECT as its options say. */
export function selectSettings(options: QueryOptions): Record<string, string | number> {
  const settings: Record<string, string | number> = {
    max_execution_time: (options.timeoutMs ?? DEFAULT_TIMEOUT_MS) / 1000,
    timeout_overflow_mode: "throw",
  };
  if (options.maxRows !== undefined) settings.max_result_rows = options.maxRows;
  if (options.maxBytes !== undefined) settings.max_result_bytes = options.maxBytes;
  if (options.maxRows !== undefined || options.maxBytes !== undefined) settings.result_overflow_mode = "throw";
  return { ...settings, ...options.settings };
}

/** withSettings appends a SETTINGS clause to a statement, which must not have one. */
export function withSettings(sql: string, settings: SettingValues): string {
  const clause = settingsClause(settings);
  return clause === "" ? sql : `${trimStatement(sql)} SETTINGS ${clause}`;
}

/** settingsClause writes `a = 1, b = 'x'`. */
export function settingsClause(settings: SettingValues): string {
  return Object.entries(settings)
    .map(([name, value]) => {
      if (!IDENTIFIER.test(name)) throw bug(`not a setting name: ${JSON.stringify(name)}`);
      return `${name} = ${typeof value === "number" ? numberText(value) : quoteString(value)}`;
    })
    .join(", ");
}

/** trimStatement removes white space and a semicolon at the end. */
export function trimStatement(sql: string): string {
  return sql.replace(/[\s;]+$/, "");
}

/** quoteIdentifier quotes a table or column name; "a.b" is two of them. */
export function quoteIdentifier(name: string): string {
  return name
    .split(".")
    .map((part) => `\`${part.replace(/[\\`]/g, (char) => `\\${char}`)}\``)
    .join(".");
}

/** quoteString writes a string literal. */
export function quoteString(text: string): string {
  return `'${escape(text, true)}'`;
}

/** parameterText writes a value as ClickHouse reads parameters: tab-separated escaping, arrays in brackets. */
export function parameterText(value: SqlParameters[string]): string {
  if (typeof value === "string") return escape(value, false);
  if (typeof value === "number") return numberText(value);
  if (typeof value === "bigint") return value.toString();
  const items: readonly (string | number | bigint)[] = value;
  return `[${items.map((item) => (typeof item === "string" ? quoteString(item) : typeof item === "number" ? numberText(item) : item.toString())).join(",")}]`;
}

/** setParameters is the statement that binds parameters on one connection for the statement after it, or "". */
export function setParameters(params: SqlParameters | undefined): string {
  if (!params) return "";
  const parts = Object.entries(params).map(([name, value]) => {
    if (!IDENTIFIER.test(name)) throw bug(`not a parameter name: ${JSON.stringify(name)}`);
    return `param_${name} = ${quoteString(parameterText(value))}`;
  });
  return parts.length === 0 ? "" : `SET ${parts.join(", ")}`;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return Object.is(value, -0) ? "-0" : String(value);
}

function escape(text: string, quotes: boolean): string {
  return text.replace(quotes ? /[\\'\0\b\f\n\r\t]/g : /[\\\0\b\f\n\r\t]/g, (char) => ESCAPES[char]);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "'": "\\'",
  "\0": "\\0",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};
