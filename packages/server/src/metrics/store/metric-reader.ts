// MetricReader asks the tables for what the head does not have: which series there were on some days, and their
// samples. Matchers go into the SQL where they are look-ups; every series that comes back is tested again here, so
// that a regular expression means the same for the head and for the database.
import { type Exemplar, Labels, Matcher, matchesAll, METRIC_NAME, type MetricMetadata } from "@belfry/core/model";
import {
  type Database,
  type HistogramSample,
  readExemplars,
  readHistograms,
  readMetadata,
  readSamples,
  readSeries,
  type SampleBlock,
} from "../../database/index.ts";
import { DAY_MS, dayOf } from "../rows.ts";
import { SeriesCache } from "./series-cache.ts";

// What one statement may take; a query's own timeout comes with its signal.
const READ_TIMEOUT_MS = 120_000;
// Past this many series a list of ids is no filter any more; all samples of the range are read, and those of other
// series are dropped.
const MAX_LISTED_IDS = 20_000;
// Grouping a million series would not fit the engine's memory otherwise.
const SPILL_BYTES = 128 * 1024 * 1024;
// On a server others may write series too; they are seen after this at the latest.
const OTHERS_WRITE_MS = 10_000;

/** StoredSeries is a series that the database knows. */
export interface StoredSeries {
  idHigh: number;
  idLow: number;
  labels: Labels;
  /** day is the newest day of the range (since 1970) on which it has samples. */
  day: number;
}

/** MetricReader reads the metric tables. Rejections are DatabaseError or the signal's reason. */
export class MetricReader {
  /** cache must be told of series that are written or deleted. */
  readonly cache: SeriesCache;
  private readonly database: Database;

  constructor(database: Database) {
    this.database = database;
    this.cache = new SeriesCache(database.kind === "embedded" ? Infinity : OTHERS_WRITE_MS);
  }

  /** newestTime is the newest sample of all, undefined when there is none. */
  async newestTime(): Promise<number | undefined> {
    let newest: number | undefined;
    for (const table of ["metric_samples", "metric_histograms"]) {
      // Which days there are is known without reading; only the last one's times are looked at.
      const rows = await this.database.query<{ found: number; newest: string }>(
        `SELECT count() > 0 AS found, toUnixTimestamp64Milli(max(time)) AS newest FROM ${table} ` +
          `WHERE toDate(time) >= (SELECT max(day) FROM metric_series)`,
      );
      if (rows[0]!.found) newest = Math.max(newest ?? 0, Number(rows[0]!.newest));
    }
    return newest;
  }

  /** oldestTime is the beginning of the first day with samples, undefined when there is none. */
  async oldestTime(): Promise<number | undefined> {
    const rows = await this.database.query<{ found: number; oldest: number }>(
      `SELECT count() > 0 AS found, toUInt16(min(day)) AS oldest FROM metric_series`,
    );
    return rows[0]!.found ? rows[0]!.oldest * DAY_MS : undefined;
  }

  /** hasHistograms tells whether the histogram table has any row. */
  async hasHistograms(): Promise<boolean> {
    return (await this.database.query(`SELECT 1 AS one FROM metric_histograms LIMIT 1`)).length > 0;
  }

  /** series lists the series with samples on the days of a range that satisfy the matchers, each id once. */
  async series(
    matchers: readonly Matcher[],
    startMs: number,
    endMs: number,
    signal?: AbortSignal,
  ): Promise<StoredSeries[]> {
    const name = matchers.find((matcher) => matcher.type === "=" && matcher.name === METRIC_NAME)?.value;
    if (name === undefined || name === "") return this.querySeries(matchers, startMs, endMs, signal);
    // Testing the labels of one metric's series here is quicker than reading maps in the engine.
    const days = `${dayOf(startMs)}-${dayOf(endMs)}`;
    const byName = [new Matcher("=", METRIC_NAME, name)];
    const all = await this.cache.get(name, days, performance.now(), () =>
      this.querySeries(byName, startMs, endMs, signal),
    );
    return all.filter(({ labels }) => matchesAll(labels, matchers));
  }

