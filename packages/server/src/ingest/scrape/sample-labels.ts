// From the labels a target gives to the labels that are stored: target labels are added, conflicts resolved, and
// the result checked against names and limits.
import {
  compareStrings,
  isLegacyLabelName,
  isLegacyMetricName,
  Labels,
  LabelsBuilder,
  METRIC_NAME,
  quoteGo,
} from "@belfry/core/model";

/** LabelLimits bound the labels of one sample; 0 means no limit. Lengths are in bytes. */
export interface LabelLimits {
  labelLimit: number;
  labelNameLengthLimit: number;
  labelValueLengthLimit: number;
}

const EXPORTED_PREFIX = "exported_";

/**
 * addTargetLabels puts the target's labels on a sample. With `honor` the sample's own win; otherwise the target's
 * do and the sample's are kept under `exported_<name>`. `empty` are names that the sample has with an empty value.
 */
export function addTargetLabels(sample: Labels, target: Labels, honor: boolean, empty: readonly string[]): Labels {
  if (honor && empty.length > 0) return resolveConflicts(sample, target.drop(new Set(empty)), true);
  return mergeDisjoint(sample.pairs, target.pairs) ?? resolveConflicts(sample, target, honor);
}

// Fast path: a target rarely exposes `job` or `instance` itself. Both lists are sorted; undefined where a name is in both.
function mergeDisjoint(a: readonly string[], b: readonly string[]): Labels | undefined {
  const out: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const order = compareStrings(a[i], b[j]);
    if (order === 0) return undefined;
    if (order < 0) {
      out.push(a[i], a[i + 1]);
      i += 2;
    } else {
      out.push(b[j], b[j + 1]);
      j += 2;
    }
  }
  for (; i < a.length; i++) out.push(a[i]);
  for (; j < b.length; j++) out.push(b[j]);
  return new Labels(out);
}

function resolveConflicts(sample: Labels, target: Labels, honor: boolean): Labels {
  const builder = new LabelsBuilder(sample);
  const conflicts: [string, string][] = [];
  for (const [name, value] of target) {
    const own = sample.get(name);
    if (honor) {
      if (own === "") builder.set(name, value);
      continue;
    }
    if (own !== "") conflicts.push([name, own]);
    builder.set(name, value);
  }
  // Shorter names first: `a` must get `exported_a` before `exported_a` itself is moved.
  conflicts.sort((a, b) => a[0].length - b[0].length);
  for (const [name, value] of conflicts) {
    let moved = EXPORTED_PREFIX + name;
    while (builder.get(moved) !== "") moved = EXPORTED_PREFIX + moved;
    builder.set(moved, value);
  }
  return builder.labels();
}

/** reportLabels are the labels of `up` and the other series that tell of the scrape itself. */
export function reportLabels(metric: string, target: Labels): Labels {
  const builder = new LabelsBuilder();
  builder.set(METRIC_NAME, metric);
  for (const [name, value] of target) builder.set(name, value);
  return builder.labels();
}

/** hasValidNames tells whether the names are allowed; under "legacy" only the classic characters are. */
export function hasValidNames(labels: Labels, scheme: "utf8" | "legacy"): boolean {
  const { pairs } = labels;
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i];
    const value = pairs[i + 1];
    if (scheme === "legacy") {
      if (name === METRIC_NAME ? !isLegacyMetricName(value) : !isLegacyLabelName(name)) return false;
    } else if (name === "") return false;
  }
  return true;
}

/** checkLabelLimits returns upstream's error text for labels that exceed a limit, undefined for good ones. */
export function checkLabelLimits(labels: Labels, limits: LabelLimits): string | undefined {
  const metric = labels.metricName;
  if (limits.labelLimit > 0 && labels.size > limits.labelLimit) {
    return `label_limit exceeded (metric: ${head(metric)}, number of labels: ${labels.size}, limit: ${limits.labelLimit})`;
  }
  const { labelNameLengthLimit, labelValueLengthLimit } = limits;
  if (labelNameLengthLimit === 0 && labelValueLengthLimit === 0) return undefined;
  for (const [name, value] of labels) {
    if (labelNameLengthLimit > 0) {
      const length = Buffer.byteLength(name);
      if (length > labelNameLengthLimit) {
        return `label_name_length_limit exceeded (metric: ${head(metric)}, label name: ${head(name)}, length: ${length}, limit: ${labelNameLengthLimit})`;
      }
    }
    if (labelValueLengthLimit > 0) {
      const length = Buffer.byteLength(value);
      if (length > labelValueLengthLimit) {
        return `label_value_length_limit exceeded (metric: ${head(metric)}, label name: ${head(name)}, value: ${quoteGo(head(value))}, length: ${length}, limit: ${labelValueLengthLimit})`;
      }
    }
  }
  return undefined;
}

// Errors show the first 50 characters.
function head(text: string): string {
  return text.length <= 50 ? text : Array.from(text.slice(0, 100)).slice(0, 50).join("");
}
