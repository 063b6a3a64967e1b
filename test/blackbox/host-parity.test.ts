// The built-in host metrics against Debian's node_exporter on the same machine: the same series with the same types and
// help texts, both ways. What differs because the packaged node_exporter is older than the one that is followed
// is listed below, by rule.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_FLAGS } from "../../packages/server/src/ingest/exporters/host/collector.ts";
import { LINUX_COLLECTORS } from "../../packages/server/src/ingest/exporters/host/collectors.ts";
import { createHostCollector } from "../../packages/server/src/ingest/exporters/host/index.ts";
import { freePort } from "../support/belfry.ts";

const BINARY = "prometheus-node-exporter";
const version = spawnSync(BINARY, ["--version"], { encoding: "utf8" });
const installed = version.status === 0;

// Families that the followed version has and 1.5.0 has not, with the version that brought them.
const ADDED: readonly RegExp[] = [
  /^node_cpu_online$/, // 1.9
  /^node_cpu_scaling_governor$/, // 1.8
  /^node_filesystem_mount_info$/, // 1.9
  /^node_filesystem_purgeable_bytes$/, // 1.9
  /^node_kernel_hung_tasks_total$/, // 1.10
  /^node_pressure_irq_stalled_seconds_total$/, // 1.9
  /^node_softnet_(backlog_len|cpu_collision_total|flow_limit_count_total|received_rps_total)$/, // 1.7
  /^node_swap_/, // 1.10
];
// Labels that later versions added; without a value they are no label at all.
const ADDED_LABELS: Readonly<Record<string, readonly string[]>> = {
  node_disk_info: ["rotational"], // 1.8
  node_network_info: ["adminstate"], // 1.6
};
// Series that 1.5.0 has and the followed version has not.
const REMOVED: readonly RegExp[] = [
  // A sample of another process' life, not of the machine.
  /^(go|process|promhttp)_/,
  /^node_exporter_build_info$/,
];

interface Exposition {
  /** families: name to type and help. */
  families: Map<string, string>;
  /** series: name and sorted labels to value. */
  series: Map<string, number>;
}

let theirs: Exposition;
let ours: Exposition;
let child: ChildProcess | undefined;
let dir: string;
let names: string[];

describe.skipIf(!installed)(`host metrics against ${BINARY}`, () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "belfry-host-parity-"));
    writeFileSync(
      join(dir, "a.prom"),
      '# HELP batch_runs_total Runs.\n# TYPE batch_runs_total counter\nbatch_runs_total{job="x"} 3\nplain 1\n',
    );
    const port = await freePort();
    const known = spawnSync(BINARY, ["--help"], { encoding: "utf8" });
    const help = known.stdout + known.stderr;
    names = LINUX_COLLECTORS.map(({ name }) => name).filter((name) => help.includes(`--collector.${name} `));
    const flag = (name: keyof typeof DEFAULT_FLAGS): string => `--collector.${name}=${String(DEFAULT_FLAGS[name])}`;
    child = spawn(BINARY, [
      `--web.listen-address=127.0.0.1:${port}`,
      "--collector.disable-defaults",
      ...names.map((name) => `--collector.${name}`),
      // Debian changes some defaults; ours are upstream's.
      flag("filesystem.mount-points-exclude"),
      flag("filesystem.fs-types-exclude"),
      flag("diskstats.device-exclude"),
      flag("netstat.fields"),
      flag("vmstat.fields"),
      "--collector.netdev.device-exclude=^$",
      `--collector.textfile.directory=${dir}`,
    ]);
    theirs = parse(await fetchRetrying(`http://127.0.0.1:${port}/metrics`));
    const host = createHostCollector({ collectors: names, flags: { "textfile.directory": [dir] } });
    ours = parse(new TextDecoder().decode(await host.collect()));
    host.close();
  });

  afterAll(async () => {
    if (child !== undefined && child.exitCode === null) {
      const exited = new Promise((resolve) => child!.once("exit", resolve));
      child.kill("SIGTERM");
      await exited;
    }
    rmSync(dir, { recursive: true, force: true });
  });

  test("both ran the same collectors", () => {
    expect(names.length).toBeGreaterThan(15);
    expect(theirs.series.size).toBeGreaterThan(200);
    const successes = (from: Exposition): string[] =>
      [...from.series]
        .filter(([key]) => key.startsWith("node_scrape_collector_success"))
        .map(([key, value]) => `${key} ${value}`)
        .sort();
    expect(successes(ours)).toEqual(successes(theirs));
  });

  test("no series of node_exporter is missing", () => {
    expect([...theirs.series.keys()].filter((key) => !ours.series.has(key))).toEqual([]);
  });

  test("no series is there that node_exporter does not have", () => {
    const extra = [...ours.series.keys()].filter((key) => !theirs.series.has(key));
    expect(extra.filter((key) => !ADDED.some((rule) => rule.test(key.replace(/\{.*/, ""))))).toEqual([]);
  });

  test("types and help texts are the same", () => {
    const differing: string[] = [];
    for (const [name, text] of theirs.families) {
      const own = ours.families.get(name);
      if (own !== undefined && own !== text) differing.push(`${name}: ${own} instead of ${text}`);
    }
    expect(differing).toEqual([]);
  });

  test("what does not change from one moment to the next has the same value", () => {
    const still =
      /^node_(boot_time_seconds|cooling_|disk_info|filefd_maximum|filesystem_(size_bytes|files(?!_free)|readonly|device_error)|memory_(MemTotal|SwapTotal|Hugepagesize|CommitLimit|VmallocTotal)_bytes|network_(mtu|flags|up|info|iface|protocol|speed|transmit_queue|carrier|address_assign)|os_|textfile_|time_zone|time_clocksource|uname_info|nf_conntrack_entries_limit|entropy_pool)/;
    const differing = [...theirs.series].filter(([key, value]) => still.test(key) && ours.series.get(key) !== value);
    expect(differing.map(([key, value]) => `${key}: ${ours.series.get(key)} instead of ${value}`)).toEqual([]);
    expect([...theirs.series.keys()].filter((key) => still.test(key)).length).toBeGreaterThan(20);
  });

  test("counters are close to node_exporter's, which was asked a moment before", () => {
    const off: string[] = [];
    for (const [key, value] of theirs.series) {
      const own = ours.series.get(key);
      const name = key.replace(/\{.*/, "");
      if (own === undefined || !theirs.families.get(name)?.startsWith("counter")) continue;
      if (own < value * 0.999 || own > value * 1.1 + 10_000) off.push(`${key}: ${own} after ${value}`);
    }
    expect(off).toEqual([]);
  });
});

function parse(text: string): Exposition {
  const families = new Map<string, string>();
  const series = new Map<string, number>();
  const help = new Map<string, string>();
  for (const line of text.split("\n")) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      if (comment[1] === "HELP") help.set(comment[2], comment[3]);
      else if (!isRemoved(comment[2])) families.set(comment[2], `${comment[3]} ${help.get(comment[2])}`);
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (sample === null || isRemoved(sample[1])) continue;
    const labels = [...(sample[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
      .filter(([, name, value]) => value !== "" && !(ADDED_LABELS[sample[1]] ?? []).includes(name))
      .map(([, name, value]) => `${name}="${value}"`);
    series.set(`${sample[1]}{${labels.sort().join(",")}}`, Number(sample[3]));
  }
  return { families, series };
}

function isRemoved(name: string): boolean {
  return REMOVED.some((rule) => rule.test(name));
}

async function fetchRetrying(url: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await (await fetch(url)).text();
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
