/** LabelSet is a set of labels in no order; unlike in Labels, an empty value is kept (it hides a group's label). */
export type LabelSet = ReadonlyMap<string, string>;

/** TargetGroup is a set of targets with labels in common, from one source. */
export interface TargetGroup {
  /** source identifies the group within its discoverer; a later group of the same source replaces it. */
  source: string;
  /** targets hold `__address__` and what the discoverer knows of each (`__meta_*`). */
  targets: readonly LabelSet[];
  /** labels apply to every target that does not have the label itself. */
  labels: LabelSet;
}
