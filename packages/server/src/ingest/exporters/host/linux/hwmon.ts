// Sensors below /sys/class/hwmon, named as node_exporter names them.
//
//   hwmon0/name           coretemp                      -> chip_name
//   hwmon0/device         -> ../../../coretemp.0        -> chip "platform_coretemp_0", stable across boots
//   hwmon0/temp1_input    41000                         -> node_hwmon_temp_celsius{chip,sensor="temp1"} 41
//   hwmon0/temp1_label    Core 0                        -> node_hwmon_sensor_label
import { existsSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type CollectorDefinition, type HostCollector, type HostContext, NoDataError } from "../collector.ts";
import type { HostExposition } from "../exposition.ts";
import { nameFilter, type NameFilter } from "../name-filter.ts";

/** hwmon reads temperatures, fans, voltages, currents, power and energy. */
export const hwmon: CollectorDefinition = { name: "hwmon", create: (context) => new HwmonCollector(context) };

const LABELS = ["chip", "sensor"];
const TYPES = new Set(
  "vrm beep_enable update_interval in cpu fan pwm temp curr power energy humidity intrusion freq".split(" "),
);

// temp1_input: type, number, property. A number may be missing (beep_enable), a property too (pwm1).
const FILE_NAME = /^([^0-9]+)([0-9]*)(?:_(.+))?$/;

class HwmonCollector implements HostCollector {
  private readonly context: HostContext;
  private readonly chips: NameFilter;
  private readonly sensors: NameFilter;

  constructor(context: HostContext) {
    this.context = context;
    const { flags } = context;
    this.chips = nameFilter(flags["hwmon.chip-exclude"], flags["hwmon.chip-include"]);
    this.sensors = nameFilter(flags["hwmon.sensor-exclude"], flags["hwmon.sensor-include"]);
  }

  async collect(out: HostExposition): Promise<void> {
    const { files } = this.context;
    const root = files.sysPath("class/hwmon");
    const entries = files.list(root);
    if (entries === undefined) throw new NoDataError();
    for (const entry of entries) {
      const dir = join(root, entry);
      if (statSync(dir, { throwIfNoEntry: false })?.isDirectory()) await this.collectChip(out, dir);
    }
  }

  private async collectChip(out: HostExposition, dir: string): Promise<void> {
    const { files } = this.context;
    const chipName = clean(files.tryRead(join(dir, "name")) ?? "");
    const chip = chipOf(dir, chipName);
    if (this.chips.ignored(chip)) return;
    const sensors = new Map<string, Map<string, string>>();
    await this.readSensors(dir, sensors);
    // Older drivers put the attributes of the sensors beside the device.
    if (existsSync(join(dir, "device"))) await this.readSensors(join(dir, "device"), sensors);
    if (chipName !== "") {
      out
        .family("gauge", "node_hwmon_chip_names", "Annotation metric for human-readable chip names", [
          "chip",
          "chip_name",
        ])
        .add(1, chip, chipName);
    }
    for (const [sensor, properties] of sensors) {
      if (!this.sensors.ignored(`${chip};${sensor}`)) addSensor(out, chip, sensor, properties);
    }
  }

  private async readSensors(dir: string, sensors: Map<string, Map<string, string>>): Promise<void> {
    const { files } = this.context;
    for (const name of files.list(dir) ?? []) {
      const parts = FILE_NAME.exec(name);
      if (parts === null || !TYPES.has(parts[1])) continue;
      const value = await files.readSlow(join(dir, name));
      if (value === undefined) continue;
      const sensor = parts[1] + Number(parts[2] || 0);
      let properties = sensors.get(sensor);
      if (properties === undefined) sensors.set(sensor, (properties = new Map<string, string>()));
      properties.set(parts[3] ?? "", value);
    }
  }
}

