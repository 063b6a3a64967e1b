// Reads a whole exposition in the classic text format into metric families, for `belfry check metrics`. This is not
// the reading that scraping does: it is as strict, and as lax, as the library that promtool reads with, and its
// errors are in that library's words.
import { quoteGo } from "@belfry/core/model";
import { ExpositionError } from "./exposition-error.ts";
import { parseGoFloat } from "./parse-float.ts";

/** FamilyType is the type of a family in the classic format. */
export type FamilyType = "counter" | "gauge" | "summary" | "untyped" | "histogram" | "gauge_histogram";

/** FamilyMetric is one member of a family: a sample, or all samples of one summary or histogram. */
export interface FamilyMetric {
  /** labels in the order of the line, without `le` of histograms and `quantile` of summaries. */
  labels: (readonly [string, string])[];
  /** parts counts buckets or quantiles. */
  parts: number;
}

/** MetricFamily is what an exposition says of one metric. */
export interface MetricFamily {
  name: string;
  type: FamilyType | undefined;
  help: string | undefined;
  metrics: FamilyMetric[];
}

const TYPES = new Set(["counter", "gauge", "summary", "untyped", "histogram", "gauge_histogram"]);

/** readFamilies reads an exposition. Throws ExpositionError. */
export function readFamilies(text: string): MetricFamily[] {
  return new FamilyReader(text).read();
}

class FamilyReader {
  private readonly text: string;
  private at = 0;
  private line = 0;
  private char = "";
  private readonly families = new Map<string, MetricFamily>();
  /** members finds the summary or histogram that a sample belongs to. */
  private readonly members = new Map<string, FamilyMetric>();
  private family: MetricFamily | undefined;
  private metric: FamilyMetric = { labels: [], parts: 0 };
  private labels: (readonly [string, string])[] = [];
  private part: number | undefined;
  private insideBraces = false;

  constructor(text: string) {
    this.text = text;
  }

  read(): MetricFamily[] {
    while (this.readLine());
    return [...this.families.values()].filter((family) => family.metrics.length > 0);
  }

  // readLine returns false at the end of the input, which is fine only here.
  private readLine(): boolean {
    this.line++;
    this.insideBraces = false;
    while (isBlank(this.text[this.at])) this.at++;
    if (this.at >= this.text.length) return false;
    this.next();
    if (this.char === "\n") return true;
    if (this.char === "#") this.readComment();
    else {
      if (this.char === "{") {
        this.insideBraces = true;
        this.family = undefined;
      } else {
        const name = this.name(isNameByte, isNameStart, "metric");
        if (name === "") throw this.fail("invalid metric name");
        this.enterFamily(name);
        this.startMetric();
        if (isBlank(this.char)) this.skipBlanks();
      }
      this.readLabels();
      this.readValue();
    }
    return true;
  }

  private readComment(): void {
    this.skipBlanks();
    if (this.char === "\n") return;
    const keyword = this.word();
    if (this.char === "\n") return;
    if (keyword !== "HELP" && keyword !== "TYPE") {
      while (this.char !== "\n") this.next();
      return;
    }
    this.skipBlanks();
    const name = this.name(isNameByte, isNameStart, "metric");
    if (this.char === "\n") return;
    if (!isBlank(this.char)) throw this.fail("invalid metric name in comment");
    this.enterFamily(name);
    const family = this.family!;
    this.skipBlanks();
    if (this.char === "\n") return;
    if (keyword === "HELP") {
      if (family.help !== undefined) throw this.fail(`second HELP line for metric name ${quoteGo(family.name)}`);
      family.help = this.restOfLine(true);
      return;
    }
    if (family.type !== undefined) {
      throw this.fail(`second TYPE line for metric name ${quoteGo(family.name)}, or TYPE reported after samples`);
    }
    const type = this.restOfLine(false);
    if (!TYPES.has(type.toLowerCase())) throw this.fail(`unknown metric type ${quoteGo(type)}`);
    family.type = type.toLowerCase() as FamilyType;
  }

  private enterFamily(name: string): void {
    const known = this.families.get(name) ?? this.familyOfPart(name);
    if (known !== undefined) {
      this.family = known;
      return;
    }
    this.family = { name, type: undefined, help: undefined, metrics: [] };
    this.families.set(name, this.family);
  }

  // familyOfPart finds the summary or histogram of which `name` is a count, sum or bucket.
  private familyOfPart(name: string): MetricFamily | undefined {
    const sumOrCount = /^(.+)_(?:count|sum)$/s.exec(name)?.[1];
    const summary = this.families.get(sumOrCount ?? "");
    if (summary?.type === "summary" || summary?.type === "histogram") return summary;
    const histogram = this.families.get(/^(.+)_bucket$/s.exec(name)?.[1] ?? "");
    return histogram?.type === "histogram" ? histogram : undefined;
  }

  private startMetric(): void {
    this.family!.type ??= "untyped";
    this.metric = { labels: [], parts: 0 };
    this.labels = [];
    this.part = undefined;
  }

  private readLabels(): void {
    if (!this.is("{")) return;
    for (;;) {
      this.skipBlanks();
      if (this.is("}")) break;
      const name = this.name(isLabelByte, isLabelStart, "label");
      if (name === "") throw this.fail(`invalid label name for metric ${quoteGo(this.family?.name ?? "")}`);
      if (isBlank(this.char)) this.skipBlanks();
      if (!this.is("=")) {
        if (!this.insideBraces) {
          throw this.fail(`expected '=' after label name, found ${quoteByte(this.char)}`);
        }
        if (!this.is(",") && !this.is("}")) {
          throw this.fail(`unexpected end of metric value ${quoteByte(this.char)}`);
        }
        const labels = this.labels;
        this.enterFamily(name);
        this.startMetric();
        this.labels = labels;
        if (this.is("}")) break;
        continue;
      }
      if (name === "__name__") throw this.fail('label name "__name__" is reserved');
      this.readLabel(name);
      if (isBlank(this.char)) this.skipBlanks();
      if (this.is("}")) break;
    }
    if (this.family === undefined) throw this.fail("invalid metric name");
    this.metric.labels = this.labels;
    this.skipBlanks();
  }

