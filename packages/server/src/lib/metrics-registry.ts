// The registry of Belfry's own metrics. Counters, gauges and histograms with classic buckets; written as text
// format or OpenMetrics on demand. It exists to be cheap where it is used: `inc`, `set` and `observe` touch one
// object and allocate nothing, provided the child of a vector was resolved beforehand with `with(...)`.
//
//   const requests = registry.counterVec("belfry_http_requests_total", "HTTP requests.", ["code"]);
//   const ok = requests.with("200");     // once
//   ok.inc();                            // per request
//
// Asking for a metric that exists with the same definition returns the same one, so a component that is built
// again on reload goes on counting; another definition under the same name is a bug and throws.
import { bug } from "./errors.ts";
import {
  encodePrefix,
  ExpositionWriter,
  formatBound,
  type ExpositionFormat,
  type MetricKind,
} from "./metrics-registry-text.ts";

export {
  EXPOSITION_CONTENT_TYPES,
  type ExpositionFormat,
  ExpositionWriter,
  type MetricKind,
  negotiateExposition,
} from "./metrics-registry-text.ts";

/** DEFAULT_BUCKETS suit durations in seconds between a millisecond and ten seconds. */
export const DEFAULT_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

// A vector whose label values come from outside could grow for ever. Past this many children further label sets
// share one child whose label values are all OVERFLOW.
const MAX_CHILDREN = 10_000;
const OVERFLOW = "other";

const PREFIXES = ["belfry_", "process_", "nodejs_"];
const METRIC_NAME = /^[a-z][a-z0-9_]*$/;
const LABEL_NAME = /^[a-z_][a-z0-9_]*$/;

/** Counter only grows. */
export class Counter {
  /** value is the current count; read it in tests, change it with `inc`. */
  value = 0;

  /** inc adds `by`, which must not be negative. */
  inc(by = 1): void {
    if (by < 0) throw bug(`a counter cannot go down (by ${by})`);
    this.value += by;
  }
}

/** Gauge goes up and down. */
export class Gauge {
  value = 0;

  set(value: number): void {
    this.value = value;
  }

  inc(by = 1): void {
    this.value += by;
  }

  dec(by = 1): void {
    this.value -= by;
  }
}

/** Histogram counts observations in classic buckets. */
export class Histogram {
  readonly bounds: Float64Array;
  /** counts are per bucket, not cumulative; the last one is above every bound. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = Float64Array.from(bounds);
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** observe counts a value into the first bucket whose bound is not below it. */
  observe(value: number): void {
    // NaN falls in no bucket; counting it would poison sum.
    if (value !== value) return;
    const bounds = this.bounds;
    let i = 0;
    while (i < bounds.length && value > bounds[i]) i++;
    this.counts[i]++;
    this.sum += value;
  }

  /** count is the number of observations. */
  get count(): number {
    let count = 0;
    for (let i = 0; i < this.counts.length; i++) count += this.counts[i];
    return count;
  }

  /** startTimer returns a function that observes the seconds since the call and returns them. */
  startTimer(): () => number {
    const start = performance.now();
    return () => {
      const seconds = (performance.now() - start) / 1000;
      this.observe(seconds);
      return seconds;
    };
  }
}

/** Vec is a metric with labels: one child for every combination of label values. */
export interface Vec<T> {
  /** with returns the child for these label values, in the order of the label names; keep it in hot code. */
  with(...values: readonly string[]): T;
  /** remove forgets the child, for instance of a target that is gone, and tells whether there was one. */
  remove(...values: readonly string[]): boolean;
  /** clear forgets all children. */
  clear(): void;
}

/** Emit passes one value of a metric that is read when it is collected. */
export type Emit = (value: number, ...labelValues: readonly string[]) => void;

/** MetricsRegistry keeps metrics and writes them. */
export class MetricsRegistry {
  private readonly families = new Map<string, Family>();
  private readonly hooks = new Set<() => void>();
  private readonly writers: Readonly<Record<ExpositionFormat, ExpositionWriter>> = {
    text: new ExpositionWriter("text"),
    openmetrics: new ExpositionWriter("openmetrics"),
  };

  counter(name: string, help: string): Counter {
    return this.counterVec(name, help, []).with();
  }

  /** counterVec makes a counter with labels; its name must end in `_total`. */
  counterVec(name: string, help: string, labelNames: readonly string[]): Vec<Counter> {
    return this.vector(name, "counter", help, labelNames, [], () => new Counter(), writeNumber);
  }

  gauge(name: string, help: string): Gauge {
    return this.gaugeVec(name, help, []).with();
  }

  gaugeVec(name: string, help: string, labelNames: readonly string[]): Vec<Gauge> {
    return this.vector(name, "gauge", help, labelNames, [], () => new Gauge(), writeNumber);
  }

