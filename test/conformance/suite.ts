// A conformance suite runs cases from the conformance data against our code and says, file by file, how many passed.
// `run.ts` prints what it says; a test beside the suite fails when a case does.

/** SuiteFailure is one case that did not pass. */
interface SuiteFailure {
  /** where is file and line, or file and number of the case. */
  where: string;
  /** input is the query, document or line of the case. */
  input: string;
  /** message says what was expected and what came instead. */
  message: string;
}

/** SuiteRow is the outcome of one file. */
export interface SuiteRow {
  name: string;
  passed: number;
  failed: number;
  skipped: number;
  failures: SuiteFailure[];
}

/** SuiteOptions selects what to run. */
export interface SuiteOptions {
  /** filter keeps the files, or the inputs, that contain it; "" keeps all. */
  filter: string;
}

/** ConformanceSuite is what a `*-suite.ts` file exports as `suite`. */
export interface ConformanceSuite {
  name: string;
  /** data is the folder of the conformance data it needs. */
  data: string;
  run(options: SuiteOptions): Promise<SuiteRow[]>;
  /** notes are printed below the table. */
  notes?(): string[];
}

/** formatTable prints rows and their sum as a table. */
export function formatTable(rows: readonly SuiteRow[]): string {
  const sum = (pick: (row: SuiteRow) => number): number => rows.reduce((total, row) => total + pick(row), 0);
  const lines = [
    ["file", "passed", "failed", "skipped"],
    ...rows.map((row) => [row.name, String(row.passed), String(row.failed), String(row.skipped)]),
    ["total", String(sum((r) => r.passed)), String(sum((r) => r.failed)), String(sum((r) => r.skipped))],
  ];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines
    .map((line) => line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "))
    .join("\n");
}
