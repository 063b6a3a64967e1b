/** RelabelAction names what a relabelling rule does. */
export type RelabelAction =
  | "replace"
  | "keep"
  | "drop"
  | "keepequal"
  | "dropequal"
  | "hashmod"
  | "labelmap"
  | "labeldrop"
  | "labelkeep"
  | "lowercase"
  | "uppercase";

/** NameScheme says which metric and label names are allowed: all of UTF-8, or the classic characters. */
export type NameScheme = "utf8" | "legacy";

/** RelabelConfig is one rule, with defaults filled in and checked. */
export interface RelabelConfig {
  /** sourceLabels are joined by `separator` to what `regex` is matched against. */
  sourceLabels: readonly string[];
  separator: string;
  /** regex is RE2 source, anchored at both ends when matched. */
  regex: string;
  /** modulus is a uint64, for hashmod. */
  modulus: bigint;
  targetLabel: string;
  /** replacement may refer to groups: $1, ${1}, ${name}. */
  replacement: string;
  action: RelabelAction;
  nameScheme: NameScheme;
}
