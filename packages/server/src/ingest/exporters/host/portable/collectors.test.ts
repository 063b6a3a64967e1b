import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { samples } from "../fixture-tree.ts";
import { createHostCollector, type HostCollectorOptions } from "../host-collector.ts";
import type { MountProbe } from "../mount-probe.ts";

const mounts: MountProbe = {
  stat: (path) =>
    Promise.resolve(
      path === "/Volumes/gone"
        ? "host is down"
        : { blockSize: 4096, blocks: 100, blocksFree: 50, blocksAvailable: 40, files: 10, filesFree: 5 },
    ),
  close() {},
};

// Output of the programs, in the form that macOS prints.
const OUTPUT: Readonly<Record<string, string>> = {
  "/usr/bin/vm_stat": `Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10000.
Pages active:                             20000.
Pages inactive:                           30000.
Pages wired down:                         40000.
Pages purgeable:                            500.
"Translation faults":                 123456789.
Anonymous pages:                          60000.
Pages occupied by compressor:              7000.
Pageins:                                   8000.
Pageouts:                                   900.
`,
  "/usr/sbin/sysctl -n vm.swapusage": "total = 2048.00M  used = 512.50M  free = 1535.50M  (encrypted)\n",
  "/sbin/mount": `/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse)
//me@nas/share on /Volumes/gone (smbfs, nodev, nosuid)
`,
  "/usr/sbin/netstat -ibn": `Name       Mtu   Network       Address            Ipkts Ierrs     Ibytes    Opkts Oerrs     Obytes  Coll
lo0        16384 <Link#1>                        100     0       1000      101     0       1001     0
lo0        16384 127           127.0.0.1         100     -       1000      101     -       1001     -
en0        1500  <Link#4>    a1:b2:c3:d4:e5:f6   200     1       2000      201     2       2001     3
gif0*      1280  <Link#2>                          0     0          0        0     0          0     0
`,
};

const darwin: HostCollectorOptions = {
  platform: "darwin",
  mounts,
  run: (file, args) => Promise.resolve(OUTPUT[[file, ...args].join(" ")]),
};

async function collect(options: HostCollectorOptions): Promise<string> {
  const host = createHostCollector(options);
  const text = new TextDecoder().decode(await host.collect());
  host.close();
  return text;
}

test("macOS: memory, file systems and network devices under its names", async () => {
  const found = samples(await collect({ ...darwin, collectors: ["filesystem", "meminfo", "netdev"] }));
  expect(found).toEqual(
    expect.arrayContaining([
      'node_filesystem_avail_bytes{device="/dev/disk3s1s1",mountpoint="/",fstype="apfs",device_error=""} 163840',
      'node_filesystem_device_error{device="//me@nas/share",mountpoint="/Volumes/gone",fstype="smbfs",device_error="host is down"} 1',
      'node_filesystem_readonly{device="/dev/disk3s1s1",mountpoint="/",fstype="apfs",device_error=""} 1',
      'node_filesystem_readonly{device="/dev/disk3s5",mountpoint="/System/Volumes/Data",fstype="apfs",device_error=""} 0',
      "node_memory_active_bytes 327680000",
      "node_memory_compressed_bytes 114688000",
      "node_memory_inactive_bytes 491520000",
      "node_memory_internal_bytes 983040000",
      "node_memory_purgeable_bytes 8192000",
      "node_memory_swap_total_bytes 2147483648",
      "node_memory_swap_used_bytes 537395200",
      "node_memory_swapped_in_bytes_total 131072000",
      "node_memory_swapped_out_bytes_total 14745600",
      "node_memory_wired_bytes 655360000",
      'node_network_receive_bytes_total{device="en0"} 2000',
      'node_network_receive_errs_total{device="en0"} 1',
      'node_network_receive_packets_total{device="lo0"} 100',
      'node_network_transmit_bytes_total{device="en0"} 2001',
      'node_network_transmit_colls_total{device="en0"} 3',
      'node_network_transmit_errs_total{device="en0"} 2',
      'node_network_transmit_packets_total{device="gif0"} 0',
    ]),
  );
  expect(found.some((line) => line.includes("devfs"))).toBe(false);
});

test("macOS: a program that fails costs its collector only", async () => {
  const text = await collect({ ...darwin, run: () => Promise.reject(new Error("ENOENT")) });
  expect(text).toContain('node_scrape_collector_success{collector="netdev"} 0\n');
  expect(text).toContain('node_scrape_collector_success{collector="cpu"} 1\n');
  expect(text).not.toContain('collector="diskstats"');
});

test("without /proc there is what Node knows, and a warning", async () => {
  const warnings: string[] = [];
  const log = {
    debug() {},
    info() {},
    error() {},
    warn: (message: string) => void warnings.push(message),
    child: () => log,
  };
  const text = await collect({ paths: { procfs: "/does/not/exist" }, platform: "linux", log });
  expect(warnings).toEqual([
    "there is no /proc to read: host metrics are limited to CPU, memory, load, time and uname",
  ]);
  const names = new Set(samples(text).map((line) => line.replace(/[{ ].*/, "")));
  for (const name of [
    "node_cpu_seconds_total",
    "node_memory_total_bytes",
    "node_memory_free_bytes",
    "node_load1",
    "node_uname_info",
    "node_time_seconds",
  ]) {
    expect(names).toContain(name);
  }
  expect(text).not.toContain("node_filesystem");
});

test.runIf(existsSync("/proc/stat"))("the portable CPU times are those of /proc", async () => {
  const idle = (text: string): number => Number(/^node_cpu_seconds_total\{cpu="0",mode="idle"\} (.*)$/m.exec(text)![1]);
  const portable = idle(await collect({ paths: { procfs: "/does/not/exist" }, collectors: ["cpu"] }));
  const linux = idle(await collect({ collectors: ["cpu"] }));
  expect(Math.abs(portable - linux)).toBeLessThan(5);
});
