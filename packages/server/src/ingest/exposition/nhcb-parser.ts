// NhcbParser makes native histograms with custom buckets (NHCB) of the classic histograms that a text format brings.
// The series of one classic histogram stand together; they are collected until something else comes, and then one
// histogram takes their place (or comes after them, when the classic series are kept).
//
//   a_bucket{le="1"} 3 | a_bucket{le="+Inf"} 5 | a_sum 7 | a_count 5   ->   a {count:5, sum:7, [-Inf,1]:3, (1,+Inf]:2}
//
// What a series is to its histogram follows from its labels and is remembered by cache entry, so that an
// unchanged series costs a look into three columns.
import {
  ClassicHistogramBuilder,
  type Exemplar,
  type Histogram,
  HistogramError,
  Labels,
  METRIC_NAME,
  type MetricType,
  splitClassicName,
  validateHistogram,
} from "@belfry/core/model";
import { hashBytes, type LineCache, LineKind } from "./line-cache.ts";
import type { LineContext, LineParser } from "./line-parser.ts";
import { parseGoFloat } from "./parse-float.ts";
import { Entry, type ExpositionParser, type ParserOptions } from "./parser.ts";

const Role = { None: 0, Bucket: 1, Count: 2, Sum: 3 } as const;
type Role = (typeof Role)[keyof typeof Role];

// The first byte of the cache keys of converted histograms: no line of text begins with it.
const KEY_MARK = 0xfe;

/** NhcbParser wraps the parser of a text format; see ExpositionParser for the contract. */
export class NhcbParser implements ExpositionParser {
  entry = 0;
  repeated = false;
  value = 0;
  hasTime = false;
  timeMs = 0;
  histogram: Histogram | undefined;
  private readonly inner: LineParser;
  private readonly keepClassic: boolean;
  private readonly withStart: boolean;
  private readonly builder = new ClassicHistogramBuilder();
  // What each cache entry is, valid while the entry's serial number is the one noted.
  private serials = new Int32Array(64);
  private roles = new Uint8Array(64);
  private bases = new Int32Array(64);
  private baseSerials = new Int32Array(64);
  private bounds = new Float64Array(64);
  private readonly families: string[] = [];
  /** collecting is the cache entry of the histogram whose series are coming, 0 for none. */
  private collecting = 0;
  private collectingTime = { has: false, ms: 0 };
  private collectingStartMs = 0;
  private collectedExemplars: Exemplar[] = [];
  private context: LineContext | undefined;
  /** delivered tells that the current entry is a converted histogram. */
  private delivered = false;
  private deliveredStartMs = 0;
  private exemplars: Exemplar[] = [];
  /** pending is what the inner parser has found and is still to be handed out; -1 for nothing. */
  private pending: Entry | -1 = -1;

  constructor(inner: LineParser, options: ParserOptions) {
    this.inner = inner;
    this.keepClassic = options.keepClassicHistograms === true;
    this.withStart = options.skipCreatedSeries === true;
  }

  get cache(): LineCache {
    return this.inner.cache;
  }

  get type(): MetricType {
    return this.inner.type;
  }

  get family(): string {
    return this.inner.family;
  }

  get text(): string {
    return this.inner.text;
  }

  get emptyLabels(): readonly string[] {
    return this.inner.emptyLabels;
  }

  load(bytes: Uint8Array, length: number): void {
    this.inner.load(bytes, length);
    this.builder.reset();
    this.collecting = 0;
    this.collectedExemplars = [];
    this.exemplars = [];
    this.delivered = false;
    this.pending = -1;
  }

  next(): Entry {
    const { inner } = this;
    for (;;) {
      let kind = this.pending;
      this.pending = -1;
      if (kind === -1) {
        kind = inner.next();
        const base = kind === Entry.Series ? this.baseOf(inner.entry) : 0;
        if (this.collecting !== 0 && base !== this.collecting) {
          if (this.convert()) {
            this.pending = kind;
            return Entry.Histogram;
          }
        }
      }
      this.delivered = false;
      if (kind === Entry.Series && this.baseOf(inner.entry) !== 0) {
        this.collect(inner.entry);
        if (!this.keepClassic) continue;
      }
      this.entry = inner.entry;
      this.repeated = inner.repeated;
      this.value = inner.value;
      this.hasTime = inner.hasTime;
      this.timeMs = inner.timeMs;
      return kind;
    }
  }

  labels(): Labels {
    if (!this.delivered) return this.inner.labels();
    const exposed = this.inner.labelsAt(this.context!);
    const { base } = splitClassicName(exposed.metricName);
    return exposed.drop(new Set(["le"])).with(METRIC_NAME, base);
  }

