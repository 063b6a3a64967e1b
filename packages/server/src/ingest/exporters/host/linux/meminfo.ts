import type { CollectorDefinition } from "../collector.ts";
import { fields, lines } from "../host-files.ts";

/**
 * meminfo reads every field of /proc/meminfo. Recent node_exporters export a fixed list; the kernel's other fields
 * keep the names that older ones gave them.
 */
export const meminfo: CollectorDefinition = {
  name: "meminfo",
  create: ({ files }) => ({
    collect(out) {
      for (const line of lines(files.proc("meminfo"))) {
        const [key, value, unit] = fields(line);
        // `Active(anon):` becomes Active_anon.
        let name = key.replace(/:$/, "").replace(/\((.*)\)/, "_$1");
        let amount = Number(value);
        if (Number.isNaN(amount)) throw new Error(`invalid value in meminfo: ${line}`);
        if (unit === "kB") {
          name += "_bytes";
          amount *= 1024;
        }
        out.gauge(`node_memory_${name}`, `Memory information field ${name}.`, amount);
      }
    },
  }),
};
