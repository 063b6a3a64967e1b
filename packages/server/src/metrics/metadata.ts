// Metadata is what expositions say of metric families: type, help, unit. Targets may disagree, so a family can
// have several entries; the one that came last is first.
import type { MetricMetadata } from "@belfry/core/model";

// Families and help texts come from whatever is scraped. 50,000 families of 200 bytes are 10 MB; a family with
// more than a handful of different texts has versions of one program behind it, of which the newest matter.
const MAX_FAMILIES = 50_000;
const MAX_ENTRIES = 4;

/** MetadataStore keeps the metadata of a bounded number of families; the ones updated last stay. */
export class MetadataStore {
  private readonly families = new Map<string, MetricMetadata[]>();

  /** update records what an exposition said and tells whether it was not known. */
  update(family: string, metadata: MetricMetadata): boolean {
    const entries = this.families.get(family);
    if (entries === undefined) {
      if (this.families.size >= MAX_FAMILIES) this.families.delete(this.families.keys().next().value!);
      this.families.set(family, [metadata]);
      return true;
    }
    const at = entries.findIndex((entry) => same(entry, metadata));
    if (at === 0) return false;
    if (at > 0) entries.splice(at, 1);
    entries.unshift(metadata);
    if (entries.length > MAX_ENTRIES) entries.pop();
    return at < 0;
  }

  get(family: string): MetricMetadata | undefined {
    return this.families.get(family)?.[0];
  }

  all(): ReadonlyMap<string, readonly MetricMetadata[]> {
    return this.families;
  }

  get size(): number {
    return this.families.size;
  }
}

function same(a: MetricMetadata, b: MetricMetadata): boolean {
  return a.type === b.type && a.help === b.help && a.unit === b.unit;
}
