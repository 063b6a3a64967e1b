// Sizes as Prometheus writes them: `512MB`, `1GiB`, `1GB512MB`. Every unit is a power of 1024, and one is required.

/** SizeError says why a text is no size; its message is upstream's. */
export class SizeError extends Error {
  constructor(message: string) {
    super(`units: ${message}`);
    this.name = "SizeError";
  }
}

const PREFIXES = ["", "K", "M", "G", "T", "P", "E"];

/** parseSize returns bytes. Throws SizeError. */
export function parseSize(text: string): number {
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  let rest = text.slice(sign.length);
  if (rest === "0") return 0;
  if (rest === "") throw new SizeError(`invalid ${text}`);
  const units = unitsFor(rest);
  let total = 0;
  while (rest !== "") {
    const match = /^(\d*)(\.\d*)?([^.\d]*)/.exec(rest)!;
    const [part, whole, fraction = "", unit] = match as unknown as [string, string, string | undefined, string];
    if (whole === "" && fraction.length < 2) throw new SizeError(`invalid ${text}`);
    const factor = units.get(unit);
    if (factor === undefined) throw new SizeError(`unknown unit ${unit} in ${text}`);
    total += Number(`${whole === "" ? "0" : whole}${fraction === "." ? "" : fraction}`) * factor;
    rest = rest.slice(part.length);
  }
  if (sign === "-") total = -total;
  if (Math.abs(total) > 2 ** 63) throw new SizeError("overflow parsing unit");
  return Math.trunc(total);
}

// KiB, MiB ... may not be mixed with KB, MB ...: what fits neither is an error of the latter.
function unitsFor(text: string): ReadonlyMap<string, number> {
  return /iB/.test(text) && !/[KMGTPE]B/.test(text) ? BINARY : CLASSIC;
}

const BINARY = unitMap("iB");
const CLASSIC = unitMap("B");

function unitMap(suffix: string): ReadonlyMap<string, number> {
  return new Map(PREFIXES.map((prefix, i) => [prefix === "" ? "B" : prefix + suffix, 1024 ** i]));
}

/** formatSize writes bytes exactly: 15728640 is 15MiB, 1025 is 1KiB1B. */
export function formatSize(bytes: number): string {
  let out = "";
  let rest = bytes;
  for (let i = 0; i < PREFIXES.length; i++) {
    const part = rest % 1024;
    if (part !== 0 || (i === 0 && rest === 0)) out = `${part}${PREFIXES[i]}${i === 0 ? "B" : "iB"}${out}`;
    rest = Math.trunc(rest / 1024);
    if (rest === 0) break;
  }
  return out;
}
