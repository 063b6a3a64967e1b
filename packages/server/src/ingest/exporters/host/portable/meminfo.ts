import { freemem, totalmem } from "node:os";
import type { CollectorDefinition } from "../collector.ts";

// Lines of vm_stat(1), in pages, and the field of node_exporter on macOS.
const FIELDS: readonly { line: string; field: string }[] = [
  { line: "Pages active", field: "active_bytes" },
  { line: "Pages occupied by compressor", field: "compressed_bytes" },
  { line: "Pages inactive", field: "inactive_bytes" },
  { line: "Anonymous pages", field: "internal_bytes" },
  { line: "Pages purgeable", field: "purgeable_bytes" },
  { line: "Pageins", field: "swapped_in_bytes_total" },
  { line: "Pageouts", field: "swapped_out_bytes_total" },
  { line: "Pages wired down", field: "wired_bytes" },
];

/** portableMeminfo tells total and free memory; on macOS vm_stat tells the rest. */
export const portableMeminfo: CollectorDefinition = {
  name: "meminfo",
  create: ({ platform, run }) => ({
    async collect(out) {
      const add = (field: string, bytes: number): void => {
        const help = `Memory information field ${field}.`;
        if (field.endsWith("_total")) out.counter(`node_memory_${field}`, help, bytes);
        else out.gauge(`node_memory_${field}`, help, bytes);
      };
      add("total_bytes", totalmem());
      add("free_bytes", freemem());
      if (platform !== "darwin") return;
      const text = await run("/usr/bin/vm_stat", []);
      const pageBytes = Number(/page size of (\d+) bytes/.exec(text)?.[1] ?? Number.NaN);
      for (const { line, field } of FIELDS) {
        const pages = Number(new RegExp(`^"?${line}"?:\\s+(\\d+)\\.`, "m").exec(text)?.[1] ?? Number.NaN);
        if (!Number.isNaN(pages * pageBytes)) add(field, pages * pageBytes);
      }
      const swap = /total = ([\d.]+)M\s+used = ([\d.]+)M/.exec(await run("/usr/sbin/sysctl", ["-n", "vm.swapusage"]));
      if (swap === null) return;
      add("swap_total_bytes", Number(swap[1]) * 1024 * 1024);
      add("swap_used_bytes", Number(swap[2]) * 1024 * 1024);
    },
  }),
};
