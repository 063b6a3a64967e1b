// Our own metrics as /api/v1/status/self_metrics shows them: the JSON form of the exposition protobuf.

interface Sample {
  label?: { name: string; value: string }[];
  counter?: { value: number };
  gauge?: { value: number };
  histogram?: {
    sampleCount: string;
    sampleSum: number;
    bucket: { cumulativeCount: string; upperBound: number | string }[];
  };
}

/** SelfMetricFamily is one family. */
export interface SelfMetricFamily {
  name: string;
  help: string;
  type: "COUNTER" | "GAUGE" | "HISTOGRAM";
  metric: Sample[];
}

const LINE = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_][a-z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** selfMetricFamilies turns our own text exposition, whose form we know, into families. */
export function selfMetricFamilies(exposition: Uint8Array): SelfMetricFamily[] {
  const families: SelfMetricFamily[] = [];
  let family: SelfMetricFamily | undefined;
  let help = "";
  for (const line of new TextDecoder().decode(exposition).split("\n")) {
    if (line.startsWith("# HELP ")) {
      help = line.slice(line.indexOf(" ", 7) + 1);
    } else if (line.startsWith("# TYPE ")) {
      const [name, type] = line.slice(7).split(" ");
      family = { name: name!, help, type: type!.toUpperCase() as SelfMetricFamily["type"], metric: [] };
      families.push(family);
      help = "";
    } else if (family) {
      const match = LINE.exec(line);
      if (match) addSample(family, match[1]!, match[2] ?? "", Number(match[3]!.replace("Inf", "Infinity")));
    }
  }
  return families;
}

function addSample(family: SelfMetricFamily, name: string, labelText: string, value: number): void {
  const label = [...labelText.matchAll(LABEL)].map(([, key, text]) => ({ name: key!, value: unescape(text!) }));
  if (family.type !== "HISTOGRAM") {
    const sample: Sample = family.type === "COUNTER" ? { counter: { value } } : { gauge: { value } };
    family.metric.push(label.length > 0 ? { label, ...sample } : sample);
    return;
  }
  const own = label.filter((pair) => pair.name !== "le");
  const key = JSON.stringify(own);
  let sample = family.metric.find((other) => JSON.stringify(other.label ?? []) === key);
  if (!sample) {
    sample = { ...(own.length > 0 ? { label: own } : {}), histogram: { sampleCount: "0", sampleSum: 0, bucket: [] } };
    family.metric.push(sample);
  }
  const histogram = sample.histogram!;
  if (name.endsWith("_sum")) histogram.sampleSum = value;
  else if (name.endsWith("_count")) histogram.sampleCount = String(value);
  else {
    const bound = label.find((pair) => pair.name === "le")?.value ?? "+Inf";
    // The protobuf form leaves the last bucket out: it is the count.
    if (bound !== "+Inf") histogram.bucket.push({ cumulativeCount: String(value), upperBound: Number(bound) });
  }
}

function unescape(text: string): string {
  return text.replace(/\\(["\\n])/g, (_, char: string) => (char === "n" ? "\n" : char));
}
