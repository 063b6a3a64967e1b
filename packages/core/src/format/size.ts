// Sizes in bytes as Prometheus' configuration writes them: `512MB`, `1GiB512MiB`. All units are powers of 1024, also
// those without the "i".

/** SizeError says why a text is no size; its message is Prometheus'. */
export class SizeError extends Error {
  readonly text: string;
  constructor(text: string, message: string) {
    super(message);
    this.name = "SizeError";
    this.text = text;
  }
}

const MAGNITUDES = ["", "K", "M", "G", "T", "P", "E"] as const;

/** BINARY_UNITS are B, KiB ... EiB, SHORT_UNITS B, KB ... EB; one text uses only one kind. */
const BINARY_UNITS = units("iB");
const SHORT_UNITS = units("B");

function units(suffix: string): ReadonlyMap<string, number> {
  return new Map(MAGNITUDES.map((magnitude, i) => [magnitude === "" ? "B" : magnitude + suffix, 1024 ** i]));
}

const PART = /([0-9]*)(\.[0-9]*)?([^0-9.]*)/y;

/** parseSize reads a size and returns bytes, rounded towards zero. Throws SizeError. */
export function parseSize(text: string): number {
  const bytes = read(text, BINARY_UNITS) ?? read(text, SHORT_UNITS);
  if (bytes === undefined) throw new SizeError(text, `units: unknown unit ${unknownUnit(text)} in ${text}`);
  if (Math.abs(bytes) >= 2 ** 63) throw new SizeError(text, "units: overflow parsing unit");
  return Math.trunc(bytes);
}

/** read returns undefined where a unit is not one of `units`. */
function read(text: string, units: ReadonlyMap<string, number>): number | undefined {
  const negative = text.startsWith("-");
  const start = negative || text.startsWith("+") ? 1 : 0;
  if (text.slice(start) === "0") return 0;
  if (start === text.length) throw new SizeError(text, `units: invalid ${text}`);
  let bytes = 0;
  PART.lastIndex = start;
  while (PART.lastIndex < text.length) {
    const [, digits, fraction, unit] = PART.exec(text)!;
    if (digits === "" && (fraction ?? ".") === ".") throw new SizeError(text, `units: invalid ${text}`);
    const size = units.get(unit!);
    if (size === undefined) return undefined;
    bytes += Number(`${digits || "0"}${fraction && fraction !== "." ? fraction : ""}`) * size;
  }
  return negative ? -bytes : bytes;
}

function unknownUnit(text: string): string {
  const found = text.match(/[^0-9.+-]+/g) ?? [""];
  return found.find((unit) => !SHORT_UNITS.has(unit)) ?? found[0]!;
}

/** formatSize writes bytes the way parseSize reads them: `512MiB`, `1GiB512MiB`, `0B`. Fractions are dropped. */
export function formatSize(bytes: number): string {
  let rest = Math.trunc(Math.abs(bytes));
  if (rest === 0) return "0B";
  let out = "";
  for (let i = MAGNITUDES.length - 1; i >= 0; i--) {
    const count = Math.floor(rest / 1024 ** i);
    if (count > 0) out += `${count}${i === 0 ? "B" : `${MAGNITUDES[i]}iB`}`;
    rest -= count * 1024 ** i;
  }
  return bytes < 0 ? `-${out}` : out;
}
