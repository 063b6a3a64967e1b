// The label index answers which series have a label, and is where label strings live: every series refers to the
// one copy kept here. Most values of high-cardinality labels belong to one series, so a value's postings are a
// plain number until there is a second one.
import type { Matcher } from "@belfry/core/model";
import { intersect, Postings, subtract } from "./postings.ts";

// An entry of the value table: string header and pointers, two map words, the postings cell.
const VALUE_BYTES = 72;
// Below this many candidate series, testing their labels one by one beats evaluating a matcher on all values.
const FEW_CANDIDATES = 64;
// A dashboard repeats a few dozen regular expressions; 200,000 remembered values are about 10 MB.
const REMEMBERED_MATCHERS = 64;
const REMEMBERED_VALUES = 200_000;

/** LabelColumn is one label name: its values and their postings. */
class LabelColumn {
  readonly name: string;
  readonly ids = new Map<string, number>();
  readonly values: (string | undefined)[] = [];
  readonly postings: (number | Postings)[] = [];
  readonly freeIds: number[] = [];
  /** series counts the series that have the label. */
  series = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** LabelCount is a name with a number, for the cardinality statistics. */
export interface LabelCount {
  name: string;
  value: number;
}

/** LabelIndex maps labels to series slots. */
export class LabelIndex {
  private readonly columns = new Map<string, LabelColumn>();
  private readonly everything = new Postings(1024);
  private readonly remembered = new Map<string, Map<string, boolean>>();
  private rememberedValues = 0;
  private bytes = 0;

  /** add enters a series and returns its pairs with every string replaced by the index' own copy. */
  add(slot: number, pairs: readonly string[]): string[] {
    const interned: string[] = Array.from({ length: pairs.length });
    for (let i = 0; i < pairs.length; i += 2) {
      let column = this.columns.get(pairs[i]!);
      if (column === undefined) {
        const name = detached(pairs[i]!);
        column = new LabelColumn(name);
        this.columns.set(name, column);
        this.bytes += 500 + name.length;
      }
      let id = column.ids.get(pairs[i + 1]!);
      if (id === undefined) {
        const value = detached(pairs[i + 1]!);
        id = column.freeIds.pop() ?? column.values.length;
        column.ids.set(value, id);
        column.values[id] = value;
        column.postings[id] = slot;
        this.bytes += VALUE_BYTES + value.length;
      } else {
        let postings = column.postings[id]!;
        if (typeof postings === "number") {
          const first = postings;
          postings = new Postings();
          postings.add(first);
          column.postings[id] = postings;
          this.bytes += postings.sizeBytes;
        }
        this.bytes -= postings.sizeBytes;
        postings.add(slot);
        this.bytes += postings.sizeBytes;
      }
      column.series++;
      interned[i] = column.name;
      interned[i + 1] = column.values[id]!;
    }
    this.everything.add(slot);
    return interned;
  }

  /** remove takes series out; `marks` is set exactly for these slots and `pairsOf` gives their labels. */
  remove(slots: readonly number[], marks: Uint8Array, pairsOf: (slot: number) => readonly string[]): void {
    const affected = new Map<LabelColumn, Set<number>>();
    for (const slot of slots) {
      const pairs = pairsOf(slot);
      for (let i = 0; i < pairs.length; i += 2) {
        const column = this.columns.get(pairs[i]!)!;
        column.series--;
        let ids = affected.get(column);
        if (ids === undefined) affected.set(column, (ids = new Set()));
        ids.add(column.ids.get(pairs[i + 1]!)!);
      }
    }
    for (const [column, ids] of affected) {
      for (const id of ids) {
        const postings = column.postings[id]!;
        if (typeof postings !== "number") {
          this.bytes -= postings.sizeBytes;
          postings.removeMarked(marks);
          if (postings.length > 1) {
            this.bytes += postings.sizeBytes;
            continue;
          }
          if (postings.length === 1) {
            column.postings[id] = postings.list()[0]!;
            continue;
          }
        }
        const value = column.values[id]!;
        this.bytes -= VALUE_BYTES + value.length;
        column.ids.delete(value);
        column.values[id] = undefined;
        column.postings[id] = 0;
        column.freeIds.push(id);
      }
      if (column.ids.size === 0) {
        this.columns.delete(column.name);
        this.bytes -= 500 + column.name.length;
      }
    }
    this.everything.removeMarked(marks);
  }

