// What is wrong with metrics that can be read: names, units and types against the conventions. The rules and words
// are those of promtool (client_golang's promlint).
import { compareStrings, quoteGo } from "@belfry/core/model";
import { ExpositionError } from "./exposition-error.ts";
import { type FamilyType, type MetricFamily, readFamilies } from "./family-reader.ts";
import { readStrictOpenMetrics, type StrictFamily } from "./openmetrics-strict.ts";

/** MetricProblem is one thing wrong with one metric. */
export interface MetricProblem {
  metric: string;
  text: string;
}

/** MetricsReport is what `belfry check metrics` prints. */
export interface MetricsReport {
  /** error says why the exposition cannot be read; problems and cardinality are empty then. */
  error: string | undefined;
  /** problems are sorted by metric and text. */
  problems: MetricProblem[];
  /** cardinality counts the series of each metric, most first. */
  cardinality: { metric: string; series: number }[];
}

/**
 * checkMetrics reads an exposition and checks it. It is read as OpenMetrics, strictly, when it is said to be that or
 * ends with `# EOF`, and as the classic text format otherwise.
 */
export function checkMetrics(bytes: Uint8Array, options: { openMetrics?: boolean } = {}): MetricsReport {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  let families: MetricFamily[];
  try {
    families =
      options.openMetrics === true || /(?:^|\n)# EOF\n?$/.test(text)
        ? readStrictOpenMetrics(bytes).map(fromOpenMetrics)
        : readFamilies(text);
  } catch (error) {
    if (!(error instanceof ExpositionError)) throw error;
    return { error: describe(error), problems: [], cardinality: [] };
  }
  const problems: MetricProblem[] = [];
  for (const family of families) {
    for (const problem of lintFamily(family)) problems.push({ metric: family.name, text: problem });
  }
  problems.sort((a, b) => compareStrings(a.metric, b.metric) || compareStrings(a.text, b.text));
  const cardinality = families
    .map((family) => ({ metric: family.name, series: cardinalityOf(family) }))
    .sort((a, b) => b.series - a.series || compareStrings(a.metric, b.metric));
  return { error: undefined, problems, cardinality };
}

function describe(error: ExpositionError): string {
  const { message, line } = error;
  return line === 0 || message.includes(` in line ${line}: `)
    ? message
    : `OpenMetrics parsing error in line ${line}: ${message}`;
}

// The rules are about families as the classic format has them: there a counter's name ends in _total.
function fromOpenMetrics(family: StrictFamily): MetricFamily {
  const types: Readonly<Record<string, FamilyType>> = {
    counter: "counter",
    gauge: "gauge",
    summary: "summary",
    histogram: "histogram",
  };
  const suffix = family.type === "counter" ? "_total" : "";
  const parts = family.type === "histogram" ? "_bucket" : "";
  const isWhole = family.type === "histogram" || family.type === "summary";
  const partLabel = family.type === "histogram" ? "le" : "quantile";
  const metrics = new Map<string, { labels: (readonly [string, string])[]; parts: number }>();
  family.samples.forEach((sample, i) => {
    if (sample.name.endsWith("_created")) return;
    const labels = [...sample.labels].filter(([name]) => !isWhole || name !== partLabel);
    const key = isWhole ? JSON.stringify(labels) : String(i);
    const metric = metrics.get(key) ?? { labels, parts: 0 };
    if (isWhole && sample.name === family.name + parts && sample.labels.has(partLabel)) metric.parts++;
    metrics.set(key, metric);
  });
  return {
    name: family.name + suffix,
    type: types[family.type] ?? "untyped",
    help: family.help === "" ? undefined : family.help,
    metrics: [...metrics.values()],
  };
}

function cardinalityOf({ type, metrics }: MetricFamily): number {
  // Count and sum, and as many buckets or quantiles as the first has.
  if (type === "histogram" || type === "summary") return metrics.length * (2 + metrics[0].parts);
  return metrics.length;
}

function lintFamily(family: MetricFamily): string[] {
  const problems: string[] = [];
  if (family.help === undefined) problems.push("no help text");
  problems.push(...lintUnits(family.name), ...lintSuffixes(family), ...lintReservedLabels(family));
  problems.push(...lintSpelling(family), ...lintDuplicates(family));
  return problems;
}

