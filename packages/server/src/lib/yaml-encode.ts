// YAML out, laid out as go-yaml v2 does, so that what Belfry prints of a configuration is what Prometheus prints:
// two spaces, lists not indented below their key, keys of structs in their order, flow lists where upstream has them.
import { resolveScalar } from "./yaml-resolve.ts";

/** YamlValue is a value to print. */
export type YamlValue =
  | { kind: "scalar"; text: string; style: "plain" | "single" | "double" | "literal" }
  | { kind: "sequence"; items: readonly YamlValue[]; flow: boolean }
  | { kind: "mapping"; entries: readonly YamlEntry[] };

/** YamlEntry is a key with its value. */
export type YamlEntry = readonly [key: string, value: YamlValue];

/** yamlPlain is text that needs no quotes: numbers, booleans, null. */
export function yamlPlain(text: string): YamlValue {
  return { kind: "scalar", text, style: "plain" };
}

/** yamlSequence is a list; `flow` puts it on one line. */
export function yamlSequence(items: readonly YamlValue[], flow = false): YamlValue {
  return { kind: "sequence", items, flow };
}

/** yamlMapping is a mapping in the order given. */
export function yamlMapping(entries: readonly YamlEntry[]): YamlValue {
  return { kind: "mapping", entries };
}

/** yamlString is text, quoted where it would be read as something else. */
export function yamlString(text: string): YamlValue {
  if (text.includes("\n")) return { kind: "scalar", text, style: canBeLiteral(text) ? "literal" : "double" };
  if (resolveScalar(text).tag !== "!!str" || BASE_60.test(text)) return { kind: "scalar", text, style: "double" };
  if (needsEscape(text)) return { kind: "scalar", text, style: "double" };
  return { kind: "scalar", text, style: canBePlain(text) ? "plain" : "single" };
}

// 12:30:45 is a number in YAML 1.1.
const BASE_60 = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/;

// What cannot stand in a text without being escaped.
const UNPRINTABLE = /[^\t\n\u0020-\u007e\u0085\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;

function needsEscape(text: string): boolean {
  return UNPRINTABLE.test(text) || text.includes("\u0085") || /[\u2028\u2029]/.test(text);
}

function canBeLiteral(text: string): boolean {
  return !UNPRINTABLE.test(text) && !/ \n| $/.test(text) && !/^[ \n]/.test(text);
}

function canBePlain(text: string): boolean {
  if (/^[\s]|[\s]$/.test(text)) return false;
  if (/^(---|\.\.\.)/.test(text)) return false;
  if (/^[,[\]{}#&*!|>'"%@`]/.test(text)) return false;
  if (/^[-?:]($|\s)/.test(text)) return false;
  return !/:($|\s)|\s#/.test(text);
}

// In a flow list these end a plain text.
function canBeFlowPlain(text: string): boolean {
  return !/[,?[\]{}]|:/.test(text) && !text.startsWith("-");
}

// Beyond this column go-yaml breaks a flow list.
const BEST_WIDTH = 80;

/** renderYaml prints a value as a document. */
export function renderYaml(value: YamlValue): string {
  if (value.kind === "mapping" && value.entries.length === 0) return "{}\n";
  if (value.kind === "sequence" && value.items.length === 0) return "[]\n";
  const out: string[] = [];
  renderBlock(value, 0, out, "");
  return `${out.join("\n")}\n`;
}

// renderBlock adds the lines of a value; the first line begins with `lead`, which is already indented.
function renderBlock(value: YamlValue, indent: number, out: string[], lead: string): void {
  const pad = " ".repeat(indent);
  if (value.kind === "mapping" && value.entries.length > 0) {
    value.entries.forEach(([key, child], i) => {
      renderEntry(`${i === 0 ? lead : pad}${scalarText(yamlString(key), false)}:`, child, indent, out);
    });
  } else if (value.kind === "sequence" && !value.flow && value.items.length > 0) {
    value.items.forEach((child, i) => {
      const start = `${i === 0 ? lead : pad}- `;
      if (isBlock(child)) renderBlock(child, indent + 2, out, start);
      else renderInline(start, child, indent + 2, out);
    });
  } else renderInline(lead, value, indent, out);
}

function renderEntry(start: string, child: YamlValue, indent: number, out: string[]): void {
  if (!isBlock(child)) {
    renderInline(`${start} `, child, indent + 2, out);
    return;
  }
  out.push(start);
  const inner = child.kind === "sequence" ? indent : indent + 2;
  renderBlock(child, inner, out, " ".repeat(inner));
}

function isBlock(value: YamlValue): boolean {
  if (value.kind === "mapping") return value.entries.length > 0;
  return value.kind === "sequence" && !value.flow && value.items.length > 0;
}

function renderInline(start: string, value: YamlValue, indent: number, out: string[]): void {
  if (value.kind === "mapping") out.push(`${start}{}`);
  else if (value.kind === "scalar") {
    if (value.style === "literal") out.push(...literalLines(start, value.text, indent));
    else out.push(start + scalarText(value, false));
  } else renderFlow(start, value.items, indent, out);
}

function renderFlow(start: string, items: readonly YamlValue[], indent: number, out: string[]): void {
  let line = `${start}[`;
  items.forEach((item, i) => {
    if (i > 0) line += ",";
    if (line.length > BEST_WIDTH) {
      out.push(line);
      line = " ".repeat(indent);
    } else if (i > 0) line += " ";
    line += item.kind === "scalar" ? scalarText(item, true) : "{}";
  });
  out.push(`${line}]`);
}

function literalLines(start: string, text: string, indent: number): string[] {
  const chomp = text.endsWith("\n\n") ? "+" : text.endsWith("\n") ? "" : "-";
  const body = text.endsWith("\n") ? text.slice(0, -1) : text;
  const lines = body.split("\n").map((line) => (line === "" ? "" : " ".repeat(indent) + line));
  return [`${start}|${chomp}`, ...lines];
}

function scalarText(value: YamlValue, flow: boolean): string {
  if (value.kind !== "scalar") return "";
  const { text, style } = value;
  if (style === "double") return quoteDouble(text);
  if (style === "single" || (flow && !canBeFlowPlain(text))) return `'${text.replaceAll("'", "''")}'`;
  return text;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\x1b": "\\e",
  '"': '\\"',
  "\\": "\\\\",
  "\u0085": "\\N",
  "\u00a0": "\\_",
  "\u2028": "\\L",
  "\u2029": "\\P",
};

function quoteDouble(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0)!;
    const known = ESCAPES[char];
    if (known !== undefined) out += known;
    else if (!UNPRINTABLE.test(char)) out += char;
    else if (code <= 0xff) out += `\\x${code.toString(16).toUpperCase().padStart(2, "0")}`;
    else if (code <= 0xffff) out += `\\u${code.toString(16).toUpperCase().padStart(4, "0")}`;
    else out += `\\U${code.toString(16).toUpperCase().padStart(8, "0")}`;
  }
  return `${out}"`;
}
