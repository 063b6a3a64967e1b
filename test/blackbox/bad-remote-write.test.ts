// Bad remote write: every kind gets its own answer, nothing of it can be queried, and the next good request is taken.
import { zstdCompressSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeSnappy } from "../../packages/server/src/lib/snappy.ts";
import { type BelfryProcess, instant, startBelfry } from "../support/belfry.ts";
import { exchange, get, type RawAnswer, unlessBroken } from "../support/prometheus-api.ts";
import { pushV1, pushV2 } from "../support/remote-write.ts";
import {
  encodeWriteRequestV1,
  encodeWriteRequestV2,
  WireWriter,
  type WriteSeries,
} from "../support/remote-write-encoder.ts";
import { canReadMemory, forgetPeak, peakBytes, residentBytes } from "../support/resident-memory.ts";

const MB = 1024 * 1024;
const V2_TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
const TEXT = "text/plain; charset=utf-8";

let belfry: BelfryProcess;
const startMs = Math.floor(Date.now() / 1000) * 1000;
let goodRequests = 0;

beforeAll(async () => {
  belfry = await startBelfry({ config: "global: {scrape_interval: 15s}\n" });
});
afterAll(() => belfry.remove());

async function send(body: Uint8Array, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  const response = await fetch(`${belfry.url}/api/v1/write`, {
    method: "POST",
    body: Buffer.from(body),
    headers: { "content-type": "application/x-protobuf", "content-encoding": "snappy", ...headers },
  });
  if (response.status !== 204) expect(response.headers.get("content-type")).toBe(TEXT);
  return { status: response.status, text: await response.text() };
}

function sendLarge(body: Buffer): Promise<RawAnswer> {
  const headers = { "content-type": "application/x-protobuf", "content-length": body.length };
  return exchange(`${belfry.url}/api/v1/write`, { method: "POST", headers }, (open) => open.end(body));
}

const good = encodeWriteRequestV1([{ labels: { __name__: "good" }, samples: [{ timeMs: startMs, value: 1 }] }]);

/** The proof after every bad request: another sample of another series is taken, and no other series has appeared. */
async function goesOn(): Promise<void> {
  const series = [
    { labels: { __name__: "good", n: String(goodRequests++) }, samples: [{ timeMs: startMs, value: 1 }] },
  ];
  expect(await pushV1(belfry.url, series)).toEqual({ status: 204, text: "" });
  expect((await get(belfry.url, "label/__name__/values")).json.data).toEqual(["good"]);
  expect((await instant(belfry.url, "count(good)", startMs / 1000))[0]!.value[1]).toBe(String(goodRequests));
}

