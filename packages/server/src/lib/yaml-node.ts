// YAML as configuration files use it: one document, YAML 1.1, read into a tree that keeps where everything stood.
// The grammar is the `yaml` package's; what a plain scalar means (yaml-resolve.ts), what an error says and which
// shapes are refused follow go-yaml v2, because that is what people's files have been tested against.
import {
  Alias,
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type YAMLError,
} from "yaml";
import { AppError } from "./errors.ts";

/** YamlNode is one value of a document; `line` counts from 1. */
export type YamlNode = YamlScalar | YamlMapping | YamlSequence | YamlAlias;

/** YamlScalar is text; `plain` is false when it was quoted or a block, so that it can only be a string. */
export interface YamlScalar {
  kind: "scalar";
  line: number;
  /** tag is the explicit tag in short form (`!!int`), or "". */
  tag: string;
  value: string;
  plain: boolean;
}

/** YamlMapping holds its entries in the order of the file, duplicates included. */
export interface YamlMapping {
  kind: "mapping";
  line: number;
  tag: string;
  entries: (readonly [key: YamlNode, value: YamlNode])[];
}

/** YamlSequence is a list. */
export interface YamlSequence {
  kind: "sequence";
  line: number;
  tag: string;
  items: YamlNode[];
}

/** YamlAlias stands for the node that its anchor marks. */
export interface YamlAlias {
  kind: "alias";
  line: number;
  name: string;
  target: YamlNode;
}

/** YamlDocument is the first document of a text; `root` is undefined for an empty one. */
export interface YamlDocument {
  root: YamlNode | undefined;
  /** documents counts all documents of the text; only the first is read. */
  documents: number;
}

/** YamlError says that a text is not YAML, or not what is expected; `line` is 0 when unknown. */
export class YamlError extends AppError {
  readonly line: number;
  constructor(message: string, line = 0) {
    super("CONFIG_YAML", `yaml: ${message}`);
    this.line = line;
  }
}

/** decodeYamlText makes text of a file's bytes. Throws YamlError for what is not UTF-8. */
export function decodeYamlText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new YamlError("invalid leading UTF-8 octet");
  }
}

/** parseYaml reads the first document. Throws YamlError. */
export function parseYaml(text: string): YamlDocument {
  const control = CONTROL.exec(text);
  if (control !== null) throw new YamlError("control characters are not allowed", lineAt(text, control.index));
  if (isTooDeep(text)) throw new YamlError(`exceeded max depth of ${MAX_DEPTH}`);
  const lines = new LineCounter();
  let documents: Document.Parsed[];
  try {
    const parsed = parseAllDocuments(text, {
      schema: "failsafe",
      version: "1.1",
      uniqueKeys: false,
      merge: false,
      lineCounter: lines,
      prettyErrors: false,
      logLevel: "silent",
    });
    documents = "empty" in parsed ? [] : parsed;
  } catch (cause) {
    if (cause instanceof RangeError) throw new YamlError(`exceeded max depth of ${MAX_DEPTH}`);
    throw cause;
  }
  const first = documents[0];
  if (first === undefined || first.contents === null) {
    const error = first?.errors[0];
    if (error) throw syntaxError(error, lines, text);
    return { root: undefined, documents: documents.length };
  }
  if (first.errors.length > 0) throw syntaxError(earliest(first.errors), lines, text);
  return { root: new TreeBuilder(lines).build(first.contents), documents: documents.length };
}

// YAML allows tab, line feed, carriage return and next line of the control characters.
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffe\uffff]/;

// The package recurses for each level. A stack that overflows inside a regular expression ends the process, so depth
// is bounded before, with a wide margin: no configuration has more than a dozen levels.
const MAX_DEPTH = 500;

// isTooDeep errs on the side of yes for texts with hundreds of unclosed brackets in plain scalars.
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5b || code === 0x7b) {
      if (++depth > MAX_DEPTH) return true;
    } else if ((code === 0x5d || code === 0x7d) && depth > 0) depth--;
  }
  // Each level of a block is a column further right.
  return new RegExp(`^[ ?:-]{${2 * MAX_DEPTH},}`, "m").test(text);
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let i = text.indexOf("\n"); i !== -1 && i < index; i = text.indexOf("\n", i + 1)) line++;
  return line;
}

class TreeBuilder {
  private readonly lines: LineCounter;
  private readonly anchors = new Map<string, YamlNode>();

