// Expositions as exporters write them, in every format: each must be read whole, the same cold and from the cache,
// and the same content in two formats must come out as the same series.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import {
  type ExpositionParser,
  LineCache,
  OpenMetricsParser,
  ProtobufParser,
  readEntries,
  TextParser,
} from "../../packages/server/src/ingest/exposition/index.ts";
import { CONFORMANCE_ROOT, hasConformance } from "./data.ts";
import type { ConformanceSuite, SuiteOptions, SuiteRow } from "./suite.ts";

const DATA = "exposition";
const FOLDERS = ["common_expfmt", "textparse"];

/** suite reads the files of prometheus/common and of Prometheus' textparse package. */
export const suite: ConformanceSuite = { name: "Exposition formats", data: DATA, run };

interface Exposition {
  file: string;
  body: Buffer;
  parser: () => ExpositionParser;
}

async function run({ filter }: SuiteOptions): Promise<SuiteRow[]> {
  const rows: SuiteRow[] = [];
  for (const folder of FOLDERS) {
    const path = join(DATA, folder);
    if (!hasConformance(path)) continue;
    const read = new Map<string, string[]>();
    for (const file of readdirSync(join(CONFORMANCE_ROOT, path)).toSorted()) {
      if (file === "SOURCE" || !`${folder}/${file}`.includes(filter)) continue;
      const row: SuiteRow = { name: `${folder}/${file}`, passed: 0, failed: 0, skipped: 0, failures: [] };
      rows.push(row);
      const exposition = recognise(file, readFileSync(join(CONFORMANCE_ROOT, path, file)));
      if (exposition === undefined) {
        row.skipped++;
        continue;
      }
      for (const problem of check(exposition, read)) {
        if (problem === undefined) row.passed++;
        else {
          row.failed++;
          row.failures.push({ where: row.name, input: file, message: problem });
        }
      }
    }
  }
  return rows;
}

function recognise(file: string, raw: Buffer): Exposition | undefined {
  const body = file.endsWith(".gz") ? gunzipSync(raw) : raw;
  // The formats of Prometheus 0.x in JSON are none that are scraped.
  if (file.startsWith("json")) return undefined;
  if (file.startsWith("protobuf")) return { file, body, parser: () => new ProtobufParser(new LineCache()) };
  if (file.includes(".om.") || body.subarray(-6).toString().trim() === "# EOF") {
    return { file, body, parser: () => new OpenMetricsParser(new LineCache()) };
  }
  return { file, body, parser: () => new TextParser(new LineCache()) };
}

// Files of one exposition in two forms.
const PAIRS: Readonly<Record<string, string>> = {
  "text.gz": "text",
  "protobuf.gz": "protobuf",
  text: "protobuf",
  "alltypes.237mfs.prom.txt": "alltypes.237mfs.nometa.prom.txt",
};

function check({ file, body, parser }: Exposition, read: Map<string, string[]>): (string | undefined)[] {
  const results: (string | undefined)[] = [];
  try {
    const one = parser();
    const cold = readEntries(one, body);
    read.set(file, cold);
    results.push(undefined);
    one.cache.iteration++;
    results.push(sameLines(readEntries(one, body), cold, "from the cache"));
    const samples = cold.filter((line) => line.startsWith("{"));
    if (!file.startsWith("protobuf")) {
      const lines = body
        .toString()
        .split("\n")
        .filter((line) => line !== "" && !line.startsWith("#"));
      const differ = lines.length === samples.length ? undefined : `${samples.length} samples in ${lines.length} lines`;
      results.push(differ);
    }
    const other = read.get(PAIRS[file] ?? "");
    if (other !== undefined) {
      const names = (lines: readonly string[]): string[] =>
        lines
          .filter((line) => line.startsWith("{"))
          .map((line) => line.slice(0, line.lastIndexOf("}") + 1))
          .toSorted();
      results.push(
        sameLines(withoutFloatSpelling(names(cold)), withoutFloatSpelling(names(other)), `as in ${PAIRS[file]}`),
      );
    }
  } catch (error) {
    results.push(error instanceof Error ? error.message : String(error));
  }
  return results;
}

// Without TYPE lines bounds and quantiles stay as they are written.
function withoutFloatSpelling(names: readonly string[]): string[] {
  return names
    .map((name) =>
      name.replaceAll(/(le|quantile)="([^"]+)"/g, (_, label: string, value: string) => `${label}="${Number(value)}"`),
    )
    .toSorted();
}

function sameLines(got: readonly string[], wanted: readonly string[], where: string): string | undefined {
  if (got.length !== wanted.length) return `${got.length} entries instead of ${wanted.length} ${where}`;
  const at = got.findIndex((line, i) => line !== wanted[i]);
  return at < 0 ? undefined : `entry ${at} ${where} is ${got[at]}, not ${wanted[at]}`;
}