  histogram(name: string, help: string, bounds: readonly number[] = DEFAULT_BUCKETS): Histogram {
    return this.histogramVec(name, help, [], bounds).with();
  }

  /** histogramVec makes a histogram with labels; `bounds` ascend and leave out +Inf. */
  histogramVec(
    name: string,
    help: string,
    labelNames: readonly string[],
    bounds: readonly number[] = DEFAULT_BUCKETS,
  ): Vec<Histogram> {
    for (let i = 0; i < bounds.length; i++) {
      if (!Number.isFinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1])) {
        throw bug(`bucket bounds of ${name} must be finite and ascend: ${bounds.join(", ")}`);
      }
    }
    return this.vector(name, "histogram", help, labelNames, bounds, () => new Histogram(bounds), writeHistogram);
  }

  /** gaugeFunc reads a gauge whenever it is collected. Registering it again replaces the function. */
  gaugeFunc(name: string, help: string, read: () => number): void {
    this.readFamily(name, "gauge", help, [], (emit) => emit(read()));
  }

  /** counterFunc is gaugeFunc for a number that only grows. */
  counterFunc(name: string, help: string, read: () => number): void {
    this.readFamily(name, "counter", help, [], (emit) => emit(read()));
  }

  /** gaugeVecFunc calls `read` whenever the metric is collected; it passes every value to `emit`, each label set once. */
  gaugeVecFunc(name: string, help: string, labelNames: readonly string[], read: (emit: Emit) => void): void {
    this.readFamily(name, "gauge", help, labelNames, read);
  }

  counterVecFunc(name: string, help: string, labelNames: readonly string[], read: (emit: Emit) => void): void {
    this.readFamily(name, "counter", help, labelNames, read);
  }

  /** onCollect runs `hook` before each exposition, to set several metrics from one reading. Returns what undoes it. */
  onCollect(hook: () => void): () => void {
    this.hooks.add(hook);
    return () => void this.hooks.delete(hook);
  }

  /** unregister forgets a metric. */
  unregister(name: string): boolean {
    return this.families.delete(name);
  }

  /** names are the names of all metrics, sorted. */
  names(): string[] {
    return [...this.families.keys()].sort();
  }

  /** render writes all metrics, sorted by name. A metric whose function throws is left out. */
  render(format: ExpositionFormat = "text"): Uint8Array {
    for (const hook of this.hooks) hook();
    const writer = this.writers[format];
    writer.reset();
    for (const name of this.names()) {
      const family = this.families.get(name)!;
      const before = writer.size;
      writer.family(family.name, family.kind, family.help);
      const afterHeader = writer.size;
      try {
        family.write(writer);
      } catch {
        writer.truncate(before);
        continue;
      }
      if (writer.size === afterHeader && family.labelNames.length > 0) writer.truncate(before);
    }
    writer.end();
    return writer.bytes();
  }

  private vector<T>(
    name: string,
    kind: MetricKind,
    help: string,
    labelNames: readonly string[],
    bounds: readonly number[],
    create: () => T,
    write: (writer: ExpositionWriter, family: Family, child: Child<T>) => void,
  ): Vec<T> {
    const existing = this.families.get(name);
    if (existing !== undefined) {
      const bySameDefinition = existing instanceof VectorFamily && existing.signature === signature(bounds);
      if (!bySameDefinition || !sameDefinition(existing, kind, help, labelNames)) throw redefined(name);
      return existing as unknown as VectorFamily<T>;
    }
    checkDefinition(name, kind, help, labelNames);
    const family = new VectorFamily<T>(name, kind, help, labelNames, signature(bounds), create, write);
    this.families.set(name, family);
    return family;
  }

  private readFamily(
    name: string,
    kind: "counter" | "gauge",
    help: string,
    labelNames: readonly string[],
    read: (emit: Emit) => void,
  ): void {
    const existing = this.families.get(name);
    if (existing === undefined) checkDefinition(name, kind, help, labelNames);
    else if (!(existing instanceof ReadFamily) || !sameDefinition(existing, kind, help, labelNames))
      throw redefined(name);
    this.families.set(name, new ReadFamily(name, kind, help, labelNames, read));
  }
}

interface Family {
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  readonly labelNames: readonly string[];
  write(writer: ExpositionWriter): void;
}

// A child of a vector with its encoded lines: one for a counter or gauge; the buckets, sum and count of a histogram.
interface Child<T> {
  readonly metric: T;
  readonly labelValues: readonly string[];
  prefixes: Partial<Record<ExpositionFormat, Uint8Array[]>>;
}

class VectorFamily<T> implements Family, Vec<T> {
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly signature: string;
  private readonly create: () => T;
  private readonly writeChild: (writer: ExpositionWriter, family: Family, child: Child<T>) => void;
  private readonly children = new Map<string, Child<T>>();

