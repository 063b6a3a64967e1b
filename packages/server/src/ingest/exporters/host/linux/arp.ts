import type { CollectorDefinition } from "../collector.ts";
import { fields, lines } from "../host-files.ts";
import { nameFilter } from "../name-filter.ts";

/** arp counts the entries of /proc/net/arp by device. */
export const arp: CollectorDefinition = {
  name: "arp",
  create({ files, flags }) {
    const devices = nameFilter(flags["arp.device-exclude"], flags["arp.device-include"]);
    return {
      collect(out) {
        const counts = new Map<string, number>();
        for (const line of lines(files.proc("net/arp")).slice(1)) {
          const device = fields(line).at(-1)!;
          counts.set(device, (counts.get(device) ?? 0) + 1);
        }
        const entries = out.family("gauge", "node_arp_entries", "ARP entries by device", ["device"]);
        for (const [device, count] of counts) if (!devices.ignored(device)) entries.add(count, device);
      },
    };
  },
};
