// Checks who may import whom. The table is the tree of docs/architecture.md: packages and, inside the
// server, folders are listed lowest first, and a file imports only from its own folder and lower ones.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** PACKAGES maps each package to the packages it may import. */
const PACKAGES: Record<string, readonly string[]> = {
  core: [],
  instrument: ["core"],
  server: ["core", "instrument"],
  ui: ["core"],
};

/** FOLDERS lists the folders of a package's src, lowest first. */
const FOLDERS: Record<string, readonly string[]> = {
  core: ["model", "format", "promql", "logql", "traceql", "analytics", "dashboard", "api"],
  server: [
    "lib",
    "database",
    "metrics",
    "logs",
    "traces",
    "ingest",
    "rules",
    "alerting",
    "analytics",
    "dashboards",
    "config",
    "api",
    "app",
    "cli",
  ],
};

const PACKAGE_NAMES: Record<string, string> = {
  "@belfry/core": "core",
  "@belfry/instrument": "instrument",
  belfry: "server",
  "@belfry/ui": "ui",
};

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s(?:[^"';]*?\sfrom\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/g;

/** checkLayers returns one line per import that points the wrong way. */
export function checkLayers(base: string): string[] {
  const problems: string[] = [];
  for (const name of Object.keys(PACKAGES)) {
    const src = join(base, "packages", name, "src");
    for (const file of sourceFiles(src)) problems.push(...checkFile(base, name, src, file));
  }
  return problems;
}

function checkFile(base: string, packageName: string, src: string, file: string): string[] {
  const problems: string[] = [];
  const text = readFileSync(file, "utf8");
  const own = folderOf(src, file);
  const isTest = /\.test\.tsx?$/.test(file);
  for (const match of text.matchAll(IMPORT)) {
    const target = match[1] ?? match[2]!;
    const where = `${relative(base, file)}:${text.slice(0, match.index).split("\n").length}`;
    if (target.startsWith(".")) {
      const path = resolve(dirname(file), target);
      if (!path.startsWith(src + sep)) {
        if (!isTest) problems.push(`${where}: "${target}" leaves the package; import it by its package name`);
        continue;
      }
      const other = folderOf(src, path);
      const order = FOLDERS[packageName];
      if (!order || own === other) continue;
      if (own !== "" && !order.includes(own))
        problems.push(`${where}: folder "${own}" is not in the table of tools/layers.ts`);
      if (!order.includes(other) || (own !== "" && order.indexOf(other) > order.indexOf(own))) {
        problems.push(`${where}: ${packageName}/${own} may not import ${packageName}/${other || target}`);
      }
      continue;
    }
    if (packageName === "core" && target.startsWith("node:") && !isTest) {
      problems.push(`${where}: core is pure and may not import ${target}`);
    }
    const scope = target.startsWith("@") ? target.split("/").slice(0, 2).join("/") : target.split("/")[0]!;
    const imported = PACKAGE_NAMES[scope];
    if (imported !== undefined && imported !== packageName && !PACKAGES[packageName]!.includes(imported)) {
      problems.push(`${where}: ${packageName} may not import ${imported}`);
    }
  }
  return problems;
}

function folderOf(src: string, path: string): string {
  const parts = relative(src, path).split(sep);
  return parts.length > 1 ? parts[0]! : "";
}

function sourceFiles(folder: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder);
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = join(folder, entry);
    if (statSync(path).isDirectory()) return sourceFiles(path);
    return /\.tsx?$/.test(entry) ? [path] : [];
  });
}

if (import.meta.main) {
  const problems = checkLayers(root);
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? "layers: ok" : `layers: ${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
