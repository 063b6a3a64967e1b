// Every metric of the built-in host metrics is one of node_exporter's, with its type, labels and help text. The list
// is in the conformance data; the metrics come from this machine and from a made-up one that has everything else.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { fixtureTree } from "../../packages/server/src/ingest/exporters/host/fixture-tree.ts";
import { createHostCollector } from "../../packages/server/src/ingest/exporters/host/index.ts";

const conformance = process.env.BELFRY_CONFORMANCE ?? join(import.meta.dirname, "../../../shared/conformance");
const list = join(conformance, "exporters", "node_exporter.txt");

// Metrics whose names the kernel makes up, and one of older versions that dashboards read.
const OPEN: readonly { names: RegExp; type: string; help: (name: string) => string }[] = [
  { names: /^node_memory_(.+)$/, type: "gauge", help: (field) => `Memory information field ${field}.` },
  { names: /^node_vmstat_(.+)$/, type: "untyped", help: (field) => `/proc/vmstat information field ${field}.` },
  { names: /^node_netstat_(.+)$/, type: "untyped", help: (field) => `Statistic ${field.replace("_", "")}.` },
  {
    names: /^node_power_supply_(?!info)(.+)$/,
    type: "gauge",
    help: (field) => `${field} value of /sys/class/power_supply/<power_supply>.`,
  },
  { names: /^node_cpu_frequency_hertz$/, type: "gauge", help: () => "Current CPU thread frequency in hertz." },
];

const tree = fixtureTree({
  "proc/stat": "cpu 1\ncpu0 1 2 3 4 5 6 7 8 9 10\nsoftirq 1 2 3 4 5 6 7 8 9 10 11\n",
  "proc/mdstat":
    "md6 : active raid1 sdb2[2](F) sda2[0]\n      195310144 blocks [2/1] [U_]\n\n\nunused devices: <none>\n",
  "proc/schedstat": "cpu0 1 2 3 4 5 6 7 8 9\n",
  "proc/pressure/irq": "full avg10=0.00 avg60=0.00 avg300=0.00 total=8494\n",
  "proc/cpuinfo": "processor\t: 0\n",
  "sys/block/md6/md/raid_disks": "2\n",
  "sys/class/dmi/id/bios_vendor": "Acme\n",
  "sys/class/hwmon/hwmon0/name": "chip\n",
  "sys/class/hwmon/hwmon0/fan1_input": "1\n",
  "sys/class/hwmon/hwmon0/fan1_min": "1\n",
  "sys/class/hwmon/hwmon0/fan1_alarm": "1\n",
  "sys/class/hwmon/hwmon0/fan1_beep": "1\n",
  "sys/class/hwmon/hwmon0/fan1_label": "Fan\n",
  "sys/class/hwmon/hwmon0/freq1_input": "1\n",
  "sys/class/hwmon/hwmon0/freq1_label": "sclk\n",
  "sys/class/hwmon/hwmon0/in0_input": "1\n",
  "sys/class/hwmon/hwmon0/in0_max": "1\n",
  "sys/class/hwmon/hwmon0/pwm1_auto_point1_pwm": "1\n",
  "sys/class/hwmon/hwmon0/temp1_input": "1\n",
  "sys/class/hwmon/hwmon0/temp1_crit_alarm": "1\n",
  "sys/class/net/bonding_masters": "bond0\n",
  "sys/class/net/bond0/operstate": "up\n",
  "sys/class/power_supply/AC/online": "1\n",
  "sys/class/power_supply/AC/type": "Mains\n",
  "sys/class/thermal/thermal_zone0/type": "x\n",
  "sys/class/thermal/thermal_zone0/temp": "1\n",
  "sys/class/thermal/cooling_device0/type": "x\n",
  "sys/class/thermal/cooling_device0/cur_state": "1\n",
  "sys/class/thermal/cooling_device0/max_state": "1\n",
  "sys/devices/system/cpu/isolated": "0\n",
  "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_cur_freq": "1\n",
  "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1\n",
  "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "a\n",
  "sys/devices/system/cpu/cpu0/cpufreq/scaling_available_governors": "a b\n",
  "sys/devices/system/cpu/cpu0/topology/physical_package_id": "0\n",
  "sys/devices/system/cpu/cpu0/topology/core_id": "0\n",
  "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "1\n",
  "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": "1\n",
  "sys/devices/system/edac/mc/mc0/ce_count": "1\n",
  "sys/devices/system/edac/mc/mc0/ce_noinfo_count": "1\n",
  "sys/devices/system/edac/mc/mc0/ue_count": "1\n",
  "sys/devices/system/edac/mc/mc0/ue_noinfo_count": "1\n",
  "sys/devices/system/edac/mc/mc0/csrow0/ce_count": "1\n",
  "sys/devices/system/edac/mc/mc0/csrow0/ue_count": "1\n",
  "sys/devices/system/edac/mc/mc0/csrow0/ch0_ce_count": "1\n",
  "sys/devices/system/edac/mc/mc0/csrow0/ch0_ue_count": "1\n",
  "sys/fs/selinux/enforce": "1\n",
  "udev/b8:0": "E:ID_ATA=1\nE:ID_ATA_WRITE_CACHE=1\nE:ID_FS_TYPE=ext4\nE:DM_NAME=x\n",
  "proc/diskstats": "8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n",
  "root/etc/os-release": 'ID=x\nVERSION_ID="1"\nSUPPORT_END=2030-01-01\n',
});
afterAll(() => tree.remove());

