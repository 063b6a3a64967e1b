import { expect, test } from "vitest";
import { hasConformance } from "./data.ts";
import { suite } from "./openmetrics-suite.ts";

test.skipIf(!hasConformance(suite.data))("the OpenMetrics suite is judged right, case by case", async () => {
  const rows = await suite.run({ filter: "" });
  expect(rows.flatMap((row) => row.failures)).toEqual([]);
  expect(rows.every((row) => row.passed > 0)).toBe(true);
});
