// The strict reading of OpenMetrics 1.0, for `belfry check metrics`: everything the specification demands of an
// exposition is checked, as the specification's own test suite understands it. Scraping is laxer on purpose
// (openmetrics-parser.ts). Works on strings, line by line; speed does not matter here.
import { ExpositionError } from "./exposition-error.ts";
import { formatGoFloat, parseGoFloat } from "./parse-float.ts";
import { isValidUtf8 } from "./quote-bytes.ts";

/** StrictSample is one sample of an exposition that was found valid. */
export interface StrictSample {
  name: string;
  labels: ReadonlyMap<string, string>;
  value: number;
}

/** StrictFamily is one metric family of an exposition that was found valid. */
export interface StrictFamily {
  name: string;
  type: string;
  help: string;
  unit: string;
  samples: readonly StrictSample[];
}

/** MAX_EXEMPLAR_CHARACTERS bounds names and values of an exemplar's labels together. */
const MAX_EXEMPLAR_CHARACTERS = 128;

const TYPES = new Set(["counter", "gauge", "summary", "histogram", "gaugehistogram", "unknown", "info", "stateset"]);
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total", "_created"],
  summary: ["", "_count", "_sum", "_created"],
  histogram: ["_count", "_sum", "_bucket", "_created"],
  gaugehistogram: ["_gcount", "_gsum", "_bucket"],
  info: ["_info"],
};
const NOT_NAN = new Set(["_total", "_sum", "_count", "_bucket", "_gcount", "_gsum"]);
const NOT_NEGATIVE = new Set(["_total", "_sum", "_count", "_bucket", "_gcount"]);
const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

interface Timestamp {
  seconds: number;
  nanos: number;
}

interface Sample extends StrictSample {
  time: Timestamp | undefined;
  hasExemplar: boolean;
}

interface Family {
  name: string;
  type: string | undefined;
  help: string | undefined;
  unit: string | undefined;
  samples: Sample[];
  /** allowedNames are the names samples of this family may have. */
  allowedNames: string[];
  group: string | undefined;
  groupTime: Timestamp | undefined;
  groupSeries: Set<string>;
  seenGroups: Set<string>;
}

/** readStrictOpenMetrics reads a whole exposition. Throws ExpositionError at the first violation. */
export function readStrictOpenMetrics(bytes: Uint8Array): StrictFamily[] {
  if (!isValidUtf8(bytes, 0, bytes.length)) throw new ExpositionError("the exposition is not valid UTF-8", 0);
  return new StrictReader().read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
}

class StrictReader {
  private line = 0;
  private family: Family | undefined;
  private readonly families: StrictFamily[] = [];
  private readonly seenNames = new Set<string>();

  read(text: string): StrictFamily[] {
    const lines = text.split("\n");
    // A newline ends a line; it does not begin another.
    if (lines[lines.length - 1] === "") lines.pop();
    let ended = false;
    for (const line of lines) {
      this.line++;
      if (ended) throw this.fail(`line after # EOF: ${show(line)}`);
      if (line === "") throw this.fail("blank line");
      if (line === "# EOF") ended = true;
      else if (line.startsWith("#")) this.readMetadata(line);
      else this.readSample(line);
    }
    this.closeFamily();
    if (!ended) throw this.fail("the exposition does not end with # EOF");
    return this.families;
  }

  private readMetadata(line: string): void {
    const [hash, keyword, name, ...rest] = line.split(" ");
    if (hash !== "#" || rest.length === 0) throw this.fail(`invalid line: ${show(line)}`);
    const text = rest.join(" ");
    if (this.family?.name === name && this.family.samples.length > 0) {
      throw this.fail(`metadata after samples: ${show(line)}`);
    }
    if (this.family?.name !== name) this.openFamily(name, undefined);
    const family = this.family!;
    switch (keyword) {
      case "HELP":
        if (family.help !== undefined) throw this.fail(`more than one HELP for metric ${name}`);
        family.help = text;
        break;
      case "TYPE":
        if (family.type !== undefined) throw this.fail(`more than one TYPE for metric ${name}`);
        if (!TYPES.has(text)) throw this.fail(`invalid TYPE ${show(text)} for metric ${name}`);
        family.type = text;
        family.allowedNames = (SUFFIXES[text] ?? [""]).map((suffix) => name + suffix);
        break;
      case "UNIT":
        if (family.unit !== undefined) throw this.fail(`more than one UNIT for metric ${name}`);
        family.unit = text;
        break;
      default:
        throw this.fail(`invalid line: ${show(line)}`);
    }
  }

