// The Prometheus API as the interface uses it. Answers are turned into columns here, once.

/** Series is one line of a graph: a value per step, null where there is none. */
export interface Series {
  labels: Record<string, string>;
  values: (number | null)[];
}

/** RangeResult holds the steps (Unix seconds) and the series over them. */
export interface RangeResult {
  times: number[];
  series: Series[];
  notes: string[];
}

/** Row is one line of a table of an instant query. */
export interface Row {
  labels: Record<string, string>;
  value: string;
  time: number;
}

export interface InstantResult {
  rows: Row[];
  notes: string[];
}

export interface Target {
  labels: Record<string, string>;
  discoveredLabels: Record<string, string>;
  scrapePool: string;
  scrapeUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: "up" | "down" | "unknown";
  scrapeInterval: string;
}

export interface NamedCount {
  name: string;
  value: number;
}

export interface TsdbStatus {
  headStats: { numSeries: number; numLabelPairs: number; chunkCount: number; minTime: number; maxTime: number };
  seriesCountByMetricName: NamedCount[];
  labelValueCountByLabelName: NamedCount[];
}

interface Envelope {
  status: "success" | "error";
  data?: unknown;
  error?: string;
  warnings?: string[];
  infos?: string[];
}

async function get(path: string, parameters: Record<string, string>, signal?: AbortSignal): Promise<Envelope> {
  const body = new URLSearchParams(parameters);
  const isQuery = path === "query" || path === "query_range";
  const response = isQuery
    ? await fetch(`/api/v1/${path}`, { method: "POST", body, signal: signal ?? null })
    : await fetch(`/api/v1/${path}?${body.toString()}`, { signal: signal ?? null });
  let envelope: Envelope;
  try {
    envelope = (await response.json()) as Envelope;
  } catch {
    throw new Error(`the server answered ${response.status} without JSON`);
  }
  if (envelope.status !== "success") throw new Error(envelope.error ?? `the server answered ${response.status}`);
  return envelope;
}

const notesOf = (envelope: Envelope): string[] => [...(envelope.warnings ?? []), ...(envelope.infos ?? [])];

/** queryRange evaluates an expression over a range; times are Unix seconds. */
export async function queryRange(
  expr: string,
  start: number,
  end: number,
  step: number,
  signal?: AbortSignal,
): Promise<RangeResult> {
  const envelope = await get(
    "query_range",
    { query: expr, start: String(start), end: String(end), step: String(step) },
    signal,
  );
  const data = envelope.data as {
    result: {
      metric: Record<string, string>;
      values?: [number, string][];
      histograms?: [number, { count: string }][];
    }[];
  };
  const count = Math.floor((end - start) / step + 1e-9) + 1;
  const times = Array.from({ length: count }, (_, i) => start + i * step);
  const series = data.result.map(({ metric, values = [], histograms = [] }) => {
    const column: (number | null)[] = Array.from({ length: count }, () => null);
    for (const [time, text] of values) column[Math.round((time - start) / step)] = parseValue(text);
    for (const [time, histogram] of histograms) column[Math.round((time - start) / step)] = parseValue(histogram.count);
    return { labels: metric, values: column };
  });
  return { times, series, notes: notesOf(envelope) };
}

/** queryInstant evaluates an expression at one time (Unix seconds, undefined for now). */
export async function queryInstant(
  expr: string,
  time: number | undefined,
  signal?: AbortSignal,
): Promise<InstantResult> {
  const envelope = await get("query", { query: expr, ...(time ? { time: String(time) } : {}) }, signal);
  const data = envelope.data as { resultType: string; result: unknown };
  const notes = notesOf(envelope);
  if (data.resultType === "scalar" || data.resultType === "string") {
    const [at, value] = data.result as [number, string];
    return { rows: [{ labels: {}, value, time: at }], notes };
  }
  const result = data.result as {
    metric: Record<string, string>;
    value?: [number, string];
    values?: [number, string][];
    histogram?: [number, { count: string; sum: string }];
  }[];
  const rows = result.flatMap(({ metric, value, values, histogram }) => {
    if (value) return [{ labels: metric, value: value[1], time: value[0] }];
    if (histogram) {
      return [{ labels: metric, value: `count ${histogram[1].count}, sum ${histogram[1].sum}`, time: histogram[0] }];
    }
    const last = values?.at(-1);
    return last ? [{ labels: metric, value: `${last[1]} (${values!.length} samples)`, time: last[0] }] : [];
  });
  return { rows, notes };
}

export async function fetchTargets(signal?: AbortSignal): Promise<Target[]> {
  const envelope = await get("targets", { state: "active" }, signal);
  return (envelope.data as { activeTargets: Target[] }).activeTargets;
}

export async function fetchStatus(signal?: AbortSignal): Promise<{
  runtime: Record<string, string | number | boolean>;
  build: Record<string, string>;
  tsdb: TsdbStatus;
  flags: Record<string, string>;
  configYaml: string;
}> {
  const [runtime, build, tsdb, flags, config] = await Promise.all(
    ["status/runtimeinfo", "status/buildinfo", "status/tsdb", "status/flags", "status/config"].map((path) =>
      get(path, {}, signal),
    ),
  );
  return {
    runtime: runtime!.data as Record<string, string | number | boolean>,
    build: build!.data as Record<string, string>,
    tsdb: tsdb!.data as TsdbStatus,
    flags: flags!.data as Record<string, string>,
    configYaml: (config!.data as { yaml: string }).yaml,
  };
}

function parseValue(text: string): number | null {
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  const value = Number(text);
  return Number.isNaN(value) ? null : value;
}
