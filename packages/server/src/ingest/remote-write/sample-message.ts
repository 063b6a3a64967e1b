import { HistogramError, STALE_NAN_HIGH, STALE_NAN_LOW } from "@belfry/core/model";
import { readHistogram } from "./histogram-message.ts";
import type { SeriesCache } from "./series-cache.ts";
import { FIXED64, VARINT, type WireReader } from "./wire-reader.ts";
import type { WriteBatch } from "./write-batch.ts";

/** readSample appends a Sample message that reaches to `end`. `startMs` is the start timestamp unless it has its own. */
export function readSample(
  reader: WireReader,
  end: number,
  cache: SeriesCache,
  id: number,
  startMs: number,
  batch: WriteBatch,
): void {
  let value = 0;
  let valueAt = 0;
  let timeMs = 0;
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === 0x09) {
      valueAt = reader.at;
      value = reader.double(end);
    } else if (tag === 0x10) timeMs = reader.int64(end);
    else if (tag === 0x18) startMs = reader.int64(end);
    else {
      if (tag >>> 3 === 1) reader.expect(tag, FIXED64, "Value");
      if (tag >>> 3 === 2) reader.expect(tag, VARINT, "Timestamp");
      reader.skip(tag, end);
    }
  }
  // As a number a staleness marker would be any NaN, so its bits are looked at where they stand.
  if (value !== value && isStaleAt(reader, valueAt)) batch.stale(cache, id, timeMs, false);
  else batch.sample(cache, id, timeMs, value, startMs);
}

function isStaleAt(reader: WireReader, at: number): boolean {
  return reader.view.getUint32(at + 4, true) === STALE_NAN_HIGH && reader.view.getUint32(at, true) === STALE_NAN_LOW;
}

/** readHistogramSample appends a Histogram message that reaches to `end`; an inconsistent one is refused, not malformed. */
export function readHistogramSample(
  reader: WireReader,
  end: number,
  cache: SeriesCache,
  id: number,
  seriesStartMs: number,
  batch: WriteBatch,
): void {
  try {
    const { timeMs, startMs, histogram } = readHistogram(reader, end);
    if (histogram === undefined) batch.stale(cache, id, timeMs, true);
    else batch.histogram(cache, id, timeMs, histogram, startMs || seriesStartMs);
  } catch (error) {
    if (!(error instanceof HistogramError)) throw error;
    batch.refuse("invalid_histogram", 1, `${error.message} for series ${cache.labels[id].toString()}`);
    reader.at = end;
  }
}
