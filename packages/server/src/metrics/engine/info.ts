// info() adds labels of info series (by default target_info) that share `instance` and `job` with a series. Info
// series are looked up as of the time the samples are from: an `@` or offset on the first selector of the
// argument, subqueries around it included, applies to them too. Of several info series that match, the one with
// the newest sample counts.
import { EMPTY_LABELS, type Labels, LabelsBuilder, Matcher, METRIC_NAME } from "@belfry/core/model";
import { OutputRows } from "./binary.ts";
import type { Evaluator } from "./evaluator.ts";
import type { CallPlan, Plan, SelectorPlan } from "./plan.ts";
import { executionError } from "./query-error.ts";
import { ABSENT, HISTOGRAM, type Row, RowCollector, type RowSink, scratchRow } from "./row.ts";
import { LatestSamples } from "./selectors.ts";

const TARGET_INFO = "target_info";
const IDENTIFYING_LABELS = ["instance", "job"];

/** evalInfo evaluates info(v, selector). */
export async function evalInfo(ev: Evaluator, plan: CallPlan, sink: RowSink): Promise<void> {
  const collected = await ev.collect(plan.args[0]!);
  const base = collected.rows;
  for (const row of base) ev.visible(row);
  const selector = plan.args[1]?.kind === "selector" ? plan.args[1] : undefined;
  const matchers = selector?.matchers ?? [];
  const nameMatchers =
    selector === undefined
      ? [new Matcher("=", METRIC_NAME, TARGET_INFO)]
      : matchers.filter((matcher) => matcher.name === METRIC_NAME);
  const dataMatchers = matchers.filter((matcher) => matcher.name !== METRIC_NAME);
  // Info series are not enriched with themselves.
  const ignored = base.map(
    (row) => nameMatchers.length > 0 && nameMatchers.every((matcher) => matcher.matches(row.labels.metricName)),
  );
  const infos = await selectInfos(ev, plan, base, ignored, matchers);
  await new Enrichment(ev, base, ignored, infos, dataMatchers).run(sink);
  ev.release(collected);
}

interface Reference {
  offsetMs: number;
  atMs: number | undefined;
}

// referenceOf finds the time the samples of the first selector are from.
function referenceOf(plan: Plan, outer: Reference): Reference | undefined {
  switch (plan.kind) {
    case "selector":
      return plan.atMs === undefined
        ? { offsetMs: outer.offsetMs + plan.offsetMs, atMs: outer.atMs }
        : { offsetMs: plan.offsetMs, atMs: plan.atMs };
    case "range":
      return referenceOf(plan.selector, outer);
    case "subquery":
      return referenceOf(
        plan.inner,
        plan.atMs === undefined
          ? { offsetMs: outer.offsetMs + plan.offsetMs, atMs: outer.atMs }
          : { offsetMs: plan.offsetMs, atMs: plan.atMs },
      );
    case "once":
    case "negate":
      return referenceOf(plan.inner, outer);
    case "aggregate":
      return referenceOf(plan.inner, outer) ?? (plan.param && referenceOf(plan.param, outer));
    case "binary":
      return referenceOf(plan.lhs, outer) ?? referenceOf(plan.rhs, outer);
    case "call":
      for (const arg of plan.args) {
        const found = referenceOf(arg, outer);
        if (found) return found;
      }
      return undefined;
    default:
      return undefined;
  }
}

// selectInfos returns the info series, with the time of the latest sample (ms) in place of the value.
async function selectInfos(
  ev: Evaluator,
  plan: CallPlan,
  base: readonly Row[],
  ignored: readonly boolean[],
  matchers: readonly Matcher[],
): Promise<Row[]> {
  const wanted: Matcher[] = [];
  for (const name of IDENTIFYING_LABELS) {
    const values = new Set<string>();
    base.forEach((row, i) => {
      const value = row.labels.get(name);
      if (!ignored[i] && value !== "") values.add(value);
    });
    if (values.size > 0) wanted.push(new Matcher("=~", name, [...values].map(quoteRegex).join("|")));
  }
  if (wanted.length === 0) return [];
  if (!matchers.some((matcher) => matcher.name === METRIC_NAME)) {
    wanted.unshift(new Matcher("=", METRIC_NAME, TARGET_INFO));
  }
  wanted.push(...matchers);
  const { frame, state } = ev;
  const reference = referenceOf(plan.args[0]!, { offsetMs: 0, atMs: undefined }) ?? { offsetMs: 0, atMs: undefined };
  const endMs = (reference.atMs ?? ev.timeMs(frame.steps - 1)) - reference.offsetMs;
  const startMs = (reference.atMs ?? frame.startMs) - reference.offsetMs - state.lookbackMs + 1;
  const hints = { startMs, endMs, stepMs: frame.stepMs, rangeMs: 0, func: "info", limit: 0 };
  const set = await state.queryable.select(wanted, hints, ev.context);
  for (const warning of set.warnings) state.annotations.storageWarning(warning);
  const selector: SelectorPlan = {
    kind: "selector",
    expr: { ...emptySelector, pos: plan.expr.pos },
    matchers: wanted,
    ...reference,
    anchored: false,
    smoothed: false,
    hints,
    statsOnly: false,
    series: set.series,
  };
  const infos = new RowCollector();
  const row = scratchRow(EMPTY_LABELS, frame.steps);
  const latest = new LatestSamples(frame, selector, state.lookbackMs);
  await ev.eachSeries(selector, (series, buffer) => {
    if (latest.fill(buffer, row, "timeMs") === 0) return;
    if (buffer.histograms !== null) {
      throw executionError(`this should be an info metric, with float samples: ${series.labels.toString()}`);
    }
    ev.samples.total += row.count;
    row.labels = series.labels;
    infos.add(row);
  });
  return infos.rows;
}

