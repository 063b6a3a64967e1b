// The protobuf format: length-delimited io.prometheus.client.MetricFamily messages. It is the one format that carries
// native histograms. A message is decoded metric by metric into reused columns and handed out as the
// entries that the text formats would have: `_count`, `_sum` and buckets of a histogram are series of their own.
//
// The cache key of a series is made of what identifies it in the message:
//   family name · 0xff · label fields as they stand · 0xff · part (count, sum, bucket bound ...)
import {
  ClassicHistogramBuilder,
  CounterResetHint,
  compactHistogram,
  type Exemplar,
  type Histogram,
  HistogramError,
  histogramFromIntDeltas,
  isKnownSchema,
  type Labels,
  MAX_EXPONENTIAL_SCHEMA,
  METRIC_NAME,
  type MetricType,
  newHistogram,
  quoteGo,
  reduceResolution,
  type Span,
  unknownSchema,
  validateHistogram,
  validateIntHistogram,
} from "@belfry/core/model";
import { BYTES, FIXED64, VARINT, WireError, WireReader } from "../remote-write/wire-reader.ts";
import { ExpositionError } from "./exposition-error.ts";
import { hashBytes, type LineCache, LineKind } from "./line-cache.ts";
import { formatOpenMetricsFloat } from "./parse-float.ts";
import { Entry, type ExpositionParser, type ParserOptions } from "./parser.ts";
import { decodeUtf8, isValidUtf8 } from "./quote-bytes.ts";
import { sortedLabels } from "./sorted-labels.ts";

// Values of io.prometheus.client.MetricType.
const COUNTER = 0;
const SUMMARY = 2;
const HISTOGRAM = 4;
const GAUGE_HISTOGRAM = 5;
const TYPE_NAMES: readonly MetricType[] = ["counter", "gauge", "summary", "unknown", "histogram", "gaugehistogram"];

// Part says which series of a metric an entry is.
const Part = { Plain: 0, Native: 1, Count: 2, Sum: 3, Bucket: 4, Quantile: 5, Custom: 6 } as const;
type Part = (typeof Part)[keyof typeof Part];
const SUFFIXES = ["", "", "_count", "_sum", "_bucket", "", ""] as const;

const NO_BYTES = new Uint8Array(0);
// A bucket bound and its bytes.
const BOUND = new Float64Array(1);
const BOUND_BYTES = new Uint8Array(BOUND.buffer);

/** FamilyHeader is what a family says of itself. */
interface FamilyHeader {
  name: string;
  nameBytes: Uint8Array;
  help: string;
  unit: string;
  type: number;
}

/** ProtobufParser reads length-delimited metric families. */
export class ProtobufParser implements ExpositionParser {
  readonly cache: LineCache;
  entry = 0;
  repeated = false;
  value = 0;
  hasTime = false;
  timeMs = 0;
  emptyLabels: readonly string[] = [];

  private readonly options: ParserOptions;
  private readonly reader = new WireReader();
  private end = 0;
  /** nextFamily is where the next message begins; the metrics of the current one are in metricStarts. */
  private nextFamily = 0;
  private familyEnd = 0;
  private header: FamilyHeader = { name: "", nameBytes: NO_BYTES, help: "", unit: "", type: 0 };
  private readonly metricStarts: number[] = [];
  private readonly metricEnds: number[] = [];
  private metricIndex = 0;
  /** pending are the metadata entries still to hand out. */
  private pending: Entry[] = [];
  private readonly metric = new MetricColumns();
  /** parts, partValues and partIndices are the entries of the current metric. */
  private readonly parts: Part[] = [];
  private readonly partValues: number[] = [];
  private readonly partIndices: number[] = [];
  private partAt = 0;
  private currentPart: Part = Part.Plain;
  private currentIndex = 0;
  private exemplarAt = 0;
  private built: Histogram | undefined;
  private readonly builder = new ClassicHistogramBuilder();
  private key = new Uint8Array(256);
  private keyBase = 0;
  private previous = 0;
  private done = false;

