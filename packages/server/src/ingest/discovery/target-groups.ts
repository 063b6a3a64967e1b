// Target groups as files and HTTP servers hand them out: JSON, or YAML for files. Reading is strict: a key that is
// unknown, a label name that is none, a group that is null is an error for the whole answer, never a silent gap.
import { extname } from "node:path";
import { ConfigError, decodeYaml, quoteText } from "../../lib/yaml-decode.ts";
import { decodeYamlText, parseYaml } from "../../lib/yaml-node.ts";
import { targetGroupsCodec } from "./codecs.ts";
import type { LabelSet, TargetGroup } from "./target-group.ts";

/** parseTargetGroups reads the content of a file by its extension. Throws ConfigError or YamlError. */
export function parseTargetGroups(bytes: Uint8Array, path: string): TargetGroup[] {
  const content = decodeYamlText(bytes);
  const extension = extname(path);
  switch (extension.toLowerCase()) {
    case ".json":
      return parseTargetGroupsJson(content);
    case ".yml":
    case ".yaml":
      return withoutHoles(decodeYaml(parseYaml(content), targetGroupsCodec, []));
    default:
      throw new ConfigError(`invalid file extension: ${quoteText(extension)}`);
  }
}

/** parseTargetGroupsJson reads a JSON list. Throws ConfigError. */
export function parseTargetGroupsJson(content: string): TargetGroup[] {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw new ConfigError(jsonProblem(error as Error, content));
  }
  if (value === null) return [];
  if (!Array.isArray(value)) throw mismatch(value, "value", "[]*targetgroup.Group");
  return withoutHoles(value.map((item) => (item === null ? undefined : groupOf(item))));
}

function withoutHoles(groups: readonly (TargetGroup | undefined)[]): TargetGroup[] {
  const hole = groups.indexOf(undefined);
  if (hole !== -1) throw new NilGroupError(hole);
  return groups as TargetGroup[];
}

/** NilGroupError says that a group is null; `index` is which one. */
export class NilGroupError extends ConfigError {
  readonly index: number;
  constructor(index: number) {
    super("nil target group item found");
    this.index = index;
  }
}

function groupOf(value: unknown): TargetGroup {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw mismatch(value, "value", GROUP_TYPE);
  }
  let targets: LabelSet[] = [];
  let labels: LabelSet = new Map();
  for (const [key, child] of Object.entries(value)) {
    // Go's decoder does not mind upper and lower case of keys.
    if (key.toLowerCase() === "targets") targets = child === null ? [] : targetsOf(child);
    else if (key.toLowerCase() === "labels") labels = child === null ? new Map() : labelsOf(child);
    else throw new ConfigError(`json: unknown field ${quoteText(key)}`);
  }
  return { source: "", targets, labels };
}

const GROUP_TYPE = 'struct { Targets []string "json:\\"targets\\""; Labels model.LabelSet "json:\\"labels\\"" }';

function targetsOf(value: unknown): LabelSet[] {
  if (!Array.isArray(value)) throw mismatch(value, "struct field .targets", "[]string");
  return value.map((target) => {
    if (target !== null && typeof target !== "string") throw mismatch(target, "struct field .targets", "string");
    return new Map([["__address__", target ?? ""]]);
  });
}

function labelsOf(value: unknown): LabelSet {
  if (typeof value !== "object" || Array.isArray(value)) {
    throw mismatch(value, "struct field .labels", "map[string]model.LabelValue");
  }
  const out = new Map<string, string>();
  for (const [name, text] of Object.entries(value as object)) {
    if (text !== null && typeof text !== "string") throw mismatch(text, "struct field .labels", "model.LabelValue");
    if (name === "" || !name.isWellFormed()) throw new ConfigError(`${quoteText(name)} is not a valid label name`);
    out.set(name, (text as string | null) ?? "");
  }
  return out;
}

function mismatch(value: unknown, where: string, goType: string): ConfigError {
  const kind = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
  return new ConfigError(`json: cannot unmarshal ${kind} into Go ${where} of type ${goType}`);
}

const PROBLEMS: readonly (readonly [RegExp, string])[] = [
  [/after array element/, "after array element"],
  [/after property value/, "after object key:value pair"],
  [/after property name/, "after object key"],
  [/property name/, "looking for beginning of object key string"],
  [/non-whitespace character after JSON/, "after top-level value"],
  [/control character/, "in string literal"],
  [/escaped character|Unicode escape/, "in string escape code"],
  [/number|decimal|Exponent/, "in numeric literal"],
];

// JSON.parse's complaint in Go's words, as far as the two tell the same.
function jsonProblem({ message }: Error, content: string): string {
  const position = Number(/at position (\d+)/.exec(message)?.[1] ?? NaN);
  if (/end of JSON input|Unterminated/.test(message) || position >= content.trimEnd().length) {
    return "unexpected end of JSON input";
  }
  const token = /^Unexpected token '?(.+?)'?[, ]/su.exec(message)?.[1];
  if (token !== undefined) return `invalid character ${quoteChar(token)} looking for beginning of value`;
  const where = PROBLEMS.find(([pattern]) => pattern.test(message))?.[1];
  if (where === undefined || Number.isNaN(position)) return `invalid JSON: ${message}`;
  return `invalid character ${quoteChar(String.fromCodePoint(content.codePointAt(position)!))} ${where}`;
}

function quoteChar(char: string): string {
  return `'${quoteText(char).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
