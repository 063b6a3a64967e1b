// Exemplars are kept in one circular buffer: when it is full, the oldest of all goes, whoever it belongs to.
// Rules are upstream's: per series in time order, the labels of an exemplar at most 128 characters together.
import { compareLabels, type Exemplar, type Labels, matchesAll, type Matcher } from "@belfry/core/model";

/** MAX_EXEMPLAR_LABEL_CHARACTERS is the limit of OpenMetrics on names and values together. */
export const MAX_EXEMPLAR_LABEL_CHARACTERS = 128;
/** DEFAULT_EXEMPLARS is upstream's default size (`storage.exemplars.max_exemplars`). */
export const DEFAULT_EXEMPLARS = 100_000;

/** SeriesExemplars are the exemplars of one series in time order. */
export interface SeriesExemplars {
  labels: Labels;
  exemplars: Exemplar[];
}

/** ExemplarStore is the circular buffer with an index by series. */
export class ExemplarStore {
  private readonly bySeries = new Map<string, SeriesExemplars>();
  private ring: (SeriesExemplars | undefined)[];
  private next = 0;
  private count = 0;
  /** completeFromMs is the time from which on no exemplar is missing here; older ones only the database may have. */
  completeFromMs = -Infinity;

  /** `capacity` 0 keeps none. */
  constructor(capacity = DEFAULT_EXEMPLARS) {
    this.ring = Array.from({ length: capacity });
  }

  get size(): number {
    return this.count;
  }

  get capacity(): number {
    return this.ring.length;
  }

  /** seriesCount is the number of series that have an exemplar. */
  get seriesCount(): number {
    return this.bySeries.size;
  }

  /** check tells what would become of an exemplar: it is new, the newest again (not an error, not kept), or refused. */
  check(series: Labels, exemplar: Exemplar): "new" | "duplicate" | "refused" {
    if (this.ring.length === 0) return "duplicate";
    let characters = 0;
    for (const text of exemplar.labels.pairs) characters += lengthInCharacters(text);
    if (characters > MAX_EXEMPLAR_LABEL_CHARACTERS) return "refused";
    const newest = this.bySeries.get(series.key)?.exemplars.at(-1);
    if (newest === undefined) return "new";
    if (sameExemplar(newest, exemplar)) return "duplicate";
    return isBefore(exemplar, newest) ? "refused" : "new";
  }

  /** add keeps an exemplar and tells whether it was new. */
  add(series: Labels, exemplar: Exemplar): boolean {
    if (this.check(series, exemplar) !== "new") return false;
    this.keep(series, exemplar);
    return true;
  }

  /** restore puts back an exemplar from the database, also behind newer ones of its series. */
  restore(series: Labels, exemplar: Exemplar): void {
    if (this.ring.length > 0) this.keep(series, exemplar);
  }

  private keep(series: Labels, exemplar: Exemplar): void {
    this.evict();
    let known = this.bySeries.get(series.key);
    if (known === undefined) this.bySeries.set(series.key, (known = { labels: series, exemplars: [] }));
    const list = known.exemplars;
    let at = list.length;
    while (at > 0 && isBefore(exemplar, list[at - 1]!)) at--;
    list.splice(at, 0, exemplar);
    this.ring[this.next] = known;
    this.next = (this.next + 1) % this.ring.length;
    this.count++;
  }

  /** select returns the exemplars with startMs <= t <= endMs of the series that satisfy one of the matcher sets, sorted by labels. */
  select(matcherSets: readonly (readonly Matcher[])[], startMs: number, endMs: number): SeriesExemplars[] {
    const out: SeriesExemplars[] = [];
    for (const { labels, exemplars } of this.bySeries.values()) {
      if (exemplars[0]!.timeMs > endMs || exemplars.at(-1)!.timeMs < startMs) continue;
      if (!matcherSets.some((matchers) => matchesAll(labels, matchers))) continue;
      const inside = exemplars.filter((exemplar) => exemplar.timeMs >= startMs && exemplar.timeMs <= endMs);
      if (inside.length > 0) out.push({ labels, exemplars: inside });
    }
    return out.sort((a, b) => compareLabels(a.labels, b.labels));
  }

  /** resize changes the capacity and keeps the newest. */
  resize(capacity: number): void {
    if (capacity === this.ring.length) return;
    const order: SeriesExemplars[] = [];
    for (let i = 0; i < this.ring.length; i++) {
      const entry = this.ring[(this.next + i) % this.ring.length];
      if (entry) order.push(entry);
    }
    while (order.length > capacity) this.drop(order.shift()!);
    this.ring = Array.from({ length: capacity });
    for (let i = 0; i < order.length; i++) this.ring[i] = order[i];
    this.next = capacity === 0 ? 0 : order.length % capacity;
  }

  /** deleteSeries forgets the exemplars of series that satisfy the matchers. */
  deleteSeries(matcherSets: readonly (readonly Matcher[])[], startMs: number, endMs: number): void {
    for (const entry of this.bySeries.values()) {
      if (!matcherSets.some((matchers) => matchesAll(entry.labels, matchers))) continue;
      const kept = entry.exemplars.filter((exemplar) => exemplar.timeMs < startMs || exemplar.timeMs > endMs);
      let gone = entry.exemplars.length - kept.length;
      if (gone === 0) continue;
      this.count -= gone;
      entry.exemplars.splice(0, entry.exemplars.length, ...kept);
      // Which of its places in the ring are vacated does not matter: they are alike, and the oldest goes first.
      for (let i = 0; i < this.ring.length && gone > 0; i++) {
        const at = (this.next + i) % this.ring.length;
        if (this.ring[at] === entry) {
          this.ring[at] = undefined;
          gone--;
        }
      }
      if (kept.length === 0) this.bySeries.delete(entry.labels.key);
    }
  }

  private evict(): void {
    const oldest = this.ring[this.next];
    if (oldest === undefined) return;
    this.ring[this.next] = undefined;
    this.drop(oldest);
  }

  private drop(entry: SeriesExemplars): void {
    const dropped = entry.exemplars.shift()!;
    this.completeFromMs = Math.max(this.completeFromMs, dropped.timeMs + 1);
    this.count--;
    if (entry.exemplars.length === 0) this.bySeries.delete(entry.labels.key);
  }
}

/** sameExemplar compares as upstream: the time counts only where one of them came with a time of its own. */
export function sameExemplar(a: Exemplar, b: Exemplar): boolean {
  if (!a.labels.equals(b.labels)) return false;
  if ((a.hasTime || b.hasTime) && a.timeMs !== b.timeMs) return false;
  return Object.is(a.value, b.value);
}

function isBefore(a: Exemplar, b: Exemplar): boolean {
  if (a.timeMs !== b.timeMs) return a.timeMs < b.timeMs;
  if (a.value !== b.value) return a.value < b.value;
  return compareLabels(a.labels, b.labels) < 0;
}

function lengthInCharacters(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xdc00) count--;
  return count;
}
