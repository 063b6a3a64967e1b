// Numbers as Go reads them: decimal, hexadecimal, octal with a leading 0, underscores between digits, Inf and NaN.

const INTEGER_RANGE = 9_223_372_036_854_775_807n;
const DECIMAL = /^(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** parseNumber reads the text of a NUMBER token; on failure it returns the message of Go's strconv. */
export function parseNumber(text: string): number | { error: string } {
  if (/^(?:0|[1-9]\d{0,14})$/.test(text)) return Number(text);
  const lower = text.toLowerCase();
  if (lower === "inf") return Infinity;
  if (lower === "nan") return NaN;
  const digits = removeUnderscores(lower);
  if (digits !== undefined) {
    const integer = parseInteger(digits);
    if (integer !== undefined) return integer;
    if (DECIMAL.test(digits)) {
      const value = Number(digits);
      return Number.isFinite(value) ? value : failure(text, "value out of range");
    }
  }
  return failure(text, "invalid syntax");
}

function failure(text: string, reason: string): { error: string } {
  return { error: `strconv.ParseFloat: parsing ${JSON.stringify(text)}: ${reason}` };
}

function parseInteger(digits: string): number | undefined {
  if (/^0x[0-9a-f]+$/.test(digits) || /^(?:0|[1-9]\d*)$/.test(digits)) return small(BigInt(digits));
  if (/^0[0-7]+$/.test(digits)) return small(BigInt(`0o${digits.slice(1)}`));
  return undefined;
}

function small(value: bigint): number | undefined {
  return value <= INTEGER_RANGE ? Number(value) : undefined;
}

/** removeUnderscores drops underscores that stand between digits (or after the prefix 0x), undefined if one does not. */
function removeUnderscores(text: string): string | undefined {
  if (!text.includes("_")) return text;
  const hex = text.startsWith("0x");
  const digit = hex ? /[0-9a-fx]/ : /\d/;
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== "_") continue;
    if (!digit.test(text[i - 1] ?? "") || !digit.test(text[i + 1] ?? "")) return undefined;
  }
  return text.replaceAll("_", "");
}
