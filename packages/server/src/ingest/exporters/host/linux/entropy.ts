import type { CollectorDefinition } from "../collector.ts";

/** entropy reads the kernel's pool of randomness. */
export const entropy: CollectorDefinition = {
  name: "entropy",
  create: ({ files }) => ({
    collect(out) {
      out.gauge(
        "node_entropy_available_bits",
        "Bits of available entropy.",
        Number(files.proc("sys/kernel/random/entropy_avail")),
      );
      out.gauge(
        "node_entropy_pool_size_bits",
        "Bits of entropy pool.",
        Number(files.proc("sys/kernel/random/poolsize")),
      );
    },
  }),
};
