import type { CollectorDefinition } from "../collector.ts";
import { fields, lines } from "../host-files.ts";
import { nameFilter } from "../name-filter.ts";

// The columns of /proc/net/dev. Some of its columns are sums over the finer counters of the kernel, and these sums
// are what node_exporter's default names stand for.
const COLUMNS = [
  "receive_bytes",
  "receive_packets",
  "receive_errs",
  "receive_drop",
  "receive_fifo",
  "receive_frame",
  "receive_compressed",
  "receive_multicast",
  "transmit_bytes",
  "transmit_packets",
  "transmit_errs",
  "transmit_drop",
  "transmit_fifo",
  "transmit_colls",
  "transmit_carrier",
  "transmit_compressed",
];

/** netdev reads /proc/net/dev, and from sysfs the one counter that is missing there. */
export const netdev: CollectorDefinition = {
  name: "netdev",
  create({ files, flags }) {
    const devices = nameFilter(flags["netdev.device-exclude"], flags["netdev.device-include"]);
    return {
      collect(out) {
        const counter = (key: string) =>
          out.family("counter", `node_network_${key}_total`, `Network device statistic ${key}.`, ["device"]);
        const families = COLUMNS.map(counter);
        const unhandled = counter("receive_nohandler");
        for (const line of lines(files.proc("net/dev"))) {
          const colon = line.lastIndexOf(":");
          // The two header lines have none.
          if (colon < 0) continue;
          const device = line.slice(0, colon).trim();
          if (devices.ignored(device)) continue;
          const values = fields(line.slice(colon + 1));
          if (values.length < COLUMNS.length) throw new Error(`failed to parse /proc/net/dev: ${line}`);
          for (let i = 0; i < families.length; i++) families[i].add(Number(values[i]), device);
          const missing = files.tryNumber(files.sysPath("class/net", device, "statistics/rx_nohandler"));
          if (missing !== undefined) unhandled.add(missing, device);
        }
      },
    };
  },
};
