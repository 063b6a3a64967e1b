// Text format 0.0.4 as the textfile collector takes it. Samples are checked and kept as lines; what is parsed is only
// what is needed to group them by family and to tell duplicates.
import type { MetricKind } from "../../../lib/metrics-registry-text.ts";

/** TextfileError says why a file is not taken. */
export class TextfileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TextfileError";
  }
}

/** TextfileFamily is one metric family, possibly from several files. */
export interface TextfileFamily {
  name: string;
  type: MetricKind;
  help: string | undefined;
  lines: string[];
  /** series tells which samples are there already. */
  series: Set<string>;
  paths: string[];
}

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\["\\n])*)"[ \t]*/y;
const VALUE =
  /^[ \t]*([+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|0[xX][0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?(?:[pP][+-]?\d+)?|inf|infinity|nan))(?:[ \t]+([^ \t].*))?[ \t]*$/i;
const KINDS: Readonly<Record<string, MetricKind>> = {
  counter: "counter",
  gauge: "gauge",
  histogram: "histogram",
  summary: "summary",
  untyped: "unknown",
};

/** parseTextfile adds the families of a file to `families`. Throws TextfileError; then nothing is added. */
export function parseTextfile(text: string, path: string, families: Map<string, TextfileFamily>): void {
  if (text !== "" && !text.endsWith("\n"))
    throw new TextfileError("unexpected end of input stream: the last line is not complete");
  const own = new Map<string, TextfileFamily>();
  const rows = text.split("\n");
  for (let i = 0; i < rows.length; i++) {
    try {
      parseLine(rows[i].replace(/\r$/, ""), own);
    } catch (error) {
      throw new TextfileError(`text format parsing error in line ${i + 1}: ${(error as Error).message}`);
    }
  }
  for (const family of own.values()) checkAgainst(families.get(family.name), family, path);
  for (const family of own.values()) {
    if (family.lines.length > 0) merge(families, family, path);
  }
}

function parseLine(line: string, families: Map<string, TextfileFamily>): void {
  const trimmed = line.trim();
  if (trimmed === "") return;
  if (trimmed.startsWith("#")) {
    parseComment(trimmed, families);
    return;
  }
  NAME.lastIndex = 0;
  const name = NAME.exec(trimmed)?.[0];
  if (name === undefined) throw new TextfileError(`invalid metric name`);
  const labels: string[] = [];
  let at = name.length;
  while (trimmed[at] === " " || trimmed[at] === "\t") at++;
  if (trimmed[at] === "{") at = parseLabels(trimmed, at + 1, labels);
  const rest = VALUE.exec(trimmed.slice(at));
  if (rest === null || (at === name.length && trimmed.length > at)) {
    throw new TextfileError(`expected float as value, got "${trimmed.slice(at).trim()}"`);
  }
  if (rest[2] !== undefined) throw new TextfileError("contains unsupported client-side timestamps");
  const family = familyOf(name, families);
  const key = `${name}{${labels.sort().join(",")}}`;
  if (family.series.has(key)) throw new TextfileError(`collected metric ${key} was collected before`);
  family.series.add(key);
  family.lines.push(trimmed);
}

function parseLabels(line: string, start: number, labels: string[]): number {
  let at = start;
  for (;;) {
    while (line[at] === " " || line[at] === "\t") at++;
    if (line[at] === "}") return at + 1;
    LABEL.lastIndex = at;
    const match = LABEL.exec(line);
    if (match === null) throw new TextfileError(`invalid label at "${line.slice(at, at + 40)}"`);
    if (match[1] === "__name__") throw new TextfileError('label name "__name__" is reserved');
    if (labels.some((label) => label.startsWith(`${match[1]}=`))) {
      throw new TextfileError(`duplicate label names for metric: ${match[1]}`);
    }
    // A label with an empty value is the same as none.
    if (match[2] !== "") labels.push(`${match[1]}="${match[2]}"`);
    at = LABEL.lastIndex;
    if (line[at] === ",") at++;
    else if (line[at] !== "}") throw new TextfileError(`unexpected end of label value "${match[2]}"`);
  }
}

function parseComment(line: string, families: Map<string, TextfileFamily>): void {
  const match = /^#[ \t]*(HELP|TYPE)[ \t]+(\S+)(?:[ \t]+(.*))?$/.exec(line);
  if (match === null) return;
  const [, keyword, name, rest = ""] = match;
  let family = families.get(name);
  if (family === undefined) families.set(name, (family = newFamily(name)));
  if (keyword === "HELP") {
    if (family.help !== undefined) throw new TextfileError(`second HELP line for metric name "${name}"`);
    family.help = rest.replace(/\\([\\n])/g, (_, char: string) => (char === "n" ? "\n" : "\\"));
    return;
  }
  const type = KINDS[rest.trim().toLowerCase()];
  if (type === undefined) throw new TextfileError(`unknown metric type "${rest.trim()}"`);
  if (family.lines.length > 0)
    throw new TextfileError(`second TYPE line for metric name "${name}", or TYPE reported after samples`);
  family.type = type;
}

// `x_bucket` belongs to `x` when that is a histogram.
function familyOf(name: string, families: Map<string, TextfileFamily>): TextfileFamily {
  const suffix = /_(bucket|sum|count)$/.exec(name);
  if (suffix !== null) {
    const parent = families.get(name.slice(0, suffix.index));
    if (parent?.type === "histogram" || (parent?.type === "summary" && suffix[1] !== "bucket")) return parent;
  }
  let family = families.get(name);
  if (family === undefined) families.set(name, (family = newFamily(name)));
  return family;
}

function newFamily(name: string): TextfileFamily {
  return { name, type: "unknown", help: undefined, lines: [], series: new Set(), paths: [] };
}

function checkAgainst(known: TextfileFamily | undefined, family: TextfileFamily, path: string): void {
  if (known === undefined || family.lines.length === 0) return;
  if (known.type !== family.type)
    throw new TextfileError(`${path}: ${family.name} has another type than in ${known.paths[0]}`);
  if (known.help !== undefined && family.help !== undefined && known.help !== family.help) {
    throw new TextfileError(`${path}: ${family.name} has another help text than in ${known.paths[0]}`);
  }
  for (const key of family.series) {
    if (known.series.has(key)) throw new TextfileError(`${path}: ${key} is in ${known.paths.join(", ")}, too`);
  }
}

function merge(families: Map<string, TextfileFamily>, family: TextfileFamily, path: string): void {
  const known = families.get(family.name);
  if (known === undefined) {
    families.set(family.name, { ...family, paths: [path] });
    return;
  }
  known.help ??= family.help;
  known.paths.push(path);
  known.lines.push(...family.lines);
  for (const key of family.series) known.series.add(key);
}