const BASE_UNITS: Readonly<Record<string, string>> = {
  amperes: "amperes",
  bytes: "bytes",
  celsius: "celsius",
  grams: "grams",
  joules: "joules",
  kelvin: "kelvin",
  meters: "meters",
  metres: "metres",
  seconds: "seconds",
  volts: "volts",
  minutes: "seconds",
  hours: "seconds",
  days: "seconds",
  weeks: "seconds",
  kelvins: "kelvin",
  fahrenheit: "celsius",
  rankine: "celsius",
  inches: "meters",
  yards: "meters",
  miles: "meters",
  bits: "bytes",
  calories: "joules",
  pounds: "grams",
  ounces: "grams",
};
const PREFIXES =
  /^(?:pico|nano|micro|milli|centi|deci|deca|hecto|kilo|kibi|mega|mibi|giga|gibi|tera|tebi|peta|pebi)(.*)$/;
const ABBREVIATIONS = ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"];

function lintUnits(name: string): string[] {
  for (const word of name.split("_")) {
    const plain = Object.hasOwn(BASE_UNITS, word) ? word : (PREFIXES.exec(word)?.[1] ?? "");
    if (!Object.hasOwn(BASE_UNITS, plain)) continue;
    const base = BASE_UNITS[plain];
    return word === base ? [] : [`use base unit ${quoteGo(base)} instead of ${quoteGo(word)}`];
  }
  return [];
}

function lintSuffixes({ name, type }: MetricFamily): string[] {
  const problems: string[] = [];
  const untyped = type === "untyped" || type === undefined;
  if (type === "counter" && !name.endsWith("_total")) problems.push('counter metrics should have "_total" suffix');
  if (untyped) return problems;
  if (type !== "counter" && name.endsWith("_total")) {
    problems.push('non-counter metrics should not have "_total" suffix');
  }
  if (type !== "gauge" && name.endsWith("_timestamp_seconds")) {
    problems.push('non-gauge metrics should not have "_timestamp_seconds" suffix');
  }
  if (type !== "histogram" && name.endsWith("_bucket")) {
    problems.push('non-histogram metrics should not have "_bucket" suffix');
  }
  if (type !== "histogram" && type !== "summary") {
    for (const suffix of ["_count", "_sum"]) {
      if (name.endsWith(suffix)) {
        problems.push(`non-histogram and non-summary metrics should not have "${suffix}" suffix`);
      }
    }
  }
  if (hasWord(name.toLowerCase(), type)) problems.push(`metric name should not include type '${type}'`);
  return problems;
}

function lintReservedLabels({ type, metrics }: MetricFamily): string[] {
  const problems: string[] = [];
  if (type === "untyped" || type === undefined) return problems;
  for (const { labels } of metrics) {
    for (const [name] of labels) {
      if (type !== "histogram" && name === "le") problems.push('non-histogram metrics should not have "le" label');
      if (type !== "summary" && name === "quantile") {
        problems.push('non-summary metrics should not have "quantile" label');
      }
    }
  }
  return problems;
}

function lintSpelling({ name, metrics }: MetricFamily): string[] {
  const problems: string[] = [];
  if (name.includes(":")) problems.push("metric names should not contain ':'");
  if (/[a-z][A-Z]/.test(name)) problems.push("metric names should be written in 'snake_case' not 'camelCase'");
  for (const { labels } of metrics) {
    for (const [label] of labels) {
      if (/[a-z][A-Z]/.test(label)) problems.push("label names should be written in 'snake_case' not 'camelCase'");
    }
  }
  for (const unit of ABBREVIATIONS) {
    if (hasWord(name.toLowerCase(), unit)) problems.push("metric names should not contain abbreviated units");
  }
  return problems;
}

function lintDuplicates({ metrics }: MetricFamily): string[] {
  const seen = new Set<string>();
  const problems: string[] = [];
  for (const { labels } of metrics) {
    const key = JSON.stringify(labels);
    if (seen.has(key)) problems.push("metric not unique");
    seen.add(key);
  }
  return problems;
}

// A word in the middle or at the end of a name, not at its start.
function hasWord(name: string, word: string): boolean {
  return name.includes(`_${word}_`) || name.endsWith(`_${word}`);
}
