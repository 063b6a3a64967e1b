// The metrics benchmarks against Prometheus and VictoriaMetrics: same data, same run, taking turns.
import { createServer, type Server } from "node:http";
import { folderBytes } from "../packages/server/src/lib/disk.ts";
import { encodeSnappy } from "../packages/server/src/lib/snappy.ts";
import { encodeWriteRequestV1, type WriteSeries } from "../test/support/remote-write-encoder.ts";
import { cpuSeconds, isInstalled, median, type Peer, type PeerName, rssBytes, startPeer, timeQuery } from "./peers.ts";

/** BenchRow is one line of the table. */
export interface BenchRow {
  work: string;
  belfry: number | undefined;
  prometheus: number | undefined;
  victoriametrics: number | undefined;
  /** must is the budget in words; holds says whether it was kept, undefined where there is none. */
  must: string;
  holds: boolean | undefined;
  format(value: number): string;
}

/** BenchOptions: quick makes everything ten times smaller, for trying the benchmark itself. */
export interface BenchOptions {
  quick: boolean;
  progress(text: string): void;
}

const NAMES: readonly PeerName[] = ["belfry", "prometheus", "victoriametrics"];
const STEP_MS = 15_000;
const SAMPLES_PER_SERIES = 240;
const PATHS = 20;
const SERIES_PER_REQUEST = 500;

const milliseconds = (value: number): string => `${value.toFixed(1)} ms`;
const microseconds = (value: number): string => `${value.toFixed(2)} µs`;
const bytesPer = (value: number): string => `${value.toFixed(2)} B`;

type Figures = Partial<Record<PeerName, number>>;

/** benchMetrics runs everything; it takes about ten minutes. */
export async function benchMetrics(options: BenchOptions): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  // Each row is shown as soon as it is there: the whole takes ten minutes.
  const add = (...made: BenchRow[]): void => {
    for (const row of made) {
      rows.push(row);
      const parts = NAMES.map((name) => `${name} ${row[name] === undefined ? "-" : row.format(row[name])}`);
      options.progress(`${row.work}: ${parts.join(", ")}`);
    }
  };
  const names = NAMES.filter(isInstalled);
  const scale = options.quick ? 0.1 : 1;
  const series = Math.round(10_000 * scale);
  const rounds = options.quick ? 3 : 15;

  options.progress("loading one recent hour");
  const endMs = Math.floor(Date.now() / STEP_MS) * STEP_MS;
  const startMs = endMs - SAMPLES_PER_SERIES * STEP_MS;
  const peers = await Promise.all(names.map((name) => startPeer(name)));
  const writeCpu: Figures = {};
  try {
    for (const peer of peers) {
      const before = cpuSeconds(peer.pid);
      await load(peer, series, startMs);
      await settle(peer);
      writeCpu[peer.name] = ((cpuSeconds(peer.pid) - before) * 1e6) / (series * SAMPLES_PER_SERIES);
    }
    const aggregate = await race(peers, rounds, (peer) =>
      timeQuery(peer, "sum by (path) (rate(http_requests_total[5m]))", startMs + 300_000, endMs, 15_000),
    );
    add({
      work: "range query, 10 k series, last hour, `sum by (rate)`",
      ...figures(aggregate),
      must: "≤ 0.2x Prometheus, ≤ 1x VictoriaMetrics",
      holds: holds(aggregate, 0.2, 1),
      format: milliseconds,
    });
    const single = await race(peers, rounds * 4, (peer) =>
      timeQuery(peer, 'http_requests_total{path="/p7",series="7"}', startMs, endMs, 15_000),
    );
    add({
      work: "one series, one hour, over HTTP",
      ...figures(single),
      must: "≤ 1x Prometheus",
      holds: holds(single, 1),
      format: milliseconds,
    });
    add({
      work: "remote write, CPU per sample",
      ...figures(writeCpu),
      must: "",
      holds: undefined,
      format: microseconds,
    });
  } finally {
    await Promise.all(peers.map((peer) => peer.remove()));
  }

  add(...(await benchOldHour(names, series, rounds, options)));
  add(await benchScrape(names, series, options));
  add(...(await benchStart(names, options)));
  add(...(await benchMemory(names, options)));
  return rows;
}

