// An appendable for tests and benchmarks: it keeps what was committed in plain lists.
import { type Exemplar, type Histogram, type Labels, type MetricMetadata } from "@belfry/core/model";
import { type Appendable, type Appender, AppendFailure } from "../../metrics/appender.ts";

/** RecordedSample is one committed sample; a staleness marker has `stale`. */
export interface RecordedSample {
  labels: string;
  timeMs: number;
  value: number;
  stale: boolean;
  startMs: number;
  histogram?: Histogram;
}

/** RecordingAppendable accepts what is in time order per series. */
export class RecordingAppendable implements Appendable {
  readonly samples: RecordedSample[] = [];
  readonly exemplars: { labels: string; exemplar: Exemplar }[] = [];
  readonly metadata = new Map<string, MetricMetadata>();
  /** maxSeries refuses new series past this number. */
  maxSeries = Infinity;
  rollbacks = 0;
  /** failCommit makes the next commits reject. */
  failCommit: Error | undefined;
  private readonly refs = new Map<string, number>();
  private readonly names: string[] = [""];
  private readonly last = new Map<number, RecordedSample>();

  /** forgetRefs makes all refs unknown, as a store does with idle series. */
  forgetRefs(): void {
    this.names.fill("");
    this.refs.clear();
  }

  /** seriesCount is the number of series that were created. */
  get seriesCount(): number {
    return this.refs.size;
  }

  /** of lists the values of one series, "stale" for markers. */
  of(labels: string): (number | "stale")[] {
    return this.samples.filter((s) => s.labels === labels).map((s) => (s.stale ? "stale" : s.value));
  }

  /** at lists `labels value` of everything stamped `timeMs`. */
  at(timeMs: number): string[] {
    return this.samples.filter((s) => s.timeMs === timeMs).map((s) => `${s.labels} ${s.stale ? "stale" : s.value}`);
  }

  appender(): Appender {
    const staged: { ref: number; sample: RecordedSample }[] = [];
    const exemplars: { labels: string; exemplar: Exemplar }[] = [];
    const metadata = new Map<string, MetricMetadata>();
    const resolve = (ref: number, labels: Labels): number => {
      if (this.names[ref] !== undefined && this.names[ref] !== "") return ref;
      const text = labels.toString();
      const known = this.refs.get(text);
      if (known !== undefined) return known;
      if (this.refs.size >= this.maxSeries) return AppendFailure.SeriesLimit;
      this.names.push(text);
      this.refs.set(text, this.names.length - 1);
      return this.names.length - 1;
    };
    const stage = (
      ref: number,
      labels: Labels,
      timeMs: number,
      value: number,
      stale: boolean,
      startMs: number,
      histogram?: Histogram,
    ): number => {
      const own = resolve(ref, labels);
      if (own < 0) return own;
      const last = this.last.get(own);
      if (last !== undefined && timeMs < last.timeMs) return AppendFailure.OutOfOrder;
      if (last !== undefined && timeMs === last.timeMs && (stale !== last.stale || !Object.is(value, last.value))) {
        return AppendFailure.Duplicate;
      }
      staged.push({ ref: own, sample: { labels: this.names[own], timeMs, value, stale, startMs, histogram } });
      return own;
    };
    return {
      append: (ref, labels, timeMs, value, startMs = 0) => stage(ref, labels, timeMs, value, false, startMs),
      appendStale: (ref, labels, timeMs) => stage(ref, labels, timeMs, NaN, true, 0),
      appendHistogram: (ref, labels, timeMs, histogram, startMs = 0) =>
        stage(ref, labels, timeMs, 0, false, startMs, histogram),
      appendExemplar: (ref, _labels, exemplar) => {
        exemplars.push({ labels: this.names[ref], exemplar });
        return true;
      },
      updateMetadata: (family, entry) => void metadata.set(family, entry),
      commit: () => {
        if (this.failCommit !== undefined) return Promise.reject(this.failCommit);
        for (const { ref, sample } of staged) {
          this.samples.push(sample);
          this.last.set(ref, sample);
        }
        this.exemplars.push(...exemplars);
        for (const [family, entry] of metadata) this.metadata.set(family, entry);
        return Promise.resolve();
      },
      rollback: () => void this.rollbacks++,
    };
  }
}
