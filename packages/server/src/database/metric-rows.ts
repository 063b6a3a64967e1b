// Encoders of rows for the metric tables. Each names the columns it writes, in order; give them to the batch
// writer of its table together with the bytes.
import { METRIC_NAME, type Exemplar, type Histogram, type MetricMetadata, type Span } from "@belfry/core/model";
import { DAY_MS } from "./metric-tables.ts";
import { MAX_DIGITS, writeInt64, writeInteger, writeTime, writeUint64 } from "./digits.ts";
import { RowBuffer } from "./row-buffer.ts";

const TAB = 9;
const LINE_FEED = 10;
// Four numbers and a scale, each with its separator.
const SAMPLE_BYTES = 5 * (MAX_DIGITS + 1);

const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

// The scales that are used: ticks and percentages have two decimals, milli-, micro- and nanoseconds three, six and
// nine. With every scale from 0 to 9 a counter of hundredths would change its scale at each tenth value, and its
// steps with it, which takes 7 % more room (bench/storage-bytes.ts).
const SCALES = [2, 3, 6, 9];

/** RAW_SCALE marks a value that is kept as its 64 bits. */
export const RAW_SCALE = -1;

const scratch = new Float64Array(1);
const scratchWords = new Uint32Array(scratch.buffer);

/** SampleRows encodes rows of metric_samples. */
export class SampleRows {
  static readonly table = "metric_samples";
  static readonly columns = ["id", "time", "mantissa", "scale", "start"] as const;
  private readonly buffer: RowBuffer;

  constructor(capacity?: number) {
    this.buffer = new RowBuffer(capacity);
  }

  get rows(): number {
    return this.buffer.rows;
  }

  get sizeBytes(): number {
    return this.buffer.length;
  }

  /**
   * add encodes one sample. `low` and `high` are the halves of the value's bits, so that a staleness marker stays
   * what it is. `startMs` is the start timestamp, 0 for none. Throws RangeError for a time outside 1970..2286.
   */
  add(idHigh: number, idLow: number, timeMs: number, low: number, high: number, startMs: number): void {
    const buffer = this.buffer;
    buffer.reserve(SAMPLE_BYTES);
    const bytes = buffer.bytes;
    // A time out of range throws before `length` moves, and then nothing has been written.
    const idEnd = writeUint64(bytes, buffer.length, idHigh, idLow);
    bytes[idEnd] = TAB;
    const timeEnd = writeTime(bytes, idEnd + 1, timeMs);
    bytes[timeEnd] = TAB;
    scratchWords[0] = low;
    scratchWords[1] = high;
    const value = scratch[0];
    const scale = decimalScale(value);
    const mantissaEnd =
      scale < 0
        ? writeInt64(bytes, timeEnd + 1, high, low)
        : writeInteger(bytes, timeEnd + 1, Math.round(value * POWERS[scale]));
    bytes[mantissaEnd] = TAB;
    const scaleEnd = writeInteger(bytes, mantissaEnd + 1, scale);
    bytes[scaleEnd] = TAB;
    let end = scaleEnd + 1;
    if (startMs === 0) {
      // \N, which stands for the column's default.
      bytes[end++] = 92;
      bytes[end++] = 78;
    } else {
      end = writeTime(bytes, end, startMs);
    }
    bytes[end] = LINE_FEED;
    buffer.length = end + 1;
    buffer.rows++;
  }

  /** take returns the rows added so far and starts over. */
  take(): Uint8Array {
    return this.buffer.take();
  }
}

/** decimalScale is the smallest of 0, 2, 3, 6 and 9 decimals with which a value is a decimal number of at most 53 bits, or RAW_SCALE. */
export function decimalScale(value: number): number {
  // Fast path: counters and most gauges are whole numbers.
  if (Math.round(value) === value && value < 9_007_199_254_740_992 && value > -9_007_199_254_740_992) {
    // -0 is a whole number too, but 0 / 1 would not give it back.
    return value === 0 && 1 / value < 0 ? RAW_SCALE : 0;
  }
  for (let i = 0; i < SCALES.length; i++) {
    const scale = SCALES[i];
    const power = POWERS[scale];
    const mantissa = Math.round(value * power);
    if (mantissa >= 9_007_199_254_740_992 || mantissa <= -9_007_199_254_740_992) return RAW_SCALE;
    // A value so small that it rounds to -0 is not equal to it, so -0 cannot get here.
    if (mantissa / power === value) return scale;
  }
  return RAW_SCALE;
}

/** SeriesRows encodes rows of metric_series. */
export class SeriesRows {
  static readonly table = "metric_series";
  static readonly columns = ["day", "id", "name", "labels"] as const;
  private readonly buffer = new RowBuffer();

  get rows(): number {
    return this.buffer.rows;
  }

  get sizeBytes(): number {
    return this.buffer.length;
  }