  constructor(
    name: string,
    kind: MetricKind,
    help: string,
    labelNames: readonly string[],
    signature: string,
    create: () => T,
    writeChild: (writer: ExpositionWriter, family: Family, child: Child<T>) => void,
  ) {
    this.name = name;
    this.kind = kind;
    this.help = help;
    this.labelNames = labelNames;
    this.signature = signature;
    this.create = create;
    this.writeChild = writeChild;
  }

  with(...values: readonly string[]): T {
    this.checkValues(values);
    const key = childKey(values);
    let child = this.children.get(key);
    if (child === undefined) {
      if (this.children.size >= MAX_CHILDREN && !values.every((value) => value === OVERFLOW)) {
        return this.with(...values.map(() => OVERFLOW));
      }
      child = { metric: this.create(), labelValues: [...values], prefixes: {} };
      this.children.set(key, child);
    }
    return child.metric;
  }

  remove(...values: readonly string[]): boolean {
    this.checkValues(values);
    return this.children.delete(childKey(values));
  }

  clear(): void {
    this.children.clear();
  }

  write(writer: ExpositionWriter): void {
    for (const child of this.children.values()) this.writeChild(writer, this, child);
  }

  private checkValues(values: readonly string[]): void {
    if (values.length !== this.labelNames.length) {
      throw bug(`${this.name} has the labels [${this.labelNames.join(", ")}], got ${values.length} values`);
    }
  }
}

class ReadFamily implements Family {
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  readonly labelNames: readonly string[];
  private readonly read: (emit: Emit) => void;

  constructor(name: string, kind: MetricKind, help: string, labelNames: readonly string[], read: (emit: Emit) => void) {
    this.name = name;
    this.kind = kind;
    this.help = help;
    this.labelNames = labelNames;
    this.read = read;
  }

  write(writer: ExpositionWriter): void {
    this.read((value, ...labelValues) => writer.sample(this.name, this.labelNames, labelValues, value));
  }
}

function writeNumber(writer: ExpositionWriter, family: Family, child: Child<Counter | Gauge>): void {
  const prefixes = (child.prefixes.text ??= [encodePrefix(family.name, family.labelNames, child.labelValues)]);
  writer.prefixed(prefixes[0], child.metric.value);
}

function writeHistogram(writer: ExpositionWriter, family: Family, child: Child<Histogram>): void {
  const { bounds, counts, sum } = child.metric;
  const prefixes = (child.prefixes[writer.format] ??= histogramPrefixes(family, child, writer.format));
  let cumulative = 0;
  for (let i = 0; i < counts.length; i++) {
    cumulative += counts[i];
    writer.prefixed(prefixes[i], cumulative);
  }
  writer.prefixed(prefixes[bounds.length + 1], sum);
  writer.prefixed(prefixes[bounds.length + 2], cumulative);
}

function histogramPrefixes(family: Family, child: Child<Histogram>, format: ExpositionFormat): Uint8Array[] {
  const names = [...family.labelNames, "le"];
  const prefixes: Uint8Array[] = [];
  for (const bound of [...child.metric.bounds, Infinity]) {
    prefixes.push(encodePrefix(`${family.name}_bucket`, names, [...child.labelValues, formatBound(bound, format)]));
  }
  prefixes.push(encodePrefix(`${family.name}_sum`, family.labelNames, child.labelValues));
  prefixes.push(encodePrefix(`${family.name}_count`, family.labelNames, child.labelValues));
  return prefixes;
}

// The lengths make the key unambiguous whatever the values contain.
function childKey(values: readonly string[]): string {
  if (values.length === 0) return "";
  if (values.length === 1) return values[0];
  let key = "";
  for (const value of values) key += `${value.length}:${value}`;
  return key;
}

function signature(bounds: readonly number[]): string {
  return bounds.join(",");
}

function sameDefinition(family: Family, kind: MetricKind, help: string, labelNames: readonly string[]): boolean {
  return family.kind === kind && family.help === help && family.labelNames.join(",") === labelNames.join(",");
}

function redefined(name: string): Error {
  return bug(`metric ${name} is registered already with another definition`);
}

function checkDefinition(name: string, kind: MetricKind, help: string, labelNames: readonly string[]): void {
  if (!METRIC_NAME.test(name) || !PREFIXES.some((prefix) => name.startsWith(prefix))) {
    throw bug(`metric name ${name} must be lower case and start with ${PREFIXES.join(" or ")}`);
  }
  if ((kind === "counter") !== name.endsWith("_total"))
    throw bug(`_total is the ending of counters only: ${kind} ${name}`);
  if (help === "") throw bug(`metric ${name} has no help text`);
  for (const label of labelNames) {
    if (!LABEL_NAME.test(label) || label.startsWith("__") || label === "le")
      throw bug(`bad label name ${label} of metric ${name}`);
  }
  if (new Set(labelNames).size !== labelNames.length) throw bug(`a label occurs twice in metric ${name}`);
}
