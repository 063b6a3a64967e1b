import type { MetricType } from "@belfry/core/model";

/** isSeriesPartOfFamily tells whether a sample of this name belongs to the metric family, given its type's suffixes. */
export function isSeriesPartOfFamily(name: string, family: string, type: MetricType): boolean {
  if (!name.startsWith(family)) return false;
  switch (type) {
    case "counter":
      return cut(family, "_total") === cut(name, "_total");
    case "histogram":
      return family === cut(name, "_bucket", "_sum", "_count");
    case "gaugehistogram":
      return family === cut(name, "_bucket", "_gsum", "_gcount");
    case "summary":
      return family === cut(name, "_sum", "_count");
    case "info":
      return cut(family, "_info") === cut(name, "_info");
    default:
      return family === name;
  }
}

function cut(name: string, ...suffixes: readonly string[]): string {
  for (const suffix of suffixes) if (name.endsWith(suffix)) return name.slice(0, -suffix.length);
  return name;
}
