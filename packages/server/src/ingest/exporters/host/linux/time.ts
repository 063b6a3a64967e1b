import type { CollectorDefinition } from "../collector.ts";
import { fields } from "../host-files.ts";
import { timeZoneName } from "../time-zone.ts";

/** time tells the clock, its zone and where the kernel takes it from. */
export const time: CollectorDefinition = {
  name: "time",
  create: ({ files, now }) => ({
    collect(out) {
      const nowMs = now();
      const offsetMinutes = -new Date(nowMs).getTimezoneOffset();
      out.gauge("node_time_seconds", "System time in seconds since epoch (1970).", nowMs / 1000);
      out
        .family("gauge", "node_time_zone_offset_seconds", "System time zone offset in seconds.", ["time_zone"])
        .add(offsetMinutes * 60, timeZoneName(nowMs, offsetMinutes * 60));
      const available = out.family(
        "gauge",
        "node_time_clocksource_available_info",
        "Available clocksources read from '/sys/devices/system/clocksource'.",
        ["device", "clocksource"],
      );
      const current = out.family(
        "gauge",
        "node_time_clocksource_current_info",
        "Current clocksource read from '/sys/devices/system/clocksource'.",
        ["device", "clocksource"],
      );
      const dir = files.sysPath("devices/system/clocksource");
      for (const name of files.listNumbered(dir, "clocksource")) {
        const device = name.slice("clocksource".length);
        for (const source of fields(files.tryRead(`${dir}/${name}/available_clocksource`) ?? "")) {
          if (source !== "") available.add(1, device, source);
        }
        const source = files.tryRead(`${dir}/${name}/current_clocksource`);
        if (source !== undefined) current.add(1, device, source);
      }
    },
  }),
};
