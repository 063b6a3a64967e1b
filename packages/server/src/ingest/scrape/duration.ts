// Durations as Prometheus writes them: 1h30m, 15s, 250ms. Of labels (__scrape_interval__) and configuration.

const DURATION = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;
const UNITS = [
  ["y", 31_536_000_000],
  ["w", 604_800_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
] as const;
// Upstream counts nanoseconds in 64 bits.
const MAX_MS = 9_223_372_036_854;

/** parseDurationMs reads a duration; the error text is upstream's. */
export function parseDurationMs(text: string): { ms: number } | { error: string } {
  if (text === "") return { error: "empty duration string" };
  if (text === "0") return { ms: 0 };
  const match = DURATION.exec(text);
  if (match === null) return { error: `not a valid duration string: ${JSON.stringify(text)}` };
  let ms = 0;
  UNITS.forEach(([, unit], i) => {
    const digits = match[i + 1];
    if (digits !== undefined) ms += Number(digits) * unit;
  });
  return ms > MAX_MS ? { error: "duration out of range" } : { ms };
}

/** formatDurationMs prints a duration as upstream's model.Duration does: 90000 is "1m30s". */
export function formatDurationMs(ms: number): string {
  if (ms === 0) return "0s";
  let rest = ms;
  let out = "";
  for (const [name, unit] of UNITS) {
    // Years, weeks and days only where nothing is left over: 36h, not 1d12h.
    if ((name === "y" || name === "w" || name === "d") && rest % unit !== 0) continue;
    const count = Math.floor(rest / unit);
    if (count === 0) continue;
    out += `${count}${name}`;
    rest -= count * unit;
  }
  return out;
}
