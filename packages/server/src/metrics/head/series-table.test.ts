import { Labels } from "@belfry/core/model";
import { expect, test } from "vitest";
import { fingerprint, hashLabels } from "./fingerprint.ts";
import { SeriesTable } from "./series-table.ts";

const copy = (_slot: number, pairs: readonly string[]): string[] => [...pairs];

test("[ST23] fingerprints are part of the storage format and never change", () => {
  const of = (pairs: readonly string[], salt?: number): string => {
    hashLabels(pairs, salt);
    return fingerprint[0]!.toString(16).padStart(8, "0") + fingerprint[1]!.toString(16).padStart(8, "0");
  };
  expect([
    of([]),
    of(["__name__", "up"]),
    of(["__name__", "up"], 1),
    of(["__name__", "up", "instance", "localhost:9090", "job", "prometheus"]),
    of(["a", "b", "c", "d"]),
    of(["ab", "cd", "", ""]),
    of(["käse", "🧀"]),
  ]).toMatchInlineSnapshot(`
    [
      "581a4f7adfbac253",
      "8b96bf153650cb4f",
      "2c67acca4e7aa0ce",
      "9d9a8ce9203f1d60",
      "29b68f1936d09600",
      "30584fa22fad3e69",
      "5b672f70def1380f",
    ]
  `);
});

test("[ST23] fingerprints of similar label sets do not collide", () => {
  const seen = new Set<number>();
  const halves = [new Set<number>(), new Set<number>()];
  const count = 400_000;
  for (let i = 0; i < count; i++) {
    hashLabels(["__name__", "m", "instance", `10.0.${i >> 8}.${i & 255}:9100`, "le", String(i % 13)]);
    seen.add(fingerprint[0]! * 2 ** 21 + (fingerprint[1]! >>> 11));
    halves[0]!.add(fingerprint[0]!);
    halves[1]!.add(fingerprint[1]!);
  }
  expect(seen.size).toBe(count);
  // A random 32-bit hash would have about 18.6 collisions (n^2 / 2^33).
  for (const half of halves) expect(count - half.size).toBeLessThan(45);
});

test("[ST23] two label sets with one fingerprint are two series with two ids", () => {
  const table = new SeriesTable();
  const a = ["__name__", "a"];
  const b = ["__name__", "b"];
  hashLabels(b);
  const [high, low] = fingerprint;
  // `a` sits under the id that `b` would get.
  const first = table.createWithId(a, high!, low!, copy);
  expect(table.find(b)).toBe(-1);
  const second = table.create(b, copy);
  expect(table.find(a)).toBe(first);
  expect(table.find(b)).toBe(second);
  expect([table.idHigh[second], table.idLow[second]]).not.toEqual([high, low]);
  expect(table.findId(high!, low!)).toBe(first);
  expect(table.findId(table.idHigh[second]!, table.idLow[second]!)).toBe(second);
  table.remove(first);
  expect(table.find(b)).toBe(second);
  table.remove(second);
  expect(table.findId(high!, low!)).toBe(-1);
});

test("series are found while others come and go", () => {
  const table = new SeriesTable();
  const live = new Map<string, number>();
  let state = 12345;
  const next = (n: number): number => ((state = (state * 48271) % 2147483647), state % n);
  for (let i = 0; i < 20_000; i++) {
    const key = `s${next(3000)}`;
    const pairs = ["__name__", key];
    const known = live.get(key);
    expect(table.find(pairs)).toBe(known ?? -1);
    if (known === undefined) live.set(key, table.create(pairs, copy));
    else if (next(2) === 0) {
      const ref = table.refOf(known);
      expect(table.slotOf(ref)).toBe(known);
      table.remove(known);
      expect(table.slotOf(ref)).toBe(-1);
      live.delete(key);
    }
  }
  expect(table.size).toBe(live.size);
  for (const [key, slot] of live) expect(table.labels(slot).equals(Labels.fromRecord({ __name__: key }))).toBe(true);
});
