import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ERROR_CODES } from "@belfry/core/api";
import { expect, test } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

// The codes that the source gives to AppError, one way or the other.
function usedCodes(): Set<string> {
  const used = new Set<string>();
  const folder = join(root, "packages", "server", "src");
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
    const text = readFileSync(join(folder, file), "utf8");
    for (const match of text.matchAll(/(?:super|AppError)\(\s*"([A-Z][A-Z0-9_]+)"/g)) used.add(match[1]!);
    for (const match of text.matchAll(/"((?:DB|QUERY|LOCK)_[A-Z_]+)"/g)) used.add(match[1]!);
    if (/super\(code[,)]/.test(text) && file.endsWith("lock.ts")) used.add("LOCKED");
  }
  // ApiError makes its codes from upstream's error types.
  const apiErrors = readFileSync(join(folder, "api", "errors.ts"), "utf8");
  for (const match of apiErrors.matchAll(/^ {2}\| "([a-z_]+)"/gm)) used.add(`API_${match[1]!.toUpperCase()}`);
  return used;
}

test("every error code is in the catalogue, and every code of the catalogue is used", () => {
  expect([...usedCodes()].sort()).toEqual(Object.keys(ERROR_CODES).sort());
});

test("docs/reference/errors.md lists the catalogue", () => {
  const text = readFileSync(join(root, "docs", "reference", "errors.md"), "utf8");
  const documented = [...text.matchAll(/^\| `([A-Z0-9_]+)` \| (.*) \|$/gm)].map(([, code, meaning]) => [code, meaning]);
  expect(documented).toEqual(Object.entries(ERROR_CODES));
});
