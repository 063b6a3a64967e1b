#!/usr/bin/env node
// Starts the command line. A source checkout runs the TypeScript sources under the Node 24 that the
// workspace carries, whatever Node npx was started with; a published package has dist/ and runs that.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "..", "src", "cli", "main.ts");
const bundle = join(here, "..", "dist", "cli.js");
const node = process.platform === "win32" ? "node.exe" : "node";
const carried = join(here, "..", "..", "..", "node_modules", "node", "bin", node);

const entry = existsSync(source) ? source : bundle;
const major = Number(process.versions.node.split(".")[0]);
if (major >= 24 || !existsSync(carried)) {
  await import(pathToFileURL(entry).href);
} else {
  const child = spawn(carried, [entry, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal ? 128 : 1)));
}
