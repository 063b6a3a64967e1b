import { loadavg } from "node:os";
import type { CollectorDefinition } from "../collector.ts";

/** portableLoadavg tells the load averages. */
export const portableLoadavg: CollectorDefinition = {
  name: "loadavg",
  create: () => ({
    collect(out) {
      const [one, five, fifteen] = loadavg();
      out.gauge("node_load1", "1m load average.", one);
      out.gauge("node_load5", "5m load average.", five);
      out.gauge("node_load15", "15m load average.", fifteen);
    },
  }),
};