  private readSample(line: string): void {
    const sample = new SampleReader(line, (message) => this.fail(message)).read();
    if (!this.family?.allowedNames.includes(sample.name)) this.openFamily(sample.name, "unknown");
    const family = this.family!;
    this.checkTypedLabels(family, sample);
    this.checkGroup(family, sample);
    this.checkValue(family, sample);
    if (sample.hasExemplar && !mayHaveExemplar(family, sample)) {
      throw this.fail("only histogram buckets and counters may have exemplars");
    }
  }

  private checkTypedLabels(family: Family, sample: Sample): void {
    const { name, type } = family;
    if (type === "stateset" && !sample.labels.has(name)) throw this.fail(`stateset ${name} lacks the label ${name}`);
    if ((type === "histogram" || type === "gaugehistogram") && sample.name === `${name}_bucket`) {
      if (!isCanonicalBound(sample.labels.get("le"))) throw this.fail(`invalid le label of ${sample.name}`);
    }
    if (type === "summary" && sample.name === name) {
      const quantile = parseNumber(sample.labels.get("quantile") ?? "");
      if (quantile === undefined || !(quantile >= 0 && quantile <= 1)) {
        throw this.fail(`invalid quantile label of ${sample.name}`);
      }
    }
  }

  private checkGroup(family: Family, sample: Sample): void {
    const group = groupOf(family, sample);
    if (family.group !== undefined && group !== family.group && family.seenGroups.has(group)) {
      throw this.fail(`samples of one group of ${family.name} are not together`);
    }
    if (family.group === group) {
      const before = family.groupTime;
      if ((sample.time === undefined) !== (before === undefined)) {
        throw this.fail("some samples of a group have timestamps and some have none");
      }
      if (before !== undefined && compareTimes(before, sample.time!) > 0 && family.type !== "info") {
        throw this.fail("timestamps of a group go backwards");
      }
    } else family.groupSeries = new Set();
    const series = `${sample.name}\n${labelsKey(sample.labels, "")}`;
    // Two samples of a series at one time may come of truncated timestamps; the first stays.
    if (!sameTime(sample.time, family.groupTime) || !family.groupSeries.has(series)) family.samples.push(sample);
    family.groupSeries.add(series);
    family.group = group;
    family.groupTime = sample.time;
    family.seenGroups.add(group);
  }

  private checkValue(family: Family, sample: Sample): void {
    const { name, type } = family;
    const { value } = sample;
    if (type === "stateset" && value !== 0 && value !== 1) throw this.fail("stateset values are 0 or 1");
    if (type === "info" && value !== 1) throw this.fail("info values are 1");
    if (type === "summary" && sample.name === name && value < 0) throw this.fail("quantile values are not negative");
    const suffix = sample.name.slice(name.length);
    if (NOT_NAN.has(suffix) && Number.isNaN(value)) throw this.fail(`${sample.name} must not be NaN`);
    if (NOT_NEGATIVE.has(suffix) && value < 0) throw this.fail(`${sample.name} must not be negative`);
  }

  private openFamily(name: string, type: string | undefined): void {
    this.closeFamily();
    this.family = {
      name,
      type,
      help: undefined,
      unit: undefined,
      samples: [],
      allowedNames: [name],
      group: undefined,
      groupTime: undefined,
      groupSeries: new Set(),
      seenGroups: new Set(),
    };
  }

  private closeFamily(): void {
    const { family } = this;
    if (family === undefined) return;
    this.family = undefined;
    const { name, type = "unknown", unit = "", help = "" } = family;
    if (!METRIC_NAME.test(name)) throw this.fail(`invalid metric name ${show(name)}`);
    for (const suffix of new Set(["", ...(SUFFIXES[type] ?? [])])) {
      if (this.seenNames.has(name + suffix)) throw this.fail(`clashing name ${name + suffix}`);
      this.seenNames.add(name + suffix);
    }
    if (unit !== "" && !name.endsWith(`_${unit}`)) throw this.fail(`unit ${show(unit)} is no suffix of ${name}`);
    if (unit !== "" && (type === "info" || type === "stateset")) throw this.fail(`a ${type} has no unit: ${name}`);
    if (type === "histogram" || type === "gaugehistogram") this.checkHistograms(family);
    this.families.push({ name, type, help, unit, samples: family.samples });
  }

