import { expect, test } from "vitest";
import { hasConformance } from "./data.ts";
import { runDiscovery, suite } from "./discovery-suite.ts";

test.skipIf(!hasConformance(suite.data))("payloads of discovery become the targets that upstream makes", async () => {
  const rows = await runDiscovery();
  expect(rows.flatMap((row) => row.failures)).toEqual([]);
  expect(rows.map((row) => row.name)).toEqual(["file", "http", "moby"]);
});
