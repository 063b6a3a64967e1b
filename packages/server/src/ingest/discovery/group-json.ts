// The form in which files and HTTP endpoints list targets:
//   [{"targets": ["host:port", ...], "labels": {"name": "value", ...}}, ...]
import type { TargetGroup } from "./target-group.ts";

/** GroupFormError says what is wrong with a list of target groups, and where. */
export class GroupFormError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "GroupFormError";
  }
}

/** readGroups checks a decoded list. `source` names each group by its index, `extra` is added to its labels. Throws GroupFormError. */
export function readGroups(
  value: unknown,
  source: (index: number) => string,
  extra: ReadonlyMap<string, string>,
): TargetGroup[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new GroupFormError(`expected a list of target groups, got ${describe(value)}`);
  return value.map((item: unknown, index) => {
    // Upstream's decoder leaves a missing element nil and says so.
    if (item === null) throw new GroupFormError(`nil target group item found (index ${index})`);
    if (typeof item !== "object" || Array.isArray(item)) {
      throw new GroupFormError(
        `target group ${index}: expected an object with "targets" and "labels", got ${describe(item)}`,
      );
    }
    const { targets = [], labels = {}, ...unknown } = item as { targets?: unknown; labels?: unknown };
    const [unknownKey] = Object.keys(unknown);
    if (unknownKey !== undefined)
      throw new GroupFormError(`target group ${index}: unknown field ${JSON.stringify(unknownKey)}`);
    if (targets !== null && !Array.isArray(targets)) {
      throw new GroupFormError(`target group ${index}: expected "targets" to be a list, got ${describe(targets)}`);
    }
    const merged = new Map<string, string>(extra);
    if (labels !== null) {
      if (typeof labels !== "object" || Array.isArray(labels)) {
        throw new GroupFormError(`target group ${index}: expected "labels" to be an object, got ${describe(labels)}`);
      }
      for (const [name, text] of Object.entries(labels as Record<string, unknown>)) {
        if (typeof text !== "string") {
          throw new GroupFormError(
            `target group ${index}: expected label ${JSON.stringify(name)} to be a string, got ${describe(text)}`,
          );
        }
        merged.set(name, text);
      }
    }
    for (const [name, text] of extra) merged.set(name, text);
    return {
      source: source(index),
      targets: ((targets ?? []) as unknown[]).map((target) => {
        if (typeof target !== "string") {
          throw new GroupFormError(
            `target group ${index}: expected every target to be a string, got ${describe(target)}`,
          );
        }
        return new Map([["__address__", target]]);
      }),
      labels: merged,
    };
  });
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : JSON.stringify(value);
}
