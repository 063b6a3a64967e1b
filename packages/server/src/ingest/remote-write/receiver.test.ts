import { gzipSync, zstdCompressSync } from "node:zlib";
import { type IntHistogram, newHistogram } from "@belfry/core/model";
import { beforeEach, describe, expect, test } from "vitest";
import {
  encodeWriteRequestV1,
  encodeWriteRequestV2,
  STALE,
  WireWriter,
  type WriteSeries,
} from "../../../../../test/support/remote-write-encoder.ts";
import type { Clock } from "../../lib/clock.ts";
import { OverloadedError } from "../../lib/errors.ts";
import { silentLogger } from "../../lib/log.ts";
import { MetricsRegistry } from "../../lib/metrics-registry.ts";
import { encodeSnappy } from "../../lib/snappy.ts";
import { createRemoteWriteReceiver, type RemoteWriteOptions, type RemoteWriteResponse } from "./index.ts";
import { MemoryAppendable } from "./memory-appendable.ts";

const NOW = 1_700_000_000_000;
const V2_TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
const clock: Clock = {
  now: () => NOW,
  monotonicMs: () => 0,
  setTimeout: () => ({ cancel() {} }),
  setInterval: () => ({ cancel() {} }),
};

let store: MemoryAppendable;
let registry: MetricsRegistry;
beforeEach(() => {
  store = new MemoryAppendable();
  registry = new MetricsRegistry();
});

const receiver = (options: Partial<RemoteWriteOptions> = {}) =>
  createRemoteWriteReceiver({ appendable: store, registry, log: silentLogger, clock, ...options });

async function sendV1(body: Uint8Array, to = receiver()): Promise<RemoteWriteResponse> {
  return await to.handle({
    contentType: "application/x-protobuf",
    contentEncoding: "snappy",
    body: encodeSnappy(body),
  });
}

async function sendV2(body: Uint8Array, to = receiver()): Promise<RemoteWriteResponse> {
  return await to.handle({ contentType: V2_TYPE, contentEncoding: "snappy", body: encodeSnappy(body) });
}

const written = (samples: number, histograms = 0, exemplars = 0): Record<string, string> => ({
  "X-Prometheus-Remote-Write-Samples-Written": String(samples),
  "X-Prometheus-Remote-Write-Histograms-Written": String(histograms),
  "X-Prometheus-Remote-Write-Exemplars-Written": String(exemplars),
});

const INT: IntHistogram = {
  schema: 2,
  zeroThreshold: 0.001,
  zeroCount: 1,
  count: 13,
  sum: 7.5,
  positiveSpans: [
    { offset: -2, length: 2 },
    { offset: 3, length: 1 },
  ],
  positiveDeltas: [2, 1, 2],
  negativeSpans: [{ offset: 0, length: 2 }],
  negativeDeltas: [3, -2],
  counterResetHint: 1,
};
// 1 + (2 + 3 + 5) + (3 + 1) = 15
const VALID_INT: IntHistogram = { ...INT, count: 15 };

const METRIC: WriteSeries = {
  labels: { __name__: "up", instance: "a:1", job: "x" },
  samples: [
    { timeMs: NOW - 1000, value: 1.5 },
    { timeMs: NOW, value: STALE },
  ],
};

