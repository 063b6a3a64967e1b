import { type CollectorDefinition, NoDataError } from "../collector.ts";

const FIELDS = [
  "bios_date",
  "bios_release",
  "bios_vendor",
  "bios_version",
  "board_asset_tag",
  "board_name",
  "board_serial",
  "board_vendor",
  "board_version",
  "chassis_asset_tag",
  "chassis_serial",
  "chassis_vendor",
  "chassis_version",
  "product_family",
  "product_name",
  "product_serial",
  "product_sku",
  "product_uuid",
  "product_version",
];

/** dmi tells what the firmware says of the machine; serial numbers only to root. */
export const dmi: CollectorDefinition = {
  name: "dmi",
  create({ files }) {
    // It does not change while the machine runs.
    const dir = files.sysPath("class/dmi/id");
    const present = files.list(dir) !== undefined;
    const values = [...FIELDS, "sys_vendor"].map((file) => (present ? (files.tryRead(`${dir}/${file}`) ?? "") : ""));
    const labels = [...FIELDS, "system_vendor"];
    const help = `A metric with a constant '1' value labeled by ${labels.join(", ")} if provided by DMI.`;
    return {
      collect(out) {
        if (!present) throw new NoDataError();
        out.family("gauge", "node_dmi_info", help, labels).add(1, ...values);
      },
    };
  },
};
