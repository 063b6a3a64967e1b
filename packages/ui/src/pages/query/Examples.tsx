import { Button, Group } from "@mantine/core";
import { DEFAULT_EXPR } from "../../state/query-search.ts";

const EXAMPLES: readonly { label: string; expr: string }[] = [
  { label: "CPU", expr: DEFAULT_EXPR },
  { label: "Memory used", expr: "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes" },
  { label: "Load", expr: '{__name__=~"node_load(1|5|15)"}' },
  { label: "Network in", expr: "sum by (device) (rate(node_network_receive_bytes_total[1m]))" },
  {
    label: "Disk free",
    expr: "min by (mountpoint) (node_filesystem_avail_bytes / node_filesystem_size_bytes)",
  },
  { label: "Targets up", expr: "up" },
  { label: "Scrape time", expr: "scrape_duration_seconds" },
  { label: "Belfry memory", expr: "process_resident_memory_bytes" },
];

/** Examples are expressions that have an answer on every machine. */
export function Examples({ onPick, current }: { onPick(expr: string): void; current: string }) {
  return (
    <Group gap={6} aria-label="Examples" role="group">
      {EXAMPLES.map(({ label, expr }) => (
        <Button
          key={label}
          size="compact-xs"
          variant={expr === current ? "light" : "default"}
          onClick={() => onPick(expr)}
        >
          {label}
        </Button>
      ))}
    </Group>
  );
}
