import { Stack, Table, Text } from "@mantine/core";
import type { InstantResult } from "../../api/prometheus.ts";
import { seriesName } from "../../charts/format.ts";
import { EmptyState } from "../../components/States.tsx";

// Rows past this are not rendered; the count says so.
const MAX_ROWS = 1000;

/** TableView lists the samples of an instant query. */
export function TableView({ result }: { result: InstantResult }) {
  if (result.rows.length === 0) {
    return (
      <EmptyState title="No samples now">The expression is valid, and nothing matches it at this time.</EmptyState>
    );
  }
  return (
    <Stack gap="xs">
      {result.notes.map((note) => (
        <Text key={note} size="xs" className="dim">
          {note}
        </Text>
      ))}
      <Table.ScrollContainer minWidth={480}>
        <Table verticalSpacing={4} highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Series</Table.Th>
              <Table.Th ta="right">Value</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {result.rows.slice(0, MAX_ROWS).map((row) => {
              const name = seriesName(row.labels);
              return (
                <Table.Tr key={name}>
                  <Table.Td className="mono" style={{ overflowWrap: "anywhere" }}>
                    {name}
                  </Table.Td>
                  <Table.Td className="mono" ta="right">
                    {row.value}
                  </Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Text size="xs" className="dim">
        {result.rows.length > MAX_ROWS ? `${MAX_ROWS} of ${result.rows.length}` : result.rows.length} series
      </Text>
    </Stack>
  );
}