async function benchOldHour(
  names: readonly PeerName[],
  series: number,
  rounds: number,
  options: BenchOptions,
): Promise<BenchRow[]> {
  options.progress("loading an old hour");
  const rows: BenchRow[] = [];
  const endMs = Math.floor((Date.now() - 7 * 3_600_000) / STEP_MS) * STEP_MS;
  const startMs = endMs - SAMPLES_PER_SERIES * STEP_MS;
  const peers = await Promise.all(names.map((name) => startPeer(name)));
  const disk: Figures = {};
  try {
    for (const peer of peers) {
      await load(peer, series, startMs);
      // A sample of now makes the old hour old; Belfry's head then lets go of it at its next maintenance.
      await write(
        peer,
        encodeSnappy(
          encodeWriteRequestV1([{ labels: { __name__: "bench_now" }, samples: [{ timeMs: Date.now(), value: 1 }] }]),
        ),
      );
    }
    await sleep(40_000);
    for (const peer of peers) await settle(peer);
    const aggregate = await race(peers, rounds, (peer) =>
      timeQuery(peer, "sum by (path) (rate(http_requests_total[5m]))", startMs + 300_000, endMs, 15_000),
    );
    await mustReadDatabase(peers);
    const single = await race(peers, rounds * 2, (peer) =>
      timeQuery(peer, 'http_requests_total{path="/p7",series="7"}', startMs, endMs, 15_000),
    );
    rows.push({
      work: "one series, one hour, beyond the head",
      ...figures(single),
      must: "≤ 1x Prometheus",
      holds: holds(single, 1),
      format: milliseconds,
    });
    rows.push({
      work: "range query, 10 k series, one hour beyond the head",
      ...figures(aggregate),
      must: "≤ 1x Prometheus",
      holds: holds(aggregate, 1),
      format: milliseconds,
    });
    for (const peer of peers) {
      await peer.stop();
      disk[peer.name] = folderBytes(peer.folder) / (series * SAMPLES_PER_SERIES);
    }
    rows.push({
      work: "bytes on disk per sample, one hour loaded at once",
      ...figures(disk),
      must: "≤ 1.5 B",
      holds: disk.belfry === undefined ? undefined : disk.belfry <= 1.5,
      format: bytesPer,
    });
  } finally {
    await Promise.all(peers.map((peer) => peer.remove()));
  }
  return rows;
}

// What is meant to come from the database must have.
async function mustReadDatabase(peers: readonly Peer[]): Promise<void> {
  const belfry = peers.find((peer) => peer.name === "belfry");
  if (!belfry) return;
  const text = await (await fetch(`${belfry.url}/metrics`)).text();
  const reads = Number(/^belfry_store_database_reads_total (\d+)/m.exec(text)?.[1]);
  if (!(reads > 0)) throw new Error("Belfry answered from its head what should have been in the database only");
}

async function benchScrape(names: readonly PeerName[], series: number, options: BenchOptions): Promise<BenchRow> {
  const seconds = options.quick ? 10 : 30;
  const cpu: Figures = {};
  const target = await serveTarget(series);
  const config = `global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n  - job_name: bench\n    static_configs: [{targets: ["127.0.0.1:${target.port}"]}]\n`;
  try {
    for (const name of names) {
      options.progress(`scraping with ${name}`);
      const peer = await startPeer(name, { config });
      try {
        // The first scrapes make the series, and a compiler at run time works hardest in the first half minute.
        await sleep(options.quick ? 5000 : 30_000);
        const cpuBefore = cpuSeconds(peer.pid);
        const before = target.scrapes();
        await sleep(seconds * 1000);
        const samples = (target.scrapes() - before) * series;
        cpu[name] = ((cpuSeconds(peer.pid) - cpuBefore) * 1e6) / samples;
      } finally {
        await peer.remove();
      }
    }
  } finally {
    target.close();
  }
  return {
    work: "scrape ingest, CPU per sample",
    ...figures(cpu),
    must: "≤ 1.5x Prometheus",
    holds: holds(cpu, 1.5),
    format: microseconds,
  };
}

async function benchStart(names: readonly PeerName[], options: BenchOptions): Promise<BenchRow[]> {
  options.progress("starting");
  const empty: Figures = {};
  const filled: Figures = {};
  for (const name of names) {
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const peer = await startPeer(name);
      times.push(peer.startMs);
      await peer.remove();
    }
    empty[name] = median(times);
    const peer = await startPeer(name);
    const series = options.quick ? 400 : 4170;
    await load(peer, series, Math.floor(Date.now() / STEP_MS) * STEP_MS - SAMPLES_PER_SERIES * STEP_MS);
    await settle(peer);
    await peer.stop();
    const again = await startPeer(name, { folder: peer.folder });
    filled[name] = again.startMs;
    await again.remove();
  }
  return [
    {
      work: "start to first answered query, empty",
      ...figures(empty),
      must: "≤ 2 s",
      holds: empty.belfry === undefined ? undefined : empty.belfry <= 2000,
      format: milliseconds,
    },
    {
      work: "start to first answered query, 1 M recent samples stored",
      ...figures(filled),
      must: "≤ 2 s",
      holds: filled.belfry === undefined ? undefined : filled.belfry <= 2000,
      format: milliseconds,
    },
  ];
}

