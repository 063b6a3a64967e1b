// For tests of the collectors: small /proc and /sys trees in a temporary directory, and a reader of expositions.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createHostCollector, type HostCollectorOptions } from "./host-collector.ts";

/** FixtureTree is a directory with `proc`, `sys`, `udev` and `root` below it. */
export interface FixtureTree {
  readonly dir: string;
  /** write creates or replaces a file. */
  write(path: string, text: string): void;
  /** link makes a symbolic link; `target` is relative to the link. */
  link(path: string, target: string): void;
  /** collect runs the named collectors once and returns the sample lines, without those about the collectors. */
  collect(collectors: readonly string[], options?: HostCollectorOptions): Promise<string[]>;
  options(collectors: readonly string[], options?: HostCollectorOptions): HostCollectorOptions;
  remove(): void;
}

/** fixtureTree writes the files and returns the tree. */
export function fixtureTree(files: Readonly<Record<string, string>>): FixtureTree {
  const dir = mkdtempSync(join(tmpdir(), "belfry-host-"));
  mkdirSync(join(dir, "proc"));
  const tree: FixtureTree = {
    dir,
    write(path, text) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    },
    link(path, target) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      symlinkSync(target, join(dir, path));
    },
    options: (collectors, options = {}) => ({
      paths: {
        procfs: join(dir, "proc"),
        sysfs: join(dir, "sys"),
        udevData: join(dir, "udev"),
        rootfs: join(dir, "root"),
      },
      platform: "linux",
      collectors,
      ...options,
    }),
    async collect(collectors, options) {
      const host = createHostCollector(tree.options(collectors, options));
      const text = new TextDecoder().decode(await host.collect());
      host.close();
      return samples(text);
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
  for (const [path, text] of Object.entries(files)) tree.write(path, text);
  return tree;
}

/** samples are the sample lines of an exposition, without those about the collectors themselves. */
export function samples(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#") && !/^node_(scrape|exporter)_/.test(line));
}
