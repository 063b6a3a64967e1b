// prometheus.WriteRequest, the message of remote write 1.0:
//
//   WriteRequest    1 timeseries*            3 metadata*
//   TimeSeries      1 labels*  2 samples*    3 exemplars*  4 histograms*
//   Label           1 name     2 value
//   Sample          1 value    2 timestamp
//   Exemplar        1 labels*  2 value       3 timestamp
//   MetricMetadata  1 type     2 family      4 help        5 unit
//
// The labels of a series stand together at the front in what every known sender writes, and their bytes are the key
// under which the series is remembered. Where they do not, they are gathered first.
import { checkLabels, decodeText, isText } from "./label-check.ts";
import { WIRE_METRIC_TYPES } from "./metadata-message.ts";
import { readHistogramSample, readSample } from "./sample-message.ts";
import type { SeriesCache } from "./series-cache.ts";
import { BYTES, type WireReader } from "./wire-reader.ts";
import type { WriteBatch } from "./write-batch.ts";

const LABELS = 0x0a;
const SAMPLE = 0x12;
const EXEMPLAR = 0x1a;
const HISTOGRAM = 0x22;

/** writeV1 reads a whole request into `batch`. Throws WireError; what was appended until then must be rolled back. */
export function writeV1(reader: WireReader, cache: SeriesCache, batch: WriteBatch): void {
  const end = reader.bytes.length;
  let previous = 0;
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === 0x0a) previous = readSeries(reader, reader.length(end), cache, previous, batch);
    else if (tag === 0x1a) readMetadata(reader, reader.length(end), batch);
    else {
      if (tag >>> 3 === 1) reader.expect(tag, BYTES, "Timeseries");
      reader.skip(tag, end);
    }
  }
}

function readSeries(reader: WireReader, end: number, cache: SeriesCache, previous: number, batch: WriteBatch): number {
  const { bytes } = reader;
  const from = reader.at;
  while (reader.at < end && bytes[reader.at] === LABELS) {
    reader.at++;
    reader.at = reader.length(end);
  }
  const labelsEnd = reader.at;
  const samples = countSamples(reader, end);
  const id =
    samples < 0
      ? seriesOfScattered(reader, from, end, cache)
      : cache.keys.find(previous, bytes, reader.view, from, labelsEnd) ||
        addSeries(reader, from, labelsEnd, cache, previous);
  const error = cache.errors.size === 0 ? undefined : cache.errors.get(id);
  if (error !== undefined) {
    batch.refuse("invalid_labels", Math.abs(samples), error);
    reader.at = end;
    return id;
  }
  reader.at = labelsEnd;
  // Exemplars need a series to be attached to, which samples and histograms make.
  let exemplarsFrom = end;
  while (reader.at < end) {
    const at = reader.at;
    const tag = reader.tag(end);
    if (tag === SAMPLE) readSample(reader, reader.length(end), cache, id, 0, batch);
    else if (tag === HISTOGRAM) readHistogramSample(reader, reader.length(end), cache, id, 0, batch);
    else {
      if (tag === EXEMPLAR && exemplarsFrom === end) exemplarsFrom = at;
      reader.skip(tag, end);
    }
  }
  reader.at = exemplarsFrom;
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === EXEMPLAR) readExemplar(reader, reader.length(end), cache, id, batch);
    else reader.skip(tag, end);
  }
  return id;
}

// Looks over the fields after the labels, so that nothing is appended from a series that is cut off, and returns the
// number of samples and histograms; negative when there are labels among them.
function countSamples(reader: WireReader, end: number): number {
  let count = 0;
  let scattered = false;
  while (reader.at < end) {
    const tag = reader.tag(end);
    const field = tag >>> 3;
    if (field >= 1 && field <= 4) {
      reader.expect(tag, BYTES, ["Labels", "Samples", "Exemplars", "Histograms"][field - 1]);
      if (field === 2 || field === 4) count++;
      if (field === 1) scattered = true;
    }
    reader.skip(tag, end);
  }
  return scattered ? -Math.max(count, 1) : count;
}

function addSeries(reader: WireReader, from: number, end: number, cache: SeriesCache, previous: number): number {
  const { bytes } = reader;
  const pairs: string[] = [];
  reader.at = from;
  const valid = readLabels(reader, end, pairs);
  const { labels, error } = checkLabels(pairs, valid);
  return cache.add(previous, bytes, reader.view, from, end, labels, error);
}

// Slow path: the labels in between are copied together and then looked up as if they had stood so.
function seriesOfScattered(reader: WireReader, from: number, end: number, cache: SeriesCache): number {
  const parts: Uint8Array[] = [];
  reader.at = from;
  while (reader.at < end) {
    const start = reader.at;
    const tag = reader.tag(end);
    reader.skip(tag, end);
    if (tag === LABELS) parts.push(reader.bytes.subarray(start, reader.at));
  }
  const together = Buffer.concat(parts);
  const outer = { bytes: reader.bytes, at: reader.at };
  reader.reset(together);
  const known = cache.keys.find(0, together, reader.view, 0, together.length);
  const id = known || addSeries(reader, 0, together.length, cache, 0);
  reader.reset(outer.bytes);
  reader.at = outer.at;
  return id;
}

/** Reads a run of Label fields (of field number 1) into `pairs` and tells whether all of it was UTF-8. */
function readLabels(reader: WireReader, end: number, pairs: string[]): boolean {
  let valid = true;
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag !== LABELS) {
      reader.skip(tag, end);
      continue;
    }
    const stop = reader.length(end);
    let name = "";
    let value = "";
    while (reader.at < stop) {
      const inner = reader.tag(stop);
      if (inner !== 0x0a && inner !== 0x12) {
        if (inner >>> 3 === 1 || inner >>> 3 === 2) reader.expect(inner, BYTES, inner >>> 3 === 1 ? "Name" : "Value");
        reader.skip(inner, stop);
        continue;
      }
      const textEnd = reader.length(stop);
      const text = decodeText(reader.bytes, reader.at, textEnd);
      if (valid && text.includes("\ufffd") && !isText(reader.bytes, reader.at, textEnd)) valid = false;
      if (inner === 0x0a) name = text;
      else value = text;
      reader.at = textEnd;
    }
    pairs.push(name, value);
  }
  return valid;
}

function readExemplar(reader: WireReader, end: number, cache: SeriesCache, id: number, batch: WriteBatch): void {
  const pairs: string[] = [];
  const from = reader.at;
  const valid = readLabels(reader, end, pairs);
  reader.at = from;
  let value = 0;
  let timeMs = 0;
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === 0x11) value = reader.double(end);
    else if (tag === 0x18) timeMs = reader.int64(end);
    else reader.skip(tag, end);
  }
  // In version 1 a refused exemplar is not the sender's error.
  if (valid)
    batch.exemplar(cache, id, { labels: checkLabels(pairs, true).labels, value, timeMs, hasTime: timeMs !== 0 });
}

function readMetadata(reader: WireReader, end: number, batch: WriteBatch): void {
  let type = 0;
  let family = "";
  let help = "";
  let unit = "";
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === 0x08) type = reader.varint(end);
    else if (tag === 0x12) family = readText(reader, end);
    else if (tag === 0x22) help = readText(reader, end);
    else if (tag === 0x2a) unit = readText(reader, end);
    else reader.skip(tag, end);
  }
  if (family !== "") batch.metadata(family, { type: WIRE_METRIC_TYPES[type] ?? "unknown", help, unit });
}

function readText(reader: WireReader, end: number): string {
  const stop = reader.length(end);
  const text = decodeText(reader.bytes, reader.at, stop);
  reader.at = stop;
  return text;
}
