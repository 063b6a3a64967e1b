import { type Histogram, histogramToString } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import { ExpositionError } from "./exposition-error.ts";
import { LineCache } from "./line-cache.ts";
import { Entry, type ParserOptions } from "./parser.ts";
import { ProtobufParser } from "./protobuf-parser.ts";
import { double, family, int, label, message, packed, span, text, time, zigzag } from "./protobuf-writer.ts";
import { readEntries } from "./read-entries.ts";

function read(body: number[], options: ParserOptions = {}): string[] {
  return readEntries(new ProtobufParser(new LineCache(), options), Uint8Array.from(body), true);
}

function failure(body: number[]): string {
  try {
    read(body);
    return "none";
  } catch (error) {
    if (error instanceof ExpositionError) return error.message;
    throw error;
  }
}

const HEADER = (name: string, type: string): string[] => [`help ${name}: Some help.`, `type ${name}: ${type}`];

const COUNTER = family(
  "hits_total",
  0,
  message(
    4,
    label("path", "/"),
    message(3, double(1, 7), message(2, label("id", "x"), double(2, 3), time(3, 5, 6e6)), time(3, 100, 5e6)),
  ),
  message(4, label("path", "/b"), message(3, double(1, 8)), int(6, 1234)),
);
const SUMMARY = family(
  "wait",
  2,
  message(
    4,
    message(
      4,
      int(1, 2),
      double(2, 0.5),
      message(3, double(1, 0.5), double(2, 1)),
      message(3, double(1, 1), double(2, 2)),
    ),
  ),
);
const CLASSIC = family(
  "size",
  4,
  message(
    4,
    message(
      7,
      int(1, 3),
      double(2, 10),
      message(3, int(1, 1), double(2, 1)),
      message(3, int(1, 2), double(2, 5), message(3, label("id", "e"), double(2, 4))),
    ),
  ),
);
const NATIVE_FIELDS = [
  int(1, 6),
  double(2, 12.5),
  int(5, zigzag(3)),
  double(6, 0.001),
  int(7, 1),
  span(12, -2, 2),
  span(12, 1, 1),
  packed(13, zigzag(2), zigzag(-1), zigzag(1)),
  message(3, int(1, 6), double(2, 5)),
];
const NATIVE = family("native", 4, message(4, message(7, ...NATIVE_FIELDS)));

describe("ProtobufParser", () => {
  test("counters with exemplars, start times and timestamps; twice the same", () => {
    const parser = new ProtobufParser(new LineCache());
    for (let round = 0; round < 2; round++) {
      expect(readEntries(parser, Uint8Array.from(COUNTER), true)).toEqual([
        ...HEADER("hits_total", "counter"),
        '{__name__="hits_total", path="/"} 7 since 100005 # {id="x"} 3 @5006',
        '{__name__="hits_total", path="/b"} 8 @1234',
      ]);
      parser.cache.iteration++;
    }
    expect(parser.cache.size).toBe(2);
  });

  test("summaries and classic histograms come as series of their own", () => {
    expect(read([...SUMMARY, ...CLASSIC])).toEqual([
      ...HEADER("wait", "summary"),
      '{__name__="wait_count"} 2',
      '{__name__="wait_sum"} 0.5',
      '{__name__="wait", quantile="0.5"} 1',
      '{__name__="wait", quantile="1.0"} 2',
      ...HEADER("size", "histogram"),
      '{__name__="size_count"} 3',
      '{__name__="size_sum"} 10',
      '{__name__="size_bucket", le="1.0"} 1',
      '{__name__="size_bucket", le="5.0"} 2 # {id="e"} 4',
      '{__name__="size_bucket", le="+Inf"} 3',
    ]);
  });

  const histogramOf = (body: number[], options: ParserOptions = {}): Histogram | undefined => {
    const parser = new ProtobufParser(new LineCache(), options);
    parser.load(Uint8Array.from(body), body.length);
    for (let entry = parser.next(); entry !== Entry.End; entry = parser.next()) {
      if (entry === Entry.Histogram) return parser.histogram;
    }
    return undefined;
  };

  test("native histograms, alone or with the classic series", () => {
    expect(read(NATIVE)).toEqual([...HEADER("native", "histogram"), '{__name__="native"} histogram 6']);
    const h = histogramOf(NATIVE)!;
    expect(h.schema).toBe(3);
    expect([...h.positiveBuckets]).toEqual([2, 1, 2]);
    expect(h.positiveSpans).toEqual([
      { offset: -2, length: 2 },
      { offset: 1, length: 1 },
    ]);
    expect(histogramToString(h)).toContain("count:6");
    expect(read(NATIVE, { keepClassicHistograms: true })).toEqual([
      ...HEADER("native", "histogram"),
      '{__name__="native"} histogram 6',
      '{__name__="native_count"} 6',
      '{__name__="native_sum"} 12.5',
      '{__name__="native_bucket", le="5.0"} 6',
      '{__name__="native_bucket", le="+Inf"} 6',
    ]);
    expect(read(NATIVE, { ignoreNativeHistograms: true })).not.toContain('{__name__="native"} histogram 6');
  });

  test("classic histograms become native ones with custom buckets", () => {
    expect(read(CLASSIC, { convertClassicHistograms: true })).toEqual([
      ...HEADER("size", "histogram"),
      '{__name__="size"} histogram 3',
    ]);
    const h = histogramOf(CLASSIC, { convertClassicHistograms: true })!;
    expect(h.schema).toBe(-53);
    expect([...h.customValues!]).toEqual([1, 5]);
    expect([...h.positiveBuckets]).toEqual([1, 1, 1]);
  });

  test("an inconsistent native histogram is an error when it is taken", () => {
    const bad = family("native", 4, message(4, message(7, int(1, 9), ...NATIVE_FIELDS.slice(1))));
    expect(() => histogramOf(bad)).toThrow("6 observations found in buckets, but the Count field is 9");
  });

  test.each([
    [[0x80], "protobufparse: invalid varint: 0"],
    [[5, 1, 2], "protobufparse: insufficient length of buffer, expected at least 6 bytes, got 3 bytes"],
    [family("", 0, message(4, message(3, double(1, 1)))), "invalid metric name: "],
    [family("a", 9, message(4, message(3, double(1, 1)))), 'unknown metric type for metric "a": 9'],
    [
      family("a", 1, text(5, "seconds"), message(4, message(2, double(1, 1)))),
      'unit "seconds" not a suffix of metric "a"',
    ],
    [family("a", 0, message(4, label("x", "1"), label("x", "2"))), 'label name "x" is not unique: invalid sample'],
    [family("a", 0, message(4, label("", "1"))), "invalid label name: "],
  ])("%j fails", (body, expected) => {
    expect(failure(body)).toBe(expected);
  });

  test("families without metrics are passed over", () => {
    expect(read([...family("empty", 0), ...SUMMARY]).slice(0, 1)).toEqual(["help wait: Some help."]);
  });
});
