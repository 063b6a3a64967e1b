import { type CollectorDefinition, NoDataError } from "../collector.ts";
import { fields, lines } from "../host-files.ts";

/** schedstat reads how long processes ran and waited on every CPU. */
export const schedstat: CollectorDefinition = {
  name: "schedstat",
  create: ({ files }) => ({
    collect(out) {
      const text = files.tryProc("schedstat");
      if (text === undefined) throw new NoDataError("schedstat file does not exist");
      const running = out.family(
        "counter",
        "node_schedstat_running_seconds_total",
        "Number of seconds CPU spent running a process.",
        ["cpu"],
      );
      const waiting = out.family(
        "counter",
        "node_schedstat_waiting_seconds_total",
        "Number of seconds spent by processing waiting for this CPU.",
        ["cpu"],
      );
      const slices = out.family("counter", "node_schedstat_timeslices_total", "Number of timeslices executed by CPU.", [
        "cpu",
      ]);
      for (const line of lines(text)) {
        const [name, ...values] = fields(line);
        if (!/^cpu\d+$/.test(name) || values.length < 9) continue;
        const cpu = name.slice(3);
        running.add(Number(values[6]) / 1e9, cpu);
        waiting.add(Number(values[7]) / 1e9, cpu);
        slices.add(Number(values[8]), cpu);
      }
    },
  }),
};
