import type { CollectorDefinition } from "./collector.ts";
import { cpu } from "./linux/cpu.ts";
import { filesystem } from "./linux/filesystem.ts";
import { loadavg } from "./linux/loadavg.ts";
import { meminfo } from "./linux/meminfo.ts";
import { netdev } from "./linux/netdev.ts";

/** LINUX_COLLECTORS are the collectors that read /proc and /sys, in the order in which they run. */
export const LINUX_COLLECTORS: readonly CollectorDefinition[] = [cpu, filesystem, loadavg, meminfo, netdev];
