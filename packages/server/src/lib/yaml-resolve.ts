// What a plain scalar means: YAML 1.1 with the exceptions that go-yaml v2 makes.

/** Resolved is a scalar's tag in short form and its value; integers beyond 2^53 are bigint. */
export interface Resolved {
  tag: string;
  value: null | boolean | number | bigint | string;
}

const WORDS: ReadonlyMap<string, Resolved> = new Map<string, Resolved>([
  ...["", "~", "null", "Null", "NULL"].map((w) => [w, { tag: "!!null", value: null }] as const),
  ...["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"].map(
    (w) => [w, { tag: "!!bool", value: true }] as const,
  ),
  ...["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"].map(
    (w) => [w, { tag: "!!bool", value: false }] as const,
  ),
  ...[".nan", ".NaN", ".NAN"].map((w) => [w, { tag: "!!float", value: NaN }] as const),
  ...[".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"].map((w) => [w, { tag: "!!float", value: Infinity }] as const),
  ...["-.inf", "-.Inf", "-.INF"].map((w) => [w, { tag: "!!float", value: -Infinity }] as const),
  ["<<", { tag: "!!merge", value: "<<" }],
]);

const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const TIMESTAMP =
  /^\d{4}-\d{1,2}-\d{1,2}([Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})| \d{1,2}:\d{1,2}:\d{1,2}(\.\d{1,9})?)?$/;

/** resolveScalar says what an untagged plain scalar is. */
export function resolveScalar(text: string): Resolved {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  const first = text.charCodeAt(0);
  const numeric = (first >= 48 && first <= 57) || first === 43 || first === 45 || first === 46;
  if (!numeric) return { tag: "!!str", value: text };
  if (first !== 46) {
    if (TIMESTAMP.test(text)) return { tag: "!!timestamp", value: text };
    const integer = parseInteger(text.replaceAll("_", ""));
    if (integer !== undefined) return { tag: "!!int", value: integer };
  }
  const plain = text.replaceAll("_", "");
  if (FLOAT.test(plain)) return { tag: "!!float", value: Number(plain) };
  return { tag: "!!str", value: text };
}

const INTEGER = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]*|[1-9][0-9]*)$/;
const MAX_UINT64 = 18_446_744_073_709_551_615n;
const MIN_INT64 = -9_223_372_036_854_775_808n;

// As Go's ParseInt with base 0: 0x, 0b, 0o and a leading 0 (octal) are known. Undefined when no 64 bits hold it.
function parseInteger(text: string): number | bigint | undefined {
  const match = INTEGER.exec(text);
  if (match === null) return undefined;
  const digits = match[2]!;
  let value: bigint;
  if (/^0[0-7]+$/.test(digits)) value = BigInt(`0o${digits.slice(1)}`);
  else if (/^0[oO]$/.test(digits)) return undefined;
  else value = BigInt(digits.toLowerCase());
  if (match[1] === "-") value = -value;
  if (value > MAX_UINT64 || value < MIN_INT64) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
