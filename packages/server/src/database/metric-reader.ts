// Reads the metric tables back. Samples and histograms come in an order in which those of one series are ascending
// in time, in one or several runs (one per two hours), and each (series, time) once: rows that were written twice
// are dropped here.
import { Labels, METRIC_NAME, type Exemplar, type Histogram, type MetricMetadata, type Span } from "@belfry/core/model";
import type { Database } from "./database.ts";
import { writeUint64 } from "./digits.ts";
import { DatabaseError, DatabaseErrorCode } from "./errors.ts";
import { TIME_ORDER } from "./metric-tables.ts";
import {
  decodeNative,
  floatsColumn,
  numberArraysColumn,
  numbersColumn,
  numbersOf,
  stringArraysColumn,
  stringsColumn,
  wordsColumn,
  type Block,
  type NumberArrays,
} from "./native.ts";

/** SampleSelection says which samples to read. Times are Unix milliseconds, both inclusive. */
export interface SampleSelection {
  startMs: number;
  endMs: number;
  /** ids are the low and high halves of series ids, alternating; omitted: every series. */
  ids?: Uint32Array;
}

/** ReadOptions bounds a read. */
export interface ReadOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
  /** maxRows: past it DatabaseError with code DB_RESULT_TOO_LARGE. */
  maxRows?: number;
}

/** SampleBlock is a run of samples. The arrays belong to the receiver. */
export interface SampleBlock {
  readonly length: number;
  /** ids are the low and high halves of the series ids, alternating. */
  readonly ids: Uint32Array;
  readonly times: Float64Array;
  readonly values: Float64Array;
  /** words views `values`, for the exact bits. */
  readonly words: Uint32Array;
  /** starts are start timestamps, 0 where unknown; null when they were not asked for. */
  readonly starts: Float64Array | null;
}

/** readSamples yields the selected samples. Rejects with DatabaseError or the signal's reason. */
export async function* readSamples(
  database: Database,
  selection: SampleSelection,
  options: ReadOptions & { starts?: boolean } = {},
): AsyncGenerator<SampleBlock, void, undefined> {
  // Not `value`: that expression costs the engine more than the loop here costs us (0.7 ms of 4 for one series).
  const columns = `id, time, mantissa, scale${options.starts ? ", start" : ""}`;
  const distinct = new Distinct();
  for await (const block of select(database, "metric_samples", columns, TIME_ORDER, selection, options)) {
    const ids = wordsColumn(block, 0);
    const times = numbersOf(wordsColumn(block, 1));
    const words = wordsColumn(block, 2);
    const values = valuesInPlace(words, numbersColumn(block, 3));
    const starts = options.starts ? numbersOf(wordsColumn(block, 4)) : null;
    const kept = distinct.filter(block.rows, ids, times);
    if (kept === undefined) {
      yield { length: block.rows, ids, times, values, words, starts };
      continue;
    }
    for (let i = 0; i < kept.length; i++) {
      const from = kept[i];
      ids[2 * i] = ids[2 * from];
      ids[2 * i + 1] = ids[2 * from + 1];
      times[i] = times[from];
      // By words: a NaN that passes through a float may lose its bits.
      words[2 * i] = words[2 * from];
      words[2 * i + 1] = words[2 * from + 1];
      if (starts) starts[i] = starts[from];
    }
    if (kept.length > 0) yield { length: kept.length, ids, times, values, words, starts };
  }
}

const POWERS = Float64Array.from({ length: 10 }, (_, scale) => 10 ** scale);

// valuesInPlace turns mantissas into the values they stand for, in the same memory: where the scale is negative the
// bits are the value already.
function valuesInPlace(words: Uint32Array, scales: ArrayLike<number>): Float64Array {
  const values = new Float64Array(words.buffer, words.byteOffset, words.length >> 1);
  const signed = new Int32Array(words.buffer, words.byteOffset, words.length);
  for (let i = 0; i < values.length; i++) {
    const scale = scales[i];
    if (scale < 0) continue;
    const mantissa = words[2 * i] + signed[2 * i + 1] * 4_294_967_296;
    values[i] = scale === 0 ? mantissa : mantissa / POWERS[scale];
  }
  return values;
}

/** HistogramSample is one native histogram sample. */
export interface HistogramSample {
  idHigh: number;
  idLow: number;
  timeMs: number;
  startMs: number;
  histogram: Histogram;
}

const HISTOGRAM_COLUMNS =
  "id, time, start, counter_reset_hint, schema, zero_threshold, zero_count, count, sum, " +
  "positive_offsets, positive_lengths, positive_buckets, negative_offsets, negative_lengths, negative_buckets, custom_values";