  startMs(): number {
    return this.delivered ? this.deliveredStartMs : this.inner.startMs();
  }

  exemplar(): Exemplar | undefined {
    return this.delivered ? this.exemplars.shift() : this.inner.exemplar();
  }

  private collect(entry: number): void {
    const { inner, builder } = this;
    if (this.collecting === 0) {
      this.collecting = this.bases[entry];
      this.context = inner.context();
      this.collectingStartMs = this.withStart ? inner.startMs() : 0;
    }
    this.collectingTime.has = inner.hasTime;
    this.collectingTime.ms = inner.timeMs;
    switch (this.roles[entry] as Role) {
      case Role.Bucket:
        builder.setBucket(this.bounds[entry], inner.value);
        break;
      case Role.Count:
        builder.setCount(inner.value);
        break;
      default:
        builder.setSum(inner.value);
    }
    if (!inner.hasExemplarNow) return;
    const exemplar = this.keepClassic ? inner.peekExemplar() : inner.exemplar();
    if (exemplar !== undefined) this.collectedExemplars.push(exemplar);
  }

  // convert ends the collection and makes the histogram current; false when the series do not make one.
  private convert(): boolean {
    const { builder, cache } = this;
    const entry = this.collecting;
    this.collecting = 0;
    let histogram: Histogram | undefined;
    try {
      histogram = builder.build();
      validateHistogram(histogram);
    } catch (error) {
      if (!(error instanceof HistogramError)) throw error;
      histogram = undefined;
    }
    builder.reset();
    const exemplars = this.collectedExemplars;
    this.collectedExemplars = [];
    if (histogram === undefined) return false;
    this.histogram = histogram;
    this.exemplars = exemplars;
    this.delivered = true;
    this.deliveredStartMs = this.collectingStartMs;
    this.entry = entry;
    this.repeated = cache.seen[entry] === cache.iteration;
    cache.seen[entry] = cache.iteration;
    this.hasTime = this.collectingTime.has;
    this.timeMs = this.collectingTime.ms;
    return true;
  }

  // baseOf is the entry of the histogram that a series is part of, 0 for none. It depends on the TYPE line above.
  private baseOf(entry: number): number {
    const { inner } = this;
    if (inner.type !== "histogram") return 0;
    if (entry >= this.serials.length) this.grow();
    const { serial } = this.cache;
    if (this.serials[entry] !== serial[entry]) this.resolve(entry);
    if (this.roles[entry] === Role.None) return 0;
    // A histogram that could not be converted for long is swept out of the cache before its series are.
    if (this.baseSerials[entry] !== serial[this.bases[entry]]) this.resolve(entry);
    const base = this.bases[entry];
    return this.families[base] === inner.typeFamily ? base : 0;
  }

  private resolve(entry: number): void {
    const { inner, cache } = this;
    this.roles[entry] = Role.None;
    this.serials[entry] = cache.serial[entry];
    const labels = inner.labels();
    const { base, suffix } = splitClassicName(labels.metricName);
    if (suffix === "") return;
    let role: Role = suffix === "_count" ? Role.Count : Role.Sum;
    if (suffix === "_bucket") {
      const bound = parseGoFloat(labels.get("le"));
      if (bound === undefined || Number.isNaN(bound)) return;
      role = Role.Bucket;
      this.bounds[entry] = bound;
    }
    const own = labels.drop(new Set(["le"])).with(METRIC_NAME, base);
    const text = Buffer.from(` ${own.key}`);
    text[0] = KEY_MARK;
    const hash = hashBytes(text, 0, text.length);
    let id = cache.find(text, 0, text.length, hash);
    if (id === 0) {
      id = cache.add(LineKind.Series, text, 0, text.length, hash);
      // Seen is what it is when the histogram comes.
      cache.seen[id] = cache.iteration - 1;
      if (entry >= this.serials.length || id >= this.serials.length) this.grow();
    }
    this.roles[entry] = role;
    this.bases[entry] = id;
    this.baseSerials[entry] = cache.serial[id];
    this.families[id] = base;
  }

  private grow(): void {
    const length = Math.max(this.cache.capacity, this.serials.length);
    const serials = new Int32Array(length);
    serials.set(this.serials);
    this.serials = serials;
    const roles = new Uint8Array(length);
    roles.set(this.roles);
    this.roles = roles;
    const bases = new Int32Array(length);
    bases.set(this.bases);
    this.bases = bases;
    const baseSerials = new Int32Array(length);
    baseSerials.set(this.baseSerials);
    this.baseSerials = baseSerials;
    const bounds = new Float64Array(length);
    bounds.set(this.bounds);
    this.bounds = bounds;
  }
}
