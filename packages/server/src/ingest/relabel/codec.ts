// How a relabelling rule is read, checked and printed.
import { compileAnchored, compileRE2, isLegacyLabelName, RegexError } from "@belfry/core/model";
import { enumeration, field, list, stringOf, string, type Struct, struct, uint64 } from "../../lib/yaml-codecs.ts";
import { type Codec, ConfigError, FAILED, isValidUtf8, quoteText } from "../../lib/yaml-decode.ts";
import { yamlPlain, yamlString } from "../../lib/yaml-encode.ts";
import type { NameScheme, RelabelAction, RelabelConfig } from "./config.ts";

export const DEFAULT_SEPARATOR = ";";
export const DEFAULT_REGEX = "(.*)";
export const DEFAULT_REPLACEMENT = "$1";

const ACTIONS: readonly RelabelAction[] = [
  "replace",
  "keep",
  "drop",
  "keepequal",
  "dropequal",
  "hashmod",
  "labelmap",
  "labeldrop",
  "labelkeep",
  "lowercase",
  "uppercase",
];

const action: Codec<RelabelAction> = enumeration<RelabelAction>("string", (text) => {
  const known = ACTIONS.find((name) => name === text.toLowerCase());
  if (known === undefined) throw new ConfigError(`unknown relabel action ${quoteText(text)}`);
  return known;
});

// A regex that is given as null is the empty one; printing leaves out the default only.
const regex: Codec<string> = {
  goType: "string",
  outline: "regex",
  zero: () => "",
  isZero: (value) => value === DEFAULT_REGEX,
  read(decoder, node) {
    const text = string.read(decoder, node, "");
    if (text === FAILED) return FAILED;
    try {
      compileAnchored(text);
    } catch (error) {
      throw error instanceof RegexError ? new ConfigError(goRegexMessage(error)) : error;
    }
    return text;
  },
  print: (value) => (value === "" ? yamlPlain("null") : yamlString(value)),
};

// Go compiles the pattern with anchors around it, and some of its messages show them.
function goRegexMessage(error: RegexError): string {
  try {
    compileRE2(`^(?s:${error.pattern})$`);
  } catch (anchored) {
    if (anchored instanceof RegexError) return withPrefix(anchored.message);
  }
  return withPrefix(error.message);
}

function withPrefix(message: string): string {
  return message.startsWith("error parsing regexp: ") ? message : `error parsing regexp: ${message}`;
}

/** labelName is text that may name a label: any UTF-8. Legacy names are checked where the scheme is known. */
export const labelName: Codec<string> = {
  ...stringOf("string"),
  read(decoder, node, current) {
    const text = stringOf("string").read(decoder, node, current);
    if (text !== FAILED) checkLabelName(text);
    return text;
  },
};

/** checkLabelName throws unless a text may name a label. */
export function checkLabelName(text: string): void {
  if (!isValidLabelName(text, "utf8")) throw new ConfigError(`${quoteText(text)} is not a valid label name`);
}

/** isValidLabelName tells whether a scheme allows a label name. */
export function isValidLabelName(name: string, scheme: NameScheme): boolean {
  return scheme === "legacy" ? isLegacyLabelName(name) : name !== "" && isValidUtf8(name);
}

/** relabelConfigCodec reads one rule; `checkRelabelConfig` checks it once the name scheme is known. */
export const relabelConfigCodec: Struct<RelabelConfig> = struct<RelabelConfig>({
  goType: "relabel.plain",
  zero: newRule,
  defaults: newRule,
  fields: [
    field("source_labels", "sourceLabels", list(labelName, { goType: "model.LabelNames", flow: true }), {
      doc: "Labels whose values are joined and matched against the regex.",
    }),
    field("separator", "separator", string, { doc: 'What the values are joined with. Default ";".' }),
    field("regex", "regex", regex, { doc: "RE2 expression, anchored at both ends. Default (.*)." }),
    field("modulus", "modulus", uint64, { doc: "Modulus of the hash of the values, for hashmod." }),
    field("target_label", "targetLabel", string, { doc: "Label that is written, or compared with." }),
    field("replacement", "replacement", string, {
      doc: "What is written; $1 and ${name} stand for groups of the regex. Default $1.",
    }),
    field("action", "action", action, { doc: `What is done: ${ACTIONS.join(", ")}. Default replace.` }),
  ],
});

