// `belfry serve`: from flags to a running server, signals, and an orderly end.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { compileAnchored } from "@belfry/core/model";
import { startBelfry, type Belfry, type BelfryOptions } from "../app/belfry.ts";
import { unknownFeatures } from "../app/features.ts";
import { isLoopback, parseListenAddress, type HostPort } from "../app/listeners.ts";
import { loadRuntimeConfig } from "../app/runtime-config.ts";
import { ConfigError } from "../lib/yaml-decode.ts";
import { systemClock } from "../lib/clock.ts";
import { createLogger, type LogLevel } from "../lib/log.ts";
import { VERSION } from "../lib/version.ts";
import { type Flags, UsageError } from "./flags.ts";
import type { Output } from "./cli.ts";
import { SERVE_FLAGS } from "./serve-flags.ts";

const DEFAULT_CONFIG_FILE = "belfry.yml";
const DEFAULT_STORAGE_PATH = "data";

// The conventional ports of the tools whose APIs are answered today.
const CONVENTIONAL: Readonly<Record<string, HostPort>> = { prometheus: { host: "127.0.0.1", port: 9090 } };

/** serve runs until it is asked to stop and returns the exit code. */
export async function serve(flags: Flags, output: Output): Promise<number> {
  const level = flags.string("log.level") as LogLevel;
  if (!["debug", "info", "warn", "error"].includes(level)) {
    throw new UsageError(`--log.level: expected debug, info, warn or error, got ${JSON.stringify(level)}`);
  }
  const format = flags.string("log.format");
  if (format !== "logfmt" && format !== "json") {
    throw new UsageError(`--log.format: expected logfmt or json, got ${JSON.stringify(format)}`);
  }
  const log = createLogger(level, format);
  for (const definition of SERVE_FLAGS) {
    if (definition.ignored !== undefined && flags.given.has(definition.name)) {
      log.warn(`--${definition.name} has no effect: ${definition.ignored}`);
    }
  }
  let finish: (code: number) => void = () => {};
  const finished = new Promise<number>((resolve) => (finish = resolve));
  const options = serveOptions(flags, log, () => finish(0));
  let belfry: Belfry;
  try {
    belfry = await startBelfry(options);
  } catch (error) {
    // The message says what and where; a stack would only hide it.
    output.err(`belfry: error: ${textOf(error)}\n`);
    if (error instanceof Error && error.message.startsWith("BUG:")) output.err(`${error.stack}\n`);
    return 1;
  }
  const onHangup = (): void => {
    belfry.reload().catch((error: unknown) => log.error("Error reloading config", { err: textOf(error) }));
  };
  const onStop = (): void => finish(0);
  process.on("SIGHUP", onHangup);
  process.once("SIGTERM", onStop);
  process.once("SIGINT", onStop);

  const url = `http://${options.listen[0]!.host || "localhost"}:${belfry.ports[0]}`;
  output.out(`Belfry ${VERSION} is ready on ${url}\n`);
  if (flags.boolean("web.open-browser")) openBrowser(url);

  const code = await finished;
  log.info("Stopping ...");
  process.off("SIGHUP", onHangup);
  try {
    await belfry.close();
  } catch (error) {
    log.error("Error while stopping", { err: error });
    return 1;
  }
  log.info("See you next time!");
  return code;
}

function textOf(error: unknown): string {
  if (error instanceof ConfigError && error.where !== "") return `${error.message} (${error.where})`;
  return error instanceof Error ? error.message : String(error);
}

