// Builds remote write requests of both versions from plain series, for tests and benchmarks. It writes the wire format on
// its own, so that reading and writing do not share a mistake.
import type { Histogram, IntHistogram, MetricMetadata, MetricType } from "@belfry/core/model";

/** STALE stands for a staleness marker as a sample's value. */
export const STALE = "stale";

/** WriteSample is one sample. */
export interface WriteSample {
  timeMs: number;
  value: number | typeof STALE;
  startMs?: number;
}

/** WriteHistogram is one native histogram sample, of integers (with deltas) or floating point. */
export interface WriteHistogram {
  timeMs: number;
  startMs?: number;
  int?: IntHistogram;
  float?: Histogram;
}

/** WriteExemplar is one exemplar. */
export interface WriteExemplar {
  labels: Readonly<Record<string, string>>;
  value: number;
  timeMs: number;
}

/** WriteSeries is one TimeSeries message; labels are written in the order given. */
export interface WriteSeries {
  labels: Readonly<Record<string, string>> | readonly (readonly [string, string])[];
  samples?: readonly WriteSample[];
  histograms?: readonly WriteHistogram[];
  exemplars?: readonly WriteExemplar[];
  /** metadata is part of the series in version 2.0 only. */
  metadata?: MetricMetadata;
  /** createdMs is the created timestamp of the series in version 2.0. */
  createdMs?: number;
}

/** WriteMetadata is a metadata message of version 1.0. */
export interface WriteMetadata extends MetricMetadata {
  family: string;
}

const TYPES: readonly MetricType[] = [
  "unknown",
  "counter",
  "gauge",
  "histogram",
  "gaugehistogram",
  "summary",
  "info",
  "stateset",
];

/** WireWriter appends fields of Protocol Buffers messages. */
export class WireWriter {
  private bytes = Buffer.alloc(256);
  private length = 0;

  result(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.bytes, 0, this.length);
  }

  varint(value: number | bigint): this {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest >= 0x80n; rest >>= 7n) this.byte(Number(rest & 0x7fn) | 0x80);
    return this.byte(Number(rest));
  }

  zigzag(value: number): this {
    const big = BigInt(value);
    return this.varint(big >= 0n ? big << 1n : (-big << 1n) - 1n);
  }

  tag(field: number, wireType: number): this {
    return this.varint(field * 8 + wireType);
  }

  /** number writes an integer field, also when it is 0. */
  number(field: number, value: number): this {
    return this.tag(field, 0).varint(value);
  }

  double(field: number, value: number | typeof STALE): this {
    this.tag(field, 1);
    this.reserve(8);
    if (value === STALE) this.bytes.writeBigUInt64LE(0x7ff0000000000002n, this.length);
    else this.bytes.writeDoubleLE(value, this.length);
    this.length += 8;
    return this;
  }

  text(field: number, value: string): this {
    return this.message(field, Buffer.from(value, "utf8"));
  }

  message(field: number, body: Uint8Array): this {
    this.tag(field, 2).varint(body.length);
    return this.raw(body);
  }

  raw(body: Uint8Array): this {
    this.reserve(body.length);
    this.bytes.set(body, this.length);
    this.length += body.length;
    return this;
  }

  private byte(value: number): this {
    this.reserve(1);
    this.bytes[this.length++] = value;
    return this;
  }

  private reserve(extra: number): void {
    if (this.length + extra <= this.bytes.length) return;
    const grown = Buffer.alloc(Math.max(this.length + extra, this.bytes.length * 2));
    this.bytes.copy(grown);
    this.bytes = grown;
  }
}

/** encodeWriteRequestV1 encodes a prometheus.WriteRequest, not compressed. */
export function encodeWriteRequestV1(
  series: readonly WriteSeries[],
  metadata: readonly WriteMetadata[] = [],
): Uint8Array {
  const request = new WireWriter();
  for (const one of series) {
    const message = new WireWriter();
    for (const [name, value] of entries(one.labels)) message.message(1, labelV1(name, value));
    for (const sample of one.samples ?? []) message.message(2, sampleMessage(sample, false));
    for (const exemplar of one.exemplars ?? []) {
      const body = new WireWriter();
      for (const [name, value] of Object.entries(exemplar.labels)) body.message(1, labelV1(name, value));
      message.message(3, body.double(2, exemplar.value).number(3, exemplar.timeMs).result());
    }
    for (const histogram of one.histograms ?? []) message.message(4, histogramMessage(histogram));
    request.message(1, message.result());
  }
  for (const one of metadata) {
    const body = new WireWriter().number(1, TYPES.indexOf(one.type)).text(2, one.family);
    request.message(3, body.text(4, one.help).text(5, one.unit).result());
  }
  return request.result();
}

