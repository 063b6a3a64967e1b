import type { CollectorDefinition, HostCollector, HostContext } from "../collector.ts";
import type { HostExposition } from "../exposition.ts";
import { lines } from "../host-files.ts";
import { nameFilter, type NameFilter } from "../name-filter.ts";

/** filesystem reads the mounts of process 1 and asks each for its size. */
export const filesystem: CollectorDefinition = {
  name: "filesystem",
  create: (context) => new FilesystemCollector(context),
};

const LABELS = ["device", "mountpoint", "fstype", "device_error"];

interface Mount {
  device: string;
  mountPoint: string;
  fsType: string;
  readOnly: boolean;
  major: string;
  minor: string;
}

class FilesystemCollector implements HostCollector {
  private readonly context: HostContext;
  private readonly mountPoints: NameFilter;
  private readonly fsTypes: NameFilter;

  constructor(context: HostContext) {
    this.context = context;
    const { flags } = context;
    this.mountPoints = nameFilter(flags["filesystem.mount-points-exclude"], flags["filesystem.mount-points-include"]);
    this.fsTypes = nameFilter(flags["filesystem.fs-types-exclude"], flags["filesystem.fs-types-include"]);
  }

  async collect(out: HostExposition): Promise<void> {
    const { files, flags, mounts } = this.context;
    // With hidepid the first process is not ours to see; our own mounts are the next best.
    const text = files.tryProc("1/mountinfo") ?? files.proc("self/mountinfo");
    const gauge = (name: string, help: string) => out.family("gauge", `node_filesystem_${name}`, help, LABELS);
    const deviceError = gauge(
      "device_error",
      "Whether an error occurred while getting statistics for the given device.",
    );
    const readOnly = gauge("readonly", "Filesystem read-only status.");
    const size = gauge("size_bytes", "Filesystem size in bytes.");
    const free = gauge("free_bytes", "Filesystem free space in bytes.");
    const available = gauge("avail_bytes", "Filesystem space available to non-root users in bytes.");
    const inodes = gauge("files", "Filesystem total file nodes.");
    const inodesFree = gauge("files_free", "Filesystem total free file nodes.");
    const info = out.family("gauge", "node_filesystem_mount_info", "Filesystem mount information.", [
      "device",
      "major",
      "minor",
      "mountpoint",
    ]);
    const wanted = this.wanted(text);
    const answers = await Promise.all(
      wanted.map((mount) =>
        mounts.stat(files.rootPath(mount.mountPoint), mount.fsType, flags["filesystem.mount-timeout-ms"]),
      ),
    );
    for (const [i, mount] of wanted.entries()) {
      const stats = answers[i];
      const { device, mountPoint, fsType } = mount;
      const failed = typeof stats === "string";
      const error = failed ? stats : "";
      deviceError.add(failed ? 1 : 0, device, mountPoint, fsType, error);
      readOnly.add(mount.readOnly ? 1 : 0, device, mountPoint, fsType, error);
      if (failed) continue;
      size.add(stats.blocks * stats.blockSize, device, mountPoint, fsType, error);
      free.add(stats.blocksFree * stats.blockSize, device, mountPoint, fsType, error);
      available.add(stats.blocksAvailable * stats.blockSize, device, mountPoint, fsType, error);
      inodes.add(stats.files, device, mountPoint, fsType, error);
      inodesFree.add(stats.filesFree, device, mountPoint, fsType, error);
      info.add(1, device, mount.major, mount.minor, mountPoint);
    }
  }

  // The same device may be mounted over the same place again; it is told once.
  private wanted(text: string): Mount[] {
    const found = new Map<string, Mount>();
    for (const mount of parseMounts(text, this.context.files.paths.rootfs)) {
      if (this.mountPoints.ignored(mount.mountPoint) || this.fsTypes.ignored(mount.fsType)) continue;
      const key = `${mount.device}\n${mount.mountPoint}\n${mount.fsType}`;
      if (!found.has(key)) found.set(key, mount);
    }
    return [...found.values()];
  }
}

// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//       |         |     |        |           |   |    |         super options
//       maj:min   point options  any number  |   type source
function* parseMounts(text: string, rootfs: string): Generator<Mount> {
  for (const line of lines(text)) {
    const parts = line.split(" ");
    const dash = parts.indexOf("-", 6);
    if (dash < 0 || parts.length < dash + 4) throw new Error(`malformed mount point information: "${line}"`);
    const [major, minor] = parts[2].split(":");
    if (minor === undefined) throw new Error(`malformed mount point MajorMinorVer: "${parts[2]}"`);
    yield {
      device: unescape(parts[dash + 2]),
      mountPoint: stripRoot(unescape(parts[4]), rootfs),
      fsType: parts[dash + 1],
      readOnly: parts[5].split(",").includes("ro") || parts[dash + 3].split(",").includes("ro"),
      major,
      minor,
    };
  }
}

// See fstab(5).
function unescape(text: string): string {
  return text.includes("\\") ? text.replaceAll("\\040", " ").replaceAll("\\011", "\t") : text;
}

function stripRoot(path: string, rootfs: string): string {
  if (rootfs === "/") return path;
  if (path === rootfs) return "/";
  return path.startsWith(`${rootfs}/`) ? path.slice(rootfs.length) : path;
}
