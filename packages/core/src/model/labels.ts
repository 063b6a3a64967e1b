// Labels is the identity of a series: names and values, sorted by name, immutable. The metric name is
// the value of `__name__`. A label with an empty value is the same as no label, so it is never kept.
//
// The pairs lie flat in one array (name, value, name, value ...): a scrape of 1,000 series makes 1,000
// small arrays, not 10,000 objects, and comparing two label sets is one loop over strings.

/** METRIC_NAME is the label that carries the metric name. */
export const METRIC_NAME = "__name__";

// A lone surrogate cannot occur in text decoded from UTF-8, so it separates parts of a key without
// ambiguity whatever the label values contain.
const SEPARATOR = "\ud800";

/** Labels is an immutable, sorted set of label names and values. */
export class Labels {
  /** pairs holds name and value alternately, sorted by name; it must not be modified. */
  readonly pairs: readonly string[];
  private cachedKey: string | undefined;

  /** Takes ownership of `pairs`, which must already be sorted by name, unique and free of empty values. */
  constructor(pairs: readonly string[]) {
    this.pairs = pairs;
  }

  /** fromRecord builds Labels from an object, sorting and dropping empty values. */
  static fromRecord(record: Readonly<Record<string, string>>): Labels {
    return Labels.fromEntries(Object.entries(record));
  }

  /** fromEntries builds Labels from entries in any order; a later entry for a name replaces an earlier one. */
  static fromEntries(entries: Iterable<readonly [string, string]>): Labels {
    const builder = new LabelsBuilder();
    for (const [name, value] of entries) builder.set(name, value);
    return builder.labels();
  }

  /** size is the number of labels. */
  get size(): number {
    return this.pairs.length >> 1;
  }

  /** get returns the value of a label, or "" where the label is absent (the two mean the same). */
  get(name: string): string {
    const pairs = this.pairs;
    for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === name) return pairs[i + 1]!;
    return "";
  }

  /** has tells whether the label is present. */
  has(name: string): boolean {
    const pairs = this.pairs;
    for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === name) return true;
    return false;
  }

  /** metricName is the value of `__name__`, or "". */
  get metricName(): string {
    return this.get(METRIC_NAME);
  }

  /** key identifies this label set among all others; computed once and kept. Not for storage or display. */
  get key(): string {
    return (this.cachedKey ??= this.pairs.join(SEPARATOR));
  }

  /** keyOf identifies the labels restricted to `names` (sorted or not, absent labels count as ""). */
  keyOf(names: readonly string[]): string {
    let key = "";
    for (const name of names) key += this.get(name) + SEPARATOR;
    return key;
  }

  /** keyWithout identifies the labels other than `names`. */
  keyWithout(names: ReadonlySet<string>): string {
    const pairs = this.pairs;
    let key = "";
    for (let i = 0; i < pairs.length; i += 2) {
      if (!names.has(pairs[i]!)) key += pairs[i] + SEPARATOR + pairs[i + 1] + SEPARATOR;
    }
    return key;
  }

  equals(other: Labels): boolean {
    const a = this.pairs;
    const b = other.pairs;
    if (a === b) return true;
    if (a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  }

  /** keep returns the labels whose names are in `names`. */
  keep(names: ReadonlySet<string>): Labels {
    return this.filter((name) => names.has(name));
  }

  /** drop returns the labels whose names are not in `names`. */
  drop(names: ReadonlySet<string>): Labels {
    return this.filter((name) => !names.has(name));
  }

  /** dropMetricName returns the labels without `__name__`. */
  dropMetricName(): Labels {
    return this.has(METRIC_NAME) ? this.filter((name) => name !== METRIC_NAME) : this;
  }

  private filter(keep: (name: string) => boolean): Labels {
    const out: string[] = [];
    const pairs = this.pairs;
    for (let i = 0; i < pairs.length; i += 2) if (keep(pairs[i]!)) out.push(pairs[i]!, pairs[i + 1]!);
    return out.length === pairs.length ? this : new Labels(out);
  }

  /** with returns the labels with one label set, or removed when `value` is "". */
  with(name: string, value: string): Labels {
    return new LabelsBuilder(this).set(name, value).labels();
  }

  *[Symbol.iterator](): IterableIterator<[string, string]> {
    const pairs = this.pairs;
    for (let i = 0; i < pairs.length; i += 2) yield [pairs[i]!, pairs[i + 1]!];
  }

  toRecord(): Record<string, string> {
    const out: Record<string, string> = Object.create(null) as Record<string, string>;
    for (const [name, value] of this) out[name] = value;
    return out;
  }

  toJSON(): Record<string, string> {
    return this.toRecord();
  }

  /** toString prints the labels as Prometheus does: `{a="1", b="2"}`; names outside the classic set are quoted. */
  toString(): string {
    const parts: string[] = [];
    for (const [name, value] of this) parts.push(`${quoteLabelName(name)}=${quoteGo(value)}`);
    return `{${parts.join(", ")}}`;
  }
}

