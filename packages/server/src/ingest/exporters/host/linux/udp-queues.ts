import type { CollectorDefinition } from "../collector.ts";
import { fields, lines } from "../host-files.ts";

/** udpQueues sums the queues of all UDP sockets. */
export const udpQueues: CollectorDefinition = {
  name: "udp_queues",
  create: ({ files }) => ({
    collect(out) {
      const queues = out.family(
        "gauge",
        "node_udp_queues",
        "Number of allocated memory in the kernel for UDP datagrams in bytes.",
        ["queue", "ip"],
      );
      for (const [file, ip] of [
        ["net/udp", "v4"],
        ["net/udp6", "v6"],
      ] as const) {
        const text = files.tryProc(file);
        if (text === undefined) continue;
        let transmit = 0;
        let receive = 0;
        for (const line of lines(text).slice(1)) {
          // sl local_address rem_address st tx_queue:rx_queue ...
          const [tx, rx] = (fields(line)[4] ?? "").split(":");
          transmit += Number.parseInt(tx, 16) || 0;
          receive += Number.parseInt(rx ?? "", 16) || 0;
        }
        queues.add(transmit, "tx", ip);
        queues.add(receive, "rx", ip);
      }
    },
  }),
};
