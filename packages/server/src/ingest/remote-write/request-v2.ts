// io.prometheus.write.v2.Request, the message of remote write 2.0:
//
//   Request     4 symbols*        5 timeseries*
//   TimeSeries  1 labels_refs*    2 samples*   3 histograms*  4 exemplars*  5 metadata  6 created_timestamp
//   Sample      1 value           2 timestamp  3 start_timestamp
//   Exemplar    1 labels_refs*    2 value      3 timestamp
//   Metadata    1 type            3 help_ref   4 unit_ref
//
// Labels are references into the symbols of the request, which mean something else in the next one. So every symbol
// gets a number of ours first (a comparison for those seen before), and the numbers of a series' symbols are the key
// under which the series is remembered:
//
//   labels_refs  1 2 7 3  ->  symbol numbers 11 205 4 77  ->  16 bytes  ->  series
import type { Exemplar, MetricMetadata, MetricType } from "@belfry/core/model";
import { ByteTable } from "./byte-table.ts";
import { checkLabels, decodeText, isText } from "./label-check.ts";
import { metricFamilyOf, WIRE_METRIC_TYPES } from "./metadata-message.ts";
import { readHistogramSample, readSample } from "./sample-message.ts";
import type { SeriesCache } from "./series-cache.ts";
import { BYTES, VARINT, type WireReader } from "./wire-reader.ts";
import type { WriteBatch } from "./write-batch.ts";

/** V2Options are the parts of the behaviour that flags change. */
export interface V2Options {
  /** typeAndUnitLabels adds `__type__` and `__unit__` from the metadata of each series. */
  typeAndUnitLabels: boolean;
}

/** SymbolNumbers keeps the numbers of symbols, and their texts, between requests. */
export class SymbolNumbers {
  readonly table = new ByteTable();
  private readonly texts: (string | undefined)[] = [];
  private readonly invalid = new Set<number>();
  private readonly maxBytes: number;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** begin starts afresh when the table is full and tells whether it did: numbers given before mean nothing then. */
  begin(): boolean {
    if (this.table.bytesUsed < this.maxBytes) return false;
    this.reset();
    return true;
  }

  reset(): void {
    this.table.reset();
    this.texts.length = 0;
    this.invalid.clear();
  }

  /** text decodes a symbol; the string is shared by all series that use it. */
  text(id: number): string {
    let text = this.texts[id];
    if (text === undefined) {
      const bytes = this.table.bytes(id);
      text = decodeText(bytes, 0, bytes.length);
      if (text.includes("\ufffd") && !isText(bytes, 0, bytes.length)) this.invalid.add(id);
      this.texts[id] = text;
    }
    return text;
  }

  /** isValid tells whether a symbol whose text was asked for is UTF-8. */
  isValid(id: number): boolean {
    return !this.invalid.has(id);
  }
}

/** RequestV2 writes requests of version 2.0, one after another. */
export class RequestV2 {
  private readonly cache: SeriesCache;
  private readonly symbols: SymbolNumbers;
  private readonly options: V2Options;
  // The symbols of the request at hand, as our numbers.
  private numbers = new Int32Array(1024);
  private symbolCount = 0;
  // The label references of the series at hand, and its key.
  private refs = new Int32Array(64);
  private refCount = 0;
  private key = new Int32Array(64 + 2);
  private keyBytes = new Uint8Array(this.key.buffer);
  private keyView = new DataView(this.key.buffer);
  private metadataType = 0;
  private helpRef = 0;
  private unitRef = 0;

  constructor(cache: SeriesCache, symbols: SymbolNumbers, options: V2Options) {
    this.cache = cache;
    this.symbols = symbols;
    this.options = options;
  }

