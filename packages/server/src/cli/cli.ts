// The command line: finds the command, parses its flags, and turns what goes wrong into a text and an exit
// code (0 fine, 1 failed, 2 wrong usage). Commands are loaded when they are used, so `belfry version` is instant.
import { flagsHelp, parseFlags, UsageError, type FlagDefinition, type Flags } from "./flags.ts";
import { AppError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";

/** Output is where a command writes; tests collect it. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** Command is one entry of the command tree. */
interface Command {
  path: readonly string[];
  usage: string;
  summary: string;
  flags: readonly FlagDefinition[] | (() => Promise<readonly FlagDefinition[]>);
  run(flags: Flags, output: Output): Promise<number>;
}

const HELP: FlagDefinition = { name: "help", short: "h", kind: "boolean", help: "Show this help.", hidden: true };

const QUERY_FLAGS: readonly FlagDefinition[] = [
  HELP,
  { name: "format", short: "o", kind: "string", fallback: "promql", help: "Output format: promql or json." },
  { name: "json", kind: "boolean", fallback: "false", help: "Same as --format=json." },
  {
    name: "server",
    kind: "string",
    fallback: "http://127.0.0.1:3000",
    help: "Server to ask, unless the first argument is a URL.",
  },
  { name: "header", kind: "list", help: "Extra HTTP header as name=value. Repeatable." },
];
const RANGE_FLAGS: readonly FlagDefinition[] = [
  { name: "start", kind: "string", help: "Start of the range, RFC 3339 or Unix seconds." },
  { name: "end", kind: "string", help: "End of the range, RFC 3339 or Unix seconds." },
];

const COMMANDS: readonly Command[] = [
  {
    path: ["serve"],
    usage: "belfry serve [flags]",
    summary: "Run the server.",
    flags: async () => (await import("./serve-flags.ts")).SERVE_FLAGS,
    run: async (flags, output) => (await import("./serve.ts")).serve(flags, output),
  },
  {
    path: ["check", "config"],
    usage: "belfry check config [flags] FILE...",
    summary: "Check configuration files.",
    flags: [
      HELP,
      {
        name: "syntax-only",
        kind: "boolean",
        fallback: "false",
        help: "Do not look at the files that the configuration names.",
      },
      { name: "json", kind: "boolean", fallback: "false", help: "Print JSON." },
    ],
    run: async (flags, output) => (await import("./check.ts")).checkConfigCommand(flags, output),
  },
  {
    path: ["check", "metrics"],
    usage: "belfry check metrics [flags] < METRICS",
    summary: "Check an exposition read from standard input for validity and good style.",
    flags: [
      HELP,
      { name: "extended", kind: "boolean", fallback: "false", help: "Print cardinality by metric." },
      { name: "openmetrics", kind: "boolean", fallback: "false", help: "Expect OpenMetrics, strictly." },
      { name: "lint", kind: "string", fallback: "all", help: "Which problems to report: all or none." },
    ],
    run: async (flags, output) => (await import("./check.ts")).checkMetricsCommand(flags, output),
  },
  {
    path: ["check", "service-discovery"],
    usage: "belfry check service-discovery [flags] FILE JOB",
    summary: "Discover the targets of one job and print them before and after relabelling.",
    flags: [HELP, { name: "timeout", kind: "duration", fallback: "30s", help: "How long to discover." }],
    run: async (flags, output) => (await import("./check.ts")).checkServiceDiscoveryCommand(flags, output),
  },
  {
    path: ["query", "instant"],
    usage: "belfry query instant [flags] [SERVER] EXPR",
    summary: "Run an instant query.",
    flags: [...QUERY_FLAGS, { name: "time", kind: "string", help: "Evaluation time, RFC 3339 or Unix seconds." }],
    run: async (flags, output) => (await import("./query.ts")).queryInstant(flags, output),
  },
  {
    path: ["query", "range"],
    usage: "belfry query range [flags] [SERVER] EXPR",
    summary: "Run a range query.",
    flags: [
      ...QUERY_FLAGS,
      ...RANGE_FLAGS,
      { name: "step", kind: "duration", help: "Step between points. Default: the range in 250 steps." },
    ],
    run: async (flags, output) => (await import("./query.ts")).queryRange(flags, output),
  },
  {
    path: ["query", "series"],
    usage: "belfry query series [flags] --match=SELECTOR... [SERVER]",
    summary: "List series.",
    flags: [...QUERY_FLAGS, ...RANGE_FLAGS, { name: "match", kind: "list", help: "Series selector. Repeatable." }],
    run: async (flags, output) => (await import("./query.ts")).querySeries(flags, output),
  },
  {
    path: ["query", "labels"],
    usage: "belfry query labels [flags] [SERVER] NAME",
    summary: "List the values of a label.",
    flags: [...QUERY_FLAGS, ...RANGE_FLAGS, { name: "match", kind: "list", help: "Series selector. Repeatable." }],
    run: async (flags, output) => (await import("./query.ts")).queryLabels(flags, output),
  },
  {
    path: ["rollback"],
    usage: "belfry rollback [flags]",
    summary: "Return the data directory to the snapshot taken before the last upgrade.",
    flags: [HELP, { name: "storage.path", kind: "string", fallback: "data", help: "Data directory." }],
    run: async (flags, output) => (await import("./rollback.ts")).rollbackCommand(flags, output),
  },
  {
    path: ["version"],
    usage: "belfry version",
    summary: "Print the version.",
    flags: [HELP],
    run: async (_flags, output) => {
      output.out(
        `belfry, version ${VERSION}\n  node version:  ${process.version}\n  platform:      ${process.platform}/${process.arch}\n`,
      );
      return 0;
    },
  },
];

const PROCESS_OUTPUT: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

/** runCli runs one command line and returns the exit code. */
export async function runCli(args: readonly string[], output: Output = PROCESS_OUTPUT): Promise<number> {
  if (args[0] === "--version") return runCli(["version"], output);
  if (args.length === 0 || args[0] === "help" || args[0] === "--help" || args[0] === "-h") {
    output.out(overview());
    return args.length === 0 ? 2 : 0;
  }
  // A first word that is a flag means "serve", so that a Prometheus command line works behind the new name.
  const words = args[0]!.startsWith("-") ? ["serve", ...args] : args;
  const command = COMMANDS.find(({ path }) => path.every((word, i) => words[i] === word));
  if (!command) {
    const group = COMMANDS.filter(({ path }) => path.length > 1 && path[0] === words[0]);
    if (group.length > 0) {
      const wantsHelp = words[1] === "--help" || words[1] === "-h";
      const lines = group.map(({ usage, summary }) => `  ${usage}\n      ${summary}\n`);
      const text = `usage: belfry ${words[0]} <command>\n\n${lines.join("")}`;
      if (wantsHelp) output.out(text);
      else output.err(words[1] === undefined ? text : `belfry: error: expected command but got "${words[1]}"\n${text}`);
      return wantsHelp ? 0 : 2;
    }
    output.err(`belfry: error: expected command but got "${words[0]}", try --help\n`);
    return 2;
  }
  try {
    const definitions = typeof command.flags === "function" ? await command.flags() : command.flags;
    const flags = parseFlags(definitions, words.slice(command.path.length));
    if (flags.boolean("help")) {
      output.out(`usage: ${command.usage}\n\n${command.summary}\n\nFlags:\n${flagsHelp(definitions)}\n`);
      return 0;
    }
    return await command.run(flags, output);
  } catch (error) {
    if (error instanceof UsageError) {
      output.err(`belfry: error: ${error.message}, try --help\n`);
      return 2;
    }
    if (error instanceof AppError) {
      output.err(`belfry: error: ${error.message}\n`);
      return 1;
    }
    output.err(`belfry: error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  }
}

function overview(): string {
  const lines = COMMANDS.map(({ usage, summary }) => `  ${usage.replace("belfry ", "").padEnd(58)}${summary}`);
  return `Belfry: the whole monitoring stack in one process.\n\nusage: belfry <command> [flags]\n\nCommands:\n${lines.join("\n")}\n\nRun "belfry <command> --help" for the flags of a command.\n`;
}