/** readHistograms yields the selected histograms, in the order of readSamples. */
export async function* readHistograms(
  database: Database,
  selection: SampleSelection,
  options: ReadOptions = {},
): AsyncGenerator<HistogramSample, void, undefined> {
  const distinct = new Distinct();
  for await (const block of select(database, "metric_histograms", HISTOGRAM_COLUMNS, TIME_ORDER, selection, options)) {
    const ids = wordsColumn(block, 0);
    const times = numbersOf(wordsColumn(block, 1));
    const kept = distinct.filter(block.rows, ids, times);
    const starts = numbersOf(wordsColumn(block, 2));
    const hints = numbersColumn(block, 3);
    const schemas = numbersColumn(block, 4);
    const zeroThresholds = floatsColumn(block, 5);
    const zeroCounts = floatsColumn(block, 6);
    const counts = floatsColumn(block, 7);
    const sums = floatsColumn(block, 8);
    const arrays = [9, 10, 11, 12, 13, 14, 15].map((index) => numberArraysColumn(block, index));
    const length = kept?.length ?? block.rows;
    for (let k = 0; k < length; k++) {
      const i = kept ? kept[k] : k;
      const custom = floatsOf(arrays[6], i);
      yield {
        idLow: ids[2 * i],
        idHigh: ids[2 * i + 1],
        timeMs: times[i],
        startMs: starts[i],
        histogram: {
          counterResetHint: hints[i] as Histogram["counterResetHint"],
          schema: schemas[i],
          zeroThreshold: zeroThresholds[i],
          zeroCount: zeroCounts[i],
          count: counts[i],
          sum: sums[i],
          positiveSpans: spansOf(arrays[0], arrays[1], i),
          positiveBuckets: floatsOf(arrays[2], i),
          negativeSpans: spansOf(arrays[3], arrays[4], i),
          negativeBuckets: floatsOf(arrays[5], i),
          customValues: schemas[i] === -53 ? custom : undefined,
        },
      };
    }
  }
}

/** StoredSeries is a series as metric_series has it. */
export interface StoredSeries {
  idHigh: number;
  idLow: number;
  /** pairs are sorted label names and values, `__name__` among them. */
  pairs: string[];
}

/** SeriesSelection says which series to read: those with samples on the days (UTC) of the range. */
export interface SeriesSelection {
  startMs: number;
  endMs: number;
  /** name restricts to one metric name. */
  name?: string;
}

/** readSeries yields the selected series, each once per call, in batches. */
export async function* readSeries(
  database: Database,
  selection: SeriesSelection,
  options: ReadOptions = {},
): AsyncGenerator<StoredSeries[], void, undefined> {
  // The id says what the labels are, so that any row of it will do.
  const sql =
    "SELECT id, CAST(any(name), 'String') AS metric, any(CAST(mapKeys(labels), 'Array(String)')) AS names, any(mapValues(labels)) AS texts " +
    "FROM metric_series WHERE day >= toDate(fromUnixTimestamp64Milli({start:Int64}), 'UTC') " +
    "AND day <= toDate(fromUnixTimestamp64Milli({end:Int64}), 'UTC')" +
    (selection.name === undefined ? "" : " AND name = {name:String}") +
    " GROUP BY id";
  const params = {
    start: Math.max(0, Math.floor(selection.startMs)),
    end: Math.min(MAX_TIME_MS, Math.floor(selection.endMs)),
    ...(selection.name === undefined ? {} : { name: selection.name }),
  };
  const settings = { max_bytes_before_external_group_by: SPILL_BYTES };
  for await (const block of decodeNative(database.stream(sql, "Native", { params, settings, ...options }))) {
    const ids = wordsColumn(block, 0);
    const metricNames = stringsColumn(block, 1);
    const names = stringArraysColumn(block, 2);
    const texts = stringArraysColumn(block, 3);
    const batch: StoredSeries[] = [];
    for (let i = 0, from = 0; i < block.rows; i++) {
      const to = names.ends[i];
      batch[i] = {
        idLow: ids[2 * i],
        idHigh: ids[2 * i + 1],
        pairs: pairsOf(metricNames[i], names.items, texts.items, from, to),
      };
      from = to;
    }
    yield batch;
  }
}

// The labels are stored sorted; the name goes back to its place among them.
function pairsOf(name: string, names: readonly string[], texts: readonly string[], from: number, to: number): string[] {
  const pairs: string[] = [];
  let placed = name === "";
  for (let j = from; j < to; j++) {
    if (!placed && names[j] > METRIC_NAME) {
      pairs.push(METRIC_NAME, name);
      placed = true;
    }
    pairs.push(names[j], texts[j]);
  }
  if (!placed) pairs.push(METRIC_NAME, name);
  return pairs;
}

/** StoredExemplar is an exemplar with the series it belongs to. */
export interface StoredExemplar {
  idHigh: number;
  idLow: number;
  exemplar: Exemplar;
}

