import type { CollectorDefinition } from "../collector.ts";
import { fields } from "../host-files.ts";

/** filefd reads /proc/sys/fs/file-nr. */
export const filefd: CollectorDefinition = {
  name: "filefd",
  create: ({ files }) => ({
    collect(out) {
      const [allocated, , maximum] = fields(files.proc("sys/fs/file-nr"));
      if (maximum === undefined) throw new Error("unexpected number of file stats in sys/fs/file-nr");
      out.gauge("node_filefd_allocated", "File descriptor statistics: allocated.", Number(allocated));
      out.gauge("node_filefd_maximum", "File descriptor statistics: maximum.", Number(maximum));
    },
  }),
};