  constructor(lines: LineCounter) {
    this.lines = lines;
  }

  build(node: Node): YamlNode {
    const line = this.lines.linePos(node.range?.[0] ?? 0).line;
    if (node instanceof Alias) {
      const target = this.anchors.get(node.source);
      if (target === undefined) throw new YamlError(`unknown anchor '${node.source}' referenced`, 0);
      return { kind: "alias", line, name: node.source, target };
    }
    const tag = shortTag(node.tag);
    if (isMap(node)) {
      const out: YamlMapping = { kind: "mapping", line, tag: tag === "!!map" ? "" : tag, entries: [] };
      this.mark(node.anchor, out);
      for (const { key, value } of node.items as { key: Node; value: Node | null }[]) {
        out.entries.push([this.build(key), value === null ? emptyScalar(line) : this.build(value)]);
      }
      return out;
    }
    if (isSeq(node)) {
      const out: YamlSequence = { kind: "sequence", line, tag: tag === "!!seq" ? "" : tag, items: [] };
      this.mark(node.anchor, out);
      for (const item of node.items as Node[]) out.items.push(this.build(item));
      return out;
    }
    if (!isScalar(node)) throw new YamlError("unknown node", line);
    const plain = (node.type ?? "PLAIN") === "PLAIN" && (node.tag === undefined || node.tag === "");
    const value = typeof node.value === "string" ? node.value : "";
    const out: YamlScalar = { kind: "scalar", line, tag, value, plain };
    this.mark(node.anchor, out);
    return out;
  }

  private mark(anchor: string | undefined, node: YamlNode): void {
    if (anchor !== undefined) this.anchors.set(anchor, node);
  }
}

function emptyScalar(line: number): YamlScalar {
  return { kind: "scalar", line, tag: "", value: "", plain: true };
}

const LONG_TAG = "tag:yaml.org,2002:";

function shortTag(tag: string | undefined): string {
  if (tag === undefined || tag === "!") return "";
  return tag.startsWith(LONG_TAG) ? `!!${tag.slice(LONG_TAG.length)}` : tag;
}

function earliest(errors: readonly YAMLError[]): YAMLError {
  return errors.reduce((first, error) => (error.pos[0] < first.pos[0] ? error : first));
}

/** Phase tells how upstream counts the line of an error: its scanner counts from 1, its parser one less. */
type Phase = "scanner" | "parser";

interface Translation {
  code: string;
  pattern?: RegExp;
  text: string;
  phase: Phase;
  /** shift is added to the line: the package sometimes points at the line before the offence, or upstream after it. */
  shift?: number;
}

// The package's errors and what go-yaml says of the same text, found by giving both the same broken files.
const TRANSLATIONS: readonly Translation[] = [
  {
    code: "MISSING_CHAR",
    pattern: /Missing closing/,
    text: "found unexpected end of stream",
    phase: "scanner",
  },
  {
    code: "MISSING_CHAR",
    pattern: /without - indicator/,
    text: "did not find expected '-' indicator",
    phase: "parser",
  },
  {
    code: "MISSING_CHAR",
    pattern: /need to be followed by map values/,
    text: "could not find expected ':'",
    phase: "scanner",
    shift: 1,
  },
  {
    code: "MISSING_CHAR",
    pattern: /, or }|, between .*map/i,
    text: "did not find expected ',' or '}'",
    phase: "parser",
  },
  { code: "MISSING_CHAR", pattern: /,/, text: "did not find expected ',' or ']'", phase: "parser" },
  { code: "BAD_INDENT", pattern: /^Flow map/, text: "did not find expected ',' or '}'", phase: "parser" },
  { code: "BAD_INDENT", pattern: /^Flow sequence/, text: "did not find expected ',' or ']'", phase: "parser" },
  {
    code: "BAD_INDENT",
    pattern: /^Block scalar/,
    text: "found a tab character where an indentation space is expected",
    phase: "scanner",
  },
  { code: "BAD_INDENT", text: "did not find expected key", phase: "parser" },
  { code: "TAB_AS_INDENT", text: "found character that cannot start any token", phase: "scanner" },
  {
    code: "BAD_SCALAR_START",
    pattern: /flow indicator/,
    text: "did not find expected node content",
    phase: "parser",
  },
  { code: "BAD_SCALAR_START", text: "found character that cannot start any token", phase: "scanner" },
  { code: "BLOCK_AS_IMPLICIT_KEY", pattern: /sequence/, text: "did not find expected key", phase: "parser" },
  { code: "BLOCK_AS_IMPLICIT_KEY", text: "mapping values are not allowed in this context", phase: "scanner" },
  { code: "MULTILINE_IMPLICIT_KEY", text: "mapping values are not allowed in this context", phase: "scanner" },
  {
    code: "UNEXPECTED_TOKEN",
    pattern: /block-seq-ind/,
    text: "block sequence entries are not allowed in this context",
    phase: "scanner",
  },
  { code: "UNEXPECTED_TOKEN", pattern: /at node end/, text: "did not find expected key", phase: "parser" },
  {
    code: "UNEXPECTED_TOKEN",
    pattern: /Block scalar header/,
    text: "did not find expected comment or line break",
    phase: "scanner",
  },
  { code: "UNEXPECTED_TOKEN", text: "did not find expected node content", phase: "parser" },
  { code: "BAD_DQ_ESCAPE", text: "found unknown escape character", phase: "scanner" },
  { code: "BAD_ALIAS", text: "did not find expected alphabetic or numeric character", phase: "scanner" },
  { code: "TAG_RESOLVE_FAILED", pattern: /end with a >/, text: "did not find the expected '>'", phase: "scanner" },
  { code: "TAG_RESOLVE_FAILED", text: "found undefined tag handle", phase: "parser" },
  { code: "BAD_DIRECTIVE", text: "found unknown directive name", phase: "scanner" },
  { code: "MULTIPLE_TAGS", text: "did not find expected node content", phase: "parser" },
  { code: "MULTIPLE_ANCHORS", text: "did not find expected node content", phase: "parser" },
];

