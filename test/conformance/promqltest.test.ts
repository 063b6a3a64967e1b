import { describe, expect, test } from "vitest";
import { hasConformance } from "./data.ts";
import { newScriptEngine, runScriptFile, scriptFiles, suite } from "./promqltest-suite.ts";

describe.skipIf(!hasConformance(suite.data))("conformance: promql/promqltest", () => {
  const files = scriptFiles();
  // Without the data there would be no test to be skipped by name.
  if (files.length === 0) test("upstream's scripts", () => {});
  test.each(files)("%s", async (file) => {
    const row = await runScriptFile(file, newScriptEngine());
    expect(row.failures).toEqual([]);
    expect(row.passed).toBeGreaterThan(0);
  });
});
