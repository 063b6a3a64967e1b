import { type CollectorDefinition, NoDataError } from "../collector.ts";
import type { HostExposition } from "../exposition.ts";
import { fields } from "../host-files.ts";

/** mdadm reads the state of software RAID from /proc/mdstat and sysfs. */
export const mdadm: CollectorDefinition = {
  name: "mdadm",
  create: ({ files }) => ({
    collect(out) {
      const text = files.tryProc("mdstat");
      if (text === undefined) throw new NoDataError("mdstat does not exist");
      const all = text.split("\n");
      for (let i = 0; i < all.length; i++) {
        if (/^(\s|$|Personalities|unused)/.test(all[i])) continue;
        addArray(out, all, i);
      }
      const disks = out.family("gauge", "node_md_raid_disks", "Number of raid disks on device.", ["device"]);
      const degraded = out.family("gauge", "node_md_degraded", "Number of degraded disks on device.", ["device"]);
      for (const device of files.list(files.sysPath("block")) ?? []) {
        if (!device.startsWith("md")) continue;
        const count = files.tryNumber(files.sysPath("block", device, "md/raid_disks"));
        if (count === undefined) continue;
        disks.add(count, device);
        // Levels without redundancy cannot be degraded and have no such file.
        degraded.add(files.tryNumber(files.sysPath("block", device, "md/degraded")) ?? 0, device);
      }
    },
  }),
};

// What the metric calls a state, by what it is called here.
const STATES: readonly (readonly [label: string, state: string])[] = [
  ["active", "active"],
  ["inactive", "inactive"],
  ["recovering", "recovering"],
  ["resync", "resyncing"],
  ["check", "checking"],
];

// md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]
//       195310144 blocks [2/1] [U_]
//       bitmap: 16/16 pages                                          may be missing
//       [=>....]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec
function addArray(out: HostExposition, all: readonly string[], at: number): void {
  const line = all[at];
  const [device, , activity] = fields(line);
  if (activity === undefined) throw new Error(`not enough fields in mdline (expected at least 3): ${line}`);
  if (all.length <= at + 3) throw new Error(`error parsing "${device}": too few lines for md device`);
  const { active, total, blocks } = parseStatus(line, all[at + 1]);
  const progress = all[at + 2].includes("bitmap") ? all[at + 3] : all[at + 2];
  let state = activity;
  let synced = blocks;
  if (/recovery|resync|check/.test(progress)) {
    state = progress.includes("recovery") ? "recovering" : progress.includes("check") ? "checking" : "resyncing";
    if (/PENDING|DELAYED/.test(progress)) synced = 0;
    else {
      const done = /\((\d+)\/\d+\)/.exec(progress)?.[1];
      if (done === undefined) throw new Error(`unexpected recoveryLine: ${progress}`);
      synced = Number(done);
    }
  }
  const count = (mark: string): number => line.split(mark).length - 1;
  out.family("gauge", "node_md_disks_required", "Total number of disks of device.", ["device"]).add(total, device);
  const disks = out.family("gauge", "node_md_disks", "Number of active/failed/spare disks of device.", [
    "device",
    "state",
  ]);
  disks.add(active, device, "active");
  disks.add(count("(F)"), device, "failed");
  disks.add(count("(S)"), device, "spare");
  const states = out.family("gauge", "node_md_state", "Indicates the state of md-device.", ["device", "state"]);
  for (const [label, name] of STATES) states.add(state === name ? 1 : 0, device, label);
  out.family("gauge", "node_md_blocks", "Total number of blocks on device.", ["device"]).add(blocks, device);
  out.family("gauge", "node_md_blocks_synced", "Number of blocks synced on device.", ["device"]).add(synced, device);
}

function parseStatus(line: string, status: string): { active: number; total: number; blocks: number } {
  const blocks = Number(fields(status)[0] || NaN);
  if (Number.isNaN(blocks)) throw new Error(`unexpected statusLine "${status}"`);
  // Only disks have a number in brackets here.
  if (/raid0|linear/.test(line)) {
    const disks = line.split("[").length - 1;
    return { active: disks, total: disks, blocks };
  }
  if (line.includes("inactive")) return { active: 0, total: 0, blocks };
  const counts = /\d+ blocks .*\[(\d+)\/(\d+)\] \[[U_]+\]/.exec(status);
  if (counts === null) throw new Error(`couldn't find all the substring matches: ${status}`);
  return { active: Number(counts[2]), total: Number(counts[1]), blocks };
}