function addSensor(out: HostExposition, chip: string, sensor: string, properties: ReadonlyMap<string, string>): void {
  const type = FILE_NAME.exec(sensor)![1];
  const label = properties.get("label");
  if (label !== undefined) {
    out
      .family("gauge", "node_hwmon_sensor_label", "Label for given chip and sensor", ["chip", "sensor", "label"])
      .add(1, chip, sensor, label);
  }
  const add = (name: string, help: string, value: number, kind: "gauge" | "counter" = "gauge", of = sensor): void =>
    out.family(kind, name, help, LABELS).add(value, chip, of);
  const plain = Number(properties.get("") || NaN);
  if (type === "beep_enable") {
    add("node_hwmon_beep_enabled", "Hardware beep enabled", properties.get("") === "1" ? 1 : 0);
    return;
  }
  if (type === "vrm" || type === "update_interval") {
    if (Number.isNaN(plain)) return;
    if (type === "vrm") add("node_hwmon_voltage_regulator_version", "Hardware voltage regulator", plain);
    else add("node_hwmon_update_interval_seconds", "Hardware monitor update interval", plain * 0.001);
    return;
  }
  for (const [element, text] of properties) {
    const value = Number(text || NaN);
    if (element === "label" || Number.isNaN(value)) continue;
    let name = `node_hwmon_${type}`;
    // `input` is the value itself, unless there is a file without a property, too.
    if (element === "input") name += properties.has("") ? "_input" : "";
    else if (element !== "") name += `_${clean(element)}`;
    if (element === "fault" || element === "alarm") add(name, `Hardware sensor ${element} status (${type})`, value);
    else if (element === "beep") add(`${name}_enabled`, "Hardware monitor sensor has beeping enabled", value);
    else if (type === "in" || type === "cpu")
      add(`${name}_volts`, `Hardware monitor for voltage (${element})`, value * 0.001);
    else if (type === "temp" && element !== "type") {
      add(`${name}_celsius`, `Hardware monitor for temperature (${element || "input"})`, value * 0.001);
    } else if (type === "curr") add(`${name}_amps`, `Hardware monitor for current (${element})`, value * 0.001);
    else if (type === "energy") {
      add(`${name}_joule_total`, `Hardware monitor for joules used so far (${element})`, value / 1e6, "counter");
    } else if (type === "power" && element === "accuracy") {
      add(name, "Hardware monitor power meter accuracy, as a ratio", value / 1e6);
    } else if (type === "power" && /^average_interval(_min|_max)?$/.test(element)) {
      add(`${name}_seconds`, `Hardware monitor power usage update interval (${element})`, value * 0.001);
    } else if (type === "power")
      add(`${name}_watt`, `Hardware monitor for power usage in watts (${element})`, value / 1e6);
    else if (type === "humidity") {
      add(
        name,
        `Hardware monitor for humidity, as a ratio (multiply with 100.0 to get the humidity as a percentage) (${element})`,
        value / 1e6,
      );
    } else if (type === "fan" && /^(input|min|max|target)$/.test(element)) {
      add(`${name}_rpm`, `Hardware monitor for fan revolutions per minute (${element})`, value);
    } else if (type === "freq" && element === "input") {
      if (label !== undefined)
        add(`${name}_freq_mhz`, "Hardware monitor for GPU frequency in MHz", value / 1e6, "gauge", clean(label));
    } else add(name, `Hardware monitor ${type} element ${element}`, value);
  }
}

// The number in hwmonN depends on the order in which modules were loaded; the device does not.
function chipOf(dir: string, chipName: string): string {
  const device = join(dir, "device");
  if (existsSync(device)) {
    const path = realpathSync(device);
    const name = clean(basename(path));
    const bus = clean(basename(dirname(path)));
    if (name !== "") return bus === "" ? name : `${bus}_${name}`;
  }
  return chipName || clean(basename(realpathSync(dir)));
}

function clean(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9:_]/g, "_")
    .replace(/^_+|_+$/g, "");
}
