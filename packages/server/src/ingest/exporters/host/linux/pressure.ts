import { type CollectorDefinition, NoDataError } from "../collector.ts";

const RESOURCES: readonly { file: string; some?: [name: string, help: string]; full?: [name: string, help: string] }[] =
  [
    {
      file: "cpu",
      some: ["cpu_waiting", "Total time in seconds that processes have waited for CPU time"],
    },
    {
      file: "io",
      some: ["io_waiting", "Total time in seconds that processes have waited due to IO congestion"],
      full: ["io_stalled", "Total time in seconds no process could make progress due to IO congestion"],
    },
    {
      file: "memory",
      some: ["memory_waiting", "Total time in seconds that processes have waited for memory"],
      full: ["memory_stalled", "Total time in seconds no process could make progress due to memory congestion"],
    },
    {
      file: "irq",
      full: ["irq_stalled", "Total time in seconds no process could make progress due to IRQ congestion"],
    },
  ];

/** pressure reads /proc/pressure, where the kernel accounts for it. */
export const pressure: CollectorDefinition = {
  name: "pressure",
  create: ({ files }) => ({
    collect(out) {
      let found = false;
      for (const { file, some, full } of RESOURCES) {
        // A kernel that is told not to account (psi=0) answers EOPNOTSUPP.
        const text = files.tryRead(files.procPath("pressure", file));
        if (text === undefined) continue;
        found = true;
        for (const [key, metric] of [
          ["some", some],
          ["full", full],
        ] as const) {
          const total = new RegExp(`^${key} .*\\btotal=(\\d+)`, "m").exec(text)?.[1];
          if (metric !== undefined && total !== undefined) {
            out.counter(`node_pressure_${metric[0]}_seconds_total`, metric[1], Number(total) / 1e6);
          }
        }
      }
      if (!found) throw new NoDataError("pressure information is unavailable");
    },
  }),
};
