import { describe, expect, test } from "vitest";
import { hasConformance } from "./data.ts";
import { newScriptEngine, runScriptFile, scriptFiles } from "./promqltest-suite.ts";

describe.skipIf(!hasConformance("promql/promqltest"))("conformance: promql/promqltest", () => {
  test.each(scriptFiles())("%s", async (file) => {
    const row = await runScriptFile(file, newScriptEngine());
    expect(row.failures).toEqual([]);
    expect(row.passed).toBeGreaterThan(0);
  });
});
