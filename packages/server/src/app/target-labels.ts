import { EMPTY_LABELS, LabelsBuilder } from "@belfry/core/model";
import type { TargetGroup as DiscoveredGroup } from "../ingest/discovery/index.ts";
import type { TargetGroup } from "../ingest/scrape/index.ts";

/**
 * joinTargetLabels turns a group as discovery has it into one for scraping. Discovery keeps empty values, which
 * hide a label of the group; labels of series have none. So the two are joined target by target first.
 */
export function joinTargetLabels(group: DiscoveredGroup): TargetGroup {
  const targets = group.targets.map((target) => {
    const builder = new LabelsBuilder();
    for (const [name, value] of group.labels) builder.set(name, value);
    for (const [name, value] of target) builder.set(name, value);
    return builder.labels();
  });
  return { source: group.source, targets, labels: EMPTY_LABELS };
}
