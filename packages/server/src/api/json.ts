// JSON of query results, written piece by piece: an answer with millions of points never exists as one string.
// Numbers have upstream's spelling: timestamps in seconds with up to three decimals, values as strings.
import { type Histogram, histogramBucketTuples, type Labels } from "@belfry/core/model";
import type { QueryValue } from "../metrics/engine/index.ts";

// 64 KiB pieces keep the writer busy without holding more than a few of them for a slow client.
const PIECE_LENGTH = 64 * 1024;

/** formatTimestamp writes milliseconds as seconds. */
export function formatTimestamp(timeMs: number): string {
  const negative = timeMs < 0;
  const absolute = Math.abs(timeMs);
  const fraction = absolute % 1000;
  const whole = (absolute - fraction) / 1000;
  let text = (negative ? "-" : "") + whole;
  if (fraction !== 0) text += fraction < 10 ? `.00${fraction}` : fraction < 100 ? `.0${fraction}` : `.${fraction}`;
  return text;
}

/** formatValue writes a sample value as Go's strconv does in the API: shortest form, two-digit exponents. */
export function formatValue(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return Object.is(value, -0) ? "-0" : String(value);
  if (value !== value) return "NaN";
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  const text = String(value);
  const exponent = text.indexOf("e");
  if (exponent < 0) return text;
  const digits = text.slice(exponent + 2);
  return digits.length < 2 ? `${text.slice(0, exponent + 2)}0${digits}` : text;
}

/** labelsJson writes labels as an object. */
export function labelsJson(labels: Labels): string {
  const pairs = labels.pairs;
  let out = "{";
  for (let i = 0; i < pairs.length; i += 2) {
    out += `${i === 0 ? "" : ","}${JSON.stringify(pairs[i])}:${JSON.stringify(pairs[i + 1])}`;
  }
  return out + "}";
}

function histogramJson(histogram: Histogram): string {
  const buckets = histogramBucketTuples(histogram);
  const body = `{"count":"${formatValue(histogram.count)}","sum":"${formatValue(histogram.sum)}"`;
  if (buckets.length === 0) return body + "}";
  const parts = buckets.map(
    ([rule, lower, upper, count]) =>
      `[${rule},"${formatValue(lower)}","${formatValue(upper)}","${formatValue(count)}"]`,
  );
  return `${body},"buckets":[${parts.join(",")}]}`;
}

/** resultPieces yields the JSON of `{"resultType":…,"result":…` without the closing brace, so that stats may follow. */
export function* resultPieces(value: QueryValue): Generator<string, void, void> {
  switch (value.type) {
    case "scalar":
      yield `{"resultType":"scalar","result":[${formatTimestamp(value.timeMs)},"${formatValue(value.value)}"]`;
      return;
    case "string":
      yield `{"resultType":"string","result":[${formatTimestamp(value.timeMs)},${JSON.stringify(value.value)}]`;
      return;
    case "vector": {
      let piece = '{"resultType":"vector","result":[';
      let first = true;
      for (const sample of value.samples) {
        piece += `${first ? "" : ","}{"metric":${labelsJson(sample.labels)},`;
        piece += sample.histogram
          ? `"histogram":[${formatTimestamp(sample.timeMs)},${histogramJson(sample.histogram)}]}`
          : `"value":[${formatTimestamp(sample.timeMs)},"${formatValue(sample.value)}"]}`;
        first = false;
        if (piece.length >= PIECE_LENGTH) {
          yield piece;
          piece = "";
        }
      }
      yield piece + "]";
      return;
    }
    case "matrix":
      yield* matrixPieces(value.series);
  }
}

function* matrixPieces(
  seriesList: readonly {
    labels: Labels;
    times: Float64Array;
    values: Float64Array;
    histograms: (Histogram | undefined)[] | null;
  }[],
): Generator<string, void, void> {
  let piece = '{"resultType":"matrix","result":[';
  let firstSeries = true;
  // The engine gives series with the same steps the same array of times, so their texts are made once.
  let textsOf: Float64Array | undefined;
  let texts: string[] = [];
  for (const series of seriesList) {
    piece += `${firstSeries ? "" : ","}{"metric":${labelsJson(series.labels)}`;
    firstSeries = false;
    const { times, values, histograms } = series;
    if (textsOf !== times) {
      textsOf = times;
      texts = Array.from(times, formatTimestamp);
    }
    let open = false;
    for (let i = 0; i < times.length; i++) {
      if (histograms?.[i] !== undefined) continue;
      piece += `${open ? "," : ',"values":['}[${texts[i]!},"${formatValue(values[i]!)}"]`;
      open = true;
      if (piece.length >= PIECE_LENGTH) {
        yield piece;
        piece = "";
      }
    }
    if (open) piece += "]";
    if (histograms) {
      let openHistograms = false;
      for (let i = 0; i < times.length; i++) {
        const histogram = histograms[i];
        if (histogram === undefined) continue;
        piece += `${openHistograms ? "," : ',"histograms":['}[${texts[i]!},${histogramJson(histogram)}]`;
        openHistograms = true;
        if (piece.length >= PIECE_LENGTH) {
          yield piece;
          piece = "";
        }
      }
      if (openHistograms) piece += "]";
    }
    piece += "}";
  }
  yield piece + "]";
}
