import type { CollectorDefinition } from "../collector.ts";

/** thermalZone reads temperatures and cooling devices below /sys/class/thermal. */
export const thermalZone: CollectorDefinition = {
  name: "thermal_zone",
  create: ({ files }) => ({
    async collect(out) {
      const dir = files.sysPath("class/thermal");
      const temperature = out.family("gauge", "node_thermal_zone_temp", "Zone temperature in Celsius", [
        "zone",
        "type",
      ]);
      for (const name of files.listNumbered(dir, "thermal_zone")) {
        // A sensor may be asleep, or not there yet; then the zone is left out.
        const [type, temp] = await Promise.all([
          files.readSlow(`${dir}/${name}/type`),
          files.readSlow(`${dir}/${name}/temp`),
        ]);
        const value = Number(temp);
        if (type === undefined || temp === undefined || Number.isNaN(value)) continue;
        temperature.add(value / 1000, name.slice("thermal_zone".length), type);
      }
      const current = out.family(
        "gauge",
        "node_cooling_device_cur_state",
        "Current throttle state of the cooling device",
        ["name", "type"],
      );
      const maximum = out.family(
        "gauge",
        "node_cooling_device_max_state",
        "Maximum throttle state of the cooling device",
        ["name", "type"],
      );
      for (const name of files.listNumbered(dir, "cooling_device")) {
        const [type, cur, max] = await Promise.all(
          ["type", "cur_state", "max_state"].map((file) => files.readSlow(`${dir}/${name}/${file}`)),
        );
        if (type === undefined || cur === undefined || max === undefined) continue;
        const device = name.slice("cooling_device".length);
        current.add(Number(cur), device, type);
        maximum.add(Number(max), device, type);
      }
    },
  }),
};