function newRule(): RelabelConfig {
  return {
    sourceLabels: [],
    separator: DEFAULT_SEPARATOR,
    regex: DEFAULT_REGEX,
    modulus: 0n,
    targetLabel: "",
    replacement: DEFAULT_REPLACEMENT,
    action: "replace",
    nameScheme: "utf8",
  };
}

/** newRelabelConfig makes a rule of some keys, with defaults for the others, and checks it. Throws ConfigError. */
export function newRelabelConfig(keys: Partial<RelabelConfig>): RelabelConfig {
  const rule = { ...newRule(), ...keys };
  checkRelabelConfig(rule, rule.nameScheme);
  compileAnchored(rule.regex);
  return rule;
}

const WRITES_TARGET: readonly RelabelAction[] = [
  "replace",
  "hashmod",
  "lowercase",
  "uppercase",
  "keepequal",
  "dropequal",
];
const PLAIN_TARGET: readonly RelabelAction[] = ["lowercase", "uppercase", "keepequal", "dropequal"];

/** checkRelabelConfig checks a rule under the name scheme of its surroundings and notes the scheme in it. */
export function checkRelabelConfig(rule: RelabelConfig, scheme: NameScheme): void {
  const { action, targetLabel, replacement } = rule;
  if ((action as string) === "") throw new ConfigError("relabel action cannot be empty");
  if (rule.modulus === 0n && action === "hashmod") {
    throw new ConfigError("relabel configuration for hashmod requires non-zero modulus");
  }
  if (WRITES_TARGET.includes(action) && targetLabel === "") {
    throw new ConfigError(`relabel configuration for ${action} action requires 'target_label' value`);
  }
  rule.nameScheme = scheme;
  const invalidTarget = (): ConfigError =>
    new ConfigError(`${quoteText(targetLabel)} is invalid 'target_label' for ${action} action`);
  // UTF-8 allows $ in names, so only the legacy scheme can tell a template that makes no name.
  const validTemplate = (text: string): boolean =>
    scheme === "utf8" ? isValidLabelName(text, "utf8") : isLegacyTemplate(text);
  if (action === "replace") {
    const valid = targetLabel.includes("$") ? validTemplate(targetLabel) : isValidLabelName(targetLabel, scheme);
    if (!valid) throw invalidTarget();
  }
  if (PLAIN_TARGET.includes(action)) {
    if (!isValidLabelName(targetLabel, scheme)) throw invalidTarget();
    if (replacement !== DEFAULT_REPLACEMENT) {
      throw new ConfigError(`'replacement' can not be set for ${action} action`);
    }
  }
  if (action === "labelmap" && !validTemplate(replacement)) {
    throw new ConfigError(`${quoteText(replacement)} is invalid 'replacement' for labelmap action`);
  }
  if (action === "hashmod" && !isValidLabelName(targetLabel, scheme)) throw invalidTarget();
  const { regex: pattern, modulus, separator } = rule;
  const changed = modulus !== 0n || separator !== DEFAULT_SEPARATOR || replacement !== DEFAULT_REPLACEMENT;
  if ((action === "dropequal" || action === "keepequal") && (pattern !== DEFAULT_REGEX || changed)) {
    throw new ConfigError(`${action} action requires only 'source_labels' and \`target_label\`, and no other fields`);
  }
  if (
    (action === "labeldrop" || action === "labelkeep") &&
    (rule.sourceLabels.length > 0 || targetLabel !== "" || changed)
  ) {
    throw new ConfigError(`${action} action requires only 'regex', and no other fields`);
  }
}

// isLegacyTemplate tells whether a text is a label name in classic characters that may hold references to groups.
function isLegacyTemplate(text: string): boolean {
  return /^[a-zA-Z_$]/.test(text) && /^(?:\$\{\w+\}|\$\w|\w)+$/.test(text);
}
