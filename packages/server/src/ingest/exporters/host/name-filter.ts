import { compileRE2 } from "@belfry/core/model";

/** NameFilter decides by name; the answer for a name is computed once. */
export interface NameFilter {
  ignored(name: string): boolean;
}

// Names are devices, mounts and kernel fields: few, but containers come and go.
const MAX_REMEMBERED = 10_000;

/** nameFilter makes a filter from RE2 patterns, unanchored; "" means no pattern. A name must match `include` and not `exclude`. */
export function nameFilter(exclude: string, include: string): NameFilter {
  const excluded = exclude === "" ? undefined : compileRE2(exclude);
  const included = include === "" ? undefined : compileRE2(include);
  const answers = new Map<string, boolean>();
  return {
    ignored(name) {
      let answer = answers.get(name);
      if (answer === undefined) {
        answer = (excluded?.matcher(name).find() ?? false) || !(included?.matcher(name).find() ?? true);
        if (answers.size >= MAX_REMEMBERED) answers.clear();
        answers.set(name, answer);
      }
      return answer;
    },
  };
}
