// `npm test`: set up what the tests need, run the static checks and every test, and end with one line
// `N passed, N failed, N skipped` that counts checks and tests together.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildUi } from "./build.ts";
import { CHECKS, runChecks } from "./check.ts";
import { installPeers } from "./peers.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

interface TestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { status: string; fullName: string }[];
  }[];
}

installPeers();
buildUi();
const failedChecks = runChecks();

const folder = mkdtempSync(join(tmpdir(), "belfry-test-"));
const reportFile = join(folder, "report.json");
const vitest = join(root, "node_modules", ".bin", "vitest");
const filters = process.argv.slice(2);
spawnSync(vitest, ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${reportFile}`, ...filters], {
  cwd: root,
  stdio: "inherit",
});

let passed = CHECKS.length - failedChecks.length;
let failed = failedChecks.length;
let skipped = 0;
if (existsSync(reportFile)) {
  const report = JSON.parse(readFileSync(reportFile, "utf8")) as TestReport;
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  skipped += report.numPendingTests + report.numTodoTests;
  for (const file of report.testResults) {
    // A file that could not be loaded has no failed test of its own.
    if (file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed")) failed++;
    for (const test of file.assertionResults) {
      if (test.status === "pending" || test.status === "skipped") console.log(`skipped: ${test.fullName}`);
    }
  }
} else {
  console.log("the test runner wrote no report");
  failed++;
}
rmSync(folder, { recursive: true, force: true });
for (const name of failedChecks) console.log(`failed check: ${name}`);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
