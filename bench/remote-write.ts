// How fast remote write requests are decoded and appended: `node bench/remote-write.ts`. The store behind is a null
// appender, so the figures are the receiver's own. Series repeat from request to request, as senders' do; the
// first round, in which all of them are new, is shown apart.
import { zstdCompressSync } from "node:zlib";
import type { SeriesRef } from "../packages/server/src/metrics/appender.ts";
import { silentLogger } from "../packages/server/src/lib/log.ts";
import { MetricsRegistry } from "../packages/server/src/lib/metrics-registry.ts";
import { encodeSnappy } from "../packages/server/src/lib/snappy.ts";
import { createRemoteWriteReceiver } from "../packages/server/src/ingest/remote-write/index.ts";
import { encodeWriteRequestV1, encodeWriteRequestV2, type WriteSeries } from "../test/support/remote-write-encoder.ts";

const REQUESTS = 20;
const SERIES_PER_REQUEST = 2000;
const ROUNDS = 30;
const V2_TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

let lastRef = 0;
let appended = 0;
const appender = {
  append: (ref: SeriesRef): SeriesRef => {
    appended++;
    return ref === 0 ? ++lastRef : ref;
  },
  appendStale: (ref: SeriesRef): SeriesRef => ref,
  appendHistogram: (ref: SeriesRef): SeriesRef => ref,
  appendExemplar: () => true,
  updateMetadata() {},
  commit: () => Promise.resolve(),
  rollback() {},
};

// Ten labels per series, 150 to 200 bytes, as from a Kubernetes node.
function series(from: number, samples: number, timeMs: number): WriteSeries[] {
  return Array.from({ length: SERIES_PER_REQUEST }, (_, k) => {
    const i = from + k;
    return {
      labels: {
        __name__: `container_network_receive_bytes_total_${i % 40}`,
        cluster: "eu-west-1-production",
        container: `app-${i % 13}`,
        endpoint: "https-metrics",
        id: `/kubepods/burstable/pod${i}`,
        instance: `10.0.${i % 250}.${i % 99}:10250`,
        job: "kubelet",
        namespace: `team-${i % 7}`,
        node: `node-${i % 31}`,
        pod: `app-${i % 13}-${i}`,
      },
      samples: Array.from({ length: samples }, (_unused, s) => ({ timeMs: timeMs + s * 15000, value: i * 1.5 + s })),
    };
  });
}

async function measure(name: string, type: string, encoding: string, bodies: readonly Uint8Array[]): Promise<void> {
  const receiver = createRemoteWriteReceiver({
    appendable: { appender: () => appender },
    registry: new MetricsRegistry(),
    log: silentLogger,
  });
  const round = async (): Promise<number> => {
    appended = 0;
    const start = performance.now();
    for (const body of bodies) {
      const answer = await receiver.handle({ contentType: type, contentEncoding: encoding, body });
      if (answer.status !== 204) throw new Error(`answered ${answer.status}: ${answer.body}`);
    }
    return appended / (performance.now() - start) / 1000;
  };
  const first = await round();
  const rates: number[] = [];
  for (let i = 0; i < ROUNDS; i++) rates.push(await round());
  rates.sort((a, b) => a - b);
  const bytes = bodies.reduce((sum, body) => sum + body.length, 0) / (appended || 1);
  console.log(
    `${name.padEnd(34)} ${first.toFixed(2).padStart(9)} ${rates[ROUNDS >> 1].toFixed(2).padStart(9)} ${bytes.toFixed(1).padStart(9)}`,
  );
}

console.log(`${"M samples/s".padEnd(34)} ${"first".padStart(9)} ${"repeated".padStart(9)} ${"B/sample".padStart(9)}`);
for (const samples of [1, 5]) {
  const batches = Array.from({ length: REQUESTS }, (_, r) =>
    series(r * SERIES_PER_REQUEST, samples, Date.now() - 100_000),
  );
  const v1 = batches.map((batch) => encodeWriteRequestV1(batch));
  const v2 = batches.map((batch) => encodeWriteRequestV2(batch));
  const label = `${samples} sample${samples > 1 ? "s" : ""} per series`;
  await measure(`1.0 snappy, ${label}`, "", "snappy", v1.map(encodeSnappy));
  await measure(
    `1.0 zstd,   ${label}`,
    "",
    "zstd",
    v1.map((body) => zstdCompressSync(body)),
  );
  await measure(`2.0 snappy, ${label}`, V2_TYPE, "snappy", v2.map(encodeSnappy));
}