async function benchMemory(names: readonly PeerName[], options: BenchOptions): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [series, samples] of options.quick
    ? [[1000, 240]]
    : [
        [10_000, 720],
        [100_000, 240],
      ]) {
    const memory: Figures = {};
    for (const name of names) {
      options.progress(`memory of ${series} series in ${name}`);
      const peer = await startPeer(name);
      try {
        const before = rssBytes(peer.pid);
        await load(peer, series!, Math.floor(Date.now() / STEP_MS) * STEP_MS - samples! * STEP_MS, samples);
        await settle(peer);
        memory[name] = (rssBytes(peer.pid) - before) / series! / 1024;
      } finally {
        await peer.remove();
      }
    }
    rows.push({
      work: `memory per series, ${series} series of ${samples} samples`,
      ...figures(memory),
      must: "",
      holds: undefined,
      format: (value) => `${value.toFixed(2)} KiB`,
    });
  }
  return rows;
}

// Counters that grow unevenly and are reset now and then, as requests do.
function valueAt(series: number, sample: number): number {
  const rate = 1 + ((series * 7919) % 97);
  const wobble = (series * 31 + sample * sample * 17) % 13;
  const sinceReset = (sample + series) % 1777;
  return sinceReset * rate + wobble;
}

function labelsOf(series: number): Record<string, string> {
  return {
    __name__: "http_requests_total",
    code: ["200", "404", "500"][series % 3]!,
    instance: `10.0.${series % 40}.7:9100`,
    job: "bench",
    path: `/p${series % PATHS}`,
    series: String(series),
  };
}

async function load(peer: Peer, series: number, startMs: number, samples = SAMPLES_PER_SERIES): Promise<void> {
  // In time order across all series, in blocks of an eighth of the range: what a sender catching up does.
  const block = Math.ceil(samples / 8);
  for (let first = 0; first < samples; first += block) {
    for (let from = 0; from < series; from += SERIES_PER_REQUEST) {
      const list: WriteSeries[] = [];
      for (let id = from; id < Math.min(series, from + SERIES_PER_REQUEST); id++) {
        const points: { timeMs: number; value: number }[] = [];
        for (let i = first; i < Math.min(samples, first + block); i++) {
          points.push({ timeMs: startMs + (i + 1) * STEP_MS, value: valueAt(id, i) });
        }
        list.push({ labels: labelsOf(id), samples: points });
      }
      await write(peer, encodeSnappy(encodeWriteRequestV1(list)));
    }
  }
}

async function write(peer: Peer, body: Uint8Array): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const response = await fetch(peer.writeUrl, {
      method: "POST",
      body: Buffer.from(body),
      headers: {
        "content-type": "application/x-protobuf",
        "content-encoding": "snappy",
        "x-prometheus-remote-write-version": "0.1.0",
      },
    });
    const text = await response.text();
    if (response.ok) return;
    if (response.status < 500 || attempt > 20) throw new Error(`${peer.name}: ${response.status} ${text}`);
    await sleep(200);
  }
}

// Until a server has done what it does after the last write: merges, caches, collections.
async function settle(peer: Peer): Promise<void> {
  await sleep(2000);
  for (let i = 0; i < 10; i++) {
    const before = cpuSeconds(peer.pid);
    await sleep(1000);
    if (cpuSeconds(peer.pid) - before < 0.05) return;
  }
}

async function race(
  peers: readonly Peer[],
  rounds: number,
  run: (peer: Peer) => Promise<{ ms: number; points: number }>,
): Promise<Figures> {
  const times: Partial<Record<PeerName, number[]>> = {};
  for (let round = -2; round < rounds; round++) {
    for (const peer of peers) {
      const { ms, points } = await run(peer);
      if (points === 0) throw new Error(`${peer.name} answered without points`);
      // The first two rounds warm everybody up.
      if (round >= 0) (times[peer.name] ??= []).push(ms);
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]));
}

function figures(of: Figures): Pick<BenchRow, "belfry" | "prometheus" | "victoriametrics"> {
  return { belfry: of.belfry, prometheus: of.prometheus, victoriametrics: of.victoriametrics };
}

function holds(of: Figures, toPrometheus: number, toVictoriaMetrics?: number): boolean | undefined {
  if (of.belfry === undefined || of.prometheus === undefined) return undefined;
  if (of.belfry > of.prometheus * toPrometheus) return false;
  return toVictoriaMetrics === undefined || of.victoriametrics === undefined
    ? true
    : of.belfry <= of.victoriametrics * toVictoriaMetrics;
}

interface BenchTarget {
  port: number;
  scrapes(): number;
  close(): void;
}

// A target whose lines change by their values only, as real ones do.
async function serveTarget(series: number): Promise<BenchTarget> {
  const prefixes: string[] = [];
  for (let id = 0; id < series; id++) {
    const { __name__: name, job: _job, instance: _instance, ...labels } = labelsOf(id);
    const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    prefixes.push(`${name}{${pairs.join(",")}} `);
  }
  let count = 0;
  const server: Server = createServer((_request, response) => {
    count++;
    let body = "# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n";
    for (let id = 0; id < series; id++) body += `${prefixes[id]}${valueAt(id, count)}\n`;
    response.setHeader("content-type", "text/plain; version=0.0.4; charset=utf-8");
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address() as { port: number };
  return { port: address.port, scrapes: () => count, close: () => void server.close() };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
