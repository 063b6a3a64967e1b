import { defineConfig } from "vitest/config";

// One worker process per file: the embedded database allows one data directory per process.
export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: "unit", include: ["packages/*/src/**/*.test.{ts,tsx}", "tools/**/*.test.ts"] } },
      {
        extends: true,
        test: { name: "conformance", include: ["test/conformance/**/*.test.ts"], testTimeout: 120_000 },
      },
      { extends: true, test: { name: "fuzz", include: ["test/fuzz/**/*.test.ts"], testTimeout: 120_000 } },
      { extends: true, test: { name: "blackbox", include: ["test/blackbox/**/*.test.ts"], testTimeout: 180_000 } },
      { extends: true, test: { name: "browser", include: ["test/browser/**/*.test.ts"], testTimeout: 180_000 } },
    ],
  },
});