  /** add encodes one series on the day (UTC) of `timeMs`. `pairs` are sorted label names and values, `__name__` among them. */
  add(timeMs: number, idHigh: number, idLow: number, pairs: readonly string[]): void {
    const buffer = this.buffer;
    buffer.ascii(dayText(timeMs));
    buffer.endField();
    buffer.uint64(idHigh, idLow);
    buffer.endField();
    buffer.text(nameOf(pairs));
    buffer.endField();
    buffer.map(pairs, METRIC_NAME);
    buffer.endRow();
  }

  take(): Uint8Array {
    return this.buffer.take();
  }
}

/** HistogramRows encodes rows of metric_histograms. */
export class HistogramRows {
  static readonly table = "metric_histograms";
  static readonly columns = [
    "id",
    "time",
    "start",
    "counter_reset_hint",
    "schema",
    "zero_threshold",
    "zero_count",
    "count",
    "sum",
    "positive_offsets",
    "positive_lengths",
    "positive_buckets",
    "negative_offsets",
    "negative_lengths",
    "negative_buckets",
    "custom_values",
  ] as const;
  private readonly buffer = new RowBuffer();

  get rows(): number {
    return this.buffer.rows;
  }

  get sizeBytes(): number {
    return this.buffer.length;
  }

  /** add encodes one histogram sample; see SampleRows.add. */
  add(idHigh: number, idLow: number, timeMs: number, histogram: Histogram, startMs: number): void {
    const buffer = this.buffer;
    buffer.uint64(idHigh, idLow);
    buffer.endField();
    buffer.time(timeMs);
    buffer.endField();
    if (startMs === 0) buffer.none();
    else buffer.time(startMs);
    buffer.endField();
    buffer.integer(histogram.counterResetHint);
    buffer.endField();
    buffer.integer(histogram.schema);
    buffer.endField();
    buffer.float(histogram.zeroThreshold);
    buffer.endField();
    buffer.float(histogram.zeroCount);
    buffer.endField();
    buffer.float(histogram.count);
    buffer.endField();
    buffer.float(histogram.sum);
    buffer.endField();
    this.buckets(histogram.positiveSpans, histogram.positiveBuckets);
    this.buckets(histogram.negativeSpans, histogram.negativeBuckets);
    buffer.floats(histogram.customValues ?? []);
    buffer.endRow();
  }

  take(): Uint8Array {
    return this.buffer.take();
  }

  private buckets(spans: readonly Span[], counts: Float64Array): void {
    const buffer = this.buffer;
    buffer.integers(spans.map((span) => span.offset));
    buffer.endField();
    buffer.integers(spans.map((span) => span.length));
    buffer.endField();
    buffer.floats(counts);
    buffer.endField();
  }
}

/** ExemplarRows encodes rows of metric_exemplars. */
export class ExemplarRows {
  static readonly table = "metric_exemplars";
  static readonly columns = ["id", "time", "has_time", "value", "labels"] as const;
  private readonly buffer = new RowBuffer();

  get rows(): number {
    return this.buffer.rows;
  }

  get sizeBytes(): number {
    return this.buffer.length;
  }

  add(idHigh: number, idLow: number, exemplar: Exemplar): void {
    const buffer = this.buffer;
    buffer.uint64(idHigh, idLow);
    buffer.endField();
    buffer.time(exemplar.timeMs);
    buffer.endField();
    buffer.integer(exemplar.hasTime ? 1 : 0);
    buffer.endField();
    buffer.float(exemplar.value);
    buffer.endField();
    buffer.map(exemplar.labels.pairs);
    buffer.endRow();
  }

  take(): Uint8Array {
    return this.buffer.take();
  }
}

/** MetadataRows encodes rows of metric_metadata. */
export class MetadataRows {
  static readonly table = "metric_metadata";
  static readonly columns = ["family", "type", "unit", "help", "seen"] as const;
  private readonly buffer = new RowBuffer(4_096);

  get rows(): number {
    return this.buffer.rows;
  }

  get sizeBytes(): number {
    return this.buffer.length;
  }

  add(family: string, metadata: MetricMetadata, seenMs: number): void {
    const buffer = this.buffer;
    buffer.text(family);
    buffer.endField();
    buffer.text(metadata.type);
    buffer.endField();
    buffer.text(metadata.unit);
    buffer.endField();
    buffer.text(metadata.help);
    buffer.endField();
    buffer.time(seenMs);
    buffer.endRow();
  }

  take(): Uint8Array {
    return this.buffer.take();
  }
}

let dayCached = NaN;
let dayCachedText = "";

function dayText(timeMs: number): string {
  const day = Math.floor(timeMs / DAY_MS);
  if (day !== dayCached) {
    dayCached = day;
    dayCachedText = new Date(day * DAY_MS).toISOString().slice(0, 10);
  }
  return dayCachedText;
}

function nameOf(pairs: readonly string[]): string {
  for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === METRIC_NAME) return pairs[i + 1];
  return "";
}
