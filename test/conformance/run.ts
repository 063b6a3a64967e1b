// npm run conformance [suite] [filter] [-v]: runs the conformance suites and prints a table each.
// Exits with 1 when a case failed, 2 when there is nothing to run.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CONFORMANCE_ROOT, hasConformance } from "./data.ts";
import { type ConformanceSuite, formatTable } from "./suite.ts";

const SUITE_FILE = /^(.+)-suite\.ts$/;

async function main(args: readonly string[]): Promise<number> {
  const verbose = args.includes("-v") || args.includes("--verbose");
  const [wanted, filter = ""] = args.filter((arg) => !arg.startsWith("-"));
  const folder = fileURLToPath(new URL(".", import.meta.url));
  const names = readdirSync(folder)
    .map((file) => SUITE_FILE.exec(file)?.[1])
    .filter((name) => name !== undefined)
    .toSorted();
  // "parser" will do for "promql-parser".
  const chosen = names.filter((name) => wanted === undefined || name === wanted || name.endsWith(`-${wanted}`));
  if (chosen.length === 0) {
    console.error(`no suite named "${wanted}"; there are: ${names.join(", ")}`);
    return 2;
  }
  let failed = 0;
  for (const name of chosen) {
    const { suite } = (await import(`./${name}-suite.ts`)) as { suite: ConformanceSuite };
    console.log(`\n${suite.name}`);
    if (!hasConformance(suite.data)) {
      console.log(`skipped: ${suite.data} is not in ${CONFORMANCE_ROOT} (set BELFRY_CONFORMANCE)`);
      continue;
    }
    const rows = await suite.run({ filter });
    console.log(formatTable(rows));
    for (const note of suite.notes?.() ?? []) console.log(note);
    for (const row of rows) {
      failed += row.failed;
      if (!verbose) continue;
      for (const failure of row.failures) {
        console.log(`\n${failure.where}\n  ${failure.input}\n  ${failure.message.replaceAll("\n", "\n  ")}`);
      }
    }
  }
  if (failed > 0 && !verbose) console.log("\n-v prints each failure");
  return failed > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
