import { Code, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { fetchStatus, type NamedCount } from "../../api/prometheus.ts";
import { formatBytes } from "../../charts/format.ts";
import { ErrorState, LoadingState } from "../../components/States.tsx";

/** StatusPage shows the process, the head, the largest cardinalities, flags and the configuration. */
export function StatusPage() {
  const status = useQuery({
    queryKey: ["status"],
    queryFn: ({ signal }) => fetchStatus(signal),
    refetchInterval: 10_000,
  });
  if (status.isError) return <ErrorState title="Status could not be loaded" error={status.error} />;
  if (status.isPending) return <LoadingState height={400} />;
  const { runtime, build, tsdb, flags, configYaml } = status.data;
  const head = tsdb.headStats;
  return (
    <Stack gap="sm">
      <Title order={1} size="h4">
        Status
      </Title>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="sm">
        <Section title="Process">
          <Pairs
            rows={[
              ["Belfry", (build.revision ?? "").replace("belfry-", "")],
              ["Answers as Prometheus", build.version ?? ""],
              ["Started", new Date(String(runtime.startTime)).toLocaleString()],
              ["Host", String(runtime.hostname)],
              ["Working directory", String(runtime.CWD)],
              ["Memory budget", formatBytes(Number(runtime.GOMEMLIMIT))],
              ["Retention", String(runtime.storageRetention)],
              ["Configuration", runtime.reloadConfigSuccess ? "loaded" : "the last reload failed"],
            ]}
          />
        </Section>
        <Section title="Head">
          <Pairs
            rows={[
              ["Series", head.numSeries.toLocaleString()],
              ["Label pairs", head.numLabelPairs.toLocaleString()],
              ["Chunks", head.chunkCount.toLocaleString()],
              ["Oldest sample", head.numSeries > 0 ? new Date(head.minTime).toLocaleString() : "–"],
              ["Newest sample", head.numSeries > 0 ? new Date(head.maxTime).toLocaleString() : "–"],
            ]}
          />
        </Section>
        <Section title="Series by metric name">
          <Counts rows={tsdb.seriesCountByMetricName} />
        </Section>
        <Section title="Values by label name">
          <Counts rows={tsdb.labelValueCountByLabelName} />
        </Section>
      </SimpleGrid>
      <Section title="Configuration">
        <Code block mah={320} style={{ overflow: "auto" }}>
          {configYaml || "built-in defaults"}
        </Code>
      </Section>
      <Section title="Flags">
        <Pairs rows={Object.entries(flags).filter(([, value]) => value !== "")} />
      </Section>
    </Stack>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="panel" style={{ padding: 12 }} aria-label={title}>
      <Text fw={600} mb={4}>
        {title}
      </Text>
      {children}
    </section>
  );
}

function Pairs({ rows }: { rows: readonly (readonly [string, string])[] }) {
  return (
    <Table verticalSpacing={3}>
      <Table.Tbody>
        {rows.map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Td className="dim" w={220}>
              {name}
            </Table.Td>
            <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Counts({ rows }: { rows: readonly NamedCount[] }) {
  const most = Math.max(1, ...rows.map((row) => row.value));
  return (
    <Table verticalSpacing={3}>
      <Table.Tbody>
        {rows.map((row) => (
          <Table.Tr key={row.name}>
            <Table.Td className="mono" style={{ overflowWrap: "anywhere" }}>
              {row.name}
            </Table.Td>
            <Table.Td w={120}>
              <div
                style={{
                  height: 6,
                  borderRadius: 3,
                  width: `${(100 * row.value) / most}%`,
                  background: "var(--mantine-primary-color-filled)",
                }}
              />
            </Table.Td>
            <Table.Td w={80} ta="right">
              {row.value.toLocaleString()}
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
