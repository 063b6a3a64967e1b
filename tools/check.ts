// `npm run check`: what must hold before every commit, in the order in which it fails fastest.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name: string): string => join(root, "node_modules", ".bin", name);

/** CHECKS are the static checks; unit tests come after them. */
export const CHECKS: readonly { name: string; command: string; args: readonly string[] }[] = [
  { name: "format", command: bin("oxfmt"), args: ["--check", "."] },
  { name: "layers", command: process.execPath, args: [join(root, "tools", "layers.ts")] },
  { name: "types", command: bin("tsc"), args: ["-p", "."] },
  { name: "types (ui)", command: bin("tsc"), args: ["-p", "packages/ui"] },
  { name: "lint", command: bin("oxlint"), args: ["--type-aware", "--quiet"] },
  { name: "dead exports", command: bin("knip"), args: ["--no-progress"] },
];

/** runChecks runs the static checks and returns the names of those that failed. */
export function runChecks(): string[] {
  const failed: string[] = [];
  for (const check of CHECKS) {
    const started = performance.now();
    const result = spawnSync(check.command, check.args, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      encoding: "utf8",
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (result.status === 0) {
      console.log(`ok    ${check.name} (${seconds}s)`);
    } else {
      console.log(`FAIL  ${check.name} (${seconds}s)`);
      console.log(`${result.stdout}${result.stderr}`.trimEnd());
      failed.push(check.name);
    }
  }
  return failed;
}

if (import.meta.main) {
  const failed = runChecks();
  const unit = spawnSync(bin("vitest"), ["run", "--project", "unit"], { cwd: root, stdio: "inherit" });
  process.exitCode = failed.length === 0 && unit.status === 0 ? 0 : 1;
}
