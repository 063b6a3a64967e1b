import type { CollectorDefinition } from "../collector.ts";
import { fields } from "../host-files.ts";

const FREQUENCIES: readonly { file: string; name: string; help: string }[] = [
  { file: "cpuinfo_cur_freq", name: "frequency_hertz", help: "Current CPU thread frequency in hertz." },
  { file: "cpuinfo_min_freq", name: "frequency_min_hertz", help: "Minimum CPU thread frequency in hertz." },
  { file: "cpuinfo_max_freq", name: "frequency_max_hertz", help: "Maximum CPU thread frequency in hertz." },
  { file: "cpuinfo_avg_freq", name: "frequency_avg_hertz", help: "Average CPU thread frequency in hertz." },
  { file: "scaling_cur_freq", name: "scaling_frequency_hertz", help: "Current scaled CPU thread frequency in hertz." },
  {
    file: "scaling_min_freq",
    name: "scaling_frequency_min_hertz",
    help: "Minimum scaled CPU thread frequency in hertz.",
  },
  {
    file: "scaling_max_freq",
    name: "scaling_frequency_max_hertz",
    help: "Maximum scaled CPU thread frequency in hertz.",
  },
];

/** cpufreq reads the frequency of every CPU; reading the current one asks the CPU. */
export const cpufreq: CollectorDefinition = {
  name: "cpufreq",
  create: ({ files }) => ({
    async collect(out) {
      const root = files.sysPath("devices/system/cpu");
      for (const name of files.listNumbered(root, "cpu")) {
        const dir = `${root}/${name}/cpufreq`;
        const present = new Set(files.list(dir));
        const cpu = name.slice(3);
        for (const { file, name: metric, help } of FREQUENCIES) {
          if (!present.has(file)) continue;
          const kilohertz = Number((await files.readSlow(`${dir}/${file}`)) || NaN);
          if (!Number.isNaN(kilohertz))
            out.family("gauge", `node_cpu_${metric}`, help, ["cpu"]).add(kilohertz * 1000, cpu);
        }
        const governor = present.has("scaling_governor") ? files.tryRead(`${dir}/scaling_governor`) : undefined;
        if (governor === undefined || governor === "") continue;
        const family = out.family("gauge", "node_cpu_scaling_governor", "Current enabled CPU frequency governor.", [
          "cpu",
          "governor",
        ]);
        for (const available of fields(files.tryRead(`${dir}/scaling_available_governors`) ?? "")) {
          if (available !== "") family.add(available === governor ? 1 : 0, cpu, available);
        }
      }
    },
  }),
};
