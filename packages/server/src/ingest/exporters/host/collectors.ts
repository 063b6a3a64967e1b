import type { CollectorDefinition } from "./collector.ts";
import { cpu } from "./linux/cpu.ts";
import { diskstats } from "./linux/diskstats.ts";
import { filefd } from "./linux/filefd.ts";
import { filesystem } from "./linux/filesystem.ts";
import { hwmon } from "./linux/hwmon.ts";
import { loadavg } from "./linux/loadavg.ts";
import { meminfo } from "./linux/meminfo.ts";
import { netdev } from "./linux/netdev.ts";
import { netstat } from "./linux/netstat.ts";
import { pressure } from "./linux/pressure.ts";
import { sockstat } from "./linux/sockstat.ts";
import { stat } from "./linux/stat.ts";
import { textfile } from "./linux/textfile.ts";
import { thermalZone } from "./linux/thermal-zone.ts";
import { time } from "./linux/time.ts";
import { uname } from "./linux/uname.ts";
import { vmstat } from "./linux/vmstat.ts";

/** LINUX_COLLECTORS are the collectors that read /proc and /sys, in the order in which they run. */
export const LINUX_COLLECTORS: readonly CollectorDefinition[] = [
  cpu,
  diskstats,
  filefd,
  filesystem,
  hwmon,
  loadavg,
  meminfo,
  netdev,
  netstat,
  pressure,
  sockstat,
  stat,
  thermalZone,
  time,
  uname,
  vmstat,
  textfile,
];