describe("a body that cannot be read", () => {
  const cases: readonly [
    what: string,
    body: Uint8Array,
    headers: Record<string, string>,
    status: number,
    text: RegExp,
  ][] = [
    ["is not Snappy", Buffer.from("up 1\n"), {}, 400, /^snappy: /],
    ["is empty", new Uint8Array(0), {}, 400, /^snappy: /],
    ["is not compressed", good, {}, 400, /^snappy: /],
    ["is Snappy that was cut off", encodeSnappy(good).subarray(0, 12), {}, 400, /^snappy: /],
    ["is Snappy that refers to what is not there", Buffer.from([8, 0x15, 0xff]), {}, 400, /^snappy: /],
    ["has a length of more than 32 bits", Buffer.alloc(11, 0xff), {}, 400, /^snappy: /],
    ["is not zstd", Buffer.from("up 1\n"), { "content-encoding": "zstd" }, 400, /^zstd: /],
    [
      "is zstd that was cut off",
      zstdCompressSync(good).subarray(0, 15),
      { "content-encoding": "zstd" },
      400,
      /^zstd: /,
    ],
    [
      "is a message that was cut off",
      encodeSnappy(good.subarray(0, good.length - 3)),
      {},
      400,
      /^proto: unexpected EOF/,
    ],
    [
      "is a 2.0 message that was cut off",
      encodeSnappy(encodeWriteRequestV2(someSeries()).subarray(0, 9)),
      { "content-type": V2_TYPE },
      400,
      /^proto: unexpected EOF/,
    ],
    ["is noise", encodeSnappy(Buffer.from("The quick brown fox jumps over the lazy dog")), {}, 400, /^proto: /],
    [
      "has a field of the wrong type",
      encodeSnappy(new WireWriter().number(1, 7).result()),
      {},
      400,
      /^proto: wrong wireType = 0 for field Timeseries/,
    ],
    ["is nested groups without end", encodeSnappy(Buffer.alloc(100_000, 0x0b)), {}, 400, /^proto: /],
    [
      "is compressed with gzip",
      gzipSync(good),
      { "content-encoding": "gzip" },
      415,
      /^gzip encoding \(compression\) is not accepted by this server; only snappy, zstd are acceptable\n$/,
    ],
    [
      "is JSON",
      Buffer.from("{}"),
      { "content-type": "application/json" },
      415,
      /^expected application\/x-protobuf as the first \(media\) part, got application\/json content-type\n$/,
    ],
    [
      "is a form",
      Buffer.from("query=up"),
      { "content-type": "application/x-www-form-urlencoded" },
      415,
      /^expected application\/x-protobuf as the first \(media\) part, got application\/x-www-form-urlencoded content-type\n$/,
    ],
    [
      "is a message of an unknown kind",
      encodeSnappy(good),
      { "content-type": "application/x-protobuf;proto=io.prometheus.write.v3.Request" },
      415,
      /unknown type for remote write protobuf message io\.prometheus\.write\.v3\.Request, supported: prometheus\.WriteRequest, io\.prometheus\.write\.v2\.Request\n$/,
    ],
    [
      "has a parameter that is none",
      encodeSnappy(good),
      { "content-type": "application/x-protobuf;proto" },
      415,
      /expected parameters to be key-values, got proto in application\/x-protobuf;proto content-type\n$/,
    ],
  ];

  test.each(cases)("%s", async (_what, body, headers, status, text) => {
    const answer = await send(body, headers);
    expect(answer.text).toMatch(text);
    expect(answer.status).toBe(status);
    await goesOn();
  });

  test("says in the headers of 2.0 that nothing was written", async () => {
    const response = await fetch(`${belfry.url}/api/v1/write`, {
      method: "POST",
      body: Buffer.from("up 1\n"),
      headers: { "content-type": V2_TYPE, "content-encoding": "snappy" },
    });
    expect(response.status).toBe(400);
    await response.arrayBuffer();
    for (const what of ["samples", "histograms", "exemplars"]) {
      expect(response.headers.get(`x-prometheus-remote-write-${what}-written`)).toBe("0");
    }
    await goesOn();
  });

  test("is sent with the wrong method", async () => {
    const response = await fetch(`${belfry.url}/api/v1/write`);
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
    await response.arrayBuffer();
  });
});