  constructor(cache: LineCache, options: ParserOptions = {}) {
    this.cache = cache;
    this.options = options;
  }

  get type(): MetricType {
    return TYPE_NAMES[this.header.type];
  }

  get family(): string {
    return this.header.name;
  }

  get text(): string {
    return this.textOf;
  }
  private textOf = "";

  /** histogram is made when it is asked for. Throws ExpositionError when it is not consistent. */
  get histogram(): Histogram | undefined {
    if (this.built !== undefined) return this.built;
    if (this.currentPart === Part.Native) this.built = this.buildNative();
    else if (this.currentPart === Part.Custom) this.built = this.buildCustom();
    return this.built;
  }

  load(bytes: Uint8Array, length: number): void {
    this.reader.reset(bytes.length === length ? bytes : bytes.subarray(0, length));
    this.end = length;
    this.nextFamily = 0;
    this.metricStarts.length = 0;
    this.metricEnds.length = 0;
    this.metricIndex = 0;
    this.pending = [];
    this.parts.length = 0;
    this.partAt = 0;
    this.previous = 0;
    this.done = false;
  }

  next(): Entry {
    if (this.done) return Entry.End;
    try {
      return this.advance();
    } catch (error) {
      if (error instanceof WireError) throw new ExpositionError(error.message, 0);
      throw error;
    }
  }

  labels(): Labels {
    const { metric, header } = this;
    const bytes = this.reader.bytes;
    const name = header.name + SUFFIXES[this.currentPart];
    const pairs: string[] = [METRIC_NAME, name];
    const typed = this.options.typeAndUnitLabels === true;
    if (typed && this.type !== "unknown") pairs.push("__type__", this.type);
    if (typed && header.unit !== "") pairs.push("__unit__", header.unit);
    const set = pairs.length;
    const empty: string[] = [];
    for (let i = 0; i < metric.labelCount; i++) {
      const at = 4 * i;
      const label = decodeUtf8(bytes, metric.labels[at], metric.labels[at + 1]);
      if (label === "" || !isValidUtf8(bytes, metric.labels[at], metric.labels[at + 1])) {
        throw this.fail(`invalid label name: ${label}`);
      }
      const value = decodeUtf8(bytes, metric.labels[at + 2], metric.labels[at + 3]);
      if (!isValidUtf8(bytes, metric.labels[at + 2], metric.labels[at + 3])) {
        throw this.fail(`invalid label value: ${value}`);
      }
      if (typed && pairs.slice(2, set).includes(label)) continue;
      if (value === "") empty.push(label);
      pairs.push(label, value);
    }
    this.emptyLabels = empty;
    if (this.currentPart === Part.Bucket) pairs.push("le", formatOpenMetricsFloat(this.bucketBound(this.currentIndex)));
    if (this.currentPart === Part.Quantile) {
      pairs.push("quantile", formatOpenMetricsFloat(metric.bounds[this.currentIndex]));
    }
    return sortedLabels(pairs, (duplicate) => {
      throw this.fail(`label name ${quoteGo(duplicate)} is not unique: invalid sample`);
    });
  }

  startMs(): number {
    return this.metric.createdMs;
  }

  exemplar(): Exemplar | undefined {
    const { metric } = this;
    switch (this.currentPart) {
      case Part.Plain:
        if (this.header.type !== COUNTER || this.exemplarAt > 0) return undefined;
        this.exemplarAt = 1;
        return this.readExemplar(metric.counterExemplar, metric.counterExemplarEnd);
      case Part.Bucket: {
        if (this.exemplarAt > 0 || this.currentIndex >= metric.bucketCount) return undefined;
        this.exemplarAt = 1;
        const i = this.currentIndex;
        return this.readExemplar(metric.bucketExemplars[2 * i], metric.bucketExemplars[2 * i + 1]);
      }
      case Part.Native:
      case Part.Custom:
        return this.nextHistogramExemplar();
      default:
        return undefined;
    }
  }

