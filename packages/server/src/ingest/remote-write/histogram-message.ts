// Native histograms on the wire: the message is the same in both versions of the protocol. Integer ones carry the
// difference of each bucket to the one before it, floating point ones absolute counts.
import {
  CounterResetHint,
  type Histogram,
  histogramFromIntDeltas,
  isKnownSchema,
  MAX_EXPONENTIAL_SCHEMA,
  newHistogram,
  reduceResolution,
  type Span,
  STALE_NAN_HIGH,
  STALE_NAN_LOW,
  unknownSchema,
  usesCustomBuckets,
  validateHistogram,
  validateIntHistogram,
} from "@belfry/core/model";
import { BYTES, FIXED64, VARINT, type WireReader } from "./wire-reader.ts";

/** HistogramSample is one decoded message; `histogram` is undefined for a staleness marker. */
export interface HistogramSample {
  timeMs: number;
  startMs: number;
  histogram: Histogram | undefined;
}

/** readHistogram reads the message up to `end`. Throws WireError, or HistogramError when the histogram is not consistent. */
export function readHistogram(reader: WireReader, end: number): HistogramSample {
  let isFloat = false;
  let count = 0;
  let sum = 0;
  let stale = false;
  let schema = 0;
  let zeroThreshold = 0;
  let zeroCount = 0;
  let resetHint = 0;
  let timeMs = 0;
  let startMs = 0;
  const negativeSpans: Span[] = [];
  const negativeDeltas: number[] = [];
  const negativeCounts: number[] = [];
  const positiveSpans: Span[] = [];
  const positiveDeltas: number[] = [];
  const positiveCounts: number[] = [];
  const customValues: number[] = [];
  while (reader.at < end) {
    const tag = reader.tag(end);
    switch (tag >>> 3) {
      case 1:
        reader.expect(tag, VARINT, "CountInt");
        count = reader.varint(end);
        isFloat = false;
        break;
      case 2:
        reader.expect(tag, FIXED64, "CountFloat");
        count = reader.double(end);
        isFloat = true;
        break;
      case 3: {
        reader.expect(tag, FIXED64, "Sum");
        const at = reader.at;
        sum = reader.double(end);
        stale =
          reader.view.getUint32(at + 4, true) === STALE_NAN_HIGH && reader.view.getUint32(at, true) === STALE_NAN_LOW;
        break;
      }
      case 4:
        reader.expect(tag, VARINT, "Schema");
        schema = reader.sint32(end);
        break;
      case 5:
        reader.expect(tag, FIXED64, "ZeroThreshold");
        zeroThreshold = reader.double(end);
        break;
      case 6:
        reader.expect(tag, VARINT, "ZeroCountInt");
        zeroCount = reader.varint(end);
        break;
      case 7:
        reader.expect(tag, FIXED64, "ZeroCountFloat");
        zeroCount = reader.double(end);
        break;
      case 8:
        negativeSpans.push(readSpan(reader, tag, end, "NegativeSpans"));
        break;
      case 9:
        readDeltas(reader, tag, end, negativeDeltas, "NegativeDeltas");
        break;
      case 10:
        readDoubles(reader, tag, end, negativeCounts, "NegativeCounts");
        break;
      case 11:
        positiveSpans.push(readSpan(reader, tag, end, "PositiveSpans"));
        break;
      case 12:
        readDeltas(reader, tag, end, positiveDeltas, "PositiveDeltas");
        break;
      case 13:
        readDoubles(reader, tag, end, positiveCounts, "PositiveCounts");
        break;
      case 14:
        reader.expect(tag, VARINT, "ResetHint");
        resetHint = reader.varint(end);
        break;
      case 15:
        reader.expect(tag, VARINT, "Timestamp");
        timeMs = reader.int64(end);
        break;
      case 16:
        readDoubles(reader, tag, end, customValues, "CustomValues");
        break;
      case 17:
        reader.expect(tag, VARINT, "StartTimestamp");
        startMs = reader.int64(end);
        break;
      default:
        reader.skip(tag, end);
    }
  }
  if (stale) return { timeMs, startMs, histogram: undefined };
  if (!isKnownSchema(schema)) throw unknownSchema(schema);
  const common = {
    counterResetHint: toHint(resetHint),
    schema,
    zeroThreshold,
    zeroCount,
    count,
    sum,
    positiveSpans,
    negativeSpans,
  };
  let histogram = isFloat
    ? newHistogram({
        ...common,
        positiveBuckets: Float64Array.from(positiveCounts),
        negativeBuckets: Float64Array.from(negativeCounts),
      })
    : histogramFromIntDeltas({ ...common, positiveDeltas, negativeDeltas });
  if (usesCustomBuckets(histogram) || customValues.length > 0) histogram.customValues = Float64Array.from(customValues);
  if (schema > MAX_EXPONENTIAL_SCHEMA) histogram = reduceResolution(histogram, MAX_EXPONENTIAL_SCHEMA);
  if (isFloat) validateHistogram(histogram);
  else validateIntHistogram(histogram);
  return { timeMs, startMs, histogram };
}

function toHint(value: number): CounterResetHint {
  return value === 1 || value === 2 || value === 3 ? value : CounterResetHint.Unknown;
}

function readSpan(reader: WireReader, tag: number, end: number, field: string): Span {
  reader.expect(tag, BYTES, field);
  const stop = reader.length(end);
  let offset = 0;
  let length = 0;
  while (reader.at < stop) {
    const inner = reader.tag(stop);
    if (inner === 0x08) offset = reader.sint32(stop);
    else if (inner === 0x10) length = reader.uint32(stop);
    else reader.skip(inner, stop);
  }
  return { offset, length };
}

// Repeated numbers come packed in one run of bytes, or, from old encoders, one by one.
function readDeltas(reader: WireReader, tag: number, end: number, into: number[], field: string): void {
  if ((tag & 7) === VARINT) {
    into.push(reader.sint64(end));
    return;
  }
  reader.expect(tag, BYTES, field);
  const stop = reader.length(end);
  while (reader.at < stop) into.push(reader.sint64(stop));
}

function readDoubles(reader: WireReader, tag: number, end: number, into: number[], field: string): void {
  if ((tag & 7) === FIXED64) {
    into.push(reader.double(end));
    return;
  }
  reader.expect(tag, BYTES, field);
  const stop = reader.length(end);
  while (reader.at < stop) into.push(reader.double(stop));
}
