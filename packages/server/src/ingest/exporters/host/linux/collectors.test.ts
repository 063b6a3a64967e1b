import { mkdirSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { fixtureTree, type FixtureTree } from "../fixture-tree.ts";
import { createHostCollector } from "../host-collector.ts";
import { pageSizeBytes } from "./page-size.ts";

let tree: FixtureTree;
afterEach(() => tree.remove());

const full = async (collectors: readonly string[], options = {}): Promise<string> => {
  const host = createHostCollector(tree.options(collectors, options));
  const text = new TextDecoder().decode(await host.collect());
  host.close();
  return text;
};

describe("diskstats", () => {
  const line = (device: string, major: number, count: number): string =>
    ` ${major}       0 ${device} ${Array.from({ length: count }, (_, i) => i + 1).join(" ")}\n`;

  test("units, columns of older kernels, excluded devices", async () => {
    tree = fixtureTree({
      "proc/diskstats": line("sda", 8, 17) + line("sdb", 8, 11) + line("sda1", 8, 17) + line("loop0", 7, 17),
      "sys/block/sda/queue/rotational": "1\n",
    });
    const lines = await tree.collect(["diskstats"]);
    expect(lines.filter((entry) => entry.includes('"sda"'))).toEqual([
      'node_disk_discard_time_seconds_total{device="sda"} 0.015',
      'node_disk_discarded_sectors_total{device="sda"} 14',
      'node_disk_discards_completed_total{device="sda"} 12',
      'node_disk_discards_merged_total{device="sda"} 13',
      'node_disk_flush_requests_time_seconds_total{device="sda"} 0.017',
      'node_disk_flush_requests_total{device="sda"} 16',
      'node_disk_info{device="sda",major="8",minor="0",path="",wwn="",model="",serial="",revision="",rotational="1"} 1',
      'node_disk_io_now{device="sda"} 9',
      'node_disk_io_time_seconds_total{device="sda"} 0.01',
      'node_disk_io_time_weighted_seconds_total{device="sda"} 0.011',
      'node_disk_read_bytes_total{device="sda"} 1536',
      'node_disk_read_time_seconds_total{device="sda"} 0.004',
      'node_disk_reads_completed_total{device="sda"} 1',
      'node_disk_reads_merged_total{device="sda"} 2',
      'node_disk_write_time_seconds_total{device="sda"} 0.008',
      'node_disk_writes_completed_total{device="sda"} 5',
      'node_disk_writes_merged_total{device="sda"} 6',
      'node_disk_written_bytes_total{device="sda"} 3584',
    ]);
    expect(lines.filter((entry) => entry.includes('"sdb"'))).toHaveLength(12);
    expect(lines.some((entry) => entry.includes('"sda1"') || entry.includes('"loop0"'))).toBe(false);
  });

  test("what udev knows of a device", async () => {
    tree = fixtureTree({
      "proc/diskstats": line("sda", 8, 17) + line("dm-0", 253, 17),
      "udev/b8:0":
        "S:disk/by-id/x\nE:ID_PATH=pci-0000:00:1f.2-ata-1\nE:ID_WWN=0x500\nE:ID_MODEL=Disk=One\nE:ID_SERIAL_SHORT=SHORT\nE:ID_REVISION=1.0\nE:ID_ATA=1\nE:ID_ATA_WRITE_CACHE=1\nE:ID_ATA_WRITE_CACHE_ENABLED=0\nE:ID_ATA_ROTATION_RATE_RPM=7200\n",
      "udev/b253:0":
        "E:DM_NAME=vg-root\nE:DM_UUID=LVM-1\nE:DM_VG_NAME=vg\nE:DM_LV_NAME=root\nE:ID_FS_TYPE=ext4\nE:ID_FS_USAGE=filesystem\nE:ID_FS_UUID=u-1\nE:ID_FS_VERSION=1.0\nE:SCSI_IDENT_SERIAL=LABEL\nE:ID_SERIAL_SHORT=SHORT\n",
    });
    const lines = await tree.collect(["diskstats"]);
    expect(lines.filter((entry) => /^node_disk_(info|ata|device_mapper|filesystem)/.test(entry))).toEqual([
      'node_disk_ata_rotation_rate_rpm{device="sda"} 7200',
      'node_disk_ata_write_cache{device="sda"} 1',
      'node_disk_ata_write_cache_enabled{device="sda"} 0',
      'node_disk_device_mapper_info{device="dm-0",name="vg-root",uuid="LVM-1",vg_name="vg",lv_name="root",lv_layer=""} 1',
      'node_disk_filesystem_info{device="dm-0",type="ext4",usage="filesystem",uuid="u-1",version="1.0"} 1',
      'node_disk_info{device="sda",major="8",minor="0",path="pci-0000:00:1f.2-ata-1",wwn="0x500",model="Disk=One",serial="SHORT",revision="1.0",rotational="0"} 1',
      'node_disk_info{device="dm-0",major="253",minor="0",path="",wwn="",model="",serial="LABEL",revision="",rotational="0"} 1',
    ]);
  });
});

describe("netstat", () => {
  test("the default fields of all three files", async () => {
    tree = fixtureTree({
      "proc/net/netstat":
        "TcpExt: SyncookiesSent ListenDrops TCPOFOQueue TW\nTcpExt: 1 2 3 4\nIpExt: InOctets\nIpExt: 5\n",
      "proc/net/snmp":
        "Ip: Forwarding InReceives\nIp: 1 9\nTcp: MaxConn CurrEstab\nTcp: -1 6\nUdpLite: InErrors\nUdpLite: 8\n",
      "proc/net/snmp6": "Ip6InOctets                     \t10\nIcmp6InErrors 11\nIp6InReceives 12\nUdp6NoPorts 13\n",
    });
    expect(await tree.collect(["netstat"])).toEqual([
      "node_netstat_Icmp6_InErrors 11",
      "node_netstat_Ip6_InOctets 10",
      "node_netstat_IpExt_InOctets 5",
      "node_netstat_Ip_Forwarding 1",
      "node_netstat_TcpExt_ListenDrops 2",
      "node_netstat_TcpExt_SyncookiesSent 1",
      "node_netstat_TcpExt_TCPOFOQueue 3",
      "node_netstat_Tcp_CurrEstab 6",
      "node_netstat_Udp6_NoPorts 13",
      "node_netstat_UdpLite_InErrors 8",
    ]);
    expect(await full(["netstat"])).toContain(
      "# HELP node_netstat_TcpExt_ListenDrops Statistic TcpExtListenDrops.\n# TYPE node_netstat_TcpExt_ListenDrops untyped\n",
    );
  });

  test("lines that do not fit fail the collector", async () => {
    tree = fixtureTree({ "proc/net/netstat": "TcpExt: A B\nTcpExt: 1\n", "proc/net/snmp": "" });
    expect(await full(["netstat"])).toContain('node_scrape_collector_success{collector="netstat"} 0\n');
  });
});

test("sockstat: both files, pages as bytes", async () => {
  tree = fixtureTree({
    "proc/net/sockstat":
      "sockets: used 229\nTCP: inuse 4 orphan 1 tw 2 alloc 17 mem 3\nUDPLITE: inuse 0\nFRAG: inuse 0 memory 5\n",
    "proc/net/sockstat6": "TCP6: inuse 17\n",
  });
  expect(await tree.collect(["sockstat"])).toEqual([
    "node_sockstat_FRAG_inuse 0",
    "node_sockstat_FRAG_memory 5",
    "node_sockstat_TCP6_inuse 17",
    "node_sockstat_TCP_alloc 17",
    "node_sockstat_TCP_inuse 4",
    "node_sockstat_TCP_mem 3",
    `node_sockstat_TCP_mem_bytes ${3 * pageSizeBytes}`,
    "node_sockstat_TCP_orphan 1",
    "node_sockstat_TCP_tw 2",
    "node_sockstat_UDPLITE_inuse 0",
    "node_sockstat_sockets_used 229",
  ]);
});

describe("stat", () => {
  const STAT =
    "cpu 1\ncpu0 1\nintr 8885917 17 0 0\nctxt 38014093\nbtime 1418183276\nprocesses 26442\nprocs_running 2\nprocs_blocked 1\nsoftirq 5057579 250191 1481983 1647 211099 186066 0 1783454 622196 12499 508444\n";

  test("counts of the kernel", async () => {
    tree = fixtureTree({ "proc/stat": STAT });
    expect(await tree.collect(["stat"])).toEqual([
      "node_boot_time_seconds 1418183276",
      "node_context_switches_total 38014093",
      "node_forks_total 26442",
      "node_intr_total 8885917",
      "node_procs_blocked 1",
      "node_procs_running 2",
    ]);
  });

  test("softirqs when asked for", async () => {
    tree = fixtureTree({ "proc/stat": STAT });
    const lines = await tree.collect(["stat"], { flags: { "stat.softirq": true } });
    expect(lines.filter((line) => line.startsWith("node_softirqs"))).toEqual([
      'node_softirqs_total{vector="hi"} 250191',
      'node_softirqs_total{vector="timer"} 1481983',
      'node_softirqs_total{vector="net_tx"} 1647',
      'node_softirqs_total{vector="net_rx"} 211099',
      'node_softirqs_total{vector="block"} 186066',
      'node_softirqs_total{vector="block_iopoll"} 0',
      'node_softirqs_total{vector="tasklet"} 1783454',
      'node_softirqs_total{vector="sched"} 622196',
      'node_softirqs_total{vector="hrtimer"} 12499',
      'node_softirqs_total{vector="rcu"} 508444',
    ]);
  });
});

test("vmstat: the wanted fields", async () => {
  tree = fixtureTree({
    "proc/vmstat":
      "nr_free_pages 1\npgpgin 2\npswpout 3\npgmajfault 4\noom_kill 5\nthp_fault_alloc 6\npgscan_kswapd 7\n",
  });
  expect(await tree.collect(["vmstat"])).toEqual([
    "node_vmstat_oom_kill 5",
    "node_vmstat_pgmajfault 4",
    "node_vmstat_pgpgin 2",
    "node_vmstat_pswpout 3",
  ]);
});

test("filefd", async () => {
  tree = fixtureTree({ "proc/sys/fs/file-nr": "1024\t0\t1631329\n" });
  expect(await tree.collect(["filefd"])).toEqual(["node_filefd_allocated 1024", "node_filefd_maximum 1631329"]);
});

describe("pressure", () => {
  const some = (total: number): string => `some avg10=0.00 avg60=0.00 avg300=0.01 total=${total}\n`;
  const all = (total: number): string => `full avg10=0.00 avg60=0.00 avg300=0.01 total=${total}\n`;

  test("microseconds become seconds; cpu has no full line of use, irq no some line", async () => {
    tree = fixtureTree({
      "proc/pressure/cpu": some(14036781) + all(5),
      "proc/pressure/io": some(159886802) + all(159229614),
      "proc/pressure/memory": some(0) + all(0),
      "proc/pressure/irq": all(8494),
    });
    expect(await tree.collect(["pressure"])).toEqual([
      "node_pressure_cpu_waiting_seconds_total 14.036781",
      "node_pressure_io_stalled_seconds_total 159.229614",
      "node_pressure_io_waiting_seconds_total 159.886802",
      "node_pressure_irq_stalled_seconds_total 0.008494",
      "node_pressure_memory_stalled_seconds_total 0",
      "node_pressure_memory_waiting_seconds_total 0",
    ]);
  });

  test("no data where the kernel does not account", async () => {
    tree = fixtureTree({});
    expect(await full(["pressure"])).toContain('node_scrape_collector_success{collector="pressure"} 0\n');
  });
});

test("time and uname", async () => {
  tree = fixtureTree({
    "proc/sys/kernel/domainname": "example.org\n",
    "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm \n",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
  });
  const clock = {
    now: () => 1_700_000_000_250,
    monotonicMs: () => 0,
    setTimeout: () => ({ cancel() {} }),
    setInterval: () => ({ cancel() {} }),
  };
  const lines = await tree.collect(["time", "uname"], { clock });
  expect(
    lines.filter((line) => !/time_zone/.test(line)).map((line) => line.replace(/release=.*nodename="[^"]*"/, "...")),
  ).toEqual([
    'node_time_clocksource_available_info{device="0",clocksource="tsc"} 1',
    'node_time_clocksource_available_info{device="0",clocksource="hpet"} 1',
    'node_time_clocksource_available_info{device="0",clocksource="acpi_pm"} 1',
    'node_time_clocksource_current_info{device="0",clocksource="tsc"} 1',
    "node_time_seconds 1700000000.25",
    `node_uname_info{sysname="${process.platform === "linux" ? "Linux" : "Darwin"}",...,domainname="example.org"} 1`,
  ]);
  expect(lines.some((line) => /^node_time_zone_offset_seconds\{time_zone="\S+"\} -?\d+$/.test(line))).toBe(true);
});

test("thermal_zone: temperatures and cooling devices, sensors without a value left out", async () => {
  tree = fixtureTree({
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "12376\n",
    "sys/class/thermal/thermal_zone10/type": "iwlwifi\n",
    "sys/class/thermal/cooling_device0/type": "Processor\n",
    "sys/class/thermal/cooling_device0/cur_state": "-1\n",
    "sys/class/thermal/cooling_device0/max_state": "3\n",
  });
  expect(await tree.collect(["thermal_zone"])).toEqual([
    'node_cooling_device_cur_state{name="0",type="Processor"} -1',
    'node_cooling_device_max_state{name="0",type="Processor"} 3',
    'node_thermal_zone_temp{zone="0",type="cpu-thermal"} 12.376',
  ]);
});

describe("hwmon", () => {
  test("chips are named by their device, values have units, labels are apart", async () => {
    tree = fixtureTree({});
    const chip = "sys/devices/platform/coretemp.0";
    const files: Record<string, string> = {
      name: "coretemp\n",
      temp1_input: "55000\n",
      temp1_label: "Physical id 0\n",
      temp1_crit: "100000\n",
      temp1_crit_alarm: "0\n",
      temp1_max: "84000\n",
      fan1_input: "1200\n",
      fan1_min: "0\n",
      fan1_pulses: "2\n",
      fan1_alarm: "1\n",
      fan1_beep: "0\n",
      fan1_fault: "0\n",
      in0_input: "792\n",
      in0_min: "0\n",
      curr1_input: "1500\n",
      power1_average: "21000000\n",
      power1_average_interval: "300\n",
      power1_accuracy: "950000\n",
      energy1_input: "5000000\n",
      humidity1_input: "450000\n",
      pwm1: "255\n",
      pwm1_enable: "2\n",
      beep_enable: "1\n",
      vrm: "90\n",
      update_interval: "1000\n",
      intrusion0_alarm: "1\n",
      freq1_input: "300000000\n",
      freq1_label: "sclk\n",
      freq2_input: "1\n",
      temp2_type: "4\n",
      cpu0_vid: "1250\n",
      temp3_input: "broken\n",
      uevent: "DRIVER=x\n",
    };
    for (const [name, text] of Object.entries(files)) tree.write(`${chip}/hwmon/hwmon3/${name}`, text);
    tree.link(`${chip}/hwmon/hwmon3/device`, "../..");
    tree.link("sys/class/hwmon/hwmon3", "../../devices/platform/coretemp.0/hwmon/hwmon3");
    const lines = await tree.collect(["hwmon"]);
    expect(lines.map((line) => line.replace('chip="platform_coretemp_0",', ""))).toEqual([
      'node_hwmon_beep_enabled{sensor="beep_enable0"} 1',
      'node_hwmon_chip_names{chip_name="coretemp"} 1',
      'node_hwmon_cpu_vid_volts{sensor="cpu0"} 1.25',
      'node_hwmon_curr_amps{sensor="curr1"} 1.5',
      'node_hwmon_energy_joule_total{sensor="energy1"} 5',
      'node_hwmon_fan_alarm{sensor="fan1"} 1',
      'node_hwmon_fan_beep_enabled{sensor="fan1"} 0',
      'node_hwmon_fan_fault{sensor="fan1"} 0',
      'node_hwmon_fan_min_rpm{sensor="fan1"} 0',
      'node_hwmon_fan_pulses{sensor="fan1"} 2',
      'node_hwmon_fan_rpm{sensor="fan1"} 1200',
      'node_hwmon_freq_freq_mhz{sensor="sclk"} 300',
      'node_hwmon_humidity{sensor="humidity1"} 0.45',
      'node_hwmon_in_min_volts{sensor="in0"} 0',
      'node_hwmon_in_volts{sensor="in0"} 0.792',
      'node_hwmon_intrusion_alarm{sensor="intrusion0"} 1',
      'node_hwmon_power_accuracy{sensor="power1"} 0.95',
      'node_hwmon_power_average_interval_seconds{sensor="power1"} 0.3',
      'node_hwmon_power_average_watt{sensor="power1"} 21',
      'node_hwmon_pwm{sensor="pwm1"} 255',
      'node_hwmon_pwm_enable{sensor="pwm1"} 2',
      'node_hwmon_sensor_label{sensor="freq1",label="sclk"} 1',
      'node_hwmon_sensor_label{sensor="temp1",label="Physical id 0"} 1',
      'node_hwmon_temp_celsius{sensor="temp1"} 55',
      'node_hwmon_temp_crit_alarm_celsius{sensor="temp1"} 0',
      'node_hwmon_temp_crit_celsius{sensor="temp1"} 100',
      'node_hwmon_temp_max_celsius{sensor="temp1"} 84',
      'node_hwmon_temp_type{sensor="temp2"} 4',
      'node_hwmon_update_interval_seconds{sensor="update_interval0"} 1',
      'node_hwmon_voltage_regulator_version{sensor="vrm0"} 90',
    ]);
    const some = await tree.collect(["hwmon"], { flags: { "hwmon.sensor-include": "^platform_coretemp_0;temp1$" } });
    expect(some).toHaveLength(6);
    expect(await tree.collect(["hwmon"], { flags: { "hwmon.chip-exclude": "^platform_" } })).toEqual([]);
  });

  test("without a device the name counts, without a name the directory", async () => {
    tree = fixtureTree({
      "sys/class/hwmon/hwmon0/name": "ACPI-tz 1\n",
      "sys/class/hwmon/hwmon0/temp1_input": "1000\n",
      "sys/class/hwmon/hwmon1/temp1_input": "2000\n",
    });
    expect(await tree.collect(["hwmon"])).toEqual([
      'node_hwmon_chip_names{chip="acpi_tz_1",chip_name="acpi_tz_1"} 1',
      'node_hwmon_temp_celsius{chip="acpi_tz_1",sensor="temp1"} 1',
      'node_hwmon_temp_celsius{chip="hwmon1",sensor="temp1"} 2',
    ]);
  });

  test("none is no data", async () => {
    tree = fixtureTree({});
    expect(await full(["hwmon"])).toContain('node_scrape_collector_success{collector="hwmon"} 0\n');
  });
});

describe("textfile", () => {
  const read = async (files: Readonly<Record<string, string>>, collectors = ["textfile"]): Promise<string[]> => {
    tree = fixtureTree({ "proc/loadavg": "1 2 3 1/1 1\n" });
    mkdirSync(`${tree.dir}/prom`);
    for (const [name, text] of Object.entries(files)) tree.write(`prom/${name}`, text);
    const text = await full(collectors, { flags: { "textfile.directory": [`${tree.dir}/prom`] } });
    return text
      .split("\n")
      .filter(
        (line) => !/node_(scrape|exporter)_/.test(line) && !/^# .* node_(textfile|load)/.test(line) && line !== "",
      )
      .map((line) => line.replace(tree.dir, "").replace(/(mtime_seconds.*) \d+/, "$1 T"));
  };

  test("families keep type and help, and are merged over files", async () => {
    expect(
      await read({
        "a.prom":
          '# HELP jobs_total Jobs \\\\ done.\n# TYPE jobs_total counter\njobs_total{name="x"} 1\n# TYPE lat histogram\nlat_bucket{le="1"} 1\nlat_bucket{le="+Inf"} 2\nlat_sum 3\nlat_count 2\n',
        "b.prom": '# TYPE jobs_total counter\njobs_total{ name = "y" , } 2\n\n# a comment\nfree +Inf\n',
        "c.txt": "ignored 1\n",
        "d.prom": "",
      }),
    ).toEqual([
      'node_textfile_mtime_seconds{file="/prom/a.prom"} T',
      'node_textfile_mtime_seconds{file="/prom/b.prom"} T',
      'node_textfile_mtime_seconds{file="/prom/d.prom"} T',
      "node_textfile_scrape_error 0",
      "# HELP jobs_total Jobs \\\\ done.",
      "# TYPE jobs_total counter",
      'jobs_total{name="x"} 1',
      'jobs_total{ name = "y" , } 2',
      "# HELP lat Metric read from /prom/a.prom",
      "# TYPE lat histogram",
      'lat_bucket{le="1"} 1',
      'lat_bucket{le="+Inf"} 2',
      "lat_sum 3",
      "lat_count 2",
      "# HELP free Metric read from /prom/b.prom",
      "# TYPE free untyped",
      "free +Inf",
    ]);
  });

  test.each([
    ["a timestamp", "a 1 1700000000000\n"],
    ["no value", "a\n"],
    ["a value that is none", "a one\n"],
    ["a name that is none", "1a 1\n"],
    ["a label that is not closed", 'a{b="c} 1\n'],
    ["a label twice", 'a{b="1",b="2"} 1\n'],
    ["a sample twice", 'a{b="1",c=""} 1\na{b="1"} 2\n'],
    ["two help lines", "# HELP a x\n# HELP a y\na 1\n"],
    ["a type after its samples", "a 1\n# TYPE a gauge\n"],
    ["an unknown type", "# TYPE a guage\na 1\n"],
    ["a last line that is cut", "ok 1\na 12"],
    ["a brace", "a} 1\n"],
  ])("a file with %s is left out whole, others are taken", async (_name, text) => {
    expect(await read({ "bad.prom": text, "good.prom": "good 1\n" })).toEqual([
      'node_textfile_mtime_seconds{file="/prom/good.prom"} T',
      "node_textfile_scrape_error 1",
      "# HELP good Metric read from /prom/good.prom",
      "# TYPE good untyped",
      "good 1",
    ]);
  });

  test("what contradicts an earlier file is left out", async () => {
    for (const text of ['# TYPE a gauge\na{x="2"} 1\n', 'a{x="1"} 2\n', '# HELP a other\na{x="3"} 1\n']) {
      const lines = await read({ "1.prom": '# HELP a A.\na{x="1"} 1\n', "2.prom": text });
      expect(lines).toContain("node_textfile_scrape_error 1");
      expect(lines.filter((line) => line.startsWith("a{"))).toEqual(['a{x="1"} 1']);
      tree.remove();
    }
  });

  test("a metric of another collector is left out", async () => {
    const lines = await read({ "1.prom": "node_load1 99\n" }, ["loadavg", "textfile"]);
    expect(lines).toContain("node_load1 1");
    expect(lines).not.toContain("node_load1 99");
    expect(lines).toContain("node_textfile_scrape_error 1");
  });

  test("a directory that is missing is an error, none is not; patterns work", async () => {
    tree = fixtureTree({ "x1/a.prom": "a 1\n", "x2/b.prom": "b 1\n" });
    expect(await tree.collect(["textfile"])).toEqual(["node_textfile_scrape_error 0"]);
    expect(await tree.collect(["textfile"], { flags: { "textfile.directory": [`${tree.dir}/gone`] } })).toEqual([
      "node_textfile_scrape_error 1",
    ]);
    const lines = await tree.collect(["textfile"], { flags: { "textfile.directory": [`${tree.dir}/x*`] } });
    expect(lines.filter((line) => /^[ab] /.test(line))).toEqual(["a 1", "b 1"]);
  });
});

test("arp: entries by device", async () => {
  tree = fixtureTree({
    "proc/net/arp": `IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         cc:aa:dd:ee:aa:bb     *        eth0
192.168.1.2      0x1         0x2         bb:cc:dd:ee:ff:ee     *        eth0
192.168.2.1      0x1         0x0         00:00:00:00:00:00     *        eth1
`,
  });
  expect(await tree.collect(["arp"])).toEqual([
    'node_arp_entries{device="eth0"} 2',
    'node_arp_entries{device="eth1"} 1',
  ]);
});

test("bonding: slaves and those that are up", async () => {
  tree = fixtureTree({
    "sys/class/net/bonding_masters": "bond0 bond1\n",
    "sys/class/net/bond0/bonding/slaves": "\n",
    "sys/class/net/bond1/bonding/slaves": "eth0 eth1 eth2\n",
    "sys/class/net/bond1/lower_eth0/bonding_slave/mii_status": "up\n",
    "sys/class/net/bond1/lower_eth1/bonding_slave/mii_status": "down\n",
    "sys/class/net/bond1/slave_eth2/bonding_slave/mii_status": "up\n",
  });
  expect(await tree.collect(["bonding"])).toEqual([
    'node_bonding_active{master="bond0"} 0',
    'node_bonding_active{master="bond1"} 2',
    'node_bonding_slaves{master="bond0"} 0',
    'node_bonding_slaves{master="bond1"} 3',
  ]);
});

test("conntrack: sizes, and statistics summed over CPUs", async () => {
  const row = Array.from({ length: 17 }, (_, i) => (i + 10).toString(16).padStart(8, "0")).join(" ");
  tree = fixtureTree({
    "proc/sys/net/netfilter/nf_conntrack_count": "123\n",
    "proc/sys/net/netfilter/nf_conntrack_max": "65536\n",
    "proc/net/stat/nf_conntrack": `entries  searched found new\n${row}\n${row}\n`,
  });
  expect(await tree.collect(["conntrack"])).toEqual([
    "node_nf_conntrack_entries 123",
    "node_nf_conntrack_entries_limit 65536",
    "node_nf_conntrack_stat_drop 40",
    "node_nf_conntrack_stat_early_drop 42",
    "node_nf_conntrack_stat_found 24",
    "node_nf_conntrack_stat_ignore 30",
    "node_nf_conntrack_stat_insert 36",
    "node_nf_conntrack_stat_insert_failed 38",
    "node_nf_conntrack_stat_invalid 28",
    "node_nf_conntrack_stat_search_restart 52",
  ]);
});

test("cpufreq: kilohertz become hertz, one governor is current", async () => {
  const dir = "sys/devices/system/cpu/cpu0/cpufreq";
  tree = fixtureTree({
    [`${dir}/scaling_cur_freq`]: "1219917\n",
    [`${dir}/scaling_min_freq`]: "800000\n",
    [`${dir}/scaling_max_freq`]: "2400000\n",
    [`${dir}/cpuinfo_max_freq`]: "3700000\n",
    [`${dir}/scaling_governor`]: "powersave\n",
    [`${dir}/scaling_available_governors`]: "performance powersave\n",
    "sys/devices/system/cpu/cpu1/online": "0\n",
  });
  expect(await tree.collect(["cpufreq"])).toEqual([
    'node_cpu_frequency_max_hertz{cpu="0"} 3700000000',
    'node_cpu_scaling_frequency_hertz{cpu="0"} 1219917000',
    'node_cpu_scaling_frequency_max_hertz{cpu="0"} 2400000000',
    'node_cpu_scaling_frequency_min_hertz{cpu="0"} 800000000',
    'node_cpu_scaling_governor{cpu="0",governor="performance"} 0',
    'node_cpu_scaling_governor{cpu="0",governor="powersave"} 1',
  ]);
});

test("dmi: what the firmware says", async () => {
  tree = fixtureTree({
    "sys/class/dmi/id/bios_vendor": "Acme\n",
    "sys/class/dmi/id/sys_vendor": "Maker Inc.\n",
    "sys/class/dmi/id/uevent": "x\n",
  });
  const [line] = await tree.collect(["dmi"]);
  expect(line.replace(/\w+="",?/g, "")).toBe('node_dmi_info{bios_vendor="Acme",system_vendor="Maker Inc."} 1');
});

test("edac: errors by controller, row and channel", async () => {
  const dir = "sys/devices/system/edac/mc/mc0";
  tree = fixtureTree({
    [`${dir}/ce_count`]: "1\n",
    [`${dir}/ce_noinfo_count`]: "2\n",
    [`${dir}/ue_count`]: "5\n",
    [`${dir}/ue_noinfo_count`]: "6\n",
    [`${dir}/csrow0/ce_count`]: "3\n",
    [`${dir}/csrow0/ue_count`]: "4\n",
    [`${dir}/csrow0/ch0_ce_count`]: "7\n",
    [`${dir}/csrow0/ch0_ue_count`]: "8\n",
    [`${dir}/csrow0/ch0_dimm_label`]: "DIMM_A1\n",
  });
  expect(await tree.collect(["edac"])).toEqual([
    'node_edac_channel_correctable_errors_total{controller="0",csrow="0",channel="0",dimm_label="DIMM_A1"} 7',
    'node_edac_channel_uncorrectable_errors_total{controller="0",csrow="0",channel="0",dimm_label="DIMM_A1"} 8',
    'node_edac_correctable_errors_total{controller="0"} 1',
    'node_edac_csrow_correctable_errors_total{controller="0",csrow="unknown"} 2',
    'node_edac_csrow_correctable_errors_total{controller="0",csrow="0"} 3',
    'node_edac_csrow_uncorrectable_errors_total{controller="0",csrow="unknown"} 6',
    'node_edac_csrow_uncorrectable_errors_total{controller="0",csrow="0"} 4',
    'node_edac_uncorrectable_errors_total{controller="0"} 5',
  ]);
});

test("entropy, kernel_hung and selinux", async () => {
  tree = fixtureTree({
    "proc/sys/kernel/random/entropy_avail": "1337\n",
    "proc/sys/kernel/random/poolsize": "4096\n",
    "proc/sys/kernel/hung_task_detect_count": "3\n",
    "sys/fs/selinux/enforce": "1",
    "root/etc/selinux/config": "# comment\nSELINUX=permissive\nSELINUXTYPE=targeted\n",
  });
  expect(await tree.collect(["entropy", "kernel_hung", "selinux"])).toEqual([
    "node_entropy_available_bits 1337",
    "node_entropy_pool_size_bits 4096",
    "node_kernel_hung_tasks_total 3",
    "node_selinux_config_mode 0",
    "node_selinux_current_mode 1",
    "node_selinux_enabled 1",
  ]);
});

describe("mdadm", () => {
  const MDSTAT = `Personalities : [raid6] [raid1] [raid0]
md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]
      195310144 blocks [2/1] [U_]
      [=>...................]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec

md0 : active raid0 sdi1[0] sdh1[1]
      314560 blocks super 1.2 64k chunks

md7 : active raid6 sdb1[0] sde1[3] sdd1[2](F)
      7813735424 blocks super 1.2 level 6, 512k chunk, algorithm 2 [4/3] [U_UU]
      bitmap: 0/30 pages [0KB], 65536KB chunk
      resync=PENDING

md219 : inactive sdb[2](S) sdc[1](S) sda[0](S)
        7932 blocks super external:imsm

unused devices: <none>
`;

  test("states, disks and progress", async () => {
    tree = fixtureTree({
      "proc/mdstat": MDSTAT,
      "sys/block/md6/md/raid_disks": "2\n",
      "sys/block/md6/md/degraded": "1\n",
      "sys/block/md0/md/raid_disks": "2\n",
      "sys/block/sda/size": "1\n",
    });
    const lines = await tree.collect(["mdadm"]);
    const of = (device: string): string[] =>
      lines
        .filter((line) => line.includes(`"${device}"`) && !/state="(inactive|check)"\} 0/.test(line))
        .map((line) => line.replace(`device="${device}"`, "").replace("node_md_", ""));
    expect(of("md6")).toEqual([
      "blocks{} 195310144",
      "blocks_synced{} 16775552",
      "degraded{} 1",
      'disks{,state="active"} 1',
      'disks{,state="failed"} 1',
      'disks{,state="spare"} 1',
      "disks_required{} 2",
      "raid_disks{} 2",
      'state{,state="active"} 0',
      'state{,state="recovering"} 1',
      'state{,state="resync"} 0',
    ]);
    expect(of("md0")).toContain('disks{,state="active"} 2');
    expect(of("md0")).toContain('state{,state="active"} 1');
    expect(of("md0")).toContain("degraded{} 0");
    expect(of("md7")).toContain("blocks_synced{} 0");
    expect(of("md7")).toContain('state{,state="resync"} 1');
    expect(of("md7")).toContain("disks_required{} 4");
    expect(of("md219")).toContain('state{,state="inactive"} 1');
    expect(of("md219")).toContain('disks{,state="spare"} 3');
  });

  test("a status that cannot be read fails the collector", async () => {
    tree = fixtureTree({ "proc/mdstat": "md6 : active raid1 sdb2[2]\n      some blocks\n\n\n" });
    expect(await full(["mdadm"])).toContain('node_scrape_collector_success{collector="mdadm"} 0');
  });
});

test("netclass: numbers in decimal and hexadecimal, unknown speed, files among the devices", async () => {
  const dir = "sys/class/net/eth0";
  tree = fixtureTree({
    [`${dir}/addr_assign_type`]: "3\n",
    [`${dir}/address`]: "01:01:01:01:01:01\n",
    [`${dir}/broadcast`]: "ff:ff:ff:ff:ff:ff\n",
    [`${dir}/carrier`]: "1\n",
    [`${dir}/carrier_changes`]: "2\n",
    [`${dir}/carrier_up_count`]: "1\n",
    [`${dir}/carrier_down_count`]: "1\n",
    [`${dir}/dev_id`]: "0x20\n",
    [`${dir}/dormant`]: "1\n",
    [`${dir}/duplex`]: "full\n",
    [`${dir}/flags`]: "0x1303\n",
    [`${dir}/ifalias`]: "uplink\n",
    [`${dir}/ifindex`]: "2\n",
    [`${dir}/iflink`]: "2\n",
    [`${dir}/link_mode`]: "1\n",
    [`${dir}/mtu`]: "1500\n",
    [`${dir}/name_assign_type`]: "2\n",
    [`${dir}/netdev_group`]: "0\n",
    [`${dir}/operstate`]: "up\n",
    [`${dir}/speed`]: "1000\n",
    [`${dir}/tx_queue_len`]: "1000\n",
    [`${dir}/type`]: "1\n",
    "sys/class/net/dummy0/operstate": "down\n",
    "sys/class/net/dummy0/flags": "0x82\n",
    "sys/class/net/dummy0/speed": "-1\n",
    "sys/class/net/bonding_masters": "\n",
  });
  expect(await tree.collect(["netclass"])).toEqual([
    'node_network_address_assign_type{device="eth0"} 3',
    'node_network_carrier{device="eth0"} 1',
    'node_network_carrier_changes_total{device="eth0"} 2',
    'node_network_carrier_down_changes_total{device="eth0"} 1',
    'node_network_carrier_up_changes_total{device="eth0"} 1',
    'node_network_device_id{device="eth0"} 32',
    'node_network_dormant{device="eth0"} 1',
    'node_network_flags{device="dummy0"} 130',
    'node_network_flags{device="eth0"} 4867',
    'node_network_iface_id{device="eth0"} 2',
    'node_network_iface_link{device="eth0"} 2',
    'node_network_iface_link_mode{device="eth0"} 1',
    'node_network_info{device="dummy0",address="",broadcast="",duplex="",operstate="down",adminstate="down",ifalias=""} 1',
    'node_network_info{device="eth0",address="01:01:01:01:01:01",broadcast="ff:ff:ff:ff:ff:ff",duplex="full",operstate="up",adminstate="up",ifalias="uplink"} 1',
    'node_network_mtu_bytes{device="eth0"} 1500',
    'node_network_name_assign_type{device="eth0"} 2',
    'node_network_net_dev_group{device="eth0"} 0',
    'node_network_protocol_type{device="eth0"} 1',
    'node_network_speed_bytes{device="dummy0"} -125000',
    'node_network_speed_bytes{device="eth0"} 125000000',
    'node_network_transmit_queue_length{device="eth0"} 1000',
    'node_network_up{device="dummy0"} 0',
    'node_network_up{device="eth0"} 1',
  ]);
  const strict = await tree.collect(["netclass"], {
    flags: { "netclass.ignore-invalid-speed": true, "netclass.ignored-devices": "^eth" },
  });
  expect(strict.some((line) => line.includes("eth0") || line.includes("speed"))).toBe(false);
});

test("os: quotes, version and end of support", async () => {
  tree = fixtureTree({
    "root/etc/os-release":
      'NAME="Some \\"Linux\\""\nVERSION=\'12 (x)\'\nID=some\nVERSION_ID="20.04.2"\n# note\nSUPPORT_END=2030-05-14\n',
  });
  const lines = await tree.collect(["os"]);
  expect(lines.map((line) => line.replace(/\w+="",?/g, ""))).toEqual([
    'node_os_info{id="some",name="Some \\"Linux\\"",version="12 (x)",version_id="20.04.2"} 1',
    "node_os_support_end_timestamp_seconds 1904947200",
    'node_os_version{id="some",name="Some \\"Linux\\""} 20.04',
  ]);
});

test("powersupplyclass: units, renamed attributes, info", async () => {
  tree = fixtureTree({
    "sys/class/power_supply/AC/online": "0\n",
    "sys/class/power_supply/AC/type": "Mains\n",
    "sys/class/power_supply/BAT0/capacity": "98\n",
    "sys/class/power_supply/BAT0/cycle_count": "7\n",
    "sys/class/power_supply/BAT0/energy_now": "49450000\n",
    "sys/class/power_supply/BAT0/voltage_now": "12229000\n",
    "sys/class/power_supply/BAT0/temp": "301\n",
    "sys/class/power_supply/BAT0/status": "Discharging\n",
    "sys/class/power_supply/BAT0/type": "Battery\n",
    "sys/class/power_supply/BAT0/uevent": "X=1\n",
  });
  const lines = await tree.collect(["powersupplyclass"]);
  expect(lines.map((line) => line.replace(/,\w+=""/g, ""))).toEqual([
    'node_power_supply_capacity{power_supply="BAT0"} 98',
    'node_power_supply_cyclecount{power_supply="BAT0"} 7',
    'node_power_supply_energy_watthour{power_supply="BAT0"} 49.45',
    'node_power_supply_info{power_supply="AC",type="Mains"} 1',
    'node_power_supply_info{power_supply="BAT0",status="Discharging",type="Battery"} 1',
    'node_power_supply_online{power_supply="AC"} 0',
    'node_power_supply_temp_celsius{power_supply="BAT0"} 30.1',
    'node_power_supply_voltage_volt{power_supply="BAT0"} 12.229',
  ]);
});

test("schedstat, softnet and udp_queues", async () => {
  tree = fixtureTree({
    "proc/schedstat":
      "version 15\ntimestamp 15819019232\ncpu0 498494191 0 3533438552 2553969831 3853684107 2465731542 2045936778163039 343796328169361 4767485306\ndomain0 03 1\n",
    "proc/net/softnet_stat":
      "00015c73 00020e76 f0000769 00000000 00000000 00000000 00000000 00000000 00000001 00000002 00000003 00000004 00000003\n",
    "proc/net/udp":
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n   0: 00000000:0016 00000000:0000 0A 00000015:00000010 00:00000000\n   1: 00000000:0017 00000000:0000 0A 00000001:00000002 00:00000000\n",
  });
  expect(await tree.collect(["schedstat", "softnet", "udp_queues"])).toEqual([
    'node_schedstat_running_seconds_total{cpu="0"} 2045936.778163039',
    'node_schedstat_timeslices_total{cpu="0"} 4767485306',
    'node_schedstat_waiting_seconds_total{cpu="0"} 343796.328169361',
    'node_softnet_backlog_len{cpu="3"} 4',
    'node_softnet_cpu_collision_total{cpu="3"} 1',
    'node_softnet_dropped_total{cpu="3"} 134774',
    'node_softnet_flow_limit_count_total{cpu="3"} 3',
    'node_softnet_processed_total{cpu="3"} 89203',
    'node_softnet_received_rps_total{cpu="3"} 2',
    'node_softnet_times_squeezed_total{cpu="3"} 4026533737',
    'node_udp_queues{queue="tx",ip="v4"} 22',
    'node_udp_queues{queue="rx",ip="v4"} 18',
  ]);
});