  private readLabel(name: string): void {
    const type = this.family?.type;
    const isPart = (type === "summary" && name === "quantile") || (type === "histogram" && name === "le");
    if (!isPart && this.labels.some(([known]) => known === name)) {
      throw this.fail(`duplicate label names for metric ${quoteGo(this.family?.name ?? "")}`);
    }
    this.skipBlanks();
    if (!this.is('"')) throw this.fail(`expected '"' at start of label value, found ${quoteByte(this.char)}`);
    const value = this.labelValue();
    if (value.includes("\ufffd")) throw this.fail(`invalid label value ${quoteGo(value)}`);
    if (isPart) {
      this.part = parseGoFloat(value);
      if (this.part === undefined) {
        throw this.fail(`expected float as value for '${name}' label, got ${quoteGo(value)}`);
      }
    } else this.labels.push([name, value]);
    this.skipBlanks();
    if (!this.is(",") && !this.is("}")) throw this.fail(`unexpected end of label value ${quoteGo(value)}`);
  }

  private readValue(): void {
    const family = this.family!;
    this.enterMember(family);
    const text = this.word();
    if (/[pP_]/.test(text) || parseGoFloat(text) === undefined) {
      throw this.fail(`expected float as value, got ${quoteGo(text)}`);
    }
    if (family.type === "gauge_histogram") {
      throw this.fail(`unexpected type for metric name ${quoteGo(family.name)}`);
    }
    if (this.part !== undefined && !Number.isNaN(this.part)) this.metric.parts++;
    if (this.char === "\n") return;
    this.skipBlanks();
    const time = this.word();
    if (!/^[+-]?\d+$/.test(time)) throw this.fail(`expected integer as timestamp, got ${quoteGo(time)}`);
    const rest = this.restOfLine(false);
    if (rest !== "") throw this.fail(`spurious string after timestamp: ${quoteGo(rest)}`);
  }

  // enterMember adds the sample's metric to its family, or finds the summary or histogram it is a part of.
  private enterMember(family: MetricFamily): void {
    if (family.type === "summary" || family.type === "histogram") {
      const key = JSON.stringify([
        family.name,
        ...this.metric.labels.map(([name, value]) => [name, value]).sort(([a], [b]) => (a! < b! ? -1 : 1)),
      ]);
      const known = this.members.get(key);
      if (known !== undefined) {
        this.metric = known;
        return;
      }
      this.members.set(key, this.metric);
    }
    family.metrics.push(this.metric);
  }

  // next takes a character; the end of the input is an error everywhere but at the start of a line.
  private next(): void {
    if (this.at >= this.text.length) throw this.fail("unexpected end of input stream");
    this.char = this.text[this.at++];
  }

  private is(char: string): boolean {
    return this.char === char;
  }

  private skipBlanks(): void {
    do this.next();
    while (isBlank(this.char));
  }

  private word(): string {
    let out = "";
    while (!isBlank(this.char) && this.char !== "\n") {
      out += this.char;
      this.next();
    }
    return out;
  }

  private restOfLine(escapes: boolean): string {
    let out = "";
    while (this.char !== "\n") {
      if (escapes && this.char === "\\") {
        this.next();
        out += this.unescaped();
      } else out += this.char;
      this.next();
    }
    return out;
  }

  private unescaped(): string {
    if (this.char === "n") return "\n";
    if (this.char === "\\" || this.char === '"') return this.char;
    throw this.fail(`invalid escape sequence '\\${this.char}'`);
  }

  // name reads a name, in quotes or without; the character behind it is then current.
  private name(isInside: (char: string) => boolean, isStart: (char: string) => boolean, what: string): string {
    if (this.char !== '"') {
      if (!isStart(this.char)) return "";
      let out = "";
      do {
        out += this.char;
        this.next();
      } while (isInside(this.char));
      return out;
    }
    let out = "";
    for (this.next(); this.char !== '"'; this.next()) {
      if (this.char === "\n") throw this.fail(`${what} name ${quoteGo(out)} contains unescaped new-line`);
      if (this.char === "\\") {
        this.next();
        out += this.unescaped();
      } else out += this.char;
    }
    this.next();
    return out;
  }

  private labelValue(): string {
    let out = "";
    for (this.next(); this.char !== '"'; this.next()) {
      if (this.char === "\n") throw this.fail(`label value ${quoteGo(out)} contains unescaped new-line`);
      if (this.char === "\\") {
        this.next();
        out += this.unescaped();
      } else out += this.char;
    }
    return out;
  }

  private fail(message: string): ExpositionError {
    return new ExpositionError(`text format parsing error in line ${this.line}: ${message}`, this.line);
  }
}

function isBlank(char: string | undefined): boolean {
  return char === " " || char === "\t";
}

function isLabelStart(char: string): boolean {
  return /^[a-zA-Z_]$/.test(char);
}

function isLabelByte(char: string): boolean {
  return /^[a-zA-Z0-9_]$/.test(char);
}

function isNameStart(char: string): boolean {
  return char === ":" || isLabelStart(char);
}

function isNameByte(char: string): boolean {
  return char === ":" || isLabelByte(char);
}

// Go's %q of a byte.
function quoteByte(char: string): string {
  if (char === "'") return String.raw`'\''`;
  if (char === '"') return `'"'`;
  return `'${quoteGo(char).slice(1, -1)}'`;
}
