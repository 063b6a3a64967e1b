// `belfry query`: promtool's query commands against a running server, with promtool's output.
import { UsageError, type Flags } from "./flags.ts";
import type { Output } from "./cli.ts";

interface Envelope {
  status: string;
  data?: unknown;
  errorType?: string;
  error?: string;
  warnings?: string[];
  infos?: string[];
}

interface Sample {
  metric: Record<string, string>;
  value?: [number, string];
  values?: [number, string][];
  histogram?: [number, unknown];
  histograms?: [number, unknown][];
}

/** queryInstant runs an instant query; returns the exit code. */
export async function queryInstant(flags: Flags, output: Output): Promise<number> {
  const [server, expr] = serverAnd(flags, "an expression");
  const parameters = new URLSearchParams({ query: expr });
  const time = flags.optional("time");
  if (time !== undefined) parameters.set("time", time);
  return request(flags, output, server, "query", parameters, printResult);
}

/** queryRange runs a range query; the default range is the last five minutes, as in promtool. */
export async function queryRange(flags: Flags, output: Output): Promise<number> {
  const [server, expr] = serverAnd(flags, "an expression");
  const end = seconds(flags, "end") ?? Date.now() / 1000;
  const start = seconds(flags, "start") ?? end - 300;
  if (start > end) throw new UsageError("start time is not before end time");
  const step = (flags.durationMs("step") ?? 0) / 1000 || Math.max(Math.floor((end - start) / 250), 1);
  const parameters = new URLSearchParams({ query: expr, start: String(start), end: String(end), step: String(step) });
  return request(flags, output, server, "query_range", parameters, printResult);
}

/** querySeries lists the series that match. */
export async function querySeries(flags: Flags, output: Output): Promise<number> {
  const server = flags.positional[0] ?? flags.string("server");
  const matches = flags.list("match");
  if (matches.length === 0) throw new UsageError("required flag --match not provided");
  const parameters = rangeParameters(flags);
  for (const match of matches) parameters.append("match[]", match);
  return request(flags, output, server, "series", parameters, (data) =>
    (data as Record<string, string>[]).map(metricText),
  );
}

/** queryLabels lists the values of one label. */
export async function queryLabels(flags: Flags, output: Output): Promise<number> {
  const [server, name] = serverAnd(flags, "a label name");
  const parameters = rangeParameters(flags);
  for (const match of flags.list("match")) parameters.append("match[]", match);
  return request(
    flags,
    output,
    server,
    `label/${encodeURIComponent(name)}/values`,
    parameters,
    (data) => data as string[],
  );
}

function rangeParameters(flags: Flags): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const name of ["start", "end"]) {
    const value = flags.optional(name);
    if (value !== undefined) parameters.set(name, value);
  }
  return parameters;
}

function seconds(flags: Flags, name: string): number | undefined {
  const text = flags.optional(name);
  if (text === undefined) return undefined;
  const value = /^[\d.]+$/.test(text) ? Number(text) : Date.parse(text) / 1000;
  if (Number.isNaN(value))
    throw new UsageError(`--${name}: expected Unix seconds or RFC 3339, got ${JSON.stringify(text)}`);
  return value;
}

function serverAnd(flags: Flags, what: string): [string, string] {
  const [first, second] = flags.positional;
  if (first === undefined) throw new UsageError(`expected ${what}`);
  if (second !== undefined) return [first, second];
  return [flags.string("server"), first];
}

async function request(
  flags: Flags,
  output: Output,
  server: string,
  path: string,
  parameters: URLSearchParams,
  print: (data: unknown) => string[],
): Promise<number> {
  let base: URL;
  try {
    base = new URL(server.includes("://") ? server : `http://${server}`);
  } catch {
    throw new UsageError(`expected a server URL like http://127.0.0.1:3000, got ${JSON.stringify(server)}`);
  }
  const url = new URL(`${base.pathname.replace(/\/$/, "")}/api/v1/${path}?${parameters.toString()}`, base);
  const headers: Record<string, string> = {};
  for (const header of flags.list("header")) {
    const equals = header.indexOf("=");
    if (equals < 1) throw new UsageError(`--header: expected name=value, got ${JSON.stringify(header)}`);
    headers[header.slice(0, equals)] = header.slice(equals + 1);
  }
  let envelope: Envelope;
  try {
    const response = await fetch(url, { headers });
    envelope = (await response.json()) as Envelope;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    output.err(`query error: could not reach ${base.origin}: ${cause}\n`);
    return 1;
  }
  if (envelope.status !== "success") {
    output.err(`query error: ${envelope.errorType}: ${envelope.error}\n`);
    return 1;
  }
  for (const note of [...(envelope.warnings ?? []), ...(envelope.infos ?? [])]) output.err(`${note}\n`);
  if (flags.boolean("json") || flags.string("format") === "json") {
    const data = envelope.data as { result?: unknown };
    output.out(`${JSON.stringify(data.result ?? data)}\n`);
    return 0;
  }
  const lines = print(envelope.data);
  if (lines.length > 0) output.out(`${lines.join("\n")}\n`);
  return 0;
}

function printResult(data: unknown): string[] {
  const { resultType, result } = data as { resultType: string; result: unknown };
  if (resultType === "scalar") {
    const [time, value] = result as [number, string];
    return [`scalar: ${value} @[${time}]`];
  }
  if (resultType === "string") {
    const [time, value] = result as [number, string];
    return [`${value} @[${time}]`];
  }
  return (result as Sample[]).map((sample) => {
    const point = sample.value ?? sample.histogram;
    if (point) return `${metricText(sample.metric)} => ${pointText(point)}`;
    const points = [...(sample.values ?? []), ...(sample.histograms ?? [])].map(pointText);
    return `${metricText(sample.metric)} =>\n${points.join("\n")}`;
  });
}

function pointText([time, value]: [number, unknown]): string {
  return `${typeof value === "string" ? value : JSON.stringify(value)} @[${time}]`;
}

function metricText(metric: Record<string, string>): string {
  const { __name__: name = "", ...labels } = metric;
  const parts = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return parts.length === 0 && name !== "" ? name : `${name}{${parts.join(", ")}}`;
}