  private async querySeries(
    matchers: readonly Matcher[],
    startMs: number,
    endMs: number,
    signal?: AbortSignal,
  ): Promise<StoredSeries[]> {
    const where = new Conditions(startMs, endMs, matchers);
    const rows = await this.database.query<{
      high: number;
      low: number;
      metric: string;
      names: string[];
      texts: string[];
      last: number;
    }>(
      // The id says what the labels are, so that any row of it will do.
      `SELECT toUInt32(bitShiftRight(id, 32)) AS high, toUInt32(bitAnd(id, 4294967295)) AS low, any(name) AS metric, ` +
        `any(mapKeys(labels)) AS names, any(mapValues(labels)) AS texts, toUInt16(max(day)) AS last ` +
        `FROM metric_series WHERE ${where.sql} GROUP BY id`,
      {
        params: where.params,
        signal,
        timeoutMs: READ_TIMEOUT_MS,
        settings: { max_bytes_before_external_group_by: SPILL_BYTES },
      },
    );
    const found: StoredSeries[] = [];
    for (const { high, low, metric, names, texts, last } of rows) {
      const labels = labelsOf(metric, names, texts);
      if (matchesAll(labels, matchers)) found.push({ idHigh: high, idLow: low, labels, day: last });
    }
    return found;
  }

  /** seriesOfDay lists all series of one day (since 1970), in batches. */
  async *seriesOfDay(day: number, signal?: AbortSignal): AsyncGenerator<StoredSeries[], void, undefined> {
    const range = { startMs: day * DAY_MS, endMs: day * DAY_MS };
    for await (const batch of readSeries(this.database, range, { signal, timeoutMs: READ_TIMEOUT_MS })) {
      yield batch.map(({ idHigh, idLow, pairs }) => ({ idHigh, idLow, labels: new Labels(pairs), day }));
    }
  }

  /** labelNames lists the label names of a range's days when no matcher has to be tested here, else undefined. */
  async labelNames(
    matchers: readonly Matcher[],
    startMs: number,
    endMs: number,
    signal?: AbortSignal,
  ): Promise<string[] | undefined> {
    const where = new Conditions(startMs, endMs, matchers);
    if (!where.isExact) return undefined;
    const rows = await this.database.query<{ label: string }>(
      `SELECT DISTINCT arrayJoin(arrayConcat(if(name = '', [], ['${METRIC_NAME}']), ` +
        `arrayMap(key -> toString(key), mapKeys(labels)))) AS label FROM metric_series WHERE ${where.sql}`,
      { params: where.params, signal, timeoutMs: READ_TIMEOUT_MS },
    );
    return rows.map((row) => row.label);
  }

  /** labelValues lists the values of a label likewise. */
  async labelValues(
    name: string,
    matchers: readonly Matcher[],
    startMs: number,
    endMs: number,
    signal?: AbortSignal,
  ): Promise<string[] | undefined> {
    const where = new Conditions(startMs, endMs, matchers);
    if (!where.isExact) return undefined;
    const rows = await this.database.query<{ value: string }>(
      `SELECT DISTINCT toString(${where.column(name)}) AS value FROM metric_series WHERE ${where.sql}`,
      { params: where.params, signal, timeoutMs: READ_TIMEOUT_MS },
    );
    return rows.map((row) => row.value).filter((value) => value !== "");
  }

  /** samples reads float samples of some series, or of all, with startMs <= t <= endMs; see readSamples for the order. */
  samples(
    series: readonly StoredSeries[] | "all",
    startMs: number,
    endMs: number,
    signal?: AbortSignal,
  ): AsyncGenerator<SampleBlock, void, undefined> {
    const options = { signal, timeoutMs: READ_TIMEOUT_MS, starts: true };
    return readSamples(this.database, { startMs, endMs, ids: idsOf(series) }, options);
  }