  // Exemplars of a native histogram are those of its own list, or of the classic buckets where that is empty; only
  // those with a timestamp, because others cannot be told from ones seen before.
  private nextHistogramExemplar(): Exemplar | undefined {
    const { metric } = this;
    const own = metric.exemplarCount > 0;
    const list = own ? metric.exemplars : metric.bucketExemplars;
    const count = own ? metric.exemplarCount : metric.bucketCount;
    while (this.exemplarAt < count) {
      const i = this.exemplarAt++;
      const exemplar = this.readExemplar(list[2 * i], list[2 * i + 1]);
      if (exemplar?.hasTime) return exemplar;
    }
    return undefined;
  }

  private advance(): Entry {
    for (;;) {
      const pending = this.pending.shift();
      if (pending !== undefined) {
        this.textOf = pending === Entry.Help ? this.header.help : this.header.unit;
        return pending;
      }
      if (this.partAt < this.parts.length) return this.takePart();
      if (this.metricIndex < this.metricStarts.length) {
        this.readMetric(this.metricStarts[this.metricIndex], this.metricEnds[this.metricIndex]);
        this.metricIndex++;
        continue;
      }
      if (!this.readFamily()) {
        this.done = true;
        return Entry.End;
      }
    }
  }

  private takePart(): Entry {
    const i = this.partAt++;
    const part = this.parts[i];
    this.currentPart = part;
    this.currentIndex = this.partIndices[i];
    this.value = this.partValues[i];
    this.exemplarAt = 0;
    this.built = undefined;
    this.findEntry(part);
    return part === Part.Native || part === Part.Custom ? Entry.Histogram : Entry.Series;
  }

  private findEntry(part: Part): void {
    const { cache, key } = this;
    let end = this.keyBase;
    key[end++] = part;
    if (part === Part.Bucket || part === Part.Quantile) {
      const bound = part === Part.Bucket ? this.bucketBound(this.currentIndex) : this.metric.bounds[this.currentIndex];
      BOUND[0] = bound;
      for (let k = 0; k < 8; k++) key[end++] = BOUND_BYTES[k];
    }
    let id = cache.next[this.previous];
    if (id === 0 || cache.length[id] !== end || !cache.equals(id, key, end)) {
      const hash = hashBytes(key, 0, end);
      id = cache.find(key, 0, end, hash);
      this.repeated = id !== 0 && cache.seen[id] === cache.iteration;
      if (id === 0) id = cache.add(LineKind.Series, key, 0, end, hash);
    } else this.repeated = cache.seen[id] === cache.iteration;
    cache.seen[id] = cache.iteration;
    cache.next[this.previous] = id;
    this.previous = id;
    this.entry = id;
  }

  // readFamily reads the header of the next family that has metrics; false at the end of the body.
  private readFamily(): boolean {
    const { reader } = this;
    for (;;) {
      reader.at = this.nextFamily;
      if (reader.at >= this.end) return false;
      this.openMessage();
      const header = this.readHeader();
      if (this.metricStarts.length === 0) continue;
      this.header = header;
      this.pending = header.unit === "" ? [Entry.Help, Entry.Type] : [Entry.Help, Entry.Unit, Entry.Type];
      return true;
    }
  }

  private openMessage(): void {
    const { reader } = this;
    const start = reader.at;
    let length: number;
    try {
      length = reader.varint(this.end);
    } catch (error) {
      if (error instanceof WireError) throw this.fail("protobufparse: invalid varint: 0");
      throw error;
    }
    if (reader.at - start > 5) throw this.fail(`protobufparse: invalid varint: ${reader.at - start}`);
    if (reader.at + length > this.end) {
      throw this.fail(
        `protobufparse: insufficient length of buffer, expected at least ${reader.at - start + length} bytes, got ${this.end - start} bytes`,
      );
    }
    this.familyEnd = reader.at + length;
    this.nextFamily = this.familyEnd;
  }

