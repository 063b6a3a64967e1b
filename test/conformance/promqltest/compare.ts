// Comparing what the engine answered with what a script expects, by upstream's rules: numbers within a relative
// difference of 1e-6, histograms compacted first, counter reset hints only where they were written out.
import {
  almostEqual,
  compactHistogram,
  compareLabels,
  copyHistogram,
  customBoundsMatch,
  type Histogram,
  histogramTestExpression,
  isStaleNaN,
  type Labels,
  spansMatch,
  usesCustomBuckets,
} from "@belfry/core/model";
import type {
  MatrixSeries,
  QueryResult,
  QueryValue,
  VectorSample,
} from "../../../packages/server/src/metrics/engine/types.ts";
import type { EvalCommand, ExpectedSeries, TextExpectation } from "./script.ts";
import type { SequenceValue } from "../../../packages/core/src/promql/series-description.ts";

const TOLERANCE = 1e-6;

/** Mismatch says how an answer differs from what is expected. */
export class Mismatch extends Error {
  constructor(message: string) {
    super(message);
    this.name = "Mismatch";
  }
}

/** checkFailure throws Mismatch unless a failure with this message is expected. */
export function checkFailure(command: EvalCommand, message: string): void {
  if (!command.fail) throw new Mismatch(`query failed: ${message}`);
  if (!command.fail.matches(message)) {
    throw new Mismatch(`expected error with ${command.fail.description}, got: ${message}`);
  }
}

/** checkAnnotations throws Mismatch unless warnings and infos are as expected. */
export function checkAnnotations(command: EvalCommand, result: Pick<QueryResult, "warnings" | "infos">): void {
  const { warnings, infos } = result;
  if (command.anyWarn && warnings.length === 0) throw new Mismatch("expected warnings but got none");
  if (command.anyInfo && infos.length === 0) throw new Mismatch("expected info annotations but got none");
  checkTexts("warn", command.warn, warnings);
  checkTexts("info", command.info, infos);
  if (command.noWarn && warnings.length > 0) throw new Mismatch(`unexpected warn annotations: ${list(warnings)}`);
  if (command.noInfo && infos.length > 0) throw new Mismatch(`unexpected info annotations: ${list(infos)}`);
}

function checkTexts(kind: string, expected: readonly TextExpectation[], actual: readonly string[]): void {
  if (expected.length === 0) return;
  for (const one of expected) {
    if (!actual.some((text) => one.matches(text))) {
      throw new Mismatch(`expected ${kind} annotation with ${one.description}, got: ${list(actual)}`);
    }
  }
  for (const text of actual) {
    if (!expected.some((one) => one.matches(text))) throw new Mismatch(`unexpected ${kind} annotation: ${text}`);
  }
}

function list(texts: readonly string[]): string {
  return texts.length === 0 ? "none" : texts.map((text) => `"${text}"`).join(", ");
}

/** compareResult throws Mismatch unless the value is the expected one. */
export function compareResult(command: EvalCommand, value: QueryValue): void {
  switch (value.type) {
    case "matrix":
      compareMatrix(command, value.series);
      break;
    case "vector":
      compareVector(command, value.samples);
      break;
    case "scalar":
      if (command.scalar === undefined) {
        throw new Mismatch(`expected vector or matrix result, got scalar ${value.value}`);
      }
      if (!almostEqual(command.scalar.value, value.value, TOLERANCE)) {
        throw new Mismatch(`expected scalar ${command.scalar.value}, got ${value.value}`);
      }
      break;
    case "string":
      if (command.string !== value.value) {
        throw new Mismatch(`expected string ${JSON.stringify(command.string)}, got ${JSON.stringify(value.value)}`);
      }
      break;
  }
}

/** assertSorted throws Mismatch unless the series are in the order of their labels, as range queries answer. */
export function assertSorted(series: readonly MatrixSeries[]): void {
  for (let i = 1; i < series.length; i++) {
    if (compareLabels(series[i - 1].labels, series[i].labels) > 0) {
      throw new Mismatch(
        `matrix is not sorted by labels: ${name(series[i - 1].labels)} comes before ${name(series[i].labels)}`,
      );
    }
  }
}

function compareMatrix(command: EvalCommand, series: readonly MatrixSeries[]): void {
  if (command.ordered) throw new Mismatch("expected ordered result, but query returned a matrix");
  if (command.scalar !== undefined) throw new Mismatch("expected scalar result, but got matrix");
  assertSorted(series);
  const seen = new Set<string>();
  for (const one of series) {
    const expected = command.series.get(one.labels.key);
    if (!expected) throw new Mismatch(`unexpected metric ${name(one.labels)} in result: ${showSeries(one)}`);
    if (seen.has(one.labels.key)) throw new Mismatch(`metric ${name(one.labels)} occurs twice in result`);
    seen.add(one.labels.key);
    comparePoints(command, expected, one);
  }
  assertAllSeen(command, seen);
}

