// Natural order of strings: runs of digits compare as numbers ("host2" before "host10"). The rules are those of
// the library upstream uses for sort_by_label, down to its treatment of leading zeros.
import { compareStrings } from "@belfry/core/model";

/** isNaturallyLess tells whether `a` comes before `b`; of two that differ in leading zeros only, the first given does. */
export function isNaturallyLess(a: string, b: string): boolean {
  const partsA = split(a);
  const partsB = split(b);
  for (let i = 0; i < partsA.length; i++) {
    if (i >= partsB.length) return false;
    const x = partsA[i]!;
    const y = partsB[i]!;
    const order = compareParts(x, y);
    if (order !== 0) return order < 0;
    if (i === partsA.length - 1) return true;
    if (i === partsB.length - 1) return false;
  }
  return false;
}

const PARTS = /[0-9]+|[^0-9]+/g;
const NUMBER = /^[0-9]+$/;
// Longer runs of digits do not fit Go's int and compare as text.
const MAX_INT = 9223372036854775807n;

function split(text: string): readonly string[] {
  return text.match(PARTS) ?? [];
}

function compareParts(x: string, y: string): number {
  if (NUMBER.test(x) && NUMBER.test(y)) {
    const a = BigInt(x);
    const b = BigInt(y);
    if (a <= MAX_INT && b <= MAX_INT) return a < b ? -1 : a > b ? 1 : 0;
  }
  return compareStrings(x, y);
}
