import type { CollectorDefinition } from "../collector.ts";
import { fields, lines } from "../host-files.ts";
import { pageSizeBytes } from "./page-size.ts";

const STATES = new Set(["inuse", "orphan", "tw", "alloc", "mem", "memory"]);

/** sockstat reads /proc/net/sockstat and sockstat6, each where it exists. */
export const sockstat: CollectorDefinition = {
  name: "sockstat",
  create: ({ files }) => ({
    collect(out) {
      for (const file of ["net/sockstat", "net/sockstat6"]) {
        // TCP: inuse 4 orphan 0 tw 0 alloc 4 mem 53
        for (const line of lines(files.tryProc(file) ?? "")) {
          const [name, ...pairs] = fields(line);
          const protocol = name.slice(0, -1);
          if (protocol === "sockets") {
            out.gauge("node_sockstat_sockets_used", "Number of IPv4 sockets in use.", Number(pairs[1]));
            continue;
          }
          const add = (state: string, value: number): void =>
            out.gauge(`node_sockstat_${protocol}_${state}`, `Number of ${protocol} sockets in state ${state}.`, value);
          for (let i = 0; i + 1 < pairs.length; i += 2) {
            if (!STATES.has(pairs[i])) continue;
            add(pairs[i], Number(pairs[i + 1]));
            // Counted in pages.
            if (pairs[i] === "mem") add("mem_bytes", Number(pairs[i + 1]) * pageSizeBytes);
          }
        }
      }
    },
  }),
};