describe("negotiation", () => {
  const body = encodeSnappy(encodeWriteRequestV1([METRIC]));
  test.each([
    [undefined, undefined, 204],
    ["", "", 204],
    ["application/x-protobuf", "snappy", 204],
    [" application/x-protobuf ", "SNAPPY", 204],
    ["application/x-protobuf;proto=prometheus.WriteRequest", "snappy", 204],
    ["application/x-protobuf; charset=utf-8", "snappy", 204],
  ])("[RW1] accepts %j %j", async (contentType, contentEncoding, status) => {
    expect((await receiver().handle({ contentType, contentEncoding, body })).status).toBe(status);
    expect(store.samples.size).toBe(1);
  });

  test.each([
    [
      "application/json",
      "snappy",
      "expected application/x-protobuf as the first (media) part, got application/json content-type\n",
    ],
    [
      "application/x-protobuf;proto=foo.Bar",
      "snappy",
      "got application/x-protobuf;proto=foo.Bar content type; unknown type for remote write protobuf message foo.Bar, supported: prometheus.WriteRequest, io.prometheus.write.v2.Request\n",
    ],
    [
      "application/x-protobuf;proto",
      "snappy",
      "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, got proto in application/x-protobuf;proto content-type\n",
    ],
    [
      "application/x-protobuf",
      "gzip",
      "gzip encoding (compression) is not accepted by this server; only snappy, zstd are acceptable\n",
    ],
  ])("[RW1][RW2] answers 415 to %j %j", async (contentType, contentEncoding, text) => {
    const answer = await receiver().handle({ contentType, contentEncoding, body: gzipSync(body) });
    expect(answer).toEqual({
      status: 415,
      headers: { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" },
      body: text,
    });
  });

  test("[RW2] reads zstd", async () => {
    const answer = await receiver().handle({
      contentType: "",
      contentEncoding: "zstd",
      body: zstdCompressSync(encodeWriteRequestV1([METRIC])),
    });
    expect(answer).toEqual({ status: 204, headers: {} });
    expect(store.samples.get('{__name__="up", instance="a:1", job="x"}')).toHaveLength(2);
  });
});

describe("[RW3][RW4] bad bodies write nothing", () => {
  test.each([
    ["not snappy", "snappy", Buffer.from("hello"), 400, /^snappy: /],
    ["not zstd", "zstd", Buffer.from("hello"), 400, /^zstd: /],
    ["empty", "snappy", Buffer.alloc(0), 400, /^snappy: input ends within the length/],
    ["a snappy bomb", "snappy", Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0]), 413, /more than the limit of 10000/],
    [
      "a zstd bomb",
      "zstd",
      zstdCompressSync(Buffer.alloc(20_000)),
      413,
      /^zstd: decoded body is larger than the limit of 10000\n$/,
    ],
    ["too large", "snappy", Buffer.alloc(1001), 413, /^body of 1001 bytes is larger than the limit of 1000\n$/],
    [
      "a cut message",
      "snappy",
      encodeSnappy(encodeWriteRequestV1([METRIC]).subarray(0, 40)),
      400,
      /^proto: unexpected EOF at offset /,
    ],
    ["another message", "snappy", encodeSnappy(Buffer.from("hello world, this is text")), 400, /^proto: /],
    [
      "the wrong wire type",
      "snappy",
      encodeSnappy(new WireWriter().number(1, 5).result()),
      400,
      /^proto: wrong wireType = 0 for field Timeseries at offset 1\n$/,
    ],
  ])("%s", async (_name, contentEncoding, body, status, text) => {
    for (const contentType of ["", V2_TYPE]) {
      if (contentType === V2_TYPE && /wire type|cut|another/.test(_name)) continue;
      const answer = await receiver({ limits: { maxBodyBytes: 1000, maxDecodedBytes: 10_000 } }).handle({
        contentType,
        contentEncoding,
        body,
      });
      expect(answer.status).toBe(status);
      expect(answer.body).toMatch(text);
      expect(answer.headers["X-Prometheus-Remote-Write-Samples-Written"]).toBe(
        contentType === V2_TYPE ? "0" : undefined,
      );
    }
    expect(store.samples.size).toBe(0);
  });

  test("a message that is cut after valid series is rolled back", async () => {
    for (const [encode, send] of [
      [encodeWriteRequestV1, sendV1],
      [encodeWriteRequestV2, sendV2],
    ] as const) {
      const whole = encode([METRIC, { ...METRIC, labels: { __name__: "b" } }]);
      const answer = await send(whole.subarray(0, whole.length - 3));
      expect(answer.status).toBe(400);
      expect(answer.body).toMatch(/^proto: unexpected EOF/);
    }
    expect(store.samples.size).toBe(0);
    expect(store.rollbacks).toBe(2);
  });

  test("every truncation and every changed byte is answered, none throws", async () => {
    for (const [encode, send] of [
      [encodeWriteRequestV1, sendV1],
      [encodeWriteRequestV2, sendV2],
    ] as const) {
      const whole = encode([
        {
          ...METRIC,
          histograms: [{ timeMs: NOW, int: VALID_INT }],
          exemplars: [{ labels: { trace_id: "1" }, value: 1, timeMs: NOW }],
        },
      ]);
      const to = receiver();
      for (let i = 0; i < whole.length; i++) {
        expect([204, 400]).toContain((await send(whole.subarray(0, i), to)).status);
        for (const flip of [0x01, 0x80, 0xff]) {
          const changed = whole.slice();
          changed[i] ^= flip;
          expect([204, 400]).toContain((await send(changed, to)).status);
        }
      }
    }
  });
});

