import type { CollectorDefinition } from "../collector.ts";
import { lines } from "../host-files.ts";
import { nameFilter } from "../name-filter.ts";

/** vmstat reads /proc/vmstat; `vmstat.fields` says which of its fields are wanted. */
export const vmstat: CollectorDefinition = {
  name: "vmstat",
  create({ files, flags }) {
    const wanted = nameFilter("", flags["vmstat.fields"]);
    return {
      collect(out) {
        for (const line of lines(files.proc("vmstat"))) {
          const space = line.indexOf(" ");
          const name = line.slice(0, space);
          if (wanted.ignored(name)) continue;
          out.untyped(`node_vmstat_${name}`, `/proc/vmstat information field ${name}.`, Number(line.slice(space + 1)));
        }
      },
    };
  },
};