  private checkHistograms(family: Family): void {
    let open: HistogramCheck | undefined;
    const close = (): void => {
      const problem = open?.problem();
      if (problem !== undefined) throw this.fail(`${problem}: ${family.name}`);
    };
    for (const sample of family.samples) {
      const isBucket = sample.name === `${family.name}_bucket`;
      const group = labelsKey(sample.labels, isBucket ? "le" : "");
      if (open === undefined || open.group !== group || !sameTime(open.time, sample.time)) {
        close();
        open = new HistogramCheck(group, sample.time);
      }
      const problem = open.add(sample.name.slice(family.name.length), sample);
      if (problem !== undefined) throw this.fail(`${problem}: ${family.name}`);
    }
    close();
  }

  private fail(message: string): ExpositionError {
    return new ExpositionError(message, this.line);
  }
}

/** HistogramCheck looks at the samples of one histogram at one time. */
class HistogramCheck {
  readonly group: string;
  readonly time: Timestamp | undefined;
  private bound: number | undefined;
  private value = 0;
  private count: number | undefined;
  private hasSum = false;
  private hasGsum = false;
  private negativeBuckets = false;
  private negativeGsum = false;

  constructor(group: string, time: Timestamp | undefined) {
    this.group = group;
    this.time = time;
  }

  add(suffix: string, sample: Sample): string | undefined {
    switch (suffix) {
      case "_bucket": {
        const bound = parseNumber(sample.labels.get("le")!)!;
        if (bound < 0) this.negativeBuckets = true;
        if (this.bound !== undefined && bound <= this.bound) return "buckets out of order";
        if (sample.value < this.value) return "bucket values out of order";
        this.bound = bound;
        this.value = sample.value;
        return undefined;
      }
      case "_count":
      case "_gcount":
        this.count = sample.value;
        return undefined;
      case "_sum":
        this.hasSum = true;
        return undefined;
      case "_gsum":
        this.hasGsum = true;
        if (sample.value < 0) this.negativeGsum = true;
        return undefined;
      default:
        return undefined;
    }
  }

  problem(): string | undefined {
    if (this.bound !== Infinity) return "+Inf bucket missing";
    if (this.count !== undefined && this.value !== this.count) return "count does not match the +Inf bucket";
    if (this.hasSum && this.count === undefined) return "_count must be present where _sum is";
    if (this.hasGsum && this.count === undefined) return "_gcount must be present where _gsum is";
    if (!this.hasSum && !this.hasGsum && this.count !== undefined) return "_sum must be present where _count is";
    if (this.negativeBuckets && this.hasSum) return "there is no _sum with negative buckets";
    if (!this.negativeBuckets && this.negativeGsum) return "_gsum is not negative without negative buckets";
    return undefined;
  }
}

/** SampleReader reads one sample line; between its parts stands exactly one space. */
class SampleReader {
  private readonly line: string;
  private readonly fail: (message: string) => ExpositionError;
  private at = 0;

  constructor(line: string, fail: (message: string) => ExpositionError) {
    this.line = line;
    this.fail = fail;
  }

  read(): Sample {
    const name = this.until("{ ");
    let labels = new Map<string, string>();
    if (this.line[this.at] === "{") labels = this.labels();
    this.space();
    const value = this.number("value");
    let time: Timestamp | undefined;
    let hasExemplar = false;
    if (this.at < this.line.length) {
      this.space();
      if (this.line[this.at] !== "#") {
        time = this.timestamp();
        if (this.at < this.line.length) this.space();
      }
      if (this.at < this.line.length) {
        this.exemplar();
        hasExemplar = true;
      } else if (time === undefined) throw this.invalid();
      else if (this.line.endsWith(" ")) throw this.invalid();
    }
    return { name, labels, value, time, hasExemplar };
  }

  private exemplar(): void {
    if (!this.line.startsWith("# {", this.at)) throw this.invalid();
    this.at += 2;
    const labels = this.labels();
    let characters = 0;
    for (const [name, value] of labels) characters += codePoints(name) + codePoints(value);
    if (characters > MAX_EXEMPLAR_CHARACTERS) {
      throw this.fail(`exemplar labels have ${characters} characters, more than ${MAX_EXEMPLAR_CHARACTERS}`);
    }
    this.space();
    this.number("exemplar value");
    if (this.at === this.line.length) return;
    this.space();
    this.timestamp();
    if (this.at !== this.line.length) throw this.invalid();
  }

