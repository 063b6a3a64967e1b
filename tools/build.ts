// Builds what running needs: the web UI. The server runs from its TypeScript sources.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** buildUi builds packages/ui/dist unless it was built from the same sources before. */
export function buildUi(): void {
  const ui = join(root, "packages", "ui");
  const stamp = join(ui, "dist", ".built-from");
  const hash = hashOf([
    join(ui, "src"),
    join(ui, "index.html"),
    join(ui, "vite.config.ts"),
    join(root, "packages", "core", "src"),
    join(root, "package-lock.json"),
  ]);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return;
  console.log("belfry: building the web interface ...");
  const vite = join(root, "node_modules", "vite", "bin", "vite.js");
  const result = spawnSync(process.execPath, [vite, "build", "--logLevel", "warn"], { cwd: ui, stdio: "inherit" });
  if (result.status !== 0) throw new Error("the web interface did not build; see the lines above");
  writeFileSync(stamp, hash);
}

function hashOf(paths: readonly string[]): string {
  const hash = createHash("sha256");
  const visit = (path: string): void => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const entry of readdirSync(path).sort()) visit(join(path, entry));
    } else if (!/\.test\.tsx?$/.test(path)) {
      hash.update(path.slice(root.length)).update("\0").update(readFileSync(path)).update("\0");
    }
  };
  for (const path of paths) visit(path);
  return hash.digest("hex");
}

if (import.meta.main) buildUi();
