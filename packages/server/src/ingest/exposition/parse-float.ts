// Numbers of the text formats, read from bytes. Upstream reads them with Go's strconv.ParseFloat, which is
// correctly rounded; so is what stands here. A number of at most 15 digits (or 16, below 2^53) times or divided by a
// power of ten up to 10^22 needs one rounding of exact operands and is therefore exact; everything else goes
// through Number(), which is correctly rounded too but costs a string.
import { ExpositionError } from "./exposition-error.ts";
import { decodeUtf8, quoteBytes } from "./quote-bytes.ts";

/** POWERS_OF_TEN are those that a double represents exactly. */
export const POWERS_OF_TEN = new Float64Array([
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
  1e21, 1e22,
]);

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INFINITY = /^[+-]?inf(?:inity)?$/i;

/** parseGoFloat reads text as Go's strconv.ParseFloat does (without hexadecimal and underscores); undefined where that is no number. */
export function parseGoFloat(text: string): number | undefined {
  if (DECIMAL.test(text)) return Number(text);
  if (INFINITY.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (text.toLowerCase() === "nan") return NaN;
  return undefined;
}

/**
 * parseFloatBytes reads bytes[start, end) as upstream's textparse reads values and float timestamps. Throws
 * ExpositionError (without line) with upstream's text up to "while parsing", which the caller adds.
 */
export function parseFloatBytes(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    const c = bytes[i];
    if (c === 0x70 || c === 0x50 || c === 0x5f) throw new ExpositionError("unsupported character in float", 0);
  }
  const text = decodeUtf8(bytes, start, end);
  const value = parseGoFloat(text);
  const quoted = (): string => quoteBytes(bytes, start, end);
  if (value === undefined) throw new ExpositionError(`strconv.ParseFloat: parsing ${quoted()}: invalid syntax`, 0);
  if ((value === Infinity || value === -Infinity) && DECIMAL.test(text)) {
    throw new ExpositionError(`strconv.ParseFloat: parsing ${quoted()}: value out of range`, 0);
  }
  return value;
}

/** formatGoFloat prints a number as Go's strconv.FormatFloat(f, 'g', -1, 64): shortest digits, exponents below -4 and from 6 on. */
export function formatGoFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa, exponentText] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** formatOpenMetricsFloat prints a number as bucket bounds and quantiles are written: always with a "." or an exponent. */
export function formatOpenMetricsFloat(value: number): string {
  const text = formatGoFloat(value);
  return /[.eN]|Inf/.test(text) ? text : text + ".0";
}