  private readHeader(): FamilyHeader {
    const { reader, familyEnd: end } = this;
    const header: FamilyHeader = { name: "", nameBytes: NO_BYTES, help: "", unit: "", type: 0 };
    let helpValid = true;
    let nameValid = true;
    this.metricStarts.length = 0;
    this.metricEnds.length = 0;
    this.metricIndex = 0;
    while (reader.at < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 8 * 1 + BYTES: {
          const stop = reader.length(end);
          nameValid = isValidUtf8(reader.bytes, reader.at, stop);
          header.nameBytes = reader.bytes.subarray(reader.at, stop);
          header.name = this.string(stop);
          break;
        }
        case 8 * 2 + BYTES: {
          const stop = reader.length(end);
          helpValid = isValidUtf8(reader.bytes, reader.at, stop);
          header.help = this.string(stop);
          break;
        }
        case 8 * 3 + VARINT:
          header.type = reader.varint(end);
          break;
        case 8 * 4 + BYTES: {
          const stop = reader.length(end);
          this.metricStarts.push(reader.at);
          this.metricEnds.push(stop);
          reader.at = stop;
          break;
        }
        case 8 * 5 + BYTES:
          header.unit = this.string(reader.length(end));
          break;
        default:
          reader.skip(tag, end);
      }
    }
    if (this.metricStarts.length === 0) return header;
    const { name, unit } = header;
    if (name === "" || !nameValid) throw this.fail(`invalid metric name: ${name}`);
    if (!helpValid) throw this.fail(`invalid help for metric ${quoteGo(name)}: ${header.help}`);
    if (header.type >= TYPE_NAMES.length) {
      throw this.fail(`unknown metric type for metric ${quoteGo(name)}: ${header.type}`);
    }
    if (unit !== "") {
      const total = header.type === COUNTER && name.endsWith("_total");
      const base = total ? name.slice(0, -"_total".length) : name;
      if (!base.endsWith(`_${unit}`) || base.length < unit.length + 1) {
        throw this.fail(`unit ${quoteGo(unit)} not a suffix of ${total ? "counter" : "metric"} ${quoteGo(name)}`);
      }
    }
    return header;
  }

  private string(stop: number): string {
    const { reader } = this;
    const text = decodeUtf8(reader.bytes, reader.at, stop);
    reader.at = stop;
    return text;
  }

  private readMetric(start: number, end: number): void {
    const { reader, metric, header } = this;
    metric.reset();
    reader.at = start;
    while (reader.at < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 8 * 1 + BYTES: {
          const fieldStart = reader.at;
          const stop = reader.length(end);
          readLabelPair(reader, stop, metric, fieldStart);
          break;
        }
        case 8 * 2 + BYTES:
        case 8 * 5 + BYTES:
          readPlainValue(reader, reader.length(end), metric);
          break;
        case 8 * 3 + BYTES:
          readCounter(reader, reader.length(end), metric);
          break;
        case 8 * 4 + BYTES:
          readSummary(reader, reader.length(end), metric);
          break;
        case 8 * 6 + VARINT:
          metric.timeMs = reader.int64(end);
          break;
        case 8 * 7 + BYTES:
          readHistogram(reader, reader.length(end), metric);
          break;
        default:
          reader.skip(tag, end);
      }
    }
    // The format cannot tell a timestamp of 0 from none.
    this.hasTime = metric.timeMs !== 0;
    this.timeMs = metric.timeMs;
    this.parts.length = 0;
    this.partValues.length = 0;
    this.partIndices.length = 0;
    this.partAt = 0;
    this.makeKey();
    if (header.type === SUMMARY) {
      this.part(Part.Count, metric.count, 0);
      this.part(Part.Sum, metric.sum, 0);
      for (let i = 0; i < metric.quantileCount; i++) this.part(Part.Quantile, metric.values[i], i);
    } else if (header.type === HISTOGRAM || header.type === GAUGE_HISTOGRAM) this.histogramParts();
    else this.part(Part.Plain, metric.value, 0);
  }

  private histogramParts(): void {
    const { metric, options } = this;
    const native = options.ignoreNativeHistograms !== true && metric.isNative();
    const keepClassic = options.keepClassicHistograms === true;
    const convert =
      !native &&
      options.convertClassicHistograms === true &&
      this.header.type === HISTOGRAM &&
      this.buildCustom() !== undefined;
    if (native) this.part(Part.Native, 0, 0);
    if (convert) this.part(Part.Custom, 0, 0);
    if ((native || convert) && (!keepClassic || metric.bucketCount === 0)) return;
    const count = metric.countFloat === 0 ? metric.count : metric.countFloat;
    this.part(Part.Count, count, 0);
    this.part(Part.Sum, metric.sum, 0);
    let infinite = false;
    for (let i = 0; i < metric.bucketCount; i++) {
      this.part(Part.Bucket, metric.values[i], i);
      infinite = metric.bounds[i] === Infinity;
      // What stands behind the +Inf bucket is not looked at.
      if (infinite) break;
    }
    if (!infinite) this.part(Part.Bucket, count, metric.bucketCount);
  }

  private part(part: Part, value: number, index: number): void {
    this.parts.push(part);
    this.partValues.push(value);
    this.partIndices.push(index);
  }

  private bucketBound(index: number): number {
    return index < this.metric.bucketCount ? this.metric.bounds[index] : Infinity;
  }

  private makeKey(): void {
    const { metric, header } = this;
    const { bytes } = this.reader;
    const name = header.nameBytes;
    let size = name.length + 16;
    for (let i = 0; i < metric.labelCount; i++) size += metric.fieldEnds[i] - metric.fieldStarts[i];
    if (this.key.length < size) this.key = new Uint8Array(size * 2);
    const { key } = this;
    let at = 0;
    // Byte by byte: names and labels are short, and a call for each would cost more.
    for (; at < name.length; at++) key[at] = name[at];
    key[at++] = 0xff;
    for (let i = 0; i < metric.labelCount; i++) {
      const end = metric.fieldEnds[i];
      for (let k = metric.fieldStarts[i]; k < end; k++) key[at++] = bytes[k];
    }
    key[at++] = 0xff;
    this.keyBase = at;
  }

  private buildNative(): Histogram {
    const { metric } = this;
    if (!isKnownSchema(metric.schema)) throw this.fail(unknownSchema(metric.schema).message);
    const isFloat = metric.countFloat > 0 || metric.zeroCountFloat > 0;
    const common = {
      counterResetHint: this.header.type === GAUGE_HISTOGRAM ? CounterResetHint.Gauge : CounterResetHint.Unknown,
      schema: metric.schema,
      zeroThreshold: metric.zeroThreshold,
      sum: metric.sum,
      positiveSpans: metric.positiveSpans,
      negativeSpans: metric.negativeSpans,
    };
    try {
      let histogram = isFloat
        ? newHistogram({
            ...common,
            count: metric.countFloat,
            zeroCount: metric.zeroCountFloat,
            positiveBuckets: Float64Array.from(metric.positiveCounts),
            negativeBuckets: Float64Array.from(metric.negativeCounts),
          })
        : histogramFromIntDeltas({
            ...common,
            count: metric.count,
            zeroCount: metric.zeroCount,
            positiveDeltas: metric.positiveDeltas,
            negativeDeltas: metric.negativeDeltas,
          });
      if (metric.schema > MAX_EXPONENTIAL_SCHEMA) histogram = reduceResolution(histogram, MAX_EXPONENTIAL_SCHEMA);
      if (isFloat) validateHistogram(histogram);
      else validateIntHistogram(histogram);
      return compactHistogram(histogram);
    } catch (error) {
      if (error instanceof HistogramError) throw this.fail(error.message);
      throw error;
    }
  }

  // buildCustom makes the NHCB form of a classic histogram; undefined when its buckets do not make one.
  private buildCustom(): Histogram | undefined {
    const { metric, builder } = this;
    builder.reset();
    for (let i = 0; i < metric.bucketCount; i++) builder.setBucket(metric.bounds[i], metric.values[i]);
    builder.setCount(metric.countFloat === 0 ? metric.count : metric.countFloat);
    builder.setSum(metric.sum);
    try {
      const histogram = builder.build();
      validateHistogram(histogram);
      return histogram;
    } catch (error) {
      if (error instanceof HistogramError) return undefined;
      throw error;
    }
  }

  private readExemplar(start: number, end: number): Exemplar | undefined {
    if (end === 0) return undefined;
    const { reader } = this;
    const before = reader.at;
    reader.at = start;
    const pairs: string[] = [];
    let value = 0;
    let timeMs = 0;
    let hasTime = false;
    try {
      while (reader.at < end) {
        const tag = reader.tag(end);
        if (tag === 8 * 1 + BYTES) {
          const stop = reader.length(end);
          let name = "";
          let text = "";
          while (reader.at < stop) {
            const inner = reader.tag(stop);
            if (inner === 8 * 1 + BYTES) name = this.string(reader.length(stop));
            else if (inner === 8 * 2 + BYTES) text = this.string(reader.length(stop));
            else reader.skip(inner, stop);
          }
          pairs.push(name, text);
        } else if (tag === 8 * 2 + FIXED64) value = reader.double(end);
        else if (tag === 8 * 3 + BYTES) {
          timeMs = readTimestampMs(reader, reader.length(end));
          hasTime = true;
        } else reader.skip(tag, end);
      }
    } catch (error) {
      if (error instanceof WireError) throw this.fail(error.message);
      throw error;
    }
    reader.at = before;
    return { labels: sortedLabels(pairs), value, timeMs, hasTime };
  }

  private fail(message: string): ExpositionError {
    return new ExpositionError(message, 0);
  }
}