/** EMPTY_LABELS is the label set without labels. */
export const EMPTY_LABELS = new Labels([]);

/** LabelsBuilder changes label sets; `labels()` may be called again after further changes. */
export class LabelsBuilder {
  private readonly map = new Map<string, string>();

  constructor(base?: Labels) {
    if (base) this.reset(base);
  }

  reset(base: Labels): this {
    this.map.clear();
    const pairs = base.pairs;
    for (let i = 0; i < pairs.length; i += 2) this.map.set(pairs[i]!, pairs[i + 1]!);
    return this;
  }

  /** set puts a label; an empty value removes it. */
  set(name: string, value: string): this {
    if (value === "") this.map.delete(name);
    else this.map.set(name, value);
    return this;
  }

  delete(...names: readonly string[]): this {
    for (const name of names) this.map.delete(name);
    return this;
  }

  get(name: string): string {
    return this.map.get(name) ?? "";
  }

  names(): IterableIterator<string> {
    return this.map.keys();
  }

  entries(): IterableIterator<[string, string]> {
    return this.map.entries();
  }

  labels(): Labels {
    const names = [...this.map.keys()].sort(compareStrings);
    const pairs: string[] = [];
    for (const name of names) pairs.push(name, this.map.get(name)!);
    return new Labels(pairs);
  }
}

/** compareStrings orders strings by their UTF-8 bytes, as Go does. UTF-16 order differs beyond U+FFFF only. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xSurrogate = x >= 0xd800 && x <= 0xdfff;
    const ySurrogate = y >= 0xd800 && y <= 0xdfff;
    // Surrogates stand for code points past every other UTF-16 unit.
    if (xSurrogate !== ySurrogate) return xSurrogate ? 1 : -1;
    return x - y;
  }
  return a.length - b.length;
}

/** compareLabels orders label sets as Prometheus' labels.Compare: pair by pair, then by length. */
export function compareLabels(a: Labels, b: Labels): number {
  const x = a.pairs;
  const y = b.pairs;
  const n = Math.min(x.length, y.length);
  for (let i = 0; i < n; i++) {
    const order = compareStrings(x[i]!, y[i]!);
    if (order !== 0) return order;
  }
  return x.length - y.length;
}

const LEGACY_LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const LEGACY_METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/** isLegacyLabelName tells whether a label name needs no quotes. */
export function isLegacyLabelName(name: string): boolean {
  return LEGACY_LABEL_NAME.test(name);
}

/** isLegacyMetricName tells whether a metric name needs no quotes. */
export function isLegacyMetricName(name: string): boolean {
  return LEGACY_METRIC_NAME.test(name);
}

function quoteLabelName(name: string): string {
  return isLegacyLabelName(name) ? name : quoteGo(name);
}

/** quoteGo quotes a string as Go's strconv.Quote does: printable Unicode stays, the rest is escaped. */
export function quoteGo(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (char === '"' || char === "\\") out += "\\" + char;
    else if (code >= 0x20 && code < 0x7f) out += char;
    else if (char === "\n") out += "\\n";
    else if (char === "\t") out += "\\t";
    else if (char === "\r") out += "\\r";
    else if (code === 7) out += "\\a";
    else if (code === 8) out += "\\b";
    else if (code === 12) out += "\\f";
    else if (code === 11) out += "\\v";
    else if (code < 0x20 || code === 0x7f) out += "\\x" + code.toString(16).padStart(2, "0");
    else if (code >= 0xd800 && code <= 0xdfff) out += "\\ufffd";
    else if (/^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(char)) out += char;
    else if (code < 0x10000) out += "\\u" + code.toString(16).padStart(4, "0");
    else out += "\\U" + code.toString(16).padStart(8, "0");
  }
  return out + '"';
}