describe("version 1.0", () => {
  test("[RW6][RW7][RW12] samples, staleness markers, exemplars, histograms and metadata", async () => {
    const answer = await sendV1(
      encodeWriteRequestV1(
        [
          METRIC,
          {
            labels: { __name__: "h", job: "x" },
            exemplars: [{ labels: { trace_id: "abc" }, value: 0.5, timeMs: NOW - 5 }],
            histograms: [
              { timeMs: NOW, int: VALID_INT },
              { timeMs: NOW + 1, int: { ...VALID_INT, sum: 8 } },
            ],
          },
        ],
        [
          { family: "up", type: "gauge", help: "Is it up?", unit: "" },
          { family: "h", type: "histogram", help: "Sizes", unit: "bytes" },
        ],
      ),
    );
    expect(answer).toEqual({ status: 204, headers: {} });
    expect(store.samples.get('{__name__="up", instance="a:1", job="x"}')).toEqual([
      { timeMs: NOW - 1000, value: 1.5, startMs: 0 },
      { timeMs: NOW, value: "stale", startMs: 0 },
    ]);
    expect(store.samples.get('{__name__="h", job="x"}')![0].value).toEqual(
      newHistogram({
        counterResetHint: 1,
        schema: 2,
        zeroThreshold: 0.001,
        zeroCount: 1,
        count: 15,
        sum: 7.5,
        positiveSpans: [
          { offset: -2, length: 2 },
          { offset: 3, length: 1 },
        ],
        positiveBuckets: Float64Array.of(2, 3, 5),
        negativeSpans: [{ offset: 0, length: 2 }],
        negativeBuckets: Float64Array.of(3, 1),
      }),
    );
    expect(store.exemplars.get('{__name__="h", job="x"}')).toMatchObject([
      { value: 0.5, timeMs: NOW - 5, hasTime: true },
    ]);
    expect([...store.metadata]).toEqual([
      ["up", { type: "gauge", help: "Is it up?", unit: "" }],
      ["h", { type: "histogram", help: "Sizes", unit: "bytes" }],
    ]);
  });

  test("[RW5] labels in any order, between the samples, and empty ones", async () => {
    const label = (name: string, value: string): Uint8Array => new WireWriter().text(1, name).text(2, value).result();
    const sample = new WireWriter().double(1, 3).number(2, NOW).result();
    const series = new WireWriter()
      .message(1, label("job", "x"))
      .message(2, sample)
      .message(1, label("empty", ""))
      .message(1, label("__name__", "up"));
    const answer = await sendV1(new WireWriter().message(1, series.result()).result());
    expect(answer.status).toBe(204);
    expect([...store.samples]).toEqual([['{__name__="up", job="x"}', [{ timeMs: NOW, value: 3, startMs: 0 }]]]);
  });

  test("[RW5][RW7][RW8][RW9] what is wrong is refused, the rest is written", async () => {
    const to = receiver();
    await sendV1(encodeWriteRequestV1([{ labels: { __name__: "a" }, samples: [{ timeMs: NOW, value: 1 }] }]), to);
    const answer = await sendV1(
      encodeWriteRequestV1([
        { labels: { job: "x" }, samples: [{ timeMs: NOW, value: 1 }] },
        { labels: { __name__: "" }, samples: [{ timeMs: NOW, value: 1 }] },
        {
          labels: [
            ["__name__", "d"],
            ["x", "1"],
            ["x", "2"],
          ],
          samples: [{ timeMs: NOW, value: 1 }],
        },
        {
          labels: { __name__: "a" },
          samples: [
            { timeMs: NOW - 1, value: 1 },
            { timeMs: NOW, value: 2 },
            { timeMs: NOW + 600_001, value: 1 },
          ],
        },
        {
          labels: { __name__: "h" },
          histograms: [
            { timeMs: NOW, int: INT },
            { timeMs: NOW, int: { ...VALID_INT, schema: 60 } },
          ],
        },
        { labels: { __name__: "good" }, samples: [{ timeMs: NOW, value: 9 }] },
      ]),
      to,
    );
    expect(answer.status).toBe(400);
    expect(answer.body).toBe(
      [
        'invalid metric name or labels, got {job="x"}',
        'invalid metric name or labels, got {__name__=""}',
        'invalid labels for series, labels {__name__="d", x="1", x="2"}, duplicated label x',
        'out of order sample for series {__name__="a"}',
        'duplicate sample for timestamp for series {__name__="a"}',
        'out of bounds: timestamp is too far in the future for series {__name__="a"}',
        '15 observations found in buckets, but the Count field is 13: histogram\'s observation count should equal the number of observations found in the buckets (in absence of NaN) for series {__name__="h"}',
        'histogram has an unknown schema, which must be between -9 and 52 for exponential buckets, or -53 for custom buckets, got schema 60 for series {__name__="h"}',
        "",
      ].join("\n"),
    );
    expect(store.samples.get('{__name__="good"}')).toHaveLength(1);
    const text = new TextDecoder().decode(registry.render());
    expect(text).toContain('belfry_remote_write_refused_samples_total{reason="invalid_labels"} 3\n');
    expect(text).toContain('belfry_remote_write_refused_samples_total{reason="out_of_order"} 1\n');
    expect(text).toContain('belfry_remote_write_requests_total{version="1.0",code="400"} 1\n');
    expect(text).toContain('belfry_remote_write_samples_total{version="1.0"} 2\n');
  });

  test("[RW7] a resolution above 8 is reduced", async () => {
    const int: IntHistogram = {
      ...VALID_INT,
      schema: 10,
      positiveSpans: [{ offset: 1, length: 3 }],
      negativeSpans: [{ offset: 1, length: 2 }],
    };
    expect(
      (await sendV1(encodeWriteRequestV1([{ labels: { __name__: "h" }, histograms: [{ timeMs: NOW, int }] }]))).status,
    ).toBe(204);
    expect([...store.samples.values()][0][0].value).toMatchObject({
      schema: 8,
      positiveSpans: [{ offset: 1, length: 1 }],
      positiveBuckets: Float64Array.of(10),
      negativeSpans: [{ offset: 1, length: 1 }],
      negativeBuckets: Float64Array.of(4),
    });
  });

  test("[RW6] a stale histogram is a staleness marker", async () => {
    const stale = encodeWriteRequestV1([{ labels: { __name__: "h" }, histograms: [{ timeMs: NOW, int: VALID_INT }] }]);
    // The sum is the only double 7.5 in the message.
    const at = Buffer.from(stale.buffer).indexOf(Buffer.from(Float64Array.of(7.5).buffer));
    new DataView(stale.buffer).setBigUint64(at, 0x7ff0000000000002n, true);
    expect((await sendV1(stale)).status).toBe(204);
    expect([...store.samples.values()]).toEqual([[{ timeMs: NOW, value: "stale", startMs: 0 }]]);
  });

  test("[RW5] invalid UTF-8 is refused, a replacement character that was sent is not", async () => {
    const label = (name: Uint8Array, value: Uint8Array): Uint8Array =>
      new WireWriter().message(1, name).message(2, value).result();
    const text = (value: string): Uint8Array => Buffer.from(value);
    const sample = new WireWriter().double(1, 3).number(2, NOW).result();
    for (const [value, status] of [
      [Buffer.from([0xff, 0x41]), 400],
      [text("\ufffd"), 204],
      [text("日本"), 204],
    ] as const) {
      const series = new WireWriter()
        .message(1, label(text("__name__"), text("up")))
        .message(1, label(text("x"), value))
        .message(2, sample);
      expect((await sendV1(new WireWriter().message(1, series.result()).result())).status).toBe(status);
    }
  });

  test("[RW10] out-of-order exemplars are dropped without an error", async () => {
    const series: WriteSeries = {
      ...METRIC,
      exemplars: [
        { labels: { t: "1" }, value: 1, timeMs: NOW },
        { labels: { t: "2" }, value: 1, timeMs: NOW - 5 },
      ],
    };
    expect((await sendV1(encodeWriteRequestV1([series]))).status).toBe(204);
    expect([...store.exemplars.values()][0]).toHaveLength(1);
  });

  test("[RW9] many errors are cut short", async () => {
    const series = Array.from({ length: 50 }, (_, i) => ({
      labels: { n: String(i) },
      samples: [{ timeMs: NOW, value: 1 }],
    }));
    const lines = (await sendV1(encodeWriteRequestV1(series))).body!.trimEnd().split("\n");
    expect(lines).toHaveLength(21);
    expect(lines[20]).toBe("... and 30 more");
  });
});