  /** write reads a whole request into `batch`. Throws WireError; what was appended until then must be rolled back. */
  write(reader: WireReader, batch: WriteBatch): void {
    const restarted = this.symbols.begin();
    if (restarted) this.cache.reset();
    else if (this.cache.begin()) this.symbols.reset();
    this.readSymbols(reader);
    const end = reader.bytes.length;
    reader.at = 0;
    let previous = 0;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag === 0x2a) previous = this.readSeries(reader, reader.length(end), previous, batch);
      else reader.skip(tag, end);
    }
  }

  // Symbols may in principle follow what refers to them, so they are read in a pass of their own.
  private readSymbols(reader: WireReader): void {
    const { bytes, view } = reader;
    const { table } = this.symbols;
    const end = bytes.length;
    let count = 0;
    let previous = 0;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag !== 0x22) {
        if (tag >>> 3 === 4) reader.expect(tag, BYTES, "Symbols");
        if (tag >>> 3 === 5) reader.expect(tag, BYTES, "Timeseries");
        reader.skip(tag, end);
        continue;
      }
      const stop = reader.length(end);
      const from = reader.at;
      previous = table.find(previous, bytes, view, from, stop) || table.add(previous, bytes, view, from, stop);
      if (count === this.numbers.length) this.numbers = grow(this.numbers);
      this.numbers[count++] = previous;
      reader.at = stop;
    }
    this.symbolCount = count;
  }

  private readSeries(reader: WireReader, end: number, previous: number, batch: WriteBatch): number {
    const from = reader.at;
    // First everything about the series as a whole, wherever it stands; then the samples.
    this.refCount = 0;
    this.metadataType = 0;
    this.helpRef = 0;
    this.unitRef = 0;
    let samples = 0;
    let startMs = 0;
    while (reader.at < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
        case 0x08:
          this.readRefs(reader, tag, end);
          break;
        case 0x12:
        case 0x1a:
          samples++;
          reader.at = reader.length(end);
          break;
        case 0x22:
          reader.at = reader.length(end);
          break;
        case 0x2a:
          this.readMetadata(reader, reader.length(end));
          break;
        case 0x30:
          startMs = reader.int64(end);
          break;
        default:
          if (tag >>> 3 <= 5) reader.expect(tag, BYTES, FIELDS[(tag >>> 3) - 1]);
          if (tag >>> 3 === 6) reader.expect(tag, VARINT, "CreatedTimestamp");
          reader.skip(tag, end);
      }
    }
    const problem = this.refsProblem();
    if (problem !== "") {
      batch.refuse("invalid_labels", samples, `parsing labels for series [${this.printRefs()}]: ${problem}`);
      return previous;
    }
    const id = this.seriesId(previous);
    const error = this.cache.errors.size === 0 ? undefined : this.cache.errors.get(id);
    if (error !== undefined) {
      batch.refuse("invalid_labels", samples, error);
      return id;
    }
    if (samples === 0) {
      const labels = this.cache.labels[id].toString();
      batch.refuse(
        "invalid_labels",
        0,
        `TimeSeries must contain at least one sample or histogram for series ${labels}`,
      );
      return id;
    }
    reader.at = from;
    // Exemplars follow samples, as they need a series to be attached to.
    let exemplarsFrom = -1;
    while (reader.at < end) {
      const at = reader.at;
      const tag = reader.tag(end);
      if (tag === 0x12) readSample(reader, reader.length(end), this.cache, id, startMs, batch);
      else if (tag === 0x1a) readHistogramSample(reader, reader.length(end), this.cache, id, startMs, batch);
      else {
        if (tag === 0x22 && exemplarsFrom < 0) exemplarsFrom = at;
        reader.skip(tag, end);
      }
    }
    if (exemplarsFrom >= 0) {
      reader.at = exemplarsFrom;
      while (reader.at < end) {
        const tag = reader.tag(end);
        if (tag === 0x22) this.readExemplar(reader, reader.length(end), id, batch);
        else reader.skip(tag, end);
      }
    }
    this.writeMetadata(id, batch);
    return id;
  }

  private readRefs(reader: WireReader, tag: number, end: number): void {
    if ((tag & 7) === VARINT) {
      this.pushRef(reader.uint32(end));
      return;
    }
    const stop = reader.length(end);
    while (reader.at < stop) this.pushRef(reader.uint32(stop));
  }

  private pushRef(ref: number): void {
    if (this.refCount === this.refs.length) {
      this.refs = grow(this.refs);
      this.key = new Int32Array(this.refs.length + 2);
      this.keyBytes = new Uint8Array(this.key.buffer);
      this.keyView = new DataView(this.key.buffer);
    }
    // References past 2^31 become negative, and are refused as such.
    this.refs[this.refCount++] = ref;
  }

  private refsProblem(): string {
    const { refs, refCount, symbolCount } = this;
    if (refCount % 2 !== 0) return `invalid labelRefs length ${refCount}`;
    for (let i = 0; i < refCount; i++) {
      if (refs[i] >= 0 && refs[i] < symbolCount) continue;
      const name = refs[i & ~1] >>> 0;
      const value = refs[i | 1] >>> 0;
      return `labelRefs ${name} (name) = ${value} (value) outside of symbols table (size ${symbolCount})`;
    }
    return "";
  }

  private printRefs(): string {
    return Array.from(this.refs.subarray(0, this.refCount), (ref) => ref >>> 0).join(" ");
  }

  private seriesId(previous: number): number {
    const { refs, refCount, numbers, key, cache } = this;
    for (let i = 0; i < refCount; i++) key[i] = numbers[refs[i]];
    let length = refCount;
    if (this.options.typeAndUnitLabels) {
      key[length++] = this.metadataType;
      key[length++] = this.number(this.unitRef);
    }
    const found = cache.keys.find(previous, this.keyBytes, this.keyView, 0, length * 4);
    if (found !== 0) return found;
    let pairs: string[] = [];
    let valid = true;
    for (let i = 0; i < refCount; i++) {
      pairs.push(this.symbols.text(key[i]));
      if (!this.symbols.isValid(key[i])) valid = false;
    }
    if (this.options.typeAndUnitLabels) pairs = this.withTypeAndUnit(pairs);
    const { labels, error } = checkLabels(pairs, valid);
    return cache.add(previous, this.keyBytes, this.keyView, 0, length * 4, labels, error);
  }

  private withTypeAndUnit(pairs: readonly string[]): string[] {
    const type = this.metricType();
    const unit = this.symbolText(this.unitRef);
    if (type === "unknown" && unit === "") return [...pairs];
    const kept: string[] = [];
    for (let i = 0; i < pairs.length; i += 2) {
      if (pairs[i] !== "__type__" && pairs[i] !== "__unit__") kept.push(pairs[i], pairs[i + 1]);
    }
    if (type !== "unknown") kept.push("__type__", type);
    if (unit !== "") kept.push("__unit__", unit);
    return kept;
  }

  private readExemplar(reader: WireReader, end: number, id: number, batch: WriteBatch): void {
    this.refCount = 0;
    let value = 0;
    let timeMs = 0;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a || tag === 0x08) this.readRefs(reader, tag, end);
      else if (tag === 0x11) value = reader.double(end);
      else if (tag === 0x18) timeMs = reader.int64(end);
      else reader.skip(tag, end);
    }
    const labels = this.cache.labels[id];
    const problem = this.refsProblem();
    if (problem !== "") {
      batch.refuse("exemplar", 0, `parsing exemplar for series ${labels.toString()}: ${problem}`);
      return;
    }
    const pairs: string[] = [];
    for (let i = 0; i < this.refCount; i++) pairs.push(this.symbolText(this.refs[i]));
    const exemplar = { labels: checkLabels(pairs, true).labels, value, timeMs, hasTime: timeMs !== 0 };
    if (!batch.exemplar(this.cache, id, exemplar) && !isTooLong(exemplar)) {
      batch.refuse("exemplar", 0, `out of order exemplar for series ${labels.toString()}`);
    }
  }

  private readMetadata(reader: WireReader, end: number): void {
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag === 0x08) this.metadataType = reader.uint32(end);
      else if (tag === 0x18) this.helpRef = reader.uint32(end);
      else if (tag === 0x20) this.unitRef = reader.uint32(end);
      else reader.skip(tag, end);
    }
  }

  private writeMetadata(id: number, batch: WriteBatch): void {
    if (this.metadataType === 0 && this.helpRef === 0 && this.unitRef === 0) return;
    const type = this.metricType();
    const help = this.symbolText(this.helpRef);
    const unit = this.symbolText(this.unitRef);
    const known = this.cache.metadata[id];
    // Texts of symbols are shared, so that comparing them is comparing pointers.
    if (known !== undefined && known.type === type && known.help === help && known.unit === unit) return;
    const metadata: MetricMetadata = { type, help, unit };
    this.cache.metadata[id] = metadata;
    batch.metadata(metricFamilyOf(this.cache.labels[id].metricName, type), metadata);
  }

  private metricType(): MetricType {
    return WIRE_METRIC_TYPES[this.metadataType] ?? "unknown";
  }

  private number(ref: number): number {
    return ref < this.symbolCount ? this.numbers[ref] : 0;
  }

  private symbolText(ref: number): string {
    const number = this.number(ref);
    return number === 0 ? "" : this.symbols.text(number);
  }
}

// An exemplar whose labels are too long is dropped without an error, as upstream does.
function isTooLong(exemplar: Exemplar): boolean {
  let characters = 0;
  for (const text of exemplar.labels.pairs) characters += [...text].length;
  return characters > 128;
}

const FIELDS = ["LabelsRefs", "Samples", "Histograms", "Exemplars", "Metadata"];

function grow(old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(old.length * 2);
  grown.set(old);
  return grown;
}
