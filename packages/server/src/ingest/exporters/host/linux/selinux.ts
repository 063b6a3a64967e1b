import type { CollectorDefinition } from "../collector.ts";

const MODES: Readonly<Record<string, number>> = { enforcing: 1, permissive: 0, disabled: -1 };

/** selinux tells whether SELinux is there and enforces. */
export const selinux: CollectorDefinition = {
  name: "selinux",
  create: ({ files }) => ({
    collect(out) {
      const current = files.tryNumber(files.sysPath("fs/selinux/enforce"));
      out.gauge("node_selinux_enabled", "SELinux is enabled, 1 is true, 0 is false", current === undefined ? 0 : 1);
      if (current === undefined) return;
      const config = /^SELINUX=(\w+)/m.exec(files.tryRead(files.rootPath("etc/selinux/config")) ?? "")?.[1] ?? "";
      out.gauge("node_selinux_config_mode", "Configured SELinux enforcement mode", MODES[config.toLowerCase()] ?? -1);
      out.gauge("node_selinux_current_mode", "Current SELinux enforcement mode", current);
    },
  }),
};
