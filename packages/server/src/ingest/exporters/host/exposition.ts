// What the collectors write into. Samples are grouped by metric family, because an exposition must not interleave
// families while a collector naturally goes device by device. Families and the encoded name-and-labels of every
// sample are kept between collections: the same host emits the same thousand lines every time, and then a line costs
// a map lookup and the digits of its value.
import { encodePrefix, ExpositionWriter, type MetricKind } from "../../../lib/metrics-registry-text.ts";

/** HostFamily is one metric family within a collection. */
export interface HostFamily {
  /** add appends a sample; label values are in the order of the family's label names. */
  add(value: number, ...labelValues: readonly string[]): void;
}

/** HostExposition collects the samples of one collection and writes them. */
export class HostExposition {
  private readonly families = new Map<string, Family>();
  private readonly writer = new ExpositionWriter("text", 128 * 1024);
  private sorted: Family[] = [];
  private readonly rawFamilies: { name: string; help: string; kind: MetricKind; sampleLines: readonly string[] }[] = [];

  /** begin forgets the samples of the previous collection. */
  begin(): void {
    for (const family of this.families.values()) family.begin();
    this.rawFamilies.length = 0;
  }

  /** family returns the family of that name; kind, help and label names of the first call for a name stay. */
  family(kind: MetricKind, name: string, help: string, labelNames: readonly string[]): HostFamily {
    return this.getFamily(kind, name, help, labelNames);
  }

  gauge(name: string, help: string, value: number): void {
    this.getFamily("gauge", name, help, NO_LABELS).add(value);
  }

  counter(name: string, help: string, value: number): void {
    this.getFamily("counter", name, help, NO_LABELS).add(value);
  }

  untyped(name: string, help: string, value: number): void {
    this.getFamily("unknown", name, help, NO_LABELS).add(value);
  }

  /** raw adds a whole family of finished sample lines, for this collection only. The name must not be in use. */
  raw(name: string, help: string, kind: MetricKind, sampleLines: readonly string[]): void {
    this.rawFamilies.push({ name, help, kind, sampleLines });
  }

  /** has tells whether a family of that name has samples in this collection. */
  has(name: string): boolean {
    return (this.families.get(name)?.size ?? 0) > 0;
  }

  /** render writes the families that have samples, sorted by name, then the raw ones. */
  render(): Uint8Array {
    this.writer.reset();
    for (const family of this.sorted) family.write(this.writer);
    for (const { name, help, kind, sampleLines } of this.rawFamilies) {
      this.writer.family(name, kind, help);
      for (const line of sampleLines) this.writer.text(`${line}\n`);
    }
    return this.writer.bytes();
  }

  private getFamily(kind: MetricKind, name: string, help: string, labelNames: readonly string[]): Family {
    let family = this.families.get(name);
    if (family === undefined) {
      family = new Family(kind, name, help, labelNames);
      this.families.set(name, family);
      this.sorted = [...this.families.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    }
    return family;
  }
}

const NO_LABELS: readonly string[] = [];

// A lone surrogate cannot occur in text decoded from a file, so it separates label values without ambiguity.
const SEPARATOR = "\ud800";

// Prefixes of devices that are gone are dropped when there are this many more of them than of present ones.
const STALE_PREFIXES = 256;

class Family implements HostFamily {
  readonly kind: MetricKind;
  readonly name: string;
  readonly help: string;
  private readonly labelNames: readonly string[];
  private prefixes = new Map<string, Uint8Array>();
  private readonly lines: Uint8Array[] = [];
  private values = new Float64Array(8);
  size = 0;

  constructor(kind: MetricKind, name: string, help: string, labelNames: readonly string[]) {
    this.kind = kind;
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
  }

  begin(): void {
    if (this.prefixes.size > this.size + STALE_PREFIXES) this.prefixes = new Map();
    this.size = 0;
    this.lines.length = 0;
  }

  add(value: number, ...labelValues: readonly string[]): void {
    const key = labelValues.length === 1 ? labelValues[0] : labelValues.join(SEPARATOR);
    let prefix = this.prefixes.get(key);
    if (prefix === undefined) {
      prefix = encodePrefix(this.name, this.labelNames, labelValues);
      this.prefixes.set(key, prefix);
    }
    if (this.size === this.values.length) {
      const grown = new Float64Array(this.size * 2);
      grown.set(this.values);
      this.values = grown;
    }
    this.lines.push(prefix);
    this.values[this.size++] = value;
  }

  write(writer: ExpositionWriter): void {
    if (this.size === 0) return;
    writer.family(this.name, this.kind, this.help);
    for (let i = 0; i < this.size; i++) writer.prefixed(this.lines[i], this.values[i]);
  }
}
