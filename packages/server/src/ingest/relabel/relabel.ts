// Relabelling: rules that add, change, move and drop labels, and decide whether a target or a series is kept.
// Meaning and order follow model/relabel of Prometheus 3 (https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config).
import { createHash } from "node:crypto";
import {
  type AnchoredRegex,
  compileAnchored,
  type Labels,
  LabelsBuilder,
  Replacement,
  Substitution,
} from "@belfry/core/model";
import { DEFAULT_REGEX, isValidLabelName } from "./codec.ts";
import type { RelabelConfig } from "./config.ts";

/** RelabelStep is what one rule made of the labels; `keep` is false when it dropped them. */
export interface RelabelStep {
  rule: RelabelConfig;
  output: Labels;
  keep: boolean;
}

/** Relabeller applies a list of rules; make it once per configuration. */
export class Relabeller {
  private readonly rules: readonly Rule[];

  /** Throws RegexError for a rule whose regular expression is not RE2. */
  constructor(configs: readonly RelabelConfig[]) {
    this.rules = configs.map((config) => new Rule(config));
  }

  /** relabel returns the new labels, or undefined when a rule says to drop them. */
  relabel(labels: Labels): Labels | undefined {
    // Fast path: most jobs have no rules.
    if (this.rules.length === 0) return labels;
    const builder = new LabelsBuilder(labels);
    if (!this.relabelBuilder(builder)) return undefined;
    const result = builder.labels();
    return result.equals(labels) ? labels : result;
  }

  /** relabelBuilder changes the builder in place and tells whether the labels are kept. */
  relabelBuilder(builder: LabelsBuilder): boolean {
    for (const rule of this.rules) if (!rule.apply(builder)) return false;
    return true;
  }

  /** steps returns the labels after each rule, up to and including the first that drops them. */
  steps(labels: Labels): RelabelStep[] {
    const steps: RelabelStep[] = [];
    const builder = new LabelsBuilder(labels);
    for (const rule of this.rules) {
      const keep = rule.apply(builder);
      steps.push({ rule: rule.config, output: builder.labels(), keep });
      if (!keep) break;
    }
    return steps;
  }
}

/** relabelSteps is Relabeller.steps for rules that are used once. */
export function relabelSteps(labels: Labels, rules: readonly RelabelConfig[]): RelabelStep[] {
  return new Relabeller(rules).steps(labels);
}

class Rule {
  readonly config: RelabelConfig;
  private readonly regex: AnchoredRegex;
  private readonly substitution: Substitution | undefined;
  private readonly replacement: Replacement;
  private readonly target: Replacement;
  /** isPlain marks a replacement that does not depend on the value: matching anything sets a fixed label. */
  private readonly isPlain: boolean;

  constructor(config: RelabelConfig) {
    this.config = config;
    this.regex = compileAnchored(config.regex);
    this.replacement = new Replacement(config.replacement);
    this.target = new Replacement(config.targetLabel);
    const substitutes = config.action === "replace" || config.action === "labelmap";
    this.substitution = substitutes ? new Substitution(config.regex) : undefined;
    this.isPlain = config.regex === DEFAULT_REGEX && this.replacement.isLiteral && this.target.isLiteral;
  }

  /** apply changes the labels and tells whether to go on. */
  apply(labels: LabelsBuilder): boolean {
    const { config } = this;
    const value = config.sourceLabels.map((name) => labels.get(name)).join(config.separator);
    switch (config.action) {
      case "drop":
        return !this.regex.test(value);
      case "keep":
        return this.regex.test(value);
      case "dropequal":
        return labels.get(config.targetLabel) !== value;
      case "keepequal":
        return labels.get(config.targetLabel) === value;
      case "replace":
        this.replace(labels, value);
        return true;
      case "lowercase":
        labels.set(config.targetLabel, value.toLowerCase());
        return true;
      case "uppercase":
        labels.set(config.targetLabel, upperCase(value));
        return true;
      case "hashmod":
        labels.set(config.targetLabel, hashMod(value, config.modulus));
        return true;
      case "labelmap":
        for (const [name, own] of Array.from(labels.entries())) {
          const mapped = this.substitution!.expand(name, this.replacement);
          if (mapped !== undefined) labels.set(mapped[0]!, own);
        }
        return true;
      case "labeldrop":
        for (const name of labels.names()) if (this.regex.test(name)) labels.delete(name);
        return true;
      case "labelkeep":
        for (const name of labels.names()) if (!this.regex.test(name)) labels.delete(name);
        return true;
    }
  }

  private replace(labels: LabelsBuilder, value: string): void {
    if (this.isPlain) {
      labels.set(this.config.targetLabel, this.config.replacement);
      return;
    }
    const expanded = this.substitution!.expand(value, this.target, this.replacement);
    if (expanded === undefined) return;
    const [target, replacement] = expanded as [string, string];
    if (!isValidLabelName(target, this.config.nameScheme)) return;
    labels.set(target, replacement);
  }
}

// The low eight bytes of the MD5 sum, big-endian, modulo the modulus: upstream's way of sharing targets between
// servers, which must agree with it bit for bit.
function hashMod(value: string, modulus: bigint): string {
  const sum = createHash("md5").update(value, "utf8").digest();
  return (sum.readBigUInt64BE(8) % modulus).toString();
}

// Go maps rune to rune, and leaves alone what has no single upper-case letter: ß, ligatures.
function upperCase(text: string): string {
  const upper = text.toUpperCase();
  if (upper.length === text.length) return upper;
  let out = "";
  for (const char of text) {
    const mapped = char.toUpperCase();
    out += mapped.length === char.length ? mapped : char;
  }
  return out;
}