describe("a body that is too large", () => {
  test("by what it announces", async () => {
    const answer = await unlessBroken(sendLarge(Buffer.alloc(33 * MB)));
    if (answer !== undefined) {
      expect([answer.status, answer.headers["content-type"], answer.body.toString()]).toEqual([
        413,
        TEXT,
        "Request body is too large\n",
      ]);
    }
    await goesOn();
  });

  test("without an end, sent in pieces", async () => {
    let sentBytes = 0;
    const piece = Buffer.alloc(256 * 1024);
    const request = exchange(
      `${belfry.url}/api/v1/write`,
      { method: "POST", headers: { "content-type": "application/x-protobuf", "transfer-encoding": "chunked" } },
      (open) => {
        let answered = false;
        open.once("response", () => (answered = true));
        const more = (): void => {
          if (answered || open.destroyed) return;
          sentBytes += piece.length;
          open.write(piece, more);
        };
        more();
      },
    );
    const answer = await unlessBroken(request);
    if (answer !== undefined) {
      expect([answer.status, answer.body.toString()]).toEqual([413, "Request body is too large\n"]);
    }
    expect(sentBytes).toBeGreaterThan(32 * MB);
    await goesOn();
  });

  test("when it is unpacked: Snappy claims gigabytes, zstd holds one", async () => {
    for (const [lengthBytes, text] of [
      ["8180802000", "snappy: decoded block would be 67108865 bytes, more than the limit of 67108864 at offset 0\n"],
      [
        "ffffffff0f00",
        "snappy: decoded block would be 4294967295 bytes, more than the limit of 67108864 at offset 0\n",
      ],
    ] as const) {
      expect(await send(Buffer.from(lengthBytes, "hex"))).toEqual({ status: 413, text });
    }
    const bomb = zstdCompressSync(Buffer.alloc(1024 * MB));
    expect(bomb.length).toBeLessThan(MB);
    const before = canReadMemory ? residentBytes(belfry.child.pid!) : 0;
    if (canReadMemory) forgetPeak(belfry.child.pid!);
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(bomb, { "content-encoding": "zstd" })));
    for (const answer of answers) {
      expect(answer).toEqual({ status: 413, text: "zstd: decoded body is larger than the limit of 67108864\n" });
    }
    // One is unpacked at a time, to its limit of 64 MB at most; unbounded they would be 20 GB.
    if (canReadMemory) expect(peakBytes(belfry.child.pid!) - before).toBeLessThan(300 * MB);
    await goesOn();
  });

  test("together with many others: some are sent away, and memory stays bounded", async () => {
    const before = canReadMemory ? residentBytes(belfry.child.pid!) : 0;
    if (canReadMemory) forgetPeak(belfry.child.pid!);
    const body = Buffer.alloc(31 * MB, 7);
    const answers = await Promise.all(Array.from({ length: 40 }, () => unlessBroken(sendLarge(body))));
    const statuses = new Set<number | undefined>();
    for (const answer of answers) {
      statuses.add(answer?.status);
      if (answer === undefined) continue;
      if (answer.status === 503) {
        expect(answer.headers["retry-after"]).toBe("1");
        expect(answer.body.toString()).toBe("request bodies under way would exceed 134217728 bytes, try again\n");
      } else expect(answer.status).toBe(400);
    }
    expect(statuses).toContain(400);
    // All of them would be 1.2 GB.
    if (canReadMemory) expect(peakBytes(belfry.child.pid!) - before).toBeLessThan(600 * MB);
    await goesOn();
  });

  test("is never completed: the connection breaks in the middle", async () => {
    const broken = Array.from({ length: 20 }, () =>
      exchange(
        `${belfry.url}/api/v1/write`,
        { method: "POST", headers: { "content-type": "application/x-protobuf", "content-length": 30 * MB } },
        (open) => open.write(Buffer.alloc(MB), () => open.destroy(new Error("gone"))),
      ).catch((error: Error) => error.message),
    );
    expect(new Set(await Promise.all(broken))).toEqual(new Set(["gone"]));
    // What they held is free again: a large body is judged by its content, not sent away.
    const answer = await sendLarge(Buffer.alloc(31 * MB, 7));
    expect(answer.status).toBe(400);
    await goesOn();
  });
});