  /** select returns the slots of the series that satisfy all matchers, ascending; a view valid until the index changes. */
  select(matchers: readonly Matcher[], pairsOf: (slot: number) => readonly string[]): Uint32Array {
    let candidates: Uint32Array | undefined;
    const rest: Matcher[] = [];
    // Equality and plain alternations first: they are look-ups and usually leave little.
    for (const matcher of matchers) {
      const values = matcher.type === "=" ? [matcher.value] : matcher.setMatches;
      if (values === undefined || values.includes("")) {
        rest.push(matcher);
        continue;
      }
      const found = this.postingsOf(matcher.name, values);
      candidates = candidates === undefined ? found : intersect(candidates, found);
      if (candidates.length === 0) return candidates;
    }
    const late: Matcher[] = [];
    for (const matcher of rest) {
      if (candidates !== undefined && this.cheaperPerSeries(matcher, candidates.length)) late.push(matcher);
      else if (matcher.matchesEmpty) late.push(matcher);
      else {
        const found = this.postingsMatching(matcher, true);
        candidates = candidates === undefined ? found : intersect(candidates, found);
        if (candidates.length === 0) return candidates;
      }
    }
    candidates ??= this.everything.list();
    for (const matcher of late) {
      if (candidates.length === 0) return candidates;
      if (this.cheaperPerSeries(matcher, candidates.length)) candidates = this.filter(candidates, matcher, pairsOf);
      else candidates = subtract(candidates, this.postingsMatching(matcher, false));
    }
    return candidates;
  }

  /** names returns the label names that a series with `wanted` has, unsorted. */
  names(wanted: (slot: number) => boolean): string[] {
    const names: string[] = [];
    for (const column of this.columns.values()) {
      for (const id of column.ids.values()) {
        if (!hasSlot(column.postings[id]!, wanted)) continue;
        names.push(column.name);
        break;
      }
    }
    return names;
  }

  /** values returns the values of a label that a series with `wanted` has, unsorted. */
  values(name: string, wanted: (slot: number) => boolean): string[] {
    const column = this.columns.get(name);
    if (column === undefined) return [];
    const values: string[] = [];
    for (const [value, id] of column.ids) if (hasSlot(column.postings[id]!, wanted)) values.push(value);
    return values;
  }

  /** sizeBytes estimates what the index takes. */
  get sizeBytes(): number {
    return this.bytes + this.everything.sizeBytes;
  }

  /** seriesCountByValue lists how many series each value of a label has, largest first. */
  seriesCountByValue(name: string, limit: number): LabelCount[] {
    const column = this.columns.get(name);
    if (column === undefined) return [];
    return top(limit, (offer) => {
      for (const [value, id] of column.ids) offer(value, seriesIn(column.postings[id]!));
    });
  }

  /** valueCountByName lists how many values each label name has, largest first. */
  valueCountByName(limit: number): LabelCount[] {
    return top(limit, (offer) => {
      for (const column of this.columns.values()) offer(column.name, column.ids.size);
    });
  }

  /** bytesByName lists the bytes of each label's names and values with their lengths, counted per series as upstream does. */
  bytesByName(limit: number): LabelCount[] {
    return top(limit, (offer) => {
      for (const column of this.columns.values()) {
        let bytes = 0;
        const name = Buffer.byteLength(column.name) + 2;
        for (const [value, id] of column.ids) {
          bytes += (name + Buffer.byteLength(value)) * seriesIn(column.postings[id]!);
        }
        offer(column.name, bytes);
      }
    });
  }

  /** seriesCountByPair lists how many series each `name=value` has, largest first. */
  seriesCountByPair(limit: number): LabelCount[] {
    return top(limit, (offer) => {
      for (const column of this.columns.values()) {
        for (const [value, id] of column.ids) offer(`${column.name}=${value}`, seriesIn(column.postings[id]!));
      }
    });
  }

  /** pairCount is the number of distinct label pairs. */
  get pairCount(): number {
    let pairs = 0;
    for (const column of this.columns.values()) pairs += column.ids.size;
    return pairs;
  }

  private postingsOf(name: string, values: readonly string[]): Uint32Array {
    const column = this.columns.get(name);
    if (column === undefined) return new Uint32Array(0);
    const ids: number[] = [];
    for (const value of values) {
      const id = column.ids.get(value);
      if (id !== undefined) ids.push(id);
    }
    return union(column, ids);
  }

