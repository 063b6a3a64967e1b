import { type CollectorDefinition, NoDataError } from "../collector.ts";
import { fields, lines } from "../host-files.ts";

// Columns of /proc/net/stat/nf_conntrack, in hexadecimal, one row per CPU.
const STATS: readonly { column: number; name: string; help: string }[] = [
  { column: 2, name: "found", help: "Number of searched entries which were successful." },
  { column: 4, name: "invalid", help: "Number of packets seen which can not be tracked." },
  { column: 5, name: "ignore", help: "Number of packets seen which are already connected to a conntrack entry." },
  { column: 8, name: "insert", help: "Number of entries inserted into the list." },
  { column: 9, name: "insert_failed", help: "Number of entries for which list insertion was attempted but failed." },
  { column: 10, name: "drop", help: "Number of packets dropped due to conntrack failure." },
  {
    column: 11,
    name: "early_drop",
    help: "Number of dropped conntrack entries to make room for new ones, if maximum table size was reached.",
  },
  {
    column: 16,
    name: "search_restart",
    help: "Number of conntrack table lookups which had to be restarted due to hashtable resizes.",
  },
];

/** conntrack reads the connection tracking table's size and statistics, where the module is loaded. */
export const conntrack: CollectorDefinition = {
  name: "conntrack",
  create: ({ files }) => ({
    collect(out) {
      const count = files.tryNumber(files.procPath("sys/net/netfilter/nf_conntrack_count"));
      const limit = files.tryNumber(files.procPath("sys/net/netfilter/nf_conntrack_max"));
      if (count === undefined || limit === undefined) throw new NoDataError("conntrack probably not loaded");
      out.gauge(
        "node_nf_conntrack_entries",
        "Number of currently allocated flow entries for connection tracking.",
        count,
      );
      out.gauge("node_nf_conntrack_entries_limit", "Maximum size of connection tracking table.", limit);
      const text = files.tryProc("net/stat/nf_conntrack");
      if (text === undefined) throw new NoDataError("conntrack probably not loaded");
      const rows = lines(text).slice(1).map(fields);
      for (const { column, name, help } of STATS) {
        let sum = 0;
        for (const row of rows) sum += Number.parseInt(row[column] ?? "0", 16);
        out.gauge(`node_nf_conntrack_stat_${name}`, help, sum);
      }
    },
  }),
};
