// What a collector is. To add one, write a file beside the others and add a line to the list in collectors.ts.
import type { Logger } from "../../../lib/log.ts";
import type { HostExposition } from "./exposition.ts";
import type { HostFiles } from "./host-files.ts";
import type { MountProbe } from "./mount-probe.ts";

/** HostContext is what collectors share. */
export interface HostContext {
  readonly files: HostFiles;
  readonly log: Logger;
  readonly flags: HostFlags;
  readonly mounts: MountProbe;
  readonly platform: NodeJS.Platform;
  /** now is Unix milliseconds. */
  now(): number;
  /** run resolves with the output of a program, and rejects when it fails or takes too long. */
  run(file: string, args: readonly string[]): Promise<string>;
}

/** HostCollector reads one thing. It may keep state between calls; calls never overlap. */
export interface HostCollector {
  /** collect writes samples. Throwing NoDataError says that this host has none of it; anything else is a failure. */
  collect(out: HostExposition): void | Promise<void>;
}

/** CollectorDefinition names a collector as node_exporter's `--collector.NAME` does. */
export interface CollectorDefinition {
  readonly name: string;
  create(context: HostContext): HostCollector;
}

/** NoDataError says that the host does not have what a collector reads; it is not worth a log line. */
export class NoDataError extends Error {
  constructor(message = "collector returned no data") {
    super(message);
    this.name = "NoDataError";
  }
}

/**
 * HostFlags are the settings of the collectors, named as node_exporter's flags without `collector.`. Patterns are
 * RE2 and not anchored.
 */
export interface HostFlags {
  "cpu.guest": boolean;
  "cpu.info": boolean;
  "diskstats.device-include": string;
  "diskstats.device-exclude": string;
  "filesystem.mount-points-include": string;
  "filesystem.mount-points-exclude": string;
  "filesystem.fs-types-include": string;
  "filesystem.fs-types-exclude": string;
  "filesystem.mount-timeout-ms": number;
  "hwmon.chip-include": string;
  "hwmon.chip-exclude": string;
  "hwmon.sensor-include": string;
  "hwmon.sensor-exclude": string;
  "netclass.ignored-devices": string;
  "netclass.ignore-invalid-speed": boolean;
  "netdev.device-include": string;
  "netdev.device-exclude": string;
  "netstat.fields": string;
  "arp.device-include": string;
  "arp.device-exclude": string;
  "powersupply.ignored-supplies": string;
  "stat.softirq": boolean;
  /** Directories with *.prom files; each may be a glob pattern. */
  "textfile.directory": readonly string[];
  "vmstat.fields": string;
}

/** DEFAULT_FLAGS are node_exporter's defaults on Linux. */
export const DEFAULT_FLAGS: HostFlags = {
  "cpu.guest": true,
  "cpu.info": false,
  "diskstats.device-include": "",
  "diskstats.device-exclude": "^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$",
  "filesystem.mount-points-include": "",
  "filesystem.mount-points-exclude":
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
  "filesystem.fs-types-include": "",
  "filesystem.fs-types-exclude":
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
  "filesystem.mount-timeout-ms": 5000,
  "hwmon.chip-include": "",
  "hwmon.chip-exclude": "",
  "hwmon.sensor-include": "",
  "hwmon.sensor-exclude": "",
  "netclass.ignored-devices": "^$",
  "netclass.ignore-invalid-speed": false,
  "netdev.device-include": "",
  "netdev.device-exclude": "",
  "netstat.fields":
    "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
  "arp.device-include": "",
  "arp.device-exclude": "",
  "powersupply.ignored-supplies": "^$",
  "stat.softirq": false,
  "textfile.directory": [],
  "vmstat.fields": "^(oom_kill|pgpg|pswp|pg.*fault).*",
};
