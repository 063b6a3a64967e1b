import { hostname, machine, release, type, version } from "node:os";
import type { CollectorDefinition } from "../collector.ts";

const LABELS = ["sysname", "release", "version", "machine", "nodename", "domainname"];

/** uname tells what the uname system call does. */
export const uname: CollectorDefinition = {
  name: "uname",
  create: ({ files }) => ({
    collect(out) {
      const domain = files.tryRead(files.procPath("sys/kernel/domainname")) ?? "(none)";
      out
        .family("gauge", "node_uname_info", "Labeled system information as provided by the uname system call.", LABELS)
        .add(1, type(), release(), version(), machine(), hostname(), domain);
    },
  }),
};