  /** histograms reads histogram samples in the same order. */
  histograms(
    series: readonly StoredSeries[] | "all",
    startMs: number,
    endMs: number,
    signal?: AbortSignal,
  ): AsyncGenerator<HistogramSample, void, undefined> {
    const options = { signal, timeoutMs: READ_TIMEOUT_MS };
    return readHistograms(this.database, { startMs, endMs, ids: idsOf(series) }, options);
  }

  /** exemplars reads the exemplars of some series, by series and time. */
  async exemplars(
    series: readonly StoredSeries[],
    startMs: number,
    endMs: number,
    signal?: AbortSignal,
  ): Promise<{ labels: Labels; exemplar: Exemplar }[]> {
    const labels = new Map(series.map((one) => [keyOf(one.idHigh, one.idLow), one.labels]));
    const options = { signal, timeoutMs: READ_TIMEOUT_MS };
    const rows = await readExemplars(this.database, { startMs, endMs, ids: idsOf(series) }, options);
    const out: { labels: Labels; exemplar: Exemplar }[] = [];
    for (const { idHigh, idLow, exemplar } of rows) {
      const of = labels.get(keyOf(idHigh, idLow));
      if (of !== undefined) out.push({ labels: of, exemplar });
    }
    return out;
  }

  /** metadata returns what is known of every family, the entry that was said last at the end. */
  async metadata(): Promise<{ family: string; metadata: MetricMetadata }[]> {
    return (await readMetadata(this.database)).reverse();
  }
}

function idsOf(series: readonly StoredSeries[] | "all"): Uint32Array | undefined {
  if (series === "all" || series.length > MAX_LISTED_IDS) return undefined;
  const ids = new Uint32Array(2 * series.length);
  for (let i = 0; i < series.length; i++) {
    ids[2 * i] = series[i]!.idLow;
    ids[2 * i + 1] = series[i]!.idHigh;
  }
  return ids;
}

/** keyOf makes a string of the halves of an id. */
export function keyOf(idHigh: number, idLow: number): string {
  return `${idHigh}:${idLow}`;
}

/** labelsOf puts the metric name back among the sorted labels. */
function labelsOf(name: string, names: readonly string[], values: readonly string[]): Labels {
  const pairs: string[] = [];
  let placed = name === "";
  for (let i = 0; i < names.length; i++) {
    if (!placed && METRIC_NAME < names[i]!) {
      pairs.push(METRIC_NAME, name);
      placed = true;
    }
    pairs.push(names[i]!, values[i]!);
  }
  if (!placed) pairs.push(METRIC_NAME, name);
  return new Labels(pairs);
}

/** Conditions is the WHERE clause on metric_series for a range of days and some matchers. */
class Conditions {
  readonly params: Record<string, string | string[]> = {};
  readonly sql: string;
  /** isExact is true when the clause says all that the matchers say. */
  readonly isExact: boolean;
  private count = 0;

  constructor(startMs: number, endMs: number, matchers: readonly Matcher[]) {
    const parts = [`day >= toDate(${dayOf(startMs)})`, `day <= toDate(${dayOf(endMs)})`];
    let exact = true;
    for (const matcher of matchers) {
      const column = this.column(matcher.name);
      const { setMatches, prefix } = matcher;
      if (matcher.type === "=") parts.push(`${column} = ${this.param(matcher.value)}`);
      else if (matcher.type === "!=") parts.push(`${column} != ${this.param(matcher.value)}`);
      else if (setMatches !== undefined) parts.push(`${column} IN ${this.param([...setMatches])}`);
      else {
        if (prefix !== "") parts.push(`startsWith(${column}, ${this.param(prefix)})`);
        exact = false;
      }
    }
    this.sql = parts.join(" AND ");
    this.isExact = exact;
  }

  /** column is the expression for the value of a label; "" where it is absent. */
  column(name: string): string {
    return name === METRIC_NAME ? "name" : `labels[${this.param(name)}]`;
  }

  private param(value: string | string[]): string {
    const name = `p${this.count++}`;
    this.params[name] = value;
    return `{${name}:${typeof value === "string" ? "String" : "Array(String)"}}`;
  }
}