describe("version 2.0", () => {
  test("[RW13][RW15] everything a series can carry, and how much was written", async () => {
    const answer = await sendV2(
      encodeWriteRequestV2([
        { ...METRIC, metadata: { type: "gauge", help: "Is it up?", unit: "" }, createdMs: NOW - 9000 },
        {
          labels: { __name__: "c_total" },
          samples: [{ timeMs: NOW, value: 1, startMs: NOW - 50 }],
          metadata: { type: "counter", help: "C.", unit: "bytes" },
          exemplars: [{ labels: { trace_id: "abc" }, value: 0.5, timeMs: NOW - 5 }],
        },
        {
          labels: { __name__: "h_bucket", le: "1" },
          samples: [{ timeMs: NOW, value: 1 }],
          metadata: { type: "histogram", help: "H.", unit: "" },
        },
        {
          labels: { __name__: "n" },
          histograms: [
            { timeMs: NOW - 1, int: VALID_INT, startMs: NOW - 70 },
            {
              timeMs: NOW,
              float: newHistogram({
                schema: -53,
                count: 3.5,
                sum: 2,
                positiveSpans: [{ offset: 0, length: 2 }],
                positiveBuckets: Float64Array.of(1.5, 2),
                customValues: Float64Array.of(0.5, 1),
              }),
            },
          ],
        },
      ]),
    );
    expect(answer).toEqual({ status: 204, headers: written(4, 2, 1) });
    expect(store.samples.get('{__name__="up", instance="a:1", job="x"}')).toEqual([
      { timeMs: NOW - 1000, value: 1.5, startMs: NOW - 9000 },
      { timeMs: NOW, value: "stale", startMs: 0 },
    ]);
    expect(store.samples.get('{__name__="c_total"}')).toEqual([{ timeMs: NOW, value: 1, startMs: NOW - 50 }]);
    const histograms = store.samples.get('{__name__="n"}')!;
    expect(histograms[0]).toMatchObject({ startMs: NOW - 70, value: { count: 15 } });
    expect(histograms[1].value).toMatchObject({
      schema: -53,
      count: 3.5,
      customValues: Float64Array.of(0.5, 1),
      positiveBuckets: Float64Array.of(1.5, 2),
    });
    expect(store.exemplars.get('{__name__="c_total"}')![0].labels.toString()).toBe('{trace_id="abc"}');
    expect([...store.metadata]).toEqual([
      ["up", { type: "gauge", help: "Is it up?", unit: "" }],
      ["c_total", { type: "counter", help: "C.", unit: "bytes" }],
      ["h", { type: "histogram", help: "H.", unit: "" }],
    ]);
  });

  const GOOD: WriteSeries = { labels: { __name__: "test_metric1", b: "c" }, samples: [{ timeMs: NOW, value: 1 }] };
  /** A request whose first series has the given label references, over 5 symbols. */
  const withRefs = (refs: readonly number[]): Uint8Array => {
    const packed = new WireWriter();
    for (const ref of refs) packed.varint(ref);
    const sample = new WireWriter().double(1, 1).number(2, NOW).result();
    const series = new WireWriter().message(1, packed.result()).message(2, sample).result();
    const bad = new WireWriter().message(5, series).result();
    // The symbols and the good series come after it.
    return new WireWriter()
      .raw(bad)
      .raw(encodeWriteRequestV2([GOOD]))
      .result();
  };

  test.each([
    ["no metric name", withRefs([3, 4]), 'invalid metric name or labels, got {b="c"}\n'],
    ["an empty metric name", withRefs([1, 0]), 'invalid metric name or labels, got {__name__=""}\n'],
    [
      "an empty label name",
      withRefs([1, 2, 0, 4]),
      'invalid metric name or labels, got {""="c", __name__="test_metric1"}\n',
    ],
    [
      "a label twice",
      withRefs([1, 2, 3, 4, 3, 4]),
      'invalid labels for series, labels {__name__="test_metric1", b="c", b="c"}, duplicated label b\n',
    ],
    [
      "an odd number of references",
      withRefs([1, 2, 3]),
      "parsing labels for series [1 2 3]: invalid labelRefs length 3\n",
    ],
    [
      "a reference past the symbols",
      withRefs([1, 999]),
      "parsing labels for series [1 999]: labelRefs 1 (name) = 999 (value) outside of symbols table (size 5)\n",
    ],
    [
      "a huge reference",
      withRefs([1, 4294967295]),
      "parsing labels for series [1 4294967295]: labelRefs 1 (name) = 4294967295 (value) outside of symbols table (size 5)\n",
    ],
    [
      "only exemplars",
      encodeWriteRequestV2([{ labels: { __name__: "x" }, exemplars: [{ labels: {}, value: 1, timeMs: 1 }] }, GOOD]),
      'TimeSeries must contain at least one sample or histogram for series {__name__="x"}\n',
    ],
    [
      "an out-of-order sample",
      encodeWriteRequestV2([GOOD, { ...GOOD, samples: [{ timeMs: 0, value: 2 }] }]),
      'out of order sample for series {__name__="test_metric1", b="c"}\n',
    ],
    [
      "a duplicate sample",
      encodeWriteRequestV2([GOOD, { ...GOOD, samples: [{ timeMs: NOW, value: 2 }] }]),
      'duplicate sample for timestamp for series {__name__="test_metric1", b="c"}\n',
    ],
  ])("[RW9][RW11] %s is refused, the rest is written", async (_name, body, text) => {
    expect(await sendV2(body)).toEqual({
      status: 400,
      headers: { ...written(1), "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" },
      body: text,
    });
    expect(store.samples.get('{__name__="test_metric1", b="c"}')).toEqual([{ timeMs: NOW, value: 1, startMs: 0 }]);
  });

  test("[RW10] an out-of-order exemplar is the sender's error, one with too long labels is only dropped", async () => {
    const exemplar = { labels: { t: "1" }, value: 1, timeMs: NOW };
    const answer = await sendV2(encodeWriteRequestV2([{ ...GOOD, exemplars: [exemplar, { ...exemplar, timeMs: 1 }] }]));
    expect(answer.body).toBe('out of order exemplar for series {__name__="test_metric1", b="c"}\n');
    expect(answer.headers).toMatchObject(written(1, 0, 1));
    const long = { labels: { t: "x".repeat(128) }, value: 1, timeMs: 1 };
    expect((await sendV2(encodeWriteRequestV2([{ ...GOOD, exemplars: [long] }]))).status).toBe(204);
  });

  test("[RW13] references that are not packed, and created timestamps anywhere", async () => {
    const sample = new WireWriter().double(1, 1).number(2, NOW).result();
    const series = new WireWriter()
      .message(2, sample)
      .number(1, 1)
      .number(1, 2)
      .number(6, NOW - 7)
      .result();
    const request = new WireWriter().text(4, "").text(4, "__name__").text(4, "up").message(5, series).result();
    expect((await sendV2(request)).status).toBe(204);
    expect([...store.samples]).toEqual([['{__name__="up"}', [{ timeMs: NOW, value: 1, startMs: NOW - 7 }]]]);
  });

  test("the same symbols in another order mean the same series", async () => {
    const to = receiver();
    await sendV2(encodeWriteRequestV2([GOOD]), to);
    const other = encodeWriteRequestV2([
      { labels: { __name__: "other", z: "c" }, samples: [{ timeMs: NOW, value: 5 }] },
      { ...GOOD, samples: [{ timeMs: NOW + 1, value: 2 }] },
    ]);
    expect((await sendV2(other, to)).headers).toEqual(written(2));
    expect(store.samples.get('{__name__="test_metric1", b="c"}')).toHaveLength(2);
    expect(store.knownRefs).toBe(1);
  });

  test("type and unit become labels when that is switched on", async () => {
    const to = receiver({ typeAndUnitLabels: true });
    await sendV2(
      encodeWriteRequestV2([
        { ...GOOD, metadata: { type: "counter", help: "", unit: "bytes" } },
        {
          labels: { __name__: "g", __type__: "wrong" },
          samples: [{ timeMs: NOW, value: 1 }],
          metadata: { type: "gauge", help: "", unit: "" },
        },
        { labels: { __name__: "n" }, samples: [{ timeMs: NOW, value: 1 }] },
      ]),
      to,
    );
    expect([...store.samples.keys()]).toEqual([
      '{__name__="test_metric1", __type__="counter", __unit__="bytes", b="c"}',
      '{__name__="g", __type__="gauge"}',
      '{__name__="n"}',
    ]);
  });

  test("[RW12] metadata is told once, and again when it changes or was lost", async () => {
    const to = receiver();
    const at = (timeMs: number, help: string): Uint8Array =>
      encodeWriteRequestV2([{ ...GOOD, samples: [{ timeMs, value: 1 }], metadata: { type: "gauge", help, unit: "" } }]);
    await sendV2(at(NOW, "one"), to);
    store.metadata.clear();
    await sendV2(at(NOW + 1, "one"), to);
    expect(store.metadata.size).toBe(0);
    store.commitGate = Promise.reject(new Error("disk is full"));
    expect((await sendV2(at(NOW + 2, "two"), to)).status).toBe(500);
    store.commitGate = Promise.resolve();
    await sendV2(at(NOW + 2, "two"), to);
    expect(store.metadata.get("test_metric1")?.help).toBe("two");
  });
});

