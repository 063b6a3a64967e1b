import type { CollectorDefinition } from "./collector.ts";
import { arp } from "./linux/arp.ts";
import { bonding } from "./linux/bonding.ts";
import { conntrack } from "./linux/conntrack.ts";
import { cpu } from "./linux/cpu.ts";
import { cpufreq } from "./linux/cpufreq.ts";
import { diskstats } from "./linux/diskstats.ts";
import { dmi } from "./linux/dmi.ts";
import { edac } from "./linux/edac.ts";
import { entropy } from "./linux/entropy.ts";
import { filefd } from "./linux/filefd.ts";
import { filesystem } from "./linux/filesystem.ts";
import { hwmon } from "./linux/hwmon.ts";
import { kernelHung } from "./linux/kernel-hung.ts";
import { loadavg } from "./linux/loadavg.ts";
import { mdadm } from "./linux/mdadm.ts";
import { meminfo } from "./linux/meminfo.ts";
import { netclass } from "./linux/netclass.ts";
import { netdev } from "./linux/netdev.ts";
import { netstat } from "./linux/netstat.ts";
import { os } from "./linux/os.ts";
import { powerSupply } from "./linux/power-supply.ts";
import { pressure } from "./linux/pressure.ts";
import { schedstat } from "./linux/schedstat.ts";
import { selinux } from "./linux/selinux.ts";
import { sockstat } from "./linux/sockstat.ts";
import { softnet } from "./linux/softnet.ts";
import { stat } from "./linux/stat.ts";
import { textfile } from "./linux/textfile.ts";
import { thermalZone } from "./linux/thermal-zone.ts";
import { time } from "./linux/time.ts";
import { udpQueues } from "./linux/udp-queues.ts";
import { uname } from "./linux/uname.ts";
import { vmstat } from "./linux/vmstat.ts";
import { portableCpu } from "./portable/cpu.ts";
import { darwinFilesystem } from "./portable/filesystem.ts";
import { portableLoadavg } from "./portable/loadavg.ts";
import { portableMeminfo } from "./portable/meminfo.ts";
import { darwinNetdev } from "./portable/netdev.ts";

/** LINUX_COLLECTORS are the collectors that read /proc and /sys, in the order in which they run. */
export const LINUX_COLLECTORS: readonly CollectorDefinition[] = [
  arp,
  bonding,
  conntrack,
  cpu,
  cpufreq,
  diskstats,
  dmi,
  edac,
  entropy,
  filefd,
  filesystem,
  hwmon,
  kernelHung,
  loadavg,
  mdadm,
  meminfo,
  netclass,
  netdev,
  netstat,
  os,
  powerSupply,
  pressure,
  schedstat,
  selinux,
  sockstat,
  softnet,
  stat,
  thermalZone,
  time,
  udpQueues,
  uname,
  vmstat,
  // Last, because the families of the others come first.
  textfile,
];

/** PORTABLE_COLLECTORS are what is left where there is no /proc to read. Names are node_exporter's on macOS. */
export const PORTABLE_COLLECTORS: readonly CollectorDefinition[] = [
  portableCpu,
  portableLoadavg,
  portableMeminfo,
  time,
  uname,
  textfile,
];

/** DARWIN_COLLECTORS add what programs of macOS tell. */
export const DARWIN_COLLECTORS: readonly CollectorDefinition[] = [
  darwinFilesystem,
  darwinNetdev,
  ...PORTABLE_COLLECTORS,
];
