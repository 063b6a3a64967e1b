// From what discovery found to the labels a target is scraped with.
import { DurationError, formatDuration, parseDuration } from "@belfry/core/format";
import { type Labels, LabelsBuilder, quoteGo } from "@belfry/core/model";

/** LabelPairs are names and values, as discovery hands them over. */
export type LabelPairs = Iterable<readonly [string, string]>;

/** TargetDefaults are what a scrape configuration says of all its targets. */
export interface TargetDefaults {
  jobName: string;
  scrapeIntervalMs: number;
  scrapeTimeoutMs: number;
  metricsPath: string;
  scheme: string;
  params: Readonly<Record<string, readonly string[]>>;
}

/** PopulatedTarget is the outcome for one discovered target. */
export type PopulatedTarget =
  | { kind: "kept"; labels: Labels; discovered: Labels }
  | { kind: "dropped"; discovered: Labels }
  | { kind: "failed"; error: string; discovered: Labels };

/** discoveredLabels are the labels before relabelling: the target's, the group's, and the configuration's defaults. */
export function discoveredLabels(target: LabelPairs, group: LabelPairs, defaults: TargetDefaults): Labels {
  const builder = new LabelsBuilder();
  for (const [name, value] of group) builder.set(name, value);
  // An empty value of the target hides the group's.
  for (const [name, value] of target) builder.set(name, value);
  const setDefault = (name: string, value: string): void => {
    if (builder.get(name) === "") builder.set(name, value);
  };
  setDefault("job", defaults.jobName);
  setDefault("__scrape_interval__", formatDuration(defaults.scrapeIntervalMs));
  setDefault("__scrape_timeout__", formatDuration(defaults.scrapeTimeoutMs));
  setDefault("__metrics_path__", defaults.metricsPath);
  setDefault("__scheme__", defaults.scheme);
  for (const [name, values] of Object.entries(defaults.params)) {
    if (values.length > 0) setDefault(`__param_${name}`, values[0]);
  }
  return builder.labels();
}

/** populateLabels relabels a discovered target and checks what comes out. */
export function populateLabels(discovered: Labels, relabel: (labels: Labels) => Labels | undefined): PopulatedTarget {
  const relabelled = relabel(discovered);
  if (relabelled === undefined || relabelled.size === 0) return { kind: "dropped", discovered };
  const failed = (error: string): PopulatedTarget => ({ kind: "failed", error, discovered });
  const address = relabelled.get("__address__");
  if (address === "") return failed("no address");
  if (address.includes("/")) return failed(`${quoteGo(address)} is not a valid hostname`);
  const interval = relabelled.get("__scrape_interval__");
  const timeout = relabelled.get("__scrape_timeout__");
  let intervalMs: number;
  let timeoutMs: number;
  try {
    intervalMs = positiveDuration(interval, "interval");
    timeoutMs = positiveDuration(timeout, "timeout");
  } catch (error) {
    if (error instanceof DurationError) return failed(error.message);
    throw error;
  }
  if (timeoutMs > intervalMs) {
    return failed(`scrape timeout cannot be greater than scrape interval (${quoteGo(timeout)} > ${quoteGo(interval)})`);
  }
  const builder = new LabelsBuilder(relabelled);
  for (const [name] of relabelled) if (name.startsWith("__meta_")) builder.delete(name);
  if (builder.get("instance") === "") builder.set("instance", address);
  return { kind: "kept", labels: builder.labels(), discovered };
}

function positiveDuration(text: string, what: string): number {
  let ms: number;
  try {
    ms = parseDuration(text);
  } catch (error) {
    if (!(error instanceof DurationError)) throw error;
    throw new DurationError(text, `error parsing scrape ${what}: ${error.message}`);
  }
  if (ms === 0) throw new DurationError(text, `scrape ${what} cannot be 0`);
  return ms;
}

/** targetUrl is the URL a target is scraped at. */
export function targetUrl(labels: Labels, params: Readonly<Record<string, readonly string[]>>): string {
  const merged = new Map<string, string[]>();
  for (const [name, values] of Object.entries(params)) merged.set(name, [...values]);
  for (const [name, value] of labels) {
    if (!name.startsWith("__param_")) continue;
    const key = name.slice("__param_".length);
    const values = merged.get(key);
    if (values !== undefined && values.length > 0) values[0] = value;
    else merged.set(key, [value]);
  }
  const pairs: string[] = [];
  for (const key of [...merged.keys()].sort()) {
    for (const value of merged.get(key)!) pairs.push(`${queryEscape(key)}=${queryEscape(value)}`);
  }
  const path = labels.get("__metrics_path__");
  const slashed = path === "" || path.startsWith("/") ? path : `/${path}`;
  const query = pairs.length > 0 ? `?${pairs.join("&")}` : "";
  return `${labels.get("__scheme__")}://${labels.get("__address__")}${escapePath(slashed)}${query}`;
}

// Go's url.QueryEscape: everything but letters, digits, - _ . ~ is escaped, a space becomes a plus.
function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replaceAll(/[!'()*]/g, (char) => "%" + char.charCodeAt(0).toString(16).toUpperCase())
    .replaceAll("%20", "+");
}

// Go's URL.EscapedPath keeps $&+,/:;=@ and the unreserved characters.
function escapePath(path: string): string {
  return encodeURIComponent(path)
    .replaceAll(/%(?:24|26|2B|2C|2F|3A|3B|3D|40)/g, decodeURIComponent)
    .replaceAll(/['()!]/g, (char) => "%" + char.charCodeAt(0).toString(16).toUpperCase());
}