describe("a series with bad labels", () => {
  const samples = [{ timeMs: startMs, value: 1 }];
  const cases: readonly [what: string, labels: WriteSeries["labels"], text: string][] = [
    [
      "has a label twice, with different values",
      [
        ["__name__", "bad"],
        ["a", "1"],
        ["a", "2"],
      ],
      'invalid labels for series, labels {__name__="bad", a="1", a="2"}, duplicated label a\n',
    ],
    [
      "has a label twice, with the same value",
      [
        ["a", "1"],
        ["__name__", "bad"],
        ["a", "1"],
      ],
      'invalid labels for series, labels {__name__="bad", a="1", a="1"}, duplicated label a\n',
    ],
    [
      "has its name twice",
      [
        ["__name__", "bad"],
        ["__name__", "worse"],
      ],
      'invalid labels for series, labels {__name__="bad", __name__="worse"}, duplicated label __name__\n',
    ],
    ["has no name", { a: "1" }, 'invalid metric name or labels, got {a="1"}\n'],
    ["has an empty name", { __name__: "", a: "1" }, 'invalid metric name or labels, got {__name__="", a="1"}\n'],
    ["has no labels at all", [], "invalid metric name or labels, got {}\n"],
    [
      "has an empty label name",
      { "": "1", __name__: "bad" },
      'invalid metric name or labels, got {""="1", __name__="bad"}\n',
    ],
  ];

  test.each(cases)("%s", async (_what, labels, text) => {
    expect(await pushV1(belfry.url, [{ labels, samples }])).toEqual({ status: 400, text });
    const { status, text: second, headers } = await pushV2(belfry.url, [{ labels, samples }]);
    expect([status, second]).toEqual([400, text]);
    expect(headers.get("x-prometheus-remote-write-samples-written")).toBe("0");
    await goesOn();
  });

  test.each([
    ["a metric name", ["__name__", "bad\xff"]],
    ["a label name", ["bad\xff", "1"]],
    ["a label value", ["a", "bad\xff"]],
    ["a surrogate in a label value", ["a", "\xed\xa0\x80"]],
    ["an overlong zero in a label value", ["a", "\xc0\x80"]],
  ] as const)("is not UTF-8 in %s", async (_what, [name, value]) => {
    const pairs =
      name === "__name__"
        ? [[name, value]]
        : [
            ["__name__", "bad"],
            [name, value],
          ];
    const series = new WireWriter();
    for (const [one, other] of pairs) {
      const pair = new WireWriter().message(1, Buffer.from(one!, "latin1")).message(2, Buffer.from(other!, "latin1"));
      series.message(1, pair.result());
    }
    series.message(2, new WireWriter().double(1, 1).number(2, startMs).result());
    const answer = await send(encodeSnappy(new WireWriter().message(1, series.result()).result()));
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(/^invalid metric name or labels, got \{.*\}\n$/);
    await goesOn();
  });

  test("refers to symbols of 2.0 that are not there, or to half a pair", async () => {
    const sample = new WireWriter().double(1, 1).number(2, startMs).result();
    const request = (refs: readonly number[]): Uint8Array => {
      const packed = new WireWriter();
      for (const ref of refs) packed.varint(ref);
      const series = new WireWriter().message(1, packed.result()).message(2, sample).result();
      const symbols = new WireWriter().text(4, "").text(4, "__name__").text(4, "bad");
      return encodeSnappy(symbols.message(5, series).result());
    };
    const headers = { "content-type": V2_TYPE };
    expect(await send(request([1, 99]), headers)).toMatchObject({ status: 400 });
    expect(await send(request([1, 0xffffffff]), headers)).toMatchObject({ status: 400 });
    expect(await send(request([1, 2, 1]), headers)).toEqual({
      status: 400,
      text: "parsing labels for series [1 2 1]: invalid labelRefs length 3\n",
    });
    await goesOn();
  });

  test("does not cost the good series of its request", async () => {
    const n = String(goodRequests++);
    const answer = await pushV2(belfry.url, [
      { labels: { a: "1" }, samples },
      { labels: { __name__: "good", n }, samples },
      { labels: { __name__: "bad", a: "1" }, samples: [{ timeMs: startMs + 3_600_000, value: 1 }] },
    ]);
    expect([answer.status, answer.text]).toEqual([
      400,
      'invalid metric name or labels, got {a="1"}\nout of bounds: timestamp is too far in the future for series {__name__="bad", a="1"}\n',
    ]);
    expect(answer.headers.get("x-prometheus-remote-write-samples-written")).toBe("1");
    await goesOn();
  });

  test("is one of very many: the answer does not name them all", async () => {
    const labels = Array.from({ length: 5000 }, (_, i) => ({ a: String(i) }));
    const answer = await pushV1(
      belfry.url,
      labels.map((one) => ({ labels: one, samples })),
    );
    expect(answer.status).toBe(400);
    expect(answer.text.split("\n")).toHaveLength(22);
    expect(answer.text).toMatch(/\n\.\.\. and 4980 more\n$/);
    await goesOn();
  });
});

