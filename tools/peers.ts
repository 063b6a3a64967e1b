// The programs that tests and benchmarks use as peers: real browsers, real Prometheus. On Debian as root
// they are installed; elsewhere a line says what is missing, and the tests that need it are skipped by name.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

interface Peer {
  binary: string;
  debianPackage: string;
  usedFor: string;
}

const PEERS: readonly Peer[] = [
  { binary: "/usr/bin/chromium", debianPackage: "chromium", usedFor: "the browser tests" },
  { binary: "/usr/bin/prometheus", debianPackage: "prometheus", usedFor: "comparisons with Prometheus" },
  { binary: "/usr/bin/promtool", debianPackage: "prometheus", usedFor: "comparisons with Prometheus" },
  {
    binary: "/usr/bin/prometheus-node-exporter",
    debianPackage: "prometheus-node-exporter",
    usedFor: "host metrics parity",
  },
];

/** installPeers installs what is missing when it can (root on Debian), otherwise names it. */
export function installPeers(): void {
  const missing = PEERS.filter((peer) => !existsSync(peer.binary));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((peer) => peer.debianPackage))];
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    console.log(`installing for the tests: ${packages.join(" ")}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    // A package that starts a service must not do so here: policy-rc.d would need a change to the machine, so
    // the services that did start are left to the package manager's own defaults.
    const run = (args: string[]): number | null =>
      spawnSync("apt-get", args, { env, stdio: ["ignore", "ignore", "inherit"] }).status;
    if (run(["update", "-qq"]) === 0 && run(["install", "-y", "-qq", "--no-install-recommends", ...packages]) === 0)
      return;
  }
  for (const peer of missing.filter((p) => !existsSync(p.binary))) {
    console.log(
      `not installed: ${peer.debianPackage} (for ${peer.usedFor}); on Debian: apt-get install ${peer.debianPackage}`,
    );
  }
}
