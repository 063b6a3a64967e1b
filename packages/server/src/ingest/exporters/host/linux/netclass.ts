import { setImmediate } from "node:timers/promises";
import { type CollectorDefinition, NoDataError } from "../collector.ts";
import { nameFilter } from "../name-filter.ts";

// Attribute and the end of the metric's name.
const PROPERTIES: readonly { file: string; name: string; kind: "gauge" | "counter" }[] = [
  { file: "addr_assign_type", name: "address_assign_type", kind: "gauge" },
  { file: "carrier", name: "carrier", kind: "gauge" },
  { file: "carrier_changes", name: "carrier_changes_total", kind: "counter" },
  { file: "carrier_up_count", name: "carrier_up_changes_total", kind: "counter" },
  { file: "carrier_down_count", name: "carrier_down_changes_total", kind: "counter" },
  { file: "dev_id", name: "device_id", kind: "gauge" },
  { file: "dormant", name: "dormant", kind: "gauge" },
  { file: "flags", name: "flags", kind: "gauge" },
  { file: "ifindex", name: "iface_id", kind: "gauge" },
  { file: "iflink", name: "iface_link", kind: "gauge" },
  { file: "link_mode", name: "iface_link_mode", kind: "gauge" },
  { file: "mtu", name: "mtu_bytes", kind: "gauge" },
  { file: "name_assign_type", name: "name_assign_type", kind: "gauge" },
  { file: "netdev_group", name: "net_dev_group", kind: "gauge" },
  { file: "tx_queue_len", name: "transmit_queue_length", kind: "gauge" },
  { file: "type", name: "protocol_type", kind: "gauge" },
];

const INFO_LABELS = ["device", "address", "broadcast", "duplex", "operstate", "adminstate", "ifalias"];
const IFF_UP = 1;

// Twenty attributes of a device take about 0.2 ms; a machine with hundreds of container interfaces must not hold the
// event loop for all of them at once.
const DEVICES_PER_TURN = 8;

/** netclass reads the attributes of network devices below /sys/class/net. */
export const netclass: CollectorDefinition = {
  name: "netclass",
  create({ files, flags }) {
    const ignored = nameFilter(flags["netclass.ignored-devices"], "");
    return {
      async collect(out) {
        const root = files.sysPath("class/net");
        const devices = files.list(root);
        if (devices === undefined) throw new NoDataError();
        const gauge = (name: string, help = `Network device property: ${name}`, kind: "gauge" | "counter" = "gauge") =>
          out.family(kind, `node_network_${name}`, help, ["device"]);
        const families = PROPERTIES.map(({ name, kind }) => gauge(name, undefined, kind));
        const up = gauge("up", "Value is 1 if operstate is 'up', 0 otherwise.");
        const speed = gauge("speed_bytes");
        const info = out.family(
          "gauge",
          "node_network_info",
          "Non-numeric data from /sys/class/net/<iface>, value is always 1.",
          INFO_LABELS,
        );
        let inTurn = 0;
        for (const device of devices) {
          if (ignored.ignored(device)) continue;
          const dir = `${root}/${device}`;
          const state = files.tryRead(`${dir}/operstate`);
          // bonding_masters is a file among the devices.
          if (state === undefined) continue;
          if (++inTurn % DEVICES_PER_TURN === 0) await setImmediate();
          let deviceFlags: number | undefined;
          for (let i = 0; i < PROPERTIES.length; i++) {
            const value = files.tryNumber(`${dir}/${PROPERTIES[i].file}`);
            if (value === undefined) continue;
            families[i].add(value, device);
            if (PROPERTIES[i].file === "flags") deviceFlags = value;
          }
          up.add(state === "up" ? 1 : 0, device);
          const megabits = files.tryNumber(`${dir}/speed`);
          // Some drivers say -1 when they do not know.
          if (megabits !== undefined && (megabits >= 0 || !flags["netclass.ignore-invalid-speed"])) {
            speed.add(Math.trunc((megabits * 1_000_000) / 8), device);
          }
          const text = (file: string): string => files.tryRead(`${dir}/${file}`) ?? "";
          const admin = deviceFlags === undefined ? "unknown" : (deviceFlags & IFF_UP) === 0 ? "down" : "up";
          info.add(1, device, text("address"), text("broadcast"), text("duplex"), state, admin, text("ifalias"));
        }
      },
    };
  },
};
