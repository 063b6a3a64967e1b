import { type CollectorDefinition, NoDataError } from "../collector.ts";
import { nameFilter } from "../name-filter.ts";

// Name of the metric, where it differs from the attribute's.
const RENAMED: Readonly<Record<string, string>> = {
  charge_now: "charge_ampere",
  current_now: "current_ampere",
  cycle_count: "cyclecount",
  energy_now: "energy_watthour",
  power_now: "power_watt",
  time_to_empty_now: "time_to_empty_seconds",
  time_to_full_now: "time_to_full_seconds",
  voltage_now: "voltage_volt",
};

const PLAIN = [
  "authentic",
  "calibrate",
  "capacity",
  "capacity_alert_max",
  "capacity_alert_min",
  "cycle_count",
  "online",
  "present",
  "time_to_empty_now",
  "time_to_full_now",
];
// In millionths of the unit.
const MICRO = [
  "current_boot",
  "current_max",
  "current_now",
  "energy_empty",
  "energy_empty_design",
  "energy_full",
  "energy_full_design",
  "energy_now",
  "voltage_boot",
  "voltage_max",
  "voltage_max_design",
  "voltage_min",
  "voltage_min_design",
  "voltage_now",
  "voltage_ocv",
  "charge_control_limit",
  "charge_control_limit_max",
  "charge_counter",
  "charge_empty",
  "charge_empty_design",
  "charge_full",
  "charge_full_design",
  "charge_now",
  "charge_term_current",
  "constant_charge_current",
  "constant_charge_current_max",
  "constant_charge_voltage",
  "constant_charge_voltage_max",
  "precharge_current",
  "input_current_limit",
  "power_now",
];
// In tenths of a degree.
const TENTHS = [
  "temp",
  "temp_alert_max",
  "temp_alert_min",
  "temp_ambient",
  "temp_ambient_max",
  "temp_ambient_min",
  "temp_max",
  "temp_min",
];
const INFO = [
  "capacity_level",
  "charge_type",
  "health",
  "manufacturer",
  "model_name",
  "serial_number",
  "status",
  "technology",
  "type",
  "usb_type",
  "scope",
];

const FACTORS = new Map<string, { metric: string; divisor: number }>([
  ...PLAIN.map((file) => [file, { metric: RENAMED[file] ?? file, divisor: 1 }] as const),
  ...MICRO.map((file) => [file, { metric: RENAMED[file] ?? file, divisor: 1e6 }] as const),
  ...TENTHS.map((file) => [file, { metric: `${file}_celsius`, divisor: 10 }] as const),
]);

/** powerSupply reads batteries and mains adapters; a battery's controller answers slowly. */
export const powerSupply: CollectorDefinition = {
  name: "powersupplyclass",
  create({ files, flags }) {
    const ignored = nameFilter(flags["powersupply.ignored-supplies"], "");
    return {
      async collect(out) {
        const root = files.sysPath("class/power_supply");
        const supplies = files.list(root);
        if (supplies === undefined) throw new NoDataError();
        for (const supply of supplies) {
          if (ignored.ignored(supply)) continue;
          const dir = `${root}/${supply}`;
          const present = new Set(files.list(dir));
          for (const [file, { metric, divisor }] of FACTORS) {
            if (!present.has(file)) continue;
            const value = Number((await files.readSlow(`${dir}/${file}`)) || NaN);
            if (Number.isNaN(value)) continue;
            out
              .family(
                "gauge",
                `node_power_supply_${metric}`,
                `${metric} value of /sys/class/power_supply/<power_supply>.`,
                ["power_supply"],
              )
              .add(value / divisor, supply);
          }
          const texts: string[] = [];
          for (const file of INFO)
            texts.push(present.has(file) ? ((await files.readSlow(`${dir}/${file}`)) ?? "") : "");
          out
            .family("gauge", "node_power_supply_info", "info of /sys/class/power_supply/<power_supply>.", [
              "power_supply",
              ...INFO,
            ])
            .add(1, supply, ...texts);
        }
      },
    };
  },
};
