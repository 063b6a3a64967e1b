// `npm run bench [metrics]`: runs the benchmarks, prints the table and writes it to docs/benchmarks.md. Figures are
// ratios against peers in the same run: the machine's speed and its other tenants cancel out, absolute times do not.
import { writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { benchMetrics, type BenchRow } from "./metrics.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);
const quick = args.includes("--quick");
const what = args.find((arg) => !arg.startsWith("--")) ?? "metrics";
if (what !== "metrics") {
  console.error(`expected "metrics", got ${JSON.stringify(what)}`);
  process.exit(2);
}

const NOTES = `
How the rows are made:

- **Range query**: 10,000 series of 240 samples (one hour at 15 s), \`sum by (path) (rate(m[5m]))\` at 220 steps, over HTTP, the answer read to its end. VictoriaMetrics' result cache is off.
- **One series**: the same data, one series over the hour.
- **Beyond the head**: the same queries over an hour that ended seven hours ago, which Belfry answers from ClickHouse alone. Prometheus keeps that hour in its head or a memory-mapped block.
- **Scrape ingest**: one target of 10,000 series scraped every second, CPU time of the whole server over the scraped samples.
- **Remote write**: CPU time of the whole server over the written samples of the load above.
- **Disk**: bytes of the data directory over the stored samples after the load has been merged.
- **Start**: from spawning the process to the first answered query, with an empty and with a filled data directory.
- **Memory per series**: growth of resident memory over the number of series, three hours at 15 s loaded.
`;

const rows = await benchMetrics({ quick, progress: (text) => console.error(text) });
const table = markdownTable(rows);
console.log(table);
if (!quick) {
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
  writeFileSync(
    join(root, "docs", "benchmarks.md"),
    `# Benchmarks\n\nMade by \`npm run bench metrics\` on ${new Date().toISOString().slice(0, 10)}: ${machine}. Every row is measured in one run, the servers taking turns; times are medians. "ratio" is Belfry's figure over the peer's, smaller is better; "must" is the budget.\n\n${table}\n${NOTES}`,
  );
}

function markdownTable(list: readonly BenchRow[]): string {
  const header =
    "| work | Belfry | Prometheus 2.42 | ratio | VictoriaMetrics 1.79 | ratio | must | holds |\n|---|---|---|---|---|---|---|---|";
  const lines = list.map((row) => {
    const cell = (value: number | undefined): string => (value === undefined ? "–" : row.format(value));
    const ratio = (peer: number | undefined): string =>
      row.belfry === undefined || peer === undefined ? "–" : `${(row.belfry / peer).toFixed(2)}x`;
    return `| ${row.work} | ${cell(row.belfry)} | ${cell(row.prometheus)} | ${ratio(row.prometheus)} | ${cell(row.victoriametrics)} | ${ratio(row.victoriametrics)} | ${row.must} | ${row.holds === undefined ? "" : row.holds ? "yes" : "no"} |`;
  });
  return `${header}\n${lines.join("\n")}\n`;
}