/** readExemplars returns the selected exemplars by series and time, each once. */
export async function readExemplars(
  database: Database,
  selection: SampleSelection,
  options: ReadOptions = {},
): Promise<StoredExemplar[]> {
  const columns =
    "id, time, has_time, value, CAST(mapKeys(labels), 'Array(String)') AS names, mapValues(labels) AS texts";
  const out: StoredExemplar[] = [];
  for await (const block of select(database, "metric_exemplars", columns, "id, time", selection, options)) {
    const ids = wordsColumn(block, 0);
    const times = numbersOf(wordsColumn(block, 1));
    const hasTime = numbersColumn(block, 2);
    const values = floatsColumn(block, 3);
    const names = stringArraysColumn(block, 4);
    const texts = stringArraysColumn(block, 5);
    for (let i = 0, from = 0; i < block.rows; i++) {
      const pairs: string[] = [];
      for (let j = from; j < names.ends[i]; j++) pairs.push(names.items[j], texts.items[j]);
      from = names.ends[i];
      const entry: StoredExemplar = {
        idLow: ids[2 * i],
        idHigh: ids[2 * i + 1],
        exemplar: { labels: new Labels(pairs), value: values[i], timeMs: times[i], hasTime: hasTime[i] === 1 },
      };
      const last = out[out.length - 1];
      if (last === undefined || !sameExemplar(last, entry)) out.push(entry);
    }
  }
  return out;
}

function sameExemplar(a: StoredExemplar, b: StoredExemplar): boolean {
  return (
    a.idLow === b.idLow &&
    a.idHigh === b.idHigh &&
    a.exemplar.timeMs === b.exemplar.timeMs &&
    Object.is(a.exemplar.value, b.exemplar.value) &&
    a.exemplar.labels.equals(b.exemplar.labels)
  );
}

/** StoredMetadata is what is known of one metric family. */
export interface StoredMetadata {
  family: string;
  metadata: MetricMetadata;
  seenMs: number;
}

/** readMetadata returns the metadata of every family, what was said last first. */
export async function readMetadata(database: Database, options: ReadOptions = {}): Promise<StoredMetadata[]> {
  const sql =
    "SELECT family, CAST(type, 'String') AS kind, CAST(unit, 'String') AS unit_name, help, max(seen) AS last " +
    "FROM metric_metadata GROUP BY family, kind, unit_name, help ORDER BY family, last DESC, kind, unit_name, help";
  const out: StoredMetadata[] = [];
  for await (const block of decodeNative(database.stream(sql, "Native", options))) {
    const families = stringsColumn(block, 0);
    const types = stringsColumn(block, 1);
    const units = stringsColumn(block, 2);
    const helps = stringsColumn(block, 3);
    const seen = numbersOf(wordsColumn(block, 4));
    for (let i = 0; i < block.rows; i++) {
      const metadata = { type: types[i] as MetricMetadata["type"], unit: units[i], help: helps[i] };
      out.push({ family: families[i], metadata, seenMs: seen[i] });
    }
  }
  return out;
}

// A million series would not fit the engine's memory otherwise.
const SPILL_BYTES = 128 * 1024 * 1024;

const MAX_TIME_MS = 9_999_999_999_999;
// Scrapes are this far apart when nothing else is known; used to guess how large a result will be.
const USUAL_STEP_MS = 15_000;
// A result of up to this many samples is taken whole (25 MB).
const WHOLE_SAMPLES = 1_000_000;
// Up to this many are sorted, which is faster than merging the parts in their own order (0.6 ms of 5 for one series).
const SORTED_SAMPLES = 100_000;
// A long list of ids is parsed on the event loop when the result is streamed (20 ms for 2,000 ids), in the engine's
// threads when it is taken whole.
const LISTED_IDS = 2_000;
const STREAMED_IDS = 500;
const FEWEST_IDS = 200;

