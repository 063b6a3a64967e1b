// From a YAML tree to typed values. A codec describes one Go type of upstream's configuration: how it is read, what
// its zero value is, how it is printed again. Reading follows go-yaml v2's strict decoder step by step, because the
// order of its checks decides which error a person sees:
//
//   - a value of the wrong shape, an unknown or a repeated key is noted and reading goes on; the notes come as one
//     error at the end (`yaml: unmarshal errors:` and a line each);
//   - a check of a section runs after the section was read without notes; the first that fails ends everything;
//   - null leaves the zero value and skips the section's own reading, its defaults and its checks.
import { quoteGo } from "@belfry/core/model";
import { AppError } from "./errors.ts";
import { type YamlDocument, YamlError, type YamlMapping, type YamlNode, type YamlScalar } from "./yaml-node.ts";
import { type Resolved, resolveScalar } from "./yaml-resolve.ts";
import type { YamlValue } from "./yaml-encode.ts";

/** FAILED is what reading returns instead of a value when it noted a problem. */
export const FAILED: unique symbol = Symbol("failed");
export type Failed = typeof FAILED;

/** Codec reads and prints one type. */
export interface Codec<T> {
  /** goType is upstream's name of the type, as errors print it. */
  readonly goType: string;
  /** outline is what the reference tells of the type. */
  readonly outline: Outline;
  zero(): T;
  /** isZero says whether printing may leave the value out. */
  isZero(value: T): boolean;
  /** read is given a node that is neither null nor an alias; `current` is what the place holds so far. */
  read(decoder: YamlDecoder, node: YamlNode, current: T): T | Failed;
  print(value: T): YamlValue;
}

/** Outline describes how a value is written: a word for what is one text, or what it is made of. */
export type Outline = string | { list: Outline } | { map: Outline } | SectionOutline;

/** SectionOutline describes a section; `section` is the same object wherever the same section stands. */
export interface SectionOutline {
  section: object;
  keys: readonly OutlineKey[];
}

/** OutlineKey is a key of a section. */
export interface OutlineKey {
  key: string;
  /** doc is a sentence; "" for keys that the reference leaves out. */
  doc: string;
  outline: Outline;
  /** part is the section whose keys stand among those of this one, when the key came with it. */
  part?: object | undefined;
}

/** Place says where in a document something stands. */
export interface Place {
  line: number;
  /** path is the keys and indexes that lead there: `scrape_configs[0].job_name`. */
  path: string;
}

/** ConfigError says what is wrong with a configuration, in upstream's words; `place` says where, when known. */
export class ConfigError extends AppError {
  readonly place: Place | undefined;
  constructor(message: string, place?: Place, options?: { cause?: unknown }) {
    super("CONFIG_INVALID", message, options);
    this.place = place;
  }

  /** where says in words where it is, or is "" where that is unknown or in the message already. */
  get where(): string {
    if (this.place === undefined || /\bline \d+: /.test(this.message)) return "";
    const { line, path } = this.place;
    return `${path === "" ? "" : `${path}, `}line ${line}`;
  }
}

/** UnmarshalError lists everything that has the wrong shape. */
export class UnmarshalError extends ConfigError {
  /** issues are the single notes, with their places. */
  readonly issues: readonly Issue[];
  constructor(issues: readonly Issue[]) {
    super(`yaml: unmarshal errors:\n  ${issues.map((i) => i.text).join("\n  ")}`, issues[0]?.place);
    this.issues = issues;
  }
}

/** Issue is one note. */
export interface Issue {
  text: string;
  place: Place;
}

/** decodeYaml reads a whole document; an empty one gives `current`. Throws YamlError, ConfigError. */
export function decodeYaml<T>(document: YamlDocument, codec: Codec<T>, current: T, decoder = new YamlDecoder()): T {
  if (document.root === undefined) return current;
  const value = decoder.decode(codec, document.root, current);
  if (decoder.issues.length > 0) throw new UnmarshalError(decoder.issues);
  return value === FAILED ? current : value;
}

