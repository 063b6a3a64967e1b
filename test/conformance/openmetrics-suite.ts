// The OpenMetrics test suite: whole expositions that a strict parser must accept or refuse.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ExpositionError, readStrictOpenMetrics } from "../../packages/server/src/ingest/exposition/index.ts";
import { CONFORMANCE_ROOT, hasConformance } from "./data.ts";
import type { ConformanceSuite, SuiteOptions, SuiteRow } from "./suite.ts";

const DATA = "exposition/openmetrics/parsers";

/** suite checks validity only: the suite says nothing about the words of an error. */
export const suite: ConformanceSuite = { name: "OpenMetrics", data: DATA, run };

async function run({ filter }: SuiteOptions): Promise<SuiteRow[]> {
  const valid: SuiteRow = { name: "valid", passed: 0, failed: 0, skipped: 0, failures: [] };
  const invalid: SuiteRow = { name: "invalid", passed: 0, failed: 0, skipped: 0, failures: [] };
  if (!hasConformance(DATA)) return [valid, invalid];
  for (const name of readdirSync(join(CONFORMANCE_ROOT, DATA)).toSorted()) {
    if (!name.includes(filter)) continue;
    const folder = join(CONFORMANCE_ROOT, DATA, name);
    const test = JSON.parse(readFileSync(join(folder, "test.json"), "utf8")) as { file: string; shouldParse: boolean };
    const body = readFileSync(join(folder, test.file));
    const row = test.shouldParse ? valid : invalid;
    const error = errorOf(body);
    if ((error === undefined) === test.shouldParse) row.passed++;
    else {
      row.failed++;
      const message = test.shouldParse ? `refused: ${error}` : "accepted, but is not valid";
      row.failures.push({ where: name, input: body.toString("utf8"), message });
    }
  }
  return [valid, invalid];
}

function errorOf(body: Uint8Array): string | undefined {
  try {
    readStrictOpenMetrics(body);
    return undefined;
  } catch (error) {
    if (error instanceof ExpositionError) return error.message;
    throw error;
  }
}
