import type { CollectorDefinition } from "../collector.ts";
import type { HostExposition } from "../exposition.ts";
import { fields, lines } from "../host-files.ts";
import { nameFilter, type NameFilter } from "../name-filter.ts";

/** netstat reads /proc/net/netstat, snmp and snmp6; `netstat.fields` says which of their fields are wanted. */
export const netstat: CollectorDefinition = {
  name: "netstat",
  create({ files, flags }) {
    const wanted = nameFilter("", flags["netstat.fields"]);
    return {
      collect(out) {
        collectPairs(out, wanted, "netstat", files.proc("net/netstat"));
        collectPairs(out, wanted, "snmp", files.proc("net/snmp"));
        // Without IPv6 there is no such file.
        collectSnmp6(out, wanted, files.tryProc("net/snmp6") ?? "");
      },
    };
  },
};

// Two lines each: `TcpExt: SyncookiesSent SyncookiesRecv ...` and `TcpExt: 0 0 ...`.
function collectPairs(out: HostExposition, wanted: NameFilter, file: string, text: string): void {
  const all = lines(text);
  for (let i = 0; i + 1 < all.length; i += 2) {
    const names = fields(all[i]);
    const values = fields(all[i + 1]);
    const protocol = names[0].slice(0, -1);
    if (names.length !== values.length) throw new Error(`mismatch field count mismatch in net/${file}: ${protocol}`);
    for (let k = 1; k < names.length; k++) add(out, wanted, protocol, names[k], values[k]);
  }
}

// `Ip6InReceives   12`: the protocol ends at the first 6.
function collectSnmp6(out: HostExposition, wanted: NameFilter, text: string): void {
  for (const line of lines(text)) {
    const [name, value] = fields(line);
    const six = name.indexOf("6");
    if (six >= 0 && value !== undefined) add(out, wanted, name.slice(0, six + 1), name.slice(six + 1), value);
  }
}

function add(out: HostExposition, wanted: NameFilter, protocol: string, name: string, value: string): void {
  const key = `${protocol}_${name}`;
  if (wanted.ignored(key)) return;
  const number = Number(value);
  if (Number.isNaN(number)) throw new Error(`invalid value ${value} in netstats`);
  out.untyped(`node_netstat_${key}`, `Statistic ${protocol}${name}.`, number);
}
