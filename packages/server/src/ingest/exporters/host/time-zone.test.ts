import { expect, test } from "vitest";
import { timeZoneName, zoneNameOf } from "./time-zone.ts";

test.each([
  ["CET-1CEST,M3.5.0,M10.5.0/3", 3600, "CET"],
  ["CET-1CEST,M3.5.0,M10.5.0/3", 7200, "CEST"],
  ["EST5EDT,M3.2.0,M11.1.0", -18000, "EST"],
  ["EST5EDT,M3.2.0,M11.1.0", -14400, "EDT"],
  ["<+0330>-3:30", 12600, "+0330"],
  ["IST-5:30", 19800, "IST"],
  ["<-03>3", -10800, "-03"],
  ["IST-1GMT0,M10.5.0,M3.5.0/1", 0, "GMT"],
  ["<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 39600, "+11"],
  ["UTC0", 0, "UTC"],
  ["CET-1", 7200, undefined],
  ["Europe/Berlin", 3600, undefined],
  ["", 0, undefined],
])("the name in %s at %i s", (rule, offset, name) => {
  expect(zoneNameOf(rule, offset)).toBe(name);
});

test("the local zone has a name", () => {
  expect(timeZoneName(Date.now(), -new Date().getTimezoneOffset() * 60)).toMatch(/^\S+$/);
});
