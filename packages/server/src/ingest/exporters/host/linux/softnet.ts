import type { CollectorDefinition } from "../collector.ts";
import { fields, lines } from "../host-files.ts";

// Columns of /proc/net/softnet_stat, in hexadecimal, one row per CPU. Older kernels have fewer.
const COLUMNS: readonly { column: number; name: string; kind: "counter" | "gauge"; help: string }[] = [
  { column: 0, name: "processed_total", kind: "counter", help: "Number of processed packets" },
  { column: 1, name: "dropped_total", kind: "counter", help: "Number of dropped packets" },
  {
    column: 2,
    name: "times_squeezed_total",
    kind: "counter",
    help: "Number of times processing packets ran out of quota",
  },
  {
    column: 8,
    name: "cpu_collision_total",
    kind: "counter",
    help: "Number of collision occur while obtaining device lock while transmitting",
  },
  { column: 9, name: "received_rps_total", kind: "counter", help: "Number of times cpu woken up received_rps" },
  { column: 10, name: "flow_limit_count_total", kind: "counter", help: "Number of times flow limit has been reached" },
  { column: 11, name: "backlog_len", kind: "gauge", help: "Softnet backlog status" },
];
const CPU_COLUMN = 12;

/** softnet reads what the CPUs did with received packets. */
export const softnet: CollectorDefinition = {
  name: "softnet",
  create: ({ files }) => ({
    collect(out) {
      const families = COLUMNS.map(({ name, kind, help }) => out.family(kind, `node_softnet_${name}`, help, ["cpu"]));
      for (const [row, line] of lines(files.proc("net/softnet_stat")).entries()) {
        const values = fields(line);
        // Rows of CPUs that are offline are missing, so newer kernels say whose row it is.
        const cpu = values.length > CPU_COLUMN ? Number.parseInt(values[CPU_COLUMN], 16) : row;
        for (let i = 0; i < COLUMNS.length; i++) {
          families[i].add(Number.parseInt(values[COLUMNS[i].column] ?? "0", 16), String(cpu));
        }
      }
    },
  }),
};
