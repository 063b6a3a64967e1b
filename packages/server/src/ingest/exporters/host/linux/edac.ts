import type { CollectorDefinition } from "../collector.ts";

/** edac reads the counts of corrected and uncorrectable memory errors. */
export const edac: CollectorDefinition = {
  name: "edac",
  create: ({ files }) => ({
    collect(out) {
      const root = files.sysPath("devices/system/edac/mc");
      const corrected = out.family(
        "counter",
        "node_edac_correctable_errors_total",
        "Total correctable memory errors.",
        ["controller"],
      );
      const uncorrectable = out.family(
        "counter",
        "node_edac_uncorrectable_errors_total",
        "Total uncorrectable memory errors.",
        ["controller"],
      );
      const rowLabels = ["controller", "csrow"];
      const rowCorrected = out.family(
        "counter",
        "node_edac_csrow_correctable_errors_total",
        "Total correctable memory errors for this csrow.",
        rowLabels,
      );
      const rowUncorrectable = out.family(
        "counter",
        "node_edac_csrow_uncorrectable_errors_total",
        "Total uncorrectable memory errors for this csrow.",
        rowLabels,
      );
      const channelLabels = ["controller", "csrow", "channel", "dimm_label"];
      const channelCorrected = out.family(
        "counter",
        "node_edac_channel_correctable_errors_total",
        "Total correctable memory errors for this channel.",
        channelLabels,
      );
      const channelUncorrectable = out.family(
        "counter",
        "node_edac_channel_uncorrectable_errors_total",
        "Total uncorrectable memory errors for this channel.",
        channelLabels,
      );
      const must = (path: string): number => {
        const value = files.tryNumber(path);
        if (value === undefined) throw new Error(`couldn't get ${path}`);
        return value;
      };
      for (const name of files.listNumbered(root, "mc")) {
        const dir = `${root}/${name}`;
        const controller = name.slice(2);
        corrected.add(must(`${dir}/ce_count`), controller);
        rowCorrected.add(must(`${dir}/ce_noinfo_count`), controller, "unknown");
        uncorrectable.add(must(`${dir}/ue_count`), controller);
        rowUncorrectable.add(must(`${dir}/ue_noinfo_count`), controller, "unknown");
        for (const rowName of files.listNumbered(dir, "csrow")) {
          const row = rowName.slice(5);
          rowCorrected.add(must(`${dir}/${rowName}/ce_count`), controller, row);
          rowUncorrectable.add(must(`${dir}/${rowName}/ue_count`), controller, row);
          for (const file of files.list(`${dir}/${rowName}`) ?? []) {
            const channel = /^ch(\d+)_ce_count$/.exec(file)?.[1];
            if (channel === undefined) continue;
            const label = files.tryRead(`${dir}/${rowName}/ch${channel}_dimm_label`) ?? "";
            channelCorrected.add(must(`${dir}/${rowName}/${file}`), controller, row, channel, label);
            const uncorrected = files.tryNumber(`${dir}/${rowName}/ch${channel}_ue_count`);
            if (uncorrected !== undefined) channelUncorrectable.add(uncorrected, controller, row, channel, label);
          }
        }
      }
    },
  }),
};
