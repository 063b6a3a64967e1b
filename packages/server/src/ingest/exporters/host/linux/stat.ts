import type { CollectorDefinition } from "../collector.ts";

const SOFTIRQS = ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

/** stat reads what /proc/stat says besides CPU times. */
export const stat: CollectorDefinition = {
  name: "stat",
  create: ({ files, flags }) => ({
    collect(out) {
      for (const line of files.proc("stat").split("\n")) {
        const space = line.indexOf(" ");
        // `intr` is followed by one number per interrupt, thousands on a large machine; only the first is wanted.
        const value = Number.parseFloat(line.slice(space + 1, space + 25));
        switch (line.slice(0, space)) {
          case "intr":
            out.counter("node_intr_total", "Total number of interrupts serviced.", value);
            break;
          case "ctxt":
            out.counter("node_context_switches_total", "Total number of context switches.", value);
            break;
          case "processes":
            out.counter("node_forks_total", "Total number of forks.", value);
            break;
          case "btime":
            out.gauge("node_boot_time_seconds", "Node boot time, in unixtime.", value);
            break;
          case "procs_running":
            out.gauge("node_procs_running", "Number of processes in runnable state.", value);
            break;
          case "procs_blocked":
            out.gauge("node_procs_blocked", "Number of processes blocked waiting for I/O to complete.", value);
            break;
          case "softirq": {
            if (!flags["stat.softirq"]) break;
            const calls = out.family("counter", "node_softirqs_total", "Number of softirq calls.", ["vector"]);
            const values = line.split(" ");
            for (let i = 0; i < SOFTIRQS.length; i++) calls.add(Number(values[i + 2] ?? 0), SOFTIRQS[i]);
          }
        }
      }
    },
  }),
};
