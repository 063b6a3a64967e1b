// Just enough of the remote write protocol (1.0) to put samples with chosen times into a server.
import { isStaleNaN, setStaleNaN } from "@belfry/core/model";
import { encodeSnappy } from "../../../packages/server/src/lib/snappy.ts";
import type { DemoSeries } from "./demo-service.ts";

/** remoteWrite sends all samples in the order of time, `batchMs` of them at once. Rejects unless every request is accepted. */
export async function remoteWrite(url: string, series: readonly DemoSeries[], batchMs = 120_000): Promise<void> {
  const startMs = Math.min(...series.map((one) => one.times[0]));
  const endMs = Math.max(...series.map((one) => one.times.at(-1)!));
  const next = series.map(() => 0);
  for (let until = startMs + batchMs; until < endMs + batchMs; until += batchMs) {
    const message = new ProtoWriter();
    series.forEach((one, s) => {
      const from = next[s];
      let to = from;
      while (to < one.times.length && one.times[to] < until) to++;
      next[s] = to;
      if (to > from) message.bytes(1, timeSeries(one, from, to));
    });
    const response = await fetch(`${url}/api/v1/write`, {
      method: "POST",
      headers: {
        "content-type": "application/x-protobuf",
        "content-encoding": "snappy",
        "x-prometheus-remote-write-version": "0.1.0",
      },
      body: Buffer.from(encodeSnappy(message.finish())),
    });
    if (!response.ok) throw new Error(`remote write to ${url} failed: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  }
}

function timeSeries(series: DemoSeries, from: number, to: number): Uint8Array {
  const message = new ProtoWriter();
  for (const [name, value] of series.labels) {
    const label = new ProtoWriter();
    label.bytes(1, Buffer.from(name));
    label.bytes(2, Buffer.from(value));
    message.bytes(1, label.finish());
  }
  for (let i = from; i < to; i++) {
    const sample = new ProtoWriter();
    sample.double(1, series.values[i]);
    sample.varint(2, series.times[i]);
    message.bytes(2, sample.finish());
  }
  return message.finish();
}

class ProtoWriter {
  private buffer = Buffer.alloc(256);
  private length = 0;

  private reserve(extra: number): void {
    if (this.length + extra <= this.buffer.length) return;
    const grown = Buffer.alloc(Math.max(2 * this.buffer.length, this.length + extra));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }

  private raw(value: number): void {
    this.reserve(10);
    while (value >= 0x80) {
      this.buffer[this.length++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.buffer[this.length++] = value;
  }

  varint(field: number, value: number): void {
    this.raw(field << 3);
    this.raw(value);
  }

  bytes(field: number, value: Uint8Array): void {
    this.raw((field << 3) | 2);
    this.raw(value.length);
    this.reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
  }

  /** double writes a number, or the staleness marker for undefined. */
  double(field: number, value: number | undefined): void {
    this.raw((field << 3) | 1);
    this.reserve(8);
    const bits = new Float64Array([value ?? 0]);
    const words = new Uint32Array(bits.buffer);
    if (value === undefined) setStaleNaN(words, 0);
    if (value !== undefined && isStaleNaN(words, 0))
      throw new Error("BUG: an ordinary value looks like a staleness marker");
    this.buffer.set(new Uint8Array(bits.buffer), this.length);
    this.length += 8;
  }

  finish(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }
}
