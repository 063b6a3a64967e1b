// A categorical palette that stays apart for the common kinds of colour blindness (after Okabe and Ito,
// with lightness adjusted so that each stands on dark and on light).
const PALETTE = [
  "#2f81c7",
  "#e08a1e",
  "#1f9e77",
  "#c9515d",
  "#8a6fd1",
  "#b3a125",
  "#2aa7b8",
  "#c26aa7",
  "#7a8590",
  "#6b9e3a",
];

/** seriesColors gives each key a colour that depends on the key, not on its position, as far as collisions allow. */
export function seriesColors(keys: readonly string[]): string[] {
  const used = new Map<number, number>();
  const colors = new Map<string, string>();
  for (const key of [...keys].sort()) {
    let slot = hash(key) % PALETTE.length;
    // While there are free colours nobody shares one; after that collisions cannot be avoided.
    if (used.size < PALETTE.length) while (used.has(slot)) slot = (slot + 1) % PALETTE.length;
    used.set(slot, (used.get(slot) ?? 0) + 1);
    colors.set(key, PALETTE[slot]!);
  }
  return keys.map((key) => colors.get(key)!);
}

function hash(text: string): number {
  let value = 2166136261;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619);
  return value >>> 0;
}
