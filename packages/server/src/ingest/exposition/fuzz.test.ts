// Seeded fuzzing of every parser: whatever the bytes, the outcome is entries or an ExpositionError, soon; and a
// parser whose cache knows other bodies of the target finds exactly what a fresh one finds.
import { describe, expect, test } from "vitest";
import { ExpositionError } from "./exposition-error.ts";
import { readFamilies } from "./family-reader.ts";
import { LineCache } from "./line-cache.ts";
import { NhcbParser } from "./nhcb-parser.ts";
import { OpenMetricsParser } from "./openmetrics-parser.ts";
import { readStrictOpenMetrics } from "./openmetrics-strict.ts";
import type { ExpositionParser } from "./parser.ts";
import { ProtobufParser } from "./protobuf-parser.ts";
import { double, family, int, label, message, packed, span, time, zigzag } from "./protobuf-writer.ts";
import { readEntries } from "./read-entries.ts";
import { TextParser } from "./text-parser.ts";

const TEXT = `# HELP latency_seconds How long \\n it \\\\ took.
# TYPE latency_seconds histogram
latency_seconds_bucket{zone="a",le="1"} 3
latency_seconds_bucket{zone="a",le="+Inf"} 6
latency_seconds_sum{zone="a"} 20.25
latency_seconds_count{zone="a"} 6
# a comment
up{instance="i:1", job = "j" ,} 1 1234567
plain 1e-7
{"quoted name",a="\\"x\\" \\\\"} NaN
more{a="1"} -Inf
`;
const OPEN_METRICS = `# HELP rpc Calls.
# TYPE rpc counter
rpc_total{a="b"} 17 1520879607.789 # {id="x",trace="y"} 5 1520879607
rpc_created{a="b"} 1520872607.123
# TYPE h_seconds histogram
# UNIT h_seconds seconds
h_seconds_bucket{le="1"} 1 # {} 0.5
h_seconds_bucket{le="+Inf"} 2
h_seconds_sum 3
h_seconds_count 2
h_seconds_created 1.5
{"http.status",q="0.9"} 8.3835e-05
# EOF
`;
const PROTOBUF = Buffer.from([
  ...family(
    "hits_total",
    0,
    message(
      4,
      label("path", "/"),
      message(3, double(1, 7), message(2, label("id", "x"), double(2, 3), time(3, 5, 6e6))),
    ),
    message(4, label("path", "/b"), message(3, double(1, 8)), int(6, 1234)),
  ),
  ...family(
    "size",
    4,
    message(
      4,
      message(7, int(1, 3), double(2, 10), message(3, int(1, 1), double(2, 1)), message(3, int(1, 2), double(2, 5))),
    ),
  ),
  ...family(
    "native",
    4,
    message(
      4,
      message(
        7,
        int(1, 6),
        double(2, 12.5),
        int(5, zigzag(3)),
        double(6, 0.001),
        int(7, 1),
        span(12, -2, 2),
        span(12, 1, 1),
        packed(13, zigzag(2), zigzag(-1), zigzag(1)),
        message(3, int(1, 6), double(2, 5)),
      ),
    ),
  ),
]);

const SPECIALS = [
  "\n",
  "\r\n",
  "{",
  "}",
  '"',
  "\\",
  "\\n",
  "#",
  "# ",
  "# TYPE a counter\n",
  "# HELP a b\n",
  "# EOF\n",
  "=",
  ",",
  " ",
  "\t",
  "\x00",
  "\xff",
  "\u00e9",
  "NaN",
  "+Inf",
  "1e400",
  "-",
  ".",
  "_created",
  "_bucket",
  'le="2"',
  "0".repeat(400),
  "1_0",
  "a ",
  'a{b="c"} 1\n',
  "  ",
  "é世",
  "99999999999999999999",
];

/** Random is a small deterministic generator (mulberry32). */
class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed;
  }

  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n);
  }
}

function mutate(random: Random, body: Buffer): Buffer {
  let out = Buffer.from(body);
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(out.length + 1);
    const end = Math.min(out.length, at + random.below(12));
    switch (random.below(6)) {
      case 0:
        if (at < out.length) out[at] = random.below(256);
        break;
      case 1:
        out = Buffer.concat([out.subarray(0, at), out.subarray(end)]);
        break;
      case 2:
        out = Buffer.concat([out.subarray(0, end), out.subarray(at)]);
        break;
      case 3:
        out = out.subarray(0, at);
        break;
      default: {
        const special = SPECIALS[random.below(SPECIALS.length)];
        out = Buffer.concat([out.subarray(0, at), Buffer.from(special, "latin1"), out.subarray(at)]);
      }
    }
  }
  return out;
}

