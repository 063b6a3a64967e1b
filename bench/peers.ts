// Starts Belfry and the peers it is measured against, each on a free loopback port with a folder of its own,
// and reads what they cost from /proc.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../test/support/belfry.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** PeerName is a server that can be measured. */
export type PeerName = "belfry" | "prometheus" | "victoriametrics";

/** Peer is one running server. */
export interface Peer {
  readonly name: PeerName;
  readonly url: string;
  readonly writeUrl: string;
  readonly folder: string;
  readonly pid: number;
  /** startMs is how long it took until it answered a query. */
  readonly startMs: number;
  stop(): Promise<void>;
  remove(): Promise<void>;
}

const BINARIES: Record<PeerName, string> = {
  belfry: process.execPath,
  prometheus: "/usr/bin/prometheus",
  victoriametrics: "/usr/bin/victoria-metrics",
};

/** isInstalled tells whether a peer can be started here. */
export function isInstalled(name: PeerName): boolean {
  return existsSync(BINARIES[name]);
}

/** startPeer starts a server with an optional scrape configuration, in `folder` if given. */
export async function startPeer(name: PeerName, options: { config?: string; folder?: string } = {}): Promise<Peer> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), `belfry-bench-${name}-`));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = join(folder, "prometheus.yml");
  writeFileSync(config, options.config ?? "global: {scrape_interval: 15s}\n");
  const args: Record<PeerName, string[]> = {
    belfry: [
      join(root, "packages", "server", "src", "cli", "main.ts"),
      "serve",
      `--config.file=${config}`,
      `--storage.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--web.compat-listeners=none",
      "--builtin-targets=none",
      "--log.level=warn",
    ],
    prometheus: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--web.enable-remote-write-receiver",
      "--log.level=error",
    ],
    victoriametrics: [
      `-promscrape.config=${config}`,
      `-storageDataPath=${join(folder, "data")}`,
      `-httpListenAddr=127.0.0.1:${port}`,
      "-retentionPeriod=10y",
      "-search.disableCache",
      "-loggerLevel=ERROR",
    ],
  };
  const started = performance.now();
  const child = spawn(BINARIES[name], args[name], { stdio: ["ignore", "ignore", "inherit"] });
  await untilAnswering(child, url);
  const startMs = performance.now() - started;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) child.kill("SIGTERM");
    await exited;
  };
  return {
    name,
    url,
    writeUrl: `${url}/api/v1/write`,
    folder,
    pid: child.pid!,
    startMs,
    stop,
    async remove() {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function untilAnswering(child: ChildProcess, url: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the server at ${url} ended with code ${child.exitCode}`);
    try {
      const response = await fetch(`${url}/api/v1/query?query=1`);
      const envelope = (await response.json()) as { status?: string };
      if (envelope.status === "success") return;
    } catch {
      // Not answering yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`the server at ${url} did not answer within a minute`);
}

// Linux counts CPU time in hundredths of a second.
const TICKS_PER_SECOND = 100;

/** cpuSeconds is the CPU time a process has used, its children's included. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** rssBytes is the resident memory of a process. */
export function rssBytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? 0) * 1024;
}

/** median of a list of figures. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** timeQuery runs one range query and returns the milliseconds to the last byte and the number of points. */
export async function timeQuery(
  peer: Peer,
  query: string,
  startMs: number,
  endMs: number,
  stepMs: number,
): Promise<{ ms: number; points: number }> {
  const parameters = new URLSearchParams({
    query,
    start: String(startMs / 1000),
    end: String(endMs / 1000),
    step: String(stepMs / 1000),
  });
  if (peer.name === "victoriametrics") parameters.set("nocache", "1");
  const started = performance.now();
  const response = await fetch(`${peer.url}/api/v1/query_range?${parameters.toString()}`);
  const body = await response.text();
  const ms = performance.now() - started;
  const envelope = JSON.parse(body) as { status: string; error?: string; data: { result: { values: unknown[] }[] } };
  if (envelope.status !== "success") throw new Error(`${peer.name}: ${envelope.error}`);
  return { ms, points: envelope.data.result.reduce((sum, series) => sum + series.values.length, 0) };
}
