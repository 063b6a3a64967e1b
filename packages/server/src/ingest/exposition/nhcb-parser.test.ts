import { histogramToString } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import { LineCache } from "./line-cache.ts";
import { NhcbParser } from "./nhcb-parser.ts";
import { OpenMetricsParser } from "./openmetrics-parser.ts";
import { Entry, type ParserOptions } from "./parser.ts";
import { readEntries } from "./read-entries.ts";
import { TextParser } from "./text-parser.ts";

const BODY = `# TYPE rpc histogram
rpc_bucket{zone="a",le="1"} 3
rpc_bucket{zone="a",le="5"} 4
rpc_bucket{zone="a",le="+Inf"} 6
rpc_sum{zone="a"} 20
rpc_count{zone="a"} 6
rpc_bucket{zone="b",le="1"} 0
rpc_bucket{zone="b",le="+Inf"} 1
rpc_sum{zone="b"} 9
rpc_count{zone="b"} 1
# HELP up Is it up?
up 1
# TYPE not_ours gauge
rpc_count{zone="c"} 7
# TYPE broken histogram
broken_bucket{le="1"} 5
broken_bucket{le="+Inf"} 4
broken_sum 1
broken_count 4
# TYPE last histogram
last_bucket{le="+Inf"} 2
last_sum 3
last_count 2
`;

function nhcb(body: string, options: ParserOptions = {}) {
  const parser = new NhcbParser(new TextParser(new LineCache(), options), options);
  return { parser, read: () => readEntries(parser, Buffer.from(body)) };
}

const CONVERTED = [
  "type rpc: histogram",
  '{__name__="rpc", zone="a"} histogram 6',
  '{__name__="rpc", zone="b"} histogram 1',
  "help up: Is it up?",
  '{__name__="up"} 1',
  "type not_ours: gauge",
  '{__name__="rpc_count", zone="c"} 7',
  "type broken: histogram",
  "type last: histogram",
  '{__name__="last"} histogram 2',
];

describe("NhcbParser", () => {
  test("a histogram takes the place of its classic series, every time", () => {
    const { parser, read } = nhcb(BODY);
    for (let round = 0; round < 4; round++) {
      expect(read()).toEqual(CONVERTED);
      parser.cache.sweep(() => undefined);
      parser.cache.iteration++;
    }
    const size = parser.cache.size;
    read();
    expect(parser.cache.size).toBe(size + 1);
  });

  test("its buckets, count and sum are those of the series", () => {
    const { parser } = nhcb(BODY);
    parser.load(Buffer.from(BODY), BODY.length);
    const found: string[] = [];
    for (let entry = parser.next(); entry !== Entry.End; entry = parser.next()) {
      if (entry === Entry.Histogram) found.push(histogramToString(parser.histogram!));
    }
    expect(found).toEqual([
      "{count:6, sum:20, [-Inf,1]:3, (1,5]:1, (5,+Inf]:2}",
      "{count:1, sum:9, (1,+Inf]:1}",
      "{count:2, sum:3, [-Inf,+Inf]:2}",
    ]);
  });

  test("the classic series are kept when asked for", () => {
    const { read } = nhcb(BODY, { keepClassicHistograms: true });
    const lines = read();
    expect(lines.slice(0, 8)).toEqual([
      "type rpc: histogram",
      '{__name__="rpc_bucket", le="1.0", zone="a"} 3',
      '{__name__="rpc_bucket", le="5.0", zone="a"} 4',
      '{__name__="rpc_bucket", le="+Inf", zone="a"} 6',
      '{__name__="rpc_sum", zone="a"} 20',
      '{__name__="rpc_count", zone="a"} 6',
      '{__name__="rpc", zone="a"} histogram 6',
      '{__name__="rpc_bucket", le="1.0", zone="b"} 0',
    ]);
    expect(lines).toContain('{__name__="broken_sum"} 1');
  });

  test("exemplars, timestamps and start times go along", () => {
    const body = `# TYPE h histogram
h_bucket{le="1"} 1 1.5 # {id="x"} 0.5 1
h_bucket{le="+Inf"} 2 1.5 # {id="y"} 3 1.25
h_count 2 1.5
h_sum 3.5 1.5
h_created 1
# EOF
`;
    const options = { skipCreatedSeries: true };
    const parser = new NhcbParser(new OpenMetricsParser(new LineCache(), options), options);
    expect(readEntries(parser, Buffer.from(body), true)).toEqual([
      "type h: histogram",
      '{__name__="h"} histogram 2 @1500 since 1000 # {id="x"} 0.5 @1000 # {id="y"} 3 @1250',
    ]);
  });
});