// An alias may repeat much: ten aliases of ten aliases of ten ... fill any memory. As upstream, the share of values
// that come from aliases is limited once there are many of them.
const ALIAS_RATIO_FEW = 400_000;
const ALIAS_RATIO_MANY = 4_000_000;

/** YamlDecoder carries what reading has noted so far. It reads one document. */
export class YamlDecoder {
  issues: Issue[] = [];
  private readonly path: (string | number)[] = [];
  private readonly open = new Set<YamlNode>();
  private readonly places = new WeakMap<object, Place>();
  private decoded = 0;
  private aliased = 0;
  private aliasDepth = 0;

  /** decode reads a node into a place that holds `current`. */
  decode<T>(codec: Codec<T>, node: YamlNode, current: T): T | Failed {
    this.decoded++;
    if (this.aliasDepth > 0) this.aliased++;
    if (this.aliased > 100 && this.decoded > 1000 && this.aliased / this.decoded > allowedAliases(this.decoded)) {
      throw new YamlError("document contains excessive aliasing", node.line);
    }
    if (node.kind === "alias") {
      if (this.open.has(node)) throw new YamlError(`anchor '${node.name}' value contains itself`, node.line);
      this.open.add(node);
      this.aliasDepth++;
      const value = this.decode(codec, node.target, current);
      this.aliasDepth--;
      this.open.delete(node);
      return value;
    }
    if (isNull(node)) return codec.zero();
    try {
      const value = codec.read(this, node, current);
      if (typeof value === "object" && value !== null && !this.places.has(value)) {
        this.places.set(value, this.place(node));
      }
      return value;
    } catch (error) {
      throw this.located(error, node);
    }
  }

  /** within reads a part under its key or index. */
  within<T>(step: string | number, read: () => T): T {
    this.path.push(step);
    try {
      return read();
    } finally {
      this.path.pop();
    }
  }

  /** section runs `read` and returns whether it noted nothing. */
  section(read: () => void): boolean {
    const before = this.issues.length;
    read();
    return this.issues.length === before;
  }

  /** note records a problem; reading goes on. */
  note(node: YamlNode, text: string): Failed {
    this.issues.push({ text: `line ${node.line}: ${text}`, place: this.place(node) });
    return FAILED;
  }

  /** mismatch records that a node cannot become the type. */
  mismatch(node: YamlNode, goType: string): Failed {
    if (node.kind === "mapping" || node.kind === "sequence") {
      const tag = node.tag !== "" ? node.tag : node.kind === "mapping" ? "!!map" : "!!seq";
      return this.note(node, `cannot unmarshal ${tag} into ${goType}`);
    }
    const scalar = node as YamlScalar;
    const tag = scalar.tag !== "" ? scalar.tag : this.resolve(scalar).tag;
    return this.note(node, `cannot unmarshal ${tag} \`${shorten(scalar.value)}\` into ${goType}`);
  }

  /** resolve says what a scalar is. */
  resolve(node: YamlScalar): Resolved {
    const { tag, value, plain } = node;
    if (tag === "") return plain ? resolveScalar(value) : { tag: "!!str", value };
    if (tag === "!!str") return { tag, value };
    if (tag === "!!binary") return { tag, value: decodeBase64(value, node.line) };
    if (!["!!bool", "!!int", "!!float", "!!null", "!!timestamp"].includes(tag)) return { tag, value };
    const found = resolveScalar(value);
    if (found.tag === tag) return found;
    if (tag === "!!float" && found.tag === "!!int") return { tag, value: Number(found.value) };
    throw new YamlError(`cannot decode ${found.tag} \`${value}\` as a ${tag}`, node.line);
  }

  /** placeOf is where a value was read that is an object, if it was read here. */
  placeOf(value: object): Place | undefined {
    return this.places.get(value);
  }

  /** place is where reading is now. */
  place(node: YamlNode): Place {
    let path = "";
    for (const step of this.path) {
      if (typeof step === "number") path += `[${step}]`;
      else path += path === "" ? step : `.${step}`;
    }
    return { line: node.line, path };
  }