describe("a sample at a bad time", () => {
  test.each([
    ["an hour ahead", 3_600_000, "out of bounds: timestamp is too far in the future"],
    ["a thousand years ahead", 1000 * 365 * 86_400_000, "out of bounds: timestamp is too far in the future"],
    ["at the end of time", Number.MAX_SAFE_INTEGER - startMs, "out of bounds: timestamp is too far in the future"],
    ["a day ago", -86_400_000, "out of bounds"],
    ["before the retention", -400 * 86_400_000, "out of bounds"],
    ["in 1970", -startMs, "out of bounds"],
    ["before 1970", -startMs - 1, "out of bounds"],
    ["at the beginning of time", -startMs - Number.MAX_SAFE_INTEGER, "out of bounds"],
  ])("%s", async (_what, offsetMs, text) => {
    const timeMs = startMs + offsetMs;
    const answer = await pushV1(belfry.url, [
      { labels: { __name__: "good", n: "0" }, samples: [{ timeMs, value: 1 }] },
    ]);
    expect(answer).toEqual({ status: 400, text: `${text} for series {__name__="good", n="0"}\n` });
    await goesOn();
  });

  test("older than the last of its series, or the same with another value", async () => {
    const labels = { __name__: "good", n: "0" };
    const push = (timeMs: number, value: number) => pushV1(belfry.url, [{ labels, samples: [{ timeMs, value }] }]);
    expect(await push(startMs - 1000, 2)).toEqual({
      status: 400,
      text: 'out of order sample for series {__name__="good", n="0"}\n',
    });
    expect(await push(startMs, 2)).toEqual({
      status: 400,
      text: 'duplicate sample for timestamp for series {__name__="good", n="0"}\n',
    });
    // The same sample again is what a sender repeats when it lost the answer.
    expect(await push(startMs, 1)).toEqual({ status: 204, text: "" });
    const values = await instant(belfry.url, 'good{n="0"}[1h]', startMs / 1000);
    expect(values).toEqual([{ metric: labels, values: [[startMs / 1000, "1"]] }]);
    await goesOn();
  });

  test("comes back unharmed after a restart, and what was refused does not", async () => {
    expect(await belfry.stop()).toBe(0);
    belfry = await startBelfry({ config: "global: {scrape_interval: 15s}\n", folder: belfry.folder });
    await goesOn();
  });
});

describe("labels without measure", () => {
  test("a value of one megabyte and a series of ten thousand labels are stored as they are", async () => {
    const labels: Record<string, string> = { __name__: "good", n: "long", long: "é".repeat(MB / 2) };
    const many: Record<string, string> = { __name__: "good", n: "many" };
    for (let i = 0; i < 10_000; i++) many[`l${String(i).padStart(5, "0")}`] = "x";
    const samples = [{ timeMs: startMs, value: 1 }];
    expect(
      await pushV1(belfry.url, [
        { labels, samples },
        { labels: many, samples },
      ]),
    ).toEqual({ status: 204, text: "" });
    goodRequests += 2;
    expect(await instant(belfry.url, 'good{n="long"}', startMs / 1000)).toEqual([
      { metric: labels, value: [startMs / 1000, "1"] },
    ]);
    expect((await instant(belfry.url, 'good{n="many"}', startMs / 1000))[0]!.metric).toEqual(many);
    await goesOn();
  });
});

function someSeries(): WriteSeries[] {
  return [{ labels: { __name__: "bad" }, samples: [{ timeMs: startMs, value: 1 }] }];
}
