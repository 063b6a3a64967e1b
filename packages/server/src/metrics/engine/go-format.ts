// Numbers in messages are spelled as Go's fmt spells them, because tests and people compare the texts.

/** formatG is Go's %g: shortest digits (or %.Ng with `precision`), exponent form below 1e-4 and from 1e6 (10^precision) on. */
export function formatG(value: number, precision?: number): string {
  if (value !== value) return "NaN";
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa, exponentText] = (
    precision === undefined ? value.toExponential() : value.toExponential(precision - 1)
  ).split("e") as [string, string];
  const exponent = Number(exponentText);
  const digits = trimZeros(mantissa);
  // Go takes 6 for this decision when it prints the shortest digits.
  const limit = precision ?? 6;
  if (exponent < -4 || exponent >= limit) {
    const sign = exponent < 0 ? "-" : "+";
    return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  return trimZeros(precision === undefined ? decimal(value) : value.toPrecision(precision));
}

/** formatF is Go's strconv.FormatFloat(value, 'f', -1, 64): shortest digits, never an exponent. */
export function formatF(value: number): string {
  if (value !== value) return "NaN";
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  if (Object.is(value, -0)) return "-0";
  return decimal(value);
}

/** formatFixed6 is Go's %f. */
export function formatFixed6(value: number): string {
  if (value !== value) return "NaN";
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return value.toFixed(6);
}

/** formatOpenMetricsFloat spells a label value: as %g with 21 as the limit of plain digits, and at least one decimal. */
export function formatOpenMetricsFloat(value: number): string {
  if (value === 1) return "1.0";
  if (value === 0) return "0.0";
  if (value === -1) return "-1.0";
  const text = formatG(value);
  if (text === "NaN" || text.endsWith("Inf") || /[.e]/.test(text)) return text;
  return text + ".0";
}

// decimal writes the shortest digits without exponent; JavaScript switches to exponents at 1e21 and 1e-7.
function decimal(value: number): string {
  const text = String(value);
  const at = text.indexOf("e");
  if (at < 0) return text;
  const exponent = Number(text.slice(at + 1));
  const negative = text.startsWith("-");
  const [whole, fraction = ""] = text.slice(negative ? 1 : 0, at).split(".") as [string, string?];
  const digits = whole + fraction;
  const point = whole.length + exponent;
  const out =
    point <= 0
      ? `0.${"0".repeat(-point)}${digits}`
      : point >= digits.length
        ? digits + "0".repeat(point - digits.length)
        : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return negative ? `-${out}` : out;
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
