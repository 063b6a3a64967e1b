// Floats as Go writes them: the shortest digits that read back as the same number, which are the digits JavaScript
// finds too; only the layout differs.

/** formatFloat writes a number without an exponent, as strconv.FormatFloat(v, 'f', -1, 64); also `NaN` and `+Inf`. */
export function formatFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const text = String(value);
  // Fast path: JavaScript uses an exponent only below 1e-6 and from 1e21 on.
  if (!text.includes("e")) return Object.is(value, -0) ? "-0" : text;
  const { sign, digits, exponent } = parts(value);
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  return sign + digits.padEnd(exponent + 1, "0");
}

/**
 * formatFloatShort writes a number as strconv.FormatFloat(v, 'g', -1, 64) and fmt's %v do, the form of expositions: with
 * an exponent below 1e-4 and from 1e6 on, else like formatFloat.
 */
export function formatFloatShort(value: number): string {
  const magnitude = Math.abs(value);
  if (!(magnitude < 1e-4 || magnitude >= 1e6) || magnitude === 0 || magnitude === Infinity) return formatFloat(value);
  const { sign, digits, exponent } = parts(value);
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
  return `${sign}${digits[0]}${fraction}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** parts splits a number into its shortest digits and the exponent of the first. */
function parts(value: number): { sign: string; digits: string; exponent: number } {
  const [mantissa, exponent] = Math.abs(value).toExponential().split("e");
  return { sign: value < 0 ? "-" : "", digits: mantissa!.replace(".", ""), exponent: Number(exponent) };
}