function serveOptions(flags: Flags, log: BelfryOptions["log"], onQuit: () => void): BelfryOptions {
  const listen = flags.list("web.listen-address").map(parseListenAddress);
  if (!flags.boolean("web.insecure-listen")) {
    const open = listen.find((address) => !isLoopback(address.host));
    if (open) {
      throw new UsageError(
        `--web.listen-address: ${open.host || "all addresses"} can be reached from other machines and there is no authentication yet; listen on 127.0.0.1 behind a proxy, or add --web.insecure-listen`,
      );
    }
  }
  const features = flags.list("enable-feature");
  for (const name of unknownFeatures(features)) log.warn(`Unknown option '${name}' for --enable-feature`);
  const explicitConfig = flags.optional("config.file");
  const configFile = explicitConfig ?? (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : undefined);
  const cors = flags.optional("web.cors.origin");
  const storageUrl = flags.optional("storage.url");
  return {
    storagePath: flags.optional("storage.path") ?? flags.optional("storage.tsdb.path") ?? DEFAULT_STORAGE_PATH,
    storageUrl,
    listen,
    compatListeners: compatListeners(flags.string("web.compat-listeners"), listen),
    externalUrl: flags.optional("web.external-url"),
    builtinTargets: builtinTargets(flags.list("builtin-targets")),
    lifecycleEnabled: flags.boolean("web.enable-lifecycle"),
    adminEnabled: flags.boolean("web.enable-admin-api"),
    remoteWriteEnabled: flags.boolean("web.enable-remote-write-receiver"),
    corsOrigin: cors === undefined ? undefined : compileAnchored(cors),
    memoryBudgetBytes: flags.sizeBytes("budget.memory"),
    diskBudgetBytes: flags.sizeBytes("budget.disk") ?? flags.sizeBytes("storage.tsdb.retention.size"),
    retentionMs: flags.durationMs("storage.tsdb.retention.time"),
    query: {
      lookbackDeltaMs: flags.durationMs("query.lookback-delta")!,
      timeoutMs: flags.durationMs("query.timeout")!,
      maxConcurrency: flags.integer("query.max-concurrency"),
      maxSamples: flags.integer("query.max-samples"),
    },
    features: new Set(features),
    flags: shownFlags(flags, configFile),
    loadConfig: () => loadRuntimeConfig(configFile),
    onQuit,
    clock: systemClock,
    log,
  };
}

// A password in a URL is nobody's business.
function shownFlags(flags: Flags, configFile: string | undefined): Record<string, string> {
  const record = flags.record();
  record["config.file"] = configFile ?? "";
  const url = record["storage.url"];
  if (url) record["storage.url"] = url.replace(/\/\/[^@/]*@/, "//<secret>@");
  return record;
}

function builtinTargets(names: readonly string[]): BelfryOptions["builtinTargets"] {
  if (names.length === 1 && names[0] === "auto") return "auto";
  for (const name of names) {
    if (!["host", "self", "none"].includes(name)) {
      throw new UsageError(`--builtin-targets: expected auto, none, host or self, got ${JSON.stringify(name)}`);
    }
  }
  return { host: names.includes("host"), self: names.includes("self") };
}

function compatListeners(text: string, main: readonly HostPort[]): { what: string; address: HostPort }[] {
  if (text === "none" || text === "") return [];
  const entries = text === "default" ? Object.keys(CONVENTIONAL) : text.split(",");
  return entries
    .map((entry) => {
      const [what, address] = entry.split("=", 2) as [string, string | undefined];
      const known = CONVENTIONAL[what];
      if (!known) {
        throw new UsageError(
          `--web.compat-listeners: expected default, none or a list of ${Object.keys(CONVENTIONAL).join(", ")}, got ${JSON.stringify(entry)}`,
        );
      }
      return { what, address: address === undefined ? known : parseListenAddress(address) };
    })
    .filter(({ address }) => !main.some((other) => other.port === address.port && other.host === address.host));
}

function openBrowser(url: string): void {
  if (process.platform === "linux" && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY) return;
  const command = process.platform === "darwin" ? "open" : "xdg-open";
  const child = spawn(command, [url], { stdio: "ignore", detached: true });
  child.on("error", () => {
    // No browser to open: the address has been printed.
  });
  child.unref();
}
