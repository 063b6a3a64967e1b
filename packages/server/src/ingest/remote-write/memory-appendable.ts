// For tests: a store that keeps what is appended to it, and refuses as the head does.
import type { Exemplar, Histogram, Labels, MetricMetadata } from "@belfry/core/model";
import { AppendFailure, type Appendable, type Appender, type SeriesRef } from "../../metrics/appender.ts";

/** MemorySample is one appended sample; the value of a staleness marker is "stale". */
export interface MemorySample {
  timeMs: number;
  value: number | "stale" | Histogram;
  startMs: number;
}

/** MemoryAppendable keeps committed samples by the text of their labels. */
export class MemoryAppendable implements Appendable {
  readonly samples = new Map<string, MemorySample[]>();
  readonly exemplars = new Map<string, Exemplar[]>();
  readonly metadata = new Map<string, MetricMetadata>();
  rollbacks = 0;
  /** calls counts appends whose ref was known. */
  knownRefs = 0;
  seriesLimit = Infinity;
  /** commitGate holds every commit back until it resolves. */
  commitGate: Promise<void> = Promise.resolve();
  private readonly refs = new Map<string, SeriesRef>();
  private readonly byRef = new Map<SeriesRef, string>();

  appender(): Appender {
    const staged: { key: string; sample: MemorySample }[] = [];
    const stagedExemplars: { key: string; exemplar: Exemplar }[] = [];
    const stagedMetadata: [string, MetricMetadata][] = [];
    const stage = (ref: SeriesRef, labels: Labels, sample: MemorySample): SeriesRef | AppendFailure => {
      const key = this.byRef.get(ref) ?? labels.toString();
      if (this.byRef.has(ref)) this.knownRefs++;
      if (!this.refs.has(key)) {
        if (this.refs.size >= this.seriesLimit) return AppendFailure.SeriesLimit;
        this.refs.set(key, this.refs.size + 1);
        this.byRef.set(this.refs.size, key);
      }
      const last = staged.findLast((entry) => entry.key === key)?.sample ?? this.samples.get(key)?.at(-1);
      if (last !== undefined && sample.timeMs < last.timeMs) return AppendFailure.OutOfOrder;
      if (last !== undefined && sample.timeMs === last.timeMs) {
        return JSON.stringify(sample.value) === JSON.stringify(last.value)
          ? this.refs.get(key)!
          : AppendFailure.Duplicate;
      }
      staged.push({ key, sample });
      return this.refs.get(key)!;
    };
    return {
      append: (ref, labels, timeMs, value, startMs = 0) => stage(ref, labels, { timeMs, value, startMs }),
      appendStale: (ref, labels, timeMs) => stage(ref, labels, { timeMs, value: "stale", startMs: 0 }),
      appendHistogram: (ref, labels, timeMs, value, startMs = 0) => stage(ref, labels, { timeMs, value, startMs }),
      appendExemplar: (ref, labels, exemplar) => {
        const key = this.byRef.get(ref) ?? labels.toString();
        const last =
          stagedExemplars.findLast((entry) => entry.key === key)?.exemplar ?? this.exemplars.get(key)?.at(-1);
        if (!this.refs.has(key) || (last !== undefined && exemplar.timeMs < last.timeMs)) return false;
        stagedExemplars.push({ key, exemplar });
        return true;
      },
      updateMetadata: (family, metadata) => void stagedMetadata.push([family, metadata]),
      commit: async () => {
        await this.commitGate;
        for (const { key, sample } of staged) push(this.samples, key, sample);
        for (const { key, exemplar } of stagedExemplars) push(this.exemplars, key, exemplar);
        for (const [family, metadata] of stagedMetadata) this.metadata.set(family, metadata);
      },
      rollback: () => void this.rollbacks++,
    };
  }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