  private labels(): Map<string, string> {
    const labels = new Map<string, string>();
    this.at++;
    if (this.line[this.at] === "}") {
      this.at++;
      return labels;
    }
    for (;;) {
      const name = this.until("=");
      if (!LABEL_NAME.test(name)) throw this.fail(`invalid label name ${show(name)}`);
      if (this.line[this.at] !== "=" || this.line[this.at + 1] !== '"') throw this.invalid();
      this.at += 2;
      const value = this.labelValue();
      if (labels.has(name)) throw this.fail(`duplicate label name ${show(name)}`);
      labels.set(name, value);
      const next = this.line[this.at++];
      if (next === "}") return labels;
      if (next !== ",") throw this.invalid();
    }
  }

  private labelValue(): string {
    let out = "";
    for (;;) {
      const char = this.line[this.at++];
      if (char === undefined) throw this.invalid();
      if (char === '"') return out;
      if (char !== "\\") {
        out += char;
        continue;
      }
      const escaped = this.line[this.at++];
      if (escaped === undefined) throw this.invalid();
      out += escaped === "n" ? "\n" : escaped === "\\" || escaped === '"' ? escaped : `\\${escaped}`;
    }
  }

  private until(stops: string): string {
    const start = this.at;
    while (this.at < this.line.length && !stops.includes(this.line[this.at])) this.at++;
    return this.line.slice(start, this.at);
  }

  private space(): void {
    if (this.line[this.at] !== " ") throw this.invalid();
    this.at++;
  }

  private number(what: string): number {
    const text = this.until(" ");
    const value = parseNumber(text);
    if (value === undefined) throw this.fail(`invalid ${what} ${show(text)}`);
    return value;
  }

  private timestamp(): Timestamp {
    const text = this.until(" ");
    const number = parseNumber(text);
    if (number === undefined || !Number.isFinite(number)) throw this.fail(`invalid timestamp ${show(text)}`);
    const decimal = /^([+-]?\d+)(?:\.(\d+))?$/.exec(text);
    if (decimal === null) return { seconds: number, nanos: 0 };
    // Nanoseconds are what is kept of a fraction.
    const nanos = Number((decimal[2] ?? "").slice(0, 9).padEnd(9, "0"));
    return { seconds: Number(decimal[1]), nanos: text.startsWith("-") ? -nanos : nanos };
  }

  private invalid(): ExpositionError {
    return this.fail(`invalid line: ${show(this.line)}`);
  }
}

function parseNumber(text: string): number | undefined {
  return parseGoFloat(text.replace(/^[+-](?=nan$)/i, ""));
}

function mayHaveExemplar(family: Family, sample: Sample): boolean {
  switch (family.type) {
    case "histogram":
    case "gaugehistogram":
      return sample.name.endsWith("_bucket");
    case "counter":
      return sample.name.endsWith("_total");
    default:
      return false;
  }
}

// Only infinity has one spelling that is demanded.
function isCanonicalBound(text: string | undefined): boolean {
  const bound = parseNumber(text ?? "");
  if (bound === undefined || Number.isNaN(bound)) return false;
  return bound !== Infinity || text === formatGoFloat(bound);
}

function groupOf(family: Family, sample: Sample): string {
  const { name, type } = family;
  if (type === "info") return "";
  let without = "";
  if (type === "summary" && sample.name === name) without = "quantile";
  else if (type === "stateset") without = name;
  else if ((type === "histogram" || type === "gaugehistogram") && sample.name === `${name}_bucket`) without = "le";
  return labelsKey(sample.labels, without);
}

function labelsKey(labels: ReadonlyMap<string, string>, without: string): string {
  const pairs: string[] = [];
  for (const [name, value] of labels) if (name !== without || without === "") pairs.push(JSON.stringify([name, value]));
  return pairs.sort().join("\n");
}

function compareTimes(a: Timestamp, b: Timestamp): number {
  return a.seconds - b.seconds || a.nanos - b.nanos;
}

function sameTime(a: Timestamp | undefined, b: Timestamp | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return compareTimes(a, b) === 0;
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function show(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text);
}
