import { expect, test } from "vitest";
import { runConfig, suite } from "./config-suite.ts";
import { hasConformance } from "./data.ts";

test.skipIf(!hasConformance(suite.data))("configuration files are judged as upstream does, file by file", async () => {
  const rows = await runConfig();
  expect(rows.flatMap((row) => row.failures)).toEqual([]);
  expect(rows.every((row) => row.passed > 0)).toBe(true);
});