function comparePoints(command: EvalCommand, expected: ExpectedSeries, actual: MatrixSeries): void {
  const wanted: { timeMs: number; value: SequenceValue }[] = [];
  expected.values.forEach((value, i) => {
    const timeMs = command.startMs + i * command.stepMs;
    if (timeMs > command.endMs) {
      throw new Mismatch(
        `expected ${expected.values.length} points for ${name(expected.labels)}, but query time range cannot return this many points`,
      );
    }
    if (!value.omitted) wanted.push({ timeMs, value });
  });
  const label = name(expected.labels);
  const want = `${label} ${wanted.map((p) => `${show(p.value)}@${p.timeMs}`).join(" ")}`;
  const fail = (what: string): never => {
    throw new Mismatch(`${what}\nexpected ${want}\ngot      ${label} ${showSeries(actual)}`);
  };
  if (wanted.length !== actual.times.length) fail(`expected ${wanted.length} points, got ${actual.times.length}`);
  const words = new Uint32Array(actual.values.buffer, actual.values.byteOffset, 2 * actual.values.length);
  for (let i = 0; i < wanted.length; i++) {
    const { timeMs, value } = wanted[i];
    if (actual.times[i] !== timeMs) fail(`point ${i} is at ${actual.times[i]}, not at ${timeMs}`);
    const histogram = actual.histograms?.[i];
    if ((histogram === undefined) !== (value.histogram === undefined)) fail(`point ${i} is of the wrong type`);
    if (value.histogram) {
      if (!sameHistogram(value.histogram, histogram!, value.counterResetHintSet)) fail(`point ${i} differs`);
    } else if (value.stale || isStaleNaN(words, i)) {
      if (value.stale !== isStaleNaN(words, i)) fail(`point ${i} differs in staleness`);
    } else if (!almostEqual(value.value, actual.values[i], TOLERANCE)) {
      fail(`point ${i} differs`);
    }
  }
}

function compareVector(command: EvalCommand, samples: readonly VectorSample[]): void {
  if (command.scalar !== undefined) {
    throw new Mismatch(`expected scalar result, but got vector ${samples.map(showSample).join(", ")}`);
  }
  const seen = new Set<string>();
  samples.forEach((sample, i) => {
    const expected = command.series.get(sample.labels.key);
    if (!expected) throw new Mismatch(`unexpected metric in result: ${showSample(sample)}`);
    if (command.ordered && expected.position !== i + 1) {
      throw new Mismatch(`expected metric ${name(sample.labels)} at position ${expected.position} but was at ${i + 1}`);
    }
    if (seen.has(sample.labels.key)) throw new Mismatch(`metric ${name(sample.labels)} occurs twice in result`);
    seen.add(sample.labels.key);
    const value = expected.values[0];
    if (value === undefined) throw new Mismatch(`no value is expected for ${name(sample.labels)}`);
    const same =
      value.histogram !== undefined
        ? sample.histogram !== undefined && sameHistogram(value.histogram, sample.histogram, value.counterResetHintSet)
        : sample.histogram === undefined && almostEqual(value.value, sample.value, TOLERANCE);
    if (!same) throw new Mismatch(`expected ${name(sample.labels)} ${show(value)}\ngot      ${showSample(sample)}`);
  });
  assertAllSeen(command, seen);
}

function assertAllSeen(command: EvalCommand, seen: ReadonlySet<string>): void {
  for (const [key, expected] of command.series) {
    if (!seen.has(key)) {
      throw new Mismatch(`expected metric ${name(expected.labels)} ${expected.values.map(show).join(" ")} not found`);
    }
  }
}

/** sameHistogram compares histograms within the tolerance, empty buckets aside. */
function sameHistogram(expected: Histogram, actual: Histogram, withHint: boolean): boolean {
  const a = compactHistogram(copyHistogram(expected));
  const b = compactHistogram(copyHistogram(actual));
  return (
    a.schema === b.schema &&
    almostEqual(a.count, b.count, TOLERANCE) &&
    almostEqual(a.sum, b.sum, TOLERANCE) &&
    (!usesCustomBuckets(a) || customBoundsMatch(a.customValues, b.customValues)) &&
    a.zeroThreshold === b.zeroThreshold &&
    almostEqual(a.zeroCount, b.zeroCount, TOLERANCE) &&
    spansMatch(a.negativeSpans, b.negativeSpans) &&
    sameBuckets(a.negativeBuckets, b.negativeBuckets) &&
    spansMatch(a.positiveSpans, b.positiveSpans) &&
    sameBuckets(a.positiveBuckets, b.positiveBuckets) &&
    (!withHint || a.counterResetHint === b.counterResetHint)
  );
}

function sameBuckets(a: Float64Array, b: Float64Array): boolean {
  return a.length === b.length && a.every((count, i) => almostEqual(count, b[i], TOLERANCE));
}

function name(labels: Labels): string {
  const metric = labels.metricName;
  return metric + labels.dropMetricName().toString();
}

function show(value: SequenceValue): string {
  if (value.omitted) return "_";
  if (value.stale) return "stale";
  return value.histogram ? histogramTestExpression(value.histogram) : String(value.value);
}

function showSample(sample: VectorSample): string {
  return `${name(sample.labels)} ${sample.histogram ? histogramTestExpression(sample.histogram) : sample.value}`;
}

function showSeries(series: MatrixSeries): string {
  const points: string[] = [];
  for (let i = 0; i < series.times.length; i++) {
    const histogram = series.histograms?.[i];
    points.push(`${histogram ? histogramTestExpression(histogram) : series.values[i]}@${series.times[i]}`);
  }
  return points.join(" ");
}
