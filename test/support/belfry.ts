// Starts the real command line for black-box tests, on a free loopback port with a data directory of its own.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const main = join(root, "packages", "server", "src", "cli", "main.ts");

/** StartOptions of one server under test. */
export interface StartOptions {
  /** config is the text of prometheus.yml or belfry.yml; undefined runs the built-in defaults. */
  config?: string;
  /** configName is the file's name in the folder; default prometheus.yml. */
  configName?: string;
  flags?: readonly string[];
  /** folder is a folder to reuse after a restart; a new one is made by default. */
  folder?: string;
  port?: number;
  env?: NodeJS.ProcessEnv;
}

/** BelfryProcess is a running server under test. */
export interface BelfryProcess {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  readonly child: ChildProcess;
  /** log is everything written so far. */
  log(): string;
  /** stop ends it gracefully and returns the exit code. */
  stop(): Promise<number | null>;
  /** kill ends it with SIGKILL, keeping the folder. */
  kill(): Promise<void>;
  /** remove stops it if need be and deletes its folder. */
  remove(): Promise<void>;
}

/** freePort finds a loopback port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** startBelfry starts a server and resolves when it is ready. */
export async function startBelfry(options: StartOptions = {}): Promise<BelfryProcess> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "belfry-blackbox-"));
  const port = options.port ?? (await freePort());
  const args = [
    "serve",
    `--storage.path=${join(folder, "data")}`,
    `--web.listen-address=127.0.0.1:${port}`,
    "--web.compat-listeners=none",
    ...(options.flags ?? []),
  ];
  if (options.config !== undefined) {
    const file = join(folder, options.configName ?? "prometheus.yml");
    writeFileSync(file, options.config);
    args.push(`--config.file=${file}`);
  }
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  let running = true;
  void exited.then(() => (running = false));
  const url = `http://127.0.0.1:${port}`;

  const deadline = Date.now() + 60_000;
  for (;;) {
    if (!running) throw new Error(`belfry ended while starting:\n${output}`);
    if (Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`belfry was not ready after 60 s:\n${output}`);
    }
    try {
      const response = await fetch(`${url}/-/ready`);
      await response.arrayBuffer();
      if (response.ok) break;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  const stop = async (): Promise<number | null> => {
    if (running) child.kill("SIGTERM");
    return exited;
  };
  const kill = async (): Promise<void> => {
    if (running) child.kill("SIGKILL");
    await exited;
  };
  return {
    url,
    port,
    folder,
    child,
    log: () => output,
    stop,
    kill,
    async remove() {
      if (running) child.kill("SIGKILL");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** runBelfry runs a command to its end. */
export function runBelfry(
  args: readonly string[],
  options: { input?: string | Uint8Array; cwd?: string } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { cwd: options.cwd, stdio: ["pipe", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.once("close", (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(options.input ?? "");
  });
}

/** waitFor polls until `check` returns something, and fails with its last error after `timeoutMs`. */
export async function waitFor<T>(
  check: () => Promise<T | undefined>,
  timeoutMs = 30_000,
  what = "condition",
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`${what} did not come true in ${timeoutMs} ms`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** VectorResult is one sample of an instant query as the API gives it. */
export interface VectorResult {
  metric: Record<string, string>;
  value: [number, string];
}

/** instant runs an instant query and returns its vector. */
export async function instant(url: string, query: string, time?: number): Promise<VectorResult[]> {
  const parameters = new URLSearchParams({ query, ...(time === undefined ? {} : { time: String(time) }) });
  const response = await fetch(`${url}/api/v1/query?${parameters.toString()}`);
  const envelope = (await response.json()) as { status: string; error?: string; data: { result: VectorResult[] } };
  if (envelope.status !== "success") throw new Error(`query ${query}: ${envelope.error}`);
  return envelope.data.result;
}