/** MetricColumns is one decoded Metric; positions point into the body. */
class MetricColumns {
  labelCount = 0;
  /** labels holds name start and end, value start and end of each label; fieldStarts and fieldEnds the whole field. */
  readonly labels: number[] = [];
  readonly fieldStarts: number[] = [];
  readonly fieldEnds: number[] = [];
  value = 0;
  timeMs = 0;
  createdMs = 0;
  count = 0;
  countFloat = 0;
  sum = 0;
  bucketCount = 0;
  quantileCount = 0;
  /** bounds and values are those of buckets or quantiles. */
  readonly bounds: number[] = [];
  readonly values: number[] = [];
  readonly bucketExemplars: number[] = [];
  counterExemplar = 0;
  counterExemplarEnd = 0;
  exemplarCount = 0;
  readonly exemplars: number[] = [];
  schema = 0;
  zeroThreshold = 0;
  zeroCount = 0;
  zeroCountFloat = 0;
  positiveSpans: Span[] = [];
  negativeSpans: Span[] = [];
  positiveDeltas: number[] = [];
  negativeDeltas: number[] = [];
  positiveCounts: number[] = [];
  negativeCounts: number[] = [];

  reset(): void {
    this.labelCount = 0;
    this.value = 0;
    this.timeMs = 0;
    this.createdMs = 0;
    this.count = 0;
    this.countFloat = 0;
    this.sum = 0;
    this.bucketCount = 0;
    this.quantileCount = 0;
    this.counterExemplar = 0;
    this.counterExemplarEnd = 0;
    this.exemplarCount = 0;
    this.schema = 0;
    this.zeroThreshold = 0;
    this.zeroCount = 0;
    this.zeroCountFloat = 0;
    if (this.positiveSpans.length > 0) this.positiveSpans = [];
    if (this.negativeSpans.length > 0) this.negativeSpans = [];
    if (this.positiveDeltas.length > 0) this.positiveDeltas = [];
    if (this.negativeDeltas.length > 0) this.negativeDeltas = [];
    if (this.positiveCounts.length > 0) this.positiveCounts = [];
    if (this.negativeCounts.length > 0) this.negativeCounts = [];
  }

