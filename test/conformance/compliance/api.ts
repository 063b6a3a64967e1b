// What is compared: range queries of a Prometheus-compatible server over HTTP, or of our engine in this process.
import type { Queryable } from "../../../packages/server/src/metrics/queryable.ts";
import type { ScriptEngine } from "../promqltest/harness.ts";

/** Matrix is the result of a range query: series by their labels, as time (ms) and value pairs. */
export type Matrix = Map<string, [timeMs: number, value: number][]>;

/** RangeAnswer is a matrix, or the message of the error. */
export type RangeAnswer = { matrix: Matrix; error: undefined } | { matrix: undefined; error: string };

/** RangeApi answers range queries. */
export interface RangeApi {
  range(query: string, startMs: number, endMs: number, stepMs: number): Promise<RangeAnswer>;
}

/** httpApi asks a server. */
export function httpApi(url: string): RangeApi {
  return {
    async range(query, startMs, endMs, stepMs) {
      const parameters = new URLSearchParams({
        query,
        start: String(startMs / 1000),
        end: String(endMs / 1000),
        step: String(stepMs / 1000),
      });
      const response = await fetch(`${url}/api/v1/query_range`, { method: "POST", body: parameters });
      const envelope = (await response.json()) as {
        status: string;
        error?: string;
        data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
      };
      if (envelope.status !== "success") return { matrix: undefined, error: envelope.error ?? "unknown error" };
      const matrix: Matrix = new Map();
      for (const { metric, values } of envelope.data.result) {
        matrix.set(
          keyOf(Object.entries(metric)),
          values.map(([time, value]) => [Math.round(time * 1000), parseValue(value)]),
        );
      }
      return { matrix, error: undefined };
    },
  };
}

/** engineApi asks an engine directly. */
export function engineApi(engine: ScriptEngine, queryable: Queryable): RangeApi {
  return {
    async range(query, startMs, endMs, stepMs) {
      try {
        const { value } = await engine.range(queryable, query, startMs, endMs, stepMs);
        if (value.type !== "matrix") throw new Error(`BUG: a range query answered with a ${value.type}`);
        const matrix: Matrix = new Map();
        for (const series of value.series) {
          matrix.set(
            keyOf([...series.labels]),
            Array.from(series.times, (time, i) => [time, series.values[i]]),
          );
        }
        return { matrix, error: undefined };
      } catch (error) {
        if (!(error instanceof Error) || error.message.startsWith("BUG:") || error instanceof TypeError) throw error;
        return { matrix: undefined, error: error.message };
      }
    },
  };
}

function keyOf(labels: [string, string][]): string {
  return JSON.stringify(labels.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function parseValue(text: string): number {
  if (text === "+Inf") return Infinity;
  return text === "-Inf" ? -Infinity : Number(text);
}
