import { type CollectorDefinition, NoDataError } from "../collector.ts";

/** kernelHung reads how many tasks hung, on kernels that count them (6.13). */
export const kernelHung: CollectorDefinition = {
  name: "kernel_hung",
  create: ({ files }) => ({
    collect(out) {
      const count = files.tryNumber(files.procPath("sys/kernel/hung_task_detect_count"));
      if (count === undefined) throw new NoDataError();
      out.counter(
        "node_kernel_hung_tasks_total",
        "Total number of tasks that have been detected as hung since the system booted.",
        count,
      );
    },
  }),
};
