import { type CollectorDefinition, NoDataError } from "../collector.ts";
import { lines } from "../host-files.ts";

const INFO_LABELS = [
  "build_id",
  "id",
  "id_like",
  "image_id",
  "image_version",
  "name",
  "pretty_name",
  "variant",
  "variant_id",
  "version",
  "version_codename",
  "version_id",
];

/** os reads /etc/os-release. */
export const os: CollectorDefinition = {
  name: "os",
  create: ({ files }) => ({
    collect(out) {
      const text =
        files.tryRead(files.rootPath("etc/os-release")) ?? files.tryRead(files.rootPath("usr/lib/os-release"));
      if (text === undefined) throw new NoDataError("no os-release file found");
      const release = parseRelease(text);
      const get = (key: string): string => release.get(key) ?? "";
      const help = `A metric with a constant '1' value labeled by ${INFO_LABELS.join(", ")}.`;
      out
        .family("gauge", "node_os_info", help, INFO_LABELS)
        .add(1, ...INFO_LABELS.map((label) => get(label.toUpperCase())));
      const version = /^\d+(\.\d*)?/.exec(get("VERSION_ID"))?.[0];
      if (version !== undefined) {
        out
          .family("gauge", "node_os_version", "Metric containing the major.minor part of the OS version.", [
            "id",
            "id_like",
            "name",
          ])
          .add(Number.parseFloat(version), get("ID"), get("ID_LIKE"), get("NAME"));
      }
      const end = Date.parse(`${get("SUPPORT_END")}T00:00:00Z`);
      if (!Number.isNaN(end)) {
        out.gauge(
          "node_os_support_end_timestamp_seconds",
          "Metric containing the end-of-life date timestamp of the OS.",
          end / 1000,
        );
      }
    },
  }),
};

// Assignments in shell syntax: values may be quoted, with backslashes inside double quotes.
function parseRelease(text: string): Map<string, string> {
  const release = new Map<string, string>();
  for (const line of lines(text)) {
    const match = /^([A-Z_0-9]+)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S*))\s*$/.exec(line);
    if (match === null) continue;
    const [, key, double, single, bare] = match;
    release.set(key, double === undefined ? (single ?? bare) : double.replace(/\\(.)/g, "$1"));
  }
  return release;
}
