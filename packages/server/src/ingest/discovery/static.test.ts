import { expect, test } from "vitest";
import { plainGroups, start } from "./discovery-fixture.ts";
import { staticDiscoverer } from "./static.ts";

test("emits what the configuration lists, once, and ends when told", async () => {
  const group = { source: "0", targets: [new Map([["__address__", "a:1"]])], labels: new Map([["job", "x"]]) };
  const running = start(staticDiscoverer({ kind: "static", groups: [group] }));
  expect(running.updates).toBe(1);
  expect(plainGroups(running.groups.values())).toEqual([
    { source: "0", targets: [{ __address__: "a:1" }], labels: { job: "x" } },
  ]);
  await running.stop();
  expect(running.updates).toBe(1);
});

test("without groups it speaks all the same", async () => {
  const running = start(staticDiscoverer({ kind: "static", groups: [] }));
  expect(running.updates).toBe(1);
  await running.stop();
});
