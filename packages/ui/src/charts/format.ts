const SUFFIXES = ["", "k", "M", "G", "T", "P", "E"];

/** formatShort writes a number for an axis or a legend: at most four digits and a suffix. */
export function formatShort(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : value < 0 ? "-Inf" : "NaN";
  const absolute = Math.abs(value);
  if (absolute === 0) return "0";
  if (absolute < 0.001) return value.toExponential(2);
  const power = Math.min(SUFFIXES.length - 1, Math.max(0, Math.floor(Math.log10(absolute) / 3)));
  const scaled = value / 1000 ** power;
  return `${Number(scaled.toPrecision(4))}${SUFFIXES[power]}`;
}

/** seriesName writes labels as Prometheus does. */
export function seriesName(labels: Record<string, string>): string {
  const { __name__: name = "", ...rest } = labels;
  const pairs = Object.entries(rest).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return pairs.length === 0 ? name || "{}" : `${name}{${pairs.join(", ")}}`;
}

const RANGE_UNITS: readonly [string, number][] = [
  ["w", 604_800],
  ["d", 86_400],
  ["h", 3600],
  ["m", 60],
  ["s", 1],
];

/** formatRange writes seconds as a Prometheus duration. */
export function formatRange(seconds: number): string {
  let rest = Math.round(seconds);
  let out = "";
  for (const [unit, size] of RANGE_UNITS) {
    if (rest >= size) {
      out += `${Math.floor(rest / size)}${unit}`;
      rest %= size;
    }
  }
  return out || "0s";
}

/** formatBytes writes bytes with binary prefixes. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes <= 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${units[power]}`;
}
