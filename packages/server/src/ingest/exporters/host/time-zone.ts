// The abbreviated name of the local time zone, as C and Go print it (CET, not GMT+1). JavaScript knows the offset at any
// moment but not the name, so the name comes from the end of the zone file, where the rule for the present stands:
//
//   TZif ... <data> \n CET-1CEST,M3.5.0,M10.5.0/3 \n       names and offsets of standard and summer time (west is +)
import { readFileSync } from "node:fs";

const ZONE_DIRS = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo"];

const cache = new Map<number, string>();

/** timeZoneName is the name of the local zone while its offset from UTC is `offsetSeconds` (east is positive). */
export function timeZoneName(nowMs: number, offsetSeconds: number): string {
  let name = cache.get(offsetSeconds);
  if (name === undefined) {
    name = zoneNameOf(readRule(process.env.TZ), offsetSeconds) ?? fallbackName(nowMs, offsetSeconds);
    cache.set(offsetSeconds, name);
  }
  return name;
}

/** zoneNameOf finds the name with this offset in a POSIX TZ rule; undefined when it has none. */
export function zoneNameOf(rule: string, offsetSeconds: number): string | undefined {
  const name = "(<[^>]+>|[A-Za-z]+)";
  const time = "([+-]?\\d+(?::\\d+(?::\\d+)?)?)";
  const parts = new RegExp(`^${name}${time}(?:${name}${time}?)?(?:,|$)`).exec(rule);
  if (parts === null) return undefined;
  const [, standard, standardOffset, summer, summerOffset] = parts;
  const eastOfStandard = -seconds(standardOffset);
  if (eastOfStandard === offsetSeconds) return standard.replace(/[<>]/g, "");
  if (summer === undefined) return undefined;
  const eastOfSummer = summerOffset === undefined ? eastOfStandard + 3600 : -seconds(summerOffset);
  return eastOfSummer === offsetSeconds ? summer.replace(/[<>]/g, "") : undefined;
}

function seconds(time: string): number {
  const [hours, minutes = "0", rest = "0"] = time.replace(/^[+-]/, "").split(":");
  const value = Number(hours) * 3600 + Number(minutes) * 60 + Number(rest);
  return time.startsWith("-") ? -value : value;
}

function readRule(zone: string | undefined): string {
  // TZ="" means UTC, no TZ means the system's zone.
  if (zone === "") return "UTC0";
  const path = zone?.replace(/^:/, "");
  const candidates =
    path === undefined ? ["/etc/localtime"] : path.startsWith("/") ? [path] : ZONE_DIRS.map((dir) => `${dir}/${path}`);
  for (const candidate of candidates) {
    try {
      const bytes = readFileSync(candidate);
      if (bytes.toString("latin1", 0, 4) !== "TZif") continue;
      return bytes.toString("latin1", bytes.lastIndexOf(0x0a, bytes.length - 2) + 1).trim();
    } catch {
      // The next one, or the fallback.
    }
  }
  // A rule may stand in TZ itself; a machine without a zone file runs in UTC.
  return path ?? "UTC0";
}

function fallbackName(nowMs: number, offsetSeconds: number): string {
  if (offsetSeconds === 0) return "UTC";
  const parts = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(nowMs);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}