  private located(error: unknown, node: YamlNode): unknown {
    if (error instanceof ConfigError && error.place === undefined) {
      return new ConfigError(error.message, this.place(node), { cause: error.cause });
    }
    return error;
  }
}

function allowedAliases(decoded: number): number {
  if (decoded <= ALIAS_RATIO_FEW) return 0.99;
  if (decoded >= ALIAS_RATIO_MANY) return 0.1;
  return 0.99 - (0.89 * (decoded - ALIAS_RATIO_FEW)) / (ALIAS_RATIO_MANY - ALIAS_RATIO_FEW);
}

/** isNull tells whether a node is a null that no type is asked about. */
export function isNull(node: YamlNode): boolean {
  if (node.kind !== "scalar") return false;
  if (node.tag !== "") return node.tag === "!!null";
  return node.plain && (node.value === "" || node.value === "~" || node.value === "null");
}

// Errors show at most ten bytes of a value.
function shorten(value: string): string {
  const bytes = Buffer.from(value);
  return bytes.length > 10 ? `${bytes.subarray(0, 7).toString()}...` : value;
}

// A string that is not UTF-8 is kept with each stray byte as a lone low surrogate (U+DC80 to U+DCFF), so that nothing
// is lost and the checks for valid UTF-8 see it.
function decodeBase64(text: string, line: number): string {
  const compact = text.replaceAll(/[\r\n]/g, "");
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(compact)) {
    throw new YamlError("!!binary value contains invalid base64 data", line);
  }
  const bytes = Buffer.from(compact, "base64");
  const text8 = bytes.toString();
  if (!text8.includes("\ufffd")) return text8;
  let out = "";
  for (let i = 0; i < bytes.length;) {
    const length = sequenceLength(bytes, i);
    if (length === 0) out += String.fromCharCode(0xdc00 + bytes[i++]!);
    else {
      out += bytes.toString("utf8", i, i + length);
      i += length;
    }
  }
  return out;
}

const FATAL = new TextDecoder("utf-8", { fatal: true });

function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length <= 1) return length;
  try {
    FATAL.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}

/** isValidUtf8 tells whether a decoded string stands for valid UTF-8. */
export function isValidUtf8(text: string): boolean {
  return text.isWellFormed();
}

/** quoteText quotes as Go's %q does, stray bytes as \xNN. */
export function quoteText(text: string): string {
  if (isValidUtf8(text)) return quoteGo(text);
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0)!;
    out += code >= 0xdc80 && code <= 0xdcff ? `\\x${(code - 0xdc00).toString(16)}` : quoteGo(char).slice(1, -1);
  }
  return `"${out}"`;
}

/** mergeTargets lists the mappings that a `<<` key brings in, in the order in which they are read. */
export function mergeTargets(node: YamlNode): YamlNode[] {
  const target = node.kind === "alias" ? node.target : node;
  if (target.kind === "mapping") return [node];
  if (node.kind === "sequence") {
    // Earlier ones take precedence, so they are read last.
    const items = node.items.toReversed();
    if (items.every((item) => (item.kind === "alias" ? item.target : item).kind === "mapping")) return items;
  }
  throw new YamlError("map merge requires map or sequence of maps as the value", node.line);
}

/** isMergeKey tells whether a key is `<<`. */
export function isMergeKey(node: YamlNode): boolean {
  return node.kind === "scalar" && node.value === "<<" && ((node.plain && node.tag === "") || node.tag === "!!merge");
}

/** keyText reads a mapping's key as a string; undefined after a note. */
export function keyText(decoder: YamlDecoder, node: YamlNode): string | undefined {
  const target = node.kind === "alias" ? node.target : node;
  if (target.kind !== "scalar") {
    decoder.mismatch(target, "string");
    return undefined;
  }
  if (isNull(target)) return "";
  const { tag, value } = decoder.resolve(target);
  return tag === "!!binary" ? (value as string) : target.value;
}

/** asMapping gives the mapping that a node is, or notes that it is none. */
export function asMapping(decoder: YamlDecoder, node: YamlNode, goType: string): YamlMapping | undefined {
  if (node.kind === "mapping") return node;
  decoder.mismatch(node, goType);
  return undefined;
}