  /** isNative tells whether this is a native histogram: one without observations has at least an empty span. */
  isNative(): boolean {
    return (
      this.positiveSpans.length > 0 ||
      this.negativeSpans.length > 0 ||
      this.zeroThreshold > 0 ||
      this.zeroCount > 0 ||
      this.zeroCountFloat > 0
    );
  }
}

function readLabelPair(reader: WireReader, stop: number, metric: MetricColumns, fieldStart: number): void {
  const at = 4 * metric.labelCount;
  const { labels } = metric;
  labels[at] = labels[at + 1] = labels[at + 2] = labels[at + 3] = 0;
  while (reader.at < stop) {
    const tag = reader.tag(stop);
    if (tag !== 8 * 1 + BYTES && tag !== 8 * 2 + BYTES) {
      reader.skip(tag, stop);
      continue;
    }
    const end = reader.length(stop);
    const place = tag === 8 * 1 + BYTES ? at : at + 2;
    labels[place] = reader.at;
    labels[place + 1] = end;
    reader.at = end;
  }
  metric.fieldStarts[metric.labelCount] = fieldStart;
  metric.fieldEnds[metric.labelCount] = stop;
  metric.labelCount++;
}

function readPlainValue(reader: WireReader, stop: number, metric: MetricColumns): void {
  while (reader.at < stop) {
    const tag = reader.tag(stop);
    if (tag === 8 * 1 + FIXED64) metric.value = reader.double(stop);
    else reader.skip(tag, stop);
  }
}

