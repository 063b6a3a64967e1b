import { Badge, Group, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { fetchTargets, type Target } from "../../api/prometheus.ts";
import { EmptyState, ErrorState, LoadingState } from "../../components/States.tsx";

/** TargetsPage lists what is scraped, with state and last error. */
export function TargetsPage() {
  const targets = useQuery({
    queryKey: ["targets"],
    queryFn: ({ signal }) => fetchTargets(signal),
    refetchInterval: 5000,
  });
  const [filter, setFilter] = useState("");
  const pools = useMemo(() => groupByPool(targets.data ?? [], filter), [targets.data, filter]);
  const down = (targets.data ?? []).filter((target) => target.health === "down").length;

  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Group gap="xs">
          <Title order={1} size="h4">
            Targets
          </Title>
          {targets.data && (
            <Text size="sm" className="dim">
              {targets.data.length} active{down > 0 ? `, ${down} down` : ""}
            </Text>
          )}
        </Group>
        <TextInput
          size="xs"
          w={260}
          placeholder="Filter by label or address"
          aria-label="Filter targets"
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value)}
        />
      </Group>
      {targets.isError && <ErrorState title="Targets could not be loaded" error={targets.error} />}
      {targets.isPending && <LoadingState height={160} />}
      {targets.data && pools.length === 0 && (
        <EmptyState title={filter === "" ? "Nothing is scraped" : "No target matches the filter"}>
          {filter === "" && "Add scrape_configs to the configuration file and reload."}
        </EmptyState>
      )}
      {pools.map(([pool, list]) => (
        <section key={pool} className="panel" style={{ padding: 12 }} aria-label={`Job ${pool}`}>
          <Group gap="xs" mb={4}>
            <Text fw={600}>{pool}</Text>
            <Badge size="sm" variant="light" color={list.every((target) => target.health === "up") ? "green" : "red"}>
              {list.filter((target) => target.health === "up").length} / {list.length} up
            </Badge>
          </Group>
          <Table.ScrollContainer minWidth={720}>
            <Table verticalSpacing={6} layout="fixed">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th w={110}>State</Table.Th>
                  <Table.Th>Endpoint</Table.Th>
                  <Table.Th>Labels</Table.Th>
                  <Table.Th w={120}>Last scrape</Table.Th>
                  <Table.Th w={100} ta="right">
                    Duration
                  </Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {list.map((target) => (
                  <TargetRow
                    key={`${target.scrapeUrl}${JSON.stringify(target.labels)}`}
                    target={target}
                    nowMs={targets.dataUpdatedAt}
                  />
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </section>
      ))}
    </Stack>
  );
}

const STATE_COLOR = { up: "var(--belfry-ok)", down: "var(--belfry-bad)", unknown: "var(--belfry-unknown)" } as const;

function TargetRow({ target, nowMs }: { target: Target; nowMs: number }) {
  const { job: _job, ...labels } = target.labels;
  const age = (nowMs - Date.parse(target.lastScrape)) / 1000;
  return (
    <Table.Tr>
      <Table.Td>
        <span className="status-dot" style={{ background: STATE_COLOR[target.health] }} />
        {target.health}
      </Table.Td>
      <Table.Td style={{ overflowWrap: "anywhere" }}>
        {/^https?:/.test(target.scrapeUrl) ? (
          <a href={target.scrapeUrl} rel="noreferrer">
            {target.scrapeUrl}
          </a>
        ) : (
          target.scrapeUrl
        )}
        {target.lastError !== "" && (
          <Text size="xs" c="var(--belfry-bad)" className="mono">
            {target.lastError}
          </Text>
        )}
      </Table.Td>
      <Table.Td className="mono" style={{ overflowWrap: "anywhere" }}>
        {Object.entries(labels)
          .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
          .join(" ")}
      </Table.Td>
      <Table.Td>{target.lastScrape.startsWith("0001") ? "not yet" : `${Math.max(0, age).toFixed(0)} s ago`}</Table.Td>
      <Table.Td ta="right">{(target.lastScrapeDuration * 1000).toFixed(1)} ms</Table.Td>
    </Table.Tr>
  );
}

function groupByPool(targets: readonly Target[], filter: string): [string, Target[]][] {
  const wanted = filter.toLowerCase();
  const pools = new Map<string, Target[]>();
  for (const target of targets) {
    const text = `${target.scrapeUrl} ${Object.entries(target.labels).flat().join(" ")}`.toLowerCase();
    if (!text.includes(wanted)) continue;
    pools.set(target.scrapePool, [...(pools.get(target.scrapePool) ?? []), target]);
  }
  return [...pools].sort(([a], [b]) => a.localeCompare(b));
}
