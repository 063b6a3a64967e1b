// Command line flags in the manner of Prometheus and promtool: `--name=value` or `--name value`, dots in
// names, `--no-name` for booleans, repeatable flags, commands before or between flags.
import { parseDuration, parseSize } from "@belfry/core/format";

/** FlagKind says how a flag's value is read. */
export type FlagKind = "string" | "boolean" | "duration" | "size" | "integer" | "list";

/** FlagDefinition is one row of a command's table of flags. */
export interface FlagDefinition {
  name: string;
  kind: FlagKind;
  /** fallback is the value as it would be typed; undefined leaves the flag unset. */
  fallback?: string;
  help: string;
  short?: string;
  /** ignored flags are accepted because scripts for Prometheus pass them; the text says what happens instead. */
  ignored?: string;
  hidden?: boolean;
}

/** UsageError is a mistake on the command line; the process ends with code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** Flags gives the values of one command line. */
export class Flags {
  private readonly values: ReadonlyMap<string, readonly string[]>;
  private readonly definitions: ReadonlyMap<string, FlagDefinition>;
  /** positional are the arguments that are not flags. */
  readonly positional: readonly string[];
  /** given are the names that were really typed. */
  readonly given: ReadonlySet<string>;

  constructor(
    definitions: ReadonlyMap<string, FlagDefinition>,
    values: ReadonlyMap<string, readonly string[]>,
    positional: readonly string[],
  ) {
    this.definitions = definitions;
    this.values = values;
    this.positional = positional;
    this.given = new Set(values.keys());
  }

  string(name: string): string {
    return this.last(name) ?? "";
  }

  optional(name: string): string | undefined {
    return this.last(name);
  }

  /** list splits comma separated values of a repeatable flag. */
  list(name: string): string[] {
    const fallback = this.definitions.get(name)?.fallback;
    const all = this.values.get(name) ?? (fallback === undefined ? [] : [fallback]);
    return all.flatMap((value) => value.split(",")).filter((value) => value !== "");
  }

  boolean(name: string): boolean {
    return this.last(name) === "true";
  }

  integer(name: string): number {
    const text = this.string(name);
    if (!/^-?\d+$/.test(text)) throw new UsageError(`--${name}: expected a whole number, got ${JSON.stringify(text)}`);
    return Number(text);
  }

  /** durationMs reads a Prometheus duration, in milliseconds; undefined where the flag is unset. */
  durationMs(name: string): number | undefined {
    const text = this.last(name);
    if (text === undefined || text === "") return undefined;
    try {
      return parseDuration(text);
    } catch {
      throw new UsageError(`--${name}: expected a duration like 15s or 2h, got ${JSON.stringify(text)}`);
    }
  }

  /** sizeBytes reads a size like 512MB; undefined where the flag is unset. */
  sizeBytes(name: string): number | undefined {
    const text = this.last(name);
    if (text === undefined || text === "" || text === "0") return undefined;
    try {
      return parseSize(text);
    } catch {
      throw new UsageError(`--${name}: expected a size like 512MB or 4GB, got ${JSON.stringify(text)}`);
    }
  }

  /** record lists every flag with the value in force, for /api/v1/status/flags. */
  record(): Record<string, string> {
    const out: Record<string, string> = {};
    for (const definition of this.definitions.values()) {
      if (definition.hidden) continue;
      out[definition.name] = (this.values.get(definition.name) ?? [definition.fallback ?? ""]).join(",");
    }
    return out;
  }

  private last(name: string): string | undefined {
    if (!this.definitions.has(name)) throw new Error(`BUG: flag --${name} is not defined`);
    return this.values.get(name)?.at(-1) ?? this.definitions.get(name)!.fallback;
  }
}

/** parseFlags reads `args`. Throws UsageError in kingpin's words. */
export function parseFlags(definitions: readonly FlagDefinition[], args: readonly string[]): Flags {
  const byName = new Map(definitions.map((definition) => [definition.name, definition]));
  const byShort = new Map(definitions.flatMap((d) => (d.short === undefined ? [] : [[d.short, d] as const])));
  const values = new Map<string, string[]>();
  const positional: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") {
      positional.push(...args.slice(i + 1));
      break;
    }
    let definition: FlagDefinition | undefined;
    let value: string | undefined;
    if (arg.startsWith("--")) {
      const equals = arg.indexOf("=");
      const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
      if (equals >= 0) value = arg.slice(equals + 1);
      definition = byName.get(name);
      if (!definition && name.startsWith("no-") && value === undefined) {
        definition = byName.get(name.slice(3));
        if (definition?.kind === "boolean") value = "false";
        else definition = undefined;
      }
      if (!definition) throw new UsageError(`unknown long flag '--${name}'`);
    } else if (arg.startsWith("-") && arg.length > 1 && !/^-[\d.]/.test(arg)) {
      definition = byShort.get(arg[1]!);
      if (!definition) throw new UsageError(`unknown short flag '${arg.slice(0, 2)}'`);
      if (arg.length > 2) value = arg.slice(2);
    } else {
      positional.push(arg);
      continue;
    }
    if (value === undefined) {
      if (definition.kind === "boolean") value = "true";
      else {
        value = args[++i];
        if (value === undefined) throw new UsageError(`expected argument for flag '--${definition.name}'`);
      }
    }
    if (definition.kind === "boolean" && value !== "true" && value !== "false") {
      throw new UsageError(`--${definition.name}: expected true or false, got ${JSON.stringify(value)}`);
    }
    const list = values.get(definition.name);
    if (list) list.push(value);
    else values.set(definition.name, [value]);
  }
  return new Flags(byName, values, positional);
}

/** flagsHelp prints a table of flags for `--help`. */
export function flagsHelp(definitions: readonly FlagDefinition[]): string {
  const shown = definitions.filter((definition) => !definition.hidden && definition.ignored === undefined);
  const rows = shown.map((definition) => {
    const short = definition.short === undefined ? "    " : `-${definition.short}, `;
    const value = definition.kind === "boolean" ? "" : `=${placeholder(definition)}`;
    return { left: `  ${short}--${definition.name}${value}`, right: definition.help };
  });
  const lines = rows.map(({ left, right }) =>
    left.length > 44 ? `${left}\n${" ".repeat(46)}${right}` : `${left.padEnd(46)}${right}`,
  );
  return lines.join("\n");
}

function placeholder(definition: FlagDefinition): string {
  if (definition.fallback !== undefined && definition.fallback !== "") return JSON.stringify(definition.fallback);
  return definition.kind === "string" || definition.kind === "list" ? "VALUE" : definition.kind.toUpperCase();
}
