import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** CONFORMANCE_ROOT is where the conformance data lies; it is not part of the repository. */
export const CONFORMANCE_ROOT =
  process.env["BELFRY_CONFORMANCE"] ?? fileURLToPath(new URL("../../../shared/conformance", import.meta.url));

/** hasConformance tells whether a file or folder of the conformance data is there. */
export function hasConformance(path: string): boolean {
  return existsSync(join(CONFORMANCE_ROOT, path));
}

/** readConformance reads a file of the conformance data. */
export function readConformance(path: string): string {
  return readFileSync(join(CONFORMANCE_ROOT, path), "utf8");
}

/** listConformance lists the files of a folder of the conformance data that end in `suffix`; none when it is absent. */
export function listConformance(path: string, suffix: string): string[] {
  if (!hasConformance(path)) return [];
  return readdirSync(join(CONFORMANCE_ROOT, path))
    .filter((name) => name.endsWith(suffix))
    .toSorted();
}