const emptySelector = {
  kind: "VectorSelector" as const,
  name: "",
  matchers: [],
  anchored: false,
  smoothed: false,
  originalOffsetMs: 0,
  offsetExpr: undefined,
  timestampMs: undefined,
  startOrEnd: undefined,
};

function quoteRegex(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");
}

/** Enrichment joins base rows with info rows step by step. */
class Enrichment {
  private readonly ev: Evaluator;
  private readonly base: readonly Row[];
  private readonly ignored: readonly boolean[];
  private readonly infos: readonly Row[];
  private readonly dataMatchers: readonly Matcher[];
  private readonly dataNames: ReadonlySet<string>;
  private readonly mayBeUnmatched: boolean;
  /** infoNames are the names of the info metrics; signatures are per name. */
  private readonly infoNames: string[];

  constructor(
    ev: Evaluator,
    base: readonly Row[],
    ignored: readonly boolean[],
    infos: readonly Row[],
    dataMatchers: readonly Matcher[],
  ) {
    this.ev = ev;
    this.base = base;
    this.ignored = ignored;
    this.infos = infos;
    this.dataMatchers = dataMatchers;
    this.dataNames = new Set(dataMatchers.map((matcher) => matcher.name));
    this.mayBeUnmatched = dataMatchers.every((matcher) => matcher.matchesEmpty);
    this.infoNames = [...new Set(infos.map((row) => row.labels.metricName))];
  }

  async run(sink: RowSink): Promise<void> {
    const { ev, base, infos } = this;
    const signatureOf = (labels: Labels, name: string): string => `${name}\ud800${labels.keyOf(IDENTIFYING_LABELS)}`;
    const infoSignatures = infos.map((row) => signatureOf(row.labels, row.labels.metricName));
    const baseSignatures = base.map((row, i) =>
      this.ignored[i] ? [] : this.infoNames.map((name) => signatureOf(row.labels, name)),
    );
    const outputs = new OutputRows(ev.frame.steps);
    const newest = new Map<string, Row>();
    // Which labels result from a row and its info rows rarely changes from step to step.
    const lastMatch: (Row | undefined)[][] = base.map(() => []);
    const lastLabels: (Labels | undefined)[] = base.map(() => undefined);
    for (let s = 0; s < ev.frame.steps; s++) {
      newest.clear();
      for (let i = 0; i < infos.length; i++) {
        const row = infos[i]!;
        if (row.kind(s) === ABSENT) continue;
        const known = newest.get(infoSignatures[i]!);
        if (known !== undefined && !this.isNewer(row, known, s)) continue;
        newest.set(infoSignatures[i]!, row);
      }
      for (let i = 0; i < base.length; i++) {
        const row = base[i]!;
        const kind = row.kind(s);
        if (kind === ABSENT) continue;
        let labels: Labels | undefined = row.labels;
        if (!this.ignored[i]) {
          const matches = baseSignatures[i]!.map((signature) => newest.get(signature));
          const last = lastMatch[i]!;
          if (s === 0 || matches.length !== last.length || matches.some((match, j) => match !== last[j])) {
            lastMatch[i] = matches;
            lastLabels[i] = this.enrich(row.labels, matches);
          }
          labels = lastLabels[i];
          if (matches.length === 0 && lastLabels[i] === undefined) labels = this.enrich(row.labels, matches);
        }
        if (labels === undefined) continue;
        outputs.set(labels, row.drop, s, {
          value: row.values[row.base + s]!,
          histogram: kind === HISTOGRAM ? row.histograms![s] : undefined,
        });
      }
      if (ev.state.due(base.length + infos.length)) await ev.state.breathe();
    }
    for (const row of outputs.rows()) sink(row);
  }

  private isNewer(row: Row, known: Row, step: number): boolean {
    const time = row.values[row.base + step]!;
    const knownTime = known.values[known.base + step]!;
    if (time === knownTime) {
      throw executionError(
        `found duplicate series for info metric: existing ${known.labels.toString()} @ ${knownTime}, new ${row.labels.toString()} @ ${time}`,
      );
    }
    return time > knownTime;
  }

  /** enrich returns the labels with those of the matching info rows, or undefined when the selector asks for labels that are not there. */
  private enrich(labels: Labels, matches: readonly (Row | undefined)[]): Labels | undefined {
    const added = new LabelsBuilder();
    let matched = false;
    for (const info of matches) {
      if (info === undefined) continue;
      matched = true;
      for (const [name, value] of info.labels) {
        if (name === METRIC_NAME) continue;
        if (this.dataMatchers.length > 0 && !this.dataNames.has(name)) continue;
        const known = added.get(name);
        if (known !== "" && known !== value) throw executionError(`conflicting label: ${name}`);
        if (!labels.has(name)) added.set(name, value);
      }
    }
    if (!matched && !this.mayBeUnmatched) return undefined;
    const builder = new LabelsBuilder(labels);
    for (const [name, value] of added.entries()) builder.set(name, value);
    return builder.labels();
  }
}
