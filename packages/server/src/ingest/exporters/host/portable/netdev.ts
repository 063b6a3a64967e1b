import type { CollectorDefinition } from "../collector.ts";
import { fields, lines } from "../host-files.ts";
import { nameFilter } from "../name-filter.ts";

// The last columns of `netstat -ibn`, from the right: the ones before them may be empty.
const COLUMNS = [
  "transmit_colls",
  "transmit_bytes",
  "transmit_errs",
  "transmit_packets",
  "receive_bytes",
  "receive_errs",
  "receive_packets",
];

/** darwinNetdev reads the counters that netstat(1) prints. */
export const darwinNetdev: CollectorDefinition = {
  name: "netdev",
  create({ flags, run }) {
    const devices = nameFilter(flags["netdev.device-exclude"], flags["netdev.device-include"]);
    return {
      async collect(out) {
        for (const line of lines(await run("/usr/sbin/netstat", ["-ibn"]))) {
          // A device has one row per address; the one of its link has the counters of all.
          if (!line.includes("<Link#")) continue;
          const values = fields(line);
          // A device that is down is marked with an asterisk.
          const device = values[0].replace(/\*$/, "");
          if (devices.ignored(device)) continue;
          for (const [i, key] of COLUMNS.entries()) {
            const value = Number(values[values.length - 1 - i]);
            if (Number.isNaN(value)) continue;
            out
              .family("counter", `node_network_${key}_total`, `Network device statistic ${key}.`, ["device"])
              .add(value, device);
          }
        }
      },
    };
  },
};