describe("durability and load", () => {
  test("[RW14] answers only when the batch is durable", async () => {
    let release = (): void => {};
    store.commitGate = new Promise((resolve) => (release = resolve));
    let answered = false;
    const pending = sendV2(encodeWriteRequestV2([METRIC])).then((answer) => {
      answered = true;
      return answer;
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(answered).toBe(false);
    release();
    expect((await pending).status).toBe(204);
  });

  test("[RW15][RW16] a failed commit is a 500 that wrote nothing", async () => {
    store.commitGate = Promise.reject(new Error("storage error"));
    expect(await sendV2(encodeWriteRequestV2([METRIC]))).toEqual({
      status: 500,
      headers: { ...written(0), "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" },
      body: "storage error\n",
    });
  });

  test("[RW16] overload is a 503 with Retry-After", async () => {
    store.commitGate = Promise.reject(new OverloadedError("the queue is full", 7));
    const answer = await sendV1(encodeWriteRequestV1([METRIC]));
    expect(answer).toMatchObject({ status: 503, headers: { "Retry-After": "7" }, body: "the queue is full\n" });
  });

  test("[RW16] requests that wait are bounded", async () => {
    let release = (): void => {};
    store.commitGate = new Promise((resolve) => (release = resolve));
    const to = receiver({ limits: { maxPending: 2 } });
    const body = encodeWriteRequestV1([METRIC]);
    const first = [sendV1(body, to), sendV1(body, to)];
    const refused = await sendV1(body, to);
    expect(refused).toMatchObject({
      status: 503,
      headers: { "Retry-After": "1" },
      body: "too many requests wait to be written (2)\n",
    });
    release();
    expect((await Promise.all(first)).map((answer) => answer.status)).toEqual([204, 204]);
    const later = { ...METRIC, samples: [{ timeMs: NOW + 1, value: 1 }] };
    expect((await sendV1(encodeWriteRequestV1([later]), to)).status).toBe(204);
  });

  test("the series limit refuses new series only", async () => {
    store.seriesLimit = 1;
    const series = (name: string): WriteSeries => ({
      labels: { __name__: name },
      samples: [{ timeMs: NOW, value: 1 }],
    });
    const answer = await sendV2(encodeWriteRequestV2([series("a"), series("b")]));
    expect(answer).toMatchObject({
      status: 400,
      headers: written(1),
      body: 'series limit reached for series {__name__="b"}\n',
    });
  });

  test("[RW17] a cache that is full starts afresh and nothing is mixed up", async () => {
    for (const send of [sendV1, sendV2]) {
      store = new MemoryAppendable();
      const to = receiver({ limits: { cacheBytes: 40_000 } });
      const encode = send === sendV1 ? encodeWriteRequestV1 : encodeWriteRequestV2;
      for (let round = 0; round < 30; round++) {
        const series = Array.from({ length: 50 }, (_, i) => ({
          labels: { __name__: `m${(round * 17 + i) % 400}`, round: `r${(round * 17 + i) % 400}`, job: "x" },
          samples: [{ timeMs: NOW + round, value: (round * 17 + i) % 400 }],
        }));
        expect((await send(encode(series), to)).status).toBe(204);
      }
      expect(store.samples.size).toBe(400);
      for (const [labels, samples] of store.samples) {
        const number = Number(/__name__="m(\d+)"/.exec(labels)![1]);
        expect(labels).toBe(`{__name__="m${number}", job="x", round="r${number}"}`);
        expect(samples.every((sample) => sample.value === number)).toBe(true);
      }
    }
  });
});