function readCounter(reader: WireReader, stop: number, metric: MetricColumns): void {
  while (reader.at < stop) {
    const tag = reader.tag(stop);
    if (tag === 8 * 1 + FIXED64) metric.value = reader.double(stop);
    else if (tag === 8 * 2 + BYTES) {
      metric.counterExemplarEnd = reader.length(stop);
      metric.counterExemplar = reader.at;
      reader.at = metric.counterExemplarEnd;
    } else if (tag === 8 * 3 + BYTES) metric.createdMs = readTimestampMs(reader, reader.length(stop));
    else reader.skip(tag, stop);
  }
}

function readSummary(reader: WireReader, stop: number, metric: MetricColumns): void {
  while (reader.at < stop) {
    const tag = reader.tag(stop);
    if (tag === 8 * 1 + VARINT) metric.count = reader.varint(stop);
    else if (tag === 8 * 2 + FIXED64) metric.sum = reader.double(stop);
    else if (tag === 8 * 3 + BYTES) {
      const end = reader.length(stop);
      let quantile = 0;
      let value = 0;
      while (reader.at < end) {
        const inner = reader.tag(end);
        if (inner === 8 * 1 + FIXED64) quantile = reader.double(end);
        else if (inner === 8 * 2 + FIXED64) value = reader.double(end);
        else reader.skip(inner, end);
      }
      metric.bounds[metric.quantileCount] = quantile;
      metric.values[metric.quantileCount++] = value;
    } else if (tag === 8 * 4 + BYTES) metric.createdMs = readTimestampMs(reader, reader.length(stop));
    else reader.skip(tag, stop);
  }
}

function readHistogram(reader: WireReader, stop: number, metric: MetricColumns): void {
  while (reader.at < stop) {
    const tag = reader.tag(stop);
    switch (tag) {
      case 8 * 1 + VARINT:
        metric.count = reader.varint(stop);
        break;
      case 8 * 2 + FIXED64:
        metric.sum = reader.double(stop);
        break;
      case 8 * 3 + BYTES:
        readBucket(reader, reader.length(stop), metric);
        break;
      case 8 * 4 + FIXED64:
        metric.countFloat = reader.double(stop);
        break;
      case 8 * 5 + VARINT:
        metric.schema = reader.sint32(stop);
        break;
      case 8 * 6 + FIXED64:
        metric.zeroThreshold = reader.double(stop);
        break;
      case 8 * 7 + VARINT:
        metric.zeroCount = reader.varint(stop);
        break;
      case 8 * 8 + FIXED64:
        metric.zeroCountFloat = reader.double(stop);
        break;
      case 8 * 9 + BYTES:
        metric.negativeSpans.push(readSpan(reader, reader.length(stop)));
        break;
      case 8 * 12 + BYTES:
        metric.positiveSpans.push(readSpan(reader, reader.length(stop)));
        break;
      case 8 * 15 + BYTES:
        metric.createdMs = readTimestampMs(reader, reader.length(stop));
        break;
      case 8 * 16 + BYTES: {
        const end = reader.length(stop);
        metric.exemplars[2 * metric.exemplarCount] = reader.at;
        metric.exemplars[2 * metric.exemplarCount + 1] = end;
        metric.exemplarCount++;
        reader.at = end;
        break;
      }
      default:
        readBucketCounts(reader, tag, stop, metric);
    }
  }
}

