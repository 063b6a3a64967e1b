import { compareStrings, Labels } from "@belfry/core/model";

// Up to this many pairs insertion beats a sort; a hostile line with thousands must not cost the square of them.
const MAX_INSERTED = 64;

/**
 * sortedLabels makes Labels of name, value, name, value ... in any order, which it takes over. Empty values are
 * dropped. A name that occurs twice is reported through `duplicate`, once; the first value stays.
 */
export function sortedLabels(pairs: string[], duplicate?: (name: string) => void): Labels {
  const sorted = pairs.length <= 2 * MAX_INSERTED ? insertionSorted(pairs) : fullySorted(pairs);
  let length = 0;
  for (let i = 0; i < sorted.length; i += 2) {
    if (length > 0 && sorted[length - 2] === sorted[i]) {
      duplicate?.(sorted[i]);
      continue;
    }
    sorted[length] = sorted[i];
    sorted[length + 1] = sorted[i + 1];
    length += 2;
  }
  sorted.length = length;
  return new Labels(sorted);
}

function insertionSorted(pairs: string[]): string[] {
  let length = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i];
    const value = pairs[i + 1];
    if (value === "") continue;
    let place = length;
    while (place > 0 && compareStrings(name, pairs[place - 2]) < 0) {
      pairs[place] = pairs[place - 2];
      pairs[place + 1] = pairs[place - 1];
      place -= 2;
    }
    pairs[place] = name;
    pairs[place + 1] = value;
    length += 2;
  }
  pairs.length = length;
  return pairs;
}

function fullySorted(pairs: readonly string[]): string[] {
  const order: number[] = [];
  for (let i = 0; i < pairs.length; i += 2) if (pairs[i + 1] !== "") order.push(i);
  order.sort((a, b) => compareStrings(pairs[a], pairs[b]) || a - b);
  const sorted: string[] = [];
  for (const i of order) sorted.push(pairs[i], pairs[i + 1]);
  return sorted;
}