/** encodeWriteRequestV2 encodes an io.prometheus.write.v2.Request, not compressed. */
export function encodeWriteRequestV2(series: readonly WriteSeries[]): Uint8Array {
  const symbols = new Map<string, number>([["", 0]]);
  const symbol = (text: string): number => {
    let ref = symbols.get(text);
    if (ref === undefined) symbols.set(text, (ref = symbols.size));
    return ref;
  };
  const refs = (labels: WriteSeries["labels"]): Uint8Array => {
    const packed = new WireWriter();
    for (const [name, value] of entries(labels)) packed.varint(symbol(name)).varint(symbol(value));
    return packed.result();
  };
  const body = new WireWriter();
  for (const one of series) {
    const message = new WireWriter().message(1, refs(one.labels));
    for (const sample of one.samples ?? []) message.message(2, sampleMessage(sample, true));
    for (const histogram of one.histograms ?? []) message.message(3, histogramMessage(histogram));
    for (const exemplar of one.exemplars ?? []) {
      const inner = new WireWriter().message(1, refs(exemplar.labels));
      message.message(4, inner.double(2, exemplar.value).number(3, exemplar.timeMs).result());
    }
    if (one.metadata !== undefined) {
      const inner = new WireWriter().number(1, TYPES.indexOf(one.metadata.type));
      message.message(5, inner.number(3, symbol(one.metadata.help)).number(4, symbol(one.metadata.unit)).result());
    }
    if (one.createdMs !== undefined) message.number(6, one.createdMs);
    body.message(5, message.result());
  }
  const request = new WireWriter();
  for (const text of symbols.keys()) request.text(4, text);
  return request.raw(body.result()).result();
}

function entries(labels: WriteSeries["labels"]): readonly (readonly [string, string])[] {
  return Array.isArray(labels) ? (labels as readonly (readonly [string, string])[]) : Object.entries(labels);
}

function labelV1(name: string, value: string): Uint8Array {
  return new WireWriter().text(1, name).text(2, value).result();
}

function sampleMessage(sample: WriteSample, withStart: boolean): Uint8Array {
  const body = new WireWriter().double(1, sample.value).number(2, sample.timeMs);
  if (withStart && sample.startMs !== undefined) body.number(3, sample.startMs);
  return body.result();
}

function histogramMessage({ timeMs, startMs, int, float }: WriteHistogram): Uint8Array {
  const h = int ?? float;
  if (h === undefined) throw new Error("a histogram sample needs `int` or `float`");
  const body = new WireWriter();
  if (int !== undefined) body.number(1, int.count);
  else body.double(2, h.count);
  body.double(3, h.sum).tag(4, 0).zigzag(h.schema).double(5, h.zeroThreshold);
  if (int !== undefined) body.number(6, int.zeroCount);
  else body.double(7, h.zeroCount);
  for (const span of h.negativeSpans) body.message(8, spanMessage(span));
  if (int !== undefined) body.message(9, packedZigzag(int.negativeDeltas));
  else body.message(10, packedDoubles(float!.negativeBuckets));
  for (const span of h.positiveSpans) body.message(11, spanMessage(span));
  if (int !== undefined) body.message(12, packedZigzag(int.positiveDeltas));
  else body.message(13, packedDoubles(float!.positiveBuckets));
  body.number(14, h.counterResetHint ?? 0).number(15, timeMs);
  if (h.customValues !== undefined) body.message(16, packedDoubles(h.customValues));
  if (startMs !== undefined) body.number(17, startMs);
  return body.result();
}

function spanMessage(span: { offset: number; length: number }): Uint8Array {
  return new WireWriter().tag(1, 0).zigzag(span.offset).number(2, span.length).result();
}

function packedZigzag(values: ArrayLike<number>): Uint8Array {
  const out = new WireWriter();
  for (let i = 0; i < values.length; i++) out.zigzag(values[i]);
  return out.result();
}

function packedDoubles(values: ArrayLike<number>): Uint8Array {
  const out = Buffer.alloc(values.length * 8);
  for (let i = 0; i < values.length; i++) out.writeDoubleLE(values[i], i * 8);
  return out;
}
