import type { CollectorDefinition, HostCollector, HostContext } from "../collector.ts";
import type { HostExposition } from "../exposition.ts";
import { fields, lines } from "../host-files.ts";
import { nameFilter, type NameFilter } from "../name-filter.ts";

/** diskstats reads /proc/diskstats, and what udev knows of the devices. */
export const diskstats: CollectorDefinition = {
  name: "diskstats",
  create: (context) => new DiskstatsCollector(context),
};

// Sectors in /proc/diskstats have this size whatever the device's own is.
const SECTOR_BYTES = 512;
const MS = 1 / 1000;

// The columns after the device name. Older kernels have only the first 11 or 15.
const COLUMNS: readonly { name: string; kind: "counter" | "gauge"; help: string; factor: number }[] = [
  {
    name: "reads_completed_total",
    kind: "counter",
    help: "The total number of reads completed successfully.",
    factor: 1,
  },
  { name: "reads_merged_total", kind: "counter", help: "The total number of reads merged.", factor: 1 },
  {
    name: "read_bytes_total",
    kind: "counter",
    help: "The total number of bytes read successfully.",
    factor: SECTOR_BYTES,
  },
  {
    name: "read_time_seconds_total",
    kind: "counter",
    help: "The total number of seconds spent by all reads.",
    factor: MS,
  },
  {
    name: "writes_completed_total",
    kind: "counter",
    help: "The total number of writes completed successfully.",
    factor: 1,
  },
  { name: "writes_merged_total", kind: "counter", help: "The number of writes merged.", factor: 1 },
  {
    name: "written_bytes_total",
    kind: "counter",
    help: "The total number of bytes written successfully.",
    factor: SECTOR_BYTES,
  },
  {
    name: "write_time_seconds_total",
    kind: "counter",
    help: "This is the total number of seconds spent by all writes.",
    factor: MS,
  },
  { name: "io_now", kind: "gauge", help: "The number of I/Os currently in progress.", factor: 1 },
  { name: "io_time_seconds_total", kind: "counter", help: "Total seconds spent doing I/Os.", factor: MS },
  {
    name: "io_time_weighted_seconds_total",
    kind: "counter",
    help: "The weighted # of seconds spent doing I/Os.",
    factor: MS,
  },
  {
    name: "discards_completed_total",
    kind: "counter",
    help: "The total number of discards completed successfully.",
    factor: 1,
  },
  { name: "discards_merged_total", kind: "counter", help: "The total number of discards merged.", factor: 1 },
  {
    name: "discarded_sectors_total",
    kind: "counter",
    help: "The total number of sectors discarded successfully.",
    factor: 1,
  },
  {
    name: "discard_time_seconds_total",
    kind: "counter",
    help: "This is the total number of seconds spent by all discards.",
    factor: MS,
  },
  {
    name: "flush_requests_total",
    kind: "counter",
    help: "The total number of flush requests completed successfully",
    factor: 1,
  },
  {
    name: "flush_requests_time_seconds_total",
    kind: "counter",
    help: "This is the total number of seconds spent by all flush requests.",
    factor: MS,
  },
];

const INFO_LABELS = ["device", "major", "minor", "path", "wwn", "model", "serial", "revision", "rotational"];

const ATA: readonly { property: string; name: string; help: string }[] = [
  { property: "ID_ATA_WRITE_CACHE", name: "ata_write_cache", help: "ATA disk has a write cache." },
  {
    property: "ID_ATA_WRITE_CACHE_ENABLED",
    name: "ata_write_cache_enabled",
    help: "ATA disk has its write cache enabled.",
  },
  {
    property: "ID_ATA_ROTATION_RATE_RPM",
    name: "ata_rotation_rate_rpm",
    help: "ATA disk rotation rate in RPMs (0 for SSDs).",
  },
];

class DiskstatsCollector implements HostCollector {
  private readonly context: HostContext;
  private readonly devices: NameFilter;

  constructor(context: HostContext) {
    this.context = context;
    const { flags } = context;
    this.devices = nameFilter(flags["diskstats.device-exclude"], flags["diskstats.device-include"]);
  }

  collect(out: HostExposition): void {
    const { files } = this.context;
    const columns = COLUMNS.map(({ name, kind, help }) => out.family(kind, `node_disk_${name}`, help, ["device"]));
    const info = out.family("gauge", "node_disk_info", "Info of /sys/block/<block_device>.", INFO_LABELS);
    for (const line of lines(files.proc("diskstats"))) {
      const [major, minor, device, ...values] = fields(line);
      if (device === undefined || this.devices.ignored(device)) continue;
      const udev = this.udevProperties(major, minor);
      const get = (key: string): string => udev.get(key) ?? "";
      info.add(
        1,
        device,
        major,
        minor,
        get("ID_PATH"),
        get("ID_WWN"),
        get("ID_MODEL"),
        // What is printed on the drive's label, where it is known.
        get("SCSI_IDENT_SERIAL") || get("ID_SERIAL_SHORT"),
        get("ID_REVISION"),
        files.tryRead(files.sysPath("block", device, "queue/rotational")) ?? "0",
      );
      for (let i = 0; i < values.length && i < COLUMNS.length; i++) {
        columns[i].add(Number(values[i]) * COLUMNS[i].factor, device);
      }
      if (udev.size > 0) collectUdev(out, device, udev);
    }
  }

  private udevProperties(major: string, minor: string): ReadonlyMap<string, string> {
    const { files } = this.context;
    const text = files.tryRead(`${files.paths.udevData}/b${major}:${minor}`);
    const properties = new Map<string, string>();
    for (const line of (text ?? "").split("\n")) {
      if (!line.startsWith("E:")) continue;
      const equals = line.indexOf("=");
      if (equals > 0) properties.set(line.slice(2, equals), line.slice(equals + 1));
    }
    return properties;
  }
}

function collectUdev(out: HostExposition, device: string, udev: ReadonlyMap<string, string>): void {
  const get = (key: string): string => udev.get(key) ?? "";
  if (get("ID_FS_TYPE") !== "") {
    out
      .family("gauge", "node_disk_filesystem_info", "Info about disk filesystem.", [
        "device",
        "type",
        "usage",
        "uuid",
        "version",
      ])
      .add(1, device, get("ID_FS_TYPE"), get("ID_FS_USAGE"), get("ID_FS_UUID"), get("ID_FS_VERSION"));
  }
  if (get("DM_NAME") !== "") {
    out
      .family("gauge", "node_disk_device_mapper_info", "Info about disk device mapper.", [
        "device",
        "name",
        "uuid",
        "vg_name",
        "lv_name",
        "lv_layer",
      ])
      .add(1, device, get("DM_NAME"), get("DM_UUID"), get("DM_VG_NAME"), get("DM_LV_NAME"), get("DM_LV_LAYER"));
  }
  if (get("ID_ATA") === "") return;
  for (const { property, name, help } of ATA) {
    const value = Number(udev.get(property) ?? NaN);
    if (!Number.isNaN(value)) out.family("gauge", `node_disk_${name}`, help, ["device"]).add(value, device);
  }
}
