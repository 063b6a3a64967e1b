import { Labels, Matcher, matchesAll, type MatchType } from "@belfry/core/model";
import { describe, expect, test } from "vitest";
import { LabelIndex } from "./label-index.ts";

class Fixture {
  readonly index = new LabelIndex();
  readonly series = new Map<number, Labels>();
  readonly pairsOf = (slot: number): readonly string[] => this.series.get(slot)!.pairs;

  add(slot: number, record: Record<string, string>): void {
    const labels = Labels.fromRecord(record);
    this.series.set(slot, new Labels(this.index.add(slot, labels.pairs)));
  }

  remove(...slots: number[]): void {
    const marks = new Uint8Array(1 + Math.max(...this.series.keys()));
    for (const slot of slots) marks[slot] = 1;
    this.index.remove(slots, marks, this.pairsOf);
    for (const slot of slots) this.series.delete(slot);
  }

  select(matchers: readonly Matcher[]): number[] {
    return [...this.index.select(matchers, this.pairsOf)];
  }

  expected(matchers: readonly Matcher[]): number[] {
    return [...this.series]
      .filter(([, labels]) => matchesAll(labels, matchers))
      .map(([slot]) => slot)
      .sort((a, b) => a - b);
  }
}

describe("[HD30] the empty string stands for an absent label", () => {
  const fixture = new Fixture();
  fixture.add(0, { __name__: "m", env: "prod" });
  fixture.add(1, { __name__: "m", env: "dev" });
  fixture.add(2, { __name__: "m" });
  const cases: [MatchType, string, number[]][] = [
    ["=", "prod", [0]],
    ["=", "", [2]],
    ["=", "none", []],
    ["!=", "prod", [1, 2]],
    ["!=", "", [0, 1]],
    ["=~", "prod|dev", [0, 1]],
    ["=~", "prod|", [0, 2]],
    ["=~", "p.*", [0]],
    ["=~", ".*", [0, 1, 2]],
    ["=~", ".+", [0, 1]],
    ["=~", "", [2]],
    ["!~", "p.*", [1, 2]],
    ["!~", ".*", []],
    ["!~", ".+", [2]],
    ["!~", "prod|", [1]],
    ["!~", "", [0, 1]],
  ];
  test.each(cases)("env%s%j", (type, value, want) => {
    expect(fixture.select([new Matcher(type, "env", value)])).toEqual(want);
    expect(fixture.select([new Matcher("=", "__name__", "m"), new Matcher(type, "env", value)])).toEqual(want);
  });
  test("of a label nobody has", () => {
    expect(fixture.select([new Matcher("=", "zone", "")])).toEqual([0, 1, 2]);
    expect(fixture.select([new Matcher("!=", "zone", "a")])).toEqual([0, 1, 2]);
    expect(fixture.select([new Matcher("=~", "zone", "a.*")])).toEqual([]);
    expect(fixture.select([new Matcher("!~", "zone", "a?")])).toEqual([]);
  });
  test("without matchers everything", () => {
    expect(fixture.select([])).toEqual([0, 1, 2]);
  });
});

// Sizes on both sides of where the index changes from testing series to uniting postings.
test.each([1, 2, 3, 4, 5, 6])("[HD31] any matchers give what testing every series gives, seed %i", (seed) => {
  let state = seed * 7919;
  const next = (n: number): number => ((state = (state * 48271) % 2147483647), state % n);
  const fixture = new Fixture();
  const names = ["a", "b", "c", "d"];
  const free: number[] = [];
  let top = 0;
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 400; i++) {
      const record: Record<string, string> = { __name__: `m${next(3)}`, id: `v${next(300)}` };
      for (const name of names) if (next(3) > 0) record[name] = `v${next(name === "a" ? 200 : 6)}`;
      fixture.add(free.length > 0 && next(2) === 0 ? free.pop()! : top++, record);
    }
    const dead = [...fixture.series.keys()].filter(() => next(3) === 0);
    fixture.remove(...dead);
    free.push(...dead);
    const values = ["", "v1", "v2|v3", "v1.*", ".*", ".+", "v(1|2)", "v1|", "nothing", "v[0-9]", "v1.?"];
    const types: MatchType[] = ["=", "!=", "=~", "!~"];
    for (let i = 0; i < 150; i++) {
      const matchers = Array.from(
        { length: 1 + next(4) },
        () =>
          new Matcher(
            types[next(4)]!,
            ["__name__", "id", "missing", ...names][next(7)]!,
            i % 5 === 0 ? `m${next(4)}` : values[next(values.length)]!,
          ),
      );
      expect(fixture.select(matchers), matchers.join(",")).toEqual(fixture.expected(matchers));
    }
    const pairs = new Set<string>();
    for (const labels of fixture.series.values()) for (const [name, value] of labels) pairs.add(`${name}=${value}`);
    expect(fixture.index.pairCount).toBe(pairs.size);
  }
  fixture.remove(...fixture.series.keys());
  expect(fixture.index.names(() => true)).toEqual([]);
  expect(fixture.select([])).toEqual([]);
  expect(fixture.index.pairCount).toBe(0);
});

test("[HD32] names and values of the series that are wanted", () => {
  const fixture = new Fixture();
  fixture.add(0, { __name__: "a", env: "prod", zone: "x" });
  fixture.add(1, { __name__: "b", env: "prod" });
  fixture.add(2, { __name__: "b", env: "dev" });
  const { index } = fixture;
  expect(index.names((slot) => slot > 0)).toEqual(["__name__", "env"]);
  expect(index.names(() => false)).toEqual([]);
  expect(index.values("env", () => true)).toEqual(["prod", "dev"]);
  expect(index.values("env", (slot) => slot === 2)).toEqual(["dev"]);
  expect(index.values("missing", () => true)).toEqual([]);
});

test("cardinality statistics", () => {
  const fixture = new Fixture();
  for (let i = 0; i < 10; i++) fixture.add(i, { __name__: i < 7 ? "busy" : "calm", id: `x${i}`, zone: "ü" });
  const { index } = fixture;
  expect(index.seriesCountByValue("__name__", 10)).toEqual([
    { name: "busy", value: 7 },
    { name: "calm", value: 3 },
  ]);
  expect(index.valueCountByName(2)).toEqual([
    { name: "id", value: 10 },
    { name: "__name__", value: 2 },
  ]);
  expect(index.seriesCountByPair(2)).toEqual([
    { name: "zone=ü", value: 10 },
    { name: "__name__=busy", value: 7 },
  ]);
  expect(index.bytesByName(3)).toEqual([
    { name: "__name__", value: 10 * (2 + 8 + 4) },
    { name: "zone", value: 10 * (2 + 4 + 2) },
    { name: "id", value: 10 * (2 + 2 + 2) },
  ]);
});
