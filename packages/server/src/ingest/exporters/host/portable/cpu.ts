import { cpus } from "node:os";
import type { CollectorDefinition } from "../collector.ts";

/** portableCpu tells the CPU times that the operating system tells Node. */
export const portableCpu: CollectorDefinition = {
  name: "cpu",
  create: () => ({
    collect(out) {
      const total = out.family("counter", "node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", [
        "cpu",
        "mode",
      ]);
      for (const [id, { times }] of cpus().entries()) {
        total.add(times.user / 1000, String(id), "user");
        total.add(times.sys / 1000, String(id), "system");
        total.add(times.nice / 1000, String(id), "nice");
        total.add(times.idle / 1000, String(id), "idle");
      }
    },
  }),
};
