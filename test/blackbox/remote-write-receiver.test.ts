// A real Prometheus sends remote write 1.0 to the receiver; what arrives must be what it stores itself.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fastify from "fastify";
import { expect, test } from "vitest";
import { silentLogger } from "../../packages/server/src/lib/log.ts";
import { MetricsRegistry } from "../../packages/server/src/lib/metrics-registry.ts";
import { createRemoteWriteReceiver } from "../../packages/server/src/ingest/remote-write/index.ts";
import { MemoryAppendable } from "../../packages/server/src/ingest/remote-write/memory-appendable.ts";
import { freePort } from "../support/belfry.ts";

const PROMETHEUS = "/usr/bin/prometheus";

test.skipIf(!existsSync(PROMETHEUS))(`remote write from ${PROMETHEUS} arrives complete and exact`, async () => {
  const store = new MemoryAppendable();
  const receiver = createRemoteWriteReceiver({ appendable: store, registry: new MetricsRegistry(), log: silentLogger });
  const app = fastify({ bodyLimit: 32 * 1024 * 1024 });
  app.addContentTypeParser("application/x-protobuf", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  const statuses = new Map<number, number>();
  app.post("/api/v1/write", async (request, reply) => {
    const answer = await receiver.handle({
      contentType: request.headers["content-type"],
      contentEncoding: request.headers["content-encoding"],
      body: request.body as Buffer,
      headers: request.headers,
    });
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    return await reply.code(answer.status).headers(answer.headers).send(answer.body);
  });
  const receiverAddress = await app.listen({ host: "127.0.0.1", port: 0 });
  const dir = mkdtempSync(join(tmpdir(), "belfry-remote-write-"));
  const port = await freePort();
  writeFileSync(
    join(dir, "prometheus.yml"),
    `global: {scrape_interval: 1s, external_labels: {zone: "süd"}}
scrape_configs:
  - job_name: prometheus
    static_configs: [{targets: ["127.0.0.1:${port}"]}]
remote_write:
  - url: ${receiverAddress}/api/v1/write
    queue_config: {batch_send_deadline: 300ms, max_shards: 4, min_shards: 2}
    metadata_config: {send: true, send_interval: 1s}
`,
  );
  const prometheus = spawn(PROMETHEUS, [
    `--config.file=${dir}/prometheus.yml`,
    `--storage.tsdb.path=${dir}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  try {
    const name = '{__name__="up", instance="127.0.0.1:' + port + '", job="prometheus", zone="süd"}';
    await until(() => (store.samples.get(name)?.length ?? 0) >= 5 && store.metadata.size > 50);
    expect([...statuses.keys()]).toEqual([204]);
    expect(store.metadata.get("prometheus_build_info")).toMatchObject({ type: "gauge" });
    expect(store.samples.size).toBeGreaterThan(300);
    // Every sample that arrived of every series is the one Prometheus has, and none in between is missing.
    const end = store.samples.get(name)!.at(-1)!.timeMs;
    const start = store.samples.get(name)![0].timeMs;
    const query = `{job="prometheus"}[${Math.ceil((end - start) / 1000) + 1}s]`;
    const url = `http://127.0.0.1:${port}/api/v1/query?time=${end / 1000}&query=${encodeURIComponent(query)}`;
    const answer = (await (await fetch(url)).json()) as {
      data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
    };
    let compared = 0;
    for (const { metric, values } of answer.data.result) {
      const labels = Object.entries({ ...metric, zone: "süd" }).sort(([a], [b]) => (a < b ? -1 : 1));
      const key = `{${labels.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join(", ")}}`;
      const received = new Map(store.samples.get(key)?.map((sample) => [sample.timeMs, sample.value]));
      for (const [seconds, value] of values) {
        const timeMs = Math.round(seconds * 1000);
        if (timeMs < start || timeMs > end - 2000) continue;
        expect(received.get(timeMs), `${key} at ${timeMs}`).toBe(Number(value.replace("Inf", "Infinity")));
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(1000);
    expect(store.knownRefs).toBeGreaterThan(1000);
  } finally {
    await stop(prometheus);
    await app.close();
    rmSync(dir, { recursive: true, force: true });
  }
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("nothing of what was waited for arrived within 60 s");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exited;
}
