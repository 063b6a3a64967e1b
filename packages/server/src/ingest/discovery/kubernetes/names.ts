// Names of meta labels. A cluster has ten thousands of targets with the same few hundred names: each name is made
// once, so that all targets share it. Without this, names are most of what is kept.
import { sanitizeLabelName } from "../discoverer.ts";

const PREFIX = "__meta_kubernetes_";
// Names that are remembered, in each of the two tables; they begin anew after that. Clusters have some thousand.
const MAX_NAMES = 50_000;

const bySuffix = new Map<string, string>();
const byKey = new Map<string, Map<string, FieldNames>>();
let keys = 0;

/** FieldNames are the names for one key of an object's labels or annotations. */
export interface FieldNames {
  label: string;
  labelPresent: string;
  annotation: string;
  annotationPresent: string;
}

/** metaName is `__meta_kubernetes_<suffix>`. */
export function metaName(suffix: string): string {
  let name = bySuffix.get(suffix);
  if (name === undefined) {
    if (bySuffix.size >= MAX_NAMES) bySuffix.clear();
    name = PREFIX + suffix;
    bySuffix.set(suffix, name);
  }
  return name;
}

/** fieldNames are the names for a key of a kind of object. */
export function fieldNames(resource: string, key: string): FieldNames {
  let ofResource = byKey.get(resource);
  if (ofResource === undefined) byKey.set(resource, (ofResource = new Map<string, FieldNames>()));
  let names = ofResource.get(key);
  if (names === undefined) {
    if (keys++ >= MAX_NAMES) {
      for (const table of byKey.values()) table.clear();
      keys = 1;
    }
    const name = sanitizeLabelName(key);
    names = {
      label: `${PREFIX}${resource}_label_${name}`,
      labelPresent: `${PREFIX}${resource}_labelpresent_${name}`,
      annotation: `${PREFIX}${resource}_annotation_${name}`,
      annotationPresent: `${PREFIX}${resource}_annotationpresent_${name}`,
    };
    ofResource.set(key, names);
  }
  return names;
}
