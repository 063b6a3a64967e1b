import type { CollectorDefinition } from "../collector.ts";
import { fields } from "../host-files.ts";

/** loadavg reads /proc/loadavg. */
export const loadavg: CollectorDefinition = {
  name: "loadavg",
  create: ({ files }) => ({
    collect(out) {
      const [one, five, fifteen] = fields(files.proc("loadavg"));
      out.gauge("node_load1", "1m load average.", Number(one));
      out.gauge("node_load5", "5m load average.", Number(five));
      out.gauge("node_load15", "15m load average.", Number(fifteen));
    },
  }),
};
