import { expect, test } from "vitest";
import { hasConformance } from "./data.ts";
import { suite } from "./exposition-suite.ts";

test.skipIf(!hasConformance(suite.data))("all expositions are read whole and alike", async () => {
  const rows = await suite.run({ filter: "" });
  expect(rows.flatMap((row) => row.failures)).toEqual([]);
  expect(rows.filter((row) => row.passed > 0).length).toBeGreaterThan(8);
});