function outcome(parser: ExpositionParser, body: Buffer): string[] {
  try {
    return readEntries(parser, body, true);
  } catch (error) {
    if (error instanceof ExpositionError) return [`line ${error.line}: ${error.message}`];
    throw error;
  }
}

const PARSERS: [string, Buffer, () => ExpositionParser][] = [
  ["text", Buffer.from(TEXT), () => new TextParser(new LineCache())],
  ["text with types", Buffer.from(TEXT), () => new TextParser(new LineCache(), { typeAndUnitLabels: true })],
  ["OpenMetrics", Buffer.from(OPEN_METRICS), () => new OpenMetricsParser(new LineCache())],
  [
    "OpenMetrics with start times",
    Buffer.from(OPEN_METRICS),
    () => new OpenMetricsParser(new LineCache(), { skipCreatedSeries: true, typeAndUnitLabels: true }),
  ],
  [
    "text to NHCB",
    Buffer.from(TEXT),
    () => new NhcbParser(new TextParser(new LineCache()), { keepClassicHistograms: false }),
  ],
  [
    "OpenMetrics to NHCB",
    Buffer.from(OPEN_METRICS),
    () => new NhcbParser(new OpenMetricsParser(new LineCache()), { keepClassicHistograms: true }),
  ],
  ["protobuf", PROTOBUF, () => new ProtobufParser(new LineCache(), { convertClassicHistograms: true })],
];

const ROUNDS = 3000;

describe("whatever the bytes", () => {
  test.each(PARSERS)("%s", (_, body, create) => {
    const started = performance.now();
    for (let seed = 1; seed <= ROUNDS / 100; seed++) {
      const random = new Random(seed);
      const warm = create();
      outcome(warm, body);
      for (let k = 0; k < 100; k++) {
        const mutant = mutate(random, body);
        const fresh = outcome(create(), mutant);
        warm.cache.iteration++;
        expect(
          outcome(warm, mutant),
          `seed ${seed}, mutant ${k}: ${JSON.stringify(mutant.toString("latin1"))}`,
        ).toEqual(fresh);
        if (k % 7 === 0) warm.cache.sweep(() => undefined);
      }
    }
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test("the strict readers", () => {
    const random = new Random(99);
    for (let k = 0; k < ROUNDS; k++) {
      const openMetrics = mutate(random, Buffer.from(OPEN_METRICS));
      const text = mutate(random, Buffer.from(TEXT)).toString("utf8");
      for (const read of [() => readStrictOpenMetrics(openMetrics), () => readFamilies(text)]) {
        try {
          read();
        } catch (error) {
          expect(error).toBeInstanceOf(ExpositionError);
        }
      }
    }
  });
});

describe("hostile bodies take time in proportion to their size", () => {
  const large = (part: string, times: number): Buffer => Buffer.from(part.repeat(times));
  test.each([
    ["one line of labels", Buffer.concat([Buffer.from("a{"), large('b="c",', 200_000), Buffer.from("} 1\n")])],
    ["distinct labels", Buffer.from(`a{${Array.from({ length: 100_000 }, (_, i) => `l${i}="v"`).join(",")}} 1\n`)],
    ["an open quote", Buffer.concat([Buffer.from('a{b="'), large("x\\", 500_000)])],
    ["backslashes", Buffer.concat([Buffer.from('a{b="'), large("\\\\", 500_000), Buffer.from('"} 1\n')])],
    ["blank lines", large("\n", 1_000_000)],
    ["comments", large("#\n", 500_000)],
    ["a long number", Buffer.concat([Buffer.from("a 1"), large("0", 1_000_000), Buffer.from("\n")])],
    [
      "created lines",
      Buffer.from(
        "# TYPE a counter\n" +
          Array.from({ length: 20_000 }, (_, i) => `a_total{i="${i}"} 1\na_created{i="${i}"} 2\n`).join("") +
          "# EOF\n",
      ),
    ],
    [
      "types without samples",
      Buffer.from(Array.from({ length: 50_000 }, (_, i) => `# TYPE a${i} counter\n`).join("") + "# EOF\n"),
    ],
  ])("%s", (_, body) => {
    for (const create of [
      () => new TextParser(new LineCache()),
      () => new OpenMetricsParser(new LineCache(), { skipCreatedSeries: true }),
      () => new NhcbParser(new TextParser(new LineCache()), {}),
    ]) {
      const started = performance.now();
      outcome(create(), body);
      expect(performance.now() - started).toBeLessThan(3000);
    }
  });
});
