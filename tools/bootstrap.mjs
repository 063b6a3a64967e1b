// The one file that must run on Node 20 with nothing installed. It installs the workspace when it is
// missing or out of date, then hands over to the Node 24 that the workspace carries:
//
//   node tools/bootstrap.mjs tools/start.ts [arguments]
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, "node_modules", ".belfry-installed");
const node = join(root, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");

const major = Number(process.versions.node.split(".")[0]);
if (major < 20) {
  console.error(`Belfry needs Node 20 or newer to install itself; this is ${process.version}.`);
  process.exit(1);
}

const lockHash = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");
const installed = existsSync(node) && existsSync(stamp) && readFileSync(stamp, "utf8") === lockHash;
if (!installed) {
  console.log("belfry: installing dependencies (once) ...");
  const npm = process.env.npm_execpath;
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const result = npm?.endsWith(".js")
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: "inherit" })
    : spawnSync("npm", args, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
  if (result.status !== 0) {
    console.error("belfry: npm ci failed; see the lines above.");
    process.exit(result.status ?? 1);
  }
  if (!existsSync(node)) {
    console.error(
      `belfry: the "node" package did not install ${node}; was its install script blocked (npm config ignore-scripts)?`,
    );
    process.exit(1);
  }
  writeFileSync(stamp, lockHash);
}

const [script, ...args] = process.argv.slice(2);
const path = [join(root, "node_modules", ".bin"), process.env.PATH].join(process.platform === "win32" ? ";" : ":");
const child = spawn(node, [join(root, script), ...args], {
  cwd: process.env.INIT_CWD ?? process.cwd(),
  stdio: "inherit",
  env: { ...process.env, PATH: path },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 128 : 1)));