function syntaxError(error: YAMLError, lines: LineCounter, text: string): YamlError {
  const found = TRANSLATIONS.find((t) => t.code === error.code && (t.pattern?.test(error.message) ?? true));
  let line = lines.linePos(error.pos[0]).line;
  if (found === undefined) return new YamlError(`line ${line}: ${error.message}`, line);
  let message = found.text;
  if (error.code === "BAD_INDENT" && error.message.startsWith("Flow")) {
    const closer = text[error.pos[0]];
    if (closer === "}" || closer === "]") {
      // `[b: }`: what is missing is the value, not the end of the list.
      if (text.slice(0, error.pos[0]).trimEnd().endsWith(":")) message = "did not find expected node content";
      // Upstream does not mind indentation inside brackets: it reads on to the end of the text.
    } else line = lines.linePos(text.length).line;
  }
  if (error.code === "BLOCK_AS_IMPLICIT_KEY" && found.phase === "scanner") {
    // The package points at the value, upstream at the colon that came too much.
    const colon = /:(\s|$)/.exec(text.slice(error.pos[0]));
    if (colon !== null) line = lines.linePos(error.pos[0] + colon.index).line;
  }
  if (error.code === "TAB_AS_INDENT" && !startsBlock(text, error.pos[0])) {
    message = "found a tab character that violates indentation";
  }
  if (error.code === "BAD_INDENT" && message === "did not find expected key" && insideSequence(text, error.pos[0])) {
    message = "did not find expected '-' indicator";
  }
  line += found.shift ?? 0;
  // Upstream's scanner names the line of the offence, its parser the one before; the first line is never named.
  const shown = found.phase === "scanner" ? line : line - 1;
  return new YamlError(shown > (found.phase === "scanner" ? 1 : 0) ? `line ${shown}: ${message}` : message, line);
}

// startsBlock tells whether nothing but a key without value comes before: then the tab stands where a value begins.
function startsBlock(text: string, at: number): boolean {
  const before = text.slice(0, at).trimEnd();
  return before === "" || before.endsWith(":");
}

// insideSequence tells whether the last line before `at` begins a sequence item, at the indentation of `at` or less.
function insideSequence(text: string, at: number): boolean {
  const start = text.lastIndexOf("\n", at - 1) + 1;
  const indent = /^ */.exec(text.slice(start))![0].length;
  const before = text.slice(0, start).trimEnd().split("\n");
  for (let i = before.length - 1; i >= 0; i--) {
    const own = /^( *)(- )?/.exec(before[i]!)!;
    if (own[1]!.length === indent) return own[2] !== undefined;
    if (own[1]!.length < indent) return own[2] !== undefined;
  }
  return false;
}
