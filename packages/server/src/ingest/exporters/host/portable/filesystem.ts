import type { CollectorDefinition } from "../collector.ts";
import { lines } from "../host-files.ts";
import { nameFilter } from "../name-filter.ts";

const LABELS = ["device", "mountpoint", "fstype", "device_error"];

/** darwinFilesystem asks the mounts that mount(8) lists for their size. */
export const darwinFilesystem: CollectorDefinition = {
  name: "filesystem",
  create({ flags, mounts, run }) {
    // node_exporter's defaults on macOS.
    const mountPoints = nameFilter("^/(dev)($|/)", flags["filesystem.mount-points-include"]);
    const fsTypes = nameFilter("^devfs$", flags["filesystem.fs-types-include"]);
    return {
      async collect(out) {
        const gauge = (name: string, help: string) => out.family("gauge", `node_filesystem_${name}`, help, LABELS);
        const deviceError = gauge(
          "device_error",
          "Whether an error occurred while getting statistics for the given device.",
        );
        const readOnly = gauge("readonly", "Filesystem read-only status.");
        const size = gauge("size_bytes", "Filesystem size in bytes.");
        const free = gauge("free_bytes", "Filesystem free space in bytes.");
        const available = gauge("avail_bytes", "Filesystem space available to non-root users in bytes.");
        const files = gauge("files", "Filesystem total file nodes.");
        const filesFree = gauge("files_free", "Filesystem total free file nodes.");
        for (const line of lines(await run("/sbin/mount", []))) {
          // /dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
          const match = /^(.+?) on (.+) \(([^,)]+)(.*)\)$/.exec(line);
          if (match === null) continue;
          const [, device, mountPoint, fsType, options] = match;
          if (mountPoints.ignored(mountPoint) || fsTypes.ignored(fsType)) continue;
          const stats = await mounts.stat(mountPoint, fsType, flags["filesystem.mount-timeout-ms"]);
          const error = typeof stats === "string" ? stats : "";
          deviceError.add(error === "" ? 0 : 1, device, mountPoint, fsType, error);
          readOnly.add(options.includes("read-only") ? 1 : 0, device, mountPoint, fsType, error);
          if (typeof stats === "string") continue;
          size.add(stats.blocks * stats.blockSize, device, mountPoint, fsType, error);
          free.add(stats.blocksFree * stats.blockSize, device, mountPoint, fsType, error);
          available.add(stats.blocksAvailable * stats.blockSize, device, mountPoint, fsType, error);
          files.add(stats.files, device, mountPoint, fsType, error);
          filesFree.add(stats.filesFree, device, mountPoint, fsType, error);
        }
      },
    };
  },
};