function readBucketCounts(reader: WireReader, tag: number, stop: number, metric: MetricColumns): void {
  switch (tag >>> 3) {
    case 10:
      readDeltas(reader, tag, stop, metric.negativeDeltas);
      break;
    case 11:
      readDoubles(reader, tag, stop, metric.negativeCounts);
      break;
    case 13:
      readDeltas(reader, tag, stop, metric.positiveDeltas);
      break;
    case 14:
      readDoubles(reader, tag, stop, metric.positiveCounts);
      break;
    default:
      reader.skip(tag, stop);
  }
}

function readBucket(reader: WireReader, stop: number, metric: MetricColumns): void {
  const i = metric.bucketCount++;
  let count = 0;
  let countFloat = 0;
  metric.bounds[i] = 0;
  metric.bucketExemplars[2 * i] = 0;
  metric.bucketExemplars[2 * i + 1] = 0;
  while (reader.at < stop) {
    const tag = reader.tag(stop);
    if (tag === 8 * 1 + VARINT) count = reader.varint(stop);
    else if (tag === 8 * 2 + FIXED64) metric.bounds[i] = reader.double(stop);
    else if (tag === 8 * 3 + BYTES) {
      const end = reader.length(stop);
      metric.bucketExemplars[2 * i] = reader.at;
      metric.bucketExemplars[2 * i + 1] = end;
      reader.at = end;
    } else if (tag === 8 * 4 + FIXED64) countFloat = reader.double(stop);
    else reader.skip(tag, stop);
  }
  metric.values[i] = countFloat === 0 ? count : countFloat;
}

function readSpan(reader: WireReader, stop: number): Span {
  let offset = 0;
  let length = 0;
  while (reader.at < stop) {
    const tag = reader.tag(stop);
    if (tag === 8 * 1 + VARINT) offset = reader.sint32(stop);
    else if (tag === 8 * 2 + VARINT) length = reader.uint32(stop);
    else reader.skip(tag, stop);
  }
  return { offset, length };
}

// Repeated numbers come packed in one field, or, from encoders of proto2, one by one.
function readDeltas(reader: WireReader, tag: number, end: number, into: number[]): void {
  if ((tag & 7) === VARINT) into.push(reader.sint64(end));
  else if ((tag & 7) === BYTES) {
    const stop = reader.length(end);
    while (reader.at < stop) into.push(reader.sint64(stop));
  } else reader.skip(tag, end);
}

function readDoubles(reader: WireReader, tag: number, end: number, into: number[]): void {
  if ((tag & 7) === FIXED64) into.push(reader.double(end));
  else if ((tag & 7) === BYTES) {
    const stop = reader.length(end);
    while (reader.at < stop) into.push(reader.double(stop));
  } else reader.skip(tag, end);
}

function readTimestampMs(reader: WireReader, stop: number): number {
  let seconds = 0;
  let nanos = 0;
  while (reader.at < stop) {
    const tag = reader.tag(stop);
    if (tag === 8 * 1 + VARINT) seconds = reader.int64(stop);
    else if (tag === 8 * 2 + VARINT) nanos = reader.int64(stop);
    else reader.skip(tag, stop);
  }
  return seconds * 1000 + Math.trunc(nanos / 1e6);
}