/** select reads the rows of a selection in one statement, or in several with a part of the ids each. */
async function* select(
  database: Database,
  table: string,
  columns: string,
  order: string,
  selection: SampleSelection,
  options: ReadOptions,
): AsyncGenerator<Block, void, undefined> {
  // Numbers of ours, not anybody's text: as parameters they would cost a statement of their own (0.3 ms).
  const start = Math.max(0, Math.ceil(selection.startMs));
  const end = Math.min(MAX_TIME_MS, Math.floor(selection.endMs));
  const range = `time >= fromUnixTimestamp64Milli(${start}) AND time <= fromUnixTimestamp64Milli(${end})`;
  const { signal, timeoutMs } = options;
  const { ids } = selection;
  if (ids === undefined) {
    const sql = `SELECT ${columns} FROM ${table} WHERE ${range} ORDER BY ${order}`;
    yield* decodeNative(database.stream(sql, "Native", { signal, timeoutMs, maxRows: options.maxRows }));
    return;
  }
  if (ids.length === 0) return;
  const perSeries = Math.max(1, (end - start) / USUAL_STEP_MS + 1);
  const fitting = Math.floor(WHOLE_SAMPLES / perSeries);
  const whole = fitting > 0 && fitting >= Math.min(FEWEST_IDS, ids.length / 2);
  const listed = whole ? Math.min(fitting, LISTED_IDS) : STREAMED_IDS;
  // Ids that are near each other lie in the same granules of the table.
  const sorted = new BigUint64Array(ids.slice().buffer).sort();
  const parts = Math.ceil(sorted.length / listed);
  const open = (index: number): AsyncIterator<Block, void, undefined> | undefined => {
    if (index >= parts) return undefined;
    const from = index * listed;
    const part = new Uint32Array(sorted.buffer, from * 8, 2 * Math.min(listed, sorted.length - from));
    const small = whole && (part.length / 2) * perSeries <= SORTED_SAMPLES;
    const where = `${range} AND id IN (${idList(part)})`;
    const sql = `SELECT ${columns} FROM ${table} WHERE ${where} ORDER BY ${small ? "id, time" : order}`;
    return decodeNative(database.stream(sql, "Native", { signal, timeoutMs, maxRows: options.maxRows, whole }));
  };
  yield* boundRows(readAhead(open), options.maxRows);
}

// readAhead begins with the next part while the receiver works on the one before.
async function* readAhead<T>(
  open: (index: number) => AsyncIterator<T, void, undefined> | undefined,
): AsyncGenerator<T, void, undefined> {
  let index = 0;
  let current = open(index++);
  let first = current?.next();
  let ahead: AsyncIterator<T, void, undefined> | undefined;
  let aheadFirst: Promise<IteratorResult<T, void>> | undefined;
  try {
    while (current && first) {
      ahead = open(index++);
      aheadFirst = ahead?.next();
      // It is looked at when its turn comes; until then a failure of it is nobody's.
      aheadFirst?.catch(() => undefined);
      for (let next = await first; !next.done; next = await current.next()) yield next.value;
      current = ahead;
      first = aheadFirst;
      ahead = undefined;
      aheadFirst = undefined;
    }
  } finally {
    await current?.return?.();
    await aheadFirst?.catch(() => undefined);
    await ahead?.return?.();
  }
}

// boundRows holds the bound over all parts; each part is bounded by the engine.
async function* boundRows(
  blocks: AsyncIterable<Block>,
  maxRows: number | undefined,
): AsyncGenerator<Block, void, undefined> {
  let rows = 0;
  for await (const block of blocks) {
    rows += block.rows;
    if (maxRows !== undefined && rows > maxRows) {
      throw new DatabaseError(DatabaseErrorCode.ResultTooLarge, `the result has more than ${maxRows} rows`);
    }
    yield block;
  }
}

function idList(ids: Uint32Array): string {
  const bytes = Buffer.allocUnsafe((ids.length >> 1) * 21);
  let at = 0;
  for (let i = 0; i < ids.length; i += 2) {
    if (i > 0) bytes[at++] = 44;
    at = writeUint64(bytes, at, ids[i + 1], ids[i]);
  }
  return bytes.toString("latin1", 0, at);
}

/** Distinct drops rows that repeat the series and time of the row before, across blocks. */
class Distinct {
  private low = 0;
  private high = 0;
  private time = NaN;

  /** filter returns the indices to keep, or undefined when that is all. */
  filter(rows: number, ids: Uint32Array, times: Float64Array): number[] | undefined {
    let { low, high, time } = this;
    let kept: number[] | undefined;
    for (let i = 0; i < rows; i++) {
      const same = times[i] === time && ids[2 * i] === low && ids[2 * i + 1] === high;
      if (same) {
        kept ??= Array.from({ length: i }, (_, index) => index);
      } else {
        low = ids[2 * i];
        high = ids[2 * i + 1];
        time = times[i];
        kept?.push(i);
      }
    }
    this.low = low;
    this.high = high;
    this.time = time;
    return kept;
  }
}

function floatsOf(arrays: NumberArrays, row: number): Float64Array {
  return (arrays.items as Float64Array).slice(row === 0 ? 0 : arrays.ends[row - 1], arrays.ends[row]);
}

function spansOf(offsets: NumberArrays, lengths: NumberArrays, row: number): Span[] {
  const from = row === 0 ? 0 : offsets.ends[row - 1];
  const spans: Span[] = [];
  for (let i = from; i < offsets.ends[row]; i++) spans.push({ offset: offsets.items[i], length: lengths.items[i] });
  return spans;
}
