import { existsSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock, type Clock } from "../../../lib/clock.ts";
import { fixtureTree, samples, type FixtureTree } from "./fixture-tree.ts";
import { createHostCollector } from "./host-collector.ts";
import { ThreadedProbe, type MountProbe, type MountStats, type StatCaller } from "./mount-probe.ts";

let tree: FixtureTree | undefined;
afterEach(() => tree?.remove());

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe("createHostCollector", () => {
  test("reports success and duration of every collector, and a failure costs that collector only", async () => {
    tree = fixtureTree({ "proc/loadavg": "0.21 0.37 0.39 1/719 19737\n" });
    const warnings: string[] = [];
    const log = {
      debug() {},
      info() {},
      error() {},
      warn: (text: string, fields?: object) => void warnings.push(`${text} ${JSON.stringify(fields)}`),
      child: () => log,
    };
    const host = createHostCollector(tree.options(["loadavg", "meminfo"], { log }));
    const text = decode(await host.collect());
    expect(text.replace(/(duration_seconds{.*}) .*/g, "$1 N").replace(/^[^]*?(?=# HELP node_load1)/, ""))
      .toBe(`# HELP node_load1 1m load average.
# TYPE node_load1 gauge
node_load1 0.21
# HELP node_load15 15m load average.
# TYPE node_load15 gauge
node_load15 0.39
# HELP node_load5 5m load average.
# TYPE node_load5 gauge
node_load5 0.37
# HELP node_scrape_collector_duration_seconds node_exporter: Duration of a collector scrape.
# TYPE node_scrape_collector_duration_seconds gauge
node_scrape_collector_duration_seconds{collector="loadavg"} N
node_scrape_collector_duration_seconds{collector="meminfo"} N
# HELP node_scrape_collector_success node_exporter: Whether a collector succeeded.
# TYPE node_scrape_collector_success gauge
node_scrape_collector_success{collector="loadavg"} 1
node_scrape_collector_success{collector="meminfo"} 0
`);
    await host.collect();
    expect(warnings).toHaveLength(1);
  });

  test("refuses a collector that does not exist", () => {
    expect(() => createHostCollector({ collectors: ["nope"] })).toThrow("missing collector: nope");
  });

  test("a collector that hangs is given up, and not started again before it comes back", async () => {
    tree = fixtureTree({
      "proc/loadavg": "1 2 3 1/1 1\n",
      "proc/1/mountinfo": "27 1 254:0 / / rw - ext4 /dev/vda rw\n",
    });
    let asked = 0;
    let release = (_answer: string): void => {};
    const mounts: MountProbe = {
      stat: () => {
        asked++;
        return new Promise((resolve) => (release = resolve));
      },
      close() {},
    };
    // Every timeout has passed at once.
    const clock: Clock = {
      ...systemClock,
      setTimeout(run) {
        const handle = setImmediate(run);
        return { cancel: () => clearImmediate(handle) };
      },
    };
    const host = createHostCollector(tree.options(["filesystem", "loadavg"], { mounts, clock }));
    for (let i = 0; i < 3; i++) {
      const text = decode(await host.collect());
      expect(text).toContain('node_scrape_collector_success{collector="filesystem"} 0\n');
      expect(text).toContain("node_load1 1\n");
    }
    expect(asked).toBe(1);
    release("no such device");
    await new Promise((resolve) => setTimeout(resolve, 1));
    const pending = host.collect();
    await Promise.resolve();
    release("no such device");
    expect(decode(await pending)).toContain('node_scrape_collector_success{collector="filesystem"} 1\n');
    expect(asked).toBe(2);
  });

  test("calls made during a collection share its result", async () => {
    tree = fixtureTree({ "proc/loadavg": "1 2 3 1/1 1\n" });
    const host = createHostCollector(tree.options(["loadavg"]));
    const [a, b] = await Promise.all([host.collect(), host.collect()]);
    expect(a).toBe(b);
    expect(await host.collect()).not.toBe(a);
  });

  test.runIf(existsSync("/proc/stat"))("reads this machine", async () => {
    const host = createHostCollector();
    const text = decode(await host.collect());
    host.close();
    const names = new Set(samples(text).map((line) => line.replace(/[{ ].*/, "")));
    for (const name of [
      "node_cpu_seconds_total",
      "node_memory_MemTotal_bytes",
      "node_load1",
      "node_network_receive_bytes_total",
    ]) {
      expect(names).toContain(name);
    }
    expect(text).toMatch(/^node_scrape_collector_success\{collector="filesystem"\} 1$/m);
  });
});

const STAT = (idle0: number, iowait0: number): string => `cpu  3 0 0 0 0 0 0 0 0 0
cpu0 1050 10 200 ${idle0} ${iowait0} 1 2 3 40 50
cpu1 500 0 100 30000 0 0 0 0 0 0
intr 1 2 3
ctxt 1
`;

describe("cpu", () => {
  test("seconds per mode, and guest time apart", async () => {
    tree = fixtureTree({ "proc/stat": STAT(20000, 30) });
    expect(await tree.collect(["cpu"])).toEqual([
      'node_cpu_guest_seconds_total{cpu="0",mode="user"} 0.4',
      'node_cpu_guest_seconds_total{cpu="0",mode="nice"} 0.5',
      'node_cpu_guest_seconds_total{cpu="1",mode="user"} 0',
      'node_cpu_guest_seconds_total{cpu="1",mode="nice"} 0',
      'node_cpu_seconds_total{cpu="0",mode="user"} 10.5',
      'node_cpu_seconds_total{cpu="0",mode="nice"} 0.1',
      'node_cpu_seconds_total{cpu="0",mode="system"} 2',
      'node_cpu_seconds_total{cpu="0",mode="idle"} 200',
      'node_cpu_seconds_total{cpu="0",mode="iowait"} 0.3',
      'node_cpu_seconds_total{cpu="0",mode="irq"} 0.01',
      'node_cpu_seconds_total{cpu="0",mode="softirq"} 0.02',
      'node_cpu_seconds_total{cpu="0",mode="steal"} 0.03',
      'node_cpu_seconds_total{cpu="1",mode="user"} 5',
      'node_cpu_seconds_total{cpu="1",mode="nice"} 0',
      'node_cpu_seconds_total{cpu="1",mode="system"} 1',
      'node_cpu_seconds_total{cpu="1",mode="idle"} 300',
      'node_cpu_seconds_total{cpu="1",mode="iowait"} 0',
      'node_cpu_seconds_total{cpu="1",mode="irq"} 0',
      'node_cpu_seconds_total{cpu="1",mode="softirq"} 0',
      'node_cpu_seconds_total{cpu="1",mode="steal"} 0',
    ]);
  });

  test("counters that go back a little are held, a jump of 3 s starts again, a removed CPU goes away", async () => {
    tree = fixtureTree({ "proc/stat": STAT(20000, 30) });
    const host = createHostCollector(tree.options(["cpu"]));
    const values = async (stat: string): Promise<(string | undefined)[]> => {
      tree!.write("proc/stat", stat);
      const found = samples(decode(await host.collect()));
      return ["idle", "iowait", "user"].map(
        (mode) =>
          found
            .find((line) => line.includes(`{cpu="0",mode="${mode}"} `) && line.startsWith("node_cpu_seconds"))
            ?.split(" ")[1],
      );
    };
    expect(await values(STAT(20000, 30))).toEqual(["200", "0.3", "10.5"]);
    expect(await values(STAT(19701, 20))).toEqual(["200", "0.3", "10.5"]);
    expect(await values(STAT(20010, 31))).toEqual(["200.1", "0.31", "10.5"]);
    expect(await values(STAT(100, 1))).toEqual(["1", "0.01", "10.5"]);
    tree.write("proc/stat", "cpu  1\ncpu0 1 1 1 100 1 1 1 1\nintr 0\n");
    expect(samples(decode(await host.collect())).filter((line) => line.includes('cpu="1"'))).toEqual([]);
  });

  test("throttles once per core and package, isolated and online CPUs", async () => {
    const files: Record<string, string> = { "proc/stat": "cpu 0\n", "sys/devices/system/cpu/isolated": "1,3-4\n" };
    for (const [id, core, count] of [
      [0, 0, 5],
      [1, 0, 5],
      [2, 1, 0],
      [10, 1, 0],
    ]) {
      const dir = `sys/devices/system/cpu/cpu${id}`;
      files[`${dir}/topology/physical_package_id`] = "0\n";
      files[`${dir}/topology/core_id`] = `${core}\n`;
      files[`${dir}/thermal_throttle/core_throttle_count`] = `${count}\n`;
      files[`${dir}/thermal_throttle/package_throttle_count`] = "30\n";
      if (id > 0) files[`${dir}/online`] = id === 2 ? "0\n" : "1\n";
    }
    files["sys/devices/system/cpu/cpufreq/policy0"] = "";
    tree = fixtureTree(files);
    expect(await tree.collect(["cpu"])).toEqual([
      'node_cpu_core_throttles_total{package="0",core="0"} 5',
      'node_cpu_core_throttles_total{package="0",core="1"} 0',
      'node_cpu_isolated{cpu="1"} 1',
      'node_cpu_isolated{cpu="3"} 1',
      'node_cpu_isolated{cpu="4"} 1',
      'node_cpu_online{cpu="0"} 1',
      'node_cpu_online{cpu="1"} 1',
      'node_cpu_online{cpu="2"} 0',
      'node_cpu_online{cpu="10"} 1',
      'node_cpu_package_throttles_total{package="0"} 30',
    ]);
  });

  test("cpu.info describes every CPU", async () => {
    tree = fixtureTree({
      "proc/stat": "cpu 0\n",
      "proc/cpuinfo":
        "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 142\nmodel name\t: Some CPU @ 1.60GHz\nstepping\t: 10\nmicrocode\t: 0xb4\ncache size\t: 6144 KB\nphysical id\t: 0\ncore id\t\t: 0\nflags\t\t: fpu vme\n\n",
    });
    expect(await tree.collect(["cpu"], { flags: { "cpu.info": true } })).toEqual([
      'node_cpu_info{package="0",core="0",cpu="0",vendor="GenuineIntel",family="6",model="142",model_name="Some CPU @ 1.60GHz",microcode="0xb4",stepping="10",cachesize="6144 KB"} 1',
    ]);
  });
});

test("meminfo: kB become bytes, parentheses a suffix, plain numbers stay", async () => {
  tree = fixtureTree({
    "proc/meminfo":
      "MemTotal:       24684096 kB\nActive(anon):       1576 kB\nHugePages_Total:       7\nHugepagesize:       2048 kB\n",
  });
  expect(await tree.collect(["meminfo"])).toEqual([
    "node_memory_Active_anon_bytes 1613824",
    "node_memory_HugePages_Total 7",
    "node_memory_Hugepagesize_bytes 2097152",
    "node_memory_MemTotal_bytes 25276514304",
  ]);
});

test("netdev: the columns of /proc/net/dev and rx_nohandler", async () => {
  tree = fixtureTree({
    "proc/net/dev": `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       1       2    3    4    5     6          7         8        9      10   11   12   13    14      15         16
eth0:1: 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
`,
    "sys/class/net/lo/statistics/rx_nohandler": "17\n",
  });
  const lines = await tree.collect(["netdev"]);
  expect(lines.filter((line) => line.includes('"lo"'))).toEqual([
    'node_network_receive_bytes_total{device="lo"} 1',
    'node_network_receive_compressed_total{device="lo"} 7',
    'node_network_receive_drop_total{device="lo"} 4',
    'node_network_receive_errs_total{device="lo"} 3',
    'node_network_receive_fifo_total{device="lo"} 5',
    'node_network_receive_frame_total{device="lo"} 6',
    'node_network_receive_multicast_total{device="lo"} 8',
    'node_network_receive_nohandler_total{device="lo"} 17',
    'node_network_receive_packets_total{device="lo"} 2',
    'node_network_transmit_bytes_total{device="lo"} 9',
    'node_network_transmit_carrier_total{device="lo"} 15',
    'node_network_transmit_colls_total{device="lo"} 14',
    'node_network_transmit_compressed_total{device="lo"} 16',
    'node_network_transmit_drop_total{device="lo"} 12',
    'node_network_transmit_errs_total{device="lo"} 11',
    'node_network_transmit_fifo_total{device="lo"} 13',
    'node_network_transmit_packets_total{device="lo"} 10',
  ]);
  expect(lines).toContain('node_network_receive_bytes_total{device="eth0:1"} 18446744073709552000');
  const some = await tree.collect(["netdev"], { flags: { "netdev.device-exclude": "^lo$" } });
  expect(some.filter((line) => line.includes('"lo"'))).toEqual([]);
});

const MOUNTINFO = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
28 27 8:17 / /mnt/with\\040space ro,nosuid - xfs /dev/sdb1 rw
29 27 0:40 / /nfs rw - nfs4 server:/export rw
30 27 0:41 / /boot rw - vfat /dev/sda1 ro
31 27 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
`;

describe("filesystem", () => {
  const stats: MountStats = {
    blockSize: 4096,
    blocks: 1000,
    blocksFree: 400,
    blocksAvailable: 300,
    files: 50,
    filesFree: 20,
  };

  test("sizes of wanted mounts, read-only ones, failing ones, duplicates once", async () => {
    tree = fixtureTree({ "proc/1/mountinfo": MOUNTINFO });
    const mounts: MountProbe = {
      stat: (path) => Promise.resolve(path.endsWith("/nfs") ? "stale NFS file handle" : stats),
      close() {},
    };
    const lines = await tree.collect(["filesystem"], { mounts });
    expect(lines.filter((line) => line.includes("/dev/vda"))).toEqual([
      'node_filesystem_avail_bytes{device="/dev/vda",mountpoint="/",fstype="ext4",device_error=""} 1228800',
      'node_filesystem_device_error{device="/dev/vda",mountpoint="/",fstype="ext4",device_error=""} 0',
      'node_filesystem_files{device="/dev/vda",mountpoint="/",fstype="ext4",device_error=""} 50',
      'node_filesystem_files_free{device="/dev/vda",mountpoint="/",fstype="ext4",device_error=""} 20',
      'node_filesystem_free_bytes{device="/dev/vda",mountpoint="/",fstype="ext4",device_error=""} 1638400',
      'node_filesystem_mount_info{device="/dev/vda",major="254",minor="0",mountpoint="/"} 1',
      'node_filesystem_readonly{device="/dev/vda",mountpoint="/",fstype="ext4",device_error=""} 0',
      'node_filesystem_size_bytes{device="/dev/vda",mountpoint="/",fstype="ext4",device_error=""} 4096000',
    ]);
    expect(lines.filter((line) => line.startsWith("node_filesystem_readonly"))).toEqual([
      'node_filesystem_readonly{device="/dev/vda",mountpoint="/",fstype="ext4",device_error=""} 0',
      'node_filesystem_readonly{device="/dev/sdb1",mountpoint="/mnt/with space",fstype="xfs",device_error=""} 1',
      'node_filesystem_readonly{device="server:/export",mountpoint="/nfs",fstype="nfs4",device_error="stale NFS file handle"} 0',
      'node_filesystem_readonly{device="/dev/sda1",mountpoint="/boot",fstype="vfat",device_error=""} 1',
    ]);
    expect(lines.filter((line) => line.includes("server:/export"))).toHaveLength(2);
    expect(lines.some((line) => line.includes('"proc"'))).toBe(false);
  });

  test("falls back to the own mounts, and strips the root prefix", async () => {
    tree = fixtureTree({});
    tree.write(
      "proc/self/mountinfo",
      `1 0 8:1 / ${tree.dir}/root rw - ext4 /dev/a rw\n2 0 8:2 / ${tree.dir}/root/home rw - ext4 /dev/b rw\n`,
    );
    const asked: string[] = [];
    const mounts: MountProbe = {
      stat(path) {
        asked.push(path);
        return Promise.resolve(stats);
      },
      close() {},
    };
    const lines = await tree.collect(["filesystem"], { mounts });
    expect(lines.filter((line) => line.startsWith("node_filesystem_files{"))).toEqual([
      'node_filesystem_files{device="/dev/a",mountpoint="/",fstype="ext4",device_error=""} 50',
      'node_filesystem_files{device="/dev/b",mountpoint="/home",fstype="ext4",device_error=""} 50',
    ]);
    expect(asked).toEqual([`${tree.dir}/root/`, `${tree.dir}/root/home`]);
  });
});

describe("ThreadedProbe", () => {
  const answer: MountStats = { blockSize: 1, blocks: 1, blocksFree: 1, blocksAvailable: 1, files: 1, filesFree: 1 };
  const manual = (): {
    callers: StatCaller[];
    release: Map<string, () => void>;
    make: () => StatCaller;
    closed: number;
  } => {
    const state = {
      callers: [] as StatCaller[],
      release: new Map<string, () => void>(),
      closed: 0,
      make(): StatCaller {
        const caller: StatCaller = {
          call: (path) =>
            path.startsWith("/hang")
              ? new Promise((resolve) => state.release.set(path, () => resolve(answer)))
              : Promise.resolve(answer),
          close: () => void state.closed++,
        };
        state.callers.push(caller);
        return caller;
      },
    };
    return state;
  };

  test("a mount that hangs is reported stuck, not asked again, and recovers when its call returns", async () => {
    const state = manual();
    const probe = new ThreadedProbe(systemClock, new Set(), state.make);
    expect(await probe.stat("/hang", "nfs", 20)).toBe("mountpoint timeout");
    expect(await probe.stat("/hang", "nfs", 20)).toBe("mountpoint timeout");
    expect(state.callers).toHaveLength(1);
    expect(await probe.stat("/fine", "nfs", 20)).toBe(answer);
    expect(await probe.stat("/fine", "nfs", 20)).toBe(answer);
    expect(state.callers).toHaveLength(2);
    state.release.get("/hang")!();
    await new Promise((resolve) => setTimeout(resolve, 0));
    state.release.delete("/hang");
    const again = probe.stat("/hang", "nfs", 1000);
    await new Promise((resolve) => setTimeout(resolve, 0));
    state.release.get("/hang")!();
    expect(await again).toBe(answer);
  });

  test("hanging threads are bounded: then mounts are reported without being asked", async () => {
    const state = manual();
    const probe = new ThreadedProbe(systemClock, new Set(), state.make);
    const mounts = Array.from({ length: 10 }, (_, i) => `/hang${i}`);
    const started = performance.now();
    expect(await Promise.all(mounts.map((path) => probe.stat(path, "nfs", 30)))).toEqual(
      mounts.map(() => "mountpoint timeout"),
    );
    expect(performance.now() - started).toBeLessThan(500);
    expect(state.callers).toHaveLength(4);
    for (const release of state.release.values()) release();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(await probe.stat("/fine", "nfs", 30)).toBe(answer);
    expect(state.closed).toBe(3);
  });

  test("asks from a real thread, errors as Go's texts", async () => {
    const { createMountProbe } = await import("./mount-probe.ts");
    const probe = createMountProbe(systemClock);
    expect(await probe.stat("/", "fuse.test", 5000)).toMatchObject({ blockSize: expect.any(Number) as number });
    expect(await probe.stat("/does/not/exist", "fuse.test", 5000)).toBe("no such file or directory");
    expect(await probe.stat("/does/not/exist", "ext4", 5000)).toBe("no such file or directory");
    probe.close();
  });
});
