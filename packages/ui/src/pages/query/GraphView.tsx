import { Stack, Text, UnstyledButton } from "@mantine/core";
import { useCallback, useMemo, useState } from "react";
import type { RangeResult } from "../../api/prometheus.ts";
import { formatShort, seriesName } from "../../charts/format.ts";
import { seriesColors } from "../../charts/palette.ts";
import { TimeSeriesChart } from "../../charts/TimeSeriesChart.tsx";
import { EmptyState } from "../../components/States.tsx";

// A graph of more lines than this shows nothing and stalls the browser.
const MAX_SERIES = 200;

/** GraphView draws a range result with its legend; a click on a name shows that series alone. */
export function GraphView({
  result,
  height,
  onZoom,
}: {
  result: RangeResult;
  height: number;
  onZoom(start: number, end: number): void;
}) {
  const shown = useMemo(() => ({ ...result, series: result.series.slice(0, MAX_SERIES) }), [result]);
  const names = useMemo(() => shown.series.map((series) => seriesName(series.labels)), [shown]);
  const colors = useMemo(() => seriesColors(names), [names]);
  const [only, setOnly] = useState<string | undefined>();
  const hidden = useMemo(() => {
    const index = only === undefined ? -1 : names.indexOf(only);
    return new Set(index < 0 ? [] : names.map((_, i) => i).filter((i) => i !== index));
  }, [names, only]);
  const toggle = useCallback((name: string) => setOnly((current) => (current === name ? undefined : name)), []);

  if (result.series.length === 0) {
    return (
      <EmptyState title="No series in this range">
        The expression is valid, and nothing matches it here. Right after the first start, rates need two scrapes.
      </EmptyState>
    );
  }
  return (
    <Stack gap="xs">
      {result.notes.map((note) => (
        <Text key={note} size="xs" className="dim">
          {note}
        </Text>
      ))}
      <TimeSeriesChart result={shown} colors={colors} hidden={hidden} height={height} onZoom={onZoom} />
      <div className="legend" role="group" aria-label="Series">
        {shown.series.map((series, i) => (
          <UnstyledButton
            key={names[i]}
            className="legend-row mono"
            aria-pressed={!hidden.has(i)}
            onClick={() => toggle(names[i]!)}
          >
            <span className="swatch" style={{ background: colors[i] }} />
            <span className="legend-name">{names[i]}</span>
            <span>{formatShort(lastValue(series.values))}</span>
          </UnstyledButton>
        ))}
      </div>
      {result.series.length > MAX_SERIES && (
        <Text size="xs" className="dim">
          Showing {MAX_SERIES} of {result.series.length} series. Aggregate or filter to see the others.
        </Text>
      )}
    </Stack>
  );
}

function lastValue(values: readonly (number | null)[]): number | null {
  for (let i = values.length - 1; i >= 0; i--) if (values[i] !== null) return values[i]!;
  return null;
}
