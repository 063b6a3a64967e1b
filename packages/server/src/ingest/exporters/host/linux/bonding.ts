import { type CollectorDefinition, NoDataError } from "../collector.ts";
import { fields } from "../host-files.ts";

/** bonding counts the slaves of every bonding interface and those that are up. */
export const bonding: CollectorDefinition = {
  name: "bonding",
  create: ({ files }) => ({
    collect(out) {
      const masters = files.tryRead(files.sysPath("class/net/bonding_masters"));
      if (masters === undefined) throw new NoDataError("bonding_masters does not exist");
      const slaves = out.family("gauge", "node_bonding_slaves", "Number of configured slaves per bonding interface.", [
        "master",
      ]);
      const active = out.family("gauge", "node_bonding_active", "Number of active slaves per bonding interface.", [
        "master",
      ]);
      for (const master of fields(masters)) {
        if (master === "") continue;
        const dir = files.sysPath("class/net", master);
        const names = fields(files.tryRead(`${dir}/bonding/slaves`) ?? "").filter((name) => name !== "");
        let up = 0;
        for (const name of names) {
          const status =
            files.tryRead(`${dir}/lower_${name}/bonding_slave/mii_status`) ??
            // Kernels before 3.13.
            files.tryRead(`${dir}/slave_${name}/bonding_slave/mii_status`);
          if (status === "up") up++;
        }
        slaves.add(names.length, master);
        active.add(up, master);
      }
    },
  }),
};
