// Relevance of a name for a search term, 0 (no match) to 1 (exact or prefix).

/** Scorer tells how well a candidate matches the term it was made for. */
export type Scorer = (candidate: string) => number;

/**
 * subsequenceScorer accepts candidates that contain the term's characters in order. Runs of consecutive
 * characters score quadratically, gaps cost: sum(run²) - sum(gap)/length(candidate), the trailing gap at half
 * weight, normalised by length(term)². The best start among all occurrences of the first character counts.
 */
export function subsequenceScorer(term: string): Scorer {
  const pattern = Array.from(term);
  return (candidate) => {
    if (term === "" || candidate.startsWith(term)) return 1;
    const text = Array.from(candidate);
    if (pattern.length > text.length) return 0;
    let best = 0;
    for (let start = 0; start + pattern.length <= text.length; start++) {
      if (text[start] !== pattern[0]) continue;
      const score = scoreFrom(pattern, text, start);
      // Starting later cannot complete a match that an earlier start could not.
      if (score === undefined) break;
      if (score > best) best = score;
    }
    return Math.min(1, best);
  };
}

function scoreFrom(pattern: readonly string[], text: readonly string[], start: number): number | undefined {
  let total = -start / text.length;
  let position = start;
  let index = 0;
  let run = 0;
  let lastMatch = start - 1;
  while (index < pattern.length) {
    while (position < text.length && text[position] !== pattern[index]) position++;
    if (position === text.length) return undefined;
    const gap = position - lastMatch - 1;
    if (gap > 0) {
      total += run * run - gap / text.length;
      run = 0;
    }
    run++;
    lastMatch = position;
    position++;
    index++;
  }
  total += run * run - (text.length - lastMatch - 1) / (2 * text.length);
  return Math.max(Number.MIN_VALUE, total / (pattern.length * pattern.length));
}

/** jaroWinklerScorer is the Jaro-Winkler similarity (prefix weight 0.1, prefix up to 4); containing the term scores 0.9. */
export function jaroWinklerScorer(term: string): Scorer {
  return (candidate) => {
    if (term === "" || candidate.startsWith(term)) return 1;
    if (candidate.includes(term)) return 0.9;
    const jaro = jaroSimilarity(term, candidate);
    let prefix = 0;
    while (prefix < 4 && prefix < term.length && term[prefix] === candidate[prefix]) prefix++;
    return jaro + prefix * 0.1 * (1 - jaro);
  };
}

function jaroSimilarity(a: string, b: string): number {
  if (a.length === 0 || b.length === 0) return a === b ? 1 : 0;
  const window = Math.max(0, (Math.max(a.length, b.length) >> 1) - 1);
  const matchedA = new Uint8Array(a.length);
  const matchedB = new Uint8Array(b.length);
  let matches = 0;
  for (let i = 0; i < a.length; i++) {
    const to = Math.min(b.length, i + window + 1);
    for (let j = Math.max(0, i - window); j < to; j++) {
      if (matchedB[j] || a[i] !== b[j]) continue;
      matchedA[i] = matchedB[j] = 1;
      matches++;
      break;
    }
  }
  if (matches === 0) return 0;
  let transpositions = 0;
  let j = 0;
  for (let i = 0; i < a.length; i++) {
    if (!matchedA[i]) continue;
    while (!matchedB[j]) j++;
    if (a[i] !== b[j]) transpositions++;
    j++;
  }
  return (matches / a.length + matches / b.length + (matches - transpositions / 2) / matches) / 3;
}