interface Family {
  type: string;
  help: string;
  labels: Set<string>;
}

describe.skipIf(!existsSync(list))("host metrics in the list of node_exporter's metrics", () => {
  test.each(["this machine", "a machine with everything else"])("%s", async (machine) => {
    const flags = { "cpu.info": true, "stat.softirq": true };
    const host = createHostCollector(
      machine === "this machine" ? {} : { ...tree.options([]), collectors: undefined, flags },
    );
    const found = parse(new TextDecoder().decode(await host.collect()));
    host.close();
    expect(found.size).toBeGreaterThan(60);
    const known = readList();
    const problems: string[] = [];
    for (const [name, { type, help, labels }] of found) {
      const open = OPEN.find(({ names }) => names.test(name));
      const expected = known.get(name);
      if (expected === undefined && open === undefined) problems.push(`${name} is not in the list`);
      const wantedType = expected?.type ?? open?.type;
      const wantedHelp = expected?.help ?? open?.help(open.names.exec(name)![1] ?? "");
      if (wantedType !== type) problems.push(`${name} is a ${type}, expected ${wantedType}`);
      if (wantedHelp !== undefined && wantedHelp !== "" && wantedHelp !== help)
        problems.push(`${name}: help is "${help}", expected "${wantedHelp}"`);
      for (const label of labels) {
        // Label lists that the list's maker could not resolve contain the name of a variable.
        if (
          expected !== undefined &&
          ![...expected.labels].some((known) => /[A-Z]/.test(known)) &&
          !expected.labels.has(label) &&
          !UNLISTED_LABELS.has(`${name} ${label}`)
        ) {
          problems.push(`${name} has the label ${label}, expected ${[...expected.labels].join(", ")}`);
        }
      }
    }
    expect(problems).toEqual([]);
  });
});

// Labels that the machine of the list had no value for, or that depend on the file.
const UNLISTED_LABELS = new Set([
  "node_exporter_build_info goarch",
  "node_exporter_build_info goos",
  "node_exporter_build_info version",
  "node_scrape_collector_duration_seconds collector",
  "node_textfile_mtime_seconds file",
  "node_time_zone_offset_seconds time_zone",
]);

function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  for (const line of text.split("\n")) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      const family = families.get(comment[2]) ?? { type: "", help: "", labels: new Set() };
      families.set(comment[2], family);
      if (comment[1] === "HELP") family.help = comment[3];
      else family.type = comment[3];
      continue;
    }
    const sample = /^([\w:]+)\{(.*)\}/.exec(line);
    for (const [, name, value] of sample?.[2].matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g) ?? []) {
      if (value !== "") families.get(sample![1])?.labels.add(name);
    }
  }
  return families;
}

function readList(): Map<string, Family> {
  const known = new Map<string, Family>();
  for (const line of readFileSync(list, "utf8").split("\n")) {
    const [name, type, labels, , , , , , help] = line.split("\t");
    if (line.startsWith("#") || type === undefined || name === "name") continue;
    known.set(name, { type, help: help ?? "", labels: new Set(labels.split(",")) });
  }
  // Its counters without a device label are sums over a fixture; the device is always there.
  for (const [name, family] of known)
    if (/^node_network_.*_(bytes|packets)_total$/.test(name)) family.labels.add("device");
  // The list has the one that replaces cpufreq's where that collector is switched off.
  known.delete("node_cpu_frequency_hertz");
  return known;
}