  // postingsMatching is the union over the values for which the matcher says `wanted`.
  private postingsMatching(matcher: Matcher, wanted: boolean): Uint32Array {
    const column = this.columns.get(matcher.name);
    if (column === undefined) return new Uint32Array(0);
    const ids: number[] = [];
    const matches = this.testOf(matcher);
    for (const [value, id] of column.ids) if (matches(value) === wanted) ids.push(id);
    return union(column, ids);
  }

  private cheaperPerSeries(matcher: Matcher, candidates: number): boolean {
    if (candidates <= FEW_CANDIDATES) return true;
    const column = this.columns.get(matcher.name);
    return column !== undefined && candidates < column.ids.size;
  }

  private filter(slots: Uint32Array, matcher: Matcher, pairsOf: (slot: number) => readonly string[]): Uint32Array {
    const matches = this.testOf(matcher);
    const { name } = matcher;
    const out = new Uint32Array(slots.length);
    let count = 0;
    for (let i = 0; i < slots.length; i++) {
      const pairs = pairsOf(slots[i]!);
      let value = "";
      for (let p = 0; p < pairs.length; p += 2) {
        if (pairs[p] === name) {
          value = pairs[p + 1]!;
          break;
        }
      }
      if (matches(value)) out[count++] = slots[i]!;
    }
    return out.subarray(0, count);
  }

  // testOf remembers what a regular expression said of a value: the same panels ask again and again.
  private testOf(matcher: Matcher): (value: string) => boolean {
    if (matcher.type === "=" || matcher.type === "!=" || matcher.setMatches !== undefined) {
      return (value) => matcher.matches(value);
    }
    const key = matcher.type + matcher.value;
    let known = this.remembered.get(key);
    if (known === undefined) {
      if (this.remembered.size >= REMEMBERED_MATCHERS || this.rememberedValues > REMEMBERED_VALUES) this.forget();
      known = new Map();
    } else this.remembered.delete(key);
    // Last in the map is last used.
    this.remembered.set(key, known);
    const answers = known;
    return (value) => {
      let answer = answers.get(value);
      if (answer === undefined) {
        answer = matcher.matches(value);
        if (this.rememberedValues <= REMEMBERED_VALUES) {
          answers.set(value, answer);
          this.rememberedValues++;
        }
      }
      return answer;
    };
  }

  private forget(): void {
    for (const [key, answers] of this.remembered) {
      this.remembered.delete(key);
      this.rememberedValues -= answers.size;
      if (this.remembered.size < REMEMBERED_MATCHERS && this.rememberedValues <= REMEMBERED_VALUES / 2) return;
    }
  }
}

function hasSlot(postings: number | Postings, wanted: (slot: number) => boolean): boolean {
  return typeof postings === "number" ? wanted(postings) : postings.list().some(wanted);
}

function seriesIn(postings: number | Postings): number {
  return typeof postings === "number" ? 1 : postings.length;
}

// union of the postings of some values; a series has one value per label, so the lists are disjoint.
function union(column: LabelColumn, ids: readonly number[]): Uint32Array {
  if (ids.length === 1) {
    const postings = column.postings[ids[0]!]!;
    return typeof postings === "number" ? Uint32Array.of(postings) : postings.list();
  }
  let length = 0;
  for (const id of ids) length += seriesIn(column.postings[id]!);
  const out = new Uint32Array(length);
  let at = 0;
  let ascending = true;
  for (const id of ids) {
    const postings = column.postings[id]!;
    if (typeof postings === "number") {
      if (at > 0 && out[at - 1]! > postings) ascending = false;
      out[at++] = postings;
    } else {
      const list = postings.list();
      if (at > 0 && out[at - 1]! > list[0]!) ascending = false;
      out.set(list, at);
      at += list.length;
    }
  }
  return ascending ? out : out.sort();
}

// detached copies a string: a slice of a scrape body would keep the whole body alive.
function detached(text: string): string {
  return text.length < 13 ? text : Buffer.from(text, "utf16le").toString("utf16le");
}

function top(limit: number, scan: (offer: (name: string, value: number) => void) => void): LabelCount[] {
  const best: LabelCount[] = [];
  scan((name, value) => {
    if (best.length === limit && value <= best[limit - 1]!.value) return;
    let at = best.length;
    while (at > 0 && best[at - 1]!.value < value) at--;
    best.splice(at, 0, { name, value });
    if (best.length > limit) best.pop();
  });
  return best;
}
