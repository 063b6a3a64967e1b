import { Labels } from "@belfry/core/model";
import { expect, test } from "vitest";
import { fingerprint, hashLabels, hashName } from "./fingerprint.ts";
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
      "3cd64f7adfbac253",
      "c1d1bf153650cb4f",
      "c1d1acca4e7aa0ce",
      "c1d18ce9203f1d60",
      "3cd68f1936d09600",
      "3cd64fa22fad3e69",
      "3cd62f70def1380f",
    ]
  `);
});

test("[ST23] fingerprints of similar label sets do not collide", () => {
  const seen = new Set<number>();
  const middle = new Set<number>();
  const low = new Set<number>();
  const count = 400_000;
  const names = new Set<number>();
  for (let i = 0; i < count; i++) {
    hashLabels(["__name__", "m", "instance", `10.0.${i >> 8}.${i & 255}:9100`, "le", String(i % 13)]);
    const [x, y] = fingerprint as unknown as [number, number];
    names.add(x >>> 16);
    seen.add((x & 0xffff) * 2 ** 32 + y);
    middle.add(((x & 0xffff) * 65536 + (y & 0xffff)) | 0);
    low.add(y);
  }
  expect([...names]).toEqual([hashName("m")]);
  expect(seen.size).toBe(count);
  // A random 32-bit hash would have about 18.6 collisions (n^2 / 2^33).
  for (const half of [middle, low]) expect(count - half.size).toBeLessThan(45);
});

test("[ST23] names spread over their 16 bits", () => {
  const hashes = new Set(Array.from({ length: 2000 }, (_, i) => hashName(`metric_${i}_total`)));
  // 2,000 of 65,536 places: about 30 collisions.
  expect(hashes.size).toBeGreaterThan(1940);
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
